// Connections to others: how they begin.
//
//   Connect --> dialling --epoll: done--> ConnectDone{OK}, an ordinary connection
//                  |------ failed, patience over, the process stops --> ConnectDone{why}
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "adapters/loop/shard_loop.h"
#include "adapters/net/address.h"
#include "adapters/net/dial.h"

namespace postern::loop {
namespace {

using net::Connection;

// No listener's: a connection that we began came in nowhere.
constexpr ListenerId kNoListener{UINT16_MAX};

Endpoint LocalOf(int fd) {
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) == 0 ? net::FromSocketAddress(local)
                                                                            : Endpoint{};
}

}  // namespace

void ShardLoop::Do(Connect effect) {
  // Every answer is told later, in a step of its own: this one is not over.
  const auto refuse = [this, op = effect.op](Status why) {
    inbox_.Post([this, op, why = std::move(why)] { Step(ConnectDone{.op = op, .status = why}); });
  };
  if (stopping_) return refuse(Unavailable("the server is stopping"));
  if (options_.shared->connection_count >= options_.shared->connections_max) {
    return refuse(Unavailable("too many connections"));
  }
  const Endpoint* const to = std::get_if<Endpoint>(&effect.to);
  const Path* const path = std::get_if<Path>(&effect.to);
  if (path != nullptr) {
    if (const Status bad = host::Root::Check(*path); !bad.ok()) return refuse(Unavailable(Message(bad)));
  }
  auto dialled = to != nullptr ? net::Dial(*to, effect.from) : net::DialUnix(options_.root->Whole(*path));
  if (!dialled.ok()) return refuse(dialled.status());
  if (!dialled->bound.ok()) {  // as Postfix does by default: rather from another address than not at all
    Log(Severity::kWarning, "postfix/smtp",
        "warning: bind " + effect.from->ToString() + ": " + std::string(Message(dialled->bound)));
  }
  const auto conn = static_cast<ConnId>(++options_.shared->last_conn);
  // Of a connection that stands at once, epoll tells as well.
  epoll_event event{.events = EPOLLOUT | EPOLLET, .data = {.u64 = static_cast<uint64_t>(conn)}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, dialled->fd.get(), &event) != 0) return refuse(net::DialError(errno));
  ++options_.shared->connection_count;
  if (effect.patience > Duration{}) deadlines_.Set(conn, clock_.Read().mono + effect.patience);
  dialling_.emplace(
      conn, Dialling{.op = effect.op, .fd = std::move(dialled->fd), .remote = to != nullptr ? *to : Endpoint{}});
}

void ShardLoop::FinishDialling() {
  for (const ConnId conn : std::exchange(dialled_, {})) {
    const auto found = dialling_.find(conn);
    if (found != dialling_.end()) EndDialling(conn, net::DialResult(found->second.fd.get()));
  }
}

// `status`: of the connection, which stands or is given up now.
void ShardLoop::EndDialling(ConnId conn, Status status) {
  const auto found = dialling_.find(conn);
  if (found == dialling_.end()) return;
  Dialling ended = std::move(found->second);
  dialling_.erase(found);
  deadlines_.Cancel(conn);
  if (status.ok()) {
    // Changing it makes epoll tell anew what has come already.
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.u64 = static_cast<uint64_t>(conn)}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, ended.fd.get(), &event) != 0) status = net::DialError(errno);
  }
  if (!status.ok()) {
    ended.fd.Reset();
    --options_.shared->connection_count;
    return Step(ConnectDone{.op = ended.op, .status = status});
  }
  const Peer peer{.remote = ended.remote, .local = LocalOf(ended.fd.get()), .listener = kNoListener};
  auto connection = std::make_unique<Connection>(conn, std::move(ended.fd), peer, nullptr);
  connection->announced = true;
  load_.fetch_add(1, std::memory_order_relaxed);
  connections_.emplace(conn, std::move(connection));
  Step(ConnectDone{.op = ended.op, .conn = conn, .local = peer.local});
}

void ShardLoop::EndAllDialling() {
  std::vector<ConnId> all;
  for (const auto& [conn, dialling] : dialling_) all.push_back(conn);
  for (const ConnId conn : all) EndDialling(conn, Unavailable("the server is stopping"));
}

}  // namespace postern::loop
