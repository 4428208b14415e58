#include "core/notice/settings_from_config.h"

#include <string>

namespace postern::notice {

Settings FromConfig(const config::Config& config) {
  const config::NoticeSettings& notices = config.notices;
  return {.myhostname = config.routing.myhostname,
          .mydomain = config.routing.mydomain,
          .myorigin = config.routing.myorigin,
          .mail_name = config.routing.mail_name,
          .notify_classes = notices.notify_classes,
          .bounce_notice_recipient = notices.bounce_notice_recipient,
          .double_bounce_notice_recipient = notices.double_bounce_notice_recipient,
          .delay_notice_recipient = notices.delay_notice_recipient,
          .error_notice_recipient = notices.error_notice_recipient,
          .double_bounce_sender = notices.double_bounce_sender,
          .bounce_size_limit_bytes = notices.bounce_size_limit_bytes,
          .delay_warning_time = config.queue.delay_warning_time,
          .maximal_queue_lifetime = config.queue.maximal_queue_lifetime,
          .confirm_delay_cleared = notices.confirm_delay_cleared,
          .enable_threaded_bounces = notices.enable_threaded_bounces,
          .smtputf8_enable = notices.smtputf8_enable};
}

Templates TemplatesFromConfig(const config::Config& config) {
  return ParseTemplates(config.notices.template_text).value_or(DefaultTemplates());
}

std::vector<config::Finding> CheckTemplates(const config::Config& config) {
  const auto templates = ParseTemplates(config.notices.template_text);
  if (templates.ok()) return {};
  // "line 3: words".
  std::string_view what = Message(templates.status());
  uint32_t line = 0;
  if (what.starts_with("line ")) {
    for (what.remove_prefix(5); !what.empty() && what[0] >= '0' && what[0] <= '9'; what.remove_prefix(1)) {
      line = line * 10 + static_cast<uint32_t>(what[0] - '0');
    }
    if (what.starts_with(": ")) what.remove_prefix(2);
  }
  return {{.id = "bounce-template",
           .severity = config::FindingSeverity::kWarning,
           .file = config.notices.template_path,
           .line = line,
           .what = "the file cannot be used: " + std::string(what) + "; notices have the usual words",
           .mend = "correct the line, or remove bounce_template_file"}};
}

}  // namespace postern::notice
