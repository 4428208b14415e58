// `postern replay FILE...`: what differs between what was recorded and what this program does, for people or as JSON. A
// FILE is a session of a real client with other servers (NAME.jsonl) or what one of our shards saw (shard-N.rec).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace postern::sim {

struct ReplayOptions {
  std::vector<std::string> files;
  std::string reviewed;  // a reviewed list (reviewed.h), for sessions; empty: every difference counts
  bool json = false;
  bool quiet = false;        // nothing about what is equal or reviewed
  uint64_t seed = 1;         // of the simulated world that sessions are played in
  uint16_t shard_count = 1;  // in it
  bool split_reads = false;
};

// What is to be printed goes to `*out` and `*errors`. Returns the exit status: 0 equal but for what is reviewed; 1
// different; 2 a file that cannot be read, is none, or whose configuration has errors.
int RunReplayCommand(const ReplayOptions& options, std::string* out, std::string* errors);

}  // namespace postern::sim
