// The client's side of one connection of the Dovecot auth client protocol: what a server with
// smtpd_sasl_type = dovecot needs to let a foreign auth server (Dovecot's auth-client socket) decide who its users are.
//
//   kHandshake --DONE, after VERSION 1 n and a MECH--> kReady --(the server breaks the protocol, Lost)--> kBroken
//       \---------------------(the same)--------------------------------------------------------------------^
//
// Each request of kReady:
//
//   Begin --> waiting <--(CONT | Continue)--> challenged      waiting --> Success | Failure, gone
//                \------------- Cancel -----------/--> gone; what the server still says about it is passed over
//
// The server is trusted with the verdict and with nothing else: texts it gives for users' eyes are made harmless.
// A timeout is the owner's affair (Postfix waits 10 seconds for each answer), and so is connecting again.
// Owner: whoever holds the connection. Pure. Bounded: a line by kAuthLineBytesMax, mechanisms and requests by Options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/auth/auth_socket_codec.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace postern::auth {

// Why requests fail whose connection ends; Postfix's words.
inline constexpr std::string_view kConnectionLost = "Connection lost to authentication server";

// What to announce of a server's mechanisms: those that no word of `security_options` rules out (IsRuledOut in sasl.h).
// Never private ones, nor those that need channel binding.
std::vector<std::string> Announceable(const std::vector<MechanismLine>& mechanisms,
                                      const std::vector<std::string>& security_options);

class AuthSocketClient {
 public:
  struct Options {
    uint32_t process_id = 1;          // CPID; not 0
    size_t mechanisms_max = 64;       // more are passed over; Dovecot has about 15
    size_t open_requests_max = 4096;  // a guess: every session of a shard at once
  };

  // The handshake is over: mechanisms() are known, Begin can be called.
  struct Ready {
    bool operator==(const Ready&) const = default;
  };
  struct Challenge {  // for the user's client, which answers it; Continue or Cancel follow
    uint32_t id = 0;
    std::string bytes;
    bool operator==(const Challenge&) const = default;
  };
  struct Success {
    uint32_t id = 0;
    std::string user;
    std::optional<std::string> final_response;  // only where Begin said final_response_ok
    bool operator==(const Success&) const = default;
  };
  struct Failure {
    uint32_t id = 0;
    FailureCode code = FailureCode::kNone;
    std::string user;    // as far as it is known
    std::string reason;  // for the user's eyes, printable; empty: none was given
    bool operator==(const Failure&) const = default;
  };
  using Event = std::variant<Ready, Challenge, Success, Failure>;

  struct Output {
    std::vector<Event> events;
    bool close = false;        // the connection is of no use any more; all open requests have failed in `events`
    std::string close_reason;  // for the log
  };

  enum class State : uint8_t { kHandshake, kReady, kBroken };

  explicit AuthSocketClient(Options options) : options_(options) {}

  // What to send first. Dovecot 2.4 says nothing but VERSION before it has this.
  std::string Start() const;
  Output Feed(std::string_view bytes);
  // The connection is closed, or took too long: all open requests fail for the moment.
  Output Lost(std::string_view why);

  // In the server's order.
  const std::vector<MechanismLine>& mechanisms() const { return mechanisms_; }

  struct Begun {
    uint32_t id = 0;
    Secret send;
  };
  // A new request; `facts.id` and `facts.response` are not looked at. `initial` null: the user's client sent no initial
  // response. Whether it may use the mechanism is for the caller to know. Errors: kFailedPrecondition: not kReady;
  // kResourceExhausted: too many requests, or a line that is too long.
  StatusOr<Begun> Begin(AuthLine facts, const Secret* initial);
  // The answer to a Challenge, to be sent. Errors: kFailedPrecondition: there is none; kResourceExhausted: too long.
  StatusOr<Secret> Continue(uint32_t id, const Secret& response);
  // Gives a request up; nothing more is heard of it. To be sent; empty where there is no such request.
  std::string Cancel(uint32_t id);

  State state() const { return state_; }
  // The beginning of a line whose end has not come yet.
  std::string_view pending() const { return lines_.pending(); }
  size_t open_requests() const { return requests_.size(); }

 private:
  enum class Turn : uint8_t { kServer, kUser };

  void OnHandshake(ServerLine line, Output* out);
  void OnReply(ServerLine line, Output* out);
  void OnSuccess(SuccessLine line, Output* out);
  void Break(std::string_view why, Output* out);

  const Options options_;
  State state_ = State::kHandshake;
  bool saw_version_ = false;
  AuthLineReader lines_;
  std::vector<MechanismLine> mechanisms_;
  std::map<uint32_t, Turn> requests_;
  uint32_t last_id_ = 0;
};

}  // namespace postern::auth
