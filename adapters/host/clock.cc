#include "adapters/host/clock.h"

#include <ctime>

namespace postern::host {

Now Clock::Read() {
  timespec mono{}, wall{};
  clock_gettime(CLOCK_MONOTONIC, &mono);
  clock_gettime(CLOCK_REALTIME, &wall);
  const int64_t minute = wall.tv_sec / 60;
  if (minute != offset_minute_) {
    tm local{};
    localtime_r(&wall.tv_sec, &local);
    offset_seconds_ = static_cast<int32_t>(local.tm_gmtoff);
    offset_minute_ = minute;
  }
  return {.mono = {mono.tv_sec * 1'000'000'000 + mono.tv_nsec},
          .wall = {wall.tv_sec * 1'000'000 + wall.tv_nsec / 1000},
          .utc_offset_seconds = offset_seconds_};
}

}  // namespace postern::host
