// How many deliveries to one destination may be under way at a time: Postfix's concurrency feedback (SCHEDULER_README).
//
//            OnSuccess: + positive feedback, up to the limit
//             +--+
//   Restart   |  v       failed pseudo-cohorts >= the limit
//   -------> open -------------------------------------------> dead (size 0) -- Restart --> open
//             |  ^
//             +--+
//            OnFailure: - negative feedback, down to 1
//
// Feedback below 1 is gathered: the window grows at the end of 1/feedback successes and shrinks at the beginning of
// 1/feedback failures. A failure counts 1/size of a pseudo-cohort; a success sets that count to 0.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/status.h"
#include "core/config/queue_settings.h"

namespace postern::queue {

using config::Feedback;

struct WindowSettings {
  uint32_t initial = 5;  // initial_destination_concurrency; at least 1, at most `limit`
  uint32_t limit = 20;   // default_destination_concurrency_limit; 0: none
  Feedback positive, negative;
  uint32_t failed_cohort_limit = 1;  // default_destination_concurrency_failed_cohort_limit; 0: never dead
};

class ConcurrencyWindow {
 public:
  explicit ConcurrencyWindow(const WindowSettings& settings) { Restart(settings); }

  uint32_t size() const { return size_; }  // 0: dead
  bool dead() const { return size_ == 0; }

  void Restart(const WindowSettings& settings);
  // A delivery ended without trouble of connection or greeting. `busy_count`: those under way, with the one that ended.
  // Does nothing when dead.
  void OnSuccess(const WindowSettings& settings, uint32_t busy_count);
  // It ended with such trouble. Does nothing when dead. `impatient`: one is enough, unless failed_cohort_limit is 0.
  void OnFailure(const WindowSettings& settings, bool impatient = false);

 private:
  uint32_t size_ = 0;
  double success_ = 0;  // [0, 1)
  double failure_ = 0;  // [0, 1)
  double failed_cohorts_ = 0;
};

}  // namespace postern::queue
