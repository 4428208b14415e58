// One connection of the SMTP (RFC 5321) or LMTP (RFC 2033) client, as Postfix 3.7's smtp(8) and lmtp(8) speak. Pure:
// values go in through the On...() functions, actions come out; time and chance are arguments.
//
//   kConnecting --connected--> kGreeting --220--> kHello --250--> kStartTls --220--> kTlsHandshake --up--> kHello
//       | wrappermode: kTlsHandshake --up--^       |   as often as it takes: AUTH
//       |                                          +--------------------------------> kAuth
//       |                                          v                                    | 235
//       |            +---------------------->  kReady  <--------------------------------+
//       |            |                             | a job: MAIL, RCPT ..., DATA, in groups
//       |            |  nobody is left             v
//       |  250, kept +---- kReset <----------- kEnvelope --354--> kMessage --the last byte, dot--> kEndOfData
//       |     open   |        |                                                                       |
//       |            +--------|----------------------- every reply after the dot, kept open ----------+
//       |                     +--------> QUIT <------- not kept open ---------------------------------+
//       v                                  v
//    kClosed <-------------------- (kQuitting)         from everywhere: connection lost, deadline passed, nonsense
//
// Promises:
// - Every recipient of a job has exactly one RecipientDone, whatever the server says and wherever it ends. A driver
//   that drops the connection says so with OnClosed.
// - kSent only after a 2xx that came after the final dot had left. A connection that ends in between defers, and says
//   that the message may be sent more than once.
// - At most kGroupBytesMax of commands are unanswered (RFC 2920 section 3.1 and Postfix: never more than a send buffer
//   holds), and all of them are answered before more is sent.
// - What a job holds never becomes a command (client_command.h, client_data.h).
// - Every cut of what the server sends gives the same actions, but for a server that talks out of turn, which is judged
//   by what is there when it should have waited.
// - A reply nobody asked for ends the connection: it would be taken for the answer to the next command.
//
// Differences from Postfix, on purpose: no RSET probe before reuse, for MAIL itself is the probe (Fate::kUntried);
// SMTPUTF8 is judged after STARTTLS, not before; a refusal in the middle of the message ends it at once; a 221 is no
// success; a server that answers before it is asked is left.
// Owner: one connection's machine. Bounded: one job, one reply (client_reply.h), what Downgrader holds.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/sasl_client.h"
#include "core/base/time.h"
#include "core/outbound/certificate_match.h"
#include "core/outbound/client_action.h"
#include "core/outbound/client_command.h"
#include "core/outbound/client_data.h"
#include "core/outbound/client_reply.h"
#include "core/outbound/client_settings.h"
#include "core/outbound/downgrade.h"

namespace postern::outbound {

// Unanswered commands: what Postfix allows (its stream buffer), below any socket's send buffer.
inline constexpr size_t kGroupBytesMax = 4096;

class ClientDialogue {
 public:
  ClientDialogue(ClientSettings settings, ClientServer server)
      : settings_(std::move(settings)), server_(std::move(server)) {}

  // Only while accepts_job(): before the connection stands, or ready.
  void Deliver(Job job, const ClientMoment& moment, ClientActions* out);
  bool accepts_job() const { return !transaction_ && (state_ == State::kConnecting || state_ == State::kReady); }

  // The driver is connecting: the deadline begins.
  void OnConnecting(const ClientMoment& moment);
  void OnConnected(const ClientMoment& moment, ClientActions* out);
  // `text`: "Connection refused".
  void OnConnectFailed(std::string_view text, ClientActions* out);
  void OnBytes(std::string_view bytes, const ClientMoment& moment, ClientActions* out);
  // TLS is up. What the certificate is worth was judged already: not acceptable, and no mail goes this way.
  void OnTlsReady(const TlsVerdict& verdict, const ClientMoment& moment, ClientActions* out);
  void OnTlsFailed(ClientActions* out);
  void OnClosed(ClientActions* out);
  // Nothing happens before deadline().
  void OnDeadline(const ClientMoment& moment, ClientActions* out);
  // Answers NeedMessageBytes with at most so many bytes; `last`: the message ends with them. Late answers are dropped.
  void OnMessageBytes(std::string_view bytes, bool last, const ClientMoment& moment, ClientActions* out);
  // The message cannot be read.
  void OnMessageFailed(ClientActions* out);
  // No more jobs: QUIT, if nothing is under way.
  void Quit(ClientActions* out);

  std::optional<Instant> deadline() const { return deadline_; }
  bool closed() const { return state_ == State::kClosed; }
  bool ready() const { return state_ == State::kReady; }
  // Greeted, secured and logged in as it must be: the server takes mail.
  bool in_session() const { return state_ >= State::kReady && state_ <= State::kReset; }
  bool tls() const { return tls_; }
  const ServerFeatures& features() const { return features_; }
  const ClientServer& server() const { return server_; }

 private:
  enum class State : uint8_t {
    kConnecting,
    kGreeting,
    kHello,
    kStartTls,
    kTlsHandshake,
    kAuth,
    kReady,
    kEnvelope,
    kMessage,
    kEndOfData,
    kReset,
    kQuitting,
    kClosed,
  };
  enum class Awaited : uint8_t {
    kGreeting,
    kEhlo,
    kHelo,
    kLhlo,
    kStartTls,
    kAuth,
    kMail,
    kRcpt,
    kData,
    kEndOfData,
    kReset,
    kQuit,
  };
  struct AwaitedReply {
    Awaited kind;
    size_t recipient = 0;
  };
  struct Transaction {
    explicit Transaction(Job job_, size_t line_bytes_max)
        : job(std::move(job_)), settled(job.recipients.size()), open(job.recipients.size()), writer(line_bytes_max) {}

    Job job;
    std::vector<bool> settled;  // a recipient's outcome is out
    size_t open;                // so many are not
    std::optional<Instant> began;
    bool mail_sent = false, mail_answered = false, mail_refused = false, data_sent = false, data_refused = false;
    size_t next_recipient = 0;     // to be sent
    std::vector<size_t> accepted;  // in the order of their RCPT
    size_t final_replies = 0;      // LMTP: so many of `accepted` have theirs
    bool quit_sent = false;
    bool on_waiting_connection = false;  // it was not there before the connection was ready
    DataWriter writer;
    std::optional<Downgrader> downgrader;
  };
  // What is to be told of recipients; `reply` null: we say so ourselves.
  struct Failure {
    ClientStage stage = ClientStage::kHelo;
    bool blames_host = false;
    const ServerReply* reply = nullptr;
    std::string status;  // instead of the reply's own; never empty without `reply`
    std::string text;
    bool retry_in_plaintext = false;
    bool with_session = true;
  };

  // client.cc: settling recipients, ends, deadlines.
  void Settle(size_t recipient, const Failure& failure, ClientActions* out);
  void SettleSent(size_t recipient, const ServerReply& reply, ClientActions* out);
  void SettleAll(const Failure& failure, ClientActions* out);
  void EmitDone(RecipientDone done, ClientActions* out);
  void CheckReplyCode(int code);
  void FailHost(const Failure& failure, ClientActions* out);
  void LoseConnection(bool timed_out, ClientActions* out);
  void LeaveUntried(std::string_view text, ClientActions* out);
  void FailHandshake(ClientActions* out);
  void FailEarlyTalk(ClientActions* out);
  static bool AsksNext(Awaited kind);
  std::string WhatWeWereDoing() const;
  ClientStage StageNow() const;
  void Await(Awaited kind, size_t recipient = 0) { awaited_.push_back({kind, recipient}); }
  void SendLine(std::string_view line, ClientActions* out, bool secret = false);
  void SendQuit(ClientActions* out);
  void Close(ClientActions* out);
  void Note(bool warning, std::string text, ClientActions* out) {
    out->push_back(ClientNote{warning, std::move(text)});
  }
  void Arm(Instant now);
  Duration TimeoutNow() const;
  void OnReply(const ServerReply& reply, const ClientMoment& moment, ClientActions* out);
  void OnUnaskedReply(const ServerReply& reply, ClientActions* out);
  bool HasCredentials() const { return settings_.sasl.enabled && !settings_.sasl.user.empty(); }

  // client_handshake.cc
  void OnGreeting(const ServerReply& reply, ClientActions* out);
  void SendHello(ClientActions* out);
  void OnHello(Awaited kind, const ServerReply& reply, const ClientMoment& moment, ClientActions* out);
  bool ReadFeatures(const ServerReply& reply, ClientActions* out);
  void ReadFeature(std::string_view keyword, std::string_view parameters, ClientActions* out);
  void AfterHello(const ClientMoment& moment, ClientActions* out);
  void OnStartTls(const ServerReply& reply, const ClientMoment& moment, ClientActions* out);
  void FailAuth(std::string status, const ServerReply* reply, std::string text, ClientActions* out);
  void BeginAuth(const ClientMoment& moment, ClientActions* out);
  void OnAuth(const ServerReply& reply, const ClientMoment& moment, ClientActions* out);
  void BecomeReady(Instant now, ClientActions* out);

  // client_transaction.cc
  void BeginTransaction(Instant now, ClientActions* out);
  bool RefuseTransaction(ClientActions* out);
  void SendEnvelope(Instant now, ClientActions* out);
  AwaitedReply NextCommand(std::string* command);
  void OnEnvelopeReply(AwaitedReply awaited, const ServerReply& reply, const ClientMoment& moment, ClientActions* out);
  void OnMail(const ServerReply& reply, ClientActions* out);
  void OnRcpt(size_t recipient, const ServerReply& reply, ClientActions* out);
  void BeginMessage(Instant now, ClientActions* out);
  void SendDot(std::string text, Instant now, ClientActions* out);
  void OnEndOfData(const ServerReply& reply, const ClientMoment& moment, ClientActions* out);
  void LoseConnectionAfterDot(ClientActions* out);
  void Abort(Instant now, ClientActions* out);
  void EndTransaction(Instant now, ClientActions* out);
  bool MayKeepOpen(Instant now) const;
  bool Downgrades() const;

  const ClientSettings settings_;
  const ClientServer server_;
  State state_ = State::kConnecting;
  ReplyReader reader_;
  std::deque<AwaitedReply> awaited_;
  std::optional<Instant> deadline_;
  ServerFeatures features_;
  bool tls_ = false;
  bool certificate_matched_ = false;
  bool reusable_ = true;            // false after anything odd
  bool timed_out_ = false;          // the server let a deadline pass
  uint32_t transaction_count_ = 0;  // begun
  Instant connected_at_;
  std::optional<Transaction> transaction_;
  std::unique_ptr<auth::ClientExchange> sasl_;
  std::optional<std::string> sasl_initial_;  // that did not fit behind AUTH
  int sasl_steps_ = 0;
};

}  // namespace postern::outbound
