// The folders of an account: LIST, STATUS, CREATE, DELETE, RENAME, subscriptions. They change one after the other.
#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/account_impl.h"
#include "core/mailbox/namespaces.h"

namespace postern::mailbox {
namespace {

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

uint32_t Account::Impl::TakeRecent(Mailbox& box, bool take) {
  const MailboxState& state = *box.state();
  // Without an own record of who saw what, \Recent is what came since the last read-write session looked (RFC 3501
  // section 2.3.2 lets a server that can't tell treat messages as recent or not).
  const auto [found, first_time] = recent_from.try_emplace(&box, box.FirstRecentUid());
  uint32_t from = std::min(found->second, state.uidnext);
  if (take) found->second = state.uidnext;
  return from;
}

void Account::Impl::WithFolder(std::string name, bool make_inbox, Context& context,
                               std::function<void(Mailbox&, Context&)> then,
                               std::function<void(const Status&, Context&)> failed) {
  const auto open = boxes.find(name);
  if (open != boxes.end() && open->second->ready()) return then(*open->second, context);
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
  FilePlan plan{.stages = {{MakeDir{dir + "/cur"}, MakeDir{dir + "/new"}, MakeDir{dir + "/tmp"}}}, .owner = facts.owner};
  if (name != "INBOX") {
    // Courier and maildrop know a sub-folder by this empty file.
    plan.stages.push_back({Unlink{dir + "/maildirfolder"}});
    plan.stages.push_back({postern::Create{.path = dir + "/maildirfolder"}});
  }
  // The names must outlive a power loss before mail that is promised to is put below them.
  Stage settle{SyncDir{dir}};
  for (Path parent = dir; parent.rfind('/') != Path::npos && parent != "/";) {
    parent.resize(std::max<size_t>(parent.rfind('/'), 1));
    settle.push_back(SyncDir{parent});
  }
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
    io.Read(facts.control_dir + "/subscriptions", 0, 1 << 20, later, [folders, then](const ReadDone& read, Context& after) {
      if (read.status.ok()) {
        folders->subscriptions = ParseSubscriptions(read.bytes);
      } else if (read.status.code() != StatusCode::kNotFound && folders->status.ok()) {
        folders->status = read.status;
      }
      then(*folders, after);
    });
  });
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
      for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) all.insert(name.substr(0, dot));
    }
    for (const std::string& name : all) {
      MailboxEntry entry{.name = name, .exists = names.contains(name)};
      entry.subscribed = folders.subscriptions.names.contains(name);
      const auto below = names.lower_bound(name + ".");
      entry.has_children = below != names.end() && IsBelow(*below, name);
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
                        .uidnext = state.uidnext,
                        .uidvalidity = state.uidvalidity,
                        .highestmodseq = state.highestmodseq,
                        .mailbox_id = state.guid};
    const uint32_t recent_from = impl->TakeRecent(box, false);
    for (size_t row = 0; row < state.count(); ++row) {
      if (!(state.flags[row] & kSeen)) ++result.unseen;
      if (state.uids[row] >= recent_from) ++result.recent;
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
        impl->LookAtFolders(turn, [impl, name, end](const Impl::Folders& folders, Context& later) {
          if (!folders.status.ok()) return end(folders.status, later);
          if (!folders.names.contains(name)) return end(NotFound("Mailbox doesn't exist: " + name), later);
          Mailbox& box = impl->BoxOf(name);
          Mailbox* raw = &box;
          box.EnqueueRaw(
              [impl, raw, name, end](Context& alone) {
                // First out of sight in one step, then piece by piece.
                const Path trash = impl->facts.maildir + "/.." + impl->names.Next(alone.now.wall);
                FilePlan plan{.stages = {{postern::Rename{.from = impl->DirOf(name), .to = trash}}, {SyncDir{impl->facts.maildir}},
                                         {RemoveTree{trash}}},
                              .owner = impl->facts.owner};
                impl->io.Commit(std::move(plan), alone, [impl, raw, name, end](const PlanResult& result, Context& after) {
                  const bool gone = result.ok() || result.failures.front().stage > 0;
                  raw->Finish(after);
                  if (gone) impl->Forget(name);
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
          if (!folders.names.contains(from)) return end(NotFound("Mailbox doesn't exist: " + from), later);
          if (IsBelow(to, from)) return end(InvalidArgument("Can't rename mailbox under itself."), later);
          impl->RenameFolders(ticket, from, to, folders, later);
        });
      },
      context);
}

void Account::Impl::RenameFolders(Ticket ticket, const std::string& from, const std::string& to, const Folders& folders,
                                  Context& context) {
  const auto end = [this, ticket](const Status& status, Context& after) {
    FinishFolder(after);
    Answer(ticket, status, Done{});
  };
  if (from == "INBOX") {
    // RFC 3501 section 6.3.5: INBOX stays, its messages move.
    return MakeFolder(to, context, [this, ticket, to, end](const Status& status, Context& later) {
      if (!status.ok()) return end(status, later);
      Mailbox* inbox = &BoxOf("INBOX");
      inbox->Enqueue(
          [this, ticket, to, inbox](Context& turn) {
            auto run = std::make_shared<CopyRun>();
            run->ticket = ticket;
            run->source = inbox;
            run->uids = inbox->state()->uids;
            run->to = to;
            run->move = true;
            inbox->Finish(turn);
            FinishFolder(turn);
            CopyOnce(run, turn);
          },
          end, later);
    });
  }
  FilePlan plan{.stages = {{}, {SyncDir{facts.maildir}}}, .owner = facts.owner};
  std::vector<std::string> moved;
  for (const std::string& name : folders.names) {
    if (name != from && !IsBelow(name, from)) continue;
    plan.stages[0].push_back(postern::Rename{.from = DirOf(name), .to = DirOf(to + name.substr(from.size()))});
    moved.push_back(name);
  }
  // Operations under way in these mailboxes end first: each is waited for in turn.
  auto wait = std::make_shared<std::function<void(size_t, Context&)>>();
  auto shared_plan = std::make_shared<FilePlan>(std::move(plan));
  *wait = [this, wait, moved, shared_plan, end](size_t index, Context& turn) {
    if (index < moved.size()) {
      const auto open = boxes.find(moved[index]);
      if (open == boxes.end()) return (*wait)(index + 1, turn);
      return open->second->EnqueueRaw([wait, index](Context& alone) { (*wait)(index + 1, alone); }, turn);
    }
    io.Commit(std::move(*shared_plan), turn, [this, wait, moved, end](const PlanResult& result, Context& after) {
      for (const std::string& name : moved) {
        const auto open = boxes.find(name);
        if (open == boxes.end()) continue;
        open->second->Finish(after);
        Forget(name);
      }
      const bool done = result.ok() || result.failures.front().stage > 0;
      end(done ? Status() : result.status(), after);
      *wait = nullptr;
    });
  };
  (*wait)(0, context);
}

void Account::Impl::WriteSubscriptions(const Subscriptions& subscriptions, Context& context,
                                       std::function<void(const Status&, Context&)> then) {
  const Path path = facts.control_dir + "/subscriptions", tmp = path + ".tmp";
  FilePlan plan{.stages = {{Unlink{tmp}},
                           {postern::Create{.path = tmp, .bytes = Chain(FormatSubscriptions(subscriptions))}},
                           {SyncFile{tmp}},
                           {postern::Rename{.from = tmp, .to = path, .replace = true}}},
                .owner = facts.owner};
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
