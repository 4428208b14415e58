// The server's side of one connection of the Dovecot auth client protocol: a mail server (Postfix with
// smtpd_sasl_type = dovecot) hands in what its clients say in AUTH, and hears who they are.
//
//   kVersion --VERSION 1 n--> kProcess --CPID pid--> kServing      any of them --(a broken line)--> kClosed
//
// The server's own handshake leaves at once, since older clients (Exim) wait for it before they speak; nothing in it
// depends on the client's minor, as there are no mechanisms with channel binding. In kServing many requests are open at
// once; each is answered when it is ready, whatever the order:
//
//   AUTH --> HeldBack --(penalty over)--> Challenged <--> Verifying --> OK, gone
//               |                          |  |    \         |    \...
//             CANCEL                  CANCEL  |     \--------|-----> Delayed --(its instant)--> FAIL, gone
//               v                     150 s   |              |          |
//             gone                         v  |              v CANCEL   v CANCEL
//                                        gone |           Abandoned   Abandoned --(verified, or its instant)--> gone
//
// HeldBack: guesses came from that address (penalty.h), so the exchange has not begun. Challenged: the client's turn.
// Verifying: the owner compares a password. Delayed: failed, but the answer is not to be given before its instant
// (auth_failure_delay). Abandoned: nobody waits for the answer, but the place stays taken, so that guessing doesn't get
// cheaper by hanging up.
//
// The client is trusted with what it says about its users (rip, secured, no-penalty): who may connect is decided by the
// socket's permissions. Its users are not: their responses may be anything.
// Owner: one connection. Pure: bytes, verdicts and time in; bytes, questions and log lines out. Bounded: a line by
// kAuthLineBytesMax, open requests by Options. An owner that wants to be rid of silent connections watches state().
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/auth/auth_socket_codec.h"
#include "core/auth/penalty.h"
#include "core/auth/sasl.h"
#include "core/base/entropy.h"
#include "core/base/secret.h"
#include "core/base/time.h"

namespace postern::auth {

class AuthSocketServer {
 public:
  struct Options {
    uint32_t process_id = 1;      // SPID
    uint32_t connection_id = 1;   // CUID: another for each connection of one process
    std::string local_host_name;  // for the challenges of CRAM-MD5 and DIGEST-MD5
    // Postfix leaves requests open whose clients gave up, in one connection for many clients; login processes serve
    // hundreds at a time. A guess.
    size_t open_requests_max = 256;
    Duration response_timeout = Seconds(150);  // for an answer to a challenge: Dovecot's
  };

  // What every step needs to know. `penalty` is shared by all connections.
  struct Context {
    Now now;
    Entropy& entropy;
    PenaltyTable& penalty;
  };

  struct Question {  // is this the password? Answered by Verified, once
    uint64_t token = 0;
    Secret stored, password;
    std::string user;  // some schemes are salted with it
  };
  struct AuthLog {  // one line of the auth log, with what FormatAuthLine wants
    LogLine line;
    std::optional<IpAddress> remote;
    std::string session;
    bool is_success = false;
  };
  struct SecretBytes {  // of the bytes that Feed was given: the recorder must not keep them
    size_t offset_bytes = 0, length_bytes = 0;
    bool operator==(const SecretBytes&) const = default;
  };
  struct Output {
    std::string send;
    std::vector<Question> questions;
    std::vector<AuthLog> logs;
    std::vector<SecretBytes> secrets;
    bool close = false;        // after `send`; nothing more is to be done with this machine
    std::string close_reason;  // for the log, never with anything the client sent
  };

  enum class State : uint8_t { kVersion, kProcess, kServing, kClosed };

  // `auth` must outlive the machine, or its last request that was open when SetUsers replaced it.
  AuthSocketServer(const config::Auth& auth, Options options) : auth_(&auth), options_(std::move(options)) {}

  // Requests from now on are about these users. The mechanisms that were announced stay.
  void SetUsers(const config::Auth& auth) { auth_ = &auth; }

  // The connection is there: the server's handshake. Call once, first.
  Output Start(const Context& context);
  Output Feed(std::string_view bytes, const Context& context);
  // The answer to a Question. A token that is not open any more is passed over.
  Output Verified(uint64_t token, bool matches, const Context& context);
  // Does what is due at context.now.mono.
  Output OnTime(const Context& context);
  // When OnTime has something to do next; nullopt: never.
  std::optional<Instant> NextInstant() const;

  State state() const { return state_; }
  size_t open_requests() const { return requests_.size(); }

 private:
  struct HeldBack {
    Instant until;
    std::optional<Secret> initial;  // decoded
  };
  struct Challenged {
    Instant until;
    bool success_said = false;  // the challenge was the mechanism's last word, an empty response follows
  };
  struct Verifying {};
  struct Delayed {
    Instant until;
    std::string answer;
  };
  struct Abandoned {
    std::optional<Instant> until;  // nullopt: until Verified
  };
  struct Request {
    AuthLine line;  // without the response
    std::variant<HeldBack, Challenged, Verifying, Delayed, Abandoned> state;
    std::unique_ptr<Exchange> exchange;
    std::string attempt;            // a digest of all responses so far
    bool password_matched = false;  // whatever became of it then
  };
  using Requests = std::map<uint64_t, Request>;

  void OnLine(std::string_view line, const Context& context, Output* out);
  void OnAuth(AuthLine line, const Context& context, Output* out);
  void OnContinue(const ContinueLine& line, const Context& context, Output* out);
  void OnCancel(uint32_t id, Output* out);
  // The oldest whose client is asked for an answer goes. False: there is none.
  bool MakeRoom(Output* out);
  void Begin(uint64_t token, const std::optional<Secret>& initial, const Context& context, Output* out);
  void Advance(uint64_t token, Step step, const Context& context, Output* out);
  void Succeed(uint64_t token, const Step& step, const Context& context, Output* out);
  void Fail(uint64_t token, const Step& step, const Context& context, Output* out);
  FailureLine FailureOf(const Request& request, const Step& step) const;
  // Nobody waits for the answer any more; the id may be used again.
  void Abandon(uint64_t token);
  void TimeOut(uint64_t token, Output* out);
  // Takes the request away; its id may be used again.
  void Forget(uint64_t token);
  // FAIL at once, in the protocol's own words.
  void Refuse(const Request& request, FailureCode code, std::string_view reason, Output* out) const;
  void Close(std::string_view why, Output* out);
  void Log(const Request& request, std::string_view text, Output* out) const;
  void LogLines(const Request& request, const Step& step, Output* out) const;

  const config::Auth* auth_;
  const Options options_;
  State state_ = State::kVersion;
  uint32_t client_minor_ = 0;
  AuthLineReader lines_;
  Requests requests_;                    // by token, the oldest first
  std::map<uint32_t, uint64_t> tokens_;  // of those that the client can name
  uint64_t next_token_ = 1;
};

}  // namespace postern::auth
