#include "core/queue/maildrop.h"

#include <array>
#include <utility>

#include "core/queue/fact_line.h"
#include "core/queue/queue_file.h"

namespace postern::queue {
namespace {

constexpr std::string_view kMaildropMagic = "POSTERN-MAILDROP 1\n";
constexpr std::string_view kMaildropMark = "message";
constexpr uint8_t kNotifyNever = 1;  // smtp::Notify, a later room's
constexpr unsigned kNotifyMax = 15;

struct SubmissionFact {
  std::string_view name;
  std::string Submission::*field;
};
constexpr std::array<SubmissionFact, 5> kSubmissionFacts{{
    {"login", &Submission::login},
    {"full_name", &Submission::full_name},
    {"body", &Submission::body},
    {"ret", &Submission::ret},
    {"envid", &Submission::envelope_id},
}};

Status BadValue(std::string_view name) { return InvalidArgument("bad value of " + std::string(name.substr(0, 32))); }

Status ParseText(std::string_view name, const std::string& text, Submission* submission) {
  if (name == "sender") {
    submission->sender_kind = text.empty() ? SenderKind::kNull : SenderKind::kGiven;
    submission->sender = {};
    if (text.empty()) return OkStatus();
    auto mailbox = routing::ParseMailbox(text);
    if (!mailbox) return BadValue(name);
    submission->sender = *std::move(mailbox);
    return OkStatus();
  }
  if (name == "recipient") {
    if (submission->recipients.size() == kMaildropRecipientsMax) return InvalidArgument("too many recipients");
    auto mailbox = routing::ParseMailbox(text);
    if (!mailbox) return BadValue(name);
    submission->recipients.push_back(*std::move(mailbox));
    return OkStatus();
  }
  for (const SubmissionFact& fact : kSubmissionFacts) {
    if (fact.name != name) continue;
    if (text.size() > kMaildropTextBytesMax) return BadValue(name);
    submission->*fact.field = text;
    return OkStatus();
  }
  return InvalidArgument("unknown fact " + std::string(name.substr(0, 32)));
}

Status ParseFact(std::string_view line, Submission* submission) {
  const std::string_view name = TakeField(&line);
  unsigned number = 0;
  if (name == "arrived") return ParseNumber(line, &submission->arrived_us) ? OkStatus() : BadValue(name);
  if (name == "uid") return ParseNumber(line, &submission->uid) ? OkStatus() : BadValue(name);
  if (name == "smtputf8" || name == "notify") {
    if (!ParseNumber(line, &number) || number > (name == "notify" ? kNotifyMax : 1)) return BadValue(name);
    if (name == "notify") {
      submission->notify = static_cast<uint8_t>(number);
    } else {
      submission->smtputf8 = number == 1;
    }
    return OkStatus();
  }
  // Longer than any text with each of its bytes written as three.
  if (line.size() > 3 * kMaildropTextBytesMax + 3) return BadValue(name);
  const auto text = Unword(line);
  return text ? ParseText(name, *text, submission) : BadValue(name);
}

Status Judge(const Submission& submission) {
  if (submission.recipients.empty()) return InvalidArgument("no recipients");
  if (!submission.body.empty() && submission.body != "7BIT" && submission.body != "8BITMIME") return BadValue("body");
  if (!submission.ret.empty() && submission.ret != "FULL" && submission.ret != "HDRS") return BadValue("ret");
  // RFC 3461 section 4.1: NEVER stands alone.
  if ((submission.notify & kNotifyNever) != 0 && submission.notify != kNotifyNever) return BadValue("notify");
  return OkStatus();
}

}  // namespace

std::string FormatSubmission(const Submission& submission) {
  std::string text(kMaildropMagic);
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += name;
    text += ' ';
    text += value;
    text += '\n';
  };
  add("arrived", std::to_string(submission.arrived_us));
  add("uid", std::to_string(submission.uid));
  for (const SubmissionFact& fact : kSubmissionFacts) {
    if (!(submission.*fact.field).empty()) add(fact.name, Word(submission.*fact.field));
  }
  if (submission.sender_kind == SenderKind::kNull) add("sender", Word(""));
  if (submission.sender_kind == SenderKind::kGiven) add("sender", Word(submission.sender.Quoted()));
  if (submission.smtputf8) add("smtputf8", "1");
  if (submission.notify != 0) add("notify", std::to_string(submission.notify));
  for (const routing::Mailbox& recipient : submission.recipients) add("recipient", Word(recipient.Quoted()));
  text += kMaildropMark;
  return text += '\n';
}

StatusOr<MaildropHead> ParseMaildropHead(std::string_view text) {
  text = text.substr(0, kMaildropHeadBytesMax);
  const std::string_view start = text.substr(0, kMaildropMagic.size());
  if (start != kMaildropMagic.substr(0, start.size())) return DataLoss("no maildrop file of version 1");
  MaildropHead head;
  for (size_t at = start.size();;) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) {
      return text.size() == kMaildropHeadBytesMax ? InvalidArgument("too long") : NotFound("no message");
    }
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line == kMaildropMark) {
      head.message_at_bytes = at;
      break;
    }
    POSTERN_RETURN_IF_ERROR(ParseFact(line, &head.submission));
  }
  POSTERN_RETURN_IF_ERROR(Judge(head.submission));
  return head;
}

StatusOr<MaildropFile> ParseMaildropFile(std::string_view text) {
  if (text.substr(0, kMaildropMagic.size()) != kMaildropMagic) return DataLoss("no maildrop file of version 1");
  const auto sealed = ParseSealed(text);
  if (!sealed.ok()) return sealed.status();
  auto parsed = ParseMaildropHead(sealed->head);
  if (!parsed.ok()) {
    return parsed.status().code() == StatusCode::kNotFound ? DataLoss("no message") : parsed.status();
  }
  if (parsed->message_at_bytes != sealed->head.size()) return DataLoss("wrong length");
  return MaildropFile{.submission = std::move(parsed->submission), .message = sealed->message};
}

}  // namespace postern::queue
