#include "core/auth/foreign_server.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"

namespace postern::auth {
namespace {

constexpr std::string_view kNoConnection = "Can't connect to authentication server";  // Postfix's words
constexpr std::string_view kNotOffered = "Invalid authentication mechanism";          // the same

// Dovecot refuses a CPID that another of its clients has; beyond the largest process number of Linux nobody has one.
constexpr uint32_t kProcessIdMin = 4194305, kProcessIdCount = 1U << 30;

Step Failed(FailureReason reason, std::string_view text) {
  Step step;
  step.kind = Step::Kind::kFailure;
  step.reason = reason;
  step.reason_text = text;
  step.no_delay = true;  // Dovecot delays its verdict itself
  return step;
}

Step Waits() {
  Step step;
  step.kind = Step::Kind::kWait;
  return step;
}

// Deviation: Postfix gives 535 whatever the code, and people are asked for another password while Dovecot's database is
// down.
FailureReason ForeignReason(FailureCode code) {
  switch (code) {
    case FailureCode::kNone:
    case FailureCode::kPasswordExpired:
      return FailureReason::kPasswordMismatch;
    case FailureCode::kTemporary:
      return FailureReason::kTemporary;
    case FailureCode::kAuthorizationDenied:
      return FailureReason::kAuthorizationDenied;
    case FailureCode::kUserDisabled:
      return FailureReason::kUserDisabled;
    case FailureCode::kInvalidBase64:
      return FailureReason::kMalformed;
  }
  return FailureReason::kTemporary;
}

}  // namespace

// A session's end of a request. What it asks for is done when the server is settled.
class ForeignExchange final : public Exchange {
 public:
  ForeignExchange(ForeignServer* server, uint64_t key, std::string mechanism)
      : server_(server), key_(key), mechanism_(std::move(mechanism)) {}
  ~ForeignExchange() override { server_->Drop(key_); }
  ForeignExchange(const ForeignExchange&) = delete;
  ForeignExchange& operator=(const ForeignExchange&) = delete;

  Step Start(const std::string_view* initial, Entropy&, WallTime) override {
    server_->OnStart(key_, initial);
    return Waits();
  }
  Step Respond(std::string_view response, Entropy&) override {
    server_->OnResponse(key_, response);
    return Waits();
  }
  Step Verified(bool) override { return Failed(FailureReason::kTemporary, ""); }  // never asked for
  const Identity& identity() const override { return identity_; }
  std::string_view mechanism() const override { return mechanism_; }

 private:
  friend class ForeignServer;
  ForeignServer* const server_;
  const uint64_t key_;
  std::string mechanism_;
  Identity identity_;
};

ForeignServer::ForeignServer(config::SaslSocket socket, OpId op, uint32_t log_pid)
    : socket_(std::move(socket)), op_(op), log_pid_(log_pid) {}

// ---- what sessions ask ----------------------------------------------------------------------------------------------

std::optional<Offer> ForeignServer::AskOffer(const std::vector<std::string>& security_options, MachineId session) {
  wants_connection_ = true;  // for the AUTH that will follow
  if (is_known_) return Offer{.mechanisms = Announceable(mechanisms_, security_options)};
  waiters_.push_back({.session = session, .security_options = security_options});
  return std::nullopt;
}

std::unique_ptr<Exchange> ForeignServer::Begin(std::string_view mechanism,
                                               const std::vector<std::string>& security_options,
                                               const ClientFacts& client, MachineId session) {
  std::string name = UpperCase(mechanism);
  if (is_known_) {
    const auto offered = Announceable(mechanisms_, security_options);
    if (std::find(offered.begin(), offered.end(), name) == offered.end()) return nullptr;
  }
  const uint64_t key = ++last_key_;
  auto exchange = std::make_unique<ForeignExchange>(this, key, name);
  requests_[key] = {.exchange = exchange.get(),
                    .session = session,
                    .security_options = security_options,
                    .facts = {.mechanism = std::move(name),
                              .service = client.service,
                              .local = client.local,
                              .remote = client.remote,
                              .transport = client.tls ? AuthLine::Transport::kSecured : AuthLine::Transport::kPlain,
                              .no_login = client.no_login}};
  return exchange;
}

void ForeignServer::OnStart(uint64_t key, const std::string_view* initial) {
  Request* request = Find(key);
  if (request == nullptr) return;
  request->phase = Phase::kToSend;
  if (initial != nullptr) request->response = Secret(*initial);
  to_send_.push_back(key);
  wants_connection_ = true;
}

void ForeignServer::OnResponse(uint64_t key, std::string_view response) {
  Request* request = Find(key);
  if (request == nullptr) return;
  if (request->phase == Phase::kFailed) {
    const MachineId session = request->session;
    auth::Step verdict = std::move(request->verdict);
    requests_.erase(key);
    return Tell(key, session, std::move(verdict));
  }
  request->phase = Phase::kToSend;
  request->response = Secret(response);
  to_send_.push_back(key);
}

// The session has ended its exchange, whatever became of it.
void ForeignServer::Drop(uint64_t key) {
  std::erase_if(answers_, [key](const auto& answer) { return answer.first == key; });
  const auto found = requests_.find(key);
  if (found == requests_.end()) return;
  if (found->second.id != 0) {
    keys_.erase(found->second.id);
    if (client_ != nullptr) cancels_ += client_->Cancel(found->second.id);
  }
  requests_.erase(found);
}

// ---- the connection -------------------------------------------------------------------------------------------------

void ForeignServer::Step(const Event& event, Context& context) {
  if (const auto* done = std::get_if<ConnectDone>(&event)) {
    OnConnectDone(*done, context);
  } else if (const auto* received = std::get_if<Received>(&event)) {
    OnReceived(received->bytes, context);
  } else if (std::holds_alternative<PeerClosed>(event)) {
    if (client_ == nullptr) return;
    conn_.reset();
    Take(client_->Lost("the server hung up"), context);
  } else if (std::holds_alternative<Drained>(event)) {
    unsent_bytes_ = 0;
  } else if (std::holds_alternative<TimerFired>(event)) {
    OnTimer(context);
  }
}

void ForeignServer::Dial(Context& context) {
  if (state_ == State::kIdle) {
    state_ = State::kDialling;
    endpoint_ = 0;
    handshake_due_ = context.now.mono + kPatience;
  }
  Connect connect{.op = op_, .patience = handshake_due_ - context.now.mono};
  if (socket_.path.empty()) {
    connect.to = socket_.endpoints[endpoint_];
  } else {
    connect.to = socket_.path;
  }
  context.out.Put(std::move(connect));
}

void ForeignServer::OnConnectDone(const ConnectDone& done, Context& context) {
  if (state_ != State::kDialling || stopping_) {
    if (done.status.ok()) context.out.Put(Close{.conn = done.conn, .kind = CloseKind::kNow});
    if (state_ == State::kDialling) state_ = State::kIdle;
    return FailWaiting();
  }
  if (!done.status.ok()) {
    if (++endpoint_ < socket_.endpoints.size() && context.now.mono < handshake_due_) return Dial(context);
    return CannotConnect("Connect to " + socket_.name + " failed: " + std::string(Message(done.status)), context);
  }
  conn_ = done.conn;
  state_ = State::kShaking;
  unsent_bytes_ = 0;
  heard_ = context.now.mono;
  client_ = std::make_unique<AuthSocketClient>(AuthSocketClient::Options{
      .process_id = kProcessIdMin + static_cast<uint32_t>(context.entropy.Below(kProcessIdCount)),
      .open_requests_max = kRequestsMax});
  Send(client_->Start(), false, context);
}

void ForeignServer::OnReceived(std::string_view bytes, Context& context) {
  if (client_ == nullptr) return;
  HideSecrets(bytes, context);
  heard_ = context.now.mono;
  Take(client_->Feed(bytes), context);
}

// From recordings, wherever lines were cut.
void ForeignServer::HideSecrets(std::string_view bytes, Context& context) const {
  const std::string_view pending = client_->pending();
  const std::string whole = std::string(pending) + std::string(bytes);
  for (size_t at = 0; at < whole.size();) {
    const size_t end = std::min(whole.find('\n', at), whole.size());
    const SecretSpan span = SecretInReply(std::string_view(whole).substr(at, end - at));
    const size_t begin = std::max(at + span.begin, pending.size());
    if (at + span.end > begin) {
      context.out.Put(
          Redact{.conn = *conn_, .offset_bytes = begin - pending.size(), .length_bytes = at + span.end - begin});
    }
    at = end + 1;
  }
}

void ForeignServer::Take(AuthSocketClient::Output output, Context& context) {
  for (AuthSocketClient::Event& event : output.events) {
    if (std::holds_alternative<AuthSocketClient::Ready>(event)) OnReady();
    if (auto* challenge = std::get_if<AuthSocketClient::Challenge>(&event)) OnChallenge(std::move(*challenge));
    if (auto* success = std::get_if<AuthSocketClient::Success>(&event)) OnSuccess(std::move(*success));
    if (auto* failure = std::get_if<AuthSocketClient::Failure>(&event)) OnFailure(std::move(*failure));
  }
  if (!output.close) return;
  const bool was_shaking = state_ == State::kShaking;
  const bool is_lost = !conn_;
  if (conn_) context.out.Put(Close{.conn = *conn_, .kind = CloseKind::kNow});
  conn_.reset();
  client_.reset();
  cancels_.clear();
  state_ = State::kIdle;
  next_try_ = context.now.mono;
  if (was_shaking) return CannotConnect(socket_.name + ": " + output.close_reason, context);
  FailWaiting();
  if (is_lost || is_unneeded()) return;  // it was restarted, say: the next login finds it
  context.out.Log({.severity = Severity::kWarning,
                   .tag = "postfix/smtpd",
                   .pid = log_pid_,
                   .text = "warning: SASL: " + socket_.name + ": " + output.close_reason});
}

void ForeignServer::CannotConnect(std::string_view why, Context& context) {
  state_ = State::kIdle;
  next_try_ = context.now.mono + retry_;
  retry_ = std::min(Duration{retry_.ns * 2}, kRetryMax);
  context.out.Log({.severity = Severity::kWarning,
                   .tag = "postfix/smtpd",
                   .pid = log_pid_,
                   .text = "warning: SASL: " + std::string(why)});
  FailWaiting();
}

void ForeignServer::GiveUp(std::string_view why, Context& context) {
  if (client_ != nullptr) Take(client_->Lost(why), context);
}

void ForeignServer::Stop(Context& context) {
  stopping_ = true;
  if (state_ == State::kDialling) return;  // ConnectDone is still to come
  GiveUp("the server is stopping", context);
}

void ForeignServer::OnTimer(Context& context) {
  timer_.reset();
  if (state_ == State::kShaking && context.now.mono >= handshake_due_) {
    return GiveUp("the handshake was not finished in time", context);
  }
  TimeOut(context);
}

// Requests that have waited too long fail. Where the server has said nothing at all meanwhile it may hang.
void ForeignServer::TimeOut(Context& context) {
  bool was_silent = false;
  while (!dues_.empty() && dues_.front().first <= context.now.mono) {
    const auto [due, key] = dues_.front();
    dues_.pop_front();
    const Request* request = Find(key);
    if (request == nullptr || request->phase != Phase::kWaiting || request->due != due) continue;
    was_silent = was_silent || heard_ <= request->sent;
    keys_.erase(request->id);
    if (client_ != nullptr) cancels_ += client_->Cancel(request->id);
    Fail(key, Failed(FailureReason::kTemporary, kConnectionLost));
  }
  if (!was_silent) return;
  const bool others_wait = std::any_of(requests_.begin(), requests_.end(),
                                       [](const auto& entry) { return entry.second.phase == Phase::kWaiting; });
  if (!others_wait || context.now.mono - heard_ >= kSilenceMax) GiveUp("no answer in time", context);
}

// ---- what the server says -------------------------------------------------------------------------------------------

void ForeignServer::OnReady() {
  state_ = State::kReady;
  retry_ = kRetryFirst;
  is_known_ = true;
  mechanisms_ = client_->mechanisms();
  for (const Waiter& waiter : std::exchange(waiters_, {})) {
    Tell(0, waiter.session, Offer{.mechanisms = Announceable(mechanisms_, waiter.security_options)});
  }
}

void ForeignServer::OnChallenge(AuthSocketClient::Challenge challenge) {
  uint64_t key = 0;
  Request* request = FindId(challenge.id, &key);
  if (request == nullptr) return;
  request->phase = Phase::kUser;
  auth::Step step;
  step.kind = auth::Step::Kind::kChallenge;
  step.challenge = std::move(challenge.bytes);
  Tell(key, request->session, std::move(step));
}

void ForeignServer::OnSuccess(AuthSocketClient::Success success) {
  uint64_t key = 0;
  Request* request = FindId(success.id, &key);
  if (request == nullptr) return;
  keys_.erase(success.id);
  request->id = 0;
  // Before the user has answered its challenge, it can't know.
  if (request->phase != Phase::kWaiting) return Fail(key, Failed(FailureReason::kTemporary, kConnectionLost));
  request->exchange->identity_.user = std::move(success.user);
  auth::Step step;
  step.kind = auth::Step::Kind::kSuccess;
  const MachineId session = request->session;
  requests_.erase(key);
  Tell(key, session, std::move(step));
}

void ForeignServer::OnFailure(AuthSocketClient::Failure failure) {
  uint64_t key = 0;
  Request* request = FindId(failure.id, &key);
  if (request == nullptr) return;
  keys_.erase(failure.id);
  request->id = 0;
  request->exchange->identity_.original_user = std::move(failure.user);
  Fail(key, Failed(ForeignReason(failure.code), failure.reason));
}

// ---- after every step -----------------------------------------------------------------------------------------------

std::vector<VerifierAnswer> ForeignServer::Settle(Context& context) {
  if (state_ == State::kReady && !cancels_.empty()) Send(std::exchange(cancels_, {}), false, context);
  cancels_.clear();
  if (wants_connection_ && state_ == State::kIdle) {
    if (!stopping_ && context.now.mono >= next_try_) {
      Dial(context);
    } else {
      FailWaiting();
    }
  }
  if (state_ == State::kReady) {
    SendWaiting(context);
    if (is_unneeded()) GiveUp("the configuration names it no more", context);
  }
  wants_connection_ = false;
  SettleTimer(context);
  std::vector<VerifierAnswer> told;
  for (auto& [key, answer] : std::exchange(answers_, {})) told.push_back(std::move(answer));
  return told;
}

void ForeignServer::SendWaiting(Context& context) {
  for (const uint64_t key : std::exchange(to_send_, {})) {
    Request* request = Find(key);
    if (request != nullptr && request->phase == Phase::kToSend) SendRequest(key, request, context);
  }
}

void ForeignServer::SendRequest(uint64_t key, Request* request, Context& context) {
  const std::optional<Secret> response = std::exchange(request->response, std::nullopt);
  if (unsent_bytes_ > kUnsentBytesMax) return Fail(key, Failed(FailureReason::kTemporary, kNoConnection));
  StatusOr<Secret> line = Secret();
  if (request->id == 0) {
    const auto offered = Announceable(mechanisms_, request->security_options);
    if (std::find(offered.begin(), offered.end(), request->facts.mechanism) == offered.end()) {
      return Fail(key, Failed(FailureReason::kMalformed, kNotOffered));
    }
    auto begun = client_->Begin(request->facts, response ? &*response : nullptr);
    if (begun.ok()) {
      request->id = begun->id;
      keys_[begun->id] = key;
      line = std::move(begun->send);
    } else {
      line = begun.status();
    }
  } else {
    line = client_->Continue(request->id, response.value_or(Secret()));
  }
  if (!line.ok()) return Fail(key, Failed(FailureReason::kTemporary, Message(line.status())));
  request->phase = Phase::kWaiting;
  request->sent = context.now.mono;
  request->due = context.now.mono + kPatience;
  dues_.emplace_back(request->due, key);
  Send(std::string(line->Reveal()), true, context);
}

// There is no connection: those who waited for one hear it.
void ForeignServer::FailWaiting() {
  for (const Waiter& waiter : std::exchange(waiters_, {})) Tell(0, waiter.session, Offer{.is_known = false});
  for (const uint64_t key : std::exchange(to_send_, {})) {
    const Request* request = Find(key);
    if (request != nullptr && request->phase == Phase::kToSend) {
      Fail(key, Failed(FailureReason::kTemporary, kNoConnection));
    }
  }
}

void ForeignServer::Fail(uint64_t key, auth::Step step) {
  const auto found = requests_.find(key);
  if (found == requests_.end()) return;
  Request& request = found->second;
  if (request.phase == Phase::kUser) {
    request.phase = Phase::kFailed;
    request.verdict = std::move(step);
    return;
  }
  const MachineId session = request.session;
  requests_.erase(found);
  Tell(key, session, std::move(step));
}

void ForeignServer::Tell(uint64_t key, MachineId session, std::variant<Offer, auth::Step> what) {
  answers_.emplace_back(key, VerifierAnswer{.session = session, .what = std::move(what)});
}

void ForeignServer::Send(std::string bytes, bool secret, Context& context) {
  if (!conn_ || bytes.empty()) return;
  const size_t unsent_before = unsent_bytes_;
  unsent_bytes_ += bytes.size();
  context.out.Put(postern::Send{.conn = *conn_, .bytes = Chain(std::move(bytes)), .secret = secret});
  if (unsent_before == 0) context.out.Put(AwaitDrain{*conn_});
}

void ForeignServer::SettleTimer(Context& context) {
  while (!dues_.empty()) {
    const Request* request = Find(dues_.front().second);
    if (request != nullptr && request->phase == Phase::kWaiting && request->due == dues_.front().first) break;
    dues_.pop_front();
  }
  std::optional<Instant> next;
  if (state_ == State::kShaking) next = handshake_due_;
  if (!dues_.empty()) next = std::min(next.value_or(dues_.front().first), dues_.front().first);
  if (next == timer_) return;
  timer_ = next;
  if (next) {
    context.out.Put(SetTimer{.op = op_, .at = *next});
  } else {
    context.out.Put(CancelTimer{.op = op_});
  }
}

ForeignServer::Request* ForeignServer::Find(uint64_t key) {
  const auto found = requests_.find(key);
  return found == requests_.end() ? nullptr : &found->second;
}

ForeignServer::Request* ForeignServer::FindId(uint32_t id, uint64_t* key) {
  const auto found = keys_.find(id);
  if (found == keys_.end()) return nullptr;
  *key = found->second;
  return Find(*key);
}

void ForeignServer::AddTo(StableDigest& digest) const {
  digest.Add(static_cast<uint64_t>(state_));
  digest.Add(uint64_t{requests_.size()});
  digest.Add(last_key_);
  digest.Add(uint64_t{unsent_bytes_});
  digest.Add(uint64_t{mechanisms_.size()});
}

}  // namespace postern::auth
