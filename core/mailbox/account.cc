// The account: its mailboxes, who has which selected, and the answers to its sessions. Folders are in
// account_folders.cc.
#include "core/mailbox/account.h"

#include <algorithm>
#include <utility>

#include "core/mailbox/account_impl.h"
#include "core/mailbox/records.h"

namespace postern::mailbox {
namespace {

constexpr Duration kLookDelay = Milliseconds(250);
constexpr size_t kOpenBoxesMax = 64;

}  // namespace

Account::Impl::Impl(MachineId id, AccountFacts account_facts, NodeFacts node)
    : facts(std::move(account_facts)), io(id), names(node, static_cast<uint16_t>(static_cast<uint64_t>(id) & 0xffff)) {}

Path Account::Impl::DirOf(std::string_view name) const {
  return name == "INBOX" ? facts.maildir : facts.maildir + "/." + std::string(name);
}

Mailbox& Account::Impl::BoxOf(std::string_view name) {
  auto found = boxes.find(name);
  if (found == boxes.end()) {
    auto box = std::make_unique<Mailbox>(std::string(name), DirOf(name), facts, io, names, last_uidvalidity);
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
void Account::Impl::Forget(std::string_view name, Context& context) {
  const auto found = boxes.find(name);
  if (found == boxes.end()) return;
  Mailbox* box = found->second.get();
  box->state()->deleted = true;
  Changed(*box);
  std::erase_if(selections, [box](const auto& entry) { return entry.second.box == box; });
  Release(*box, context);
  graveyard.push_back(std::move(found->second));
  boxes.erase(found);
}

void Account::Impl::Release(Mailbox& box, Context& context) {
  SettleUse(box, context);
  looks_due.erase(&box);
  refresh_waiting.erase(&box);
}

// Mailboxes that nobody has selected are kept for the next STATUS, but not all of a thousand.
void Account::Impl::TrimBoxes(Context& context) {
  if (boxes.size() < kOpenBoxesMax) return;
  for (auto entry = boxes.begin(); entry != boxes.end();) {
    if (!entry->second->idle() || watches.contains(entry->second.get())) {
      ++entry;
      continue;
    }
    Release(*entry->second, context);
    if (!entry->second->idle()) {  // its closing record is under way
      ++entry;
      continue;
    }
    graveyard.push_back(std::move(entry->second));
    entry = boxes.erase(entry);
  }
}

void Account::Impl::Changed(const Mailbox& box) {
  for (const auto& [session, selected] : selections) {
    if (selected.box == &box) changed.push_back(session);
  }
}

void Account::Impl::Answer(Ticket ticket, const Status& status, Outcome outcome) {
  completions.push_back({.ticket = ticket, .status = status, .outcome = std::move(outcome)});
}

void Account::Impl::SettleUse(Mailbox& box, Context& context) {
  bool in_use = false, read_write = false;
  for (const auto& [session, selected] : selections) {
    in_use |= selected.box == &box;
    read_write |= selected.box == &box && !selected.read_only;
  }
  const auto watched = watches.find(&box);
  if (in_use && watched == watches.end()) {
    const Path dir = box.state()->dir;
    watches[&box] =
        io.Watch({dir + "/new", dir + "/cur"}, context, [this, &box](Context& later) { LookSoon(box, later); });
  } else if (!in_use && watched != watches.end()) {
    io.Unwatch(watched->second, context);
    watches.erase(watched);
  }
  box.set_read_write(read_write);
  box.SetInUse(in_use, context);
}

// Hints come in swarms, most of them about our own renames: one look for all of a moment.
void Account::Impl::LookSoon(Mailbox& box, Context& context) {
  if (!looks_due.insert(&box).second) return;
  io.After(kLookDelay, context, [this, &box](Context& later) {
    if (looks_due.erase(&box) != 0) LookNow(box, later);
  });
}

void Account::Impl::LookNow(Mailbox& box, Context& context) {
  if (!refresh_waiting.insert(&box).second) return;
  box.Enqueue(
      [this, &box](Context& turn) {
        refresh_waiting.erase(&box);
        box.Refresh(false, turn, [](const Status&, Context&) {});
      },
      [this, &box](const Status&, Context&) { refresh_waiting.erase(&box); }, context);
}

Account::Account(MachineId id, AccountFacts facts, NodeFacts node)
    : impl_(std::make_unique<Impl>(id, std::move(facts), std::move(node))) {}
Account::~Account() = default;

void Account::Step(const Event& event, Context& context) {
  impl_->io.Answer(event, context);
  if (impl_->io.idle()) impl_->graveyard.clear();
}

bool Account::ended() const {
  return impl_->selections.empty() && impl_->selecting.empty() && impl_->io.idle() && impl_->completions.empty();
}

const AccountFacts& Account::facts() const { return impl_->facts; }

void Account::AddTo(StableDigest& digest) const {
  digest.Add(impl_->facts.user);
  for (const auto& [name, box] : impl_->boxes) box->AddTo(digest);
  for (const auto& [session, selected] : impl_->selections) digest.Add(static_cast<uint64_t>(session));
}

Path Account::MailboxDir(std::string_view name) const { return impl_->DirOf(name); }

std::vector<Completion> Account::TakeCompletions() { return std::exchange(impl_->completions, {}); }
std::vector<MachineId> Account::TakeChanged() { return std::exchange(impl_->changed, {}); }

// ---- selection ------------------------------------------------------------------------------------------------------

void Account::Select(Ticket ticket, std::string_view name, bool read_only, Context& context) {
  Impl* impl = impl_.get();
  impl->selecting[ticket.session] = ticket.tag;
  const auto failed = [impl, ticket](const Status& status, Context&) {
    impl->selecting.erase(ticket.session);
    impl->Answer(ticket, status, Done{});
  };
  impl->WithFolder(
      std::string(name), /*make_inbox=*/true, context,
      [impl, ticket, read_only, failed](Mailbox& box, Context& later) {
        Mailbox* raw = &box;
        box.Enqueue([impl, ticket, read_only, raw](Context& turn) { impl->SelectNow(ticket, *raw, read_only, turn); },
                    failed, later);
      },
      failed);
}

void Account::Impl::SelectNow(Ticket ticket, Mailbox& box, bool read_only, Context& context) {
  const auto asked = selecting.find(ticket.session);
  if (asked == selecting.end() || asked->second != ticket.tag)
    return box.Finish(context);  // the session has gone meanwhile
  selecting.erase(asked);
  const auto before = selections.find(ticket.session);
  Mailbox* left = before == selections.end() ? nullptr : before->second.box;
  selections[ticket.session] = {.box = &box, .read_only = read_only};
  if (left != nullptr && left != &box) SettleUse(*left, context);
  SettleUse(box, context);
  // What lies in new/ now is \Recent to this session; a read-write one takes it over.
  const uint32_t recent_first_uid = box.FirstRecentUid();
  if (!read_only) box.ForgetRecent();
  box.Refresh(/*force=*/false, context,
              [this, ticket, read_only, &box, recent_first_uid](const Status& status, Context& later) {
                if (!status.ok()) {
                  selections.erase(ticket.session);
                  SettleUse(box, later);
                  return Answer(ticket, status, Done{});
                }
                Answer(
                    ticket, status,
                    SelectResult{.state = box.state(), .recent_first_uid = recent_first_uid, .read_only = read_only});
              });
}

void Account::Unselect(MachineId session, Context& context) {
  impl_->selecting.erase(session);
  const auto found = impl_->selections.find(session);
  if (found == impl_->selections.end()) return;
  Mailbox* box = found->second.box;
  impl_->selections.erase(found);
  impl_->SettleUse(*box, context);
}

void Account::Arrived(const Path& mailbox_dir, Context& context) {
  for (const auto& [session, selected] : impl_->selections) {  // who opens it later looks for himself
    if (selected.box->state()->dir == mailbox_dir) return impl_->LookNow(*selected.box, context);
  }
}

// ---- messages -------------------------------------------------------------------------------------------------------

namespace {

Status Gone() { return NotFound("Mailbox was deleted"); }

// Of changed flags, those that tell what became of a message: it was read, it is to be deleted.
MessageActs FlagActs(const MailboxState& state, Flags flags, StoreMode mode, const StoreResult& result) {
  MessageActs acts{.action = "mail.flagged", .word = "flag_change", .mailbox = state.name};
  const std::string_view sign = mode == StoreMode::kAdd ? "+" : mode == StoreMode::kRemove ? "-" : "=";
  for (const auto& [flag, name] : {std::pair{kSeen, "\\Seen"}, std::pair{kDeleted, "\\Deleted"}}) {
    if (flags & flag || mode == StoreMode::kReplace)
      acts.flags += (acts.flags.empty() ? "" : " ") + (std::string(sign) += name);
  }
  if (acts.flags.empty()) return acts;
  for (const auto& [uid, modseq_before, modseq] : result.messages) {
    if (modseq_before == modseq) continue;
    acts.uids.push_back(uid);
    acts.files.push_back(RecordedName(state.BaseNameOf(uid)));
  }
  return acts;
}

MessageActs ExpungeActs(const MailboxState& state, const ExpungeResult& result) {
  return {
      .action = "mail.expunged", .word = "expunge", .mailbox = state.name, .uids = result.uids, .files = result.files};
}

}  // namespace

void Account::Refresh(Ticket ticket, MailboxState& state, Context& context) {
  Impl* impl = impl_.get();
  Mailbox* box = impl->BoxOf(state);
  if (box == nullptr) return impl->Answer(ticket, Gone(), Done{});
  box->Enqueue(
      [impl, ticket, box](Context& turn) {
        box->Refresh(false, turn,
                     [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, Done{}); });
      },
      [impl, ticket](const Status& status, Context&) { impl->Answer(ticket, status, Done{}); }, context);
}

void Account::Store(Ticket ticket, MailboxState& state, StoreRequest request, Context& context) {
  Impl* impl = impl_.get();
  Mailbox* box = impl->BoxOf(state);
  if (box == nullptr) return impl->Answer(ticket, Gone(), StoreResult{});
  box->Enqueue(
      [impl, ticket, box, request = std::move(request)](Context& turn) {
        box->Store(request, turn,
                   [impl, ticket, box, flags = request.flags, mode = request.mode](const Status& status,
                                                                                   StoreResult result, Context& later) {
                     RecordActs(ticket.by.get(), impl->facts.user, FlagActs(*box->state(), flags, mode, result), later);
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
        box->Expunge(uids, only_deleted, turn,
                     [this, ticket, box](const Status& status, ExpungeResult result, Context& later) {
                       RecordActs(ticket.by.get(), facts.user, ExpungeActs(*box->state(), result), later);
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

void Account::RecordRead(const Actor* by, const MailboxState& state, const std::vector<uint32_t>& uids,
                         Context& context) {
  MessageActs acts{.action = "mail.read", .word = "read", .mailbox = state.name};
  for (const uint32_t uid : uids) {
    std::string name = RecordedName(state.BaseNameOf(uid));
    if (name.empty()) continue;
    acts.uids.push_back(uid);
    acts.files.push_back(std::move(name));
  }
  RecordActs(by, impl_->facts.user, acts, context);
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
  auto message_ids = std::make_shared<std::vector<std::string>>();
  for (NewMessage& message : messages) {
    message_ids->push_back(std::move(message.message_id));
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
      [impl, ticket, incoming, message_ids, failed](Mailbox& box, Context& later) {
        Mailbox* raw = &box;
        box.Enqueue(
            [impl, ticket, raw, incoming, message_ids](Context& turn) {
              raw->Insert(std::move(*incoming), turn,
                          [impl, ticket, raw, message_ids](const Status& status, AppendResult result, Context& after) {
                            impl->RecordAppended(ticket, raw->state()->name, *message_ids, result, after);
                            impl->Answer(ticket, status, std::move(result));
                          });
            },
            failed, later);
      },
      failed);
}

// A record for each: a Message-ID leads to a copy in Sent, too.
void Account::Impl::RecordAppended(const Ticket& ticket, std::string_view mailbox,
                                   const std::vector<std::string>& message_ids, const AppendResult& result,
                                   Context& context) const {
  for (size_t i = 0; i < result.uids.size(); ++i) {
    const MessageActs acts{.action = "mail.appended",
                           .word = "save",
                           .mailbox = mailbox,
                           .uids = {result.uids[i]},
                           .files = {result.files[i]},
                           .message_id = message_ids[i]};
    RecordActs(ticket.by.get(), facts.user, acts, context);
  }
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

void Account::Impl::AnswerCopy(const CopyRun& run, const Status& status, CopyResult result) {
  if (run.renames) return Answer(run.ticket, status, Done{});
  Answer(run.ticket, status, std::move(result));
}

void Account::Impl::CopyOnce(std::shared_ptr<CopyRun> run, Context& context) {
  const auto failed = [this, run](const Status& status, Context&) { AnswerCopy(*run, status, CopyResult{}); };
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
  run->source_files.clear();
  auto sources = std::make_shared<std::vector<uint32_t>>();
  const MailboxState& from = *run->source->state();
  for (const uint32_t uid : run->uids) {
    const size_t row = from.RowOf(uid);
    if (row == from.count()) continue;
    const NameParts parts = ParseName(run->source->NameOf(uid));
    Mailbox::Incoming one{.link_from = run->source->PathOf(uid), .flags = from.flags[row]};
    for (size_t i = 0; i < from.keyword_names.size(); ++i) {
      if (from.keywords[row] >> i & 1 && !from.keyword_names[i].empty()) one.keywords.push_back(from.keyword_names[i]);
    }
    if (parts.size) one.size_suffix += ",S=" + std::to_string(*parts.size);
    if (parts.crlf_size) one.size_suffix += ",W=" + std::to_string(*parts.crlf_size);
    incoming.push_back(std::move(one));
    sources->push_back(uid);
    run->source_files.push_back(RecordedName(parts.base));
  }
  if (incoming.empty()) {
    target.Finish(context);
    return AnswerCopy(*run, Status(), CopyResult{.uidvalidity = target.state()->uidvalidity});
  }
  target.Insert(std::move(incoming), context,
                [this, run, sources](const Status& status, AppendResult result, Context& later) {
                  OnCopied(run, *sources, status, std::move(result), later);
                });
}

void Account::Impl::OnCopied(std::shared_ptr<CopyRun> run, const std::vector<uint32_t>& sources, const Status& status,
                             AppendResult result, Context& context) {
  if (status.code() == StatusCode::kNotFound && run->tries_left-- > 0) {
    // A source was renamed under our hands: its mailbox looks again, then once more.
    return run->source->Enqueue(
        [this, run](Context& turn) {
          run->source->Refresh(true, turn, [this, run](const Status&, Context& after) { CopyOnce(run, after); });
        },
        [this, run](const Status& failure, Context&) { AnswerCopy(*run, failure, CopyResult{}); }, context);
  }
  if (!status.ok()) return AnswerCopy(*run, status, CopyResult{});
  const CopyResult answer{
      .uidvalidity = result.uidvalidity, .source_uids = sources, .target_uids = std::move(result.uids)};
  run->target_files = std::move(result.files);
  if (!run->move) {
    RecordCopies(*run, answer, {}, context);
    return AnswerCopy(*run, Status(), answer);
  }
  // RFC 6851 section 3.3: the sources go only now that the copies are durable.
  run->source->Enqueue(
      [this, run, answer](Context& turn) {
        run->source->Expunge(answer.source_uids, false, turn,
                             [this, run, answer](const Status& status, ExpungeResult gone, Context& later) {
                               RecordCopies(*run, answer, gone.uids, later);
                               AnswerCopy(*run, status, answer);
                             });
      },
      [this, run, answer](const Status& failure, Context& later) {
        RecordCopies(*run, answer, {}, later);
        AnswerCopy(*run, failure, answer);
      },
      context);
}

// What was copied; where its source is `gone` (ascending), it was moved.
void Account::Impl::RecordCopies(const CopyRun& run, const CopyResult& copies, const std::vector<uint32_t>& gone,
                                 Context& context) const {
  const std::string& source = run.source->state()->name;
  MessageActs copied{.action = "mail.copied", .word = "copy", .mailbox = source, .target_mailbox = run.to};
  MessageActs moved{.action = "mail.moved", .word = "move", .mailbox = source, .target_mailbox = run.to};
  for (size_t i = 0; i < copies.source_uids.size(); ++i) {
    const uint32_t uid = copies.source_uids[i];
    MessageActs& acts = std::binary_search(gone.begin(), gone.end(), uid) ? moved : copied;
    acts.uids.push_back(uid);
    acts.files.push_back(run.source_files[i]);
    acts.target_uids.push_back(copies.target_uids[i]);
    acts.target_files.push_back(run.target_files[i]);
  }
  RecordActs(run.ticket.by.get(), facts.user, copied, context);
  RecordActs(run.ticket.by.get(), facts.user, moved, context);
}

}  // namespace postern::mailbox
