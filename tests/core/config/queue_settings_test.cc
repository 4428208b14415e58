// Goal: the queue's, the transports' and the notices' parameters arrive as values, with Postfix 3.7's defaults, those
// of single transports from the general ones. Method: the sound host with lines added.
#include "core/config/queue_settings.h"

#include <gtest/gtest.h>

#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

constexpr char kServices[] =
    "smtp unix - - n - - smtp\nlocal unix - n n - - local\nslow unix - - n - 3 smtp\nunbound unix - - n - 0 lmtp\n"
    "other unix - n n - - pipe\n";

std::vector<std::string> errors;

std::shared_ptr<const Config> With(const std::string& lines, const std::string& services = kServices) {
  MemoryFiles files = SoundHost();
  files.Add(kMain, *files.Read(kMain) + lines);
  files.Add(kMaster, *files.Read(kMaster) + services);
  files.Add("/etc/postfix/bounce.cf", "failure_template = <<EOF\nSubject: No\n\nNo.\nEOF\n");
  const Loaded loaded = Load(files, {});
  errors.clear();
  for (const Finding& finding : loaded.findings) {
    if (finding.severity == FindingSeverity::kError) errors.push_back(finding.id + ": " + finding.what);
  }
  return loaded.config;
}

TEST(QueueSettings, HavePostfixsDefaults) {
  const auto config = With("");
  ASSERT_NE(config, nullptr);
  const QueueSettings& queue = config->queue;
  EXPECT_EQ(queue.minimal_backoff_time, Seconds(300));
  EXPECT_EQ(queue.maximal_backoff_time, Seconds(4000));
  EXPECT_EQ(queue.maximal_queue_lifetime, Seconds(5 * 86400));
  EXPECT_EQ(queue.bounce_queue_lifetime, Seconds(5 * 86400));
  EXPECT_EQ(queue.delay_warning_time, Seconds(0));
  EXPECT_EQ(queue.queue_run_delay, Seconds(300));
  EXPECT_EQ(queue.qmgr_message_active_limit, 20000u);
  EXPECT_EQ(queue.qmgr_message_recipient_limit, 20000u);
  EXPECT_EQ(queue.qmgr_message_recipient_minimum, 10u);
  EXPECT_EQ(queue.default_process_limit, 100u);
  EXPECT_EQ(queue.default_transport, TransportQueue{});
  for (const char* name : {"smtp", "relay", "lmtp", "virtual", "error", "discard", "retry", "nobody"}) {
    EXPECT_EQ(queue.Of(name), TransportQueue{}) << name;
  }
  EXPECT_EQ(queue.Of("local").destination_recipient_limit, 1u);
  EXPECT_EQ(queue.Of("local").destination_concurrency_limit, 2u);
  EXPECT_EQ(queue.Of("slow").process_limit, 3u);
  EXPECT_EQ(queue.Of("unbound").process_limit, 0u);
  EXPECT_FALSE(queue.transports.contains("other"));  // pipe(8) is not here
}

TEST(QueueSettings, OfATransportComeFromTheGeneralOnes) {
  const auto config = With(
      "default_destination_recipient_limit = 7\nslow_destination_recipient_limit = 2\n"
      "slow_destination_rate_delay = 1m\ninitial_destination_concurrency = 2\nsmtp_initial_destination_concurrency = "
      "9\n"
      "default_destination_concurrency_positive_feedback = 1/concurrency\nslow_delivery_slot_discount = 20\n"
      "relay_destination_concurrency_negative_feedback = 1/4\nsmtp_destination_concurrency_failed_cohort_limit = 0\n"
      "default_process_limit = 12\nslow_delivery_slot_cost = 11\ndefault_minimum_delivery_slots = 4\n"
      "slow_delivery_slot_loan = 6\nlocal_destination_concurrency_limit = 5\n");
  ASSERT_NE(config, nullptr);
  const QueueSettings& queue = config->queue;
  EXPECT_EQ(queue.Of("smtp").destination_recipient_limit, 7u);
  EXPECT_EQ(queue.Of("slow").destination_recipient_limit, 2u);
  EXPECT_EQ(queue.Of("slow").destination_rate_delay, Seconds(60));
  EXPECT_EQ(queue.Of("smtp").destination_rate_delay, Seconds(0));
  EXPECT_EQ(queue.Of("slow").initial_destination_concurrency, 2u);
  EXPECT_EQ(queue.Of("smtp").initial_destination_concurrency, 9u);
  EXPECT_TRUE(queue.Of("slow").positive_feedback.per_concurrency);
  EXPECT_FALSE(queue.Of("slow").negative_feedback.per_concurrency);
  EXPECT_EQ(queue.Of("relay").negative_feedback.base, 0.25);
  EXPECT_EQ(queue.Of("smtp").failed_cohort_limit, 0u);
  EXPECT_EQ(queue.Of("slow").failed_cohort_limit, 1u);
  EXPECT_EQ(queue.Of("smtp").process_limit, 120u);
  EXPECT_EQ(queue.Of("slow").process_limit, 3u);
  EXPECT_EQ(queue.Of("slow").delivery_slot_cost, 11u);
  EXPECT_EQ(queue.Of("slow").delivery_slot_loan, 6u);
  EXPECT_EQ(queue.Of("slow").delivery_slot_discount_percent, 20u);
  EXPECT_EQ(queue.Of("slow").minimum_delivery_slots, 4u);
  EXPECT_EQ(queue.Of("local").destination_concurrency_limit, 5u);
}

TEST(QueueSettings, RefuseWhatPostfixWouldNotStartWith) {
  for (const char* line : {"minimal_backoff_time = 0", "queue_run_delay = 0s", "qmgr_message_active_limit = 0",
                           "slow_initial_destination_concurrency = 0", "slow_destination_concurrency_limit = many",
                           "default_destination_concurrency_negative_feedback = 2", "smtp_delivery_slot_discount = 101",
                           "notify_classes = bounces", "bounce_size_limit = 0", "default_process_limit = 0",
                           "slow_destination_rate_delay = 5 parsecs"}) {
    EXPECT_EQ(With(std::string(line) + "\n"), nullptr) << line;
    ASSERT_EQ(errors.size(), 1u) << line;
    EXPECT_TRUE(errors[0].starts_with("postfix-bad-value: ")) << errors[0];
  }
}

// All transports have main.cf's settings: a service that demands more must not be sent out with less.
TEST(TransportOverrides, OfTlsStopTheStartWhereMainCfDemandsLess) {
  const std::string service = "strict unix - - n - - smtp\n  -o ";
  EXPECT_EQ(With("", service + "smtp_tls_security_level=encrypt\n"), nullptr);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_TRUE(errors[0].starts_with("master-cf-override-unsupported: ")) << errors[0];
  EXPECT_EQ(With("", service + "smtp_tls_policy_maps=inline:{a.test=secure}\n"), nullptr);
  EXPECT_NE(With("", service + "smtp_tls_security_level=may\n"), nullptr);  // main.cf's
  EXPECT_NE(With("", service + "smtp_tls_security_level=none\n"), nullptr);
  EXPECT_NE(With("", service + "smtp_helo_timeout=5s\n"), nullptr);
}

TEST(NoticeSettings, HavePostfixsDefaultsAndReadWhatIsSet) {
  auto config = With("");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->notices.notify_classes, kClassResource | kClassSoftware);
  EXPECT_EQ(config->notices.bounce_size_limit_bytes, 50000u);
  EXPECT_EQ(config->notices.double_bounce_sender, "double-bounce");
  EXPECT_EQ(config->notices.template_text, "");
  config = With(
      "notify_classes = bounce, delay 2bounce\n2bounce_notice_recipient = a\nbounce_notice_recipient = b\n"
      "delay_notice_recipient = c\nerror_notice_recipient = d\ndouble_bounce_sender = e\nbounce_size_limit = 9\n"
      "confirm_delay_cleared = yes\nenable_threaded_bounces = yes\nbounce_template_file = bounce.cf\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->notices.notify_classes, kClassBounce | kClassDelay | kClass2Bounce);
  EXPECT_EQ(config->notices.double_bounce_notice_recipient, "a");
  EXPECT_EQ(config->notices.bounce_notice_recipient, "b");
  EXPECT_EQ(config->notices.delay_notice_recipient, "c");
  EXPECT_EQ(config->notices.error_notice_recipient, "d");
  EXPECT_EQ(config->notices.double_bounce_sender, "e");
  EXPECT_EQ(config->notices.bounce_size_limit_bytes, 9u);
  EXPECT_TRUE(config->notices.confirm_delay_cleared && config->notices.enable_threaded_bounces);
  EXPECT_EQ(config->notices.template_path, "/etc/postfix/bounce.cf");
  EXPECT_TRUE(config->notices.template_text.starts_with("failure_template"));
}

TEST(NoticeSettings, DoWithoutATemplateFileThatIsNotThere) {
  MemoryFiles files = SoundHost();
  files.Add(kMain, *files.Read(kMain) + "bounce_template_file = /etc/postfix/gone.cf\n");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(loaded.config->notices.template_text, "");
  bool found = false;
  for (const Finding& finding : loaded.findings) found = found || finding.id == "bounce-template-unreadable";
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace postern::config
