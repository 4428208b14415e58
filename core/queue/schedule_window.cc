#include "core/queue/schedule_window.h"

#include <algorithm>

#include "core/boundary/planted.h"

namespace postern::queue {
namespace {

// 1/N added N times may stay a little below 1; the settings speak of N.
constexpr double kRounding = 1e-9;

}  // namespace

void ConcurrencyWindow::Restart(const WindowSettings& settings) {
  size_ = std::max<uint32_t>(settings.initial, 1);
  if (settings.limit != 0) size_ = std::min(size_, settings.limit);
  success_ = failure_ = failed_cohorts_ = 0;
}

void ConcurrencyWindow::OnSuccess(const WindowSettings& settings, uint32_t busy_count) {
  if (dead()) return;
  failed_cohorts_ = 0;
  // Only a window that is used grows; one far above what is under way would take long to shrink again.
  if (size_ >= uint64_t{busy_count} + std::max<uint32_t>(settings.initial, 1)) return;
  if (settings.limit != 0 && size_ >= settings.limit && !PLANTED("window_beyond_limit")) return;
  success_ += settings.positive.At(size_);
  if (success_ < 1 - kRounding) return;
  success_ = std::max(success_ - 1, 0.0);
  failure_ = 0;
  ++size_;
}

void ConcurrencyWindow::OnFailure(const WindowSettings& settings, bool impatient) {
  if (dead()) return;
  failed_cohorts_ += 1.0 / size_;
  if (settings.failed_cohort_limit > 0 && (impatient || failed_cohorts_ >= settings.failed_cohort_limit - kRounding)) {
    size_ = 0;
    return;
  }
  failure_ -= settings.negative.At(size_);
  if (failure_ >= -kRounding) return;
  failure_ = std::min(failure_ + 1, 1.0);
  success_ = 0;
  size_ = std::max<uint32_t>(size_ - 1, 1);
}

}  // namespace postern::queue
