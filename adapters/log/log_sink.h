// Where a loop puts its log records: gathered during a turn, written at its end.
#pragma once

#include "core/base/time.h"
#include "core/boundary/log_event.h"

namespace postern::log {

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Add(const Now& now, const LogEvent& event) = 0;
  virtual void Flush() = 0;
};

}  // namespace postern::log
