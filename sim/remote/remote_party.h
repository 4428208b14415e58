// Whoever the server connects to, as the world sees it: values go in, actions come out, and a network lies in between.
// A mail host (remote_host.h), a Dovecot that knows passwords (auth_host.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace postern::sim {

// What a dialogue wants done, in order. Delays add up: a stream has one order.
struct RemoteAction {
  enum class Kind : uint8_t { kSay, kClose, kTlsUp, kTlsBreaks } kind = Kind::kSay;
  std::string text;             // of kSay
  Duration delay;               // before it
  std::vector<size_t> settles;  // of kSay: once it is read, RemoteParty::ReplyTold is told these
};
using RemoteActions = std::vector<RemoteAction>;

// The other side of one connection.
class RemoteDialogue {
 public:
  virtual ~RemoteDialogue() = default;
  virtual void OnConnected(RemoteActions* out) = 0;
  virtual void OnBytes(std::string_view bytes, Instant now, RemoteActions* out) = 0;
  // The handshake is done, after kTlsUp.
  virtual void OnTls() {}
};

// Must outlive its dialogues.
class RemoteParty {
 public:
  enum class Welcome : uint8_t { kAccepts, kRefuses, kNoAnswer };

  virtual ~RemoteParty() = default;
  virtual Welcome welcome() const = 0;
  // `process`: who connects (World counts its processes).
  virtual std::unique_ptr<RemoteDialogue> Open(Instant now, uint64_t process) = 0;
  virtual void ReplyTold(size_t) {}
};

}  // namespace postern::sim
