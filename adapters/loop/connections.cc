// The connections of a loop: how they come in, are read from, written to, and end.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "adapters/loop/shard_loop.h"
#include "adapters/net/address.h"
#include "adapters/net/dial.h"

namespace postern::loop {
namespace {

using net::Connection;

// Connections taken from one listener in a turn, so that the loops share a flood.
constexpr int kAcceptsPerTurn = 16;
// How long accepting pauses when descriptors are used up. The kernel keeps the clients waiting meanwhile.
constexpr Duration kExhaustionPause = Milliseconds(250);
constexpr Duration kExhaustionLogged = Seconds(60);
// A peer that does not end its side holds the end of the process up no longer than this.
constexpr Duration kLastLinger = Seconds(1);
// A loop that has this many connections more than another gives new ones away.
constexpr size_t kLoadSlack = 2;

bool IsWildcard(const IpAddress& address) { return address.bytes == IpAddress{}.bytes; }

}  // namespace

void ShardLoop::Accept(const net::ListenSocket& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (options_.shared->connection_count >= options_.shared->connections_max) {
      return PauseAccepting("the limit of " + std::to_string(options_.shared->connections_max) +
                            " connections is reached");
    }
    sockaddr_storage remote{};
    socklen_t length = sizeof remote;
    host::UniqueFd fd(
        accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&remote), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        return PauseAccepting(std::strerror(errno));
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      continue;  // a client that went away while it waited: the next one
    }
    Peer peer{.remote = net::FromSocketAddress(remote), .local = listener.endpoint, .listener = listener.id};
    if (IsWildcard(listener.endpoint.address)) {
      sockaddr_storage local{};
      length = sizeof local;
      if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &length) == 0)
        peer.local = net::FromSocketAddress(local);
    }
    const auto tls = listener.implicit_tls ? TlsOf(listener.id) : nullptr;
    if (listener.implicit_tls && tls == nullptr) continue;  // no certificate: nothing that could be said
    const auto conn = static_cast<ConnId>(++options_.shared->last_conn);
    ++options_.shared->connection_count;
    ++counts_.accepted;
    auto connection = std::make_unique<Connection>(conn, std::move(fd), peer, tls.get());
    ShardLoop* const target = LeastLoaded();
    if (target == this) {
      Admit(std::move(connection));
    } else {
      target->load_.fetch_add(1, std::memory_order_relaxed);  // counted now: the next one sees it
      target->inbox_.Post([target, connection = std::move(connection)]() mutable {
        target->load_.fetch_sub(1, std::memory_order_relaxed);
        target->Admit(std::move(connection));
      });
    }
  }
}

void ShardLoop::PauseAccepting(const std::string& why) {
  const Instant now = clock_.Read().mono;
  accept_again_ = now + kExhaustionPause;
  WatchListeners();
  if (exhaustion_logged_ && now - *exhaustion_logged_ < kExhaustionLogged) return;
  exhaustion_logged_ = now;
  Log(Severity::kWarning, "postfix/master", "warning: no new connections for now: " + why);
}

ShardLoop* ShardLoop::LeastLoaded() {
  ShardLoop* least = this;
  size_t least_load = load_.load(std::memory_order_relaxed);
  const size_t own_load = least_load;
  for (ShardLoop* const other : loops_) {
    const size_t load = other->load_.load(std::memory_order_relaxed);
    if (load < least_load) least = other, least_load = load;
  }
  return own_load >= least_load + kLoadSlack ? least : this;
}

void ShardLoop::Admit(std::unique_ptr<Connection> connection) {
  Connection* const admitted = connection.get();
  const ConnId conn = admitted->id();
  if (stopping_) {
    --options_.shared->connection_count;
    return;
  }
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.u64 = static_cast<uint64_t>(conn)}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, admitted->fd(), &event) != 0) {
    --options_.shared->connection_count;
    return;
  }
  load_.fetch_add(1, std::memory_order_relaxed);
  connections_.emplace(conn, std::move(connection));
  if (admitted->phase() == Connection::Phase::kHandshake) {
    deadlines_.Set(conn, clock_.Read().mono + options_.handshake_patience);
    return;
  }
  admitted->announced = true;
  Step(Accepted{.conn = conn, .peer = admitted->peer()});
}

void ShardLoop::Adopt(Arrival arrival) {
  Connection* const connection = arrival.connection.get();
  const ConnId conn = connection->id();
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.u64 = static_cast<uint64_t>(conn)}};
  if (connection->watches_output) event.events |= EPOLLOUT;
  if (stopping_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection->fd(), &event) != 0) {
    --options_.shared->connection_count;
    return;
  }
  load_.fetch_add(1, std::memory_order_relaxed);
  connections_.emplace(conn, std::move(arrival.connection));
  connection->paused = false;
  connection->dirty = connection->in_ready = false;
  if (connection->readable()) MarkReady(connection);
  if (!connection->drained()) MarkDirty(connection);
  std::string unread = std::move(arrival.unread) + std::exchange(connection->held, {});
  Step(Adopted{.conn = conn,
               .peer = connection->peer(),
               .tls = connection->Facts(),
               .login = std::move(arrival.login),
               .unread = std::move(unread)});
}

Connection* ShardLoop::Find(ConnId conn) {
  const auto found = connections_.find(conn);
  return found == connections_.end() ? nullptr : found->second.get();
}

void ShardLoop::ReadFrom(Connection* connection) {
  const ConnId conn = connection->id();
  switch (connection->phase()) {
    case Connection::Phase::kClosing:
      return;  // what the peer still says is of no use
    case Connection::Phase::kLingering:
      if (connection->ReadOff(&scratch_)) {
        Destroy(conn);
      } else if (connection->readable()) {
        MarkReady(connection);
      }
      return;
    case Connection::Phase::kHandshake:
    case Connection::Phase::kOpen:
      break;
  }
  if (connection->paused || connection->tls_asked()) return;
  if (!connection->held.empty()) {
    const std::string held = std::exchange(connection->held, {});
    Deliver(conn, held);
    connection = Find(conn);
    if (connection == nullptr || connection->paused) return;
  }
  if (!connection->readable()) return;
  const Connection::ReadOutcome outcome = connection->ReadSome(&scratch_);
  if (outcome.again) MarkReady(connection);
  if (!connection->drained()) MarkDirty(connection);
  if (outcome.handshake_done) OnHandshakeDone(conn);
  if (!outcome.bytes.empty()) Deliver(conn, outcome.bytes);
  if (!outcome.ended) return;
  if (Connection* const ended = Find(conn)) OnEnded(ended, *outcome.ended);
}

void ShardLoop::OnHandshakeDone(ConnId conn) {
  Connection* const connection = Find(conn);
  deadlines_.Cancel(conn);
  if (connection->announced) {
    Step(TlsReady{.conn = conn, .facts = connection->Facts(), .certificate = connection->Certificate()});
  } else {
    connection->announced = true;
    Step(Accepted{.conn = conn, .peer = connection->peer(), .tls = connection->Facts()});
  }
}

// The step that got the handshake may have ended the connection, paused it or handed it over.
void ShardLoop::Deliver(ConnId conn, std::string_view bytes) {
  Connection* const connection = Find(conn);
  if (connection == nullptr || connection->phase() != Connection::Phase::kOpen) return;
  if (connection->paused) {
    connection->held.append(bytes);
    return;
  }
  Step(Received{.conn = conn, .bytes = bytes});
}

void ShardLoop::OnEnded(Connection* connection, const Status& why) {
  const ConnId conn = connection->id();
  if (connection->phase() == Connection::Phase::kClosing || connection->phase() == Connection::Phase::kLingering) {
    return Destroy(conn);
  }
  if (!connection->announced) {
    LogHandshakeFailure(*connection, why);
    return Destroy(conn);
  }
  connection->drain_mark.reset();
  Step(PeerClosed{.conn = conn, .why = why});
  Connection* const left = Find(conn);
  if (left == nullptr) return;
  if (!why.ok()) return Destroy(conn);
  // The peer may have closed one direction only and still read: what was answered leaves.
  left->CloseAfterDrain();
  MarkDirty(left);
}

void ShardLoop::FlushOne(Connection* connection) {
  const ConnId conn = connection->id();
  if (connection->phase() == Connection::Phase::kLingering) return;
  switch (connection->Flush(&scratch_)) {
    case Connection::FlushOutcome::kBroken:
      return OnEnded(connection, Unavailable("connection lost while sending"));
    case Connection::FlushOutcome::kBlocked:
      if (!connection->watches_output) {
        connection->watches_output = true;
        epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                          .data = {.u64 = static_cast<uint64_t>(conn)}};
        epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->fd(), &event);
      }
      // Nobody else watches over a connection that the core has let go of; every bit that the peer takes renews this.
      if (connection->phase() == Connection::Phase::kClosing) {
        deadlines_.Set(conn, clock_.Read().mono + options_.closing_patience);
      }
      break;
    case Connection::FlushOutcome::kDrained:
      break;
  }
  if (connection->drain_mark && connection->HasLeft(*connection->drain_mark)) {
    connection->drain_mark.reset();
    drained_.push_back(conn);
  }
  if (connection->drained()) AfterDrain(connection);
}

void ShardLoop::AfterDrain(Connection* connection) {
  const ConnId conn = connection->id();
  if (const std::optional<Status> begun = connection->BeginTlsIfAsked(&scratch_)) {
    if (!begun->ok()) return OnEnded(connection, *begun);
    if (!connection->drained()) MarkDirty(connection);
    deadlines_.Set(conn, clock_.Read().mono + options_.handshake_patience);
    if (connection->readable()) MarkReady(connection);
    return;
  }
  if (connection->phase() != Connection::Phase::kClosing) return;
  if (!connection->FinishClosing(&scratch_)) return Destroy(conn);
  deadlines_.Set(conn, clock_.Read().mono + (stopping_ ? kLastLinger : options_.linger_patience));
  if (connection->readable()) MarkReady(connection);
}

void ShardLoop::MarkDirty(Connection* connection) {
  if (std::exchange(connection->dirty, true)) return;
  dirty_.push_back(connection->id());
}

void ShardLoop::MarkReady(Connection* connection) {
  if (std::exchange(connection->in_ready, true)) return;
  ready_.push_back(connection->id());
}

void ShardLoop::Destroy(ConnId conn) {
  if (connections_.erase(conn) == 0) return;
  deadlines_.Cancel(conn);
  load_.fetch_sub(1, std::memory_order_relaxed);
  --options_.shared->connection_count;
}

void ShardLoop::OnDeadline(ConnId conn) {
  Connection* const connection = Find(conn);
  if (connection == nullptr) return EndDialling(conn, net::DialError(ETIMEDOUT));
  if (connection->phase() != Connection::Phase::kHandshake) return Destroy(conn);  // closing or lingering
  OnEnded(connection, Error(StatusCode::kDeadlineExceeded, "TLS handshake: timed out"));
}

void ShardLoop::LogHandshakeFailure(const Connection& connection, const Status& why) {
  const auto listener = static_cast<size_t>(connection.peer().listener);
  if (config_ == nullptr || listener >= config_->listeners.size()) return;
  const config::Listener& at = config_->listeners[listener];
  const std::string remote = connection.peer().remote.address.ToString();
  const std::string reason(Message(why));
  if (at.smtp != nullptr) {
    Log(Severity::kInfo, at.smtp->syslog_name + "/smtpd", "SSL_accept error from unknown[" + remote + "]: " + reason);
    return;
  }
  const std::string service = at.protocol == config::Protocol::kPop3 ? "pop3" : "imap";
  Log(Severity::kInfo, "dovecot",
      service + "-login: Disconnected: Connection closed (disconnected during TLS handshake): user=<>, rip=" + remote +
          ", lip=" + connection.peer().local.address.ToString() + ", TLS handshaking: " + reason);
}

std::shared_ptr<const net::TlsServer> ShardLoop::TlsOf(ListenerId listener) const {
  const auto index = static_cast<size_t>(listener);
  return tls_ == nullptr || index >= tls_->size() ? nullptr : (*tls_)[index];
}

}  // namespace postern::loop
