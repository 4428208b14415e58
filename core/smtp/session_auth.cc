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
  if (!service_->sasl_auth_enable || verifier_ == nullptr) return false;
  if (PLANTED("auth_before_tls")) return true;
  return tls_.active() || (!service_->tls_auth_only && service_->tls_level != config::TlsLevel::kEncrypt);
}

bool SmtpSession::AnnouncesAuth() const {
  return AuthEnabled() && Offers("auth") && !service_->sasl_exceptions_networks.MatchesClient(peer_.remote.address, "");
}

const std::vector<std::string>& SmtpSession::SecurityOptions() const {
  return tls_.active() ? service_->sasl_tls_security_options : service_->sasl_security_options;
}

// Deviation: where nobody can be asked, Postfix's smtpd ends ("fatal: no SASL authentication mechanisms"), and with it
// all mail that comes in here. We announce no AUTH, and nobody is refused for good who may be a user (restrictions.cc):
// a relaying client's mail waits and does not bounce.
void SmtpSession::TakeOffer(auth::Offer offer) {
  login_is_undecided_ = !offer.is_known;
  mechanisms_ = std::move(offer.mechanisms);
}

void SmtpSession::OnVerifierAnswer(auth::VerifierAnswer answer, Context& context) {
  if (auto* offer = std::get_if<auth::Offer>(&answer.what)) {
    if (!std::holds_alternative<AwaitingOffer>(state_)) return;
    state_ = Commands{};
    TakeOffer(std::move(*offer));
    AnswerHello(context);
  } else if (auto* verifying = std::get_if<Verifying>(&state_)) {
    auto exchange = std::move(verifying->exchange);
    Advance(std::move(exchange), std::move(std::get<auth::Step>(answer.what)), context);
  }
  Resume(context);
}

void SmtpSession::HandleAuth(const Command& command, Context& context) {
  // Whatever becomes of it: what the client sent may be a password.
  if (!command.arguments.empty()) {
    std::string_view rest = command.arguments;
    const size_t mechanism_bytes = TakeWord(&rest).size();
    const size_t hidden = rest.size();
    if (hidden > 0)
      Redact(line_begin_ + std::min(line_end_ - line_begin_, command.word.size() + 1 + mechanism_bytes), line_end_,
             context);
  }
  if (service_->helo_required && helo_.empty()) return Answer(NeedHello(), context);
  if (!AuthEnabled() || !Offers("auth")) return Answer({503, "5.5.1", "Error: authentication not enabled"}, context);
  if (transaction_) return Answer({503, "5.5.1", "Error: MAIL transaction in progress"}, context);
  if (!sasl_user_.empty()) return Answer({503, "5.5.1", "Error: already authenticated"}, context);
  std::string_view rest = command.arguments;
  const std::string_view name = TakeWord(&rest);
  const std::string_view initial = TakeWord(&rest);
  if (name.empty() || !TakeWord(&rest).empty()) return Answer(Syntax("AUTH mechanism"), context);

  auto exchange = verifier_->Begin(name, SecurityOptions(),
                                   {.service = service_->sasl_service,
                                    .no_login = true,
                                    .remote = peer_.remote.address,
                                    .local = peer_.local.address,
                                    .tls = tls_.active(),
                                    .local_host_name = config_->routing.myhostname},
                                   MachineOf(conn_));
  const auto fail = [&](std::string_view why) {
    Log(context,
        "warning: " + ClientForLog() + ": SASL " + EscapeForLog(name, 64) +
            " authentication failed: " + std::string(why) + ", sasl_username=(unavailable)",
        Severity::kWarning, {{"event.action", "auth.done"}, {"event.outcome", "failure"}});
    AnswerAfter({535, "5.7.8", "Error: authentication failed: " + std::string(why)}, config_->auth.failure_delay,
                context);
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
    Log(context,
        "warning: " + ClientForLog() + ": SASL " + EscapeForLog(exchange->mechanism(), 64) + " authentication aborted",
        Severity::kWarning);
    return Answer({501, "5.7.0", "Authentication aborted"}, context);
  }
  const auto decoded = line == "=" ? std::optional<std::string>("") : DecodeBase64(line);
  if (!decoded || decoded->size() > auth::kResponseBytesMax) {
    Log(context,
        "warning: " + ClientForLog() + ": SASL " + EscapeForLog(exchange->mechanism(), 64) +
            " authentication failed: Invalid base64 data in continued response, sasl_username=(unavailable)",
        Severity::kWarning);
    return AnswerAfter({535, "5.7.8", "Error: authentication failed: Invalid base64 data in continued response"},
                       config_->auth.failure_delay, context);
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
    case auth::Step::Kind::kChallenge:
      return challenge(false);
    case auth::Step::Kind::kVerify:
      ++open_operations_;
      context.out.Put(
          Ask{.op = {MachineOf(conn_), next_tag_++},
              .question = VerifyPassword{
                  .stored = std::move(step.stored), .password = std::move(step.password), .user = step.verify_user}});
      state_ = Verifying{std::move(exchange)};
      return;
    case auth::Step::Kind::kWait:
      state_ = Verifying{std::move(exchange)};
      return;
    case auth::Step::Kind::kSuccess:
      if (step.has_success_data) return challenge(true);
      state_ = Commands{};
      sasl_user_ = exchange->identity().user;
      sasl_method_ = exchange->mechanism();
      login_is_undecided_ = false;
      verb_ = Verb::kAuth;
      for (const auth::LogLine& line : step.log_lines) {
        LogEvent event{.tag = "dovecot",
                       .pid = directory_.LogPid(conn_),
                       .text = auth::FormatAuthLine(line, peer_.remote.address, "")};
        context.out.Log(std::move(event));
      }
      return Answer({235, "2.7.0", "Authentication successful"}, context);
    case auth::Step::Kind::kFailure:
      state_ = Commands{};
      verb_ = Verb::kAuth;
      return AuthFailed(exchange->mechanism(), exchange->identity().original_user, step, context);
  }
}

void SmtpSession::AuthFailed(std::string_view mechanism, std::string_view user, const auth::Step& step,
                             Context& context) {
  for (const auth::LogLine& line : step.log_lines) {
    LogEvent event{.tag = "dovecot",
                   .pid = directory_.LogPid(conn_),
                   .text = auth::FormatAuthLine(line, peer_.remote.address, "")};
    context.out.Log(std::move(event));
  }
  const std::string why = step.reason_text.empty() ? "(reason unavailable)" : step.reason_text;
  Log(context,
      "warning: " + ClientForLog() + ": SASL " + EscapeForLog(mechanism, 64) + " authentication failed: " + why +
          ", sasl_username=" + (user.empty() ? "(unavailable)" : EscapeForLog(user, 255)),
      Severity::kWarning,
      {{"event.action", "auth.done"}, {"event.outcome", "failure"}, {"auth.mechanism", EscapeForLog(mechanism, 64)}});
  login_is_undecided_ = step.reason == auth::FailureReason::kTemporary;
  if (login_is_undecided_) {
    return Answer({454, "4.7.0", "Temporary authentication failure: " + why}, context);
  }
  AnswerAfter({535, "5.7.8", "Error: authentication failed: " + why},
              step.no_delay ? Duration{} : config_->auth.failure_delay, context);
}

}  // namespace postern::smtp
