// Opening a mailbox, and looking again: files, UID list and log made into columns.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/keywords.h"
#include "core/mailbox/mailbox.h"

namespace postern::mailbox {
namespace {

// Stale records of dovecot-uidlist are dropped when a quarter of it is (Dovecot's own rule), and there are some.
constexpr size_t kStaleRecordsMin = 32;
// postern.changes is written anew when it is this much longer than its content.
constexpr uint64_t kLogSlackBytes = 65536;
constexpr uint64_t kLogBytesPerMessage = 160;

// The first MODSEQ of a mailbox that another server kept before: greater than any it can have given out, which count up
// from 1 or follow a clock in seconds.
uint64_t FirstModseq(int64_t now_seconds) { return static_cast<uint64_t>(std::max<int64_t>(now_seconds, 1)) << 20; }

}  // namespace

struct Mailbox::Loading {
  size_t open = 0;
  Status failure;
  std::string uidlist_text, log_text, keywords_text, uidvalidity_text;
  bool has_uidlist = false, has_log = false;
  ScanDone cur, fresh;
  UidList uidlist;
  ChangeLog log;
  std::vector<Found> files;
  std::vector<std::pair<Found, Found>> duplicates;  // the one that stays, the other
  bool made_new = false;                              // there was no UID list
  std::vector<Found> unknown;                         // without a UID
};

void Mailbox::Load(Context& context) {
  loading_ = true;
  ReadParts(std::make_shared<Loading>(), context);
}

void Mailbox::ReadParts(std::shared_ptr<Loading> loading, Context& context) {
  loading->open = 6;
  const auto done = [this, loading](const Status& status, bool may_be_missing, Context& later) {
    if (!status.ok() && !(may_be_missing && status.code() == StatusCode::kNotFound) && loading->failure.ok()) {
      loading->failure = status;
    }
    if (--loading->open == 0) OnLoaded(loading, later);
  };
  const auto read = [&](const Path& path, std::string* into, bool* there) {
    io_.Read(path, 0, UINT64_MAX, context, [into, there, done](const ReadDone& answer, Context& later) {
      into->assign(answer.bytes);
      if (there != nullptr) *there = answer.status.ok();
      done(answer.status, true, later);
    });
  };
  read(Control("dovecot-uidlist"), &loading->uidlist_text, &loading->has_uidlist);
  read(Control("postern.changes"), &loading->log_text, &loading->has_log);
  read(Control("dovecot-keywords"), &loading->keywords_text, nullptr);
  read(account_.control_dir + "/dovecot-uidvalidity", &loading->uidvalidity_text, nullptr);
  io_.Scan(dir_ + "/cur", context, [loading, done](const ScanDone& answer, Context& later) {
    loading->cur = answer;
    done(answer.status, false, later);
  });
  io_.Scan(dir_ + "/new", context, [loading, done](const ScanDone& answer, Context& later) {
    loading->fresh = answer;
    done(answer.status, false, later);
  });
}

std::vector<Mailbox::Found> Mailbox::ListFiles(const ScanDone& cur, const ScanDone& fresh) {
  std::vector<Found> files;
  files.reserve(cur.entries.size() + fresh.entries.size());
  for (const DirEntry& entry : cur.entries) {
    if (!entry.is_dir && !entry.name.empty() && entry.name[0] != '.' && entry.name[0] != ':') files.push_back({entry.name, false});
  }
  for (const DirEntry& entry : fresh.entries) {
    if (!entry.is_dir && !entry.name.empty() && entry.name[0] != '.' && entry.name[0] != ':') files.push_back({entry.name, true});
  }
  // By base; of one base those in cur/ first, and of these the one with more letters: it is the later.
  std::sort(files.begin(), files.end(), [](const Found& a, const Found& b) {
    const std::string_view base_a = ParseName(a.name).base, base_b = ParseName(b.name).base;
    if (base_a != base_b) return base_a < base_b;
    if (a.in_new != b.in_new) return b.in_new;
    if (a.name.size() != b.name.size()) return a.name.size() > b.name.size();
    return a.name < b.name;
  });
  return files;
}

void Mailbox::OnLoaded(std::shared_ptr<Loading> loading, Context& context) {
  if (!loading->failure.ok()) return LoadFailed(loading->failure, context);
  if (loading->has_uidlist) {
    auto parsed = ParseUidList(loading->uidlist_text);
    if (!parsed.ok()) return QuarantineUidList(loading, context);
    loading->uidlist = *std::move(parsed);
  }
  if (loading->has_log) loading->log = ParseChangeLog(loading->log_text);
  cur_mtime_ns_ = loading->cur.mtime_ns;
  new_mtime_ns_ = loading->fresh.mtime_ns;
  cur_changed_by_us_ = false;
  loading->files = ListFiles(loading->cur, loading->fresh);
  std::vector<Found> kept;
  kept.reserve(loading->files.size());
  for (Found& file : loading->files) {
    if (!kept.empty() && ParseName(kept.back().name).base == ParseName(file.name).base) {
      loading->duplicates.emplace_back(kept.back(), std::move(file));
    } else {
      kept.push_back(std::move(file));
    }
  }
  loading->files = std::move(kept);
  if (!loading->duplicates.empty()) return ResolveDuplicates(loading, context);
  Build(loading, context);
}

// A broken list is kept for whoever can read it, under a name that nobody uses; the mailbox starts a new UIDVALIDITY.
void Mailbox::QuarantineUidList(std::shared_ptr<Loading> loading, Context& context) {
  context.out.Log({.severity = Severity::kError,
                   .tag = "dovecot",
                   .pid = 1,
                   .text = "Error: " + Control("dovecot-uidlist") + " is broken: it is kept as dovecot-uidlist.broken, the mailbox " +
                           "gets a new UIDVALIDITY"});
  FilePlan plan = NewPlan();
  plan.stages.push_back({Rename{.from = Control("dovecot-uidlist"),
                                .to = Control("dovecot-uidlist.broken." + std::to_string(context.now.wall.us)),
                                .replace = false}});
  io_.Commit(std::move(plan), context, [this, loading](const PlanResult& result, Context& later) {
    if (!result.ok()) return LoadFailed(result.status(), later);
    loading->has_uidlist = false;
    loading->has_log = false;
    OnLoaded(loading, later);
  });
}

// Two names with one base: one file under both (a rename that a crash left half done), or two messages (a copy made by hand).
void Mailbox::ResolveDuplicates(std::shared_ptr<Loading> loading, Context& context) {
  std::vector<Path> paths;
  for (const auto& [first, second] : loading->duplicates) {
    paths.push_back(In(first.in_new ? "new" : "cur", first.name));
    paths.push_back(In(second.in_new ? "new" : "cur", second.name));
  }
  io_.Stat(std::move(paths), context, [this, loading](const StatDone& done, Context& later) {
    FilePlan plan = NewPlan();
    Stage stage;
    for (size_t i = 0; i < loading->duplicates.size() && 2 * i + 1 < done.files.size(); ++i) {
      const FileFacts &first = done.files[2 * i], &second = done.files[2 * i + 1];
      const Found& other = loading->duplicates[i].second;
      const Path path = In(other.in_new ? "new" : "cur", other.name);
      if (!second.status.ok()) continue;
      if (first.status.ok() && first.inode == second.inode) {
        stage.push_back(Unlink{path});
      } else {
        const NameParts parts = ParseName(other.name);
        std::string base = names_.Next(later.now.wall);
        if (parts.size) base += ",S=" + std::to_string(*parts.size);
        if (parts.crlf_size) base += ",W=" + std::to_string(*parts.crlf_size);
        stage.push_back(Rename{.from = path, .to = In("new", base)});
      }
    }
    plan.stages.push_back(std::move(stage));
    // Whatever became of it, the folders are read again; what could not be resolved is looked at the next time.
    io_.Commit(std::move(plan), later, [this, loading](const PlanResult& result, Context& after) {
      if (!result.ok()) return LoadFailed(result.status(), after);
      ReadParts(std::make_shared<Loading>(), after);
    });
  });
}

void Mailbox::Build(std::shared_ptr<Loading> loading, Context& context) {
  MailboxState& state = *state_;
  loading->made_new = !loading->has_uidlist;
  if (loading->made_new) {
    loading->uidlist.uidvalidity = NextUidValidity(loading->uidvalidity_text, context.now.wall.seconds());
    if (state.uidvalidity != 0) loading->uidlist.uidvalidity = std::max(loading->uidlist.uidvalidity, state.uidvalidity + 1);
  }
  if (loading->uidlist.guid.size() != 32) loading->uidlist.guid = context.entropy.Hex(32);
  state.uidvalidity = loading->uidlist.uidvalidity;
  state.uidnext = loading->uidlist.next_uid;
  state.guid = loading->uidlist.guid;
  uidlist_ = loading->uidlist;
  uidlist_bytes_ = loading->has_uidlist ? loading->uidlist_text.size() : 0;
  log_bytes_ = loading->has_log ? loading->log_text.size() : 0;

  const bool log_counts = loading->has_log && loading->log.uidvalidity == state.uidvalidity && !loading->made_new;
  const ChangeLog& log = loading->log;
  const uint64_t floor = log_counts ? std::max(log.ceiling, log.highest) : FirstModseq(context.now.wall.seconds());
  // A log that ends in order tells every MODSEQ; after a crash all messages get a new one above everything shown.
  const bool trusted = log_counts && log.closed_in_order;
  state.highestmodseq = std::max(trusted ? log.highest : floor, state.highestmodseq);
  ceiling_ = trusted ? state.highestmodseq : floor;
  pending_ceiling_ = ceiling_;
  must_claim_ = true;
  rewrite_ = loading->made_new || loading->uidlist.needs_rewrite || !log_counts || log.torn;

  state.keyword_names = ParseKeywords(loading->keywords_text);
  if (log_counts) {
    for (const auto& [index, name] : log.keyword_names) {
      if (state.keyword_names.size() <= static_cast<size_t>(index)) state.keyword_names.resize(static_cast<size_t>(index) + 1);
      state.keyword_names[static_cast<size_t>(index)] = name;
    }
  }

  // Records meet files by base name: both sorted.
  std::vector<std::pair<std::string_view, const UidRecord*>> by_base;
  by_base.reserve(uidlist_.records.size());
  for (const UidRecord& record : uidlist_.records) by_base.emplace_back(record.base, &record);
  std::sort(by_base.begin(), by_base.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->uid < b.second->uid;
  });
  std::vector<std::pair<const UidRecord*, const Found*>> known;
  size_t at = 0;
  for (const Found& file : loading->files) {
    const std::string_view base = ParseName(file.name).base;
    while (at < by_base.size() && by_base[at].first < base) ++at;
    size_t last = at;
    while (last + 1 < by_base.size() && by_base[last + 1].first == base) ++last;  // reappeared: the highest UID counts
    if (at < by_base.size() && by_base[at].first == base) {
      known.emplace_back(by_base[last].second, &file);
      at = last + 1;
    } else {
      loading->unknown.push_back(file);
    }
  }
  std::sort(known.begin(), known.end(), [](const auto& a, const auto& b) { return a.first->uid < b.first->uid; });

  state.uids.clear(), state.flags.clear(), state.keywords.clear(), state.modseqs.clear(), state.crlf_sizes.clear();
  state.internal_dates.clear(), state.names_.clear(), state.in_new_.clear(), state.items_.clear();
  std::string log_records;
  const uint64_t crash_modseq = trusted ? 0 : NextModseq();
  for (const auto& [record, file] : known) {
    const auto logged = log.messages.find(record->uid);
    const bool has_log = log_counts && logged != log.messages.end();
    const Keywords high = has_log ? logged->second.keywords & ~((Keywords{1} << 26) - 1) : 0;
    AddRow(record->uid, file->name, file->in_new, 0, high);
    const size_t row = state.count() - 1;
    const bool same = has_log && logged->second.flags == state.flags[row] && logged->second.keywords == state.keywords[row];
    if (!trusted) {
      state.modseqs[row] = crash_modseq;
    } else if (same) {
      state.modseqs[row] = logged->second.modseq;
    } else {
      state.modseqs[row] = NextModseq();
      AppendFlags(record->uid, {state.modseqs[row], state.flags[row], state.keywords[row]}, &log_records);
    }
    if (!record->items.empty()) state.items_[record->uid] = record->items;
    std::string_view size;
    if (state.crlf_sizes[row] == kUnknownSize && UidItem(record->items, 'W', &size)) {
      std::from_chars(size.data(), size.data() + size.size(), state.crlf_sizes[row]);
    }
  }
  if (trusted) {  // what went while nobody looked
    for (const auto& [uid, message] : log.messages) {
      if (state.RowOf(uid) != state.count()) continue;
      const uint64_t modseq = NextModseq();
      state.gone.push_back({modseq, uid});
      AppendExpunged(uid, modseq, &log_records);
    }
  }
  const size_t stale = uidlist_.records.size() - known.size();
  if (stale >= kStaleRecordsMin && stale * 4 >= uidlist_.records.size()) rewrite_ = true;
  if (log_bytes_ > kLogSlackBytes + kLogBytesPerMessage * state.count() || !trusted) rewrite_ = true;
  uidlist_.records.clear();
  uidlist_.records.shrink_to_fit();
  loading->log_text = std::move(log_records);
  Publish(loading, context);
}

// Files without a UID get one; all that is new is durable before anything of it is shown.
void Mailbox::Publish(std::shared_ptr<Loading> loading, Context& context) {
  std::sort(loading->unknown.begin(), loading->unknown.end(), [](const Found& a, const Found& b) {
    return NamedBefore(ParseName(a.name).base, ParseName(b.name).base);
  });
  std::string uid_records, log_records = std::move(loading->log_text);
  for (const Found& file : loading->unknown) {
    const uint32_t uid = state_->uidnext++;
    AddRow(uid, file.name, file.in_new, NextModseq(), 0);
    AppendUidRecord({.uid = uid, .base = std::string(ParseName(file.name).base)}, &uid_records);
    const size_t row = state_->count() - 1;
    AppendFlags(uid, {state_->modseqs[row], state_->flags[row], state_->keywords[row]}, &log_records);
  }
  for (size_t row = 0; row < state_->count() && first_recent_uid_ == UINT32_MAX; ++row) {
    if (state_->in_new_[row]) first_recent_uid_ = state_->uids[row];
  }
  const bool nothing_new = uid_records.empty() && log_records.empty();
  if (nothing_new && !rewrite_) {
    ready_ = true;
    loading_ = false;
    return Pump(context);
  }
  std::string ceiling;
  ReserveModseqs(0, &ceiling);
  FilePlan plan = NewPlan();
  const bool rewrites = rewrite_;
  if (rewrites) {
    if (loading->made_new) {
      char digits[16];
      std::snprintf(digits, sizeof digits, "%08x", state_->uidvalidity);
      const Path path = account_.control_dir + "/dovecot-uidvalidity", tmp = path + ".tmp";
      if (control_dir_ != dir_) plan.stages.push_back({MakeDir{control_dir_}});
      plan.stages.push_back({Unlink{tmp}});
      plan.stages.push_back({Create{.path = tmp, .bytes = Chain(std::string(digits))}});
      plan.stages.push_back({SyncFile{tmp}});
      plan.stages.push_back({Rename{.from = tmp, .to = path, .replace = true}});
    }
    AddRewriteStages(&plan);
  } else {
    AddSupportStages(uid_records, ceiling + log_records, /*durable=*/true, &plan);
  }
  const size_t uid_bytes = uid_records.size(), log_bytes = ceiling.size() + log_records.size();
  const size_t full_uid = rewrites ? FullUidList().size() : 0, full_log = rewrites ? FullChangeLog().size() : 0;
  const auto settle = [this, rewrites, uid_bytes, log_bytes, full_uid, full_log](const PlanResult& result, Context& later) {
    if (!result.ok()) {
      // Nothing was shown: the next attempt reads everything again.
      ready_ = false;
      return LoadFailed(result.status(), later);
    }
    if (rewrites) {
      rewrite_ = false;
      uidlist_bytes_ = full_uid;
      log_bytes_ = full_log;
      ceiling_ = std::max(ceiling_, pending_ceiling_);
      must_claim_ = false;
    } else {
      SupportDone(true, uid_bytes, log_bytes);
    }
    ready_ = true;
    loading_ = false;
    Pump(later);
  };
  if (PLANTED("uid_shown_before_durable")) {
    settle(PlanResult{}, context);
    return io_.Commit(std::move(plan), context, [](const PlanResult&, Context&) {});
  }
  io_.Commit(std::move(plan), context, settle);
}

// ---- looking again --------------------------------------------------------------------------------------------------------

void Mailbox::Refresh(bool force, Context& context, Then then) {
  LookAgain(force, context, [this, then = std::move(then)](const Status& status, Context& later) {
    Finish(later);
    then(status, later);
  });
}

void Mailbox::LookAgain(bool force, Context& context, Then finish) {
  if (rewrite_) {
    return EnsureSupport(context, [this, finish](const Status& status, Context& later) {
      if (!status.ok()) return finish(status, later);
      LookAgain(/*force=*/true, later, finish);
    });
  }
  io_.Stat({dir_ + "/cur", dir_ + "/new"}, context, [this, force, finish](const StatDone& done, Context& later) {
    if (done.files.size() != 2 || !done.files[0].status.ok()) {
      return finish(done.files.empty() ? Unavailable("no answer") : done.files[0].status, later);
    }
    const bool cur_differs = done.files[0].mtime_ns != cur_mtime_ns_ && !cur_changed_by_us_;
    const bool new_differs = done.files[1].mtime_ns != new_mtime_ns_;
    // Our own renames change the folder's time as well: such a change is taken as ours, and its time as the new one.
    if (cur_changed_by_us_) cur_mtime_ns_ = done.files[0].mtime_ns;
    cur_changed_by_us_ = false;
    const bool read_cur = force || cur_differs;
    if (!read_cur && !new_differs) {
      return read_write_ && recent_count() > 0 ? TakeOverNew(later, finish) : finish(Status(), later);
    }
    auto cur = std::make_shared<ScanDone>();
    const auto scan_new = [this, cur, read_cur, finish](Context& turn) {
      io_.Scan(dir_ + "/new", turn, [this, cur, read_cur, finish](const ScanDone& fresh, Context& after) {
        if (!fresh.status.ok()) return finish(fresh.status, after);
        new_mtime_ns_ = fresh.mtime_ns;
        MergeScan(ListFiles(*cur, fresh), read_cur, after, finish);
      });
    };
    if (!read_cur) return scan_new(later);
    io_.Scan(dir_ + "/cur", later, [this, cur, scan_new, finish](const ScanDone& answer, Context& after) {
      if (!answer.status.ok()) return finish(answer.status, after);
      cur_mtime_ns_ = answer.mtime_ns;
      *cur = answer;
      scan_new(after);
    });
  });
}

// `files` is sorted by base. Without `cur_was_read` only what is in new/ is known: nothing can be missed.
void Mailbox::MergeScan(const std::vector<Found>& files, bool cur_was_read, Context& context, Then then) {
  MailboxState& state = *state_;
  std::vector<std::pair<std::string_view, size_t>> by_base;
  by_base.reserve(state.count());
  for (size_t row = 0; row < state.count(); ++row) by_base.emplace_back(ParseName(state.names_[row]).base, row);
  std::sort(by_base.begin(), by_base.end());
  std::vector<uint8_t> seen(state.count(), 0);
  std::vector<Found> unknown;
  std::vector<std::pair<size_t, const Found*>> moved;
  for (const Found& file : files) {
    const std::string_view base = ParseName(file.name).base;
    const auto found = std::lower_bound(by_base.begin(), by_base.end(), std::make_pair(base, size_t{0}));
    if (found == by_base.end() || found->first != base) {
      if (unknown.empty() || ParseName(unknown.back().name).base != base) unknown.push_back(file);
      continue;
    }
    if (seen[found->second]) continue;  // a second name of it: the next opening tells them apart
    seen[found->second] = 1;
    if (state.names_[found->second] != file.name || state.in_new_[found->second] != file.in_new) {
      if (cur_was_read || file.in_new) moved.emplace_back(found->second, &file);
    }
  }
  std::vector<uint32_t> missing;
  if (cur_was_read) {
    for (size_t row = 0; row < state.count(); ++row) {
      if (!seen[row]) missing.push_back(state.uids[row]);
    }
  }
  std::sort(unknown.begin(), unknown.end(), [](const Found& a, const Found& b) {
    return NamedBefore(ParseName(a.name).base, ParseName(b.name).base);
  });
  const bool changes = !moved.empty() || !missing.empty() || !unknown.empty();
  std::string uid_records, log_records;
  // The columns change only when it is durable: until then every answer is as before.
  const uint64_t needed = moved.size() + missing.size() + unknown.size();
  if (needed > 0) ReserveModseqs(needed, &log_records);
  uint64_t modseq = state.highestmodseq;
  struct Change {
    uint32_t uid;
    std::string name;
    bool in_new;
    uint64_t modseq;
  };
  auto changed = std::make_shared<std::vector<Change>>();
  auto added = std::make_shared<std::vector<Change>>();
  auto gone = std::make_shared<std::vector<std::pair<uint32_t, uint64_t>>>();
  for (const auto& [row, file] : moved) {
    const NameParts parts = ParseName(file->name);
    const Keywords keywords = KeywordsOf(parts.letters) | (state.keywords[row] & ~((Keywords{1} << 26) - 1));
    changed->push_back({state.uids[row], file->name, file->in_new, ++modseq});
    AppendFlags(state.uids[row], {modseq, FlagsOf(parts.letters), keywords}, &log_records);
  }
  for (const uint32_t uid : missing) {
    gone->emplace_back(uid, ++modseq);
    AppendExpunged(uid, modseq, &log_records);
  }
  uint32_t uid = state.uidnext;
  for (Found& file : unknown) {
    const NameParts parts = ParseName(file.name);
    AppendUidRecord({.uid = uid, .base = std::string(parts.base)}, &uid_records);
    added->push_back({uid, file.name, file.in_new, ++modseq});
    AppendFlags(uid, {modseq, FlagsOf(parts.letters), KeywordsOf(parts.letters)}, &log_records);
    ++uid;
  }
  const auto apply = [this, changed, added, gone, uid, modseq] {
    for (Change& change : *changed) {
      const size_t row = state_->RowOf(change.uid);
      if (row == state_->count()) continue;
      const NameParts parts = ParseName(change.name);
      const Keywords keywords = KeywordsOf(parts.letters) | (state_->keywords[row] & ~((Keywords{1} << 26) - 1));
      SetRow(row, change.name, change.in_new, FlagsOf(parts.letters), keywords, change.modseq);
    }
    for (const auto& [gone_uid, gone_modseq] : *gone) {
      if (const size_t row = state_->RowOf(gone_uid); row < state_->count()) RemoveRow(row, gone_modseq);
    }
    for (Change& change : *added) AddRow(change.uid, change.name, change.in_new, change.modseq, 0);
    state_->uidnext = std::max(state_->uidnext, uid);
    state_->highestmodseq = std::max(state_->highestmodseq, modseq);
  };
  const auto after_apply = [this, then](Context& later) {
    if (read_write_ && recent_count() > 0) return TakeOverNew(later, then);
    then(Status(), later);
  };
  if (!changes) return after_apply(context);
  FilePlan plan = NewPlan();
  const size_t uid_bytes = uid_records.size(), log_bytes = log_records.size();
  AddSupportStages(std::move(uid_records), std::move(log_records), /*durable=*/true, &plan);
  io_.Commit(std::move(plan), context, [this, uid_bytes, log_bytes, apply, then, after_apply](const PlanResult& result, Context& later) {
    SupportDone(result.ok(), uid_bytes, log_bytes);
    if (!result.ok()) return then(result.status(), later);
    apply();
    if (on_change) on_change();
    after_apply(later);
  });
}

// Messages in new/ go to cur/ when a session that may write has seen them: they were \Recent to it.
void Mailbox::TakeOverNew(Context& context, Then then) {
  FilePlan plan = NewPlan();
  Stage stage;
  auto rows = std::make_shared<std::vector<std::pair<uint32_t, std::string>>>();
  for (size_t row = 0; row < state_->count(); ++row) {
    if (!state_->in_new_[row]) continue;
    const NameParts parts = ParseName(state_->names_[row]);
    std::string name = FormatName(parts.base, state_->flags[row], state_->keywords[row], parts.letters, parts.other);
    stage.push_back(Rename{.from = In("new", state_->names_[row]), .to = In("cur", name)});
    rows->emplace_back(state_->uids[row], std::move(name));
  }
  plan.stages.push_back(std::move(stage));
  io_.Commit(std::move(plan), context, [this, rows, then](const PlanResult& result, Context& later) {
    std::vector<uint8_t> failed(rows->size(), 0);
    for (const OpFailure& failure : result.failures) failed[failure.op] = 1;
    for (size_t i = 0; i < rows->size(); ++i) {
      const size_t row = state_->RowOf((*rows)[i].first);
      if (failed[i] || row == state_->count()) continue;  // it stays in new/, and is listed all the same
      state_->names_[row] = std::move((*rows)[i].second);
      state_->in_new_[row] = 0;
    }
    cur_changed_by_us_ = true;
    then(Status(), later);
  });
}

}  // namespace postern::mailbox
