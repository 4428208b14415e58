// Before login: greeting's commands, STARTTLS, LOGIN and AUTHENTICATE, and the way into the account. What an attacker
// can reach without a password is all here, in the framer and in the parser.
#include <utility>

#include "core/auth/auth_log.h"
#include "core/base/base64.h"
#include "core/boundary/planted.h"
#include "core/imap/parser.h"
#include "core/imap/session.h"
#include "core/imap/session_internal.h"
#include "core/imap/session_run.h"

namespace postern::imap {
namespace {

constexpr uint32_t kVisitorBadCommandsMax = 3;  // Dovecot's
constexpr std::string_view kVisitorBadText = "Error in IMAP command received by server.";
constexpr std::string_view kPlaintextText = "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.";

}  // namespace

void ImapSession::HandleVisitorStep(const Framer::Step& step, Context& context) {
  switch (step.kind) {
    case Framer::Kind::kCommand:
      HandleVisitorCommand(step.text, context);
      if (!framer_.InCommand()) framer_.Release();
      return;
    case Framer::Kind::kContinue:
      Write("+ OK\r\n", context);
      return framer_.AcceptLiteral();
    case Framer::Kind::kLine:
      return HandleResponse(step.text, context);
    case Framer::Kind::kError:
      tag_ = framer_.error_tag().empty() ? "*" : std::string(framer_.error_tag());
      if (std::holds_alternative<Authenticating>(state_)) state_ = NotAuthenticated{};
      return VisitorBad(step.text, context);
    case Framer::Kind::kFatal:
      return Bye(step.text, "Too long or too many arguments", context);
    case Framer::Kind::kAppendLiteral:  // not before login: the framer's limits say so
    case Framer::Kind::kChunk:
    case Framer::Kind::kAppendLiteralEnd:
    case Framer::Kind::kAppendEnd:
    case Framer::Kind::kNeedInput:
      return;
  }
}

void ImapSession::VisitorBad(std::string_view text, Context& context) {
  if (++bad_commands_ >= kVisitorBadCommandsMax) {
    return Bye("Too many invalid IMAP commands.", "Too many invalid commands", context);
  }
  SendTagged(Condition::kBad, "", text, context);
}

void ImapSession::HandleVisitorCommand(std::string_view text, Context& context) {
  ParseResult parsed = ParseCommand(text);
  if (const auto* error = std::get_if<ParseError>(&parsed)) {
    tag_ = error->tag.empty() ? "*" : error->tag;
    return VisitorBad(kVisitorBadText, context);
  }
  auto& command = std::get<Command>(parsed);
  tag_ = std::move(command.tag);
  if (std::holds_alternative<CapabilityCommand>(command.body)) {
    // As Dovecot has it: who had to ask behind STARTTLS (RFC 3501 section 6.2.1) looks into the tagged line as well.
    visitor_->capability_asked |= !visitor_->started_tls;
    Write("* CAPABILITY " + CapabilityText() + "\r\n", context);
    return SendTagged(Condition::kOk, "", "Pre-login capabilities listed, post-login capabilities have more.", context);
  }
  if (std::holds_alternative<NoopCommand>(command.body))
    return SendTagged(Condition::kOk, "", "NOOP completed.", context);
  if (std::holds_alternative<LogoutCommand>(command.body)) {
    Write("* BYE Logging out\r\n", context);
    SendTagged(Condition::kOk, "", "Logout completed.", context);
    return End("Logged out", false, context);
  }
  if (const auto* id = std::get_if<IdCommand>(&command.body)) return HandleId(*id, context);
  if (std::holds_alternative<StartTlsCommand>(command.body)) return HandleStartTls(context);
  if (auto* login = std::get_if<LoginCommand>(&command.body)) return HandleLogin(std::move(*login), context);
  if (const auto* authenticate = std::get_if<AuthenticateCommand>(&command.body)) {
    return HandleAuthenticate(*authenticate, context);
  }
  VisitorBad(kVisitorBadText, context);
}

// ---- TLS ------------------------------------------------------------------------------------------------------------

void ImapSession::HandleStartTls(Context& context) {
  if (tls_.active()) return SendTagged(Condition::kBad, "", "TLS is already active.", context);
  if (!StartTlsAvailable()) return SendTagged(Condition::kBad, "", "TLS support isn't enabled.", context);
  SendTagged(Condition::kOk, "", "Begin TLS negotiation now.", context);
  // RFC 3501 section 6.2.1 and CVE-2011-0411: what came in plaintext behind the command was said by nobody.
  if (!PLANTED("starttls_plaintext_kept_imap")) input_at_ = input_.size();
  context.out.Put(StartTls{conn_});
  state_ = StartingTls{};
}

void ImapSession::OnTlsReady(const TlsFacts& facts, Context& context) {
  if (!std::holds_alternative<StartingTls>(state_)) return;
  tls_ = facts;
  // RFC 3501 section 6.2.1: all that was learnt before TLS is forgotten, but for how the client asks.
  visitor_->started_tls = true;
  visitor_->secrets = {};
  state_ = NotAuthenticated{};
  TakeInput(context);
}

bool ImapSession::StartTlsAvailable() const {
  const auto index = static_cast<size_t>(peer_.listener);
  return !tls_.active() && index < config_->listeners.size() && config_->listeners[index].tls != nullptr;
}

bool ImapSession::Secured() const {
  // Dovecot counts a connection from the server's own address as secure, and those the administrator trusts.
  if (tls_.active() || peer_.remote.address == peer_.local.address) return true;
  for (const Network& network : config_->auth.login_trusted_networks) {
    if (network.Contains(peer_.remote.address)) return true;
  }
  return false;
}

bool ImapSession::PlaintextAllowed() const {
  if (config_->imap.ssl_required && !tls_.active()) return false;
  return !config_->auth.disable_plaintext_auth || Secured();
}

void ImapSession::RefusePlaintext(bool password_sent, Context& context) {
  visitor_->plaintext_refused = true;
  if (password_sent) {
    Write(
        "* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. If anyone "
        "was listening, the password was exposed.\r\n",
        context);
  }
  SendTagged(Condition::kNo, "PRIVACYREQUIRED", kPlaintextText, context);
}

auth::ClientFacts ImapSession::ClientFacts() const {
  return {.service = "imap",
          .remote = peer_.remote.address,
          .local = peer_.local.address,
          .tls = tls_.active(),
          .local_host_name = directory_.node().host_name};
}

// ---- LOGIN and AUTHENTICATE -----------------------------------------------------------------------------------------

void ImapSession::HandleLogin(LoginCommand command, Context& context) {
  const Secret password{std::string_view(command.password)};
  for (char& c : command.password) c = '\0';
  visitor_->user = command.user;
  visitor_->mechanism = "PLAIN";
  if (!PlaintextAllowed()) return RefusePlaintext(true, context);
  auto exchange = auth::MakePlainExchange(command.user, password, config_->auth, ClientFacts());
  if (exchange == nullptr) return SendTagged(Condition::kNo, "ALERT", "Unsupported authentication mechanism.", context);
  const std::string_view* none = nullptr;
  auth::Step step = exchange->Start(none, context.entropy, context.now.wall);
  Advance(std::move(exchange), std::move(step), context);
}

void ImapSession::HandleAuthenticate(const AuthenticateCommand& command, Context& context) {
  const auth::MechanismFacts* facts = auth::FindMechanism(command.mechanism);
  if (facts != nullptr && facts->plaintext && !PlaintextAllowed()) {
    visitor_->mechanism = command.mechanism;
    return RefusePlaintext(command.initial_response.has_value(), context);
  }
  if (config_->imap.ssl_required && !tls_.active()) return RefusePlaintext(false, context);
  auto exchange = auth::MakeExchange(command.mechanism, config_->auth, ClientFacts());
  if (exchange == nullptr) return SendTagged(Condition::kNo, "ALERT", "Unsupported authentication mechanism.", context);
  visitor_->mechanism = exchange->mechanism();
  std::optional<std::string> initial;
  if (command.initial_response) {
    initial = DecodeBase64(*command.initial_response);
    if (!initial || initial->size() > auth::kResponseBytesMax) {
      return SendTagged(Condition::kBad, "", "Invalid base64 data in initial response", context);
    }
  }
  const std::string_view view = initial ? std::string_view(*initial) : std::string_view();
  auth::Step step = exchange->Start(initial ? &view : nullptr, context.entropy, context.now.wall);
  Advance(std::move(exchange), std::move(step), context);
}

void ImapSession::HandleResponse(std::string_view line, Context& context) {
  auto* authenticating = std::get_if<Authenticating>(&state_);
  if (authenticating == nullptr) return;
  auto exchange = std::move(authenticating->exchange);
  if (line == "*") {  // RFC 3501 section 6.2.2
    state_ = NotAuthenticated{};
    return SendTagged(Condition::kBad, "", "Authentication aborted by client.", context);
  }
  const auto response = DecodeBase64(line);
  if (!response || response->size() > auth::kResponseBytesMax) {
    state_ = NotAuthenticated{};
    return SendTagged(Condition::kBad, "", "Invalid base64 data in continued response", context);
  }
  auth::Step step = exchange->Respond(*response, context.entropy);
  Advance(std::move(exchange), std::move(step), context);
}

void ImapSession::Advance(std::unique_ptr<auth::Exchange> exchange, auth::Step step, Context& context) {
  switch (step.kind) {
    case auth::Step::Kind::kChallenge:
      // "+ " with nothing behind it is an empty challenge; clients insist on the space.
      Write("+ " + EncodeBase64(step.challenge) + "\r\n", context);
      framer_.Release();
      framer_.ExpectLine(kVisitorLineBytesMax);
      state_ = Authenticating{std::move(exchange)};
      return;
    case auth::Step::Kind::kVerify:
      context.out.Put(Ask{.op = {machine(), kVerifyTag},
                          .question = VerifyPassword{.stored = std::move(step.stored),
                                                     .password = std::move(step.password),
                                                     .user = std::move(step.verify_user)}});
      state_ = LoggingIn{.exchange = std::move(exchange)};
      return;
    case auth::Step::Kind::kSuccess:
      return SucceedLogin(*exchange, step, context);
    case auth::Step::Kind::kWait:  // only where another server decides, which is asked for SMTP alone
    case auth::Step::Kind::kFailure:
      return FailLogin(*exchange, step, context);
  }
}

void ImapSession::LogAuthLines(const auth::Step& step, Context& context) {
  for (const auth::LogLine& line : step.log_lines) {
    Log(auth::FormatAuthLine(line, peer_.remote.address, session_id_), context,
        line.is_error ? Severity::kError : Severity::kInfo,
        {{"event.action", "auth.done"},
         {"event.outcome", step.kind == auth::Step::Kind::kSuccess ? "success" : "failure"}});
  }
}

void ImapSession::FailLogin(const auth::Exchange& exchange, const auth::Step& step, Context& context) {
  LogAuthLines(step, context);
  visitor_->mechanism = exchange.mechanism();
  if (!exchange.identity().original_user.empty()) visitor_->user = exchange.identity().original_user;
  if (step.reason == auth::FailureReason::kAborted) {
    state_ = NotAuthenticated{};
    return SendTagged(Condition::kBad, "", "Authentication aborted by client.", context);
  }
  ++visitor_->failures;
  LoggingIn late{.late_code = "AUTHENTICATIONFAILED", .late_text = "Authentication failed."};
  if (step.reason == auth::FailureReason::kTemporary) {
    late = {.late_code = "UNAVAILABLE", .late_text = "Temporary authentication failure."};
  } else if (step.reason == auth::FailureReason::kAuthorizationDenied) {
    late = {.late_code = "AUTHORIZATIONFAILED", .late_text = "Authentication failed."};
  }
  state_ = std::move(late);
  if (step.no_delay || config_->auth.failure_delay.ns <= 0) return OnLoginDelayOver(context);
  context.out.Put(SetTimer{.op = {machine(), kDelayTimer}, .at = context.now.mono + config_->auth.failure_delay});
}

void ImapSession::OnLoginDelayOver(Context& context) {
  auto* late = std::get_if<LoggingIn>(&state_);
  if (late == nullptr || late->exchange != nullptr) return;
  SendTagged(Condition::kNo, late->late_code, late->late_text, context);
  state_ = NotAuthenticated{};
}

void ImapSession::SucceedLogin(const auth::Exchange& exchange, const auth::Step& step, Context& context) {
  LogAuthLines(step, context);
  user_ = exchange.identity().user;
  visitor_->user = user_;
  visitor_->mechanism = exchange.mechanism();
  const ShardId owner = directory_.OwnerOf(user_);
  if (owner == directory_.self()) return EnterAccount(visitor_->capability_asked, context);
  context.out.Put(CancelTimer{{machine(), kIdleTimer}});
  if (paused_) context.out.Put(ResumeReading{conn_});
  std::string state{visitor_->capability_asked ? kCapabilityAskedState : std::string_view()};
  context.out.Put(Handoff{.conn = conn_,
                          .to = owner,
                          .login = {.user = user_,
                                    .mechanism = visitor_->mechanism,
                                    .tag = tag_,
                                    .session_id = session_id_,
                                    .state = std::move(state)},
                          .unread = input_.substr(input_at_)});
  state_ = Logout{};
  input_at_ = input_.size();
}

// ---- into the account -----------------------------------------------------------------------------------------------

void ImapSession::EnterAccount(bool capability_asked, Context& context) {
  const uint32_t limit = config_->imap.max_userip_connections;
  if (!directory_.Enter("imap", user_, peer_.remote.address, limit)) {
    const std::string text =
        "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=" + std::to_string(limit) +
        ")";
    SendTagged(Condition::kNo, "LIMIT", text, context);
    return End(text, false, context);
  }
  entered_ = true;
  const auto account = directory_.Open(user_, machine(), "imap", context);
  if (!account.ok()) {
    Log("imap(" + EscapeForLog(user_) + "): Error: " + std::string(Message(account.status())), context,
        Severity::kError);
    SendTagged(Condition::kNo, "UNAVAILABLE", "Internal error occurred. Refer to server log for more information.",
               context);
    return End("Internal error", false, context);
  }
  account_ = *account;
  actor_ = std::make_shared<const mailbox::Actor>(mailbox::Actor{.protocol = "imap",
                                                                 .source_ip = peer_.remote.address.ToString(),
                                                                 .session_id = session_id_,
                                                                 .pid = directory_.LogPid(conn_)});
  const LoginLogFacts facts{.user = user_,
                            .mechanism = visitor_->mechanism,
                            .peer = &peer_,
                            .tls = tls_.active(),
                            .secured = Secured(),
                            .mail_pid = directory_.LogPid(conn_),
                            .session_id = session_id_};
  Log("imap-login: Login: " + FormatLoginFacts(facts), context, Severity::kInfo,
      {{"event.action", "imap.login"}, {"user.name", user_}, {"auth.mechanism", visitor_->mechanism}});
  visitor_.reset();
  bad_commands_ = 0;
  framer_ = Framer(UserLimits(config_->imap));
  state_ = Authenticated{};
  // A client that asked before does not look into the tagged line.
  if (capability_asked) {
    Write("* CAPABILITY " + CapabilityText() + "\r\n", context);
    SendTagged(Condition::kOk, "", "Logged in", context);
  } else {
    SendTagged(Condition::kOk, "CAPABILITY " + CapabilityText(), "Logged in", context);
  }
  tag_.clear();
}

void ImapSession::LogVisitorEnd(std::string_view reason, Context& context) {
  if (visitor_ == nullptr) return;
  const std::string seconds = std::to_string(static_cast<int64_t>(ToSeconds(context.now.mono - visitor_->began)));
  std::string detail = "no auth attempts in " + seconds + " secs";
  if (visitor_->plaintext_refused) {
    detail = "tried to use disallowed plaintext auth";
  } else if (visitor_->failures > 0) {
    detail = "auth failed, " + std::to_string(visitor_->failures) + " attempts in " + seconds + " secs";
  } else if (std::holds_alternative<Authenticating>(state_)) {
    detail = "client didn't finish SASL auth, waited " + seconds + " secs";
  }
  const LoginLogFacts facts{.user = visitor_->user,
                            .mechanism = visitor_->mechanism,
                            .peer = &peer_,
                            .tls = tls_.active(),
                            .secured = Secured(),
                            .session_id = session_id_};
  std::string text = "imap-login: Disconnected: " + EscapeForLog(reason);
  if (user_.empty()) text += " (" + detail + ")";
  Log(text + ": " + FormatLoginFacts(facts), context);
}

}  // namespace postern::imap
