// Operations that change a mailbox: STORE, EXPUNGE, and messages that come in (APPEND, COPY).
#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/keywords.h"
#include "core/mailbox/mailbox.h"

namespace postern::mailbox {
namespace {

constexpr Keywords kLettered = (Keywords{1} << 26) - 1;

}  // namespace

void Mailbox::EnsureSupport(Context& context, Then then) {
  if (!rewrite_) return then(Status(), context);
  std::string unused;
  ReserveModseqs(0, &unused);
  FilePlan plan = NewPlan();
  AddRewriteStages(&plan);
  const size_t full_uid = FullUidList().size(), full_log = FullChangeLog().size();
  io_.Commit(std::move(plan), context, [this, full_uid, full_log, then = std::move(then)](const PlanResult& result, Context& later) {
    if (result.ok()) {
      rewrite_ = false;
      uidlist_bytes_ = full_uid;
      log_bytes_ = full_log;
      ceiling_ = std::max(ceiling_, pending_ceiling_);
      must_claim_ = false;
    }
    then(result.status(), later);
  });
}

StatusOr<Keywords> Mailbox::KeywordsNamed(const std::vector<std::string>& names, std::string* log_records, bool* file_changes) {
  Keywords set = 0;
  for (const std::string& name : names) {
    int index = FindKeyword(state_->keyword_names, name);
    if (index < 0) {
      // The lowest index without a name that no message uses: a letter without a line keeps its meaning.
      Keywords used = 0;
      for (const Keywords k : state_->keywords) used |= k;
      index = 0;
      while (index < kKeywordCountMax && ((used >> index & 1) || (static_cast<size_t>(index) < state_->keyword_names.size() &&
                                                                   !state_->keyword_names[static_cast<size_t>(index)].empty()))) {
        ++index;
      }
      if (index == kKeywordCountMax) return ResourceExhausted("Too many keywords in the mailbox");
      if (state_->keyword_names.size() <= static_cast<size_t>(index)) state_->keyword_names.resize(static_cast<size_t>(index) + 1);
      state_->keyword_names[static_cast<size_t>(index)] = name;
      if (index < 26) {
        *file_changes = true;
      } else {
        AppendKeyword(index, name, log_records);
      }
    }
    set |= Keywords{1} << index;
  }
  return set;
}

void Mailbox::AddKeywordStages(FilePlan* plan) const {
  const Path path = Control("dovecot-keywords"), tmp = path + ".tmp";
  plan->stages.push_back({Unlink{tmp}});
  plan->stages.push_back({Create{.path = tmp, .bytes = Chain(FormatKeywords(state_->keyword_names))}});
  plan->stages.push_back({SyncFile{tmp}});
  plan->stages.push_back({Rename{.from = tmp, .to = path, .replace = true}});
}

// ---- STORE ----------------------------------------------------------------------------------------------------------------

struct Mailbox::StoreRun {
  StoreRequest request;
  std::function<void(const Status&, StoreResult, Context&)> then;
  StoreResult result;
  bool looked_again = false;
  struct Change {
    uint32_t uid;
    std::string name;
    Flags flags;
    Keywords keywords;
    uint64_t modseq;
    bool renames;
  };
  std::vector<Change> changes;
};

void Mailbox::Store(StoreRequest request, Context& context, std::function<void(const Status&, StoreResult, Context&)> then) {
  auto run = std::make_shared<StoreRun>();
  run->request = std::move(request);
  run->then = std::move(then);
  EnsureSupport(context, [this, run](const Status& status, Context& later) {
    if (!status.ok()) return StoreEnded(run, status, later);
    StoreOnce(run, later);
  });
}

void Mailbox::StoreEnded(std::shared_ptr<StoreRun> run, const Status& status, Context& context) {
  std::sort(run->result.changed_uids.begin(), run->result.changed_uids.end());
  Finish(context);
  run->then(status, std::move(run->result), context);
}

void Mailbox::StoreOnce(std::shared_ptr<StoreRun> run, Context& context) {
  std::string log_records;
  bool keyword_file = false;
  const auto keywords = KeywordsNamed(run->request.keywords, &log_records, &keyword_file);
  if (!keywords.ok()) return StoreEnded(run, keywords.status(), context);
  run->changes.clear();
  uint64_t modseq = state_->highestmodseq;
  for (const uint32_t uid : run->request.uids) {
    const size_t row = state_->RowOf(uid);
    if (row == state_->count()) continue;
    if (run->request.unchanged_since && state_->modseqs[row] > *run->request.unchanged_since) {
      run->result.modified_uids.push_back(uid);
      continue;
    }
    Flags flags = run->request.flags;
    Keywords set = *keywords;
    if (run->request.mode == StoreMode::kAdd) {
      flags |= state_->flags[row];
      set |= state_->keywords[row];
    } else if (run->request.mode == StoreMode::kRemove) {
      flags = state_->flags[row] & static_cast<Flags>(~flags);
      set = state_->keywords[row] & ~set;
    } else {
      // A letter whose name nobody knows is not the client's to remove.
      for (size_t i = 0; i < kKeywordCountMax; ++i) {
        const bool named = i < state_->keyword_names.size() && !state_->keyword_names[i].empty();
        if (!named) set |= state_->keywords[row] & Keywords{1} << i;
      }
    }
    if (flags == state_->flags[row] && set == state_->keywords[row]) {
      run->result.changed_uids.push_back(uid);
      continue;
    }
    const NameParts parts = ParseName(state_->names_[row]);
    std::string name = FormatName(parts.base, flags, set & kLettered, parts.letters, parts.other);
    const bool renames = name != state_->names_[row] || state_->in_new_[row];
    if (!PLANTED("modseq_not_bumped")) ++modseq;
    run->changes.push_back({uid, std::move(name), flags, set, modseq, renames});
  }
  if (run->changes.empty() && !keyword_file) return StoreEnded(run, Status(), context);

  FilePlan plan = NewPlan();
  if (keyword_file) AddKeywordStages(&plan);
  const bool flush_log = ReserveModseqs(run->changes.size(), &log_records);
  for (const auto& change : run->changes) AppendFlags(change.uid, {change.modseq, change.flags, change.keywords}, &log_records);
  const size_t log_bytes = log_records.size();
  Stage stage;
  std::vector<size_t> op_of;  // operation -> change
  for (size_t i = 0; i < run->changes.size(); ++i) {
    const auto& change = run->changes[i];
    if (!change.renames) continue;
    stage.push_back(Rename{.from = PathOf(change.uid), .to = In("cur", change.name)});
    op_of.push_back(i);
  }
  const size_t rename_stage = plan.stages.size();
  if (!log_records.empty()) {
    stage.push_back(Append{.path = Control("postern.changes"), .at_bytes = log_bytes_, .bytes = Chain(std::move(log_records))});
  }
  plan.stages.push_back(std::move(stage));
  Stage sync;
  if (flush_log || always_flush(context)) sync.push_back(SyncFile{Control("postern.changes")});
  if (always_flush(context)) sync.push_back(SyncDir{dir_ + "/cur"});
  if (!sync.empty()) plan.stages.push_back(std::move(sync));

  io_.Commit(std::move(plan), context, [this, run, rename_stage, op_of, log_bytes](const PlanResult& result, Context& later) {
    std::vector<uint8_t> failed(run->changes.size(), result.ok() ? 0 : 1);
    bool log_failed = !result.ok(), some_missing = false;
    Status worst = result.status();
    if (!result.ok() && result.failures.front().stage == rename_stage) {
      std::fill(failed.begin(), failed.end(), 0);
      log_failed = false;
      worst = Status();
      for (const OpFailure& failure : result.failures) {
        if (failure.op >= op_of.size()) {
          log_failed = true;
          continue;
        }
        failed[op_of[failure.op]] = 1;
        log_failed = true;  // it tells of a change that did not happen
        if (failure.status.code() == StatusCode::kNotFound) {
          some_missing = true;
        } else {
          worst = failure.status;
        }
      }
    } else if (!result.ok() && result.failures.front().stage > rename_stage) {
      std::fill(failed.begin(), failed.end(), 0);  // done, but not flushed: the answer is NO, the change stays
    }
    SupportDone(!log_failed, 0, log_bytes);
    cur_changed_by_us_ = true;
    for (size_t i = 0; i < run->changes.size(); ++i) {
      const auto& change = run->changes[i];
      const size_t row = state_->RowOf(change.uid);
      if (failed[i] || row == state_->count()) continue;
      SetRow(row, change.name, change.renames ? false : state_->in_new_[row] != 0, change.flags, change.keywords, change.modseq);
      state_->highestmodseq = std::max(state_->highestmodseq, change.modseq);
      run->result.changed_uids.push_back(change.uid);
    }
    if (on_change) on_change();
    if (some_missing && !run->looked_again) {
      // Another program renamed or removed them: look, and try what is left once more.
      run->looked_again = true;
      std::vector<uint32_t> left;
      for (size_t i = 0; i < run->changes.size(); ++i) {
        if (failed[i]) left.push_back(run->changes[i].uid);
      }
      run->request.uids = std::move(left);
      return LookAgain(/*force=*/true, later, [this, run](const Status& status, Context& after) {
        if (!status.ok()) return StoreEnded(run, status, after);
        StoreOnce(run, after);
      });
    }
    StoreEnded(run, worst, later);
  });
}

// ---- EXPUNGE --------------------------------------------------------------------------------------------------------------

void Mailbox::Expunge(std::vector<uint32_t> uids, bool only_deleted, Context& context,
                      std::function<void(const Status&, ExpungeResult, Context&)> then) {
  EnsureSupport(context, [this, uids = std::move(uids), only_deleted, then](const Status& status, Context& later) {
    const auto end = [this, then](const Status& final_status, ExpungeResult result, Context& after) {
      Finish(after);
      then(final_status, std::move(result), after);
    };
    if (!status.ok()) return end(status, {}, later);
    auto gone = std::make_shared<std::vector<std::pair<uint32_t, uint64_t>>>();
    uint64_t modseq = state_->highestmodseq;
    for (const uint32_t uid : uids) {
      const size_t row = state_->RowOf(uid);
      if (row == state_->count() || (only_deleted && !(state_->flags[row] & kDeleted))) continue;
      gone->emplace_back(uid, ++modseq);
    }
    if (gone->empty()) return end(Status(), {}, later);
    std::string log_records;
    const bool flush = ReserveModseqs(gone->size(), &log_records);
    Stage stage;
    for (const auto& [uid, gone_modseq] : *gone) {
      stage.push_back(Unlink{PathOf(uid)});
      AppendExpunged(uid, gone_modseq, &log_records);
    }
    const size_t log_bytes = log_records.size();
    stage.push_back(Append{.path = Control("postern.changes"), .at_bytes = log_bytes_, .bytes = Chain(std::move(log_records))});
    FilePlan plan = NewPlan();
    plan.stages.push_back(std::move(stage));
    Stage sync;
    if (flush || always_flush(later)) sync.push_back(SyncFile{Control("postern.changes")});
    if (always_flush(later)) sync.insert(sync.end(), {SyncDir{dir_ + "/cur"}, SyncDir{dir_ + "/new"}});
    if (!sync.empty()) plan.stages.push_back(std::move(sync));
    io_.Commit(std::move(plan), later, [this, gone, end, log_bytes](const PlanResult& result, Context& after) {
      std::vector<uint8_t> stays(gone->size(), 0);
      for (const OpFailure& failure : result.failures) {
        if (failure.stage == 0 && failure.op < stays.size()) stays[failure.op] = 1;
      }
      SupportDone(result.ok(), 0, log_bytes);
      cur_changed_by_us_ = true;
      ExpungeResult expunged;
      for (size_t i = 0; i < gone->size(); ++i) {
        const size_t row = state_->RowOf((*gone)[i].first);
        if (stays[i] || row == state_->count()) continue;
        RemoveRow(row, (*gone)[i].second);
        state_->highestmodseq = std::max(state_->highestmodseq, (*gone)[i].second);
        expunged.uids.push_back((*gone)[i].first);
      }
      if (on_change) on_change();
      end(result.status(), std::move(expunged), after);
    });
  });
}

// ---- messages come in -------------------------------------------------------------------------------------------------------

struct Mailbox::InsertRun {
  std::vector<Incoming> messages;
  std::function<void(const Status&, AppendResult, Context&)> then;
  struct Placed {
    std::string name;
    bool in_new;
    Path final_path, tmp_path;
    uint64_t crlf_bytes;
    uint32_t uid;
    uint64_t modseq;
    Keywords keywords;
  };
  std::vector<Placed> placed;
  size_t uid_bytes = 0, log_bytes = 0;
  size_t append_stage = 0;
};

void Mailbox::Insert(std::vector<Incoming> messages, Context& context,
                     std::function<void(const Status&, AppendResult, Context&)> then) {
  auto run = std::make_shared<InsertRun>();
  run->messages = std::move(messages);
  run->then = std::move(then);
  EnsureSupport(context, [this, run](const Status& status, Context& later) {
    if (!status.ok()) {
      Finish(later);
      return run->then(status, {}, later);
    }
    InsertPrepared(run, later);
  });
}

void Mailbox::InsertPrepared(std::shared_ptr<InsertRun> run, Context& context) {
  std::string uid_records, log_records, keyword_records;
  bool keyword_file = false;
  FilePlan plan = NewPlan();
  Stage make, sync, place, settle;
  bool uses_new = false, uses_cur = false;
  uint32_t uid = state_->uidnext;
  uint64_t modseq = state_->highestmodseq;
  ReserveModseqs(run->messages.size(), &log_records);
  for (Incoming& incoming : run->messages) {
    const auto keywords = KeywordsNamed(incoming.keywords, &keyword_records, &keyword_file);
    if (!keywords.ok()) {
      Finish(context);
      return run->then(keywords.status(), {}, context);
    }
    const NewMessage& message = incoming.message;
    InsertRun::Placed placed{.uid = uid++, .modseq = ++modseq, .keywords = *keywords};
    std::string base = names_.Next(context.now.wall);
    base += incoming.link_from.empty()
                ? ",S=" + std::to_string(message.file_bytes) + ",W=" + std::to_string(message.crlf_bytes)
                : incoming.size_suffix;
    placed.in_new = incoming.flags == 0 && placed.keywords == 0;
    placed.name = placed.in_new ? base : FormatName(base, incoming.flags, placed.keywords & kLettered, "", "");
    placed.final_path = In(placed.in_new ? "new" : "cur", placed.name);
    (placed.in_new ? uses_new : uses_cur) = true;
    if (!incoming.link_from.empty()) {
      place.push_back(Link{.from = incoming.link_from, .to = placed.final_path});
      settle.push_back(SyncFile{placed.final_path});
    } else {
      placed.tmp_path = message.tmp_path.empty() ? In("tmp", base) : message.tmp_path;
      if (message.bytes != nullptr) {
        Chain bytes;
        bytes.Append(message.bytes);
        make.push_back(Create{.path = placed.tmp_path, .bytes = std::move(bytes), .mtime_seconds = incoming.mtime_seconds});
      } else if (incoming.mtime_seconds >= 0) {
        make.push_back(SetMtime{.path = placed.tmp_path, .mtime_seconds = incoming.mtime_seconds});
      }
      if (!PLANTED("rename_without_sync_file")) sync.push_back(SyncFile{placed.tmp_path});
      place.push_back(Rename{.from = placed.tmp_path, .to = placed.final_path});
    }
    AppendUidRecord({.uid = placed.uid, .base = base}, &uid_records);
    AppendFlags(placed.uid, {placed.modseq, incoming.flags, placed.keywords}, &log_records);
    run->placed.push_back(std::move(placed));
  }
  if (keyword_file) AddKeywordStages(&plan);
  log_records = keyword_records + log_records;
  run->uid_bytes = uid_records.size();
  run->log_bytes = log_records.size();
  plan.stages.push_back(std::move(make));
  plan.stages.push_back(std::move(sync));
  plan.stages.push_back(std::move(place));
  if (uses_new) settle.push_back(SyncDir{dir_ + "/new"});
  if (uses_cur) settle.push_back(SyncDir{dir_ + "/cur"});
  run->append_stage = plan.stages.size();
  settle.push_back(Append{.path = Control("dovecot-uidlist"), .at_bytes = uidlist_bytes_, .bytes = Chain(std::move(uid_records))});
  settle.push_back(Append{.path = Control("postern.changes"), .at_bytes = log_bytes_, .bytes = Chain(std::move(log_records))});
  plan.stages.push_back(std::move(settle));
  plan.stages.push_back({SyncFile{Control("dovecot-uidlist")}, SyncFile{Control("postern.changes")}});
  const auto done = [this, run](const PlanResult& result, Context& later) {
    if (!result.ok()) return InsertFailed(run, result, later);
    SupportDone(true, run->uid_bytes, run->log_bytes);
    cur_changed_by_us_ = true;
    AppendResult answer{.uidvalidity = state_->uidvalidity};
    for (InsertRun::Placed& placed : run->placed) {
      AddRow(placed.uid, std::move(placed.name), placed.in_new, placed.modseq, placed.keywords & ~kLettered);
      state_->uidnext = placed.uid + 1;
      state_->highestmodseq = placed.modseq;
      answer.uids.push_back(placed.uid);
    }
    if (on_change) on_change();
    Finish(later);
    run->then(Status(), std::move(answer), later);
  };
  if (PLANTED("ack_before_plan_done")) {
    io_.Commit(std::move(plan), context, [](const PlanResult&, Context&) {});
    return done(PlanResult{}, context);
  }
  io_.Commit(std::move(plan), context, done);
}

// None of them is to be seen: what was made goes again. The UIDs were never shown, so they may be given anew.
void Mailbox::InsertFailed(std::shared_ptr<InsertRun> run, const PlanResult& result, Context& context) {
  if (result.failures.front().stage >= run->append_stage) rewrite_ = true;
  FilePlan plan = NewPlan();
  Stage stage;
  for (const InsertRun::Placed& placed : run->placed) {
    if (!placed.tmp_path.empty()) stage.push_back(Unlink{placed.tmp_path});
    stage.push_back(Unlink{placed.final_path});
  }
  plan.stages.push_back(std::move(stage));
  const Status status = result.status();
  io_.Commit(std::move(plan), context, [this, run, status](const PlanResult&, Context& later) {
    cur_changed_by_us_ = true;
    Finish(later);
    run->then(status, {}, later);
  });
}

}  // namespace postern::mailbox
