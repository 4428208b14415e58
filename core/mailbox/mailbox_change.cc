// Operations that change messages: STORE and EXPUNGE.
#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/keywords.h"
#include "core/mailbox/mailbox.h"
#include "core/mailbox/records.h"

namespace postern::mailbox {

void Mailbox::EnsureSupport(Context& context, Then then) {
  if (rewrite_ == Rewrite::kNo) return then(Status(), context);
  std::string unused;
  ReserveModseqs(0, &unused);
  FilePlan plan = NewPlan();
  size_t uid_bytes = 0, log_bytes = 0;
  AddRewriteStages(&plan, &uid_bytes, &log_bytes);
  const size_t first_rename = plan.stages.size() - 3;
  const auto done = [this, uid_bytes, log_bytes, first_rename, then = std::move(then)](const PlanResult& result,
                                                                                       Context& later) {
    if (result.ok()) {
      Rewritten(uid_bytes, log_bytes);
      return then(Status(), later);
    }
    if (result.failures.front().stage >= first_rename) rewrite_ = Rewrite::kMust;
    if (rewrite_ == Rewrite::kMust) return then(result.status(), later);
    rewrite_ = Rewrite::kNo;  // the files are as good as before, only long
    then(Status(), later);
  };
  io_.Commit(std::move(plan), context, done);
}

StatusOr<Keywords> Mailbox::KeywordsNamed(const std::vector<std::string>& names, std::string* log_records) {
  Keywords set = 0;
  for (const std::string& name : names) {
    int index = FindKeyword(state_->keyword_names, name);
    if (index < 0) {
      // The lowest index without a name that no message uses: a letter without a line keeps its meaning.
      Keywords used = 0;
      for (const Keywords k : state_->keywords) used |= k;
      index = 0;
      while (index < kKeywordCountMax &&
             ((used >> index & 1) || (static_cast<size_t>(index) < state_->keyword_names.size() &&
                                      !state_->keyword_names[static_cast<size_t>(index)].empty()))) {
        ++index;
      }
      if (index == kKeywordCountMax) return ResourceExhausted("Too many keywords in the mailbox");
      if (state_->keyword_names.size() <= static_cast<size_t>(index))
        state_->keyword_names.resize(static_cast<size_t>(index) + 1);
      state_->keyword_names[static_cast<size_t>(index)] = name;
      if (index < 26) {
        keywords_dirty_ = true;
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
  plan->stages.push_back({SyncDir{control_dir_}});  // rare, and a letter without its name says nothing
}

// ---- STORE ----------------------------------------------------------------------------------------------------------

struct Mailbox::StoreRun {
  StoreRequest request;
  std::function<void(const Status&, StoreResult, Context&)> then;
  StoreResult result;
  bool looked_again = false;
  struct Change {
    uint32_t uid = 0;
    std::string name;
    Flags flags = 0;
    Keywords keywords = 0;
    uint64_t modseq = 0;
    bool renames = false;
  };
  std::vector<Change> changes;
  std::vector<size_t> op_of;  // operation of the stage of renames -> change
  size_t rename_stage = 0, log_bytes = 0;
  size_t log_stage = 0;  // the first that appends to the log
  bool writes_keywords = false, names_keywords = false;
};

void Mailbox::Store(StoreRequest request, Context& context,
                    std::function<void(const Status&, StoreResult, Context&)> then) {
  auto run = std::make_shared<StoreRun>();
  run->request = std::move(request);
  run->then = std::move(then);
  EnsureSupport(context, [this, run](const Status& status, Context& later) {
    if (!status.ok()) return StoreEnded(run, status, later);
    StoreOnce(run, later);
  });
}

void Mailbox::StoreEnded(std::shared_ptr<StoreRun> run, const Status& status, Context& context) {
  std::sort(run->result.messages.begin(), run->result.messages.end(),
            [](const auto& a, const auto& b) { return a.uid < b.uid; });
  Finish(context);
  run->then(status, std::move(run->result), context);
}

// What one message is to become; false: nothing changes.
bool Mailbox::Changed(size_t row, const StoreRequest& request, Keywords named, Flags* flags, Keywords* keywords) const {
  *flags = request.flags;
  *keywords = named;
  if (request.mode == StoreMode::kAdd) {
    *flags |= state_->flags[row];
    *keywords |= state_->keywords[row];
  } else if (request.mode == StoreMode::kRemove) {
    *flags = state_->flags[row] & static_cast<Flags>(~*flags);
    *keywords = state_->keywords[row] & ~*keywords;
  } else {
    // A letter whose name nobody knows is not the client's to remove.
    for (size_t i = 0; i < kKeywordCountMax; ++i) {
      const bool has_name = i < state_->keyword_names.size() && !state_->keyword_names[i].empty();
      if (!has_name) *keywords |= state_->keywords[row] & Keywords{1} << i;
    }
  }
  return *flags != state_->flags[row] || *keywords != state_->keywords[row];
}

void Mailbox::StoreOnce(std::shared_ptr<StoreRun> run, Context& context) {
  std::string log_records;
  const auto named = KeywordsNamed(run->request.keywords, &log_records);
  if (!named.ok()) return StoreEnded(run, named.status(), context);
  run->changes.clear();
  uint64_t modseq = state_->highestmodseq;
  for (const uint32_t uid : run->request.uids) {
    const size_t row = state_->RowOf(uid);
    if (row == state_->count()) continue;
    if (run->request.unchanged_since && state_->modseqs[row] > *run->request.unchanged_since) {
      run->result.modified_uids.push_back(uid);
      continue;
    }
    StoreRun::Change change{.uid = uid};
    if (!Changed(row, run->request, *named, &change.flags, &change.keywords)) {
      run->result.messages.push_back({uid, state_->modseqs[row], state_->modseqs[row]});
      continue;
    }
    const NameParts parts = ParseName(state_->names_[row]);
    change.name = FormatName(parts.base, change.flags, change.keywords & kLettered, parts.letters, parts.other);
    change.renames = change.name != state_->names_[row];
    if (!PLANTED("modseq_not_bumped")) ++modseq;
    change.modseq = modseq;
    run->changes.push_back(std::move(change));
  }
  run->names_keywords = !log_records.empty();
  if (run->changes.empty() && !keywords_dirty_ && !run->names_keywords) return StoreEnded(run, Status(), context);
  CommitStore(run, std::move(log_records), context);
}

void Mailbox::CommitStore(std::shared_ptr<StoreRun> run, std::string log_records, Context& context) {
  FilePlan plan = NewPlan();
  run->writes_keywords = keywords_dirty_;
  if (keywords_dirty_) AddKeywordStages(&plan);
  run->log_stage = plan.stages.size();
  const size_t ceiling_bytes = AddCeilingStages(run->changes.size(), &plan);
  for (const auto& change : run->changes)
    AppendFlags(change.uid, {change.modseq, change.flags, change.keywords}, &log_records);
  run->log_bytes = ceiling_bytes + log_records.size();
  Stage stage;
  run->op_of.clear();
  for (size_t i = 0; i < run->changes.size(); ++i) {
    const auto& change = run->changes[i];
    if (!change.renames) continue;
    stage.push_back(Rename{.from = PathOf(change.uid),
                           .to = In(state_->in_new_[state_->RowOf(change.uid)] ? "new" : "cur", change.name)});
    run->op_of.push_back(i);
  }
  run->rename_stage = plan.stages.size();
  if (!log_records.empty()) {
    stage.push_back(Append{.path = Control("postern.changes"),
                           .at_bytes = log_bytes_ + ceiling_bytes,
                           .bytes = Chain(std::move(log_records))});
  }
  plan.stages.push_back(std::move(stage));
  if (always_flush(context))
    plan.stages.push_back({SyncFile{Control("postern.changes")}, SyncDir{dir_ + "/cur"}, SyncDir{dir_ + "/new"}});
  io_.Commit(std::move(plan), context,
             [this, run](const PlanResult& result, Context& later) { OnStored(run, result, later); });
}

// Each message that has its new name is changed, whatever became of the others.
void Mailbox::OnStored(std::shared_ptr<StoreRun> run, const PlanResult& result, Context& context) {
  const uint32_t ended_in = result.ok() ? UINT32_MAX : result.failures.front().stage;
  std::vector<uint8_t> failed(run->changes.size(), ended_in < run->rename_stage ? 1 : 0);
  bool some_missing = false;
  Status worst = ended_in == run->rename_stage ? Status() : result.status();
  if (ended_in == run->rename_stage) {
    for (const OpFailure& failure : result.failures) {
      // A failed append: the names are the truth, and the log is written anew before anything else.
      if (failure.op >= run->op_of.size()) continue;
      failed[run->op_of[failure.op]] = 1;
      if (failure.status.code() == StatusCode::kNotFound) {
        some_missing = true;
      } else {
        worst = failure.status;
      }
    }
  }
  // Untouched files are as they were, but for a keyword that would be left without its record.
  if (ended_in >= run->log_stage || run->names_keywords) SupportDone(result.ok(), 0, run->log_bytes);
  if (run->writes_keywords && ended_in >= run->rename_stage) keywords_dirty_ = false;
  cur_changed_by_us_ = true;
  for (size_t i = 0; i < run->changes.size(); ++i) {
    auto& change = run->changes[i];
    const size_t row = state_->RowOf(change.uid);
    if (failed[i] || row == state_->count()) continue;
    run->result.messages.push_back({change.uid, state_->modseqs[row], change.modseq});
    SetRow(row, change.name, state_->in_new_[row] != 0, change.flags, change.keywords, change.modseq);
    state_->highestmodseq = std::max(state_->highestmodseq, change.modseq);
  }
  if (on_change) on_change();
  if (!some_missing || run->looked_again) return StoreEnded(run, worst, context);
  // Another program renamed or removed them: look, and try what is left once more.
  run->looked_again = true;
  std::vector<uint32_t> left;
  for (size_t i = 0; i < run->changes.size(); ++i) {
    if (failed[i]) left.push_back(run->changes[i].uid);
  }
  run->request.uids = std::move(left);
  LookAgain(/*force=*/true, context, [this, run](const Status& status, Context& later) {
    if (!status.ok()) return StoreEnded(run, status, later);
    StoreOnce(run, later);
  });
}

// ---- EXPUNGE --------------------------------------------------------------------------------------------------------

struct Mailbox::ExpungeRun {
  std::vector<uint32_t> uids;
  bool only_deleted = false, looked_again = false;
  std::function<void(const Status&, ExpungeResult, Context&)> then;
  std::vector<std::pair<uint32_t, uint64_t>> gone;
  size_t unlink_stage = 0, log_bytes = 0;
};

void Mailbox::Expunge(std::vector<uint32_t> uids, bool only_deleted, Context& context,
                      std::function<void(const Status&, ExpungeResult, Context&)> then) {
  auto run = std::make_shared<ExpungeRun>();
  run->uids = std::move(uids);
  run->only_deleted = only_deleted;
  run->then = std::move(then);
  EnsureSupport(context, [this, run](const Status& status, Context& later) {
    if (!status.ok()) return ExpungeEnded(run, status, {}, later);
    ExpungeOnce(run, later);
  });
}

void Mailbox::ExpungeEnded(std::shared_ptr<ExpungeRun> run, const Status& status, ExpungeResult result,
                           Context& context) {
  Finish(context);
  run->then(status, std::move(result), context);
}

// Unlinking a name that is gone says nothing, so the names are looked at first: another program may have renamed the
// file.
void Mailbox::ExpungeOnce(std::shared_ptr<ExpungeRun> run, Context& context) {
  std::vector<Path> paths;
  run->gone.clear();
  uint64_t modseq = state_->highestmodseq;
  for (const uint32_t uid : run->uids) {
    const size_t row = state_->RowOf(uid);
    if (row == state_->count() || (run->only_deleted && !(state_->flags[row] & kDeleted))) continue;
    run->gone.emplace_back(uid, ++modseq);
    paths.push_back(PathOf(uid));
  }
  if (run->gone.empty()) return ExpungeEnded(run, Status(), {}, context);
  io_.Stat(std::move(paths), context, [this, run](const StatDone& done, Context& later) {
    const bool some_missing = std::any_of(done.files.begin(), done.files.end(), [](const FileFacts& file) {
      return file.status.code() == StatusCode::kNotFound;
    });
    if (!some_missing || run->looked_again) return CommitExpunge(run, later);
    run->looked_again = true;
    LookAgain(/*force=*/true, later, [this, run](const Status& status, Context& after) {
      if (!status.ok()) return ExpungeEnded(run, status, {}, after);
      ExpungeOnce(run, after);
    });
  });
}

void Mailbox::CommitExpunge(std::shared_ptr<ExpungeRun> run, Context& context) {
  FilePlan plan = NewPlan();
  const size_t ceiling_bytes = AddCeilingStages(run->gone.size(), &plan);
  std::string log_records;
  Stage stage;
  for (const auto& [uid, modseq] : run->gone) {
    stage.push_back(Unlink{PathOf(uid)});
    AppendExpunged(uid, modseq, &log_records);
  }
  run->log_bytes = ceiling_bytes + log_records.size();
  run->unlink_stage = plan.stages.size();
  stage.push_back(Append{.path = Control("postern.changes"),
                         .at_bytes = log_bytes_ + ceiling_bytes,
                         .bytes = Chain(std::move(log_records))});
  plan.stages.push_back(std::move(stage));
  if (always_flush(context))
    plan.stages.push_back({SyncFile{Control("postern.changes")}, SyncDir{dir_ + "/cur"}, SyncDir{dir_ + "/new"}});
  io_.Commit(std::move(plan), context, [this, run](const PlanResult& result, Context& later) {
    const uint32_t ended_in = result.ok() ? UINT32_MAX : result.failures.front().stage;
    std::vector<uint8_t> stays(run->gone.size(), ended_in < run->unlink_stage ? 1 : 0);
    if (ended_in == run->unlink_stage) {
      for (const OpFailure& failure : result.failures) {
        if (failure.op < stays.size()) stays[failure.op] = 1;
      }
    }
    SupportDone(result.ok(), 0, run->log_bytes);
    cur_changed_by_us_ = true;
    ExpungeResult expunged;
    std::vector<std::pair<uint32_t, uint64_t>> gone;
    for (size_t i = 0; i < run->gone.size(); ++i) {
      const size_t row = state_->RowOf(run->gone[i].first);
      if (stays[i] || row == state_->count()) continue;
      gone.push_back(run->gone[i]);
      expunged.uids.push_back(run->gone[i].first);
      expunged.files.push_back(RecordedName(state_->names_[row]));
      state_->highestmodseq = std::max(state_->highestmodseq, run->gone[i].second);
    }
    RemoveRows(gone);
    if (on_change) on_change();
    ExpungeEnded(run, result.status(), std::move(expunged), later);
  });
}

}  // namespace postern::mailbox
