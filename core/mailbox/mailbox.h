// One mailbox as its account holds it: the columns that sessions see, the files behind them, and the line of operations
// waiting for it. One operation that changes files is under way at a time; the next begins when it has ended.
//
//   closed --Load--> loading --files read, new UIDs durable--> ready --Store, Expunge, Copy, Refresh (one at a time)-->
//   ready
//                       \--I/O error--> closed (those who wait get the error; the next one tries again)
//
// What is durable before what (docs/maildir.md): a UID's record in dovecot-uidlist before the UID is shown; a MODSEQ
// ceiling in postern.changes before a MODSEQ below it is shown; a copy's file, name and record before its OK; a rename
// or unlink is done, though not flushed, before the OK to STORE or EXPUNGE (mail_fsync = optimized). Owner: the
// account. Private to core/mailbox.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/mailbox/account.h"
#include "core/mailbox/change_log.h"
#include "core/mailbox/io.h"
#include "core/mailbox/mailbox_state.h"
#include "core/mailbox/names.h"
#include "core/mailbox/uidlist.h"

namespace postern::mailbox {

class Mailbox {
 public:
  // `last_uidvalidity`: the greatest the account has given out in this life of the process.
  Mailbox(std::string name, Path dir, const AccountFacts& account, Io& io, UniqueNames& names,
          uint32_t& last_uidvalidity);

  // An operation: it has the mailbox for itself until it calls Finish.
  using Operation = std::function<void(Context&)>;
  // Runs `operation` when those before it have ended and the mailbox is ready; `failed` where it can't be opened.
  void Enqueue(Operation operation, std::function<void(const Status&, Context&)> failed, Context& context);
  // The same without waiting for the mailbox to be ready (DELETE, RENAME of its folder).
  void EnqueueRaw(Operation operation, Context& context);
  void Finish(Context& context);

  // ---- operations; each answers through `then`, having called Finish ----
  using Then = std::function<void(const Status&, Context&)>;
  // Finds what others did: new mail, changed flags, missing files. `read_write` sessions take new/ over into cur/.
  void Refresh(bool force, Context& context, Then then);
  void Store(StoreRequest request, Context& context, std::function<void(const Status&, StoreResult, Context&)> then);
  // `only_deleted`: those of `uids` that have \Deleted.
  void Expunge(std::vector<uint32_t> uids, bool only_deleted, Context& context,
               std::function<void(const Status&, ExpungeResult, Context&)> then);
  // Puts messages in: bytes, files in tmp/, or second names of files elsewhere. All or none, durable.
  struct Incoming {
    NewMessage message;
    Path link_from;  // COPY: the file to take a second name of
    Flags flags = 0;
    std::vector<std::string> keywords;
    int64_t mtime_seconds = -1;
    std::string size_suffix;  // ",S=..,W=.." of the source's name
  };
  void Insert(std::vector<Incoming> messages, Context& context,
              std::function<void(const Status&, AppendResult, Context&)> then);

  // ---- without waiting: they change nothing ----
  void ReadMessage(uint32_t uid, uint64_t offset, uint64_t length, Context& context,
                   std::function<void(const Status&, std::string_view bytes, uint64_t file_bytes, Context&)> then,
                   int tries_left = 2);
  void LoadFacts(std::vector<uint32_t> uids, bool sizes, bool dates, Context& context,
                 std::function<void(Context&)> then);

  // The file of a message now; empty where it is gone.
  Path PathOf(uint32_t uid) const;
  std::string_view NameOf(uint32_t uid) const;
  // Where dovecot-uidlist and its like are (CONTROL=).
  const Path& control_dir() const { return control_dir_; }
  // Somebody has it selected. When nobody has and nothing is under way, the log gets its closing record.
  void SetInUse(bool in_use, Context& context);

  const std::shared_ptr<MailboxState>& state() const { return state_; }
  bool ready() const { return ready_; }
  bool idle() const { return !busy_ && waiting_.empty(); }
  // From this UID on messages are \Recent: the first whose file lies in new/, or that was put into cur/ (a flagged one
  // has no place in new/) while nobody could have been told; the next UID where there is none.
  uint32_t FirstRecentUid() const;
  uint32_t recent_count() const;
  // A session that may write is told of them: to the next they are no longer \Recent.
  void ForgetRecent() { recent_in_cur_uid_ = UINT32_MAX; }
  void set_read_write(bool read_write) { read_write_ = read_write; }
  void AddTo(StableDigest& digest) const;

  // Called after every change that sessions should hear of.
  std::function<void()> on_change;

 private:
  struct Waiting {
    Operation operation;
    std::function<void(const Status&, Context&)> failed;
    bool raw = false;
  };
  struct Loading;  // mailbox_load.cc
  struct FactsRun;

  void Pump(Context& context);
  void Close(Context& context);
  bool HasNew() const;  // files in new/
  void PumpFacts(const std::shared_ptr<FactsRun>& run, Context& context);
  void LoadDates(const std::shared_ptr<FactsRun>& run, std::vector<uint32_t> undated, Context& context);
  void CountOn(const std::shared_ptr<FactsRun>& run, uint32_t uid, uint64_t offset, uint64_t crlf_bytes, bool after_cr,
               Context& context);
  void ReadAgain(uint32_t uid, uint64_t offset, uint64_t length, Context& context,
                 std::function<void(const Status&, std::string_view, uint64_t, Context&)> then, int tries_left);

  // ---- mailbox_load.cc ----
  void Load(Context& context);
  void ReadParts(std::shared_ptr<Loading> loading, Context& context);
  void OnLoaded(std::shared_ptr<Loading> loading, Context& context);
  void LoadFailed(const Status& status, Context& context);
  void QuarantineUidList(std::shared_ptr<Loading> loading, Context& context);
  void ResolveDuplicates(std::shared_ptr<Loading> loading, Context& context);
  void SettleHead(Loading& loading, Context& context);
  void Build(std::shared_ptr<Loading> loading, Context& context);
  static void MatchRecords(Loading& loading);
  void FillRows(Loading& loading, bool trusted, std::string* log_records);
  void Publish(std::shared_ptr<Loading> loading, std::string log_records, Context& context);
  void CommitOpening(std::shared_ptr<Loading> loading, std::string uid_records, std::string log_records,
                     Context& context);
  void Opened(Context& context);
  void AddUidValidityStages(const Loading& loading, FilePlan* plan) const;
  void SweepTmp(Context& context);
  // new/ first: what moves from there to cur/ meanwhile is seen at least once.
  using OnFolders = std::function<void(ScanDone cur, ScanDone fresh, Context&)>;
  void ScanFolders(bool with_cur, Context& context, OnFolders then);
  void NoteScanTimes(const ScanDone* cur, const ScanDone& fresh, Context& context);

  // ---- mailbox_refresh.cc ----
  struct Merge;
  // Refresh, for an operation that has the mailbox already. `may_repair`: where another program replaced the files
  // beside the messages, they are written anew and the look repeated, once.
  void LookAgain(bool force, Context& context, Then then, bool may_repair = true);
  void ScanForMerge(std::shared_ptr<Merge> merge, Context& context);
  void Compare(std::shared_ptr<Merge> merge, Context& context);
  void CommitMerge(std::shared_ptr<Merge> merge, Context& context);
  void ApplyMerge(Merge& merge);
  struct TakeOver;
  void TakeOverNew(Context& context);

  // Writes both append-only files anew where an append to them failed; nothing else is done while they are unsure.
  void EnsureSupport(Context& context, Then then);
  struct StoreRun;
  void StoreOnce(std::shared_ptr<StoreRun> run, Context& context);
  bool Changed(size_t row, const StoreRequest& request, Keywords named, Flags* flags, Keywords* keywords) const;
  void CommitStore(std::shared_ptr<StoreRun> run, std::string log_records, Context& context);
  void OnStored(std::shared_ptr<StoreRun> run, const PlanResult& result, Context& context);
  void StoreEnded(std::shared_ptr<StoreRun> run, const Status& status, Context& context);
  void AddKeywordStages(FilePlan* plan) const;
  struct ExpungeRun;
  void ExpungeOnce(std::shared_ptr<ExpungeRun> run, Context& context);
  void CommitExpunge(std::shared_ptr<ExpungeRun> run, Context& context);
  void ExpungeEnded(std::shared_ptr<ExpungeRun> run, const Status& status, ExpungeResult result, Context& context);
  struct InsertRun;
  void InsertPrepared(std::shared_ptr<InsertRun> run, Context& context);
  Status PlaceIncoming(InsertRun& run, std::string* uid_records, std::string* log_records, Context& context);
  void AddFileStages(InsertRun& run, FilePlan* plan) const;
  void OnInserted(std::shared_ptr<InsertRun> run, const PlanResult& result, Context& context);
  void InsertEnded(std::shared_ptr<InsertRun> run, const Status& status, Context& context);
  void InsertFailed(std::shared_ptr<InsertRun> run, const PlanResult& result, Context& context);

  // ---- the two append-only files ----
  void AddSupportStages(std::string uid_records, std::string log_records, bool durable, FilePlan* plan) const;
  // With the sizes the two files will have.
  void AddRewriteStages(FilePlan* plan, size_t* uid_bytes, size_t* log_bytes) const;
  static uint64_t LogBytesMax(size_t message_count);
  void SupportDone(bool ok, size_t uid_bytes, size_t log_bytes);
  FilePlan NewPlan() const { return {.stages = {}, .owner = account_.owner}; }
  uint64_t NextModseq() { return ++state_->highestmodseq; }
  // Appends a ceiling record where `needed` modseqs more would pass it; true where a flush is needed before they are
  // shown.
  bool ReserveModseqs(uint64_t needed, std::string* log_records);
  // The same in stages of their own, flushed before the stages behind them begin. The bytes added to the log.
  size_t AddCeilingStages(uint64_t needed, FilePlan* plan);
  // Room for `count` more UIDs.
  bool HasUidsFor(size_t count) const { return UINT32_MAX - 1 - state_->uidnext >= count; }
  // The keywords of these names; new ones get an index (keywords_dirty_: dovecot-keywords must be written).
  StatusOr<Keywords> KeywordsNamed(const std::vector<std::string>& names, std::string* log_records);
  bool always_flush(const Context& context) const { return context.config.storage.fsync == config::MailFsync::kAlways; }
  void SetRow(size_t row, std::string_view name, bool in_new, Flags flags, Keywords keywords, uint64_t modseq);
  void AddRow(uint32_t uid, std::string_view name, bool in_new, uint64_t modseq, Keywords high_keywords);
  // UIDs (ascending) and the MODSEQs of their going; those that are not there are passed over.
  void RemoveRows(const std::vector<std::pair<uint32_t, uint64_t>>& gone);
  std::string FullUidList() const;
  std::string FullChangeLog() const;
  void Rewritten(uint64_t uid_bytes, uint64_t log_bytes);
  Path In(std::string_view folder, std::string_view name) const;
  Path Control(std::string_view file) const { return control_dir_ + "/" + std::string(file); }

  std::string name_;
  Path dir_, control_dir_;
  const AccountFacts& account_;
  Io& io_;
  UniqueNames& names_;
  std::shared_ptr<MailboxState> state_;

  std::deque<Waiting> waiting_;
  bool busy_ = false, ready_ = false, loading_ = false, read_write_ = false, in_use_ = false;
  bool pumping_ = false, swept_ = false, take_over_failed_ = false;
  uint32_t recent_in_cur_uid_ = UINT32_MAX;  // see FirstRecentUid
  uint32_t& last_uidvalidity_;

  UidList uidlist_;             // header items; its records live in the columns
  uint64_t uidlist_bytes_ = 0;  // the file's length as we left it
  uint64_t log_bytes_ = 0;
  uint64_t ceiling_ = 0;  // durable
  uint64_t pending_ceiling_ = 0;
  enum class Rewrite : uint8_t {
    kNo,
    kWanted,  // the log has grown long
    kMust,    // an append failed or the files need a new form: the next plan writes them whole
  } rewrite_ = Rewrite::kNo;
  bool must_claim_ = false;      // the log ends in order: a ceiling must be durable before anything new is shown
  bool names_lie_ = false;       // maildir_broken_filename_sizes: ,S= and ,W= are not believed
  bool keywords_dirty_ = false;  // dovecot-keywords lags behind keyword_names

  // What of the folders is known. A change of cur/ by ourselves hides others of the same moment, and a folder's time is
  // too coarse for what comes right behind a scan: then it is read again, though its time did not change.
  int64_t cur_mtime_ns_ = 0, new_mtime_ns_ = 0;
  bool cur_changed_by_us_ = false, cur_unsure_ = false, new_unsure_ = false;
  Instant cur_read_at_{};
};

}  // namespace postern::mailbox
