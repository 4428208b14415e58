// What a session writes into the log: Postfix's lines, and the same facts as fields.
#include <utility>

#include "core/smtp/session.h"

namespace postern::smtp {

void SmtpSession::Log(Context& context, std::string text, Severity severity, Fields fields) const {
  LogEvent event{.severity = severity,
                 .tag = service_->syslog_name + "/smtpd",
                 .pid = directory_.LogPid(conn_),
                 .text = std::move(text)};
  event.trace_id = transaction_ ? transaction_->trace_id : trace_id_;
  event.fields = std::move(fields);
  event.fields.emplace_back("source.ip", peer_.remote.address.ToString());
  event.fields.emplace_back("network.protocol", "smtp");
  event.fields.emplace_back("postern.session", trace_id_);
  context.out.Log(std::move(event));
}

// Lines that another of Postfix's programs would write.
void SmtpSession::LogAs(std::string_view program, Context& context, std::string text, Fields fields) const {
  LogEvent event{.tag = "postfix/" + std::string(program), .pid = directory_.LogPid(conn_), .text = std::move(text)};
  event.trace_id = transaction_ ? transaction_->trace_id : trace_id_;
  event.fields = std::move(fields);
  event.fields.emplace_back("postern.session", trace_id_);
  context.out.Log(std::move(event));
}

std::string SmtpSession::ClientForLog() const {
  const std::string name =
      client_name_ && !client_name_->name.empty() ? EscapeForLog(client_name_->name, 255) : "unknown";
  return name + "[" + peer_.remote.address.ToString() + "]";
}

std::string SmtpSession::QueueIdForLog() const {
  return transaction_ && !transaction_->queue_id.empty() ? transaction_->queue_id : "NOQUEUE";
}

// "disconnect from C ehlo=1 auth=0/2 quit=1 commands=2/4": what succeeded, and of how many where some did not.
void SmtpSession::LogDisconnect(Context& context) const {
  std::string text = "disconnect from " + ClientForLog();
  Count sum;
  const auto add = [&text](std::string_view name, const Count& count) {
    text += " " + std::string(name) + "=" + std::to_string(count.ok);
    if (count.ok != count.all) text += "/" + std::to_string(count.all);
  };
  for (size_t i = 0; i < kVerbCount; ++i) {
    sum.ok += counts_[i].ok;
    sum.all += counts_[i].all;
    if (counts_[i].all > 0) add(LowerName(static_cast<Verb>(i)), counts_[i]);
  }
  if (sum.all == 0) {
    text += " commands=0/0";
  } else {
    add("commands", sum);
  }
  Log(context, std::move(text), Severity::kInfo, {{"event.action", "smtp.disconnect"}});
}

void SmtpSession::LogRefusal(const Facts& facts, const Verdict& verdict, Context& context) const {
  const std::string from = ": " + std::string(PhaseName(facts)) + " from " + ClientForLog() + ": ";
  const std::string envelope = "; " + EnvelopeForLog(facts);
  for (const auto& [kind, text] : verdict.notes) {
    if (kind == "warning") {
      Log(context, "warning: " + text, Severity::kWarning);
    } else {
      Log(context, QueueIdForLog() + ": " + kind + from + text + envelope);
    }
  }
  if (!verdict.rejects()) return;
  Log(context, QueueIdForLog() + ": reject" + from + EscapeForLog(OneLine(verdict.reply)) + envelope, Severity::kInfo,
      {{"event.action", "rcpt.judged"},
       {"event.outcome", "failure"},
       {"smtp.stage", std::string(PhaseName(facts))},
       {"smtp.reply.code", std::to_string(verdict.reply.code)},
       {"smtp.reply.enhanced_code", verdict.reply.enhanced}});
}

}  // namespace postern::smtp
