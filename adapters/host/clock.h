// The clocks, read for the core once per step.
#pragma once

#include "core/base/time.h"

namespace postern::host {

// Reads both clocks. The monotonic one counts from the first instant after boot; the offset of the local time zone is
// looked up once a minute at most. Owner: one thread.
class Clock {
 public:
  Now Read();

 private:
  int64_t offset_minute_ = -1;  // the wall clock's minute that the offset was looked up in
  int32_t offset_seconds_ = 0;
};

}  // namespace postern::host
