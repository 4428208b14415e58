// A message as programs give it to the sendmail command: made ready for the queue, and asked for its recipients (-t).
//
//   kStart -- a line --> kHeader -- empty line, or a line that is no field --> kBody
//      |                    |                                                    |
//      +--------------------+-------- a lone "." (without -i) -------------------+--> ended: the rest is not read
//
// As Postfix's sendmail and cleanup do it: "From " lines before the header are dropped (mbox), CR before LF is dropped
// (sendmail_fix_line_endings), the last line gets its end. With -t the recipients are those of To, Cc and Bcc, or of
// the Resent- fields alone where there are any (RFC 5322 section 3.6.6), and Bcc fields are taken out: nobody shall
// read them.
//
// Any bytes go in, in pieces of any size; memory is one header field of kFieldBytesMax.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/routing/address.h"

namespace postern::queue {

// One argument of the command or one field's value: a list of addresses with names, comments and groups (RFC 5322
// section 3.4). Names without a domain stay without one. kInvalidArgument: something in it is no address.
Status AppendRecipients(std::string_view list, std::vector<routing::Mailbox>* recipients);

class LocalMessage {
 public:
  enum class LineEnds : uint8_t { kAlways, kStrict, kNever };  // sendmail_fix_line_endings; kStrict: as the first line
  struct Options {
    bool dot_ends = true;             // without -i
    bool extract_recipients = false;  // -t
    LineEnds line_ends = LineEnds::kAlways;
  };
  static constexpr size_t kFieldBytesMax = 4u << 20;  // with -t; a list of that length is a mailing list's work
  static constexpr size_t kRecipientsMax = 100'000;

  explicit LocalMessage(Options options) : options_(options) {}

  // Appends what goes into the queue to `*out`.
  void Feed(std::string_view bytes, std::string* out);
  void Finish(std::string* out);
  bool ended() const { return ended_; }
  // All recipients of the header are known.
  bool header_ended() const { return part_ == Part::kBody || ended_; }

  // After the header, with -t. kInvalidArgument: an address in the header is none, or a field is too long.
  const Status& status() const { return status_; }
  const std::vector<routing::Mailbox>& recipients() const { return resent_ ? resent_recipients_ : recipients_; }

 private:
  enum class Part : uint8_t { kStart, kHeader, kBody };

  void EndLine(bool terminated, std::string* out);
  void AddLine(std::string_view line, std::string* out);
  void FlushField(std::string* out);
  void PassLongLine(std::string* out);

  Options options_;
  Part part_ = Part::kStart;
  std::string line_;         // the line under way, without its end
  bool line_began_ = false;  // and its beginning was passed on already
  bool strip_cr_ = true;
  bool first_line_ = true;
  std::string field_;  // whole lines of the field under way
  bool ended_ = false;
  bool resent_ = false;
  Status status_;
  std::vector<routing::Mailbox> recipients_, resent_recipients_;
};

}  // namespace postern::queue
