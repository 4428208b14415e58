// Where the laws of mail that goes out (outbound_oracles.h) have their facts from: the books of remote hosts, the disk,
// the log. Messages are known by their canary, "Subject: canary-...", notices by the canary of what they are about.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/log_event.h"
#include "sim/campaign/ledger.h"
#include "sim/campaign/outbound_oracles.h"
#include "sim/remote/remote_host.h"

namespace postern::sim {

// The first canary in a message's header, or in that of the message it returns; empty: there is none.
std::string CanaryOf(std::string_view message);

// What a notice (RFC 3464) in any line ends tells of failures. Empty where `message` is no notice, or tells of none.
std::vector<ToldFailed> FailuresIn(std::string_view message, std::string_view to);

// A notice that could not return anything of a large message has no canary: its message is found by queue id, where the
// reply to it was seen; else nothing can be said of it.
void FindWhatNoticesAreAbout(OutboundFacts* facts);

// What clients were told of mail for hosts far away.
void AddPromises(Ledger& ledger, OutboundFacts* facts);

// What the host took: mail into `carried`, notices of failure into `told`.
void AddBooks(const RemoteHost& host, OutboundFacts* facts);

// What the files below a spool folder say, by path relative to it ("incoming/ID"): recipients that wait, and notices on
// their way. Files of tmp, and such that can't be read, count for nothing.
void AddSpool(const std::map<std::string, std::string>& files, OutboundFacts* facts);

// Lines of the log that tell of notices of failure, and of messages whose time is over; of other lines nothing. To be
// given in order.
void AddNoticeLine(const LogEvent& event, Instant at, uint64_t process, OutboundFacts* facts);

// Of "ID: to=<...>, ... status=..."; nullopt: another line. Time and process are the caller's.
std::optional<Tried> ReadTry(const LogEvent& event);

}  // namespace postern::sim
