// A Dovecot's auth socket, as bad as servers can be: it answers the auth client protocol
// (core/auth/auth_socket_codec.h), or breaks off, stalls, talks nonsense, answers others than it was asked about.
//
// It keeps books: granted() are the responses to which it has said OK in their turn. Nobody else may ever be logged in.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "sim/remote/remote_party.h"
#include "sim/world/random.h"

namespace postern::sim {

// Chances are parts in a thousand: of each connection, or of each line that it answers.
struct AuthBehaviour {
  uint32_t refuses = 0, no_answer = 0;                                  // connections
  uint32_t silent_handshakes = 0, broken_handshakes = 0;                // of those that it accepts
  uint32_t closes = 0, closes_midway = 0, stalls = 0;                   // instead of an answer
  uint32_t nonsense = 0, long_lines = 0, wrong_ids = 0, early_oks = 0;  // beside it
  uint32_t slow = 0;                                                    // an answer after up to 15 seconds
};
AuthBehaviour DrawAuthBehaviour(Random& random);

// Offers PLAIN and LOGIN. A password is right where it begins with "right-"; the user of OK is the one who asked.
class AuthHost final : public RemoteParty {
 public:
  AuthHost(AuthBehaviour behaviour, uint64_t seed) : behaviour_(behaviour), random_(seed, "auth host") {}

  Welcome welcome() const override;
  std::unique_ptr<RemoteDialogue> Open(Instant now, uint64_t process) override;
  // From now on it behaves well, also on connections that are open.
  void Heal() { behaviour_ = {}; }

  const std::set<std::string>& granted() const { return granted_; }  // passwords
  uint64_t asked_count() const { return asked_count_; }
  uint64_t cancelled_count() const { return cancelled_count_; }
  uint32_t open_connections() const { return open_connections_; }

 private:
  friend class AuthDialogue;
  AuthBehaviour behaviour_;
  mutable Random random_;
  std::set<std::string> granted_;
  uint64_t asked_count_ = 0, cancelled_count_ = 0;
  uint32_t open_connections_ = 0;
};

}  // namespace postern::sim
