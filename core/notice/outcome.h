// What became of one recipient in an attempt at delivery: what a notice (RFC 3464) can say of it. A value that whoever
// delivers fills in; nothing of it is trusted to be printable, short or well formed: remote hosts wrote parts of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "core/queue/queue_file.h"

namespace postern::notice {

// NOTIFY of RFC 3461 section 4.1, as queue::QueuedRecipient holds it: the bits of smtp::Notify, a later room's.
inline constexpr uint8_t kNotifyDefault = 0, kNotifyNever = 1, kNotifySuccess = 2, kNotifyFailure = 4, kNotifyDelay = 8;

enum class Fate : uint8_t {
  kDelivered,  // it lies in a mailbox, or with an LMTP server behind which nothing is
  kRelayed,    // taken by a host that doesn't know DSN: nobody reports any more (RFC 3461 section 5.2.2)
  kPassedOn,   // taken by a host that knows DSN: success is its to report (section 5.2.1)
  kExpanded,   // an alias, gone on to others, whose NOTIFY has lost SUCCESS (section 5.2.7.3)
  kDelayed,    // to be tried again
  kFailed,     // for good; or its time is over: `status` is then the last attempt's 4.x.x
};

struct Outcome {
  queue::QueuedRecipient recipient;  // for kExpanded the alias, which is in no queue file
  Fate fate = Fate::kFailed;
  std::string status;           // RFC 3463: "5.1.1"; anything else is replaced by x.0.0
  std::string remote_mta_type;  // "dns"; empty: no other host took part
  std::string remote_mta;       // "mx.example.net"
  std::string diagnostic_type;  // "smtp", "x-unix"; empty: `text` is all there is
  std::string diagnostic;       // the remote's reply: "550 5.1.1 <u@example.net>: User unknown"
  std::string relay;      // "virtual", "mx.example.net[192.0.2.1]:25"; empty or "none": nobody. Told of successes only
  std::string text;       // "host mx.example.net[192.0.2.1] said: 550 ... (in reply to RCPT TO command)"
  WallTime last_attempt;  // Postfix doesn't tell it, nor do we; logs and tracing may
  std::optional<WallTime> will_retry_until;  // of kDelayed; nullopt: arrival and maximal_queue_lifetime
};

// RFC 3464 section 2.3.3.
std::string_view ActionName(Fate fate);

// `outcome`'s status where it is well formed and fits its fate, else 2.0.0, 4.0.0 or 5.0.0. A failure may be 4.x.x:
// mail that grew too old.
std::string StatusOf(const Outcome& outcome);

}  // namespace postern::notice
