#include "core/queue/schedule_settings.h"

namespace postern::queue {
namespace {

TransportSettings SettingsOf(const config::TransportQueue& transport) {
  return {
      .process_limit = transport.process_limit,
      .destination_recipient_limit = transport.destination_recipient_limit,
      .window = {.initial = transport.initial_destination_concurrency,
                 .limit = transport.destination_concurrency_limit,
                 .positive = transport.positive_feedback,
                 .negative = transport.negative_feedback,
                 .failed_cohort_limit = transport.failed_cohort_limit},
      .destination_rate_delay = transport.destination_rate_delay,
      .delivery_slot_cost = transport.delivery_slot_cost,
      .delivery_slot_loan = transport.delivery_slot_loan,
      .delivery_slot_discount_percent = transport.delivery_slot_discount_percent,
      .minimum_delivery_slots = transport.minimum_delivery_slots,
  };
}

}  // namespace

ScheduleSettings FromConfig(const config::Config& config) {
  const config::QueueSettings& queue = config.queue;
  ScheduleSettings settings{
      .default_transport = SettingsOf(queue.default_transport),
      .message_active_limit = queue.qmgr_message_active_limit,
      .message_recipient_limit = queue.qmgr_message_recipient_limit,
      .message_recipient_minimum = queue.qmgr_message_recipient_minimum,
      .recipient_refill_limit = queue.recipient_refill_limit,
      .minimal_backoff_time = queue.minimal_backoff_time,
  };
  for (const auto& [name, transport] : queue.transports) settings.transports.emplace(name, SettingsOf(transport));
  return settings;
}

RetrySettings RetryFromConfig(const config::Config& config) {
  const config::QueueSettings& queue = config.queue;
  return {.minimal_backoff_time = queue.minimal_backoff_time,
          .maximal_backoff_time = queue.maximal_backoff_time,
          .maximal_queue_lifetime = queue.maximal_queue_lifetime,
          .bounce_queue_lifetime = queue.bounce_queue_lifetime,
          .delay_warning_time = queue.delay_warning_time};
}

}  // namespace postern::queue
