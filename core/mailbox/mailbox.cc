// The line of operations, reading, and the two append-only files of a mailbox.
#include "core/mailbox/mailbox.h"

#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/keywords.h"

namespace postern::mailbox {
namespace {

// MODSEQs are reserved in blocks: one flush for so many changes.
constexpr uint64_t kModseqBlock = 4096;
// Expunged UIDs remembered in memory, and of these written when the log is written anew.
constexpr size_t kGoneMax = 65536;
constexpr size_t kGoneKept = 4096;
// postern.changes is written anew when it is this much longer than its content.
constexpr uint64_t kLogSlackBytes = 65536;
constexpr uint64_t kLogBytesPerMessage = 160;
// Messages are counted in pieces.
constexpr uint64_t kCountBytes = 262144;

// The size of file bytes with CRLF line ends: an LF behind a CR is one already.
uint64_t CrlfBytes(std::string_view bytes, bool after_cr) {
  uint64_t count = bytes.size();
  for (size_t at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if (at == 0 ? !after_cr : bytes[at - 1] != '\r') ++count;
  }
  return count;
}

}  // namespace

Mailbox::Mailbox(std::string name, Path dir, const AccountFacts& account, Io& io, UniqueNames& names,
                 uint32_t& last_uidvalidity)
    : name_(std::move(name)),
      dir_(std::move(dir)),
      control_dir_(account.control_dir == account.maildir ? dir_
                                                          : account.control_dir + dir_.substr(account.maildir.size())),
      account_(account),
      io_(io),
      names_(names),
      state_(std::make_shared<MailboxState>()),
      last_uidvalidity_(last_uidvalidity) {
  state_->name = name_;
  state_->dir = dir_;
}

Path Mailbox::In(std::string_view folder, std::string_view name) const {
  Path path = dir_;
  path += '/';
  path += folder;
  path += '/';
  path += name;
  return path;
}

void Mailbox::Enqueue(Operation operation, std::function<void(const Status&, Context&)> failed, Context& context) {
  waiting_.push_back({std::move(operation), std::move(failed)});
  Pump(context);
}

void Mailbox::EnqueueRaw(Operation operation, Context& context) {
  waiting_.push_back({.operation = std::move(operation), .failed = nullptr, .raw = true});
  Pump(context);
}

// Operations that end at once do not nest: the outermost call goes on with the next.
void Mailbox::Pump(Context& context) {
  if (pumping_) return;
  pumping_ = true;
  while (!busy_ && !loading_ && !waiting_.empty()) {
    if (state_->deleted) {  // the folder has another name, or none
      const Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      if (next.failed) next.failed(NotFound("Mailbox was deleted"), context);
      continue;
    }
    if (!ready_ && !waiting_.front().raw) {
      Load(context);
      continue;
    }
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    next.operation(context);
  }
  if (ready_ && idle() && !state_->deleted) {
    if (read_write_ && HasNew() && !take_over_failed_) {
      busy_ = true;
      TakeOverNew(context);
    } else if (!in_use_) {
      Close(context);
    }
  }
  pumping_ = false;
}

void Mailbox::Finish(Context& context) {
  busy_ = false;
  Pump(context);
}

void Mailbox::SetInUse(bool in_use, Context& context) {
  in_use_ = in_use;
  Pump(context);
}

// The record that says the log is complete. Unflushed: it only saves the next opening work.
void Mailbox::Close(Context& context) {
  if (!ready_ || rewrite_ == Rewrite::kMust || must_claim_ || state_->deleted) return;
  std::string record;
  AppendClosed(state_->highestmodseq, &record);
  FilePlan plan = NewPlan();
  const size_t bytes = record.size();
  AddSupportStages("", std::move(record), false, &plan);
  busy_ = true;
  must_claim_ = true;
  io_.Commit(std::move(plan), context, [this, bytes](const PlanResult& result, Context& later) {
    if (result.ok()) {
      log_bytes_ += bytes;
    } else {
      rewrite_ = Rewrite::kMust;
    }
    Finish(later);
  });
}

std::string_view Mailbox::NameOf(uint32_t uid) const {
  const size_t row = state_->RowOf(uid);
  return row == state_->count() ? std::string_view() : state_->names_[row];
}

Path Mailbox::PathOf(uint32_t uid) const {
  const size_t row = state_->RowOf(uid);
  return row == state_->count() ? Path() : In(state_->in_new_[row] ? "new" : "cur", state_->names_[row]);
}

uint32_t Mailbox::FirstRecentUid() const {
  const auto first = std::find(state_->in_new_.begin(), state_->in_new_.end(), 1);
  const uint32_t in_new = first == state_->in_new_.end()
                              ? state_->uidnext
                              : state_->uids[static_cast<size_t>(first - state_->in_new_.begin())];
  return std::min(in_new, recent_in_cur_uid_);
}

uint32_t Mailbox::recent_count() const {
  const auto first = std::lower_bound(state_->uids.begin(), state_->uids.end(), FirstRecentUid());
  return static_cast<uint32_t>(state_->uids.end() - first);
}

bool Mailbox::HasNew() const {
  return std::find(state_->in_new_.begin(), state_->in_new_.end(), 1) != state_->in_new_.end();
}

// ---- rows -----------------------------------------------------------------------------------------------------------

void Mailbox::SetRow(size_t row, std::string_view name, bool in_new, Flags flags, Keywords keywords, uint64_t modseq) {
  state_->names_.Set(row, name);
  state_->in_new_[row] = in_new;
  state_->flags[row] = flags;
  state_->keywords[row] = keywords;
  state_->modseqs[row] = modseq;
}

void Mailbox::AddRow(uint32_t uid, std::string_view name, bool in_new, uint64_t modseq, Keywords high_keywords) {
  const NameParts parts = ParseName(name);
  state_->uids.push_back(uid);
  state_->flags.push_back(FlagsOf(parts.letters));
  state_->keywords.push_back(KeywordsOf(parts.letters) | high_keywords);
  state_->modseqs.push_back(modseq);
  state_->crlf_sizes.push_back(names_lie_ ? kUnknownSize : parts.crlf_size.value_or(kUnknownSize));
  state_->internal_dates.push_back(kUnknownDate);
  state_->in_new_.push_back(in_new);
  state_->names_.push_back(name);
}

void Mailbox::RemoveRows(const std::vector<std::pair<uint32_t, uint64_t>>& gone) {
  std::vector<uint8_t> removed(state_->count(), 0);
  for (const auto& [uid, modseq] : gone) {
    const size_t row = state_->RowOf(uid);
    if (row == state_->count() || removed[row]) continue;
    removed[row] = 1;
    state_->gone.push_back({modseq, uid});
    state_->items_.erase(uid);
  }
  const auto compact = [&removed](auto& column) {
    size_t kept = 0;
    for (size_t row = 0; row < removed.size(); ++row) {
      if (removed[row]) continue;
      if (kept != row) column[kept] = std::move(column[row]);
      ++kept;
    }
    column.resize(kept);
  };
  compact(state_->uids), compact(state_->flags), compact(state_->keywords), compact(state_->modseqs);
  compact(state_->crlf_sizes), compact(state_->internal_dates), compact(state_->in_new_);
  state_->names_.Remove(removed);
  if (state_->gone.size() > kGoneMax) {  // the history is bounded: its older half goes
    const size_t dropped = state_->gone.size() / 2;
    for (size_t i = 0; i < dropped; ++i) state_->gone_since = std::max(state_->gone_since, state_->gone[i].modseq);
    state_->gone.erase(state_->gone.begin(), state_->gone.begin() + static_cast<ptrdiff_t>(dropped));
    state_->gone_dropped += dropped;
  }
}

// ---- dovecot-uidlist and postern.changes ----------------------------------------------------------------------------

std::string Mailbox::FullUidList() const {
  UidList list;
  list.uidvalidity = state_->uidvalidity;
  list.next_uid = state_->uidnext;
  if (PLANTED("uidnext_max_plus_one")) list.next_uid = state_->uids.empty() ? 1 : state_->uids.back() + 1;
  list.guid = state_->guid;
  list.other_items = uidlist_.other_items;
  list.records.reserve(state_->count());
  for (size_t row = 0; row < state_->count(); ++row) {
    const auto items = state_->items_.find(state_->uids[row]);
    list.records.push_back({.uid = state_->uids[row],
                            .base = std::string(BaseOf(state_->names_[row])),
                            .items = items == state_->items_.end() ? "" : items->second});
  }
  return FormatUidList(list);
}

std::string Mailbox::FullChangeLog() const {
  std::string text = ChangeLogHeader(state_->uidvalidity);
  AppendCeiling(std::max(ceiling_, pending_ceiling_), &text);
  AppendHead(state_->uidnext, state_->guid, &text);
  const size_t first_gone = state_->gone.size() > kGoneKept ? state_->gone.size() - kGoneKept : 0;
  AppendHistory(
      first_gone == 0 ? state_->gone_since : std::max(state_->gone_since, state_->gone[first_gone - 1].modseq), &text);
  for (size_t i = first_gone; i < state_->gone.size(); ++i)
    AppendExpunged(state_->gone[i].uid, state_->gone[i].modseq, &text);
  for (size_t i = 26; i < state_->keyword_names.size(); ++i)
    AppendKeyword(static_cast<int>(i), state_->keyword_names[i], &text);
  for (size_t row = 0; row < state_->count(); ++row) {
    AppendFlags(state_->uids[row], {state_->modseqs[row], state_->flags[row], state_->keywords[row]}, &text);
  }
  return text;
}

uint64_t Mailbox::LogBytesMax(size_t message_count) { return kLogSlackBytes + kLogBytesPerMessage * message_count; }

bool Mailbox::ReserveModseqs(uint64_t needed, std::string* log_records) {
  const uint64_t last = state_->highestmodseq + needed;
  pending_ceiling_ = ceiling_;  // what a plan that failed had reserved does not count
  if (last <= ceiling_ && !must_claim_) return false;
  pending_ceiling_ = last + kModseqBlock;
  AppendCeiling(pending_ceiling_, log_records);
  return true;
}

size_t Mailbox::AddCeilingStages(uint64_t needed, FilePlan* plan) {
  std::string record;
  if (!ReserveModseqs(needed, &record)) return 0;
  const size_t bytes = record.size();
  plan->stages.push_back(
      {Append{.path = Control("postern.changes"), .at_bytes = log_bytes_, .bytes = Chain(std::move(record))}});
  plan->stages.push_back({SyncFile{Control("postern.changes")}});
  return bytes;
}

// Both files anew: written aside, flushed, put in place, and their folder flushed.
void Mailbox::AddRewriteStages(FilePlan* plan, size_t* uid_bytes, size_t* log_bytes) const {
  std::string uid_list = FullUidList(), log = FullChangeLog();
  *uid_bytes = uid_list.size();
  *log_bytes = log.size();
  const Path uid_tmp = Control("dovecot-uidlist.tmp"), log_tmp = Control("postern.changes.tmp");
  plan->stages.push_back({Unlink{uid_tmp}, Unlink{log_tmp}});
  plan->stages.push_back({Create{.path = uid_tmp, .bytes = Chain(std::move(uid_list))},
                          Create{.path = log_tmp, .bytes = Chain(std::move(log))}});
  if (!PLANTED("compaction_renames_before_sync")) plan->stages.push_back({SyncFile{uid_tmp}, SyncFile{log_tmp}});
  // The log first: a log without its UID list is thrown away, a list without its log only costs a refetch of flags.
  plan->stages.push_back({Rename{.from = log_tmp, .to = Control("postern.changes"), .replace = true}});
  plan->stages.push_back({Rename{.from = uid_tmp, .to = Control("dovecot-uidlist"), .replace = true}});
  plan->stages.push_back({SyncDir{control_dir_}});
}

// Appends to both files, flushed where `durable`.
void Mailbox::AddSupportStages(std::string uid_records, std::string log_records, bool durable, FilePlan* plan) const {
  Stage append, sync;
  if (!uid_records.empty()) {
    append.push_back(
        Append{.path = Control("dovecot-uidlist"), .at_bytes = uidlist_bytes_, .bytes = Chain(std::move(uid_records))});
    sync.push_back(SyncFile{Control("dovecot-uidlist")});
  }
  if (!log_records.empty()) {
    append.push_back(
        Append{.path = Control("postern.changes"), .at_bytes = log_bytes_, .bytes = Chain(std::move(log_records))});
    sync.push_back(SyncFile{Control("postern.changes")});
  }
  if (!append.empty()) plan->stages.push_back(std::move(append));
  if (durable && !sync.empty()) plan->stages.push_back(std::move(sync));
}

void Mailbox::SupportDone(bool ok, size_t uid_bytes, size_t log_bytes) {
  if (!ok) {
    // How much of an append is there, nobody knows; and a flush that failed is final for its file.
    rewrite_ = Rewrite::kMust;
    return;
  }
  uidlist_bytes_ += uid_bytes;
  log_bytes_ += log_bytes;
  ceiling_ = std::max(ceiling_, pending_ceiling_);
  must_claim_ = false;
  if (log_bytes_ > LogBytesMax(state_->count()) && rewrite_ == Rewrite::kNo) rewrite_ = Rewrite::kWanted;
}

void Mailbox::Rewritten(uint64_t uid_bytes, uint64_t log_bytes) {
  rewrite_ = Rewrite::kNo;
  uidlist_bytes_ = uid_bytes;
  log_bytes_ = log_bytes;
  ceiling_ = std::max(ceiling_, pending_ceiling_);
  must_claim_ = false;
}

void Mailbox::AddTo(StableDigest& digest) const {
  digest.Add(name_);
  digest.Add(uint64_t{ready_});
  digest.Add(state_->uidvalidity);
  digest.Add(state_->uidnext);
  digest.Add(state_->highestmodseq);
  for (size_t row = 0; row < state_->count(); ++row) {
    digest.Add(state_->uids[row]);
    digest.Add(state_->names_[row]);
    digest.Add(state_->modseqs[row]);
  }
}

// ---- reading --------------------------------------------------------------------------------------------------------

void Mailbox::ReadMessage(uint32_t uid, uint64_t offset, uint64_t length, Context& context,
                          std::function<void(const Status&, std::string_view, uint64_t, Context&)> then,
                          int tries_left) {
  const Path path = PathOf(uid);
  if (path.empty()) return then(NotFound("the message is gone"), "", 0, context);
  io_.Read(path, offset, length, context,
           [this, uid, offset, length, then = std::move(then), tries_left, path](const ReadDone& done, Context& later) {
             if (done.status.code() != StatusCode::kNotFound || tries_left == 0) {
               return then(done.status, done.bytes, done.file_bytes, later);
             }
             // A rename was under way, ours or another program's: the message has another name now.
             if (PathOf(uid) != path) return ReadMessage(uid, offset, length, later, then, tries_left - 1);
             ReadAgain(uid, offset, length, later, then, tries_left - 1);
           });
}

// Looks where the file went, then reads it.
void Mailbox::ReadAgain(uint32_t uid, uint64_t offset, uint64_t length, Context& context,
                        std::function<void(const Status&, std::string_view, uint64_t, Context&)> then, int tries_left) {
  Enqueue(
      [this, uid, offset, length, then, tries_left](Context& turn) {
        Refresh(/*force=*/true, turn, [this, uid, offset, length, then, tries_left](const Status&, Context& after) {
          ReadMessage(uid, offset, length, after, then, tries_left);
        });
      },
      [then](const Status& status, Context& after) { then(status, "", 0, after); }, context);
}

// Counting a message's bytes reads all of it: a few at a time, in pieces, however many and long they are.
struct Mailbox::FactsRun {
  static constexpr size_t kReadsAtOnce = 8;
  std::vector<uint32_t> unsized;
  size_t next = 0, open = 0;
  bool dates_open = false;
  int date_tries_left = 2;
  std::function<void(Context&)> then;
};

void Mailbox::LoadFacts(std::vector<uint32_t> uids, bool sizes, bool dates, Context& context,
                        std::function<void(Context&)> then) {
  auto run = std::make_shared<FactsRun>();
  run->then = std::move(then);
  std::vector<uint32_t> undated;
  for (const uint32_t uid : uids) {
    const size_t row = state_->RowOf(uid);
    if (row == state_->count()) continue;
    if (sizes && state_->crlf_sizes[row] == kUnknownSize) run->unsized.push_back(uid);
    if (dates && state_->internal_dates[row] == kUnknownDate) undated.push_back(uid);
  }
  if (!undated.empty()) {
    run->dates_open = true;
    LoadDates(run, std::move(undated), context);
  }
  PumpFacts(run, context);
}

void Mailbox::LoadDates(const std::shared_ptr<FactsRun>& run, std::vector<uint32_t> undated, Context& context) {
  std::vector<Path> paths;
  paths.reserve(undated.size());
  for (const uint32_t uid : undated) paths.push_back(PathOf(uid));
  io_.Stat(paths, context, [this, undated = std::move(undated), paths, run](const StatDone& done, Context& later) {
    std::vector<uint32_t> renamed;
    bool look = false;
    for (size_t i = 0; i < undated.size() && i < done.files.size(); ++i) {
      const size_t row = state_->RowOf(undated[i]);
      if (row == state_->count()) continue;
      if (done.files[i].status.ok()) {
        state_->internal_dates[row] = done.files[i].mtime_ns / 1'000'000'000;
      } else if (done.files[i].status.code() == StatusCode::kNotFound) {
        // A rename was under way, ours or another program's: the message has another name now.
        renamed.push_back(undated[i]);
        look |= PathOf(undated[i]) == paths[i];
      }
    }
    if (renamed.empty() || run->date_tries_left-- == 0) {
      run->dates_open = false;
      return PumpFacts(run, later);
    }
    if (!look) return LoadDates(run, std::move(renamed), later);
    const auto again = [this, run, renamed](const Status&, Context& after) { LoadDates(run, renamed, after); };
    Enqueue([this, again](Context& turn) { Refresh(/*force=*/true, turn, again); },
            [this, run](const Status&, Context& after) {
              run->dates_open = false;
              PumpFacts(run, after);
            },
            later);
  });
}

void Mailbox::PumpFacts(const std::shared_ptr<FactsRun>& run, Context& context) {
  while (run->next < run->unsized.size() && run->open < FactsRun::kReadsAtOnce) {
    const uint32_t uid = run->unsized[run->next++];
    if (state_->RowOf(uid) == state_->count()) continue;
    ++run->open;
    CountOn(run, uid, 0, 0, false, context);
  }
  if (run->open == 0 && run->next >= run->unsized.size() && !run->dates_open && run->then) {
    std::exchange(run->then, nullptr)(context);
  }
}

void Mailbox::CountOn(const std::shared_ptr<FactsRun>& run, uint32_t uid, uint64_t offset, uint64_t crlf_bytes,
                      bool after_cr, Context& context) {
  ReadMessage(uid, offset, kCountBytes, context,
              [this, run, uid, offset, crlf_bytes, after_cr](const Status& status, std::string_view bytes,
                                                             uint64_t file_bytes, Context& later) {
                const uint64_t counted = crlf_bytes + CrlfBytes(bytes, after_cr);
                const uint64_t end = offset + bytes.size();
                if (status.ok() && !bytes.empty() && end < file_bytes) {
                  return CountOn(run, uid, end, counted, bytes.back() == '\r', later);
                }
                const size_t row = state_->RowOf(uid);
                if (status.ok() && row < state_->count()) state_->crlf_sizes[row] = counted;
                --run->open;
                PumpFacts(run, later);
              });
}

}  // namespace postern::mailbox
