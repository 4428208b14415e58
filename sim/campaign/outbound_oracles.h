// The laws of mail that goes out (O2, O11-O14), as functions over facts: what clients were promised, what remote hosts
// took, what senders were told, what still waits, and when what was tried. Where the facts come from is the campaign's
// affair (outbound_facts.h); each law here has a test that sees it broken.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace postern::sim {

// A message that was answered 250 for recipients far away.
struct Promised {
  std::string canary;
  std::string sender;                // empty: the null reverse-path
  std::set<std::string> recipients;  // whose RCPT was answered 250
  bool from_stranger = false;        // neither logged in nor of mynetworks
  bool no_reply = false;             // the reply to its end was never seen: it may be there, or not
  bool refused = false;              // 4xx or 5xx at its end
};
// A remote host took a message for a recipient.
struct Carriage {
  std::string canary, recipient;
  Instant at;
  uint64_t process = 0;     // which process sent it
  bool reply_told = false;  // and read that it was taken
};
// A notice of failure, wherever it ended: in a mailbox, with a remote host, or still in the queue.
struct ToldFailed {
  std::string notice;  // its Message-ID: the same notice delivered twice is no second one
  std::string to;      // the envelope's recipient
  std::string canary, recipient;
};
// A recipient that is not settled yet, in a queue file.
struct Waiting {
  std::string canary, recipient;
  WallTime arrived;
  bool held = false;
};
// One try of a recipient, as the log tells it: "ID: to=<...>, ..., status=deferred (...)".
struct Tried {
  std::string id, recipient;
  Instant at;
  uint64_t process = 0;
  bool deferred = false;
};
struct Limits {
  Duration minimal_backoff, maximal_backoff;
  Duration slack = Seconds(120);  // that a try may take, and wait for its turn
  Duration queue_lifetime;
};

using Violations = std::vector<std::string>;  // "O11: ...": the oracle, and what broke it

struct OutboundFacts {
  std::vector<Promised> promised;
  std::vector<Carriage> carried;
  std::vector<ToldFailed> told;
  std::vector<Waiting> waiting;
  uint64_t last_process = 0;  // that ran
};

// O11, O2: each recipient of each promised message is taken by a host, told of as failed, or waits. A second time it is
// taken only where the reply of the time before was not read, or the process ended in between. It is told of as failed
// only where nobody is known to have taken it.
Violations CheckOneEnd(const OutboundFacts& facts);
// O12: one notice for a failed recipient, to the sender, none to the null sender, none about a message nobody promised.
Violations CheckNotices(const OutboundFacts& facts);
// O3, O14: hosts take nothing that was refused, nobody sent, or a stranger wanted relayed.
Violations CheckNothingUnasked(const OutboundFacts& facts);
// O11: at `now` nothing waits beyond its lifetime, one more backoff and `outage` (time without a process).
Violations CheckLifetimes(const std::vector<Waiting>& waiting, const Limits& limits, WallTime now, Duration outage);
// O13: between two tries of a recipient lie the backoff times, by the monotonic clock; not less even where the wall
// clock jumped. Another process believes the disk and may be early. `flushed`: when somebody asked for a try at once.
Violations CheckBackoff(std::vector<Tried> tries, const Limits& limits, const std::vector<Instant>& flushed);
// O13: `most` connections were open to one destination at once.
Violations CheckConcurrency(const std::string& destination, uint32_t most, uint32_t limit);
// `spool` are the names below the spool folder ("incoming/ID", "journal/ID"). Once all is settled only folders for
// people (hold, corrupt) may hold anything; before that a journal needs its message.
Violations CheckNoLeak(const std::set<std::string>& spool, bool all_settled);

}  // namespace postern::sim
