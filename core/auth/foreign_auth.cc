#include "core/auth/foreign_auth.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postern::auth {

Verifier& ForeignAuth::At(const config::SaslSocket& socket) {
  for (const auto& server : servers_) {
    if (server->socket() == socket) return *server;
  }
  servers_.push_back(std::make_unique<ForeignServer>(socket, OpId{machine_, servers_.size()}, log_pid_));
  return *servers_.back();
}

bool ForeignAuth::Knows(ConnId conn) const {
  return std::any_of(servers_.begin(), servers_.end(), [conn](const auto& server) { return server->conn() == conn; });
}

void ForeignAuth::Step(const Event& event, Context& context) {
  const auto to_place = [&](const OpId& op) {
    if (op.tag < servers_.size()) servers_[op.tag]->Step(event, context);
  };
  const auto to_connection = [&](ConnId conn) {
    for (const auto& server : servers_) {
      if (server->conn() == conn) return server->Step(event, context);
    }
  };
  if (const auto* done = std::get_if<ConnectDone>(&event)) {
    to_place(done->op);
  } else if (const auto* timer = std::get_if<TimerFired>(&event)) {
    to_place(timer->op);
  } else if (const auto* received = std::get_if<Received>(&event)) {
    to_connection(received->conn);
  } else if (const auto* drained = std::get_if<Drained>(&event)) {
    to_connection(drained->conn);
  } else if (const auto* closed = std::get_if<PeerClosed>(&event)) {
    to_connection(closed->conn);
  } else if (std::holds_alternative<Shutdown>(event)) {
    stopping_ = true;
    for (const auto& server : servers_) server->Stop(context);
  }
}

void ForeignAuth::Reconfigure(const config::Config& config) {
  for (const auto& server : servers_) {
    server->set_named(
        std::any_of(config.listeners.begin(), config.listeners.end(), [&](const config::Listener& listener) {
          return listener.smtp != nullptr && listener.smtp->sasl_socket == server->socket();
        }));
  }
}

std::vector<VerifierAnswer> ForeignAuth::Settle(Context& context) {
  std::vector<VerifierAnswer> told;
  for (const auto& server : servers_) {
    auto answers = server->Settle(context);
    std::move(answers.begin(), answers.end(), std::back_inserter(told));
  }
  return told;
}

bool ForeignAuth::ended() const {
  return std::all_of(servers_.begin(), servers_.end(), [](const auto& server) { return server->ended(); });
}

void ForeignAuth::AddTo(StableDigest& digest) const {
  for (const auto& server : servers_) server->AddTo(digest);
}

}  // namespace postern::auth
