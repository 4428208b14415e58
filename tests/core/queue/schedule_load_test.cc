// Goal: dead destinations don't delay live ones, and memory stays bounded, with more mail than fits. Method: a host in
// small: messages on disk, the schedule, deliveries that take their time; time is a number of steps.
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "core/queue/schedule.h"

namespace postern::queue {
namespace {

struct Load {
  int messages_count = 100000;
  int destinations_count = 1000;
  int dead_percent = 50;
  int64_t live_steps = 1;   // that a delivery takes
  int64_t dead_steps = 30;  // until a connection fails: smtp_connect_timeout is 30 s
  ScheduleSettings settings;
};

struct Outcome {
  int64_t live_done_at = 0;  // when the last message for a live destination was delivered
  int delivered = 0;
  int dead_deliveries = 0;
  size_t destinations_count_max = 0;
  uint64_t order = 0;  // of all deliveries, as a hash
  bool operator==(const Outcome&) const = default;
};

// Runs until the mail for live destinations is gone. Dead ones (those below dead_percent of each hundred) defer theirs,
// which comes back after minimal_backoff_time.
Outcome Serve(const Load& load, bool with_dead) {
  Schedule schedule(load.settings);
  std::deque<int> incoming;
  std::multimap<int64_t, int> deferred;  // by the time of the next try
  std::multimap<int64_t, Delivery> under_way;
  const auto destination_of = [&](int message) { return message * 7919 % load.destinations_count; };
  const auto is_dead = [&](int message) { return destination_of(message) % 100 < load.dead_percent; };
  int live_left = 0;
  for (int message = 0; message < load.messages_count; ++message) {
    if (is_dead(message) && !with_dead) continue;
    incoming.push_back(message);
    live_left += !is_dead(message);
  }
  Outcome outcome;
  int64_t step = 0;
  const auto now = [&] { return Instant{} + Seconds(step); };
  const auto defer = [&](const ScheduleReport& report) {
    for (const DeferredGroup& group : report.deferred) deferred.emplace(step + 300, std::stoi(group.message));
  };
  while (live_left != 0 && step < 100000) {
    while (const auto source =
               schedule.WantsMessage(!incoming.empty(), !deferred.empty() && deferred.begin()->first <= step)) {
      int message = 0;
      schedule.ReadingBegins(*source);
      if (*source == QueueSource::kIncoming) {
        message = incoming.front(), incoming.pop_front();
      } else {
        message = deferred.begin()->second, deferred.erase(deferred.begin());
      }
      const auto report = schedule.Add({.message = std::to_string(message),
                                        .groups = {{{"smtp", std::to_string(destination_of(message)) + ".test"}, {0}}},
                                        .was_read = true},
                                       now());
      EXPECT_TRUE(report.ok()) << report.status();
      defer(*report);
    }
    outcome.destinations_count_max = std::max(outcome.destinations_count_max, schedule.destinations_count());
    while (auto delivery = schedule.Next(now())) {
      const bool dead = is_dead(std::stoi(delivery->message));
      if (!dead) schedule.Reached(delivery->id);
      outcome.dead_deliveries += dead;
      outcome.order = outcome.order * 1099511628211u + static_cast<uint64_t>(std::stoi(delivery->message));
      under_way.emplace(step + (dead ? load.dead_steps : load.live_steps), std::move(*delivery));
    }
    step = under_way.empty() ? step + 1 : under_way.begin()->first;
    while (!under_way.empty() && under_way.begin()->first <= step) {
      const Delivery delivery = std::move(under_way.begin()->second);
      under_way.erase(under_way.begin());
      const int message = std::stoi(delivery.message);
      const bool dead = is_dead(message);
      const auto report = schedule.Finished(delivery.id, dead ? Verdict::kUnreachable : Verdict::kOk, now());
      EXPECT_TRUE(report.ok());
      defer(*report);
      if (dead) {
        deferred.emplace(step + 300, message);
      } else {
        --live_left, ++outcome.delivered, outcome.live_done_at = step;
      }
    }
  }
  EXPECT_EQ(live_left, 0);
  EXPECT_TRUE(schedule.CheckInvariants().ok()) << schedule.CheckInvariants();
  EXPECT_LE(schedule.messages_count(), load.settings.message_active_limit);
  return outcome;
}

TEST(ScheduleLoad, DeadDestinationsDoNotDelayLiveOnes) {
  const Load load;
  const Outcome alone = Serve(load, false);
  const Outcome beside = Serve(load, true);
  RecordProperty("alone_steps", std::to_string(alone.live_done_at));
  RecordProperty("beside_steps", std::to_string(beside.live_done_at));
  RecordProperty("dead_deliveries", beside.dead_deliveries);
  EXPECT_EQ(alone.delivered, 50000);
  EXPECT_EQ(beside.delivered, 50000);
  EXPECT_LE(beside.live_done_at, 3 * alone.live_done_at);
  EXPECT_LE(beside.destinations_count_max, 1000u);
}

TEST(ScheduleLoad, TheSameRunIsTheSame) {
  Load load;
  load.messages_count = 3000;
  load.destinations_count = 100;
  load.settings.message_active_limit = 200;
  EXPECT_EQ(Serve(load, true), Serve(load, true));
}

}  // namespace
}  // namespace postern::queue
