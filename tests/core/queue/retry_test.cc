// Goal: when deferred mail is tried again, given up, and reported late. Method: postconf(5)'s defaults and the clock's
// jumps for the decision; for the queue of those that wait, more messages than it may hold, and people who flush.
#include "core/queue/retry.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/queue/retry_queue.h"

namespace postern::queue {
namespace {

constexpr WallTime kArrived{1'795'499'624'000'000};

WallTime Later(Duration d) { return {kArrived.us + d.ns / 1000}; }

RetryDecision Decide(Duration age, RetryFacts facts = {.arrived = kArrived}, RetrySettings settings = {}) {
  return DecideRetry(settings, facts, {.wall = Later(age)});
}

// qmgr(8): the next wait is the age so far, within the two backoff times.
TEST(Retry, WaitsForItsAgeWithinBounds) {
  EXPECT_EQ(Decide(Seconds(2)).wait, Seconds(300));
  EXPECT_EQ(Decide(Seconds(300)).wait, Seconds(300));
  EXPECT_EQ(Decide(Seconds(600)).wait, Seconds(600));
  EXPECT_EQ(Decide(Seconds(1200)).wait, Seconds(1200));
  EXPECT_EQ(Decide(Seconds(4000)).wait, Seconds(4000));
  EXPECT_EQ(Decide(Seconds(86400)).wait, Seconds(4000));
  EXPECT_EQ(Decide(Seconds(600)).due, Later(Seconds(1200)));
}

TEST(Retry, GivesUpWhenTheLifetimeIsReached) {
  const Duration five_days = Seconds(5 * 86400);
  EXPECT_FALSE(Decide(Duration{five_days.ns - 1000}).expired);
  EXPECT_TRUE(Decide(five_days).expired);
}

TEST(Retry, BouncesHaveALifetimeOfTheirOwn) {
  const RetrySettings settings{.bounce_queue_lifetime = Seconds(86400)};
  EXPECT_TRUE(Decide(Seconds(86400), {.arrived = kArrived, .null_sender = true}, settings).expired);
  EXPECT_FALSE(Decide(Seconds(86400), {.arrived = kArrived}, settings).expired);
}

TEST(Retry, LifetimeZeroTriesOnce) {
  EXPECT_TRUE(Decide({}, {.arrived = kArrived}, {.maximal_queue_lifetime = {}}).expired);
}

TEST(Retry, WarnsOnceAndNeverTheNullSender) {
  const RetrySettings settings{.delay_warning_time = Seconds(4 * 3600)};
  EXPECT_FALSE(Decide(Seconds(4 * 3600 - 1), {.arrived = kArrived}, settings).warn);
  EXPECT_TRUE(Decide(Seconds(4 * 3600), {.arrived = kArrived}, settings).warn);
  EXPECT_FALSE(Decide(Seconds(5 * 3600), {.arrived = kArrived, .warned = true}, settings).warn);
  EXPECT_FALSE(Decide(Seconds(5 * 3600), {.arrived = kArrived, .null_sender = true}, settings).warn);
  EXPECT_FALSE(Decide(Seconds(5 * 3600)).warn) << "0h: not at all";
}

TEST(Retry, MailFromTheFutureIsYoung) {
  const RetryDecision decision = DecideRetry({}, {.arrived = Later(Seconds(86400 * 365))}, {.wall = kArrived});
  EXPECT_EQ(decision, (RetryDecision{.wait = Seconds(300), .due = Later(Seconds(300))}));
}

// The clock stood in 2036 when the message was deferred, and was mended before the restart.
TEST(Retry, NoStoredTimeStallsAMessage) {
  EXPECT_EQ(RemainingWait({}, Later(Seconds(86400 * 3650)), kArrived), Seconds(4000));
  EXPECT_EQ(RemainingWait({}, Later(Seconds(1000)), kArrived), Seconds(1000));
  EXPECT_EQ(RemainingWait({}, kArrived, Later(Seconds(1))), Duration{});
}

TEST(Retry, SettingsOfNothingStillPause) {
  const RetrySettings settings{.minimal_backoff_time = {}, .maximal_backoff_time = {}};
  EXPECT_EQ(Decide(Seconds(50), {.arrived = kArrived}, settings).wait, Seconds(1));
}

TEST(Retry, ContradictingSettingsWaitForTheMinimum) {
  const RetrySettings settings{.minimal_backoff_time = Seconds(1000), .maximal_backoff_time = Seconds(10)};
  EXPECT_EQ(Decide(Seconds(50), {.arrived = kArrived}, settings).wait, Seconds(1000));
  EXPECT_EQ(RemainingWait(settings, Later(Seconds(900)), kArrived), Seconds(900));
}

TEST(Retry, ExtremeTimesDoNotOverflow) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
  EXPECT_TRUE(DecideRetry({}, {.arrived = {kMin}}, {.wall = {kMax}}).expired);
  EXPECT_EQ(DecideRetry({}, {.arrived = {kMax}}, {.wall = {kMax}}).due, WallTime{kMax});
  EXPECT_EQ(RemainingWait({}, {kMax}, {kMin}), Seconds(4000));
}

// ---- RetryQueue -----------------------------------------------------------------------------------------------------

Instant At(int64_t seconds) { return Instant{} + Seconds(seconds); }

// A queue whose first scan found nothing.
RetryQueue Empty(size_t messages_count_max = 100) {
  RetryQueue queue({.messages_count_max = messages_count_max});
  queue.ScanBegins(At(0));
  queue.ScanDone();
  return queue;
}

TEST(RetryQueue, GivesMessagesWhenTheyAreDue) {
  RetryQueue queue = Empty();
  EXPECT_EQ(queue.NextWakeup(), std::nullopt);
  queue.Put("B00000", At(400));
  queue.Put("A00000", At(300));
  EXPECT_EQ(queue.NextWakeup(), At(300));
  EXPECT_EQ(queue.Take(At(299)), std::nullopt);
  EXPECT_EQ(queue.Take(At(300)), "A00000");
  EXPECT_EQ(queue.Take(At(300)), std::nullopt);
  EXPECT_EQ(queue.Take(At(1000)), "B00000");
  EXPECT_EQ(queue.size(), 0u);
}

TEST(RetryQueue, ANewTimeReplacesTheOldAndRemovedOnesNeverCome) {
  RetryQueue queue = Empty();
  queue.Put("A00000", At(300));
  queue.Put("A00000", At(600));
  queue.Put("B00000", At(300));
  queue.Remove("B00000");
  EXPECT_EQ(queue.Take(At(599)), std::nullopt);
  EXPECT_EQ(queue.Take(At(600)), "A00000");
}

TEST(RetryQueue, ReadsTheDeferredFolderAtTheStart) {
  RetryQueue queue({});
  EXPECT_TRUE(queue.WantsScan(At(0)));
  queue.ScanBegins(At(0));
  EXPECT_FALSE(queue.WantsScan(At(0)));
  EXPECT_TRUE(queue.Found("A00000", At(10)));
  queue.ScanDone();
  EXPECT_FALSE(queue.WantsScan(At(1000000))) << "all are here";
}

TEST(RetryQueue, HoldsTheSoonestAndReadsAgainForTheRest) {
  RetryQueue queue = Empty(2);
  queue.Put("C00000", At(700));
  queue.Put("B00000", At(600));
  queue.Put("A00000", At(500));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.Take(At(600)), "A00000");
  EXPECT_EQ(queue.Take(At(600)), "B00000");
  EXPECT_EQ(queue.NextWakeup(), At(700));
  EXPECT_FALSE(queue.WantsScan(At(699)));
  EXPECT_TRUE(queue.WantsScan(At(700)));
  queue.ScanBegins(At(700));
  queue.Found("C00000", At(700));
  queue.ScanDone();
  EXPECT_EQ(queue.Take(At(700)), "C00000");
}

TEST(RetryQueue, ScansKeepTheirDistance) {
  RetryQueue queue = Empty(1);
  queue.Put("A00000", At(1));
  queue.Put("B00000", At(2));
  EXPECT_FALSE(queue.WantsScan(At(299)));
  EXPECT_TRUE(queue.WantsScan(At(300)));
}

TEST(RetryQueue, FlushedOnesComeAtOnce) {
  RetryQueue queue = Empty();
  queue.Put("A00000", At(300));
  queue.Put("B00000", At(400));
  EXPECT_TRUE(queue.Flush("B00000"));
  EXPECT_FALSE(queue.Flush("C00000"));
  EXPECT_EQ(queue.Take(At(0)), "B00000");
  EXPECT_EQ(queue.Take(At(0)), std::nullopt);
  queue.FlushAll();
  EXPECT_EQ(queue.Take(At(0)), "A00000");
  EXPECT_FALSE(queue.WantsScan(At(10000)));
}

// One request, one try: a message that fails again isn't flushed a second time because the scan meets it once more.
TEST(RetryQueue, AFlushReachesWhatIsOnDiskOnce) {
  RetryQueue queue = Empty(2);
  for (const char* id : {"A00000", "B00000", "C00000", "D00000"}) queue.Put(id, At(1000));
  queue.FlushAll();
  ASSERT_TRUE(queue.WantsScan(At(1)));
  queue.ScanBegins(At(1));
  EXPECT_TRUE(queue.Found("A00000", At(1000)));
  EXPECT_TRUE(queue.Found("B00000", At(1000)));
  EXPECT_FALSE(queue.Found("C00000", At(1000))) << "no room: the scan waits";
  EXPECT_EQ(queue.Take(At(1)), "A00000");
  EXPECT_EQ(queue.Take(At(1)), "B00000");
  queue.Put("A00000", At(301));
  EXPECT_TRUE(queue.Found("C00000", At(1000)));
  EXPECT_TRUE(queue.Found("A00000", At(301)));
  EXPECT_TRUE(queue.Found("D00000", At(1000)));  // A is on disk only now
  queue.ScanDone();
  EXPECT_EQ(queue.Take(At(2)), "C00000");
  EXPECT_EQ(queue.Take(At(2)), "D00000");
  EXPECT_EQ(queue.Take(At(2)), std::nullopt);
  EXPECT_FALSE(queue.WantsScan(At(300)));
  EXPECT_TRUE(queue.WantsScan(At(301)));
}

}  // namespace
}  // namespace postern::queue
