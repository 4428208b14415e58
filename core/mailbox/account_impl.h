// The inside of an account. Private to core/mailbox.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/mailbox/account.h"
#include "core/mailbox/io.h"
#include "core/mailbox/mailbox.h"
#include "core/mailbox/names.h"
#include "core/mailbox/subscriptions.h"

namespace postern::mailbox {

class Account::Impl {
 public:
  Impl(MachineId id, AccountFacts account_facts, NodeFacts node);

  struct Selection {
    Mailbox* box = nullptr;
    bool read_only = false;
  };
  struct CopyRun {
    Ticket ticket;
    Mailbox* source = nullptr;
    std::vector<uint32_t> uids;
    std::string to;
    bool move = false;
    bool renames = false;                                 // it is RENAME of INBOX: answered with Done
    std::vector<std::string> source_files, target_files;  // RecordedName, as the result's UIDs
    int tries_left = 2;
  };
  struct Folders {  // of one look at the root
    Status status;
    std::set<std::string> names;  // storage names, INBOX always
    Subscriptions subscriptions;
  };

  Path DirOf(std::string_view name) const;
  bool has_control_dir() const { return facts.control_dir != facts.maildir; }
  Path ControlDirOf(std::string_view name) const;
  Mailbox& BoxOf(std::string_view name);
  Mailbox* BoxOf(const MailboxState& state);  // null: deleted meanwhile
  void Forget(std::string_view name, Context& context);
  void Release(Mailbox& box, Context& context);
  void TrimBoxes(Context& context);
  void SelectNow(Ticket ticket, Mailbox& box, bool read_only, Context& context);
  void LookSoon(Mailbox& box, Context& context);
  void LookNow(Mailbox& box, Context& context);
  void Changed(const Mailbox& box);
  void Answer(Ticket ticket, const Status& status, Outcome outcome);
  // Tells the mailbox who has it selected.
  void SettleUse(Mailbox& box, Context& context);

  void Expunge(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, bool only_deleted, Context& context);
  void CopyOnce(std::shared_ptr<CopyRun> run, Context& context);
  void AnswerCopy(const CopyRun& run, const Status& status, CopyResult result);
  void RecordAppended(const Ticket& ticket, std::string_view mailbox, const std::vector<std::string>& message_ids,
                      const AppendResult& result, Context& context) const;
  void RecordCopies(const CopyRun& run, const CopyResult& copies, const std::vector<uint32_t>& gone,
                    Context& context) const;
  void OnCopied(std::shared_ptr<CopyRun> run, const std::vector<uint32_t>& sources, const Status& status,
                AppendResult result, Context& context);
  void CopyInto(Mailbox& target, std::shared_ptr<CopyRun> run, Context& context);

  // ---- account_folders.cc ----
  // Calls `then` with the mailbox where its folder exists (INBOX, and folders of auto = create, are made when missing);
  // `failed` with kNotFound otherwise.
  void WithFolder(std::string name, bool make_inbox, Context& context, std::function<void(Mailbox&, Context&)> then,
                  std::function<void(const Status&, Context&)> failed);
  void LookAtFolders(Context& context, std::function<void(const Folders&, Context&)> then);
  void MakeFolder(const std::string& name, Context& context, std::function<void(const Status&, Context&)> then);
  void WriteSubscriptions(const Subscriptions& subscriptions, Context& context,
                          std::function<void(const Status&, Context&)> then);
  // Folder operations go one after the other.
  using FolderOperation = std::function<void(Context&)>;
  void EnqueueFolder(FolderOperation operation, Context& context);
  void FinishFolder(Context& context);
  void RenameInbox(Ticket ticket, const std::string& to, Context& context);
  void RenameFolders(Ticket ticket, const std::string& from, const std::string& to, const Folders& folders,
                     Context& context);
  struct RenameRun;
  void RenameOnce(std::shared_ptr<RenameRun> run, size_t index, Context& context);
  void CommitRename(std::shared_ptr<RenameRun> run, const std::set<std::string>& control_dirs, Context& context);
  void SweepTrash(const ScanDone& scan, Context& context);

  AccountFacts facts;
  Io io;
  UniqueNames names;
  std::map<std::string, std::unique_ptr<Mailbox>, std::less<>> boxes;
  std::vector<std::unique_ptr<Mailbox>> graveyard;
  std::map<MachineId, Selection> selections;
  uint32_t last_uidvalidity = 0;
  std::map<MachineId, uint64_t> selecting;  // session -> tag of a SELECT that is not answered yet
  std::map<Mailbox*, uint64_t> watches;     // of selected mailboxes
  std::set<const Mailbox*> looks_due;       // a timer runs
  std::set<const Mailbox*> refresh_waiting;
  bool trash_swept = false;
  std::vector<Completion> completions;
  std::vector<MachineId> changed;
  std::deque<FolderOperation> folder_waiting;
  bool folder_busy = false;
};

}  // namespace postern::mailbox
