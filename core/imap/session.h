// One IMAP session (RFC 3501 with the extensions that capability.cc announces), as a machine.
//
//   fresh connection                                           connection that another shard has logged in
//        |                                                                     |
//        v                                                                     v
//   NotAuthenticated --AUTHENTICATE--> Authenticating --+              Authenticated <--CLOSE, UNSELECT-- Selected
//     ^   |   ^  |                       | ^  |         |                ^   |   |                          ^ |  |
//     |   |   |  +--LOGIN---------+      +-+  |         |                |   |   +--SELECT, EXAMINE---------+ |  |
//     |   |   |                   v  response |         v                |   |                                |  |
//     |   |   +--wrong, late-- LoggingIn <----+----- verify --right------+   +--LOGOUT, BYE--> Logout <-------+--+
//     +---+                       |                     (Handoff where another shard owns the account)
//   STARTTLS: StartingTls         +--right---------------^
//
// Idle is Authenticated or Selected with the IDLE command under way. One command at a time: what is pipelined behind it
// waits, bounded by kBufferedBytesMax, with reading paused. A command that can't be answered at once is a CommandRun
// (session_run.h); it gets completions, continuations and drains, and ends with Finish(). Every command has exactly one
// tagged answer. What others changed is told at the end of a command (notify_changes.cc), so numbers never shift where
// RFC 3501 section 7.4.1 forbids it.
// Owner: the shard. Bounded: input as above; output by kUnsentBytesMax: nothing more is produced until it drained.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/auth/sasl.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/imap/command.h"
#include "core/imap/framer.h"
#include "core/imap/imap_log.h"
#include "core/imap/response.h"
#include "core/imap/session_message.h"
#include "core/imap/session_secrets.h"
#include "core/mailbox/account.h"
#include "core/mailbox/view.h"

namespace postern::imap {

// What a client may pipeline behind a command that is under way before it is read no further.
inline constexpr size_t kBufferedBytesMax = 65536;
// How much output may wait for the client before no more is made.
inline constexpr size_t kUnsentBytesMax = 262144;

class CommandRun;

// The mailbox a session has selected.
struct Selection {
  Selection(std::shared_ptr<mailbox::MailboxState> state, uint32_t recent_first, bool is_read_only)
      : view(std::move(state)), recent_first_uid(recent_first), read_only(is_read_only) {}

  uint32_t RecentCount() const;
  // \Recent is no flag of storage: it is what this session was first to see.
  bool IsRecent(uint32_t uid) const { return uid >= recent_first_uid; }

  mailbox::View view;
  uint32_t recent_first_uid;
  uint32_t told_recent = 0;  // the last RECENT
  bool read_only;
  NumberSet saved_uids;  // RFC 5182: `$`
  MessageCache cache;    // the last message read
};

class ImapSession final : public Machine, public mailbox::AccountClient {
 public:
  // A fresh connection: greets it.
  ImapSession(ConnId conn, const Accepted& accepted, std::shared_ptr<const config::Config> config,
              mailbox::Directory& directory, Context& context);
  // A connection whose login another shard has checked: answers that login's command.
  ImapSession(const Adopted& adopted, std::shared_ptr<const config::Config> config, mailbox::Directory& directory,
              Context& context);
  ~ImapSession() override;

  void Step(const Event& event, Context& context) override;
  bool ended() const override;
  void AddTo(StableDigest& digest) const override;
  void OnCompletion(mailbox::Completion& completion, Context& context) override;
  void OnMailboxChanged(Context& context) override;

  // ---- for the command under way (session_run.h) ----

  // How a command ends: `tag CONDITION [code] text (0.001 + 0.000 secs).`
  struct Answer {
    Condition condition = Condition::kOk;
    std::string_view code;
    std::string_view text;
    enum class Tell : uint8_t {
      kNothing,
      kNoExpunges,  // RFC 3501 section 7.4.1: not during FETCH, STORE, SEARCH
      kAll,
    } tell = Tell::kAll;
    bool with_uid = false;  // changes are told with UIDs: the command was a UID command
  };
  void Finish(const Answer& answer, Context& context);
  void FinishBad(std::string_view text, Context& context);  // counted: too many end the session

  void Write(std::string_view text, Context& context);
  void Write(Chain bytes, Context& context);
  // More than the client should have waiting. AwaitDrain: OnDrained comes once it has left.
  bool OutputFull() const { return unsent_bytes_ > kUnsentBytesMax; }
  uint64_t unsent_bytes() const { return unsent_bytes_; }
  void AwaitDrain(Context& context);
  void ContinueLater(Context& context);
  // APPEND: the message that was announced may come.
  void AcceptAppendLiteral(Context& context);
  void RefuseAppendLiteral() { framer_.RefuseLiteral(); }
  const Framer::Literal& literal() const { return framer_.literal(); }
  // The next input is one line by itself (IDLE's DONE).
  void ExpectLine() { framer_.ExpectLine(64); }
  void SetRunTimer(Instant at, Context& context);
  void CancelRunTimer(Context& context);
  void NoteActivity(Context& context) { last_activity_ = context.now.mono; }

  // A ticket for one account operation of the command under way.
  mailbox::Ticket NextTicket() { return {machine(), ++last_ticket_, actor_}; }
  const mailbox::Actor* actor() const { return actor_.get(); }
  OpId NextOperation() { return {machine(), ++last_ticket_}; }

  mailbox::Account& account() { return *account_; }
  const config::Config& config() const { return *config_; }
  const config::Namespace& space() const;
  Selection* selection();
  const std::string& tag() const { return tag_; }
  MachineId machine() const { return MachineOf(conn_); }
  ConnId conn() const { return conn_; }
  SessionCounters& counters() { return counters_; }
  bool condstore() const { return condstore_; }
  bool qresync() const { return qresync_; }
  // A command used CONDSTORE (RFC 7162 section 3.1): from now on MODSEQ is told. Says the mailbox's HIGHESTMODSEQ
  // where it is the first.
  void EnableCondstore(bool tell_highest, Context& context);

  void Select(std::unique_ptr<Selection> selection);
  void Deselect(bool tell_closed, Context& context);
  // Tells what changed in the mailbox (notify_changes.cc).
  void TellChanges(bool expunges, bool with_uid, Context& context);
  void AppendFlagLines(std::string* out);  // FLAGS and PERMANENTFLAGS
  // `* n FETCH ([UID u ][MODSEQ (m) ]FLAGS (...))` of a row of the mailbox.
  struct FlagChange {
    bool with_uid = false;
    bool flags = true;
  };
  void AppendFlagChange(size_t row, FlagChange what, std::string* out);

  // The names of the message's flags, \Recent and keywords among them.
  void AppendFlagsOf(size_t row, std::string* out);

  // Storage names of what clients write. nullopt: the command was answered.
  std::optional<std::string> TakeMailboxName(std::string_view name, Context& context);
  std::string ShownMailboxName(std::string_view storage_name) const;
  // The text for people: "Mailbox doesn't exist: NAME", in UTF-8.
  std::string MissingMailboxText(std::string_view storage_name) const;
  // An operation on a mailbox failed: the tagged NO that says how, with `code_if_missing` where there is none. A
  // command that uses numbers tells no expunges in its failure either.
  void FinishFailed(const Status& status, std::string_view storage_name, std::string_view code_if_missing,
                    Context& context, Answer::Tell tell = Answer::Tell::kAll);

  // What is wrong with a keyword a client wants to set; "" when nothing.
  std::string_view KeywordFault(std::string_view keyword) const;
  // A file name for tmp/ that nobody else has.
  std::string UniqueName(Context& context);

  // Row numbers (from 0) in the view that a command's set names. nullopt: the command was answered, the set is invalid.
  using ViewRanges = std::vector<NumberSet::IndexRange>;
  std::optional<ViewRanges> TakeSet(const SequenceSet& set, bool uid, std::string_view command_name, Context& context);
  // The same without complaints: numbers beyond the mailbox name nothing (SEARCH).
  ViewRanges ResolveSet(const SequenceSet& set, bool uid);
  std::vector<uint32_t> UidsOf(const ViewRanges& ranges);

  void Log(std::string text, Context& context, Severity severity = Severity::kInfo,
           std::vector<std::pair<std::string, std::string>> fields = {}) const;
  // An untagged BYE, and the connection ends.
  void Bye(std::string_view text, std::string_view log_reason, Context& context);
  // Ends without a word: what was announced can't be sent.
  void Abort(std::string_view log_reason, Context& context);

 private:
  // ---- states ----
  struct NotAuthenticated {};
  struct StartingTls {};
  struct Authenticating {  // waits for the client's response
    std::unique_ptr<auth::Exchange> exchange;
  };
  struct LoggingIn {  // waits for the password's check, or for the end of the delay of a wrong one
    std::unique_ptr<auth::Exchange> exchange;  // null: the delay
    std::string late_code, late_text;
  };
  struct Authenticated {};
  struct Selected {
    std::unique_ptr<Selection> selection;
  };
  struct Logout {};
  // What only matters before login.
  struct Visitor {
    SecretFinder secrets;
    uint32_t failures = 0;          // of logins
    bool capability_asked = false;  // not only because of STARTTLS
    bool started_tls = false;       // by STARTTLS
    bool plaintext_refused = false;
    std::string user, mechanism;  // of the last attempt, for the log
    Instant began;
  };

  // ---- input (session.cc) ----
  void OnReceived(std::string_view bytes, Context& context);
  void TakeInput(Context& context);
  bool ReadyForInput() const;
  void HandleStep(const Framer::Step& step, Context& context);
  void HandleCommandText(std::string_view text, Context& context);
  void Execute(Command command, Context& context);
  bool CheckState(const CommandBody& body, const std::string& name, Context& context);
  void SettleRun(Context& context);
  void StartRun(std::unique_ptr<CommandRun> run, Context& context);
  void OnTimer(uint64_t tag, Context& context);
  void ArmTimer(Context& context);
  void AfterCommand(Context& context);
  void End(std::string_view log_reason, bool client_gone, Context& context);

  // ---- before login (session_login.cc) ----
  void HandleVisitorStep(const Framer::Step& step, Context& context);
  void HandleVisitorCommand(std::string_view text, Context& context);
  void HandleStartTls(Context& context);
  void OnTlsReady(const TlsFacts& facts, Context& context);
  void OnLoginDelayOver(Context& context);
  void LogVisitorEnd(std::string_view reason, Context& context);
  void HandleLogin(LoginCommand command, Context& context);
  void HandleAuthenticate(const AuthenticateCommand& command, Context& context);
  void HandleResponse(std::string_view line, Context& context);
  void Advance(std::unique_ptr<auth::Exchange> exchange, auth::Step step, Context& context);
  void FailLogin(const auth::Exchange& exchange, const auth::Step& step, Context& context);
  void SucceedLogin(const auth::Exchange& exchange, const auth::Step& step, Context& context);
  void LogAuthLines(const auth::Step& step, Context& context);
  void EnterAccount(bool capability_asked, Context& context);
  void RefusePlaintext(bool password_sent, Context& context);
  bool StartTlsAvailable() const;
  bool Secured() const;
  bool PlaintextAllowed() const;
  auth::ClientFacts ClientFacts() const;
  void SendTagged(Condition condition, std::string_view code, std::string_view text, Context& context);
  void VisitorBad(std::string_view text, Context& context);

  // ---- commands that are answered at once ----
  std::string CapabilityText() const;  // capability.cc
  void HandleCapability(Context& context);
  void HandleId(const IdCommand& command, Context& context);          // session_id.cc
  void HandleEnable(const EnableCommand& command, Context& context);  // session_id.cc
  void HandleNamespace(Context& context);                             // session_id.cc
  void HandleLogout(Context& context);
  void HandleUnselect(Context& context);  // session_select.cc

  ConnId conn_;
  Peer peer_;
  TlsFacts tls_;
  std::shared_ptr<const config::Config> config_;  // of the time the connection came
  mailbox::Directory& directory_;
  std::string session_id_;
  std::string user_;  // after login
  mailbox::Account* account_ = nullptr;
  std::shared_ptr<const mailbox::Actor> actor_;  // after login
  std::variant<NotAuthenticated, StartingTls, Authenticating, LoggingIn, Authenticated, Selected, Logout> state_;
  std::unique_ptr<Visitor> visitor_;  // null after login

  Framer framer_;
  std::string input_;    // not taken yet
  size_t input_at_ = 0;  // of input_ that was taken
  bool paused_ = false;
  bool awaiting_drain_ = false;
  bool entered_ = false;  // counted in Directory::Enter
  bool shutting_down_ = false;
  bool condstore_ = false, qresync_ = false;
  uint64_t unsent_bytes_ = 0;

  std::string tag_;  // of the command under way
  Instant command_began_;
  std::unique_ptr<CommandRun> run_;
  bool run_finished_ = false;
  uint64_t run_first_ticket_ = 0;  // completions of earlier commands are nobody's
  uint64_t last_ticket_ = 16;      // below are the tags of timers and questions
  uint32_t bad_commands_ = 0;

  Instant last_activity_;
  SessionCounters counters_;
};

}  // namespace postern::imap
