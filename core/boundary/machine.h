// A machine: a deterministic object with one door. It never waits, blocks, or reads a clock; time, chance and
// configuration come in with the context, what it wants goes out as effects.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/entropy.h"
#include "core/base/time.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"

namespace postern {

struct Context {
  Now now;
  Entropy& entropy;
  const config::Config& config;  // the newest one; sessions hold on to their service's own part
  Effects& out;
};

// A hash of what a machine knows, for replay and convergence checks. FNV-1a: stable over processes and platforms.
class StableDigest {
 public:
  void Add(std::string_view bytes) {
    for (const char c : bytes) AddByte(static_cast<uint8_t>(c));
    AddByte(0xff);
  }
  void Add(uint64_t number) {
    for (int i = 0; i < 8; ++i) AddByte(static_cast<uint8_t>(number >> 8 * i));
  }
  uint64_t value() const { return value_; }

 private:
  void AddByte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual void Step(const Event& event, Context& context) = 0;
  // The machine has ended and may be destroyed: its connection is closed and nothing it asked for is still to come.
  virtual bool ended() const = 0;
  virtual void AddTo(StableDigest& digest) const = 0;
};

}  // namespace postern
