// When a deferred message is tried again, and when it is given up. Values in, values out; the file that waits in
// deferred/ and the timer are the caller's.
//
//             a try ends with recipients left            age >= lifetime
//   active -----------------------------------> judged ------------------> expired: a bounce, the file goes
//     ^                                           |
//     |            waited                         |  age < lifetime: for the age, within the two backoff times;
//     +-----------------------------  deferred <--+  past delay_warning_time the sender is told, once
//
// The clocks: ages are wall time, since a message outlives the process and the machine's restarts. Waiting is monotonic
// time, since the wall clock jumps (NTP after a start, a suspended machine): a wait is never below minimal_backoff_time
// and never above the longer of the two, whatever the clock does meanwhile. The wall time kept with the deferred file
// is only believed when it is read back, and only within these bounds.
#pragma once

#include <cstdint>

#include "core/base/time.h"

namespace postern::queue {

struct RetrySettings {  // postconf(5), with its defaults
  Duration minimal_backoff_time = Seconds(300);
  Duration maximal_backoff_time = Seconds(4000);
  Duration maximal_queue_lifetime = Seconds(5 * 86400);  // 0: tried once
  Duration bounce_queue_lifetime = Seconds(5 * 86400);   // the same for mail from the null sender
  Duration delay_warning_time;                           // 0: nobody is warned
};

struct RetryFacts {
  WallTime arrived;  // may lie in the future: the age is 0 then
  bool null_sender = false;
  bool warned = false;  // the delay notice is out already
};

struct RetryDecision {
  bool expired = false;  // given up: what is left of the recipients bounces. The rest is empty then
  Duration wait;         // until the next try
  WallTime due;          // now.wall + wait, to be kept with the deferred file
  bool warn = false;     // send the delay notice, and remember that with the message
  bool operator==(const RetryDecision&) const = default;
};

// What becomes of a message whose try ended with recipients left. Only asked after a try: mail that was too old before
// the server came up is tried once more. Nobody is warned about a delayed bounce (RFC 5321 section 4.5.5: notices to
// the null reverse-path don't exist).
RetryDecision DecideRetry(const RetrySettings& settings, const RetryFacts& facts, Now now);

// The time that a message has waited already counts; 0 for one from the future.
Duration AgeOf(WallTime arrived, WallTime now);
// The wait that DecideRetry gives to a message of this age.
Duration BackoffFor(const RetrySettings& settings, Duration age);

// How long a message still waits of which only the wall time `due` is known: after a start, or when deferred/ was read
// again. 0 where it lies in the past; never longer than the longest backoff, wherever the clock has gone.
Duration RemainingWait(const RetrySettings& settings, WallTime due, WallTime now);

}  // namespace postern::queue
