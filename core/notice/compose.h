// A notice as a message: multipart/report (RFC 6522) of a text for people, a message/delivery-status for programs (RFC
// 3464) and what comes back of the message, field by field as Postfix 3.7's bounce(8) and cleanup(8) write it, because
// list managers, bounce processors and people read it that way.
//
//   Received, Date, From, Subject, To, [References, In-Reply-To,] Auto-Submitted, MIME-Version, Content-Type,
//   Content-Transfer-Encoding, Message-Id
//   |- text/plain                Content-Description: Notification
//   |- message/delivery-status   Content-Description: Delivery report
//   `- message/rfc822            Content-Description: Undelivered Message; or Message Headers, text/rfc822-headers
//
// Where the message came with SMTPUTF8 the latter two are message/global-delivery-status, message/global and
// message/global-headers (RFC 6533).
//
// Where this departs from Postfix, for the standards' sake: a 7-bit delivery-status holds ASCII only, an address beyond
// it as \x{...}; with SMTPUTF8 every such address has the type utf-8; the boundary never occurs in what it bounds and
// has at most 70 octets; words beyond 900 octets are cut; a returned header is cut behind a field where it goes beyond
// 100 KiB.
//
// Pure. Line ends are LF, as queue files and Maildirs hold them. Linear in the message and the outcomes; the result
// holds at most the larger of bounce_size_limit and kHeaderBytesMax of the message, without the limit all of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/notice/decide.h"
#include "core/notice/head.h"
#include "core/notice/outcome.h"
#include "core/notice/templates.h"
#include "core/queue/queue_file.h"

namespace postern::notice {

// Of a returned header; as much as Postfix's header_size_limit lets a single field have.
inline constexpr size_t kHeaderBytesMax = 102400;

struct Subject {  // what the notice is about
  const queue::Envelope& envelope;
  std::optional<std::string_view> message;  // LF line ends; nullopt: it can't be read
  std::span<const Outcome> outcomes;        // those that Decide was given
};

// All of the message. `notice` is one that Decide gave for the same envelope and outcomes.
std::string Compose(const Notice& notice, const Subject& subject, const Settings& settings, const Templates& templates,
                    const Writing& writing);

// The envelope under which it is queued; the caller routes its recipient. `message`: what Compose gave.
queue::Envelope EnvelopeOf(const Notice& notice, const queue::Envelope& about, std::string_view message,
                           const Writing& writing);

}  // namespace postern::notice
