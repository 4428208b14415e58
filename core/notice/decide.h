// Which notices are to be written to whom, after an attempt at delivery: to the message's author a report of failures,
// delays or successes as its NOTIFY asks (RFC 3461 section 5.2), to the postmaster copies as notify_classes says.
//
//   reverse-path            failed             delayed            delivered and asked for
//   author@example.net      author, bounce     author, delay      author
//   <>                      2bounce            delay              2bounce        each only as notify_classes wants it
//   double_bounce_sender    nobody             nobody             nobody
//
// To an author a notice comes from <>, so that nobody answers it with another one (RFC 5321 section 4.5.5); to a
// postmaster it comes from double_bounce_sender, so that its own failure is known and ends here. Notices go to the
// reverse-path and to the configured postmasters, never to an address that a header names: no backscatter to strangers.
//
// Pure, deterministic: the same outcomes give the same notices in the same order, so that a start after a crash can
// tell which of them are written already. Linear in the outcomes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/base/time.h"
#include "core/config/queue_settings.h"
#include "core/notice/outcome.h"
#include "core/queue/queue_file.h"
#include "core/routing/address.h"

namespace postern::notice {

using config::NotifyClass;
using enum config::NotifyClass;
using config::ParseNotifyClasses;

// Parameters of main.cf, with Postfix's names and defaults.
struct Settings {
  std::string myhostname, mydomain, myorigin;
  std::string mail_name = "Postfix";
  uint8_t notify_classes = kClassResource | kClassSoftware;
  std::string bounce_notice_recipient = "postmaster";
  std::string double_bounce_notice_recipient = "postmaster";  // 2bounce_notice_recipient
  std::string delay_notice_recipient = "postmaster";
  std::string error_notice_recipient = "postmaster";
  std::string double_bounce_sender = "double-bounce";  // a local part
  uint64_t bounce_size_limit_bytes = 50000;            // of returned messages; 0: unlimited
  Duration delay_warning_time;                         // 0: no delay is told
  Duration maximal_queue_lifetime = Seconds(5 * 86400);
  bool confirm_delay_cleared = false;
  bool enable_threaded_bounces = false;
  bool smtputf8_enable = true;
};

// double_bounce_sender at myhostname. Mail to it is thrown away, mail from it is never answered.
routing::Mailbox DoubleBounceSender(const Settings& settings);
bool IsDoubleBounceSender(const routing::Mailbox& address, const Settings& settings);
// A notice recipient of the settings, at myorigin where it names no domain.
routing::Mailbox NoticeRecipient(std::string_view setting, const Settings& settings);

// In the order in which they are written.
enum class NoticeKind : uint8_t { kFailure, kSuccess, kDelay };

struct Notice {
  NoticeKind kind = NoticeKind::kFailure;
  bool postmaster_copy = false;  // the facts alone, under a subject of its own
  bool null_sender = true;       // the notice's own reverse-path
  routing::Mailbox sender;       // without null_sender
  routing::Mailbox to;
  bool full = false;             // all of the message comes back, where bounce_size_limit lets it; else its header
  std::vector<size_t> outcomes;  // indexes of those it tells; never empty
  bool operator==(const Notice&) const = default;
};
// As in Postfix's log: "sender non-delivery notification".
std::string_view LogName(const Notice& notice);

struct Moment {
  WallTime now;
  bool delay_told = false;  // Decision::delay_told of an earlier attempt; kept with the message
  // Whoever took the message in is certain that its reverse-path is forged: RFC 5321 section 6.2 lets it drop what it
  // can't deliver. Nobody but postmasters hears of it.
  bool sender_is_forged = false;
};

struct Decision {
  std::vector<Notice> notices;
  bool delay_told = false;  // to be remembered before the next attempt, also where nobody wanted to hear of it
  bool discarded = false;   // a double bounce failed: "undeliverable postmaster notification discarded" is all there is
};

// `outcomes`: of all recipients that were tried since the last decision about this message; failures since then go into
// one notice.
Decision Decide(const queue::Envelope& envelope, std::span<const Outcome> outcomes, const Settings& settings,
                const Moment& moment);

}  // namespace postern::notice
