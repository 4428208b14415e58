// One user's mailboxes, as their owner shard holds them. Facts (UIDs, flags, expunges, subscriptions) are written here
// and nowhere else; new mail is an arrival that anyone may put into new/.
//
// Sessions of the same shard call an account synchronously inside their own step; whatever needs files is answered
// later by a Completion with the caller's ticket, also when it could have been answered at once: no call ever calls
// back. After every step the shard takes the completions and hands each to its session as a step of its own.
//
//   session --Select(ticket)--> Account --Scan, Read--> driver --ScanDone, ReadDone--> Account --Completion--> session
//
// Names of mailboxes here are storage names: modified UTF-7 as on disk without the leading dot, levels separated by
// '.', "INBOX" in upper case (namespaces.h maps what clients say). Errors: kNotFound no such mailbox or message,
// kAlreadyExists, kInvalidArgument a name that can't be, kResourceExhausted disk or limit, kUnavailable an I/O error:
// try again, kFailedPrecondition read-only. Owner: the shard. Ended when no session uses it and nothing it asked for is
// outstanding.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/mailbox/flags.h"

namespace postern::mailbox {

class MailboxState;  // mailbox_state.h: the columns of one mailbox, shared by all its sessions
class View;          // view.h: what one session has told its client of a mailbox

// Who a session is to people: for records of what it does to messages (records.h).
struct Actor {
  std::string protocol;  // "imap", "pop3"
  std::string source_ip;
  std::string session_id;
  uint32_t pid = 0;  // Directory::LogPid
};
// Where the answer goes, and who asks; `by` may be null.
struct Ticket {
  MachineId session{};
  uint64_t tag = 0;
  std::shared_ptr<const Actor> by = nullptr;
};

// ---- what operations answer -----------------------------------------------------------------------------------------

struct MailboxEntry {  // LIST
  std::string name;    // storage name
  bool exists = true;  // false: only a parent of an existing one, or only subscribed
  bool has_children = false;
  bool subscribed = false;
  bool marked = false;                   // there is mail in new/
  std::vector<std::string> special_use;  // "\\Sent"
};
struct ListResult {
  std::vector<MailboxEntry> entries;  // sorted by name, INBOX always among them
};
struct StatusResult {  // STATUS
  uint32_t messages = 0, recent = 0, unseen = 0, uidnext = 1, uidvalidity = 0;
  uint64_t highestmodseq = 1;
  uint64_t size_bytes = 0;  // RFC 8438, only when asked for
  std::string mailbox_id;   // the GUID of dovecot-uidlist
};
struct SelectResult {
  std::shared_ptr<MailboxState> state;     // lives as long as somebody holds it
  uint32_t recent_first_uid = UINT32_MAX;  // messages from this UID on are \Recent to this session
  bool read_only = false;
};
struct AppendResult {
  uint32_t uidvalidity = 0;
  std::vector<uint32_t> uids;
  std::vector<std::string> files;  // their RecordedName
};
struct CopyResult {  // UIDPLUS COPYUID; both lists of equal length, in order of source
  uint32_t uidvalidity = 0;
  std::vector<uint32_t> source_uids, target_uids;
};
struct StoreResult {
  std::vector<uint32_t> modified_uids;  // UNCHANGEDSINCE failed for these (RFC 7162 section 3.1.3)
  struct Message {
    uint32_t uid = 0;
    uint64_t modseq_before = 0, modseq = 0;  // equal: the flags were so already
  };
  std::vector<Message> messages;  // ascending; flags are as asked now
};
struct ExpungeResult {
  std::vector<uint32_t> uids;
  std::vector<std::string> files;  // their RecordedName
};
struct ReadResult {  // bytes as they are in the file (LF or CRLF line ends); valid during the completion
  std::string_view bytes;
  uint64_t file_bytes = 0;
};
struct Done {};  // CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, Refresh, LoadFacts

using Outcome = std::variant<Done, ListResult, StatusResult, SelectResult, AppendResult, CopyResult, StoreResult,
                             ExpungeResult, ReadResult>;

struct Completion {
  Ticket ticket;
  Status status;  // the outcome counts only where it is OK (StoreResult and CopyResult: always)
  Outcome outcome;
  std::string owned_bytes;  // what ReadResult::bytes points into, where needed
};

// What a session that uses accounts offers to its shard. Called as a step of its own, never from inside a call.
class AccountClient {
 public:
  virtual ~AccountClient() = default;
  virtual void OnCompletion(Completion& completion, Context& context) = 0;
  // Something changed in the mailbox that this session has selected: new mail, flags, expunges. A session that idles
  // syncs its view now, others at their next chance.
  virtual void OnMailboxChanged(Context& context) = 0;
};

// ---- what operations take -------------------------------------------------------------------------------------------

enum class StoreMode : uint8_t { kReplace, kAdd, kRemove };
struct StoreRequest {
  std::vector<uint32_t> uids;  // ascending
  StoreMode mode = StoreMode::kReplace;
  Flags flags = 0;
  std::vector<std::string> keywords;  // names; new ones are made (kResourceExhausted beyond kKeywordCountMax)
  std::optional<uint64_t> unchanged_since;
};
// A message on its way into a mailbox, written by MessageWriter (message_writer.h): in memory, or as files in tmp/.
struct NewMessage {
  SharedBytes bytes;                        // null: already in `tmp_path`
  Path tmp_path;                            // in this mailbox's tmp/, complete, not synced yet
  uint64_t file_bytes = 0, crlf_bytes = 0;  // ,S= and ,W=
  Flags flags = 0;
  std::vector<std::string> keywords;
  std::optional<int64_t> internal_date_seconds;  // absent: now
  std::string message_id;                        // of its header, for records; empty: none, or not known
};

struct AccountFacts {
  std::string user;
  Path maildir;      // the root: /home/vmail/example.test/alice/Maildir
  Path control_dir;  // CONTROL=; equal to maildir without it
  FileOwner owner;
};

// Facts of the process that go into unique names.
struct NodeFacts {
  std::string host_name;  // '/' and ':' replaced as the Maildir rules say
  uint32_t pid = 0;
  uint64_t start_counter = 0;
};

class Account : public Machine {
 public:
  Account(MachineId id, AccountFacts facts, NodeFacts node);
  ~Account() override;

  // ---- events of its own operations (PlanDone, ReadDone, ScanDone, StatDone, TimerFired, DirChanged, Posted) ----
  void Step(const Event& event, Context& context) override;
  bool ended() const override;
  void AddTo(StableDigest& digest) const override;
  const AccountFacts& facts() const;

  // ---- mailboxes ----
  void List(Ticket, Context&);                                              // -> ListResult
  void GetStatus(Ticket, std::string_view name, bool want_size, Context&);  // -> StatusResult
  void Create(Ticket, std::string_view name, Context&);                     // with missing parents left out (Maildir++)
  void Delete(Ticket, std::string_view name, Context&);                     // sessions that have it selected lose it
  void Rename(Ticket, std::string_view from, std::string_view to, Context&);  // INBOX: moves its messages
  void Subscribe(Ticket, std::string_view name, bool subscribed, Context&);

  // ---- messages of a selected mailbox ----
  // INBOX is made when missing. Read-write: messages in new/ are taken over into cur/ as \Recent to this session.
  void Select(Ticket, std::string_view name, bool read_only, Context&);  // -> SelectResult
  void Unselect(MachineId session, Context&);                            // also when the session ends
  // Looks for what others did to the folder (a delivery agent, another Maildir program), when its mtimes say so.
  void Refresh(Ticket, MailboxState& state, Context&);
  void Store(Ticket, MailboxState& state, StoreRequest request, Context&);
  void Expunge(Ticket, MailboxState& state, std::vector<uint32_t> uids, Context&);  // of these, those with \Deleted
  // Of these, all, whatever their flags, in one plan (POP3's QUIT). -> ExpungeResult; a failure names what stayed.
  void Remove(Ticket, MailboxState& state, std::vector<uint32_t> uids, Context&);
  // With `move` (RFC 6851) the sources are expunged once the copies are durable.
  void Copy(Ticket, MailboxState& state, std::vector<uint32_t> uids, std::string_view to, bool move, Context&);
  void ReadMessage(Ticket, MailboxState& state, uint32_t uid, uint64_t offset, uint64_t length, Context&);
  // For the records: the session has given these messages (ascending UIDs) to its client. Answers nothing.
  void RecordRead(const Actor* by, const MailboxState& state, const std::vector<uint32_t>& uids, Context&);
  // Fills the columns sizes (RFC822.SIZE) and dates (INTERNALDATE) for these messages where they are unknown.
  void LoadFacts(Ticket, MailboxState& state, std::vector<uint32_t> uids, bool sizes, bool dates, Context&);

  // ---- new messages ----
  // APPEND: all of them or none (RFC 3502), durable when answered. kNotFound: no such mailbox ([TRYCREATE]).
  void AppendMessages(Ticket, std::string_view name, std::vector<NewMessage> messages, Context&);
  // The folder of an existing mailbox, for MessageWriter's tmp files; empty where there is none.
  Path MailboxDir(std::string_view name) const;
  void Arrived(const Path& mailbox_dir, Context&);  // new mail was put into new/

  // What is to be handed to sessions, in order; `changed`: sessions whose selected mailbox changed.
  std::vector<Completion> TakeCompletions();
  std::vector<MachineId> TakeChanged();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What sessions ask of their shard.
// Folders whose names, and those of all folders above them, this process has seen flushed. Of any other one a process
// that died may have left the name there and not durable: who promises something below it flushes it first.
class DurableFolders {
 public:
  bool Has(std::string_view folder) const { return folders_.contains(folder); }
  void Add(std::string_view folder) { folders_.emplace(folder); }

 private:
  std::set<std::string, std::less<>> folders_;  // Maildirs that got mail, and the queue
};

class Directory {
 public:
  virtual ~Directory() = default;
  DurableFolders& durable_folders() { return durable_folders_; }
  // The account of a logged-in user, opened when needed; null and a Status where userdb or location are unusable. Only
  // on the shard that owns it: a session asks OwnerOf first and hands its connection over where that is another one.
  virtual StatusOr<Account*> Open(std::string_view user, MachineId session, std::string_view service, Context&) = 0;
  virtual void Release(std::string_view user, MachineId session, Context&) = 0;
  virtual ShardId OwnerOf(std::string_view user) const = 0;
  virtual ShardId self() const = 0;
  // Tells the owner of the account, wherever it is, that mail lies in new/ of `mailbox_dir`.
  virtual void AnnounceArrival(std::string_view user, const Path& mailbox_dir, Context&) = 0;
  // mail_max_userip_connections: false where this user already has that many sessions of this protocol from the address
  // (counted on the owner shard); counts it otherwise, until Leave.
  virtual bool Enter(std::string_view service, std::string_view user, const IpAddress& address, uint32_t limit) = 0;
  virtual void Leave(std::string_view service, std::string_view user, const IpAddress& address) = 0;
  virtual const NodeFacts& node() const = 0;
  // A number for log lines, 1..4194303, unlike that of other living connections.
  virtual uint32_t LogPid(ConnId conn) const = 0;
  // A message lies in the queue's incoming/. Told to whoever delivers, safe to lose: it is found there at the next
  // start.
  virtual void AnnounceQueued(const std::string& id, Context&) { (void)id; }
  // What waits in the queue for this domain is to be tried now (ETRN, RFC 1985). Asked of whoever delivers, safe to
  // lose.
  virtual void FlushSite(std::string_view domain, Context&) { (void)domain; }
  // A queue or delivery id, unique in this process: [0-9A-F]{12}, growing with the clock.
  virtual std::string NextQueueId(Context&) = 0;

 private:
  DurableFolders durable_folders_;
};

}  // namespace postern::mailbox
