// The AUTHORIZATION state of a POP3 session: capabilities, TLS, logins.
#include <utility>

#include "core/base/base64.h"
#include "core/pop3/session.h"
#include "core/pop3/session_tags.h"

namespace postern::pop3 {

bool Pop3Session::PlaintextAllowed() const {
  if (config_->pop3.ssl_required && !tls_.active()) return false;  // whoever asks
  if (tls_.active() || !config_->auth.disable_plaintext_auth) return true;
  // Dovecot counts a connection from the server's own address as secure.
  if (peer_.remote.address == peer_.local.address) return true;
  for (const Network& network : config_->auth.login_trusted_networks) {
    if (network.Contains(peer_.remote.address)) return true;
  }
  return false;
}

void Pop3Session::HandleAuthorization(const Command& command, Context& context) {
  switch (command.verb) {
    case Verb::kCapa:
      return SendCapabilities(context);
    case Verb::kStls:
      return HandleStls(context);
    case Verb::kUser:
      if (!PlaintextAllowed()) {
        Say("-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", context);
        return;
      }
      if (command.arguments.empty()) break;
      user_ = command.arguments;
      return Say("+OK", context);
    case Verb::kPass:
      return HandlePass(command.arguments, context);
    case Verb::kAuth:
      return HandleAuth(command.arguments, context);
    case Verb::kQuit:
      Say("+OK Logging out", context);
      return End(context, "Aborted login by logging out");
    default:
      break;
  }
  ++bad_commands_;
  Say("-ERR Unknown command.", context);
}

void Pop3Session::SendCapabilities(Context& context) {
  // RFC 2449 section 6. The order is Dovecot's.
  std::string text = "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n";
  if (account_ == nullptr) {
    const auto listener = static_cast<size_t>(peer_.listener);
    const bool offers_tls = listener < config_->listeners.size() && config_->listeners[listener].tls != nullptr;
    if (offers_tls && !tls_.active()) text += "STLS\r\n";
    if (PlaintextAllowed()) text += "USER\r\n";
    text += "SASL";
    for (const std::string_view name : auth::OfferedMechanisms(config_->auth, PlaintextAllowed())) {
      text += ' ';
      text += name;
    }
    text += "\r\n";
  }
  text += ".";
  Say(text, context);
}

void Pop3Session::HandleStls(Context& context) {
  const auto listener = static_cast<size_t>(peer_.listener);
  if (tls_.active()) return Say("-ERR TLS is already active.", context);
  if (listener >= config_->listeners.size() || config_->listeners[listener].tls == nullptr) {
    return Say("-ERR TLS support isn't enabled.", context);
  }
  Say("+OK Begin TLS negotiation now.", context);
  input_.clear();
  state_ = StartingTls{};
  context.out.Put(StartTls{conn_});
}

void Pop3Session::HandlePass(std::string_view password, Context& context) {
  if (!PlaintextAllowed()) {
    Say("-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", context);
    return;
  }
  if (user_.empty()) return Say("-ERR No username given.", context);
  const auth::ClientFacts client{.service = "pop3",
                                 .remote = peer_.remote.address,
                                 .local = peer_.local.address,
                                 .tls = tls_.active(),
                                 .local_host_name = config_->routing.myhostname};
  auto exchange = auth::MakePlainExchange(user_, Secret(password), config_->auth, client);
  auto step = exchange->Start(nullptr, context.entropy, context.now.wall);
  Advance(std::move(exchange), std::move(step), context);
}

void Pop3Session::HandleAuth(std::string_view arguments, Context& context) {
  const std::string_view name = TakeWord(&arguments);
  if (name.empty()) {  // RFC 1734's listing form, which old clients still try
    std::string text = "+OK\r\n";
    for (const std::string_view mechanism : auth::OfferedMechanisms(config_->auth, PlaintextAllowed())) {
      text += mechanism;
      text += "\r\n";
    }
    return Say(text + ".", context);
  }
  const auth::ClientFacts client{.service = "pop3",
                                 .remote = peer_.remote.address,
                                 .local = peer_.local.address,
                                 .tls = tls_.active(),
                                 .local_host_name = config_->routing.myhostname};
  auto exchange = auth::MakeExchange(name, config_->auth, client);
  if (exchange == nullptr) return Say("-ERR [AUTH] Unsupported authentication mechanism.", context);
  const auth::MechanismFacts* facts = auth::FindMechanism(name);
  const bool needs_tls = config_->pop3.ssl_required && !tls_.active();
  if (needs_tls || (facts != nullptr && facts->plaintext && !PlaintextAllowed())) {
    Say("-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", context);
    return;
  }
  const std::string_view word = TakeWord(&arguments);
  if (word.empty()) {
    auto step = exchange->Start(nullptr, context.entropy, context.now.wall);
    return Advance(std::move(exchange), std::move(step), context);
  }
  // RFC 5034 section 4: "=" is an empty initial response.
  const auto initial = word == "=" ? std::optional<std::string>("") : DecodeBase64(word);
  if (!initial) return Say("-ERR [AUTH] Invalid base64 data in initial response", context);
  const std::string_view view = *initial;
  auto step = exchange->Start(&view, context.entropy, context.now.wall);
  Advance(std::move(exchange), std::move(step), context);
}

void Pop3Session::HandleResponse(std::string_view line, Context& context) {
  auto exchange = std::move(std::get<Exchanging>(state_).exchange);
  if (line == "*") {
    state_ = Authorization{};
    return Say("-ERR Authentication aborted by client.", context);
  }
  const auto response = DecodeBase64(line);
  if (!response || response->size() > auth::kResponseBytesMax) {
    state_ = Authorization{};
    return Say("-ERR [AUTH] Invalid base64 in response", context);
  }
  auto step = exchange->Respond(*response, context.entropy);
  Advance(std::move(exchange), std::move(step), context);
}

void Pop3Session::Advance(std::unique_ptr<auth::Exchange> exchange, auth::Step step, Context& context) {
  switch (step.kind) {
    case auth::Step::Kind::kChallenge:
      Say("+ " + EncodeBase64(step.challenge), context);
      state_ = Exchanging{std::move(exchange)};
      return;
    case auth::Step::Kind::kVerify:
      context.out.Put(Ask{.op = {MachineOf(conn_), kVerifyTag},
                          .question = VerifyPassword{.stored = std::move(step.stored),
                                                     .password = std::move(step.password),
                                                     .user = std::move(step.verify_user)}});
      state_ = Verifying{std::move(exchange)};
      return;
    case auth::Step::Kind::kSuccess:
      return Succeed(*exchange, context);
    case auth::Step::Kind::kWait:  // only where another server decides, which is asked for SMTP alone
    case auth::Step::Kind::kFailure:
      return Fail(*exchange, step, context);
  }
}

void Pop3Session::Fail(const auth::Exchange& exchange, const auth::Step& step, Context& context) {
  ++failures_;
  mechanism_ = exchange.mechanism();
  failed_user_ = !exchange.identity().original_user.empty() ? exchange.identity().original_user : user_;
  user_.clear();  // RFC 1939 section 7: PASS follows a USER of its own
  if (!step.log_text.empty()) {
    Log(context,
        "auth: passwd-file(" + EscapeForLog(failed_user_) + "," + peer_.remote.address.ToString() + ",<" + session_id_ +
            ">): " + step.log_text,
        Severity::kInfo, {{"event.action", "auth.done"}, {"event.outcome", "failure"}});
  }
  const std::string reply = step.reason == auth::FailureReason::kTemporary
                                ? "-ERR [SYS/TEMP] Temporary authentication failure."
                                : "-ERR [AUTH] Authentication failed.";
  state_ = Delaying{reply};
  context.out.Put(
      SetTimer{.op = {MachineOf(conn_), kDelayTimer}, .at = context.now.mono + config_->auth.failure_delay});
}

void Pop3Session::Succeed(const auth::Exchange& exchange, Context& context) {
  user_ = exchange.identity().user;
  mechanism_ = exchange.mechanism();
  const ShardId owner = directory_.OwnerOf(user_);
  if (owner == directory_.self()) return Enter(context);
  context.out.Put(CancelTimer{{MachineOf(conn_), kIdleTimer}});
  if (std::exchange(paused_, false)) context.out.Put(ResumeReading{conn_});  // its new session knows of no pause
  context.out.Put(Handoff{.conn = conn_,
                          .to = owner,
                          .login = {.user = user_, .mechanism = mechanism_, .session_id = session_id_},
                          .unread = input_.substr(input_taken_)});
  input_.clear();
  state_ = Closed{};
}

void Pop3Session::Enter(Context& context) {
  if (!directory_.Enter("pop3", user_, peer_.remote.address, config_->pop3.max_userip_connections)) {
    Say("-ERR [IN-USE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=" +
            std::to_string(config_->pop3.max_userip_connections) + ")",
        context);
    return End(context, "Maximum number of connections from user+IP exceeded");
  }
  entered_ = true;
  // RFC 2449 section 8.1.1. With pop3_lock_session one POP3 session at a time has the mailbox.
  if (config_->pop3.lock_session) {
    locked_ = directory_.Enter("pop3-lock", user_, IpAddress(), 1);
    if (!locked_) {
      Say("-ERR [IN-USE] Mailbox is locked by another POP3 session.", context);
      return End(context, "Mailbox is locked by another POP3 session");
    }
  }
  const auto account = directory_.Open(user_, MachineOf(conn_), "pop3", context);
  if (!account.ok()) {
    Log(context, "pop3(" + EscapeForLog(user_) + "): Error: " + std::string(postern::Message(account.status())),
        Severity::kError);
    Say("-ERR [SYS/TEMP] Internal error occurred. Refer to server log for more information.", context);
    return End(context, "Internal error");
  }
  Log(context,
      "pop3-login: Login: user=<" + EscapeForLog(user_) + ">, method=" + mechanism_ +
          ", rip=" + peer_.remote.address.ToString() + ", lip=" + peer_.local.address.ToString() + ", mpid=" +
          std::to_string(directory_.LogPid(conn_)) + (tls_.active() ? ", TLS" : "") + ", session=<" + session_id_ + ">",
      Severity::kInfo, {{"event.action", "pop3.login"}, {"user.name", user_}});
  account_ = *account;
  actor_ = std::make_shared<const mailbox::Actor>(mailbox::Actor{.protocol = "pop3",
                                                                 .source_ip = peer_.remote.address.ToString(),
                                                                 .session_id = session_id_,
                                                                 .pid = directory_.LogPid(conn_)});
  bad_commands_ = 0;
  state_ = Entering{};
  account_->Select({MachineOf(conn_), kSelectTag}, "INBOX", /*read_only=*/false, context);
}

}  // namespace postern::pop3
