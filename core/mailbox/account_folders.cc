// The folders of an account: LIST, STATUS, CREATE, DELETE, RENAME, subscriptions. They change one after the other.
#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/account_impl.h"
#include "core/mailbox/namespaces.h"
#include "core/mailbox/records.h"

namespace postern::mailbox {
namespace {

constexpr uint64_t kSubscriptionsBytesMax = 1 << 20;
// At the end of the name of a folder that is being removed.
constexpr std::string_view kTrashMark = ",removed";

const config::SpecialMailbox* FindSpecial(std::string_view storage_name, const config::Storage& storage) {
  const config::Namespace& space = PersonalNamespace(storage);
  for (const config::SpecialMailbox& special : space.mailboxes) {
    const auto name = StorageName(space.prefix + special.name, space);
    if (name.ok() && *name == storage_name) return &special;
  }
  return nullptr;
}

bool IsBelow(std::string_view name, std::string_view parent) {
  return name.size() > parent.size() && name.starts_with(parent) && name[parent.size()] == '.';
}

}  // namespace

void Account::Impl::EnqueueFolder(FolderOperation operation, Context& context) {
  folder_waiting.push_back(std::move(operation));
  if (folder_busy) return;
  folder_busy = true;
  const FolderOperation next = std::move(folder_waiting.front());
  folder_waiting.pop_front();
  next(context);
}

void Account::Impl::FinishFolder(Context& context) {
  folder_busy = false;
  if (folder_waiting.empty()) return;
  folder_busy = true;
  const FolderOperation next = std::move(folder_waiting.front());
  folder_waiting.pop_front();
  next(context);
}

void Account::Impl::WithFolder(std::string name, bool make_inbox, Context& context,
                               std::function<void(Mailbox&, Context&)> then,
                               std::function<void(const Status&, Context&)> failed) {
  const auto open = boxes.find(name);
  if (open != boxes.end() && open->second->ready()) return then(*open->second, context);
  TrimBoxes(context);
  io.Stat({DirOf(name) + "/cur", DirOf(name) + "/new", DirOf(name) + "/tmp"}, context,
          [this, name, make_inbox, then, failed](const StatDone& done, Context& later) {
            const bool there = done.files.size() == 3 && done.files[0].status.ok() && done.files[0].is_dir;
            const bool whole = there && done.files[1].status.ok() && done.files[2].status.ok();
            if (whole) return then(BoxOf(name), later);
            const config::SpecialMailbox* special = FindSpecial(name, later.config.storage);
            const bool makes = there || (name == "INBOX" && make_inbox) ||
                               (special != nullptr && special->auto_create != config::SpecialMailbox::Auto::kNo);
            if (!makes) return failed(NotFound("Mailbox doesn't exist: " + name), later);
            MakeFolder(name, later, [this, name, then, failed](const Status& status, Context& after) {
              if (!status.ok()) return failed(status, after);
              then(BoxOf(name), after);
            });
          });
}

void Account::Impl::MakeFolder(const std::string& name, Context& context,
                               std::function<void(const Status&, Context&)> then) {
  const Path dir = DirOf(name);
  FilePlan plan{.stages = {{MakeDir{dir + "/cur"}, MakeDir{dir + "/new"}, MakeDir{dir + "/tmp"}}},
                .owner = facts.owner};
  if (name != "INBOX") {
    // Courier and maildrop know a sub-folder by this empty file.
    plan.stages.push_back({Unlink{dir + "/maildirfolder"}});
    plan.stages.push_back({postern::Create{.path = dir + "/maildirfolder"}});
  }
  // The names must outlive a power loss before mail that is promised to is put below them.
  Stage settle;
  AddSyncOfPath(dir, &settle);
  plan.stages.push_back(std::move(settle));
  io.Commit(std::move(plan), context,
            [then = std::move(then)](const PlanResult& result, Context& later) { then(result.status(), later); });
}

void Account::Impl::LookAtFolders(Context& context, std::function<void(const Folders&, Context&)> then) {
  auto folders = std::make_shared<Folders>();
  io.Scan(facts.maildir, context, [this, folders, then = std::move(then)](const ScanDone& scan, Context& later) {
    folders->names.insert("INBOX");
    if (!scan.status.ok() && scan.status.code() != StatusCode::kNotFound) folders->status = scan.status;
    for (const DirEntry& entry : scan.entries) {
      // ".." begins what is on its way out; "." alone is no name.
      if (entry.is_dir && entry.name.size() > 1 && entry.name[0] == '.' && entry.name[1] != '.') {
        folders->names.insert(entry.name.substr(1));
      }
    }
    SweepTrash(scan, later);
    io.Read(facts.control_dir + "/subscriptions", 0, kSubscriptionsBytesMax, later,
            [folders, then](const ReadDone& read, Context& after) {
              if (read.status.ok() && read.file_bytes > read.bytes.size()) {
                // Only a part of it was read: writing it anew would lose the rest.
                folders->status = ResourceExhausted("the subscriptions file is too long");
                return then(*folders, after);
              }
              if (read.status.ok()) {
                folders->subscriptions = ParseSubscriptions(read.bytes);
              } else if (read.status.code() != StatusCode::kNotFound && folders->status.ok()) {
                folders->status = read.status;
              }
              then(*folders, after);
            });
  });
}

// Mailboxes whose removal was cut off by a crash.
void Account::Impl::SweepTrash(const ScanDone& scan, Context& context) {
  if (trash_swept || !scan.status.ok()) return;
  trash_swept = true;
  Stage stage;
  for (const DirEntry& entry : scan.entries) {
    const bool ours = entry.name.size() > 2 && entry.name.starts_with("..") && entry.name[2] >= '0' &&
                      entry.name[2] <= '9' && entry.name.find(kTrashMark) != std::string::npos;
    if (entry.is_dir && ours && !names.MadeInThisLife(entry.name))
      stage.push_back(RemoveTree{facts.maildir + "/" + entry.name});
  }
  if (stage.empty()) return;
  io.Commit({.stages = {std::move(stage)}, .owner = facts.owner}, context, [](const PlanResult&, Context&) {});
}

Path Account::Impl::ControlDirOf(std::string_view name) const {
  return name == "INBOX" ? facts.control_dir : facts.control_dir + "/." + std::string(name);
}

void Account::List(Ticket ticket, Context& context) {
  Impl* impl = impl_.get();
  impl->LookAtFolders(context, [impl, ticket](const Impl::Folders& folders, Context& later) {
    std::set<std::string> names = folders.names;
    for (const config::SpecialMailbox& special : PersonalNamespace(later.config.storage).mailboxes) {
      if (special.auto_create == config::SpecialMailbox::Auto::kNo) continue;
      const config::Namespace& space = PersonalNamespace(later.config.storage);
      if (const auto name = StorageName(space.prefix + special.name, space); name.ok()) names.insert(*name);
    }
    ListResult result;
    std::set<std::string> all = names;
    all.insert(folders.subscriptions.names.begin(), folders.subscriptions.names.end());
    for (const std::string& name : std::set<std::string>(all)) {  // missing parents are seen, too
      for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
        all.insert(name.substr(0, dot));
    }
    for (const std::string& name : all) {
      MailboxEntry entry{.name = name, .exists = names.contains(name)};
      entry.subscribed = folders.subscriptions.names.contains(name);
      const auto below = names.lower_bound(name + ".");
      entry.has_children = below != names.end() && IsBelow(*below, name);
      if (const auto open = impl->boxes.find(name); open != impl->boxes.end())
        entry.marked = open->second->recent_count() > 0;
      if (const auto* special = FindSpecial(name, later.config.storage)) {
        entry.special_use = special->special_use;
        entry.subscribed |= special->auto_create == config::SpecialMailbox::Auto::kSubscribe;
      }
      if (entry.exists || entry.subscribed || entry.has_children) result.entries.push_back(std::move(entry));
    }
    impl->Answer(ticket, folders.status, std::move(result));
  });
}

void Account::GetStatus(Ticket ticket, std::string_view name, bool want_size, Context& context) {
  Impl* impl = impl_.get();
  const auto failed = [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, StatusResult{}); };
  const auto tell = [impl, ticket](Mailbox& box) {
    const MailboxState& state = *box.state();
    StatusResult result{.messages = static_cast<uint32_t>(state.count()),
                        .recent = box.recent_count(),
                        .uidnext = state.uidnext,
                        .uidvalidity = state.uidvalidity,
                        .highestmodseq = state.highestmodseq,
                        .mailbox_id = state.guid};
    for (size_t row = 0; row < state.count(); ++row) {
      if (!(state.flags[row] & kSeen)) ++result.unseen;
      if (state.crlf_sizes[row] != kUnknownSize) result.size_bytes += state.crlf_sizes[row];
    }
    impl->Answer(ticket, Status(), std::move(result));
  };
  impl->WithFolder(
      std::string(name), /*make_inbox=*/true, context,
      [failed, tell, want_size](Mailbox& box, Context& later) {
        Mailbox* raw = &box;
        box.Enqueue(
            [raw, failed, tell, want_size](Context& turn) {
              raw->Refresh(false, turn, [raw, failed, tell, want_size](const Status& status, Context& after) {
                if (!status.ok()) return failed(status, after);
                if (!want_size) return tell(*raw);
                raw->LoadFacts(raw->state()->uids, true, false, after, [raw, tell](Context&) { tell(*raw); });
              });
            },
            failed, later);
      },
      failed);
}

void Account::Create(Ticket ticket, std::string_view name, Context& context) {
  Impl* impl = impl_.get();
  impl->EnqueueFolder(
      [impl, ticket, name = std::string(name)](Context& turn) {
        impl->LookAtFolders(turn, [impl, ticket, name](const Impl::Folders& folders, Context& later) {
          const auto end = [impl, ticket](const Status& status, Context& after) {
            impl->FinishFolder(after);
            impl->Answer(ticket, status, Done{});
          };
          if (!folders.status.ok()) return end(folders.status, later);
          if (folders.names.contains(name)) return end(AlreadyExists("Mailbox already exists"), later);
          impl->MakeFolder(name, later, end);
        });
      },
      context);
}

void Account::Delete(Ticket ticket, std::string_view name, Context& context) {
  Impl* impl = impl_.get();
  impl->EnqueueFolder(
      [impl, ticket, name = std::string(name)](Context& turn) {
        const auto end = [impl, ticket](const Status& status, Context& after) {
          impl->FinishFolder(after);
          impl->Answer(ticket, status, Done{});
        };
        if (name == "INBOX") return end(FailedPrecondition("INBOX can't be deleted."), turn);
        impl->LookAtFolders(turn, [impl, ticket, name, end](const Impl::Folders& folders, Context& later) {
          if (!folders.status.ok()) return end(folders.status, later);
          if (!folders.names.contains(name)) return end(NotFound("Mailbox doesn't exist: " + name), later);
          Mailbox& box = impl->BoxOf(name);
          Mailbox* raw = &box;
          box.EnqueueRaw(
              [impl, ticket, raw, name, end](Context& alone) {
                // First out of sight in one step, then piece by piece.
                const Path trash =
                    impl->facts.maildir + "/.." + impl->names.Next(alone.now.wall) + std::string(kTrashMark);
                FilePlan plan{.stages = {{postern::Rename{.from = impl->DirOf(name), .to = trash}},
                                         {SyncDir{impl->facts.maildir}}},
                              .owner = impl->facts.owner};
                Stage remove{RemoveTree{trash}};
                if (impl->has_control_dir()) remove.push_back(RemoveTree{impl->ControlDirOf(name)});
                plan.stages.push_back(std::move(remove));
                impl->io.Commit(
                    std::move(plan), alone, [impl, ticket, raw, name, end](const PlanResult& result, Context& after) {
                      const bool gone = result.ok() || result.failures.front().stage > 0;
                      if (gone) RecordMailboxAct(ticket.by.get(), impl->facts.user, "mailbox.deleted", name, "", after);
                      if (gone) impl->Forget(name, after);
                      raw->Finish(after);
                      end(gone ? Status() : result.status(), after);
                    });
              },
              later);
        });
      },
      context);
}

void Account::Rename(Ticket ticket, std::string_view from, std::string_view to, Context& context) {
  Impl* impl = impl_.get();
  impl->EnqueueFolder(
      [impl, ticket, from = std::string(from), to = std::string(to)](Context& turn) {
        impl->LookAtFolders(turn, [impl, ticket, from, to](const Impl::Folders& folders, Context& later) {
          const auto end = [impl, ticket](const Status& status, Context& after) {
            impl->FinishFolder(after);
            impl->Answer(ticket, status, Done{});
          };
          if (!folders.status.ok()) return end(folders.status, later);
          if (folders.names.contains(to)) return end(AlreadyExists("Target mailbox already exists"), later);
          // A name that is only a parent is renamed with what is below it.
          const auto below = folders.names.lower_bound(from + ".");
          const bool is_parent = below != folders.names.end() && IsBelow(*below, from);
          if (!folders.names.contains(from) && !is_parent)
            return end(NotFound("Mailbox doesn't exist: " + from), later);
          if (IsBelow(to, from)) return end(InvalidArgument("Can't rename mailbox under itself."), later);
          if (from == "INBOX") return impl->RenameInbox(ticket, to, later);
          impl->RenameFolders(ticket, from, to, folders, later);
        });
      },
      context);
}

// RFC 3501 section 6.3.5: INBOX stays, its messages move.
void Account::Impl::RenameInbox(Ticket ticket, const std::string& to, Context& context) {
  const auto end = [this, ticket](const Status& status, Context& after) {
    FinishFolder(after);
    Answer(ticket, status, Done{});
  };
  WithFolder(
      "INBOX", /*make_inbox=*/true, context,
      [this, ticket, to, end](Mailbox&, Context& found) {
        MakeFolder(to, found, [this, ticket, to, end](const Status& status, Context& later) {
          if (!status.ok()) return end(status, later);
          Mailbox* inbox = &BoxOf("INBOX");
          inbox->Enqueue(
              [this, ticket, to, inbox](Context& turn) {
                auto run = std::make_shared<CopyRun>(CopyRun{.ticket = ticket,
                                                             .source = inbox,
                                                             .uids = inbox->state()->uids,
                                                             .to = to,
                                                             .move = true,
                                                             .renames = true});
                inbox->Finish(turn);
                FinishFolder(turn);
                CopyOnce(run, turn);
              },
              end, later);
        });
      },
      end);
}

struct Account::Impl::RenameRun {
  Ticket ticket;
  std::string from, to;
  std::vector<std::string> moved;  // `from` and what is below it
  std::vector<Mailbox*> held;
};

void Account::Impl::RenameFolders(Ticket ticket, const std::string& from, const std::string& to, const Folders& folders,
                                  Context& context) {
  auto run = std::make_shared<RenameRun>(RenameRun{.ticket = ticket, .from = from, .to = to});
  for (const std::string& name : folders.names) {
    if (name != from && !IsBelow(name, from)) continue;
    if (folders.names.contains(to + name.substr(from.size()))) {
      FinishFolder(context);
      return Answer(ticket, AlreadyExists("Target mailbox already exists"), Done{});
    }
    run->moved.push_back(name);
  }
  RenameOnce(run, 0, context);
}

// Operations under way in these mailboxes end first: each is waited for in turn, then held.
void Account::Impl::RenameOnce(std::shared_ptr<RenameRun> run, size_t index, Context& context) {
  for (; index < run->moved.size(); ++index) {
    const auto open = boxes.find(run->moved[index]);
    if (open == boxes.end()) continue;
    Mailbox* box = open->second.get();
    return box->EnqueueRaw(
        [this, run, box, index](Context& alone) {
          run->held.push_back(box);
          RenameOnce(run, index + 1, alone);
        },
        context);
  }
  if (!has_control_dir()) return CommitRename(run, {}, context);
  io.Scan(facts.control_dir, context, [this, run](const ScanDone& scan, Context& later) {
    std::set<std::string> control_dirs;
    for (const DirEntry& entry : scan.entries) {
      if (entry.is_dir && entry.name.size() > 1 && entry.name[0] == '.') control_dirs.insert(entry.name.substr(1));
    }
    CommitRename(run, control_dirs, later);
  });
}

void Account::Impl::CommitRename(std::shared_ptr<RenameRun> run, const std::set<std::string>& control_dirs,
                                 Context& context) {
  Stage clear, move, settle{SyncDir{facts.maildir}};
  for (const std::string& name : run->moved) {
    const std::string to = run->to + name.substr(run->from.size());
    move.push_back(postern::Rename{.from = DirOf(name), .to = DirOf(to)});
    if (control_dirs.contains(to)) clear.push_back(RemoveTree{ControlDirOf(to)});  // of a mailbox long gone
    if (control_dirs.contains(name))
      move.push_back(postern::Rename{.from = ControlDirOf(name), .to = ControlDirOf(to)});
  }
  if (has_control_dir()) settle.push_back(SyncDir{facts.control_dir});
  FilePlan plan{.stages = {}, .owner = facts.owner};
  if (!clear.empty()) plan.stages.push_back(std::move(clear));
  const size_t move_stage = plan.stages.size();
  plan.stages.push_back(std::move(move));
  plan.stages.push_back(std::move(settle));
  io.Commit(std::move(plan), context, [this, run, move_stage](const PlanResult& result, Context& later) {
    // Which names moved before one failed, the folders tell: every mailbox among them is opened anew.
    if (result.ok() || result.failures.front().stage >= move_stage) {
      for (const std::string& name : run->moved) Forget(name, later);
    }
    for (Mailbox* box : run->held) box->Finish(later);
    const bool done = result.ok() || result.failures.front().stage > move_stage;
    if (done) RecordMailboxAct(run->ticket.by.get(), facts.user, "mailbox.renamed", run->from, run->to, later);
    FinishFolder(later);
    Answer(run->ticket, done ? Status() : result.status(), Done{});
  });
}

void Account::Impl::WriteSubscriptions(const Subscriptions& subscriptions, Context& context,
                                       std::function<void(const Status&, Context&)> then) {
  const Path path = facts.control_dir + "/subscriptions", tmp = path + ".tmp";
  FilePlan plan{.stages = {{Unlink{tmp}},
                           {postern::Create{.path = tmp, .bytes = Chain(FormatSubscriptions(subscriptions))}},
                           {SyncFile{tmp}},
                           {postern::Rename{.from = tmp, .to = path, .replace = true}}},
                .owner = facts.owner};
  if (context.config.storage.fsync == config::MailFsync::kAlways) plan.stages.push_back({SyncDir{facts.control_dir}});
  io.Commit(std::move(plan), context,
            [then = std::move(then)](const PlanResult& result, Context& later) { then(result.status(), later); });
}

void Account::Subscribe(Ticket ticket, std::string_view name, bool subscribed, Context& context) {
  Impl* impl = impl_.get();
  impl->EnqueueFolder(
      [impl, ticket, name = std::string(name), subscribed](Context& turn) {
        impl->LookAtFolders(turn, [impl, ticket, name, subscribed](const Impl::Folders& folders, Context& later) {
          const auto end = [impl, ticket](const Status& status, Context& after) {
            impl->FinishFolder(after);
            impl->Answer(ticket, status, Done{});
          };
          if (!folders.status.ok()) return end(folders.status, later);
          Subscriptions changed = folders.subscriptions;
          const bool differs = subscribed ? changed.names.insert(name).second : changed.names.erase(name) > 0;
          if (!differs) return end(Status(), later);
          impl->WriteSubscriptions(changed, later, end);
        });
      },
      context);
}

}  // namespace postern::mailbox
