// The audit: the disk of a healed world, and what fresh clients saw, against what was promised (oracles O1-O7, O16,
// O21).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "sim/campaign/ledger.h"
#include "sim/world/world.h"

namespace postern::sim {

// user -> (UIDVALIDITY, UID -> canary) of INBOX.
using Sightings = std::map<std::string, std::pair<uint32_t, std::map<uint32_t, std::string>>>;

// `queue_is_quiet`: nothing was under way that could come into a mailbox while it was read.
void Audit(World& world, Ledger& ledger, const Sightings& first, const Sightings& second, bool queue_is_quiet);

}  // namespace postern::sim
