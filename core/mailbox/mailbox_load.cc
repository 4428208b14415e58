// Opening a mailbox: files, UID list, keywords and log made into columns; what is new is durable before it is shown.
#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "core/boundary/planted.h"
#include "core/mailbox/keywords.h"
#include "core/mailbox/mailbox.h"
#include "core/mailbox/mailbox_files.h"

namespace postern::mailbox {
namespace {

// Stale records of dovecot-uidlist are dropped when a quarter of it is (Dovecot's own rule), and there are some.
constexpr size_t kStaleRecordsMin = 32;
// Two names of one file may be a rename under way (link, then unlink): they are left alone for so long.
constexpr int64_t kLinkedNamesAgeNs = 30'000'000'000;
// Files in tmp/ that no delivery can still be writing (maildir(5): 36 hours), and how many are looked at.
constexpr int64_t kTmpAgeNs = INT64_C(36) * 3600 * 1'000'000'000;
constexpr size_t kTmpFilesMax = 10000;
// A folder's time has a coarse grain: a change right behind a scan may not show in it.
constexpr int64_t kMtimeGrainNs = 1'000'000'000;

// A mailbox whose next UID is greater gets a new list: what is left above it no process will give out in its life.
constexpr uint32_t kNextUidMax = UINT32_MAX - (1u << 24);

// The first MODSEQ of a mailbox that another server kept before: greater than any it can have given out, which count up
// from 1 or follow a clock in seconds.
uint64_t FirstModseq(int64_t now_seconds) { return static_cast<uint64_t>(std::max<int64_t>(now_seconds, 1)) << 20; }

void LogError(std::string text, Context& context) {
  context.out.Log({.severity = Severity::kError, .tag = "dovecot", .pid = 1, .text = "Error: " + std::move(text)});
}

}  // namespace

struct Mailbox::Loading {
  size_t open = 0;
  Status failure;
  std::string uidlist_text, log_text, keywords_text, uidvalidity_text;
  bool has_uidlist = false, has_log = false;
  ScanDone cur, fresh;
  UidList uidlist;
  ChangeLog log;
  SortedFiles sorted;     // views into cur and fresh
  bool made_new = false;  // there was no usable UID list
  bool new_uidvalidity = false;
  uint32_t broken_uidvalidity = 0, broken_next_uid = 1;  // of a list that was put aside
  bool resolved = false, looked_twice = false;
  bool log_counts = false;
  bool closed_in_order = false;                  // and nothing happened since: what the files say is durable
  std::vector<std::pair<size_t, size_t>> known;  // record of uidlist, file of sorted; ascending
  std::vector<MailFile> unknown;                 // without a UID
  std::vector<uint32_t> missing;                 // UIDs that the log knows, without a file
};

void Mailbox::Load(Context& context) {
  loading_ = true;
  names_lie_ = context.config.storage.maildir_broken_filename_sizes;
  ReadParts(std::make_shared<Loading>(), context);
}

void Mailbox::LoadFailed(const Status& status, Context& context) {
  loading_ = false;
  std::deque<Waiting> raw;
  std::vector<Waiting> failing;
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (waiting.raw) {
      raw.push_back(std::move(waiting));
    } else {
      failing.push_back(std::move(waiting));
    }
  }
  waiting_ = std::move(raw);
  for (const Waiting& waiting : failing) {
    if (waiting.failed) waiting.failed(status, context);
  }
  Pump(context);
}

void Mailbox::ReadParts(std::shared_ptr<Loading> loading, Context& context) {
  loading->open = 5;
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
  ScanFolders(/*with_cur=*/true, context, [loading, done](ScanDone cur, ScanDone fresh, Context& later) {
    const Status status = fresh.status.ok() ? cur.status : fresh.status;
    loading->cur = std::move(cur);
    loading->fresh = std::move(fresh);
    done(status, false, later);
  });
}

void Mailbox::ScanFolders(bool with_cur, Context& context, OnFolders then) {
  io_.Scan(dir_ + "/new", context, [this, with_cur, then = std::move(then)](const ScanDone& fresh, Context& later) {
    if (!with_cur || !fresh.status.ok()) return then(ScanDone{}, fresh, later);
    io_.Scan(dir_ + "/cur", later, [then, fresh](const ScanDone& cur, Context& after) { then(cur, fresh, after); });
  });
}

void Mailbox::NoteScanTimes(const ScanDone* cur, const ScanDone& fresh, Context& context) {
  const int64_t now_ns = context.now.wall.us * 1000;
  new_mtime_ns_ = fresh.mtime_ns;
  new_unsure_ = now_ns - fresh.mtime_ns < kMtimeGrainNs;
  if (cur == nullptr) return;
  cur_mtime_ns_ = cur->mtime_ns;
  cur_unsure_ = now_ns - cur->mtime_ns < kMtimeGrainNs;
  cur_changed_by_us_ = false;
  cur_read_at_ = context.now.mono;
}

void Mailbox::OnLoaded(std::shared_ptr<Loading> loading, Context& context) {
  if (!loading->failure.ok()) return LoadFailed(loading->failure, context);
  if (loading->has_log) loading->log = ParseChangeLog(loading->log_text);
  if (loading->has_uidlist) {
    auto parsed = ParseUidList(loading->uidlist_text);
    // RFC 3501 section 2.3.1.1: UIDs that run out need another UIDVALIDITY, and that in time: a session can't give one.
    const bool logged = parsed.ok() && loading->log.uidvalidity == parsed->uidvalidity;
    if (!parsed.ok() || std::max(parsed->next_uid, logged ? loading->log.next_uid : 1) > kNextUidMax) {
      return QuarantineUidList(loading, context);
    }
    loading->uidlist = *std::move(parsed);
  }
  NoteScanTimes(&loading->cur, loading->fresh, context);
  loading->sorted = SortFiles(loading->cur.entries, loading->fresh.entries);
  const bool to_resolve = !loading->sorted.duplicates.empty() || !loading->sorted.misnamed.empty();
  if (to_resolve && !loading->resolved) return ResolveDuplicates(loading, context);
  SettleHead(*loading, context);
  Build(loading, context);
}

// A broken list is kept for whoever can read it, under a name that nobody uses.
void Mailbox::QuarantineUidList(std::shared_ptr<Loading> loading, Context& context) {
  const Path aside = Control("dovecot-uidlist.broken." + std::to_string(context.now.wall.us));
  LogError(Control("dovecot-uidlist") + " is broken: it is kept as " + aside + ", messages get new UIDs", context);
  loading->broken_uidvalidity = UidValidityIn(loading->uidlist_text);
  loading->broken_next_uid = NextUidIn(loading->uidlist_text);
  FilePlan plan = NewPlan();
  plan.stages.push_back({Rename{.from = Control("dovecot-uidlist"), .to = aside}});
  io_.Commit(std::move(plan), context, [this, loading](const PlanResult& result, Context& later) {
    if (!result.ok()) return LoadFailed(result.status(), later);
    loading->has_uidlist = false;
    OnLoaded(loading, later);
  });
}

// Two names with one base: one file under both (a rename that a crash left half done), or two messages (a copy made by
// hand). And names without a base. What can't be mended stays out of sight until the next opening.
void Mailbox::ResolveDuplicates(std::shared_ptr<Loading> loading, Context& context) {
  loading->resolved = true;
  std::vector<Path> paths;
  for (const auto& [first, second] : loading->sorted.duplicates) {
    paths.push_back(In(first.in_new ? "new" : "cur", first.name));
    paths.push_back(In(second.in_new ? "new" : "cur", second.name));
  }
  io_.Stat(std::move(paths), context, [this, loading](const StatDone& done, Context& later) {
    FilePlan plan = NewPlan();
    Stage stage;
    const auto give_name = [&](const MailFile& file) {
      const NameParts parts = ParseName(file.name);
      std::string base = names_.Next(later.now.wall);
      if (parts.size) base += ",S=" + std::to_string(*parts.size);
      if (parts.crlf_size) base += ",W=" + std::to_string(*parts.crlf_size);
      // In its own folder: a rename between folders could be lost from both.
      const std::string name =
          file.in_new ? base
                      : FormatName(base, FlagsOf(parts.letters), KeywordsOf(parts.letters), parts.letters, parts.other);
      stage.push_back(
          Rename{.from = In(file.in_new ? "new" : "cur", file.name), .to = In(file.in_new ? "new" : "cur", name)});
    };
    for (size_t i = 0; i < loading->sorted.duplicates.size() && 2 * i + 1 < done.files.size(); ++i) {
      const FileFacts &first = done.files[2 * i], &second = done.files[2 * i + 1];
      const MailFile& other = loading->sorted.duplicates[i].second;
      if (!first.status.ok() || !second.status.ok()) continue;
      if (first.inode != second.inode) {
        give_name(other);
      } else if ((other.in_new && !loading->sorted.duplicates[i].first.in_new) ||
                 later.now.wall.us * 1000 - second.ctime_ns >
                     kLinkedNamesAgeNs) {  // from new/ to cur/ has one direction only
        stage.push_back(Unlink{In(other.in_new ? "new" : "cur", other.name)});
      }
    }
    for (const MailFile& file : loading->sorted.misnamed) give_name(file);
    // The name that stays must last before the other one goes: a power loss must not find the file under neither.
    plan.stages.push_back({SyncDir{dir_ + "/cur"}, SyncDir{dir_ + "/new"}});
    plan.stages.push_back(std::move(stage));
    io_.Commit(std::move(plan), later,
               [this, loading](const PlanResult&, Context& after) { ReadParts(loading, after); });
  });
}

// UIDVALIDITY, next UID and GUID. They are kept where anything still tells them: a lost UID list costs the UIDs, not
// the UIDVALIDITY, because the log knows both it and which UIDs were given out.
void Mailbox::SettleHead(Loading& loading, Context& context) {
  UidList& list = loading.uidlist;
  const ChangeLog& log = loading.log;
  loading.made_new = !loading.has_uidlist;
  if (loading.made_new) {
    list = {};
    const uint32_t broken = loading.broken_uidvalidity;
    const uint32_t next_uid = std::max(log.next_uid, loading.broken_next_uid);
    const bool has_room = next_uid < UINT32_MAX / 2;  // a greater one is what broke the list
    if (log.uidvalidity != 0 && (broken == 0 || broken == log.uidvalidity) && has_room) {
      if (broken == 0) LogError(Control("dovecot-uidlist") + " is missing: messages get new UIDs", context);
      list.uidvalidity = log.uidvalidity;
      list.next_uid = next_uid;
      list.guid = log.guid;
    } else {
      loading.new_uidvalidity = true;
      list.uidvalidity =
          std::max(NextUidValidity(loading.uidvalidity_text, context.now.wall.seconds()), last_uidvalidity_ + 1);
      list.uidvalidity = std::max({list.uidvalidity, broken + 1, log.uidvalidity + 1});
      last_uidvalidity_ = list.uidvalidity;
    }
  } else if (log.uidvalidity == list.uidvalidity) {
    list.next_uid = std::max(list.next_uid, log.next_uid);
    if (list.guid.size() != 32) list.guid = log.guid;
  }
  if (list.guid.size() != 32) list.guid = context.entropy.Hex(32);
  loading.log_counts = loading.has_log && log.uidvalidity == list.uidvalidity;
}

// Records meet files by base name. Of two records with one name the higher UID counts: the file had reappeared.
void Mailbox::MatchRecords(Loading& loading) {
  const ChangeLog& log = loading.log;
  const std::vector<UidRecord>& records = loading.uidlist.records;
  std::vector<uint32_t> expunged;
  if (loading.log_counts) {
    for (const auto& [uid, modseq] : log.expunged) expunged.push_back(uid);
    std::sort(expunged.begin(), expunged.end());
  }
  absl::flat_hash_map<std::string_view, size_t, std::hash<std::string_view>> by_base;
  by_base.reserve(records.size());
  for (size_t i = 0; i < records.size(); ++i) by_base.insert_or_assign(records[i].base, i);
  loading.known.clear(), loading.unknown.clear(), loading.missing.clear();
  for (size_t i = 0; i < loading.sorted.files.size(); ++i) {
    const auto found = by_base.find(BaseOf(loading.sorted.files[i].name));
    // An expunged message whose file is back (a backup, or an unlink that a power loss undid) is a new message.
    if (found != by_base.end() && !std::binary_search(expunged.begin(), expunged.end(), records[found->second].uid)) {
      loading.known.emplace_back(found->second, i);
    } else {
      loading.unknown.push_back(loading.sorted.files[i]);
    }
  }
  std::sort(loading.known.begin(), loading.known.end());
  if (!loading.log_counts) return;
  size_t at = 0;
  for (const LoggedMessage& message : log.messages) {
    while (at < loading.known.size() && records[loading.known[at].first].uid < message.uid) ++at;
    if (at == loading.known.size() || records[loading.known[at].first].uid != message.uid)
      loading.missing.push_back(message.uid);
  }
}

void Mailbox::Build(std::shared_ptr<Loading> loading, Context& context) {
  MatchRecords(*loading);
  if (!loading->missing.empty() && !loading->looked_twice) {
    // A folder that others rename in can be read past a file: it is gone only when a second look does not find it
    // either.
    loading->looked_twice = true;
    return ReadParts(loading, context);
  }
  MailboxState& state = *state_;
  const ChangeLog& log = loading->log;
  state.uidvalidity = loading->uidlist.uidvalidity;
  state.uidnext = loading->uidlist.next_uid;
  state.guid = loading->uidlist.guid;
  uidlist_bytes_ = loading->has_uidlist ? loading->uidlist_text.size() : 0;
  log_bytes_ = loading->has_log ? loading->log_text.size() : 0;

  const uint64_t floor =
      loading->log_counts ? std::max(log.ceiling, log.highest) : FirstModseq(context.now.wall.seconds());
  // A log that ends in order tells every MODSEQ; after a crash all messages get a new one above everything shown.
  const bool trusted = loading->log_counts && log.closed_in_order;
  loading->closed_in_order = trusted;
  state.highestmodseq = std::max(trusted ? log.highest : floor, state.highestmodseq);
  ceiling_ = trusted ? log.highest : floor;
  pending_ceiling_ = ceiling_;
  must_claim_ = true;
  // After an unclean end both files are written anew: a flush of theirs may have failed, and after that no later flush
  // of the same file can be believed (it says yes, and the bytes are gone with the next power loss).
  const bool must = loading->made_new || loading->uidlist.needs_rewrite || !trusted;
  rewrite_ = must ? Rewrite::kMust : Rewrite::kNo;

  state.keyword_names = ParseKeywords(loading->keywords_text);
  keywords_dirty_ = false;
  state.gone.clear();
  state.gone_dropped = 0;
  state.gone_since = loading->log_counts ? log.expunged_since : state.highestmodseq;
  if (loading->log_counts) {
    for (const auto& [index, name] : log.keyword_names) {
      if (state.keyword_names.size() <= static_cast<size_t>(index))
        state.keyword_names.resize(static_cast<size_t>(index) + 1);
      state.keyword_names[static_cast<size_t>(index)] = name;
    }
    for (const auto& [uid, modseq] : log.expunged) state.gone.push_back({modseq, uid});
  }
  std::string log_records;
  FillRows(*loading, trusted, &log_records);
  const size_t stale = loading->uidlist.records.size() - loading->known.size();
  const bool long_log = log_bytes_ > LogBytesMax(state.count());
  if (rewrite_ == Rewrite::kNo &&
      (long_log || (stale >= kStaleRecordsMin && stale * 4 >= loading->uidlist.records.size()))) {
    rewrite_ = Rewrite::kWanted;
  }
  uidlist_.other_items = loading->uidlist.other_items;
  Publish(loading, std::move(log_records), context);
}

void Mailbox::FillRows(Loading& loading, bool trusted, std::string* log_records) {
  MailboxState& state = *state_;
  state.uids.clear(), state.flags.clear(), state.keywords.clear(), state.modseqs.clear(), state.crlf_sizes.clear();
  state.internal_dates.clear(), state.names_.clear(), state.in_new_.clear(), state.items_.clear();
  const uint64_t crash_modseq = trusted ? 0 : NextModseq();
  if (!trusted && loading.log_counts) AppendBase(crash_modseq, log_records);
  for (const auto& [record_at, file_at] : loading.known) {
    UidRecord& record = loading.uidlist.records[record_at];
    const MailFile& file = loading.sorted.files[file_at];
    const LoggedMessage* logged = loading.log_counts ? FindLogged(loading.log, record.uid) : nullptr;
    AddRow(record.uid, file.name, file.in_new, crash_modseq, logged != nullptr ? logged->keywords & ~kLettered : 0);
    const size_t row = state.count() - 1;
    const bool same = logged != nullptr && logged->flags == state.flags[row] && logged->keywords == state.keywords[row];
    if (trusted) state.modseqs[row] = same ? logged->modseq : NextModseq();
    if (!same) AppendFlags(record.uid, {state.modseqs[row], state.flags[row], state.keywords[row]}, log_records);
    std::string_view size;
    if (state.crlf_sizes[row] == kUnknownSize && UidItem(record.items, 'W', &size)) {
      std::from_chars(size.data(), size.data() + size.size(), state.crlf_sizes[row]);
    }
    if (!record.items.empty()) state.items_[record.uid] = std::move(record.items);
  }
  for (const uint32_t uid : loading.missing) {  // what went while nobody looked
    const uint64_t modseq = NextModseq();
    state.gone.push_back({modseq, uid});
    AppendExpunged(uid, modseq, log_records);
  }
}

// Dovecot arbitrates UIDVALIDITYs by an empty file that is named after the last one, beside the file that says it.
void Mailbox::AddUidValidityStages(const Loading& loading, FilePlan* plan) const {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%08x", state_->uidvalidity);
  const Path path = account_.control_dir + "/dovecot-uidvalidity", mark = path + "." + digits;
  const Path tmp = path + ".tmp" + digits + "." + state_->guid.substr(0, 8);
  plan->stages.push_back({Unlink{tmp}, Unlink{mark}});
  plan->stages.push_back(
      {Create{.path = tmp, .bytes = Chain(std::string(digits))}, Create{.path = mark, .mode = 0444}});
  plan->stages.push_back({SyncFile{tmp}});
  Stage place{Rename{.from = tmp, .to = path, .replace = true}};
  const std::string& old = loading.uidvalidity_text;
  if (old.size() == 8 && old != digits && old.find_first_not_of("0123456789abcdef") == std::string::npos) {
    place.push_back(Unlink{path + "." + old});
  }
  plan->stages.push_back(std::move(place));
  plan->stages.push_back({SyncDir{account_.control_dir}});
}

// Files without a UID get one; all that is new is durable before anything of it is shown.
void Mailbox::Publish(std::shared_ptr<Loading> loading, std::string log_records, Context& context) {
  if (!HasUidsFor(loading->unknown.size()))
    return LoadFailed(ResourceExhausted("no UIDs are left in " + name_), context);
  SortByAge(&loading->unknown);
  std::string uid_records;
  for (const MailFile& file : loading->unknown) {
    const uint32_t uid = state_->uidnext++;
    AddRow(uid, file.name, file.in_new, NextModseq(), 0);
    AppendUidRecord({.uid = uid, .base = std::string(BaseOf(file.name))}, &uid_records);
    const size_t row = state_->count() - 1;
    AppendFlags(uid, {state_->modseqs[row], state_->flags[row], state_->keywords[row]}, &log_records);
  }
  if (uid_records.empty() && log_records.empty() && rewrite_ == Rewrite::kNo) return Opened(context);
  std::string ceiling;
  ReserveModseqs(0, &ceiling);
  CommitOpening(loading, std::move(uid_records), ceiling + log_records, context);
}

void Mailbox::CommitOpening(std::shared_ptr<Loading> loading, std::string uid_records, std::string log_records,
                            Context& context) {
  FilePlan plan = NewPlan();
  // A process that died may have left names that are there and not durable. What is built on them must not fall with
  // them.
  if (!loading->closed_in_order) {
    if (control_dir_ != dir_) plan.stages.push_back({MakeDir{control_dir_}});
    Stage settle{SyncDir{dir_ + "/new"}, SyncDir{dir_ + "/cur"}};
    AddSyncOfPath(dir_, &settle);
    AddSyncOfPath(control_dir_, &settle);
    plan.stages.push_back(std::move(settle));
  }
  const Rewrite rewrite = rewrite_;
  size_t uid_bytes = uid_records.size(), log_bytes = log_records.size();
  if (rewrite == Rewrite::kNo) {
    AddSupportStages(uid_records, log_records, /*durable=*/true, &plan);
  } else {
    if (loading->new_uidvalidity) AddUidValidityStages(*loading, &plan);
    AddRewriteStages(&plan, &uid_bytes, &log_bytes);
  }
  const auto settle = [this, loading, rewrite, uid_bytes, log_bytes, uid_records, log_records](const PlanResult& result,
                                                                                               Context& later) {
    if (!result.ok() && rewrite == Rewrite::kWanted && result.status().code() == StatusCode::kResourceExhausted) {
      // No room for a second copy of the files; there may be for a few records more.
      rewrite_ = Rewrite::kNo;
      return CommitOpening(loading, uid_records, log_records, later);
    }
    if (!result.ok()) return LoadFailed(result.status(), later);  // nothing was shown: the next attempt reads all again
    if (rewrite == Rewrite::kNo) {
      SupportDone(true, uid_bytes, log_bytes);
    } else {
      Rewritten(uid_bytes, log_bytes);
    }
    Opened(later);
  };
  if (PLANTED("uid_shown_before_durable")) {
    settle(PlanResult{}, context);
    return io_.Commit(std::move(plan), context, [](const PlanResult&, Context&) {});
  }
  io_.Commit(std::move(plan), context, settle);
}

void Mailbox::Opened(Context& context) {
  ready_ = true;
  loading_ = false;
  if (!swept_) SweepTmp(context);
  swept_ = true;
  Pump(context);
}

// What deliveries that died left in tmp/. Nothing waits for it. What this process made it may be writing still,
// whatever the clock says: clocks jump.
void Mailbox::SweepTmp(Context& context) {
  io_.Scan(dir_ + "/tmp", context, [this](const ScanDone& scan, Context& later) {
    std::vector<Path> paths;
    for (const DirEntry& entry : scan.entries) {
      if (entry.is_dir || paths.size() == kTmpFilesMax) continue;
      if (names_.MadeInThisLife(entry.name)) continue;
      paths.push_back(In("tmp", entry.name));
    }
    if (paths.empty()) return;
    io_.Stat(paths, later, [this, paths](const StatDone& done, Context& after) {
      Stage stage;
      for (size_t i = 0; i < paths.size() && i < done.files.size(); ++i) {
        const bool old = after.now.wall.us * 1000 - done.files[i].ctime_ns > kTmpAgeNs;
        if (done.files[i].status.ok() && old) stage.push_back(Unlink{paths[i]});
      }
      if (stage.empty()) return;
      FilePlan plan = NewPlan();
      plan.stages.push_back(std::move(stage));
      io_.Commit(std::move(plan), after, [](const PlanResult&, Context&) {});
    });
  });
}

}  // namespace postern::mailbox
