// The simulator's chance: one 64-bit seed, and sub-streams by name, so that a draw added in one place does not move the
// others. SplitMix64: small, fast, the same everywhere.
#pragma once

#include <cstdint>
#include <string_view>

namespace postern::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // The sub-stream `name` of `seed`.
  Random(uint64_t seed, std::string_view name) : state_(seed) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    Next();
  }

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  // In [0, bound); `bound` > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  // In [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  // True with a chance of `parts` in a thousand.
  bool Chance(uint32_t parts) { return Below(1000) < parts; }

 private:
  uint64_t state_;
};

}  // namespace postern::sim
