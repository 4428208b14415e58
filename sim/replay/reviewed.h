// The reviewed list: what may differ between a recorded server and ours, each with the reason. A difference that is in
// no entry fails the replay; an entry that fits nothing is told, so that the list stays true.
//
//   [ { "sessions": "*", "command": "* SELECT *", "recorded": "", "ours": "* OK [HIGHESTMODSEQ]\r\n", "reason": "..." }
//   ]
//
// `sessions` and `command` are shell patterns ('*', '?'); `recorded` and `ours` are exact.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "sim/replay/compare.h"

namespace postern::sim {

struct ReviewedDifference {
  std::string sessions, command, recorded, ours, reason;
};

// Errors: kInvalidArgument, also for an entry without a reason.
StatusOr<std::vector<ReviewedDifference>> ParseReviewed(std::string_view json);

// The entry that covers it; null: none.
const ReviewedDifference* FindReviewed(const std::vector<ReviewedDifference>& reviewed, std::string_view session,
                                       const Difference& difference);

}  // namespace postern::sim
