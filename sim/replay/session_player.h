// Plays the client's side of a recorded session to a shard in the simulated world, and keeps what the shard said beside
// what the recorded server said. The world is a healthy one: no fault is drawn.
//
//   recorded client bytes -> [answers to challenges made anew] -> World -> Shard -> what it says
//
// A client's bytes are sent when the shard has nothing more to say to the ones before, unless the recorded client did
// not wait either. Mail that came from elsewhere while the recorded client sat in IDLE comes from elsewhere here, too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "sim/replay/session_files.h"

namespace postern::sim {

// Who spoke, in turn: what the client said, then what each server did. The first has only the greeting.
struct Turn {
  std::string client;    // as recorded, with every login secret replaced by "***"
  std::string recorded;  // what the recorded server said
  std::string ours;      // what the shard said
};

struct PlayOptions {
  uint64_t seed = 1;  // of the world: latencies, order of events
  uint16_t shard_count = 1;
  bool split_reads = false;  // what the client says arrives in small pieces
};

struct Played {
  std::vector<Turn> turns;
  bool closed = false;  // by the shard, not by the client at the end
};

// Errors: kFailedPrecondition where the session can't be played at all: no such listener, no connection.
StatusOr<Played> PlaySession(const RecordedSession& session, const PlayOptions& options);

}  // namespace postern::sim
