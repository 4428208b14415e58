// How mail waits and goes out, and who hears of it: the queue manager's, the transports' and bounce(8)'s parameters of
// main.cf as values. Included by settings.h; made by BuildQueueSettings and BuildNoticeSettings (postfix_queue.h).
// Names and defaults are Postfix's own; core/queue and core/notice make their settings of these.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/base/time.h"

namespace postern::config {

// default_destination_concurrency_positive_feedback, ..._negative_feedback.
struct Feedback {
  double base = 1;               // 0 to 1
  bool per_concurrency = false;  // divided by the window's size

  // "NUMBER", "NUMBER / NUMBER", "NUMBER / concurrency". kInvalidArgument says what is allowed.
  static StatusOr<Feedback> Parse(std::string_view text);
  double At(uint32_t size) const { return per_concurrency ? base / size : base; }
  bool operator==(const Feedback&) const = default;
};

// What the queue manager knows of one transport; names without "default_" or TRANSPORT_.
struct TransportQueue {
  uint32_t process_limit = 1000;                  // master.cf's maxproc, or ten times default_process_limit; 0: none
  uint32_t initial_destination_concurrency = 5;   // at least 1
  uint32_t destination_concurrency_limit = 20;    // 0: none
  Feedback positive_feedback, negative_feedback;  // of destination_concurrency
  uint32_t failed_cohort_limit = 1;               // destination_concurrency_failed_cohort_limit; 0: never dead
  Duration destination_rate_delay;                // between deliveries to one destination; 0: none
  uint32_t destination_recipient_limit = 50;      // of one delivery; 0: none
  uint32_t delivery_slot_cost = 5, delivery_slot_loan = 3, delivery_slot_discount_percent = 50,
           minimum_delivery_slots = 3;
  bool operator==(const TransportQueue&) const = default;
};

struct QueueSettings {
  Duration minimal_backoff_time = Seconds(300), maximal_backoff_time = Seconds(4000);
  Duration maximal_queue_lifetime = Seconds(5 * 86400);  // 0: tried once
  Duration bounce_queue_lifetime = Seconds(5 * 86400);   // the same for mail from the null sender
  Duration delay_warning_time;                           // 0: nobody is warned
  Duration queue_run_delay = Seconds(300);               // how often deferred/ is looked through
  uint64_t qmgr_message_active_limit = 20000;
  uint64_t qmgr_message_recipient_limit = 20000;
  uint64_t qmgr_message_recipient_minimum = 10;
  uint64_t recipient_refill_limit = 100;  // default_recipient_refill_limit
  uint32_t default_process_limit = 100;   // 0: none
  TransportQueue default_transport;
  // smtp, relay, lmtp, virtual, local, error, discard, retry, and those that master.cf defines.
  std::map<std::string, TransportQueue, std::less<>> transports;

  const TransportQueue& Of(std::string_view transport) const {
    const auto at = transports.find(transport);
    return at == transports.end() ? default_transport : at->second;
  }
};

// notify_classes: what postmasters want to hear of.
enum NotifyClass : uint8_t {
  kClassBounce = 1,
  kClass2Bounce = 2,
  kClassData = 4,
  kClassDelay = 8,
  kClassPolicy = 16,
  kClassProtocol = 32,
  kClassResource = 64,
  kClassSoftware = 128,
};
// Names apart by blanks and commas. kInvalidArgument: a name that is none.
StatusOr<uint8_t> ParseNotifyClasses(std::string_view text);

struct NoticeSettings {
  uint8_t notify_classes = kClassResource | kClassSoftware;
  std::string bounce_notice_recipient = "postmaster";
  std::string double_bounce_notice_recipient = "postmaster";  // 2bounce_notice_recipient
  std::string delay_notice_recipient = "postmaster";
  std::string error_notice_recipient = "postmaster";
  std::string double_bounce_sender = "double-bounce";  // a local part
  uint64_t bounce_size_limit_bytes = 50000;            // 0: unlimited
  bool confirm_delay_cleared = false;
  bool enable_threaded_bounces = false;
  bool smtputf8_enable = true;
  std::string template_path;  // bounce_template_file; empty: none
  std::string template_text;  // its content; empty where it could not be read, too
};

}  // namespace postern::config
