// One POP3 session (RFC 1939), with CAPA (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034), PIPELINING, RESP-CODES and
// AUTH-RESP-CODE (RFC 3206), as a machine.
//
//   Authorization --AUTH--> Exchanging --+-> Verifying --ok--> Entering --INBOX open--> Transaction --QUIT--> Updating
//        ^   |  \--USER, PASS----------- |      |                 |                        |                    |
//        |   +--STLS--> StartingTls      |      +--wrong--> Delaying --+                   +--> Retrieving ->--+ |
//        +------------------------------+-----------------------------+                    (RETR, TOP)           v
//                                                                        any state --disconnect, timeout--> Closed
//
// The list of messages is frozen when the mailbox opens; a message marked by DELE goes at QUIT and only then, in one
// file plan: a connection that breaks deletes nothing (RFC 1939 section 6). Owner: the shard. Bounded: a line of at
// most kLineBytesMax, one command at a time, one read of the message file ahead.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/auth/sasl.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/mailbox/account.h"
#include "core/mailbox/mailbox_state.h"
#include "core/pop3/command.h"

namespace postern::pop3 {

// RFC 2449 section 4 allows 255; a SASL response may be as long as auth::kResponseBytesMax in base64.
inline constexpr size_t kLineBytesMax = 16640;

class Pop3Session final : public Machine, public mailbox::AccountClient {
 public:
  // A fresh connection: greets it.
  Pop3Session(ConnId conn, const Accepted& accepted, std::shared_ptr<const config::Config> config,
              mailbox::Directory& directory, Context& context);
  // A connection whose login another shard has checked.
  Pop3Session(const Adopted& adopted, std::shared_ptr<const config::Config> config, mailbox::Directory& directory,
              Context& context);

  void Step(const Event& event, Context& context) override;
  bool ended() const override { return std::holds_alternative<Closed>(state_); }
  void AddTo(StableDigest& digest) const override;

  void OnCompletion(mailbox::Completion& completion, Context& context) override;
  void OnMailboxChanged(Context&) override {}  // the list is frozen

 private:
  // ---- states ----
  struct Authorization {};
  struct StartingTls {};
  struct Exchanging {
    std::unique_ptr<auth::Exchange> exchange;
  };
  struct Verifying {
    std::unique_ptr<auth::Exchange> exchange;
  };
  struct Delaying {  // a wrong password is answered late (auth_failure_delay)
    std::string reply;
  };
  struct Entering {};  // the account opens
  struct Message {
    uint32_t uid = 0;
    uint64_t size_bytes = 0;  // with CRLF line ends
    bool deleted = false;
    bool retrieved = false;
    bool recorded = false;  // that it was
    bool was_seen = false;  // when the mailbox was opened
  };
  struct Transaction {};
  // A message on its way to the client: RETR and TOP.
  struct Retrieving {
    size_t index = 0;
    uint64_t offset_bytes = 0;  // into the file
    uint64_t file_bytes = UINT64_MAX;
    int64_t body_lines_left = -1;  // TOP; -1: all
    bool in_body = false;
    char last = '\n';  // the byte before, for dot-stuffing and CRLF
    char last_out = '\n';
    bool line_is_empty = true;
    bool started = false;
    bool reading = false;
  };
  struct Updating {};
  struct Closed {};

  // ---- input ----
  void OnReceived(std::string_view bytes, Context& context);
  void TakeLines(Context& context);
  bool ReadyForLine() const;
  void HandleLine(std::string_view line, Context& context);
  void HideSecrets(std::string_view bytes, Context& context) const;

  // ---- authorization (session_login.cc) ----
  void HandleAuthorization(const Command& command, Context& context);
  void SendCapabilities(Context& context);
  void HandleStls(Context& context);
  void HandleAuth(std::string_view arguments, Context& context);
  void HandlePass(std::string_view password, Context& context);
  void HandleResponse(std::string_view line, Context& context);
  void Advance(std::unique_ptr<auth::Exchange> exchange, auth::Step step, Context& context);
  void Fail(const auth::Exchange& exchange, const auth::Step& step, Context& context);
  void Succeed(const auth::Exchange& exchange, Context& context);
  void Enter(Context& context);
  bool PlaintextAllowed() const;

  // ---- transaction (session_transaction.cc) ----
  void HandleTransaction(const Command& command, Context& context);
  void HandleStat(Context& context);
  void HandleList(std::string_view arguments, Context& context);
  void HandleUidl(std::string_view arguments, Context& context);
  void HandleDele(std::string_view arguments, Context& context);
  void HandleRetr(std::string_view arguments, bool top, Context& context);
  void HandleQuit(Context& context);
  // The index of the message that the first word names; answers -ERR and gives false where there is none.
  bool TakeMessage(std::string_view* arguments, size_t* index, Context& context);
  // The same where nothing may follow.
  bool TakeOnlyMessage(std::string_view arguments, size_t* index, Context& context);
  bool TakeLineCount(std::string_view arguments, int64_t* lines, Context& context);
  void HandleReset(Context& context);
  const std::vector<std::string>& Uidls();
  void FillMessages();
  void OnSelected(mailbox::Completion& completion, Context& context);
  void OnRead(mailbox::Completion& completion, Context& context);
  void RequestRead(Retrieving& retrieving, Context& context);
  void EmitBytes(Retrieving& retrieving, std::string_view bytes, std::string* out) const;
  void RecordRead(Context& context);
  void OnUpdated(mailbox::Completion& completion, Context& context);
  std::string LogoutFacts() const;                // pop3_logout_format
  bool WorksAround(std::string_view name) const;  // pop3_client_workarounds

  // ---- all states ----
  void Say(std::string_view line, Context& context);  // adds CRLF
  void ArmTimer(Context& context);
  void OnTimer(uint64_t tag, Context& context);
  void End(Context& context, std::string_view why, bool client_gone = false);
  void Log(Context& context, std::string text, Severity severity = Severity::kInfo,
           std::vector<std::pair<std::string, std::string>> fields = {}) const;

  ConnId conn_;
  Peer peer_;
  TlsFacts tls_;
  std::shared_ptr<const config::Config> config_;  // of the time the connection came
  mailbox::Directory& directory_;
  std::string session_id_;
  std::variant<Authorization, StartingTls, Exchanging, Verifying, Delaying, Entering, Transaction, Retrieving, Updating,
               Closed>
      state_;

  std::string input_;            // a line not complete yet, or lines behind a command under way
  size_t input_taken_ = 0;       // of input_, inside TakeLines: lines that were handled already
  bool input_overlong_ = false;  // the rest of an overlong line is thrown away
  bool paused_ = false;

  std::string user_;         // USER, later the login
  std::string failed_user_;  // of the last login that failed, for the log
  std::string mechanism_;
  uint32_t failures_ = 0;  // of logins
  uint32_t bad_commands_ = 0;
  int updates_open_ = 0;  // of QUIT
  bool delete_failed_ = false;
  bool entered_ = false;  // counted in Directory::Enter
  bool locked_ = false;   // the same, of pop3_lock_session
  mailbox::Account* account_ = nullptr;
  std::shared_ptr<const mailbox::Actor> actor_;  // after login
  std::shared_ptr<mailbox::MailboxState> mailbox_;
  std::vector<Message> messages_;
  std::vector<std::string> uidls_;  // of messages_, made when first asked for
  size_t last_retrieved_ = 0;       // RFC 1460's LAST: the highest number, 0 for none
  Instant last_activity_;
  Instant began_;

  // Of the logout line.
  uint32_t top_count_ = 0, retr_count_ = 0;
  uint64_t top_bytes_ = 0, retr_bytes_ = 0, mailbox_bytes_ = 0, deleted_count_ = 0, in_bytes_ = 0, out_bytes_ = 0;
};

}  // namespace postern::pop3
