#include "core/config/postfix_queue.h"

#include <algorithm>
#include <string>

#include "core/config/postfix_client.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// A whole number of at least `least`.
uint64_t Count(const PostfixParameters& p, const std::string& name, uint64_t least = 0, uint64_t most = UINT64_MAX) {
  const uint64_t count = p.Number(name, most);
  if (count >= least) return count;
  p.findings().Error("postfix-bad-value", p.PlaceOf(name),
                     name + " is \"" + std::to_string(count) + "\": Postfix would not start",
                     "write " + std::to_string(least) + " or more");
  return least;
}

uint32_t Count32(const PostfixParameters& p, const std::string& name, uint32_t least = 0, uint32_t most = UINT32_MAX) {
  return static_cast<uint32_t>(Count(p, name, least, most));
}

// A time of a second or more.
Duration Positive(const PostfixParameters& p, const std::string& name) {
  const Duration time = p.Time(name);
  if (time.ns > 0) return time;
  p.findings().Error("postfix-bad-value", p.PlaceOf(name), name + " is 0: Postfix would not start", "write 1s or more");
  return Seconds(1);
}

Feedback FeedbackOf(const PostfixParameters& p, const std::string& name) {
  auto feedback = Feedback::Parse(p.Text(name));
  if (feedback.ok()) return *feedback;
  p.findings().Error("postfix-bad-value", p.PlaceOf(name), name + ": " + std::string(Message(feedback.status())),
                     "write 1, the default, or 1/concurrency");
  return {};
}

// A transport's parameters: its own where one is set (or local(8) has a default of its own), else the general ones,
// whose mistakes are said once.
class TransportReader {
 public:
  // `front`: "default_" or "smtp_".
  TransportReader(const PostfixParameters& p, std::string_view front, const TransportQueue& general)
      : p_(p), front_(front), transport_(general) {}

  TransportQueue Read() {
    if (IsOwn("initial_destination_concurrency"))
      transport_.initial_destination_concurrency = Count32(p_, Name("initial_destination_concurrency"), 1);
    Number("destination_concurrency_limit", &transport_.destination_concurrency_limit);
    Number("destination_concurrency_failed_cohort_limit", &transport_.failed_cohort_limit);
    if (IsOwn("destination_concurrency_positive_feedback"))
      transport_.positive_feedback = FeedbackOf(p_, Name("destination_concurrency_positive_feedback"));
    if (IsOwn("destination_concurrency_negative_feedback"))
      transport_.negative_feedback = FeedbackOf(p_, Name("destination_concurrency_negative_feedback"));
    if (IsOwn("destination_rate_delay")) transport_.destination_rate_delay = p_.Time(Name("destination_rate_delay"));
    Number("destination_recipient_limit", &transport_.destination_recipient_limit);
    Number("delivery_slot_cost", &transport_.delivery_slot_cost);
    Number("delivery_slot_loan", &transport_.delivery_slot_loan);
    Number("delivery_slot_discount", &transport_.delivery_slot_discount_percent, 100);
    Number("minimum_delivery_slots", &transport_.minimum_delivery_slots);
    return transport_;
  }

 private:
  bool of_all() const { return front_ == "default_"; }
  std::string Name(std::string_view ending) const {
    return of_all() && ending == "initial_destination_concurrency" ? std::string(ending) : front_ + std::string(ending);
  }
  bool IsOwn(std::string_view ending) const {
    const std::string name = Name(ending);
    if (of_all() || p_.IsSet(name)) return true;
    const ParameterFacts* facts = FindPostfixParameter(name);
    return facts != nullptr && !facts->default_value.starts_with('$');
  }
  void Number(std::string_view ending, uint32_t* value, uint32_t most = UINT32_MAX) const {
    if (IsOwn(ending)) *value = Count32(p_, Name(ending), 0, most);
  }

  const PostfixParameters& p_;
  const std::string front_;
  TransportQueue transport_;
};

// Where master.cf's maxproc is "-": ten times default_process_limit. That limit spares a host processes; here a
// delivery costs a connection, and five hundred destinations whose connections take half a minute to fail must leave
// room for others. A number in master.cf is taken as it is: somebody wants this transport to be slow.
constexpr uint32_t kDeliveriesPerProcess = 10;

// Commands that run at a time, and files that are written: each holds a message in memory.
constexpr uint32_t kProgramsMax = 50;

// master.cf's maxproc column.
uint32_t ProcessLimitOf(const PostfixParameters& p, std::string_view transport, uint32_t usual) {
  for (const MasterService& service : p.source().master.services) {
    if (service.type != "unix" || service.name != transport) continue;
    return static_cast<uint32_t>(ParseUnsigned(service.process_limit).value_or(usual));
  }
  return usual;
}

}  // namespace

QueueSettings BuildQueueSettings(const PostfixParameters& p) {
  QueueSettings queue;
  queue.minimal_backoff_time = Positive(p, "minimal_backoff_time");
  queue.maximal_backoff_time = Positive(p, "maximal_backoff_time");
  queue.maximal_queue_lifetime = p.Time("maximal_queue_lifetime");
  queue.bounce_queue_lifetime = p.Time("bounce_queue_lifetime");
  queue.delay_warning_time = p.Time("delay_warning_time");
  queue.queue_run_delay = Positive(p, "queue_run_delay");
  queue.qmgr_message_active_limit = Count(p, "qmgr_message_active_limit", 1);
  queue.qmgr_message_recipient_limit = Count(p, "qmgr_message_recipient_limit", 1);
  queue.qmgr_message_recipient_minimum = Count(p, "qmgr_message_recipient_minimum", 1);
  queue.recipient_refill_limit = Count(p, "default_recipient_refill_limit", 1);
  queue.default_process_limit = Count32(p, "default_process_limit", 1);
  queue.default_transport = TransportReader(p, "default_", {}).Read();
  const uint32_t usual_limit = static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{queue.default_process_limit} * kDeliveriesPerProcess, UINT32_MAX));
  queue.default_transport.process_limit = usual_limit;
  const auto add = [&p, &queue, usual_limit](const std::string& name) {
    if (queue.transports.contains(name)) return;
    TransportQueue transport = TransportReader(p, name + "_", queue.default_transport).Read();
    transport.process_limit = ProcessLimitOf(p, name, usual_limit);
    queue.transports.emplace(name, transport);
  };
  for (const char* name : {"discard", "error", "lmtp", "local", "relay", "retry", "smtp", "virtual"}) add(name);
  for (const auto& [name, agent] : BuildTransports(p)) add(name);
  // local(8)'s own: what aliases name. A process each, so maxproc is meant as it is.
  TransportQueue programs = queue.transports.at("local");
  programs.process_limit = std::min(ProcessLimitOf(p, "local", queue.default_process_limit), kProgramsMax);
  for (const char* name : {"(command)", "(file)"}) queue.transports.emplace(name, programs);
  return queue;
}

NoticeSettings BuildNoticeSettings(const PostfixParameters& p) {
  NoticeSettings notices;
  if (const auto classes = ParseNotifyClasses(p.Text("notify_classes")); classes.ok()) {
    notices.notify_classes = *classes;
  } else {
    p.findings().Error("postfix-bad-value", p.PlaceOf("notify_classes"), std::string(Message(classes.status())),
                       "write resource, software, the default");
  }
  notices.bounce_notice_recipient = p.Text("bounce_notice_recipient");
  notices.double_bounce_notice_recipient = p.Text("2bounce_notice_recipient");
  notices.delay_notice_recipient = p.Text("delay_notice_recipient");
  notices.error_notice_recipient = p.Text("error_notice_recipient");
  notices.double_bounce_sender = p.Text("double_bounce_sender");
  notices.bounce_size_limit_bytes = Count(p, "bounce_size_limit", 1);
  notices.confirm_delay_cleared = p.Bool("confirm_delay_cleared");
  notices.enable_threaded_bounces = p.Bool("enable_threaded_bounces");
  notices.smtputf8_enable = p.Bool("smtputf8_enable");
  notices.template_path = p.Text("bounce_template_file");
  if (notices.template_path.empty()) return notices;
  notices.template_path = JoinPath(p.Text("config_directory"), notices.template_path);
  auto text = p.source().files->Read(notices.template_path);
  if (text.ok()) {
    notices.template_text = *std::move(text);
  } else {
    p.findings().Warning(
        "bounce-template-unreadable", p.PlaceOf("bounce_template_file"),
        "bounce_template_file names " + notices.template_path + ", which cannot be read: notices have the usual words",
        "create the file, or remove the setting");
  }
  return notices;
}

}  // namespace postern::config
