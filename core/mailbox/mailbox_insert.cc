// Messages that come in by IMAP: APPEND and COPY. All of them or none, durable before the answer.
#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/mailbox.h"
#include "core/mailbox/records.h"

namespace postern::mailbox {

struct Mailbox::InsertRun {
  std::vector<Incoming> messages;
  std::function<void(const Status&, AppendResult, Context&)> then;
  struct Placed {
    std::string name;
    bool in_new = false;
    Path final_path, tmp_path;
    uint32_t uid = 0;
    uint64_t modseq = 0;
    Keywords keywords = 0;
  };
  std::vector<Placed> placed;
  size_t uid_bytes = 0, log_bytes = 0;
  // Stages, and which message an operation of them is about.
  size_t make_stage = 0, place_stage = 0, append_stage = 0;
  std::vector<size_t> made_by;
  bool writes_keywords = false, names_keywords = false;
};

void Mailbox::Insert(std::vector<Incoming> messages, Context& context,
                     std::function<void(const Status&, AppendResult, Context&)> then) {
  auto run = std::make_shared<InsertRun>();
  run->messages = std::move(messages);
  run->then = std::move(then);
  EnsureSupport(context, [this, run](const Status& status, Context& later) {
    if (!status.ok()) return InsertEnded(run, status, later);
    InsertPrepared(run, later);
  });
}

// For answers without messages.
void Mailbox::InsertEnded(std::shared_ptr<InsertRun> run, const Status& status, Context& context) {
  Finish(context);
  run->then(status, {}, context);
}

// Names, UIDs and MODSEQs, and the records that tell of them.
Status Mailbox::PlaceIncoming(InsertRun& run, std::string* uid_records, std::string* log_records, Context& context) {
  if (!HasUidsFor(run.messages.size())) return ResourceExhausted("no UIDs are left in " + name_);
  uint32_t uid = state_->uidnext;
  uint64_t modseq = state_->highestmodseq;
  for (const Incoming& incoming : run.messages) {
    const size_t before = log_records->size();
    const auto keywords = KeywordsNamed(incoming.keywords, log_records);
    run.names_keywords |= log_records->size() != before;
    if (!keywords.ok()) return keywords.status();
    const NewMessage& message = incoming.message;
    InsertRun::Placed placed{.uid = uid++, .modseq = ++modseq, .keywords = *keywords};
    const std::string unique = names_.Next(context.now.wall);
    const std::string base = unique + (incoming.link_from.empty() ? ",S=" + std::to_string(message.file_bytes) +
                                                                        ",W=" + std::to_string(message.crlf_bytes)
                                                                  : incoming.size_suffix);
    placed.in_new = incoming.flags == 0 && placed.keywords == 0;
    placed.name = placed.in_new ? base : FormatName(base, incoming.flags, placed.keywords & kLettered, "", "");
    placed.final_path = In(placed.in_new ? "new" : "cur", placed.name);
    if (incoming.link_from.empty()) placed.tmp_path = message.tmp_path.empty() ? In("tmp", unique) : message.tmp_path;
    AppendUidRecord({.uid = placed.uid, .base = base}, uid_records);
    AppendFlags(placed.uid, {placed.modseq, incoming.flags, placed.keywords}, log_records);
    run.placed.push_back(std::move(placed));
  }
  return Status();
}

void Mailbox::InsertPrepared(std::shared_ptr<InsertRun> run, Context& context) {
  std::string uid_records, log_records;
  ReserveModseqs(run->messages.size(), &log_records);
  if (const Status status = PlaceIncoming(*run, &uid_records, &log_records, context); !status.ok()) {
    if (run->names_keywords) SupportDone(false, 0, 0);  // it is without its record
    return InsertEnded(run, status, context);
  }
  run->uid_bytes = uid_records.size();
  run->log_bytes = log_records.size();
  FilePlan plan = NewPlan();
  run->writes_keywords = keywords_dirty_;
  if (keywords_dirty_) AddKeywordStages(&plan);
  AddFileStages(*run, &plan);
  Stage settle;
  const auto uses = [&](bool in_new) {
    return std::any_of(run->placed.begin(), run->placed.end(),
                       [in_new](const auto& placed) { return placed.in_new == in_new; });
  };
  for (size_t i = 0; i < run->placed.size(); ++i) {
    if (run->placed[i].tmp_path.empty()) settle.push_back(SyncFile{run->placed[i].final_path});
  }
  if (!PLANTED("delivery_without_sync_dir")) {
    if (uses(true)) settle.push_back(SyncDir{dir_ + "/new"});
    if (uses(false)) settle.push_back(SyncDir{dir_ + "/cur"});
  }
  run->append_stage = plan.stages.size();
  settle.push_back(
      Append{.path = Control("dovecot-uidlist"), .at_bytes = uidlist_bytes_, .bytes = Chain(std::move(uid_records))});
  settle.push_back(
      Append{.path = Control("postern.changes"), .at_bytes = log_bytes_, .bytes = Chain(std::move(log_records))});
  plan.stages.push_back(std::move(settle));
  plan.stages.push_back({SyncFile{Control("dovecot-uidlist")}, SyncFile{Control("postern.changes")}});
  const auto done = [this, run](const PlanResult& result, Context& later) { OnInserted(run, result, later); };
  if (PLANTED("ack_before_plan_done")) {
    io_.Commit(std::move(plan), context, [](const PlanResult&, Context&) {});
    return done(PlanResult{}, context);
  }
  io_.Commit(std::move(plan), context, done);
}

// The files in tmp/, flushed, then all names.
void Mailbox::AddFileStages(InsertRun& run, FilePlan* plan) const {
  Stage make, sync, place;
  for (size_t i = 0; i < run.placed.size(); ++i) {
    const InsertRun::Placed& placed = run.placed[i];
    const Incoming& incoming = run.messages[i];
    if (placed.tmp_path.empty()) {
      place.push_back(Link{.from = incoming.link_from, .to = placed.final_path});
      continue;
    }
    if (incoming.message.tmp_path.empty()) {
      Chain bytes;
      bytes.Append(incoming.message.bytes);
      make.push_back(
          Create{.path = placed.tmp_path, .bytes = std::move(bytes), .mtime_seconds = incoming.mtime_seconds});
      run.made_by.push_back(i);
    } else if (incoming.mtime_seconds >= 0) {
      make.push_back(SetMtime{.path = placed.tmp_path, .mtime_seconds = incoming.mtime_seconds});
      run.made_by.push_back(i);
    }
    if (!PLANTED("rename_without_sync_file")) sync.push_back(SyncFile{placed.tmp_path});
    place.push_back(Rename{.from = placed.tmp_path, .to = placed.final_path});
  }
  run.make_stage = plan->stages.size();
  plan->stages.push_back(std::move(make));
  plan->stages.push_back(std::move(sync));
  run.place_stage = plan->stages.size();
  plan->stages.push_back(std::move(place));
}

void Mailbox::OnInserted(std::shared_ptr<InsertRun> run, const PlanResult& result, Context& context) {
  if (run->writes_keywords && (result.ok() || result.failures.front().stage >= run->make_stage))
    keywords_dirty_ = false;
  if (!result.ok()) return InsertFailed(run, result, context);
  SupportDone(true, run->uid_bytes, run->log_bytes);
  cur_changed_by_us_ = true;
  AppendResult answer{.uidvalidity = state_->uidvalidity};
  for (InsertRun::Placed& placed : run->placed) {
    AddRow(placed.uid, placed.name, placed.in_new, placed.modseq, placed.keywords & ~kLettered);
    if (!read_write_) recent_in_cur_uid_ = std::min(recent_in_cur_uid_, placed.uid);
    state_->uidnext = placed.uid + 1;
    state_->highestmodseq = placed.modseq;
    answer.uids.push_back(placed.uid);
    answer.files.push_back(RecordedName(placed.name));
  }
  if (on_change) on_change();
  Finish(context);
  run->then(Status(), std::move(answer), context);
}

// None of them is to be seen: what was made goes again, and nothing else: a name that was taken is somebody's message.
// The UIDs were never shown, so they may be given anew.
void Mailbox::InsertFailed(std::shared_ptr<InsertRun> run, const PlanResult& result, Context& context) {
  const uint32_t ended_in = result.failures.front().stage;
  // The records may be there in part, or a keyword is without its record.
  if (ended_in >= run->append_stage || run->names_keywords) SupportDone(false, 0, 0);
  std::vector<uint8_t> not_made(run->placed.size(), ended_in < run->make_stage ? 1 : 0);
  std::vector<uint8_t> not_placed(run->placed.size(), ended_in < run->place_stage ? 1 : 0);
  for (const OpFailure& failure : result.failures) {
    if (ended_in == run->make_stage && failure.op < run->made_by.size()) {
      const size_t message = run->made_by[failure.op];
      if (run->messages[message].message.tmp_path.empty()) not_made[message] = 1;
    }
    if (ended_in == run->place_stage && failure.op < not_placed.size()) not_placed[failure.op] = 1;
  }
  Stage stage;
  for (size_t i = 0; i < run->placed.size(); ++i) {
    const InsertRun::Placed& placed = run->placed[i];
    const bool spilled = !run->messages[i].message.tmp_path.empty();
    if (!placed.tmp_path.empty() && (spilled || !not_made[i])) stage.push_back(Unlink{placed.tmp_path});
    if (!not_placed[i]) stage.push_back(Unlink{placed.final_path});
  }
  if (stage.empty()) return InsertEnded(run, result.status(), context);
  FilePlan plan = NewPlan();
  plan.stages.push_back(std::move(stage));
  io_.Commit(std::move(plan), context, [this, run, status = result.status()](const PlanResult&, Context& later) {
    cur_changed_by_us_ = true;
    InsertEnded(run, status, later);
  });
}

}  // namespace postern::mailbox
