// Looking again at a mailbox that is open: what delivery agents and other Maildir programs did to its folders.
#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/mailbox/mailbox.h"
#include "core/mailbox/mailbox_files.h"
#include "core/mailbox/records.h"

namespace postern::mailbox {
namespace {

// Where cur/ may have changed without a sign, it is read again after so long.
constexpr Duration kUnsureLookAfter = Seconds(30);

}  // namespace

struct Mailbox::Merge {
  Then then;
  bool cur_was_read = false, looked_twice = false, may_repair = false;
  ScanDone cur, fresh;
  struct Change {
    uint32_t uid;
    std::string name;
    bool in_new;
    uint64_t modseq;
  };
  std::vector<Change> changed, added;
  std::vector<std::pair<uint32_t, uint64_t>> gone;
  uint32_t uidnext = 0;
  uint64_t highestmodseq = 0;
};

struct Mailbox::TakeOver {
  uint32_t uid = 0;
  std::string old_name, name;
};

void Mailbox::Refresh(bool force, Context& context, Then then) {
  LookAgain(force, context, [this, then = std::move(then)](const Status& status, Context& later) {
    Finish(later);
    then(status, later);
  });
}

void Mailbox::LookAgain(bool force, Context& context, Then then, bool may_repair) {
  take_over_failed_ = false;
  if (rewrite_ == Rewrite::kMust) {
    return EnsureSupport(context, [this, then, may_repair](const Status& status, Context& later) {
      if (!status.ok()) return then(status, later);
      LookAgain(/*force=*/true, later, then, may_repair);
    });
  }
  io_.Stat({dir_ + "/cur", dir_ + "/new"}, context,
           [this, force, then, may_repair](const StatDone& done, Context& later) {
             if (done.files.size() != 2 || !done.files[0].status.ok() || !done.files[1].status.ok()) {
               if (done.files.size() != 2) return then(Unavailable("no answer"), later);
               return then(done.files[0].status.ok() ? done.files[1].status : done.files[0].status, later);
             }
             bool cur_differs = done.files[0].mtime_ns != cur_mtime_ns_;
             const bool new_differs = done.files[1].mtime_ns != new_mtime_ns_;
             if (cur_changed_by_us_) {
               // Our own renames change the folder's time as well: the change is taken as ours, for a while.
               cur_mtime_ns_ = done.files[0].mtime_ns;
               cur_changed_by_us_ = false;
               cur_unsure_ |= cur_differs;
               cur_differs = false;
             }
             const bool overdue = cur_unsure_ && later.now.mono - cur_read_at_ >= kUnsureLookAfter;
             const bool read_cur = force || cur_differs || overdue;
             if (!read_cur && !new_differs && !new_unsure_) {
               return then(Status(), later);
             }
             auto merge = std::make_shared<Merge>();
             merge->then = then;
             merge->may_repair = may_repair;
             merge->cur_was_read = read_cur;
             ScanForMerge(merge, later);
           });
}

void Mailbox::ScanForMerge(std::shared_ptr<Merge> merge, Context& context) {
  ScanFolders(merge->cur_was_read, context, [this, merge](ScanDone cur, ScanDone fresh, Context& later) {
    if (!fresh.status.ok()) return merge->then(fresh.status, later);
    if (!cur.status.ok()) return merge->then(cur.status, later);
    merge->cur = std::move(cur);
    merge->fresh = std::move(fresh);
    NoteScanTimes(merge->cur_was_read ? &merge->cur : nullptr, merge->fresh, later);
    Compare(merge, later);
  });
}

// Where only new/ was read, nothing can be said of other messages: whatever is more than an arrival needs cur/, too.
void Mailbox::Compare(std::shared_ptr<Merge> merge, Context& context) {
  const MailboxState& state = *state_;
  const SortedFiles sorted = SortFiles(merge->cur.entries, merge->fresh.entries);
  absl::flat_hash_map<std::string_view, size_t, std::hash<std::string_view>> by_base;
  by_base.reserve(sorted.files.size());
  for (size_t i = 0; i < sorted.files.size(); ++i) by_base.emplace(BaseOf(sorted.files[i].name), i);
  std::vector<uint8_t> is_known(sorted.files.size(), 0);
  std::vector<std::pair<size_t, size_t>> moved;  // row, file
  std::vector<uint32_t> missing;
  bool needs_cur = false;
  for (size_t row = 0; row < state.count(); ++row) {
    const auto found = by_base.find(BaseOf(state.names_[row]));
    if (found == by_base.end()) {
      if (merge->cur_was_read) missing.push_back(state.uids[row]);
      needs_cur |= state.in_new_[row] != 0;
      continue;
    }
    const MailFile& file = sorted.files[found->second];
    is_known[found->second] = 1;
    if (state.names_[row] != file.name || (state.in_new_[row] != 0) != file.in_new) {
      moved.emplace_back(row, found->second);
      needs_cur = true;
    }
  }
  const bool again = (needs_cur && !merge->cur_was_read) || (!missing.empty() && !merge->looked_twice);
  if (again) {
    // A folder that others rename in can be read past a file: it is gone only when a second look does not find it
    // either.
    merge->looked_twice = merge->cur_was_read;
    merge->cur_was_read = true;
    return ScanForMerge(merge, context);
  }
  uint64_t modseq = state.highestmodseq;
  for (const auto& [row, at] : moved) {
    const MailFile& file = sorted.files[at];
    merge->changed.push_back({state.uids[row], std::string(file.name), file.in_new, ++modseq});
  }
  for (const uint32_t uid : missing) merge->gone.emplace_back(uid, ++modseq);
  std::vector<MailFile> unknown;
  for (size_t i = 0; i < sorted.files.size(); ++i) {
    if (!is_known[i]) unknown.push_back(sorted.files[i]);
  }
  SortByAge(&unknown);
  merge->uidnext = state.uidnext;
  if (!HasUidsFor(unknown.size())) return merge->then(ResourceExhausted("no UIDs are left in " + name_), context);
  for (const MailFile& file : unknown) {
    merge->added.push_back({merge->uidnext++, std::string(file.name), file.in_new, ++modseq});
  }
  merge->highestmodseq = modseq;
  CommitMerge(merge, context);
}

// The columns change only when it is durable: until then every answer is as before.
void Mailbox::CommitMerge(std::shared_ptr<Merge> merge, Context& context) {
  if (merge->changed.empty() && merge->gone.empty() && merge->added.empty()) return merge->then(Status(), context);
  std::string uid_records, log_records;
  ReserveModseqs(merge->highestmodseq - state_->highestmodseq, &log_records);
  for (const Merge::Change& change : merge->changed) {
    const std::string_view letters = ParseName(change.name).letters;
    const Keywords high = state_->keywords[state_->RowOf(change.uid)] & ~kLettered;
    AppendFlags(change.uid, {change.modseq, FlagsOf(letters), KeywordsOf(letters) | high}, &log_records);
  }
  for (const auto& [uid, modseq] : merge->gone) AppendExpunged(uid, modseq, &log_records);
  for (const Merge::Change& change : merge->added) {
    const std::string_view letters = ParseName(change.name).letters;
    AppendUidRecord({.uid = change.uid, .base = std::string(BaseOf(change.name))}, &uid_records);
    AppendFlags(change.uid, {change.modseq, FlagsOf(letters), KeywordsOf(letters)}, &log_records);
  }
  FilePlan plan = NewPlan();
  const size_t uid_bytes = uid_records.size(), log_bytes = log_records.size();
  AddSupportStages(std::move(uid_records), std::move(log_records), /*durable=*/true, &plan);
  io_.Commit(std::move(plan), context, [this, merge, uid_bytes, log_bytes](const PlanResult& result, Context& later) {
    SupportDone(result.ok(), uid_bytes, log_bytes);
    if (!result.ok()) {
      cur_unsure_ = new_unsure_ = true;  // it is still to be told
      cur_read_at_ = later.now.mono + Seconds(-3600);
      // Gone, or of another length: a Maildir put back from a backup under a running server, say. What we know goes on.
      const StatusCode why = result.status().code();
      if (merge->may_repair && (why == StatusCode::kNotFound || why == StatusCode::kFailedPrecondition)) {
        return LookAgain(/*force=*/true, later, std::move(merge->then), /*may_repair=*/false);
      }
      return merge->then(result.status(), later);
    }
    MessageActs vanished{.action = "mail.vanished", .word = "gone from the folder", .mailbox = name_};
    for (const auto& [uid, modseq] : merge->gone) {
      vanished.uids.push_back(uid);
      vanished.files.push_back(RecordedName(state_->BaseNameOf(uid)));
    }
    RecordActs(nullptr, account_.user, vanished, later);
    ApplyMerge(*merge);
    if (on_change) on_change();
    merge->then(Status(), later);
  });
}

void Mailbox::ApplyMerge(Merge& merge) {
  for (Merge::Change& change : merge.changed) {
    const size_t row = state_->RowOf(change.uid);
    if (row == state_->count()) continue;
    const std::string_view letters = ParseName(change.name).letters;
    const Flags flags = FlagsOf(letters);
    const Keywords keywords = KeywordsOf(letters) | (state_->keywords[row] & ~kLettered);
    SetRow(row, change.name, change.in_new, flags, keywords, change.modseq);
  }
  RemoveRows(merge.gone);
  for (Merge::Change& change : merge.added) AddRow(change.uid, change.name, change.in_new, change.modseq, 0);
  state_->uidnext = std::max(state_->uidnext, merge.uidnext);
  state_->highestmodseq = std::max(state_->highestmodseq, merge.highestmodseq);
}

// Messages in new/ go to cur/ when a session that may write has seen them: they were \Recent to it. Not by rename: the
// two folders are flushed by different plans, and a power loss after one of them must not find the file in neither.
void Mailbox::TakeOverNew(Context& context) {
  auto moves = std::make_shared<std::vector<TakeOver>>();
  Stage link;
  for (size_t row = 0; row < state_->count(); ++row) {
    if (!state_->in_new_[row]) continue;
    const NameParts parts = ParseName(state_->names_[row]);
    TakeOver move{.uid = state_->uids[row], .old_name = std::string(state_->names_[row])};
    move.name =
        FormatName(parts.base, state_->flags[row], state_->keywords[row] & kLettered, parts.letters, parts.other);
    link.push_back(Link{.from = In("new", move.old_name), .to = In("cur", move.name)});
    moves->push_back(std::move(move));
  }
  FilePlan plan = NewPlan();
  plan.stages.push_back(std::move(link));
  io_.Commit(std::move(plan), context, [this, moves](const PlanResult& result, Context& later) {
    take_over_failed_ = !result.ok();  // what failed stays in new/, and is listed all the same
    std::vector<uint8_t> failed(moves->size(), 0);
    for (const OpFailure& failure : result.failures) failed[failure.op] = 1;
    Stage unlink;
    for (size_t i = 0; i < moves->size(); ++i) {
      if (failed[i]) continue;
      unlink.push_back(Unlink{In("new", (*moves)[i].old_name)});
      const size_t row = state_->RowOf((*moves)[i].uid);
      state_->names_.Set(row, (*moves)[i].name);
      state_->in_new_[row] = 0;
    }
    cur_changed_by_us_ = true;
    if (unlink.empty()) return Finish(later);
    FilePlan settle = NewPlan();
    settle.stages.push_back({SyncDir{dir_ + "/cur"}});
    settle.stages.push_back(std::move(unlink));
    io_.Commit(std::move(settle), later, [this](const PlanResult&, Context& after) {
      cur_changed_by_us_ = true;
      Finish(after);
    });
  });
}

}  // namespace postern::mailbox
