// The names by which the core and the world speak of connections, machines and operations. Distinct types, so that one
// can't be passed for another.
#pragma once

#include <compare>
#include <cstdint>

namespace postern {

// A connection; unique in a process, chosen by the driver. A connection keeps it when it moves to another shard.
enum class ConnId : uint64_t {};

// A machine of a shard. A session's is its connection's number; machines without one count down from the top.
enum class MachineId : uint64_t {};
inline MachineId MachineOf(ConnId conn) { return static_cast<MachineId>(conn); }

enum class ShardId : uint16_t {};
enum class ListenerId : uint16_t {};  // index into Config::listeners

// One asked-for operation (file plan, read, scan, question, timer): the machine it is answered to, and a tag that this
// machine chose, unique among its open operations.
struct OpId {
  MachineId machine{};
  uint64_t tag = 0;
  auto operator<=>(const OpId&) const = default;
};

}  // namespace postern
