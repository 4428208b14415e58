#include "core/notice/transcript.h"

#include <algorithm>
#include <utility>

#include "core/notice/text.h"

namespace postern::notice {

std::optional<routing::Mailbox> TranscriptRecipient(uint8_t classes, const Settings& settings) {
  if ((classes & settings.notify_classes) == 0) return std::nullopt;
  return NoticeRecipient(
      (classes & kClassBounce) != 0 ? settings.bounce_notice_recipient : settings.error_notice_recipient, settings);
}

std::string ComposeTranscript(const Transcript& transcript, const routing::Mailbox& to, const Settings& settings,
                              const Writing& writing) {
  const std::string peer = Told(transcript.peer, Repertoire::kAscii);
  std::string out;
  AppendHead(settings, writing, &out);
  out += "From: Mail Delivery System <MAILER-DAEMON@" + settings.myhostname + ">\n";
  out += "To: Postmaster <" + Told(to.Quoted(), Repertoire::kUtf8) + ">\n";
  out += "Subject: " + settings.mail_name + " SMTP " + (transcript.server ? "server" : "client") + ": errors from " +
         peer + "\n";
  out += "Message-Id: " + MessageIdText(settings, writing) + "\n\n";
  if (!transcript.server) out += "Unexpected response from " + peer + ".\n\n";
  out += "Transcript of session follows.\n\n";
  const size_t count = transcript.lines.size();
  for (size_t i = count - std::min(count, kTranscriptLinesMax); i < count; ++i) {
    // A blank before all that others said: no line of theirs is one of the message's own.
    AppendFolded(Told(transcript.lines[i], Repertoire::kAscii), &out, {.line_bytes_max = 78, .margin = " "});
  }
  out += '\n';
  if (!transcript.reason.empty()) {
    out += "Session aborted, reason: " + Told(transcript.reason, Repertoire::kAscii) + "\n\n";
  }
  out += "The log has more of it.\n";
  return out;
}

queue::Envelope EnvelopeOfTranscript(const routing::Mailbox& to, const Settings& settings, const Writing& writing) {
  queue::Envelope envelope;
  envelope.id = writing.id;
  envelope.arrived_us = writing.now.wall.us;
  envelope.sender = DoubleBounceSender(settings);
  envelope.body = "7BIT";
  envelope.smtputf8 = !IsAscii(to.Key());
  envelope.recipients.push_back({.address = to, .original = to.Key()});
  return envelope;
}

}  // namespace postern::notice
