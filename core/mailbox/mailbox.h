// One mailbox as its account holds it: the columns that sessions see, the files behind them, and the line of operations
// waiting for it. One operation that changes files is under way at a time; the next begins when it has ended.
//
//   closed --Load--> loading --files read, new UIDs durable--> ready --Store, Expunge, Copy, Refresh (one at a time)--> ready
//                       \--I/O error--> closed (those who wait get the error; the next one tries again)
//
// What is durable before what (docs/maildir.md): a UID's record in dovecot-uidlist before the UID is shown; a MODSEQ ceiling
// in postern.changes before a MODSEQ below it is shown; a copy's file, name and record before its OK; a rename or unlink is
// done, though not flushed, before the OK to STORE or EXPUNGE (mail_fsync = optimized).
// Owner: the account. Private to core/mailbox.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
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
  Mailbox(std::string name, Path dir, const AccountFacts& account, Io& io, UniqueNames& names);

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
    Path link_from;          // COPY: the file to take a second name of
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
  void LoadFacts(std::vector<uint32_t> uids, bool sizes, bool dates, Context& context, std::function<void(Context&)> then);

  // The file of a message now; empty where it is gone.
  Path PathOf(uint32_t uid) const;
  std::string_view NameOf(uint32_t uid) const;
  // The record that says the log is complete. Unflushed: it only saves work.
  void Close(Context& context);

  const std::shared_ptr<MailboxState>& state() const { return state_; }
  bool ready() const { return ready_; }
  bool idle() const { return !busy_ && waiting_.empty(); }
  uint32_t recent_count() const;     // messages in new/
  uint32_t FirstRecentUid() const { return first_recent_uid_; }
  void set_read_write(bool read_write) { read_write_ = read_write; }
  void AddTo(Digest& digest) const;

  // Called after every change that sessions should hear of.
  std::function<void()> on_change;

 private:
  struct Waiting {
    Operation operation;
    std::function<void(const Status&, Context&)> failed;
    bool raw = false;
  };
  struct Loading;    // mailbox_load.cc
  struct FactsRun;
  void PumpFacts(const std::shared_ptr<FactsRun>& run, Context& context);
  struct Found {     // a file of cur/ or new/
    std::string name;
    bool in_new = false;
  };

  void Pump(Context& context);
  void Load(Context& context);
  void OnLoaded(std::shared_ptr<Loading> loading, Context& context);
  void LoadFailed(const Status& status, Context& context);
  void ReadParts(std::shared_ptr<Loading> loading, Context& context);
  void QuarantineUidList(std::shared_ptr<Loading> loading, Context& context);
  void ResolveDuplicates(std::shared_ptr<Loading> loading, Context& context);
  void Build(std::shared_ptr<Loading> loading, Context& context);
  void Publish(std::shared_ptr<Loading> loading, Context& context);
  static std::vector<Found> ListFiles(const ScanDone& cur, const ScanDone& fresh);
  void MergeScan(const std::vector<Found>& files, bool cur_was_read, Context& context, Then then);
  void TakeOverNew(Context& context, Then then);
  void LookAgain(bool force, Context& context, Then then);  // Refresh, for an operation that has the mailbox already
  // Writes both append-only files anew where an append to them failed; nothing else is done while they are unsure.
  void EnsureSupport(Context& context, Then then);
  struct StoreRun;
  void StoreOnce(std::shared_ptr<StoreRun> run, Context& context);
  void StoreEnded(std::shared_ptr<StoreRun> run, const Status& status, Context& context);
  void AddKeywordStages(FilePlan* plan) const;
  struct InsertRun;
  void InsertPrepared(std::shared_ptr<InsertRun> run, Context& context);
  void InsertFailed(std::shared_ptr<InsertRun> run, const PlanResult& result, Context& context);

  // ---- the two append-only files ----
  void AddSupportStages(std::string uid_records, std::string log_records, bool durable, FilePlan* plan) const;
  void AddRewriteStages(FilePlan* plan);
  void SupportDone(bool ok, size_t uid_bytes, size_t log_bytes);
  FilePlan NewPlan() const { return {.stages = {}, .owner = account_.owner}; }
  uint64_t NextModseq() { return ++state_->highestmodseq; }
  // Appends a ceiling record where `needed` modseqs more would pass it; true where a flush is needed before they are shown.
  bool ReserveModseqs(uint64_t needed, std::string* log_records);
  // The keywords of these names; new ones get an index. `*file_changes`: dovecot-keywords must be written anew.
  StatusOr<Keywords> KeywordsNamed(const std::vector<std::string>& names, std::string* log_records, bool* file_changes);
  bool always_flush(const Context& context) const { return context.config.storage.fsync == config::MailFsync::kAlways; }
  void SetRow(size_t row, std::string name, bool in_new, Flags flags, Keywords keywords, uint64_t modseq);
  void AddRow(uint32_t uid, std::string name, bool in_new, uint64_t modseq, Keywords high_keywords);
  void RemoveRow(size_t row, uint64_t modseq);
  std::string FullUidList() const;
  std::string FullChangeLog() const;
  Path In(std::string_view folder, std::string_view name) const;
  Path Control(std::string_view file) const { return control_dir_ + "/" + std::string(file); }

  std::string name_;
  Path dir_, control_dir_;
  const AccountFacts& account_;
  Io& io_;
  UniqueNames& names_;
  std::shared_ptr<MailboxState> state_;

  std::deque<Waiting> waiting_;
  bool busy_ = false, ready_ = false, loading_ = false, read_write_ = false;

  UidList uidlist_;               // header items; its records live in the columns
  uint64_t uidlist_bytes_ = 0;    // the file's length as we left it
  uint64_t log_bytes_ = 0;
  uint64_t ceiling_ = 0;          // durable
  uint64_t pending_ceiling_ = 0;
  bool rewrite_ = false;          // an append failed or the files need a new form: the next plan writes them whole
  bool must_claim_ = false;       // the log ends in order: a ceiling must be durable before anything new is shown
  int64_t cur_mtime_ns_ = 0, new_mtime_ns_ = 0;
  bool cur_changed_by_us_ = false;
  uint32_t first_recent_uid_ = UINT32_MAX;  // the first that lay in new/ when the mailbox was opened
};

}  // namespace postern::mailbox
