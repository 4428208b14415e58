// Goal: the laws of retrying. Method: RapidCheck: clocks that jump anywhere; a queue that may hold few, driven beside a
// model of the folder on disk.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "core/queue/retry.h"
#include "core/queue/retry_queue.h"

namespace postern::queue {
namespace {

RC_GTEST_PROP(RetryLaws, WaitsStayWithinBoundsWhateverTheClockSays, ()) {
  RetrySettings settings;
  settings.minimal_backoff_time = Seconds(*rc::gen::inRange(1, 1000));
  settings.maximal_backoff_time = settings.minimal_backoff_time;
  settings.maximal_backoff_time.ns += Seconds(*rc::gen::inRange(0, 10000)).ns;
  const WallTime arrived{*rc::gen::arbitrary<int64_t>()};
  const WallTime now{*rc::gen::arbitrary<int64_t>()};
  const RetryDecision decision = DecideRetry(settings, {.arrived = arrived}, {.wall = now});
  if (!decision.expired) {
    RC_ASSERT(decision.wait >= settings.minimal_backoff_time);
    RC_ASSERT(decision.wait <= settings.maximal_backoff_time);
    RC_ASSERT(decision.due >= now);
  }
  const WallTime restart{*rc::gen::arbitrary<int64_t>()};
  const Duration rest = RemainingWait(settings, decision.due, restart);
  RC_ASSERT(rest >= Duration{});
  RC_ASSERT(rest <= settings.maximal_backoff_time);
}

// With a clock that only goes forward: at most lifetime / minimal_backoff_time tries, the last within one backoff of
// the lifetime's end, and one warning.
RC_GTEST_PROP(RetryLaws, EveryMessageEndsAndIsWarnedAboutOnce, ()) {
  RetrySettings settings;
  settings.maximal_queue_lifetime = Seconds(*rc::gen::inRange(0, 500000));
  settings.delay_warning_time = Seconds(*rc::gen::inRange(1, 500000));
  RetryFacts facts{.arrived = {1'000'000'000'000'000}};
  WallTime now = facts.arrived;
  int tries = 0, warnings = 0;
  while (true) {
    now.us += *rc::gen::inRange(0, 30) * 1'000'000;  // the try
    ++tries;
    const RetryDecision decision = DecideRetry(settings, facts, {.wall = now});
    if (decision.expired) break;
    RC_ASSERT(tries <= settings.maximal_queue_lifetime.ns / settings.minimal_backoff_time.ns + 2);
    warnings += decision.warn;
    facts.warned |= decision.warn;
    now.us += decision.wait.ns / 1000;
  }
  const Duration age = AgeOf(facts.arrived, now);
  RC_ASSERT(age >= settings.maximal_queue_lifetime);
  RC_ASSERT(age.ns <= settings.maximal_queue_lifetime.ns + settings.maximal_backoff_time.ns + Seconds(60).ns);
  RC_ASSERT(warnings <= 1);
}

// The folder's messages, each with its due time, beside a queue that holds at most four: memory is bounded, nothing
// comes before its time, and nothing later than its time plus the distance of two scans for each time the queue has to
// be filled.
RC_GTEST_PROP(RetryQueueLaws, EveryMessageComesOnceAndInTime, ()) {
  const size_t kLimit = 4;
  RetryQueue queue({.messages_count_max = kLimit, .queue_run_delay = Seconds(300)});
  std::map<std::string, Instant> folder;
  const auto dues = *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 4000));
  Instant now;
  const auto scan = [&] {
    if (!queue.WantsScan(now)) return;
    queue.ScanBegins(now);
    for (const auto& [id, due] : folder) queue.Found(id, due);
    queue.ScanDone();
  };
  scan();
  for (size_t i = 0; i < dues.size(); ++i) {
    const std::string id = "M" + std::to_string(i);
    folder[id] = Instant{} + Seconds(dues[i]);
    queue.Put(id, folder[id]);
  }
  size_t wakeups = 0;
  while (!folder.empty()) {
    RC_ASSERT(queue.size() <= kLimit);
    const auto wakeup = queue.NextWakeup();
    RC_ASSERT(wakeup.has_value());
    RC_ASSERT(*wakeup > now || wakeups == 0);  // no busy loop
    now = std::max(now, *wakeup);
    ++wakeups;
    RC_ASSERT(wakeups <= 2 * dues.size() + 1);
    scan();
    while (const auto id = queue.Take(now)) {
      RC_ASSERT(folder.contains(*id));
      RC_ASSERT(folder[*id] <= now);
      folder.erase(*id);
    }
  }
  RC_ASSERT(now <= Instant{} + Seconds(4000 + 300 * static_cast<int64_t>(dues.size() / kLimit + 1)));
  RC_ASSERT(queue.size() == 0);
  RC_ASSERT(!queue.Take(Instant{} + Seconds(100000)));
}

RC_GTEST_PROP(RetryQueueLaws, ActsAsAListSortedByTime, ()) {
  RetryQueue queue({.messages_count_max = 1000});
  queue.ScanBegins({});
  queue.ScanDone();
  std::map<std::string, std::pair<bool, std::pair<int64_t, int>>> model;  // id: {not flushed, {due, number}}
  const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 8), rc::gen::inRange(0, 6), rc::gen::inRange(0, 50)));
  int number = 0;
  for (const auto& [what, which, when] : steps) {
    const std::string id = "M" + std::to_string(which);
    switch (what) {
      case 0:
        queue.FlushAll();
        for (auto& [name, entry] : model) entry.first = false;
        break;
      case 1:
        RC_ASSERT(queue.Flush(id) == model.contains(id));
        if (model.contains(id)) model[id].first = false;
        break;
      case 2:
        queue.Remove(id);
        model.erase(id);
        break;
      case 3:
      case 4: {
        const auto first = std::min_element(model.begin(), model.end(),
                                            [](const auto& a, const auto& b) { return a.second < b.second; });
        const bool due = first != model.end() && (!first->second.first || first->second.second.first <= when);
        const auto taken = queue.Take(Instant{} + Seconds(when));
        RC_ASSERT(taken.has_value() == due);
        if (due) RC_ASSERT(*taken == first->first), model.erase(first);
        break;
      }
      default:
        queue.Put(id, Instant{} + Seconds(when));
        model[id] = {true, {when, number++}};
    }
    RC_ASSERT(queue.size() == model.size());
  }
}

}  // namespace
}  // namespace postern::queue
