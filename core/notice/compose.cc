#include "core/notice/compose.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/message/header.h"
#include "core/notice/text.h"

namespace postern::notice {
namespace {

constexpr size_t kBoundaryBytesMax = 70;  // RFC 2046 section 5.1.1
constexpr size_t kMessageIdBytesMax = 900;

// RFC 3464 section 2.3.6: what follows "X-" is an atom. As Postfix makes one of mail_name.
std::string AtomOf(std::string name) {
  for (char& c : name) {
    if (std::string_view(" \t\r\n()<>@,;:\\\".[]").find(c) != std::string_view::npos) c = '-';
  }
  return name;
}

// A recipient as its client named it is a key, without quotes.
std::string QuotedKey(std::string_view key) {
  const size_t at = key.rfind('@');
  routing::Mailbox mailbox{.local = std::string(key.substr(0, at))};
  if (at != std::string_view::npos) mailbox.domain = key.substr(at + 1);
  return mailbox.Quoted();
}

// A From of a template: "Name <address>", "address (Name)" or an address; without a domain it is one at myorigin, as
// cleanup(8) completes it. The rest stays as the administrator wrote it.
std::string Completed(std::string from, const Settings& settings) {
  const size_t open = from.find('<');
  const size_t begin = open == std::string::npos ? 0 : open + 1;
  const size_t end = std::min(from.find_first_of(open == std::string::npos ? " \t(" : ">", begin), from.size());
  if (from.substr(begin, end - begin).find('@') == std::string::npos) from.insert(end, "@" + settings.myorigin);
  return from;
}

// The message's own Message-ID; empty where it has none that can be referred to.
std::string_view MessageIdOf(std::string_view message) {
  message::HeaderReader reader(message);
  for (message::Field field; reader.Next(&field);) {
    if (!field.Is("Message-ID")) continue;
    std::string_view value = field.value;
    constexpr std::string_view kBlanks = " \t\r\n";
    value.remove_prefix(std::min(value.find_first_not_of(kBlanks), value.size()));
    value = value.substr(0, value.find_last_not_of(kBlanks) + 1);
    const bool whole = value.starts_with('<') && value.ends_with('>') && value.size() <= kMessageIdBytesMax;
    return whole && Told(value, Repertoire::kAscii) == value && value.find_first_of(" \t") == std::string_view::npos
               ? value
               : std::string_view();
  }
  return {};
}

// The header's fields without the empty line, up to what is no field, as Postfix cuts it.
std::string_view HeaderOf(std::string_view message, size_t bytes_max) {
  message::HeaderReader reader(message);
  size_t end = 0;
  for (message::Field field; reader.Next(&field) && !field.name.empty();) {
    const size_t field_end = static_cast<size_t>(field.raw.data() + field.raw.size() - message.data());
    if (field_end > bytes_max) break;
    end = field_end;
  }
  return message.substr(0, end);
}

class Composer {
 public:
  Composer(const Notice& notice, const Subject& subject, const Settings& settings, const Template& words,
           const Writing& writing)
      : notice_(notice),
        subject_(subject),
        settings_(settings),
        words_(words),
        writing_(writing),
        global_(subject.envelope.smtputf8),
        status_repertoire_(global_ ? Repertoire::kUtf8 : Repertoire::kAscii) {}

  std::string Compose() {
    const std::string text = Text();
    const std::string status = DeliveryStatus();
    const std::string_view returned = Returned();
    // Postfix says 8bit whenever addresses may be UTF-8; without SMTPUTF8 only what needs it does.
    eight_bit_ = settings_.smtputf8_enable || subject_.envelope.body == "8BITMIME" || !IsAscii(text) ||
                 !IsAscii(status) || !IsAscii(returned);
    ChooseBoundary(text, status, returned);
    Header();
    TextPart(text);
    StatusPart(status);
    ReturnedPart(returned);
    return std::move(out_);
  }

 private:
  void Line(std::string_view text) { out_.append(text).push_back('\n'); }
  void Field(std::string_view name, std::string_view value) {
    out_.append(name).append(": ").append(value).push_back('\n');
  }
  // As Postfix writes it, unfolded, unless no line may be so long (RFC 5322 section 2.1.1).
  static void AppendField(std::string_view name, std::string_view value, std::string* out) {
    constexpr size_t kLineBytesMax = 998;
    std::string line = std::string(name) + ": " + std::string(value);
    if (line.size() > kLineBytesMax) return AppendFolded(line, out);
    out->append(line).push_back('\n');
  }

  const Outcome& At(size_t i) const { return subject_.outcomes[i]; }
  bool undelivered() const { return notice_.kind != NoticeKind::kSuccess; }

  // RFC 3834: for the author this answers what he sent, for a postmaster it answers nothing.
  void Header() {
    AppendHead(settings_, writing_, &out_);
    Field("From", Completed(words_.from, settings_));
    Field("Subject",
          notice_.postmaster_copy && !words_.postmaster_subject.empty() ? words_.postmaster_subject : words_.subject);
    Field("To", Told(notice_.to.Quoted(), Repertoire::kUtf8));
    if (settings_.enable_threaded_bounces && subject_.message) {
      const std::string_view message_id = MessageIdOf(*subject_.message);
      if (!message_id.empty()) Field("References", message_id), Field("In-Reply-To", message_id);
    }
    Field("Auto-Submitted", notice_.postmaster_copy ? "auto-generated" : "auto-replied");
    Field("MIME-Version", "1.0");
    Field("Content-Type", "multipart/report; report-type=delivery-status;");
    Line("\tboundary=\"" + boundary_ + "\"");
    Field("Content-Transfer-Encoding", eight_bit_ ? "8bit" : "7bit");
    Field("Message-Id", MessageIdText(settings_, writing_));
    Line("");
    Line("This is a MIME-encapsulated message.");
  }

  void OpenPart(std::string_view description, std::string_view type, bool encoded) {
    Line("");
    Line("--" + boundary_);
    Field("Content-Description", description);
    Field("Content-Type", type);
    if (encoded) Field("Content-Transfer-Encoding", "8bit");
    Line("");
  }

  void TextPart(std::string_view text) {
    const bool own_charset = !EqualsIgnoringCase(words_.charset, "us-ascii");
    OpenPart("Notification",
             "text/plain; charset=" + (own_charset  ? words_.charset
                                       : eight_bit_ ? "utf-8"
                                                    : "us-ascii"),
             eight_bit_);
    out_.append(text);
  }

  void StatusPart(std::string_view status) {
    // A 7-bit part needs no field, and RFC 3464 section 2 gives it none.
    OpenPart("Delivery report", global_ ? "message/global-delivery-status" : "message/delivery-status",
             eight_bit_ && global_);
    out_.append(status);
  }

  void ReturnedPart(std::string_view returned) {
    const std::string description = undelivered() ? "Undelivered " : "";
    if (full_) {
      OpenPart(description + "Message", global_ ? "message/global" : "message/rfc822", eight_bit_);
    } else {
      OpenPart(description + "Message Headers", global_ ? "message/global-headers" : "text/rfc822-headers", eight_bit_);
    }
    if (subject_.message) {
      Field("Return-Path", "<" + Told(SenderText(), Repertoire::kUtf8) + ">");
      out_.append(returned);
      if (!returned.empty() && returned.back() != '\n') Line("");
    } else {
      Line("\t--- The message can't be shown ---");
    }
    Line("");
    Line("--" + boundary_ + "--");
  }

  // ---- contents ----------------------------------------------------------------------------------------------------

  std::string Text() const {
    std::string text = notice_.postmaster_copy ? std::string() : ExpandTemplate(words_.text, settings_);
    for (const size_t i : notice_.outcomes) {
      const Outcome& outcome = At(i);
      std::string line = "<" + outcome.recipient.address.Quoted() + ">";
      if (const std::string& original = outcome.recipient.original;
          !original.empty() && !EqualsIgnoringCase(original, outcome.recipient.address.Key())) {
        line += " (expanded from <" + QuotedKey(original) + ">)";
      }
      text += '\n';
      AppendFolded(Told(line + ": " + ReasonOf(outcome), Repertoire::kUtf8), &text);
    }
    return text;
  }

  std::string ReasonOf(const Outcome& outcome) const {
    const std::string reason = outcome.text.empty() ? "(description unavailable)" : outcome.text;
    if (undelivered() || outcome.relay.empty() || outcome.relay == "none") return reason;
    return "delivery via " + outcome.relay + ": " + reason;
  }

  std::string DeliveryStatus() const {
    const queue::Envelope& envelope = subject_.envelope;
    const std::string prefix = "X-" + AtomOf(settings_.mail_name);
    std::string out;
    AppendField("Reporting-MTA", "dns; " + settings_.myhostname, &out);
    if (!envelope.envelope_id.empty())
      AppendField("Original-Envelope-Id", Told(envelope.envelope_id, status_repertoire_), &out);
    AppendField(prefix + "-Queue-ID", envelope.id, &out);
    AppendField(prefix + "-Sender", TypedAddress(SenderText(), status_repertoire_), &out);
    if (envelope.arrived_us > 0) AppendField("Arrival-Date", DateText({envelope.arrived_us}, writing_.now), &out);
    for (const size_t i : notice_.outcomes) RecipientStatus(At(i), &out);
    return out;
  }

  void RecipientStatus(const Outcome& outcome, std::string* out) const {
    const queue::QueuedRecipient& recipient = outcome.recipient;
    out->push_back('\n');
    AppendField("Final-Recipient", TypedAddress(recipient.address.Quoted(), status_repertoire_), out);
    // RFC 3461 section 6.3 wants the field only where there was an ORCPT; Postfix tells how the client named the
    // recipient in any case, and programs have come to expect it.
    if (!recipient.original_recipient.empty()) {
      AppendField("Original-Recipient", OriginalRecipient(recipient.original_recipient, status_repertoire_), out);
    } else if (!recipient.original.empty()) {
      AppendField("Original-Recipient",
                  OriginalRecipient("rfc822;" + QuotedKey(recipient.original), status_repertoire_), out);
    }
    AppendField("Action", ActionName(notice_.kind == NoticeKind::kFailure ? Fate::kFailed : outcome.fate), out);
    AppendField("Status", StatusOf(outcome), out);
    const auto told = [this](std::string_view text) { return Told(text, status_repertoire_); };
    if (!outcome.remote_mta_type.empty() && !outcome.remote_mta.empty()) {
      AppendFolded("Remote-MTA: " + told(outcome.remote_mta_type + "; " + outcome.remote_mta), out);
    }
    if (!outcome.diagnostic_type.empty() && !outcome.diagnostic.empty()) {
      AppendFolded("Diagnostic-Code: " + told(outcome.diagnostic_type + "; " + outcome.diagnostic), out);
    } else {
      AppendFolded("Diagnostic-Code: X-" + AtomOf(settings_.mail_name) + "; " + told(ReasonOf(outcome)), out);
    }
    if (notice_.kind == NoticeKind::kDelay) {
      const WallTime until = outcome.will_retry_until.value_or(
          WallTime{subject_.envelope.arrived_us + settings_.maximal_queue_lifetime.ns / 1000});
      AppendField("Will-Retry-Until", DateText(until, writing_.now), out);
    }
  }

  // Decides `full_`, too: cutting a message would break its MIME structure, so that a long one gives its header only.
  std::string_view Returned() {
    full_ = notice_.full;
    if (!subject_.message) return {};
    const std::string_view message = *subject_.message;
    const uint64_t limit = settings_.bounce_size_limit_bytes;
    if (limit > 0 && message.size() > limit) full_ = false;
    if (full_) return message;
    return HeaderOf(message, limit == 0 ? message.size() : std::max<uint64_t>(limit, kHeaderBytesMax));
  }

  std::string SenderText() const {
    const queue::Envelope& envelope = subject_.envelope;
    return envelope.null_sender ? "MAILER-DAEMON@" + settings_.myhostname : envelope.sender.Quoted();
  }

  // Postfix's form, which readers of logs recognise: "QUEUEID.SECONDS/HOST"; counted on where it occurs in a part.
  void ChooseBoundary(std::string_view text, std::string_view status, std::string_view returned) {
    const std::string base = subject_.envelope.id.substr(0, 32) + "." + std::to_string(writing_.now.wall.seconds());
    std::string host = settings_.myhostname;
    for (char& c : host) {  // bcharsnospace, what of it needs no thought
      const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                        c == '.' || c == '_';
      if (!fine) c = '_';
    }
    for (uint64_t n = 0;; ++n) {
      boundary_ = base + (n == 0 ? "" : "." + std::to_string(n)) + "/";
      boundary_ += host.substr(0, kBoundaryBytesMax - std::min(boundary_.size(), kBoundaryBytesMax));
      const auto free_of_it = [this](std::string_view part) { return part.find(boundary_) == std::string_view::npos; };
      // A message of n octets holds less than n of them: the loop ends.
      if (free_of_it(text) && free_of_it(status) && free_of_it(returned) && free_of_it(SenderText())) return;
    }
  }

  const Notice& notice_;
  const Subject& subject_;
  const Settings& settings_;
  const Template& words_;
  const Writing& writing_;
  const bool global_;
  const Repertoire status_repertoire_;
  bool eight_bit_ = true;
  bool full_ = false;
  std::string boundary_;
  std::string out_;
};

}  // namespace

std::string Compose(const Notice& notice, const Subject& subject, const Settings& settings, const Templates& templates,
                    const Writing& writing) {
  return Composer(notice, subject, settings, templates.For(notice.kind), writing).Compose();
}

queue::Envelope EnvelopeOf(const Notice& notice, const queue::Envelope& about, std::string_view message,
                           const Writing& writing) {
  queue::Envelope envelope;
  envelope.id = writing.id;
  envelope.arrived_us = writing.now.wall.us;
  envelope.trace_id = about.trace_id;  // it belongs to that message's life
  envelope.null_sender = notice.null_sender;
  if (!notice.null_sender) envelope.sender = notice.sender;
  envelope.body = IsAscii(message) ? "7BIT" : "8BITMIME";
  // RFC 3461 section 6.1: no RET, no NOTIFY. RFC 6533 section 4: global parts need SMTPUTF8.
  envelope.smtputf8 = about.smtputf8 || !IsAscii(notice.to.Key());
  envelope.recipients.push_back({.address = notice.to, .original = notice.to.Key()});
  return envelope;
}

}  // namespace postern::notice
