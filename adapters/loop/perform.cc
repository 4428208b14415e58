// The effects of a step, done one by one in their order. An effect for a connection that is gone does nothing.
#include <sys/epoll.h>

#include <utility>

#include "adapters/loop/shard_loop.h"

namespace postern::loop {
namespace {

using net::Connection;

// Output of one connection that waits for its peer. The core holds back long before (AwaitDrain); this is the wall
// behind it, and whoever runs into it is cut off.
constexpr size_t kOutputBytesMax = 256u << 20;
constexpr Duration kWatchFailureLogged = Seconds(600);

}  // namespace

void ShardLoop::Perform(Effect effect) {
  std::visit([this](auto&& each) { Do(std::move(each)); }, std::move(effect));
}

void ShardLoop::Do(Send effect) {
  Connection* const connection = Find(effect.conn);
  if (connection == nullptr || connection->phase() == Connection::Phase::kClosing ||
      connection->phase() == Connection::Phase::kLingering) {
    return;
  }
  connection->Send(std::move(effect.bytes));
  if (connection->pending_bytes() > kOutputBytesMax) {
    const Status why = ResourceExhausted("too much output waits for the peer");
    // Told in a step of its own: this one is not over.
    inbox_.Post([this, conn = effect.conn, why] {
      if (Connection* const found = Find(conn)) OnEnded(found, why);
    });
  }
  MarkDirty(connection);
}

void ShardLoop::Do(Close effect) {
  Connection* const connection = Find(effect.conn);
  if (connection == nullptr) return;
  if (effect.kind == CloseKind::kNow || connection->phase() == Connection::Phase::kHandshake)
    return Destroy(effect.conn);
  if (connection->phase() != Connection::Phase::kOpen) return;
  connection->CloseAfterDrain();
  MarkDirty(connection);
}

void ShardLoop::Do(StartTls effect) {
  Connection* const connection = Find(effect.conn);
  if (connection == nullptr || connection->uses_tls() || connection->tls_asked()) return;
  auto stream = effect.client != nullptr ? ClientStream(*effect.client) : ServerStream(connection->peer().listener);
  if (!stream.ok()) {
    inbox_.Post([this, conn = effect.conn, why = stream.status()] {
      if (Connection* const found = Find(conn)) OnEnded(found, why);
    });
    return;
  }
  connection->BeginTlsAfterDrain(*std::move(stream), &scratch_);
  MarkDirty(connection);
}

StatusOr<std::unique_ptr<net::TlsStream>> ShardLoop::ServerStream(ListenerId listener) const {
  const auto tls = TlsOf(listener);
  // The core offers STARTTLS only where the listener has TLS.
  if (tls == nullptr) return FailedPrecondition("no certificate for STARTTLS");
  return std::make_unique<net::TlsStream>(*tls);  // the SSL object holds on to its context
}

StatusOr<std::unique_ptr<net::TlsStream>> ShardLoop::ClientStream(const ClientTls& wanted) {
  auto client = tls_clients_.Get(wanted, clock_.Read().mono);
  if (!client.ok()) return client.status();
  return std::make_unique<net::TlsStream>(*std::move(client), wanted.server_name);
}

void ShardLoop::Do(AwaitDrain effect) {
  Connection* const connection = Find(effect.conn);
  if (connection == nullptr) return;
  connection->drain_mark = connection->output_mark();
  MarkDirty(connection);
}

void ShardLoop::Do(PauseReading effect) {
  if (Connection* const connection = Find(effect.conn)) connection->paused = true;
}

void ShardLoop::Do(ResumeReading effect) {
  Connection* const connection = Find(effect.conn);
  if (connection == nullptr || !std::exchange(connection->paused, false)) return;
  if (connection->readable() || !connection->held.empty()) MarkReady(connection);
}

void ShardLoop::Do(Handoff effect) {
  const auto found = connections_.find(effect.conn);
  if (found == connections_.end() || static_cast<size_t>(effect.to) >= loops_.size()) return;
  ShardLoop* const target = loops_[static_cast<size_t>(effect.to)];
  Arrival arrival{
      .connection = std::move(found->second), .login = std::move(effect.login), .unread = std::move(effect.unread)};
  connections_.erase(found);
  load_.fetch_sub(1, std::memory_order_relaxed);
  deadlines_.Cancel(effect.conn);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, arrival.connection->fd(), nullptr);
  target->inbox_.Post([target, arrival = std::move(arrival)]() mutable { target->Adopt(std::move(arrival)); });
}

void ShardLoop::Do(SetTimer effect) { timers_.Set(effect.op, effect.at); }
void ShardLoop::Do(CancelTimer effect) { timers_.Cancel(effect.op); }
void ShardLoop::Do(Commit effect) { plans_.Submit(effect.op, std::move(effect.plan)); }
void ShardLoop::Do(Read effect) { asked_.emplace_back(std::move(effect)); }
void ShardLoop::Do(Scan effect) { asked_.emplace_back(std::move(effect)); }
void ShardLoop::Do(Stat effect) { asked_.emplace_back(std::move(effect)); }
void ShardLoop::Do(ContinueLater effect) { asked_.emplace_back(effect); }
void ShardLoop::Do(Unwatch effect) { watcher_.DoUnwatch(effect.op); }

void ShardLoop::Do(Watch effect) {
  const Status status = watcher_.DoWatch(effect);
  if (status.ok()) return;
  const Instant now = clock_.Read().mono;
  if (watch_failure_logged_ && now - *watch_failure_logged_ < kWatchFailureLogged) return;
  watch_failure_logged_ = now;
  Log(Severity::kWarning, "dovecot", "imap: Warning: " + std::string(Message(status)));
}

void ShardLoop::Do(Ask effect) {
  const auto tell = [this](const Answer& answer) { Step(answer); };
  if (auto* const password = std::get_if<VerifyPassword>(&effect.question)) {
    options_.inquiries->Verify(effect.op, std::move(*password), &inbox_, tell);
  } else if (const auto* const dns = std::get_if<DnsQuestion>(&effect.question)) {
    options_.inquiries->AskDns(effect.op, *dns, &inbox_, tell);
  } else if (auto* const run = std::get_if<RunProgram>(&effect.question)) {
    if (options_.programs != nullptr) return options_.programs->Run(effect.op, std::move(*run), &inbox_, tell);
    inbox_.Post(
        [tell, op = effect.op] { tell({.op = op, .reply = ProgramEnded{.output = "no programs are run here"}}); });
  } else {
    options_.inquiries->LookUp(effect.op, std::get<LookupClientName>(effect.question), &inbox_, tell);
  }
}

void ShardLoop::Do(Post effect) {
  if (static_cast<size_t>(effect.to) >= loops_.size()) return;
  ShardLoop* const target = loops_[static_cast<size_t>(effect.to)];
  target->inbox_.Post([target, from = options_.id, letter = std::move(effect.letter)] {
    target->Step(Posted{.from = from, .letter = letter});
  });
}

void ShardLoop::Do(Redact) {}  // the observer's

void ShardLoop::Do(Note effect) {
  if (options_.log != nullptr) options_.log->Add(clock_.Read(), effect.event);
}

void ShardLoop::Log(Severity severity, std::string tag, std::string text) {
  Do(Note{
      {.severity = severity, .tag = std::move(tag), .pid = static_cast<uint32_t>(getpid()), .text = std::move(text)}});
}

}  // namespace postern::loop
