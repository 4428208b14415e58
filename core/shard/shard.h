// The shard: all machines of one thread, and the one door to them. Whoever drives it (the daemon's loop, the simulator,
// a recording, bytes from a fuzzer) gives it events and performs its effects; the order of its steps is the whole truth
// of what happened. Shards share nothing: an account is owned by exactly one (a 16-bit hash of its name in the slot
// table), and a connection moves to its account's shard after login.
//
//   Accepted -> session machine -> effects ...          PlanDone, ReadDone ... {OpId.machine} -> the machine that asked
//   after every step: completions of accounts -> their sessions, until none is left
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/entropy.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/mailbox/account.h"

namespace postern {

struct ShardOptions {
  ShardId id{};
  uint16_t shard_count = 1;
  std::shared_ptr<const config::Config> config;
  Entropy::Key key{};
  mailbox::NodeFacts node;
  // This shard takes the queue's messages to where they go; one of a process does.
  bool delivers = false;
};

class Shard {
 public:
  explicit Shard(ShardOptions options);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // The only door. Effects go to `out`, to be performed in order after the step. `now.mono` never goes back.
  void Step(Now now, const Event& event, Effects& out);

  // What the shard knows, as a hash: equal after equal steps.
  uint64_t StateDigest() const;
  size_t session_count() const;
  // After Shutdown: every session has ended and nothing asked for is outstanding.
  bool quiet() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The shard that owns `user`: slot = 16-bit FNV-1a of the name, slots go to shards in turn.
ShardId ShardOf(std::string_view user, uint16_t shard_count);

}  // namespace postern
