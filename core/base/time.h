// Time as an argument. Nothing in core/ reads a clock: each step is told both times.
#pragma once

#include <compare>
#include <cstdint>

namespace postern {

// A point of the monotonic clock, in nanoseconds since some start of the process. Never goes back.
struct Instant {
  int64_t ns = 0;
  auto operator<=>(const Instant&) const = default;
};

struct Duration {
  int64_t ns = 0;
  auto operator<=>(const Duration&) const = default;
};

constexpr Duration Milliseconds(int64_t n) { return {n * 1'000'000}; }
constexpr Duration Seconds(int64_t n) { return {n * 1'000'000'000}; }
constexpr Instant operator+(Instant at, Duration d) { return {at.ns + d.ns}; }
constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
constexpr double ToSeconds(Duration d) { return static_cast<double>(d.ns) / 1e9; }

// Civil time: microseconds since 1970-01-01 00:00:00 UTC. May jump either way.
struct WallTime {
  int64_t us = 0;
  int64_t seconds() const { return us >= 0 ? us / 1'000'000 : -((-us + 999'999) / 1'000'000); }
  auto operator<=>(const WallTime&) const = default;
};

struct Now {
  Instant mono;
  WallTime wall;
  int32_t utc_offset_seconds = 0;  // of the host's time zone at `wall`, for Received and INTERNALDATE
};

}  // namespace postern
