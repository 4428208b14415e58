#include "core/queue/retry.h"

#include <algorithm>
#include <limits>

#include "core/boundary/planted.h"

namespace postern::queue {
namespace {

// later - earlier, 0 where that is negative, without overflow: the times come from files.
Duration Since(WallTime earlier, WallTime later) {
  constexpr int64_t kLongestUs = std::numeric_limits<int64_t>::max() / 1000;
  if (later <= earlier) return {};
  const uint64_t us = static_cast<uint64_t>(later.us) - static_cast<uint64_t>(earlier.us);
  return {static_cast<int64_t>(std::min<uint64_t>(us, kLongestUs)) * 1000};
}

WallTime After(WallTime now, Duration wait) {
  const int64_t us = wait.ns / 1000;
  return {now.us > std::numeric_limits<int64_t>::max() - us ? std::numeric_limits<int64_t>::max() : now.us + us};
}

// Never 0: two settings of 0 would have a broken destination tried as fast as the machine can.
Duration ShortestBackoff(const RetrySettings& settings) { return std::max(settings.minimal_backoff_time, Seconds(1)); }

}  // namespace

Duration AgeOf(WallTime arrived, WallTime now) { return Since(arrived, now); }

Duration BackoffFor(const RetrySettings& settings, Duration age) {
  if (PLANTED("backoff_without_minimum")) return std::min(age, settings.maximal_backoff_time);
  // As qmgr(8): where the two settings contradict each other, the minimal one wins.
  return std::max(std::min(age, settings.maximal_backoff_time), ShortestBackoff(settings));
}

Duration RemainingWait(const RetrySettings& settings, WallTime due, WallTime now) {
  return std::min(Since(now, due), std::max(settings.maximal_backoff_time, ShortestBackoff(settings)));
}

RetryDecision DecideRetry(const RetrySettings& settings, const RetryFacts& facts, Now now) {
  const Duration age = AgeOf(facts.arrived, now.wall);
  const Duration lifetime = facts.null_sender ? settings.bounce_queue_lifetime : settings.maximal_queue_lifetime;
  if (age >= lifetime && !PLANTED("lifetime_ignored")) {
    return {.expired = true};
  }
  const Duration wait = BackoffFor(settings, age);
  const bool warn = settings.delay_warning_time > Duration{} && age >= settings.delay_warning_time && !facts.warned &&
                    !facts.null_sender;
  return {.wait = wait, .due = After(now.wall, wait), .warn = warn};
}

}  // namespace postern::queue
