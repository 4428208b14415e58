// Steps a shard with what a recorded shard saw, and compares what it does, effect by effect. The events hold the
// answers of disk, DNS and password checks, so that nothing else is needed. Any difference means another program than
// the recorded one, or a core that depends on something it was not told. Pure.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sim/replay/record_file.h"

namespace postern::sim {

struct RecordDifference {
  size_t step = 0;  // from 0
  size_t line = 0;  // of the file, where the step begins
  Now now;
  std::string event;     // of the step, as recorded
  std::string recorded;  // the effect; "" where the recorded shard did nothing more
  std::string ours;      // "" where ours did nothing more
};

struct RecordOutcome {
  size_t steps = 0;                            // that were made
  std::optional<RecordDifference> difference;  // the first
};

// `load` gives the configuration of a generation. Errors: those of `load`.
StatusOr<RecordOutcome> ReplayRecord(
    const ShardRecord& record,
    const std::function<StatusOr<std::shared_ptr<const config::Config>>(uint64_t generation)>& load);

}  // namespace postern::sim
