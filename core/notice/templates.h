// The words that people read at the head of a notice, and the file in which an administrator may put their own
// (bounce_template_file, bounce(5)). Subjects and the two lines that frame the text are those of Postfix, since
// programs that sort bounces know them; the sentences between are ours.
//
//   failure_template = <<EOF
//   Charset: us-ascii
//   Subject: Undelivered Mail Returned to Sender
//
//   This is the mail system at host $myhostname.
//   EOF
//
// In a text "$name" and "${name}" stand for myhostname, mydomain, myorigin, mail_name, and delay_warning_time and
// maximal_queue_lifetime with a unit at their end (delay_warning_time_hours); "$$" is a dollar.
#pragma once

#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/notice/decide.h"

namespace postern::notice {

struct Template {
  std::string charset = "us-ascii";
  std::string from = "Mail Delivery System <MAILER-DAEMON>";  // at myorigin where it names no domain
  std::string subject;
  std::string postmaster_subject;  // of copies; empty: subject
  std::string text;                // lines with LF
  bool operator==(const Template&) const = default;
};

struct Templates {
  Template failure, delay, success;
  const Template& For(NoticeKind kind) const;
  bool operator==(const Templates&) const = default;
};

// The built-in ones.
const Templates& DefaultTemplates();

// A template file over the built-in ones; verify_template is read and not kept, nothing here asks for it.
// kInvalidArgument: "line 3: ..." with the mend.
StatusOr<Templates> ParseTemplates(std::string_view file);

// A template's text as it is sent. A name that is none stays as it stands: ParseTemplates has refused it.
std::string ExpandTemplate(std::string_view text, const Settings& settings);

}  // namespace postern::notice
