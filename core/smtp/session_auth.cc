// AUTH (RFC 4954): carries the bytes of a SASL exchange.
#include <algorithm>
#include <utility>

#include "core/auth/auth_log.h"
#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/boundary/planted.h"
#include "core/smtp/session.h"

namespace postern::smtp {

bool SmtpSession::AuthEnabled() const {
  if (!service_->sasl_auth_enable) return false;
  if (PLANTED("auth_before_tls")) return true;
  return tls_.active() || (!service_->tls_auth_only && service_->tls_level != config::TlsLevel::kEncrypt);
}

// smtpd_sasl_security_options, smtpd_sasl_tls_security_options: properties that rule a mechanism out.
std::vector<std::string_view> SmtpSession::Mechanisms() const {
  const auto& options = tls_.active() ? service_->sasl_tls_security_options : service_->sasl_security_options;
  const auto has = [&options](std::string_view name) { return std::find(options.begin(), options.end(), name) != options.end(); };
  std::vector<std::string_view> mechanisms = auth::OfferedMechanisms(config_->auth, !has("noplaintext"));
  std::erase_if(mechanisms, [&](std::string_view name) {
    const auth::MechanismFacts* facts = auth::FindMechanism(name);
    if (facts == nullptr) return true;
    return (has("noplaintext") && facts->plaintext) || (has("noactive") && facts->active) || (has("nodictionary") && facts->dictionary) ||
           (has("noanonymous") && facts->anonymous) || (has("forward_secrecy") && !facts->forward_secrecy) ||
           (has("mutual_auth") && !facts->mutual_auth);
  });
  return mechanisms;
}

void SmtpSession::HandleAuth(const Command& command, Context& context) {
  // Whatever becomes of it: what the client sent may be a password.
  if (!command.arguments.empty()) {
    std::string_view rest = command.arguments;
    const size_t mechanism_bytes = TakeWord(&rest).size();
    const size_t hidden = rest.size();
    if (hidden > 0) Redact(line_begin_ + std::min(line_end_ - line_begin_, command.word.size() + 1 + mechanism_bytes), line_end_, context);
  }
  if (service_->helo_required && helo_.empty()) return Answer(NeedHello(), context);
  if (!AuthEnabled() || !Offers("auth")) return Answer({503, "5.5.1", "Error: authentication not enabled"}, context);
  if (transaction_) return Answer({503, "5.5.1", "Error: MAIL transaction in progress"}, context);
  if (!sasl_user_.empty()) return Answer({503, "5.5.1", "Error: already authenticated"}, context);
  std::string_view rest = command.arguments;
  const std::string_view name = TakeWord(&rest);
  const std::string_view initial = TakeWord(&rest);
  if (name.empty() || !TakeWord(&rest).empty()) return Answer(Syntax("AUTH mechanism"), context);

  const auto mechanisms = Mechanisms();
  const bool offered = std::any_of(mechanisms.begin(), mechanisms.end(), [&](std::string_view m) { return EqualsIgnoringCase(m, name); });
  auto exchange = offered ? auth::MakeExchange(name, config_->auth,
                                               {.service = "smtp",
                                                .remote = peer_.remote.address,
                                                .local = peer_.local.address,
                                                .tls = tls_.active(),
                                                .local_host_name = config_->routing.myhostname})
                          : nullptr;
  const auto fail = [&](std::string_view why) {
    Log(context, "warning: " + ClientForLog() + ": SASL " + EscapeForLog(name, 64) + " authentication failed: " + std::string(why) + ", sasl_username=(unavailable)",
        Severity::kWarning, {{"event.action", "auth.done"}, {"event.outcome", "failure"}});
    AnswerAfter({535, "5.7.8", "Error: authentication failed: " + std::string(why)}, config_->auth.failure_delay, context);
  };
  if (exchange == nullptr) return fail("Invalid authentication mechanism");
  auth::Step step;
  if (initial.empty()) {
    step = exchange->Start(nullptr, context.entropy, context.now.wall);
  } else {
    // RFC 4954 section 4: "=" is an empty initial response.
    const auto decoded = initial == "=" ? std::optional<std::string>("") : DecodeBase64(initial);
    if (!decoded) return fail("Invalid base64 data in initial response");
    const std::string_view view = *decoded;
    step = exchange->Start(&view, context.entropy, context.now.wall);
  }
  Advance(std::move(exchange), std::move(step), context);
}

void SmtpSession::HandleResponse(std::string_view line, Context& context) {
  Redact(line_begin_, line_end_, context);
  auto& exchanging = std::get<Exchanging>(state_);
  auto exchange = std::move(exchanging.exchange);
  const bool success_said = exchanging.success_said;
  state_ = Commands{};
  if (line == "*") {
    Log(context, "warning: " + ClientForLog() + ": SASL " + std::string(exchange->mechanism()) + " authentication aborted", Severity::kWarning);
    return Answer({501, "5.7.0", "Authentication aborted"}, context);
  }
  const auto decoded = line == "=" ? std::optional<std::string>("") : DecodeBase64(line);
  if (!decoded || decoded->size() > auth::kResponseBytesMax) {
    Log(context, "warning: " + ClientForLog() + ": SASL " + std::string(exchange->mechanism()) +
                     " authentication failed: Invalid base64 data in continued response, sasl_username=(unavailable)",
        Severity::kWarning);
    return AnswerAfter({535, "5.7.8", "Error: authentication failed: Invalid base64 data in continued response"}, config_->auth.failure_delay, context);
  }
  if (success_said) {
    auth::Step done;
    done.kind = auth::Step::Kind::kSuccess;
    return Advance(std::move(exchange), std::move(done), context);
  }
  auth::Step step = exchange->Respond(*decoded, context.entropy);
  Advance(std::move(exchange), std::move(step), context);
}

void SmtpSession::Advance(std::unique_ptr<auth::Exchange> exchange, auth::Step step, Context& context) {
  const auto challenge = [&](bool success_said) {
    SendReply({334, "", EncodeBase64(step.challenge)}, context);
    state_ = Exchanging{.exchange = std::move(exchange), .success_said = success_said};
  };
  switch (step.kind) {
    case auth::Step::Kind::kChallenge: return challenge(false);
    case auth::Step::Kind::kVerify:
      ++open_operations_;
      context.out.Put(Ask{.op = {MachineOf(conn_), next_tag_++},
                          .question = VerifyPassword{.stored = std::move(step.stored), .password = std::move(step.password), .user = step.verify_user}});
      state_ = Verifying{std::move(exchange)};
      return;
    case auth::Step::Kind::kSuccess:
      if (step.has_success_data) return challenge(true);
      state_ = Commands{};
      sasl_user_ = exchange->identity().user;
      sasl_method_ = exchange->mechanism();
      verb_ = Verb::kAuth;
      for (const auth::LogLine& line : step.log_lines) {
        LogEvent event{.tag = "dovecot", .pid = directory_.LogPid(conn_), .text = auth::FormatAuthLine(line, peer_.remote.address, "")};
        context.out.Log(std::move(event));
      }
      return Answer({235, "2.7.0", "Authentication successful"}, context);
    case auth::Step::Kind::kFailure:
      state_ = Commands{};
      verb_ = Verb::kAuth;
      return AuthFailed(exchange->mechanism(), exchange->identity().original_user, step, context);
  }
}

void SmtpSession::AuthFailed(std::string_view mechanism, std::string_view user, const auth::Step& step, Context& context) {
  for (const auth::LogLine& line : step.log_lines) {
    LogEvent event{.tag = "dovecot", .pid = directory_.LogPid(conn_), .text = auth::FormatAuthLine(line, peer_.remote.address, "")};
    context.out.Log(std::move(event));
  }
  Log(context,
      "warning: " + ClientForLog() + ": SASL " + std::string(mechanism) + " authentication failed: (reason unavailable), sasl_username=" +
          (user.empty() ? "(unavailable)" : EscapeForLog(user, 255)),
      Severity::kWarning, {{"event.action", "auth.done"}, {"event.outcome", "failure"}, {"auth.mechanism", std::string(mechanism)}});
  if (step.reason == auth::FailureReason::kTemporary) {
    return Answer({454, "4.7.0", "Temporary authentication failure: (reason unavailable)"}, context);
  }
  AnswerAfter({535, "5.7.8", "Error: authentication failed: (reason unavailable)"}, step.no_delay ? Duration{} : config_->auth.failure_delay, context);
}

}  // namespace postern::smtp
