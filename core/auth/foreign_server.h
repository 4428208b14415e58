// A Dovecot that decides about SMTP clients' logins in our place: the auth server at a socket which is not our own
// (smtpd_sasl_type = dovecot; config/sasl_socket.h has the rule). One connection a shard, over which the requests of
// all its sessions go; auth_socket_client.h is its protocol.
//
//        asked for          ConnectDone           DONE
//   Idle ---------> Dialling ---------> Shaking --------> Ready
//    ^  \---(wait)--<  |                   |                |
//    +-----------------+-------------------+                |       refused, no answer: asked again after a while
//    +------------------------------------------------------+       lost, silent: asked again at once
//
// A request:   Begin --> kNew --Start--> kToSend --> kWaiting <--CONT, Respond--> kUser        OK, FAIL: gone
//
// Nobody is logged in but by an OK to a request that waits for one: a connection that breaks, a server that says
// nothing for ten seconds, one that talks nonsense or out of turn fail the login for the moment (454).
// What was offered once is announced on while the server is away: clients then try later, where one that sees no AUTH
// may tell its user that the server has none.
// Owner: the shard, through ForeignAuth. Bounded: kRequestsMax, kUnsentBytesMax, AuthSocketClient's bounds.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/auth_socket_client.h"
#include "core/auth/verifier.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"

namespace postern::auth {

class ForeignExchange;

class ForeignServer final : public Verifier {
 public:
  // As Postfix (xsasl_dovecot_server.c, AUTH_TIMEOUT): for the connection with its handshake, and for each answer.
  static constexpr Duration kPatience = Seconds(10);
  // One request without an answer may be the server's penalty for who guesses; none at all for so long is a server that
  // hangs: the connection is given up. A guess.
  static constexpr Duration kSilenceMax = Seconds(30);
  // After a connection that failed; doubled each time. Guesses: a restart of Dovecot takes about a second.
  static constexpr Duration kRetryFirst = Milliseconds(250), kRetryMax = Seconds(2);
  static constexpr size_t kRequestsMax = 4096;        // a guess: every session of a shard at once
  static constexpr size_t kUnsentBytesMax = 1 << 20;  // a guess: 64 of the largest lines

  // `op`: its timer's and its connections'; no other operation of the machine has it.
  ForeignServer(config::SaslSocket socket, OpId op, uint32_t log_pid);

  // ---- for sessions ----
  std::optional<Offer> AskOffer(const std::vector<std::string>& security_options, MachineId session) override;
  // Before the first handshake any name is taken: the exchange fails where it is not offered.
  std::unique_ptr<Exchange> Begin(std::string_view mechanism, const std::vector<std::string>& security_options,
                                  const ClientFacts& client, MachineId session) override;

  // ---- for its owner ----
  // Of its `op`, or of the connection conn().
  void Step(const Event& event, Context& context);
  // To be called after every step of the shard: does what sessions asked for meanwhile; what they are to be told.
  std::vector<VerifierAnswer> Settle(Context& context);
  // Does a configuration name it? Otherwise its connection ends with the last request.
  void set_named(bool named) { is_named_ = named; }
  void Stop(Context& context);
  bool ended() const { return state_ == State::kIdle; }
  std::optional<ConnId> conn() const { return conn_; }
  const config::SaslSocket& socket() const { return socket_; }
  void AddTo(StableDigest& digest) const;

 private:
  friend class ForeignExchange;
  enum class State : uint8_t { kIdle, kDialling, kShaking, kReady };
  enum class Phase : uint8_t { kNew, kToSend, kWaiting, kUser, kFailed };
  struct Request {
    ForeignExchange* exchange = nullptr;
    MachineId session{};
    std::vector<std::string> security_options;
    AuthLine facts;
    Phase phase = Phase::kNew;
    std::optional<Secret> response;  // of kToSend
    uint32_t id = 0;                 // on the socket; 0: not begun there
    Instant sent, due;               // of kWaiting
    auth::Step verdict;              // of kFailed: it came while the user was at turn, who hears it with his answer
  };
  struct Waiter {
    MachineId session{};
    std::vector<std::string> security_options;
  };

  // From exchanges.
  void OnStart(uint64_t key, const std::string_view* initial);
  void OnResponse(uint64_t key, std::string_view response);
  void Drop(uint64_t key);

  void Dial(Context& context);
  void OnConnectDone(const ConnectDone& done, Context& context);
  void OnReceived(std::string_view bytes, Context& context);
  void OnTimer(Context& context);
  void TimeOut(Context& context);
  void CannotConnect(std::string_view why, Context& context);  // and when to try again
  void GiveUp(std::string_view why, Context& context);         // ends the connection that stands
  void HideSecrets(std::string_view bytes, Context& context) const;
  void Take(AuthSocketClient::Output output, Context& context);
  void OnReady();
  void OnChallenge(AuthSocketClient::Challenge challenge);
  void OnSuccess(AuthSocketClient::Success success);
  void OnFailure(AuthSocketClient::Failure failure);

  void SendWaiting(Context& context);
  void SendRequest(uint64_t key, Request* request, Context& context);
  void FailWaiting();
  // Ends a request: told at once, or when the user answers where it is his turn.
  void Fail(uint64_t key, auth::Step step);
  void Tell(uint64_t key, MachineId session, std::variant<Offer, auth::Step> what);
  void Send(std::string bytes, bool secret, Context& context);
  void SettleTimer(Context& context);
  bool is_unneeded() const { return stopping_ || (!is_named_ && requests_.empty()); }
  Request* Find(uint64_t key);
  Request* FindId(uint32_t id, uint64_t* key);

  const config::SaslSocket socket_;
  const OpId op_;
  const uint32_t log_pid_;
  State state_ = State::kIdle;
  bool is_named_ = true, stopping_ = false;
  size_t endpoint_ = 0;    // which of socket_'s is dialled
  Instant handshake_due_;  // of kDialling and kShaking
  Instant next_try_;       // of kIdle: not before
  Duration retry_ = kRetryFirst;
  std::optional<ConnId> conn_;                // of kShaking and kReady
  std::unique_ptr<AuthSocketClient> client_;  // of the same
  Instant heard_;                             // the last bytes
  size_t unsent_bytes_ = 0;                   // at most, since the last Drained
  bool is_known_ = false;
  std::vector<MechanismLine> mechanisms_;  // of the last handshake; is_known_

  std::map<uint64_t, Request> requests_;
  std::map<uint32_t, uint64_t> keys_;  // by id
  uint64_t last_key_ = 0;
  std::deque<uint64_t> to_send_;
  std::vector<Waiter> waiters_;
  bool wants_connection_ = false;
  std::string cancels_;                                       // lines to be sent
  std::deque<std::pair<Instant, uint64_t>> dues_;             // of requests that wait or waited, the earliest first
  std::vector<std::pair<uint64_t, VerifierAnswer>> answers_;  // 0: of no request
  std::optional<Instant> timer_;                              // what is set
};

}  // namespace postern::auth
