// The laws of mail that goes out (O2, O11-O14), as functions over facts: what clients were promised, what remote hosts
// took, what senders were told, what still waits, and when what was tried. Where the facts come from is the campaign's
// affair (outbound_facts.h); each law here has a test that sees it broken.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace postern::sim {

// A message that was answered 250 for recipients far away.
struct Promised {
  std::string canary;
  std::string sender;                       // empty: the null reverse-path
  std::set<std::string> recipients;         // whose RCPT was answered 250
  std::set<std::string> silent = {};        // of them, whose NOTIFY leaves FAILURE out
  std::set<std::string> of_this_host = {};  // recipients as well, whose mailboxes are others' affair
  std::string queue_id = {};                // empty: not known
  bool from_stranger = false;               // neither logged in nor of mynetworks
  bool no_reply = false;                    // the reply to its end was never seen: it may be there, or not
  bool refused = false;                     // 4xx or 5xx at its end
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
  std::string about = {};  // the queue id of the message, as the notice names it
};
// A notice as the log tells of it: it is being written, and what came of it where that is no good.
struct NoticeWritten {
  std::string about;  // the queue id of the message
  Instant at;
  uint64_t process = 0;
  bool lost = false;  // it could not be delivered itself: that ends without a word (RFC 5321 section 6.1)
};
struct ProcessEnd {
  Instant at;
  bool power_lost = false;
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
// Somebody asked for tries of `id` at once, or kept it from them (`holds`); empty: of any.
struct AskedByHand {
  std::string id = {};
  Instant from, to;  // from when on, and when it was done
  bool holds = false;
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
  uint64_t last_process = 0;                                    // that ran
  std::map<std::string, NoticeWritten> notices;                 // by queue id
  std::map<uint64_t, ProcessEnd> ends;                          // of processes, as far as they are known
  std::set<std::string> expired;                                // queue ids of messages whose time was over
  std::map<std::pair<std::string, uint64_t>, Instant> put_off;  // by queue id and process: the last time, on the disk
  std::set<std::string> deleted;                                // queue ids that people had deleted
  std::set<std::string> refusable;                              // recipients whom some host or name may refuse for good
  bool clock_jumps = true;                                      // the wall clock did
  // Nothing that was written was refused or lost by a disk that went on working: what is known is written down.
  bool disk_kept_all = false;
  // How long it takes to write down what is known.
  Duration memory_delay = Seconds(60);
};

// Whether `process` may have forgotten by `next` what it knew at `at`: the disk would not have it, it ended just then,
// or the power went in between, since journals are not flushed.
bool MayForget(const OutboundFacts& facts, uint64_t process, Instant at, uint64_t next);

// Whether a message, or a copy of it, may end without anybody seeing it: people deleted it; the notice about it could
// not be delivered itself; or its time was over, and it came from the null sender, who is told nothing (RFC 5321
// section 6.1).
bool MayEndUnseen(const OutboundFacts& facts, const Promised& promised);

// O11, O2: each recipient of each promised message is taken by a host, told of as failed, or waits. A second time it is
// taken only where the reply of the time before was not read, or was forgotten (MayForget). It is told of as failed
// only where nobody is known to have taken it.
Violations CheckOneEnd(const OutboundFacts& facts);
// O12: one notice for a failed recipient, another one only where the first was forgotten; to the sender, none to the
// null sender, none where NOTIFY forbids it, none about a message nobody promised.
Violations CheckNotices(const OutboundFacts& facts);
// O11: told of as failed is only who may have been refused for good, or whose message's time was over.
Violations CheckRightlyFailed(const OutboundFacts& facts);
// O3, O14: hosts take nothing that was refused, nobody sent, or a stranger wanted relayed.
Violations CheckNothingUnasked(const OutboundFacts& facts);
// O11: at `now` nothing waits beyond its lifetime, one more backoff and `outage` (time without a process).
Violations CheckLifetimes(const std::vector<Waiting>& waiting, const Limits& limits, WallTime now, Duration outage);
// O13: between two tries of a recipient lie the backoff times, by the monotonic clock; not less even where the wall
// clock jumped. Another process believes the disk: it keeps the distance (to a second, as file times are) where the
// file could be put off (`facts.put_off`) and the wall clock did not jump. `asked`: what people
// did about it in between.
Violations CheckBackoff(std::vector<Tried> tries, const Limits& limits, const std::vector<AskedByHand>& asked,
                        const OutboundFacts& facts = {});
// O13: `most` connections were open to one destination at once.
Violations CheckConcurrency(const std::string& destination, uint32_t most, uint32_t limit);
// `spool` are the names below the spool folder ("incoming/ID", "journal/ID"). Once all is settled only folders for
// people (hold, corrupt) may hold anything; before that a journal needs its message.
Violations CheckNoLeak(const std::set<std::string>& spool, bool all_settled);

}  // namespace postern::sim
