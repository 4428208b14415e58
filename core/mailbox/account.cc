// The account: its mailboxes, who has which selected, and the answers to its sessions. Folders are in account_folders.cc.
#include "core/mailbox/account.h"

#include <algorithm>
#include <utility>

#include "core/mailbox/account_impl.h"

namespace postern::mailbox {

Account::Impl::Impl(MachineId id, AccountFacts account_facts, NodeFacts node)
    : facts(std::move(account_facts)), io(id), names(node, static_cast<uint16_t>(static_cast<uint64_t>(id) & 0xffff)) {}

Path Account::Impl::DirOf(std::string_view name) const {
  return name == "INBOX" ? facts.maildir : facts.maildir + "/." + std::string(name);
}

Mailbox& Account::Impl::BoxOf(std::string_view name) {
  auto found = boxes.find(name);
  if (found == boxes.end()) {
    auto box = std::make_unique<Mailbox>(std::string(name), DirOf(name), facts, io, names);
    Mailbox* raw = box.get();
    raw->on_change = [this, raw] { Changed(*raw); };
    found = boxes.emplace(std::string(name), std::move(box)).first;
  }
  return *found->second;
}

Mailbox* Account::Impl::BoxOf(const MailboxState& state) {
  const auto found = boxes.find(state.name);
  return found != boxes.end() && found->second->state().get() == &state ? found->second.get() : nullptr;
}

// A mailbox under way keeps its place in memory until its operations have ended, though its name is gone.
void Account::Impl::Forget(std::string_view name) {
  const auto found = boxes.find(name);
  if (found == boxes.end()) return;
  found->second->state()->deleted = true;
  Changed(*found->second);
  recent_from.erase(found->second.get());
  graveyard.push_back(std::move(found->second));
  boxes.erase(found);
}

void Account::Impl::Changed(const Mailbox& box) {
  for (const auto& [session, selected] : selections) {
    if (selected.box == &box) changed.push_back(session);
  }
}

void Account::Impl::Answer(Ticket ticket, const Status& status, Outcome outcome) {
  completions.push_back({.ticket = ticket, .status = status, .outcome = std::move(outcome)});
}

void Account::Impl::SettleReadWrite(Mailbox& box) const {
  box.set_read_write(std::any_of(selections.begin(), selections.end(), [&](const auto& entry) {
    return entry.second.box == &box && !entry.second.read_only;
  }));
}

Account::Account(MachineId id, AccountFacts facts, NodeFacts node)
    : impl_(std::make_unique<Impl>(id, std::move(facts), std::move(node))) {}
Account::~Account() = default;

void Account::Step(const Event& event, Context& context) {
  impl_->io.Answer(event, context);
  if (impl_->io.idle()) impl_->graveyard.clear();
}

bool Account::ended() const { return impl_->selections.empty() && impl_->io.idle(); }

const AccountFacts& Account::facts() const { return impl_->facts; }

void Account::AddTo(Digest& digest) const {
  digest.Add(impl_->facts.user);
  for (const auto& [name, box] : impl_->boxes) box->AddTo(digest);
  for (const auto& [session, selected] : impl_->selections) digest.Add(static_cast<uint64_t>(session));
}

Path Account::MailboxDir(std::string_view name) const { return impl_->DirOf(name); }

std::vector<Completion> Account::TakeCompletions() { return std::exchange(impl_->completions, {}); }
std::vector<MachineId> Account::TakeChanged() { return std::exchange(impl_->changed, {}); }

// ---- selection ------------------------------------------------------------------------------------------------------------

void Account::Select(Ticket ticket, std::string_view name, bool read_only, Context& context) {
  Impl* impl = impl_.get();
  impl->WithFolder(
      std::string(name), /*make_inbox=*/true, context,
      [impl, ticket, read_only](Mailbox& box, Context& later) {
        Mailbox* raw = &box;
        box.Enqueue(
            [impl, ticket, read_only, raw](Context& turn) {
              impl->selections[ticket.session] = {.box = raw, .read_only = read_only};
              impl->SettleReadWrite(*raw);
              // The first UID whose file still lies in new/: from there on messages are \Recent to this session.
              raw->Refresh(/*force=*/false, turn, [impl, ticket, read_only, raw](const Status& status, Context&) {
                if (!status.ok()) {
                  impl->selections.erase(ticket.session);
                  impl->SettleReadWrite(*raw);
                  return impl->Answer(ticket, status, Done{});
                }
                SelectResult result{.state = raw->state(), .read_only = read_only};
                result.recent_first_uid = impl->TakeRecent(*raw, !read_only);
                impl->Answer(ticket, status, std::move(result));
              });
            },
            [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, Done{}); }, later);
      },
      [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, Done{}); });
}

void Account::Unselect(MachineId session, Context& context) {
  const auto found = impl_->selections.find(session);
  if (found == impl_->selections.end()) return;
  Mailbox* box = found->second.box;
  impl_->selections.erase(found);
  const bool unused = std::none_of(impl_->selections.begin(), impl_->selections.end(),
                                   [box](const auto& entry) { return entry.second.box == box; });
  if (impl_->boxes.contains(box->state()->name)) {
    impl_->SettleReadWrite(*box);
    if (unused) box->Close(context);
  }
}

void Account::Arrived(const Path& mailbox_dir, Context& context) {
  for (const auto& [name, box] : impl_->boxes) {
    if (box->state()->dir != mailbox_dir) continue;
    const Mailbox* raw = box.get();
    const bool watched = std::any_of(impl_->selections.begin(), impl_->selections.end(),
                                     [raw](const auto& entry) { return entry.second.box == raw; });
    if (!watched || impl_->refresh_waiting.contains(raw)) return;  // who opens it later looks for himself
    impl_->refresh_waiting.insert(raw);
    Impl* impl = impl_.get();
    Mailbox* target = box.get();
    target->Enqueue(
        [impl, target](Context& turn) {
          impl->refresh_waiting.erase(target);
          target->Refresh(false, turn, [](const Status&, Context&) {});
        },
        [impl, target](const Status&, Context&) { impl->refresh_waiting.erase(target); }, context);
    return;
  }
}

// ---- messages ---------------------------------------------------------------------------------------------------------------

namespace {

Status Gone() { return NotFound("Mailbox was deleted"); }

}  // namespace

void Account::Refresh(Ticket ticket, MailboxState& state, Context& context) {
  Impl* impl = impl_.get();
  Mailbox* box = impl->BoxOf(state);
  if (box == nullptr) return impl->Answer(ticket, Gone(), Done{});
  box->Enqueue(
      [impl, ticket, box](Context& turn) {
        box->Refresh(false, turn, [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, Done{}); });
      },
      [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, Done{}); }, context);
}

void Account::Store(Ticket ticket, MailboxState& state, StoreRequest request, Context& context) {
  Impl* impl = impl_.get();
  Mailbox* box = impl->BoxOf(state);
  if (box == nullptr) return impl->Answer(ticket, Gone(), StoreResult{});
  box->Enqueue(
      [impl, ticket, box, request = std::move(request)](Context& turn) {
        box->Store(request, turn, [impl, ticket](const Status& status, StoreResult result, Context&) {
          impl->Answer(ticket, status, std::move(result));
        });
      },
      [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, StoreResult{}); }, context);
}

void Account::Expunge(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, Context& context) {
  impl_->Expunge(ticket, state, std::move(uids), /*only_deleted=*/true, context);
}

void Account::Remove(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, Context& context) {
  impl_->Expunge(ticket, state, std::move(uids), /*only_deleted=*/false, context);
}

void Account::Impl::Expunge(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, bool only_deleted,
                            Context& context) {
  Mailbox* box = BoxOf(state);
  if (box == nullptr) return Answer(ticket, Gone(), ExpungeResult{});
  box->Enqueue(
      [this, ticket, box, uids = std::move(uids), only_deleted](Context& turn) {
        box->Expunge(uids, only_deleted, turn, [this, ticket](const Status& status, ExpungeResult result, Context&) {
          Answer(ticket, status, std::move(result));
        });
      },
      [this, ticket](const Status& status, Context&) { Answer(ticket, status, ExpungeResult{}); }, context);
}

void Account::ReadMessage(Ticket ticket, MailboxState& state, uint32_t uid, uint64_t offset, uint64_t length,
                          Context& context) {
  Impl* impl = impl_.get();
  Mailbox* box = impl->BoxOf(state);
  if (box == nullptr) return impl->Answer(ticket, Gone(), ReadResult{});
  box->ReadMessage(uid, offset, length, context,
                   [impl, ticket](const Status& status, std::string_view bytes, uint64_t file_bytes, Context&) {
                     Completion completion{.ticket = ticket, .status = status, .owned_bytes = std::string(bytes)};
                     completion.outcome = ReadResult{.file_bytes = file_bytes};
                     impl->completions.push_back(std::move(completion));
                     auto& kept = impl->completions.back();
                     std::get<ReadResult>(kept.outcome).bytes = kept.owned_bytes;
                   });
}

void Account::LoadFacts(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, bool sizes, bool dates,
                        Context& context) {
  Impl* impl = impl_.get();
  Mailbox* box = impl->BoxOf(state);
  if (box == nullptr) return impl->Answer(ticket, Gone(), Done{});
  box->LoadFacts(std::move(uids), sizes, dates, context,
                 [impl, ticket](Context&) { impl->Answer(ticket, Status(), Done{}); });
}

void Account::AppendMessages(Ticket ticket, std::string_view name, std::vector<NewMessage> messages, Context& context) {
  Impl* impl = impl_.get();
  auto incoming = std::make_shared<std::vector<Mailbox::Incoming>>();
  for (NewMessage& message : messages) {
    Mailbox::Incoming one;
    one.flags = message.flags;
    one.keywords = message.keywords;
    if (message.internal_date_seconds) one.mtime_seconds = *message.internal_date_seconds;
    one.message = std::move(message);
    incoming->push_back(std::move(one));
  }
  const auto failed = [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, AppendResult{}); };
  impl->WithFolder(
      std::string(name), /*make_inbox=*/true, context,
      [impl, ticket, incoming, failed](Mailbox& box, Context& later) {
        Mailbox* raw = &box;
        box.Enqueue(
            [impl, ticket, raw, incoming](Context& turn) {
              raw->Insert(std::move(*incoming), turn, [impl, ticket](const Status& status, AppendResult result, Context&) {
                impl->Answer(ticket, status, std::move(result));
              });
            },
            failed, later);
      },
      failed);
}

void Account::Copy(Ticket ticket, MailboxState& state, std::vector<uint32_t> uids, std::string_view to, bool move,
                   Context& context) {
  auto run = std::make_shared<Impl::CopyRun>();
  run->ticket = ticket;
  run->source = impl_->BoxOf(state);
  run->uids = std::move(uids);
  run->to = to;
  run->move = move;
  if (run->source == nullptr) return impl_->Answer(ticket, Gone(), CopyResult{});
  impl_->CopyOnce(run, context);
}

void Account::Impl::CopyOnce(std::shared_ptr<CopyRun> run, Context& context) {
  const auto failed = [this, run](const Status& status, Context&) { Answer(run->ticket, status, CopyResult{}); };
  WithFolder(
      run->to, /*make_inbox=*/true, context,
      [this, run, failed](Mailbox& target, Context& later) {
        Mailbox* raw = &target;
        target.Enqueue([this, run, raw](Context& turn) { CopyInto(*raw, run, turn); }, failed, later);
      },
      failed);
}

void Account::Impl::CopyInto(Mailbox& target, std::shared_ptr<CopyRun> run, Context& context) {
  // The sources as they are named now; what has gone meanwhile is left out.
  std::vector<Mailbox::Incoming> incoming;
  auto sources = std::make_shared<std::vector<uint32_t>>();
  const MailboxState& from = *run->source->state();
  for (const uint32_t uid : run->uids) {
    const size_t row = from.RowOf(uid);
    if (row == from.count()) continue;
    const NameParts parts = ParseName(run->source->NameOf(uid));
    Mailbox::Incoming one{.link_from = run->source->PathOf(uid), .flags = from.flags[row]};
    for (int i = 0; i < kKeywordCountMax; ++i) {
      if (from.keywords[row] >> i & 1 && static_cast<size_t>(i) < from.keyword_names.size() &&
          !from.keyword_names[static_cast<size_t>(i)].empty()) {
        one.keywords.push_back(from.keyword_names[static_cast<size_t>(i)]);
      }
    }
    if (parts.size) one.size_suffix += ",S=" + std::to_string(*parts.size);
    if (parts.crlf_size) one.size_suffix += ",W=" + std::to_string(*parts.crlf_size);
    incoming.push_back(std::move(one));
    sources->push_back(uid);
  }
  if (incoming.empty()) {
    target.Finish(context);
    return Answer(run->ticket, Status(), CopyResult{.uidvalidity = target.state()->uidvalidity});
  }
  target.Insert(std::move(incoming), context, [this, run, sources](const Status& status, AppendResult result, Context& later) {
    if (status.code() == StatusCode::kNotFound && run->tries_left-- > 0) {
      // A source was renamed under our hands: its mailbox looks again, then once more.
      return run->source->Enqueue(
          [this, run](Context& turn) {
            run->source->Refresh(true, turn, [this, run](const Status&, Context& after) { CopyOnce(run, after); });
          },
          [this, run](const Status& failure, Context&) { Answer(run->ticket, failure, CopyResult{}); }, later);
    }
    CopyResult answer{.uidvalidity = result.uidvalidity, .source_uids = *sources, .target_uids = std::move(result.uids)};
    if (!status.ok()) return Answer(run->ticket, status, CopyResult{});
    if (!run->move) return Answer(run->ticket, Status(), std::move(answer));
    // RFC 6851 section 3.3: the sources go only now that the copies are durable.
    run->source->Enqueue(
        [this, run, sources, answer](Context& turn) {
          run->source->Expunge(*sources, false, turn, [this, run, answer](const Status& gone, ExpungeResult, Context&) {
            Answer(run->ticket, gone, answer);
          });
        },
        [this, run, answer](const Status& failure, Context&) { Answer(run->ticket, failure, answer); }, later);
  });
}

}  // namespace postern::mailbox
