// Goal: concurrency windows do what SCHEDULER_README says. Method: its figures.
#include "core/queue/schedule_window.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::queue {
namespace {

Feedback PerConcurrency(double base) { return {.base = base, .per_concurrency = true}; }

int FailuresToDeath(const WindowSettings& settings) {
  ConcurrencyWindow window(settings);
  for (int failures = 1; failures <= 1000; ++failures) {
    window.OnFailure(settings);
    if (window.dead()) return failures;
  }
  return 0;
}

// "with the default initial concurrency of 5, concurrency would proceed over time as (5-10-20)"
TEST(ConcurrencyWindow, DoublesWithEveryPseudoCohort) {
  const WindowSettings settings;
  ConcurrencyWindow window(settings);
  EXPECT_EQ(window.size(), 5u);
  for (int i = 0; i < 5; ++i) window.OnSuccess(settings, 10);
  EXPECT_EQ(window.size(), 10u);
  for (int i = 0; i < 10; ++i) window.OnSuccess(settings, 20);
  EXPECT_EQ(window.size(), 20u);
  for (int i = 0; i < 100; ++i) window.OnSuccess(settings, 20);
  EXPECT_EQ(window.size(), 20u) << "default_destination_concurrency_limit";
}

// "With g(N)=1/N feedback per delivery, concurrency increases by 1 after an entire pseudo-cohort N"
TEST(ConcurrencyWindow, GrowsByOneAPseudoCohortWithFeedbackPerConcurrency) {
  const WindowSettings settings{.positive = PerConcurrency(1)};
  ConcurrencyWindow window(settings);
  for (uint32_t size = 5; size < 12; ++size) {
    for (uint32_t i = 0; i < size; ++i) {
      EXPECT_EQ(window.size(), size);
      window.OnSuccess(settings, size);
    }
  }
  EXPECT_EQ(window.size(), 12u);
}

TEST(ConcurrencyWindow, OnlyGrowsWhereItIsUsed) {
  const WindowSettings settings;
  ConcurrencyWindow window(settings);
  for (int i = 0; i < 100; ++i) window.OnSuccess(settings, 1);
  EXPECT_EQ(window.size(), 6u) << "one under way and the initial five";
}

// Sizes 5, 4, 3, 2 give 1/5 + 1/4 + 1/3 + 1/2 >= 1 pseudo-cohort; with less feedback it takes the five that one is.
TEST(ConcurrencyWindow, DiesOfAPseudoCohort) {
  EXPECT_EQ(FailuresToDeath({}), 4);
  EXPECT_EQ(FailuresToDeath({.negative = {.base = 0}}), 5);
  EXPECT_EQ(FailuresToDeath({.initial = 10, .negative = {.base = 0}}), 10) << "ten times a tenth, in binary";
  EXPECT_EQ(FailuresToDeath({.negative = PerConcurrency(1)}), 5);
  EXPECT_EQ(FailuresToDeath({.negative = {.base = 0}, .failed_cohort_limit = 10}), 50);
  EXPECT_EQ(FailuresToDeath({.initial = 1}), 1) << "postconf(5): with concurrency of 1, one bad message is enough";
  EXPECT_EQ(FailuresToDeath({.failed_cohort_limit = 0}), 0) << "never";
}

TEST(ConcurrencyWindow, ASuccessForgivesFailures) {
  const WindowSettings settings;
  ConcurrencyWindow window(settings);
  for (int i = 0; i < 100; ++i) {
    window.OnFailure(settings);
    window.OnSuccess(settings, 5);
    EXPECT_EQ(window.size(), 5u);
  }
}

// "concurrency is decremented at the beginning of a sequence of length 1/feedback", incremented at the end of one.
TEST(ConcurrencyWindow, ShrinksAtTheBeginningOfASequence) {
  const WindowSettings settings{.initial = 8, .negative = {.base = 0.25}, .failed_cohort_limit = 0};
  ConcurrencyWindow window(settings);
  std::string sizes;
  for (int i = 0; i < 9; ++i) {
    window.OnFailure(settings);
    sizes += std::to_string(window.size());
  }
  EXPECT_EQ(sizes, "777766665");
}

TEST(ConcurrencyWindow, NegativeFeedbackStopsAtOne) {
  const WindowSettings settings{.failed_cohort_limit = 0};
  ConcurrencyWindow window(settings);
  for (int i = 0; i < 100; ++i) window.OnFailure(settings);
  EXPECT_EQ(window.size(), 1u);
}

TEST(ConcurrencyWindow, InitialIsWithinTheLimitAndAtLeastOne) {
  EXPECT_EQ(ConcurrencyWindow({.initial = 5, .limit = 2}).size(), 2u);
  EXPECT_EQ(ConcurrencyWindow({.initial = 0}).size(), 1u);
  EXPECT_EQ(ConcurrencyWindow({.initial = 50, .limit = 0}).size(), 50u) << "no limit";
}

TEST(Feedback, ReadsWhatPostfixReads) {
  EXPECT_EQ(Feedback::Parse("1").value(), (Feedback{.base = 1}));
  EXPECT_EQ(Feedback::Parse("0.5").value(), (Feedback{.base = 0.5}));
  EXPECT_EQ(Feedback::Parse("1/8").value(), (Feedback{.base = 0.125}));
  EXPECT_EQ(Feedback::Parse(" 1 / concurrency ").value(), PerConcurrency(1));
  for (const char* bad :
       {"", "x", "2", "-1", "1/0", "3/2", "1/", "/2", "1/x", "nan", "1/nan", "1/concurrency/2", "2/concurrency"}) {
    EXPECT_EQ(Feedback::Parse(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace postern::queue
