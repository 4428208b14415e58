// Goal: notices follow the configuration, and a template file that cannot be used keeps no notice from anybody.
#include "core/notice/settings_from_config.h"

#include <gtest/gtest.h>

namespace postern::notice {
namespace {

TEST(NoticeSettings, AreTheConfigurations) {
  config::Config config;
  config.routing.myhostname = "a";
  config.routing.mydomain = "b";
  config.routing.myorigin = "c";
  config.routing.mail_name = "d";
  config.queue.delay_warning_time = Seconds(1);
  config.queue.maximal_queue_lifetime = Seconds(2);
  config.notices = {.notify_classes = 3,
                    .bounce_notice_recipient = "e",
                    .double_bounce_notice_recipient = "f",
                    .delay_notice_recipient = "g",
                    .error_notice_recipient = "h",
                    .double_bounce_sender = "i",
                    .bounce_size_limit_bytes = 4,
                    .confirm_delay_cleared = true,
                    .enable_threaded_bounces = true,
                    .smtputf8_enable = false};
  const Settings settings = FromConfig(config);
  EXPECT_EQ(settings.myhostname + settings.mydomain + settings.myorigin + settings.mail_name, "abcd");
  EXPECT_EQ(settings.bounce_notice_recipient + settings.double_bounce_notice_recipient +
                settings.delay_notice_recipient + settings.error_notice_recipient + settings.double_bounce_sender,
            "efghi");
  EXPECT_EQ(settings.delay_warning_time, Seconds(1));
  EXPECT_EQ(settings.maximal_queue_lifetime, Seconds(2));
  EXPECT_EQ(settings.notify_classes, 3);
  EXPECT_EQ(settings.bounce_size_limit_bytes, 4u);
  EXPECT_TRUE(settings.confirm_delay_cleared && settings.enable_threaded_bounces && !settings.smtputf8_enable);
}

TEST(NoticeTemplates, ComeFromTheFileOrAreTheUsualOnes) {
  config::Config config;
  EXPECT_EQ(TemplatesFromConfig(config), DefaultTemplates());
  EXPECT_TRUE(CheckTemplates(config).empty());
  config.notices.template_path = "/etc/postfix/bounce.cf";
  config.notices.template_text = "failure_template = <<EOF\nSubject: No\n\nNo.\nEOF\n";
  EXPECT_EQ(TemplatesFromConfig(config).failure.subject, "No");
  EXPECT_EQ(TemplatesFromConfig(config).delay, DefaultTemplates().delay);
  EXPECT_TRUE(CheckTemplates(config).empty());
  config.notices.template_text = "failure_template = <<EOF\nSubject: No\n\n$nothing\nEOF\n";
  EXPECT_EQ(TemplatesFromConfig(config), DefaultTemplates());
  const auto findings = CheckTemplates(config);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].id, "bounce-template");
  EXPECT_EQ(findings[0].severity, config::FindingSeverity::kWarning);
  EXPECT_EQ(findings[0].file, "/etc/postfix/bounce.cf");
  EXPECT_EQ(findings[0].line, 4u);
  EXPECT_NE(findings[0].what.find("$nothing stands for nothing here"), std::string::npos) << findings[0].what;
}

}  // namespace
}  // namespace postern::notice
