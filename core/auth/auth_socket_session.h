// One connection to the auth socket as a machine of the shard: carries what AuthSocketServer (auth_socket_server.h,
// which has the states of the protocol) asks for and answers.
//
//   Handshaking --CPID--> Serving --(peer or server ends, a broken line, Shutdown)--> Ended
//        \-------(60 s, a broken line, the peer's end)------------------------------------^
//
// A client that serves may be silent for ever: Postfix's smtpd keeps the connection for its next client. One that does
// not read its answers is not read either. Owner: the shard. Bounded: AuthSocketServer's bounds; unread answers by
// kUnreadBytesMax and one read beyond it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/auth/auth_socket_server.h"
#include "core/auth/penalty.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"

namespace postern::auth {

// What all auth connections of a shard share.
struct AuthSocketShared {
  std::shared_ptr<const config::Config> config;  // the newest one
  uint32_t process_id = 1;                       // SPID
  PenaltyTable penalty;
};

class AuthSocketSession final : public Machine {
 public:
  static constexpr Duration kHandshakePatience = Seconds(60);  // a guess: local clients need milliseconds
  static constexpr size_t kUnreadBytesMax = 65536;

  // `shared` must outlive the session.
  AuthSocketSession(ConnId conn, AuthSocketShared* shared, Context& context);

  void Step(const Event& event, Context& context) override;
  bool ended() const override { return ended_; }
  void AddTo(StableDigest& digest) const override;

 private:
  AuthSocketServer::Context At(const Context& context) {
    return {.now = context.now, .entropy = context.entropy, .penalty = shared_->penalty};
  }
  void Take(AuthSocketServer::Output output, Context& context);
  void Send(std::string_view bytes, Context& context);
  void SettleTimer(Context& context);
  void AdoptNewestUsers();
  void End(Context& context);
  void Log(Severity severity, std::string text, Context& context) const;

  const ConnId conn_;
  AuthSocketShared* const shared_;
  // Whose users requests were begun with: the newest last, older ones while a request may still look at them.
  std::vector<std::shared_ptr<const config::Config>> configs_;
  AuthSocketServer server_;
  std::optional<Instant> timer_;  // what is set
  size_t unread_bytes_ = 0;       // sent since the peer last had everything
  bool paused_ = false;
  bool handshaking_ = true;
  bool ended_ = false;
};

}  // namespace postern::auth
