#include "core/auth/auth_socket_session.h"

#include <string>
#include <utility>

#include "core/auth/auth_log.h"

namespace postern::auth {
namespace {

// Tags of timers; those of questions are the server's tokens, which count up from 1.
constexpr uint64_t kDueTimer = UINT64_MAX;
constexpr uint64_t kHandshakeTimer = UINT64_MAX - 1;

uint32_t LogPid(ConnId conn) { return static_cast<uint32_t>(static_cast<uint64_t>(conn) % 4194303 + 1); }

}  // namespace

AuthSocketSession::AuthSocketSession(ConnId conn, AuthSocketShared* shared, Context& context)
    : conn_(conn),
      shared_(shared),
      configs_{shared->config},
      server_(configs_.back()->auth, {.process_id = shared->process_id,
                                      .connection_id = LogPid(conn),
                                      .local_host_name = configs_.back()->routing.myhostname}) {
  context.out.Put(SetTimer{.op = {MachineOf(conn_), kHandshakeTimer}, .at = context.now.mono + kHandshakePatience});
  Take(server_.Start(At(context)), context);
}

void AuthSocketSession::Step(const Event& event, Context& context) {
  if (ended_) return;
  if (const auto* received = std::get_if<Received>(&event)) {
    AdoptNewestUsers();
    Take(server_.Feed(received->bytes, At(context)), context);
  } else if (const auto* answer = std::get_if<Answer>(&event)) {
    const auto* checked = std::get_if<PasswordChecked>(&answer->reply);
    if (checked == nullptr) return;
    if (!checked->status.ok()) {
      Log(Severity::kError, "auth: Error: password check: " + std::string(Message(checked->status)), context);
    }
    Take(server_.Verified(answer->op.tag, checked->status.ok() && checked->matches, At(context)), context);
  } else if (const auto* timer = std::get_if<TimerFired>(&event)) {
    if (timer->op.tag == kHandshakeTimer) {
      if (!handshaking_) return;
      Log(Severity::kWarning, "auth: Warning: auth client: disconnected: the handshake was not finished in time",
          context);
      return End(context);
    }
    timer_.reset();
    Take(server_.OnTime(At(context)), context);
  } else if (std::holds_alternative<Drained>(event)) {
    unread_bytes_ = 0;
    if (std::exchange(paused_, false)) context.out.Put(ResumeReading{.conn = conn_});
  } else if (std::holds_alternative<PeerClosed>(event) || std::holds_alternative<Shutdown>(event)) {
    End(context);
  }
}

void AuthSocketSession::AddTo(StableDigest& digest) const {
  digest.Add(static_cast<uint64_t>(server_.state()));
  digest.Add(uint64_t{server_.open_requests()});
  digest.Add(uint64_t{unread_bytes_});
}

// The server holds a reference to its users' tables; a request that is open may look at those it began with.
void AuthSocketSession::AdoptNewestUsers() {
  if (configs_.back() != shared_->config) {
    configs_.push_back(shared_->config);
    server_.SetUsers(configs_.back()->auth);
  }
  if (configs_.size() > 1 && server_.open_requests() == 0) configs_.erase(configs_.begin(), configs_.end() - 1);
}

void AuthSocketSession::Take(AuthSocketServer::Output output, Context& context) {
  for (const AuthSocketServer::SecretBytes& secret : output.secrets) {
    context.out.Put(Redact{.conn = conn_, .offset_bytes = secret.offset_bytes, .length_bytes = secret.length_bytes});
  }
  for (const AuthSocketServer::AuthLog& log : output.logs) {
    Log(log.line.is_error ? Severity::kError : Severity::kInfo,
        FormatAuthLine(log.line, log.remote.value_or(IpAddress{}), log.session), context);
  }
  for (AuthSocketServer::Question& question : output.questions) {
    context.out.Put(Ask{.op = {MachineOf(conn_), question.token},
                        .question = VerifyPassword{.stored = std::move(question.stored),
                                                   .password = std::move(question.password),
                                                   .user = std::move(question.user)}});
  }
  Send(output.send, context);
  if (handshaking_ && server_.state() == AuthSocketServer::State::kServing) {
    handshaking_ = false;
    context.out.Put(CancelTimer{.op = {MachineOf(conn_), kHandshakeTimer}});
  }
  if (output.close) {
    Log(Severity::kError, "auth: Error: auth client: disconnected: " + output.close_reason, context);
    return End(context);
  }
  SettleTimer(context);
}

void AuthSocketSession::Send(std::string_view bytes, Context& context) {
  if (bytes.empty()) return;
  context.out.SendText(conn_, bytes);
  unread_bytes_ += bytes.size();
  if (unread_bytes_ <= kUnreadBytesMax || paused_) return;
  paused_ = true;
  context.out.Put(PauseReading{.conn = conn_});
  context.out.Put(AwaitDrain{.conn = conn_});
}

void AuthSocketSession::SettleTimer(Context& context) {
  const auto next = server_.NextInstant();
  if (next == timer_) return;
  timer_ = next;
  const OpId op{MachineOf(conn_), kDueTimer};
  if (next) {
    context.out.Put(SetTimer{.op = op, .at = *next});
  } else {
    context.out.Put(CancelTimer{.op = op});
  }
}

void AuthSocketSession::End(Context& context) {
  ended_ = true;
  context.out.Put(CancelTimer{.op = {MachineOf(conn_), kHandshakeTimer}});
  context.out.Put(CancelTimer{.op = {MachineOf(conn_), kDueTimer}});
  context.out.Put(Close{.conn = conn_});
}

void AuthSocketSession::Log(Severity severity, std::string text, Context& context) const {
  context.out.Log({.severity = severity, .tag = "dovecot", .pid = LogPid(conn_), .text = std::move(text)});
}

}  // namespace postern::auth
