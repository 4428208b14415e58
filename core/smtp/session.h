// One SMTP server session (RFC 5321), for port 25, submission (RFC 6409) and submissions (RFC 8314), as Postfix 3.7
// speaks it.
//
//   Greeting --name known--> Commands --STARTTLS--> StartingTls --TlsReady--> Commands
//                             ^  ^  |
//                             |  |  +--EHLO--> AwaitingOffer --250--> Commands  (another server checks logins)
//                             |  |  +--AUTH--> Exchanging <--> Verifying --235, 535--> Commands
//                             |  |  |
//                             |  |  +--DATA 354, BDAT n--> Receiving --end of message--> Committing --250, 451-->
//                             Commands |  |                          ^     | |  +----chunk but the last----+-----+ any
//                             state --QUIT, 421, 521, disconnect--> Closed
//                             +--- a held reply (errors, wrong passwords) leaves after its delay
//
// Extensions: PIPELINING 2920, SIZE 1870, 8BITMIME 6152, ENHANCEDSTATUSCODES 2034, DSN 3461, SMTPUTF8 6531, CHUNKING
// 3030, STARTTLS 3207, AUTH 4954, ETRN 1985. Promises: 250 after a message only when it is durable for every recipient
// (delivery.h); a refused recipient is in no plan; what came in plaintext behind STARTTLS is forgotten; only CRLF "."
// CRLF ends DATA (dot_reader.h). Any cut of the input gives the same dialogue, but for a client that talks out of turn,
// which is judged by what is there when it should have waited. Owner: the shard. Bounded: one line of kLineBytesMax,
// kBufferedBytesMax of pipelined input, one message, whose bytes beyond message_writer.h's limit are on disk.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/auth/verifier.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/mailbox/account.h"
#include "core/smtp/command.h"
#include "core/smtp/restrictions.h"
#include "core/smtp/transaction.h"

namespace postern::smtp {

// A SASL response in base64 (RFC 4954 section 4: 12288 octets), with its command.
inline constexpr size_t kLineBytesMax = 12288 + 64;
// What a client may send ahead while it is not being read.
inline constexpr size_t kBufferedBytesMax = 65536;

class SmtpSession final : public Machine, public auth::VerifierClient {
 public:
  // `foreign`: who checks logins where the service has a sasl_socket; must outlive the session. Null: nobody does then.
  SmtpSession(ConnId conn, const Accepted& accepted, std::shared_ptr<const config::Config> config,
              mailbox::Directory& directory, auth::Verifier* foreign, Context& context);

  void Step(const Event& event, Context& context) override;
  void OnVerifierAnswer(auth::VerifierAnswer answer, Context& context) override;
  bool ended() const override { return std::holds_alternative<Closed>(state_) && open_operations_ == 0; }
  void AddTo(StableDigest& digest) const override;

 private:
  // ---- states ----
  struct Greeting {};
  struct Commands {};
  struct StartingTls {};
  struct AwaitingOffer {};  // EHLO is answered once it is known what to announce
  struct Exchanging {
    std::unique_ptr<auth::Exchange> exchange;
    bool success_said = false;  // RFC 4954 section 4: data that came with success was sent as a challenge
  };
  struct Verifying {
    std::unique_ptr<auth::Exchange> exchange;
  };
  struct Receiving {
    bool bdat = false, last = false;
    uint64_t chunk_bytes = 0, chunk_left_bytes = 0;
    std::optional<Reply> refusal;  // the bytes are read and thrown away, then this is said
    bool ended = false;            // all is here; a spilled message still waits for its last write
  };
  struct Committing {
    std::unique_ptr<MessageDelivery> delivery;
    bool bdat = false;
    uint64_t message_bytes = 0;
    uint32_t first_tag = 0;
    Instant began;
    bool answered = false;  // planted bugs only
  };
  struct Closed {};
  // A reply that leaves later.
  struct Held {
    std::string text;
    bool closes = false;
  };
  enum class Ending : uint8_t { kQuit, kLost, kTimeout, kTooManyErrors, kOther };
  enum class BdatState : uint8_t { kNone, kStarted, kFailed };

  // ---- input (session.cc) ----
  void OnReceived(std::string_view bytes, Context& context);
  size_t Consume(std::string_view in, Context& context);
  size_t TakeLine(std::string_view in, Context& context);
  void Resume(Context& context);
  void SettleReading(Context& context);
  bool CanTake() const;
  void Redact(size_t begin, size_t end, Context& context) const;  // of what Consume() reads
  void RedactLeftover(std::string_view in, size_t taken, Context& context) const;
  void RefuseBareLineFeed(Context& context);
  void HandleLine(std::string_view line, Context& context);
  void HandleCommand(const Command& command, std::string_view line, Context& context);

  // ---- output and end ----
  // The answer to the command under way: counted, held back where there were too many errors.
  void Answer(const Reply& reply, Context& context);
  void AnswerAfter(const Reply& reply, Duration delay, Context& context);
  // RFC 2033 section 4.2: an LMTP client gets one for each recipient that was taken, in their order (session_lmtp.cc).
  void AnswerMessage(const std::vector<Reply>& replies, Context& context);
  void SendReply(const Reply& reply, Context& context);  // in between: 334, 354
  void CheckErrorLimit(Context& context);
  void End(Ending ending, Context& context, bool client_gone = false);
  void OnTimer(uint64_t tag, Context& context);
  void OnShutdown(Context& context);

  // ---- greeting and session commands (session_greeting.cc) ----
  void OnClientName(const ClientName& name, Context& context);
  void Greet(Context& context);
  void HandleHello(const Command& command, bool extended, Context& context);
  void AnswerHello(Context& context);
  std::string Extensions() const;
  void HandleStartTls(const Command& command, Context& context);
  void OnTlsReady(const TlsFacts& facts, Context& context);
  void HandleEtrn(const Command& command, Context& context);
  bool Offers(std::string_view keyword) const;  // not among smtpd_discard_ehlo_keywords
  bool RefusedForLackOfTls(const Command& command) const;

  // ---- AUTH (session_auth.cc) ----
  bool AuthEnabled() const;
  bool AnnouncesAuth() const;
  const std::vector<std::string>& SecurityOptions() const;
  void TakeOffer(auth::Offer offer);
  void HandleAuth(const Command& command, Context& context);
  void HandleResponse(std::string_view line, Context& context);
  void Advance(std::unique_ptr<auth::Exchange> exchange, auth::Step step, Context& context);
  void AuthFailed(std::string_view mechanism, std::string_view user, const auth::Step& step, Context& context);

  // ---- MAIL, RCPT, VRFY (session_transaction.cc) ----
  void HandleMail(const Command& command, Context& context);
  void HandleRcpt(const Command& command, Context& context);
  void HandleVrfy(const Command& command, Context& context);
  // nullopt: the recipient is taken, `*recipient` says where it leads.
  std::optional<Reply> JudgeRecipient(Recipient* recipient, Context& context);
  std::optional<Reply> ResolveRecipient(Recipient* recipient, Context& context) const;
  std::optional<Reply> FindMailbox(const std::string& user, LocalRecipient* local, Context& context) const;
  void ResetTransaction(Context& context);
  Facts MakeFacts(Phase phase) const;
  // Evaluates, logs, keeps the actions; the refusal, if any.
  std::optional<Reply> Judge(const Facts& facts, Context& context);
  void MergeActions(Actions actions);

  // ---- DATA, BDAT (session_data.cc) ----
  void HandleData(const Command& command, Context& context);
  void HandleBdat(const Command& command, std::string_view line, Context& context);
  std::optional<Reply> BdatRefusal(const BdatArguments& arguments) const;
  void BeginMessage(bool bdat, Context& context);
  void AddTargets(Incoming* incoming, const std::string& received, Context& context);
  std::vector<Recipient> FinalRecipients(Context& context) const;
  std::string MaildirName(Context& context);
  std::string ReceivedField(Context& context) const;
  HeaderFilter::Options FilterOptions(Context& context) const;
  size_t TakeMessageBytes(std::string_view in, Context& context);
  void StoreBytes(Incoming* incoming, Context& context);
  void FlushWriters(Context& context);
  void EndOfMessage(Context& context);
  void OnWriterDone(size_t writer, const PlanResult& result, Context& context);
  void FinishMessage(Context& context);
  std::optional<Reply> BareLineFeedRefusal() const;
  std::optional<Reply> MessageRefusal(Context& context);
  std::optional<Reply> LoopRefusal() const;
  void DropMessage(Context& context);
  void CommitAbort(FilePlan plan, Context& context);

  // ---- delivery (session_delivery.cc) ----
  void BeginCommit(Context& context);
  void CommitPlans(MessageDelivery::Plans plans, Context& context);
  void OnDeliveryPlanDone(uint32_t tag, const PlanResult& result, Context& context);
  void FinishDelivery(Context& context);
  std::vector<Reply> DeliveryReplies(const MessageDelivery& delivery, const Reply& reply) const;  // session_lmtp.cc
  void LogDelivery(const Committing& committing, Context& context) const;

  // ---- log (session_log.cc) ----
  using Fields = std::vector<std::pair<std::string, std::string>>;
  void Log(Context& context, std::string text, Severity severity = Severity::kInfo, Fields fields = {}) const;
  void LogAs(std::string_view program, Context& context, std::string text, Fields fields = {}) const;
  std::string ClientForLog() const;  // "name[192.0.2.1]"
  std::string QueueIdForLog() const;
  void LogDisconnect(Context& context) const;
  void LogRefusal(const Facts& facts, const Verdict& verdict, Context& context) const;

  bool client_is_trusted() const;  // mynetworks
  bool is_lmtp() const;
  bool headers_are_completed() const;  // local_header_rewrite_clients

  ConnId conn_;
  Peer peer_;
  TlsFacts tls_;
  std::shared_ptr<const config::Config> config_;  // of the time the connection came
  std::shared_ptr<const config::SmtpService> service_;
  mailbox::Directory& directory_;
  auth::OwnVerifier own_verifier_;
  auth::Verifier* const verifier_;  // null: nobody can log in
  std::variant<Greeting, Commands, StartingTls, AwaitingOffer, Exchanging, Verifying, Receiving, Committing, Closed>
      state_;

  // Input.
  std::string input_;                     // what was not taken yet
  bool overlong_ = false;                 // the line under way has lost its beginning
  bool input_waiting_ = false;            // behind the command under way
  size_t buffered_before_ = 0;            // bytes in front of the event's own, in what Consume() reads
  size_t line_begin_ = 0, line_end_ = 0;  // of the line under way, there
  bool reading_event_ = false;            // Consume() reads a Received just now: its bytes can be redacted
  bool paused_ = false;
  std::optional<Held> held_;
  int open_operations_ = 0;                                // plans under way
  std::vector<std::pair<uint64_t, size_t>> writer_plans_;  // plan tag, writer
  std::vector<std::pair<uint64_t, FilePlan>> aborts_;      // plan tag to wait for, what to commit then
  uint64_t next_tag_ = 16;                                 // of plans and questions

  // The session.
  std::optional<ClientName> client_name_;
  std::string helo_;
  std::string helo_verb_ = "HELO";
  bool esmtp_ = false;
  std::string sasl_user_, sasl_method_;
  std::vector<std::string> mechanisms_;  // announced in the answer to EHLO
  bool login_is_undecided_ = false;      // whoever checks logins could not be asked: the client may be a user
  std::optional<Transaction> transaction_;
  BdatState bdat_ = BdatState::kNone;
  bool entered_ = false;                                   // counted in Directory::Enter
  std::optional<Reply> connect_deferred_, helo_deferred_;  // of their rules: Verdict::deferred
  std::optional<Reply> connect_refusal_;                   // CONNECT was refused: so is all else
  bool pipelined_out_of_turn_ = false;                     // for reject_unauth_pipelining, as long as the session lasts
  std::string trace_id_;                                   // of the session

  // Limits and the "disconnect" line.
  Verb verb_ = Verb::kUnknown;     // the command under way, or the last one
  std::string where_ = "CONNECT";  // for "lost connection after ..."
  struct Count {
    uint32_t ok = 0, all = 0;
  };
  std::array<Count, kVerbCount> counts_{};
  uint32_t error_count_ = 0, junk_count_ = 0;
  Instant last_activity_;
  bool gone_ = false;      // the connection is closed; a commit is still under way
  bool stopping_ = false;  // closes when the commit under way is answered
};

}  // namespace postern::smtp
