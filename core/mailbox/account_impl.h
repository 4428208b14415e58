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
    int tries_left = 2;
  };
  struct Folders {            // of one look at the root
    Status status;
    std::set<std::string> names;  // storage names, INBOX always
    Subscriptions subscriptions;
  };

  Path DirOf(std::string_view name) const;
  Mailbox& BoxOf(std::string_view name);
  Mailbox* BoxOf(const MailboxState& state);  // null: deleted meanwhile
  void Forget(std::string_view name);
  void Changed(const Mailbox& box);
  void Answer(Ticket ticket, const Status& status, Outcome outcome);
  void SettleReadWrite(Mailbox& box) const;
  // The UID from which on messages are \Recent; with `take` they are nobody else's any more.
  uint32_t TakeRecent(Mailbox& box, bool take);

  void Expunge(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, bool only_deleted, Context& context);
  void CopyOnce(std::shared_ptr<CopyRun> run, Context& context);
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
  void RenameFolders(Ticket ticket, const std::string& from, const std::string& to, const Folders& folders, Context& context);

  AccountFacts facts;
  Io io;
  UniqueNames names;
  std::map<std::string, std::unique_ptr<Mailbox>, std::less<>> boxes;
  std::vector<std::unique_ptr<Mailbox>> graveyard;
  std::map<MachineId, Selection> selections;
  std::map<const Mailbox*, uint32_t> recent_from;   // the first UID not yet \Recent to any read-write session
  std::set<const Mailbox*> refresh_waiting;
  std::vector<Completion> completions;
  std::vector<MachineId> changed;
  std::deque<FolderOperation> folder_waiting;
  bool folder_busy = false;
};

}  // namespace postern::mailbox
