// What a postmaster is told of a session in which something went wrong, as notify_classes asks for it (resource,
// software, protocol, policy, data, bounce): the dialogue, in plain text, as Postfix's smtpd(8) and smtp(8) send it. No
// report, for it is about no message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/notice/decide.h"
#include "core/notice/head.h"
#include "core/queue/queue_file.h"
#include "core/routing/address.h"

namespace postern::notice {

// Whom a session concerns in which errors of `classes` occurred: bounce_notice_recipient where one of them is "bounce",
// else error_notice_recipient; nullopt: nobody wants to hear of them. Goes out from double_bounce_sender.
std::optional<routing::Mailbox> TranscriptRecipient(uint8_t classes, const Settings& settings);

struct Transcript {
  bool server = true;              // our side: the server's, or the client's of an outgoing session
  std::string peer;                // "client.example.net[192.0.2.1]"
  std::vector<std::string> lines;  // "In:  MAIL FROM:<a@b.example>", "Out: 250 2.1.0 Ok": without secrets
  std::string reason;              // why the session was cut off; empty: it wasn't
};
// LF line ends; at most kTranscriptLinesMax lines, the last ones.
inline constexpr size_t kTranscriptLinesMax = 1000;
// `to`: of TranscriptRecipient. Beyond its address it is ASCII.
std::string ComposeTranscript(const Transcript& transcript, const routing::Mailbox& to, const Settings& settings,
                              const Writing& writing);
queue::Envelope EnvelopeOfTranscript(const routing::Mailbox& to, const Settings& settings, const Writing& writing);

}  // namespace postern::notice
