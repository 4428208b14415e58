// A recording that `postern serve --record DIR` made: the file of one shard, and the host's files as they were. The
// formats are adapters/record's; docs/replay.md describes them. Pure: both come as text.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/codec.h"
#include "core/config/load.h"
#include "core/shard/shard.h"

namespace postern::sim {

struct RecordedStep {
  size_t line = 0;  // of the file, from 1
  Now now;
  std::string event;  // as text
  ParsedEvent parsed;
  std::string answered;  // a challenge mechanism whose answer was right; empty: none
  std::vector<std::string> effects;
};

struct ShardRecord {
  ShardOptions shard;       // without its configuration
  uint64_t generation = 0;  // of the first configuration
  std::string stand_in_password;
  std::vector<RecordedStep> steps;
  bool cut_off = false;  // the last line is not whole: the process was killed
};

// Is this text a recording of a shard?
bool IsShardRecord(std::string_view text);
// Errors: kInvalidArgument with the line.
StatusOr<ShardRecord> ParseShardRecord(std::string_view text);

// The configuration that a host-N.rec makes, with `stand_in_pem` for every key and certificate.
// Errors: kInvalidArgument: broken, or it loads with errors.
StatusOr<std::shared_ptr<const config::Config>> LoadRecordedHost(std::string_view text, uint64_t generation,
                                                                 const std::string& stand_in_pem);

}  // namespace postern::sim
