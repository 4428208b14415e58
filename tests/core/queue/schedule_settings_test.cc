// Goal: no setting of the configuration is lost or exchanged on its way to the queue. Method: every value another one.
#include "core/queue/schedule_settings.h"

#include <gtest/gtest.h>

namespace postern::queue {
namespace {

TEST(ScheduleSettings, AreTheConfigurations) {
  config::Config config;
  config.queue.qmgr_message_active_limit = 1;
  config.queue.qmgr_message_recipient_limit = 2;
  config.queue.qmgr_message_recipient_minimum = 3;
  config.queue.recipient_refill_limit = 4;
  config.queue.minimal_backoff_time = Seconds(5);
  config.queue.default_transport.process_limit = 6;
  config.queue.transports["slow"] = {.process_limit = 7,
                                     .initial_destination_concurrency = 8,
                                     .destination_concurrency_limit = 9,
                                     .positive_feedback = {.base = 0.1},
                                     .negative_feedback = {.base = 0.2},
                                     .failed_cohort_limit = 10,
                                     .destination_rate_delay = Seconds(11),
                                     .destination_recipient_limit = 12,
                                     .delivery_slot_cost = 13,
                                     .delivery_slot_loan = 14,
                                     .delivery_slot_discount_percent = 15,
                                     .minimum_delivery_slots = 16};
  const ScheduleSettings settings = FromConfig(config);
  EXPECT_EQ(settings.message_active_limit, 1u);
  EXPECT_EQ(settings.message_recipient_limit, 2u);
  EXPECT_EQ(settings.message_recipient_minimum, 3u);
  EXPECT_EQ(settings.recipient_refill_limit, 4u);
  EXPECT_EQ(settings.minimal_backoff_time, Seconds(5));
  EXPECT_EQ(settings.default_transport.process_limit, 6u);
  ASSERT_TRUE(settings.transports.contains("slow"));
  const TransportSettings& slow = settings.transports.at("slow");
  EXPECT_EQ(slow.process_limit, 7u);
  EXPECT_EQ(slow.window.initial, 8u);
  EXPECT_EQ(slow.window.limit, 9u);
  EXPECT_EQ(slow.window.positive.base, 0.1);
  EXPECT_EQ(slow.window.negative.base, 0.2);
  EXPECT_EQ(slow.window.failed_cohort_limit, 10u);
  EXPECT_EQ(slow.destination_rate_delay, Seconds(11));
  EXPECT_EQ(slow.destination_recipient_limit, 12u);
  EXPECT_EQ(slow.delivery_slot_cost, 13u);
  EXPECT_EQ(slow.delivery_slot_loan, 14u);
  EXPECT_EQ(slow.delivery_slot_discount_percent, 15u);
  EXPECT_EQ(slow.minimum_delivery_slots, 16u);
}

TEST(RetrySettings, AreTheConfigurations) {
  config::Config config;
  config.queue.minimal_backoff_time = Seconds(1);
  config.queue.maximal_backoff_time = Seconds(2);
  config.queue.maximal_queue_lifetime = Seconds(3);
  config.queue.bounce_queue_lifetime = Seconds(4);
  config.queue.delay_warning_time = Seconds(5);
  const RetrySettings settings = RetryFromConfig(config);
  EXPECT_EQ(settings.minimal_backoff_time, Seconds(1));
  EXPECT_EQ(settings.maximal_backoff_time, Seconds(2));
  EXPECT_EQ(settings.maximal_queue_lifetime, Seconds(3));
  EXPECT_EQ(settings.bounce_queue_lifetime, Seconds(4));
  EXPECT_EQ(settings.delay_warning_time, Seconds(5));
}

}  // namespace
}  // namespace postern::queue
