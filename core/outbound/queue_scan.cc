// What lies in the spool's folders: found at the start and looked for again now and then.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "core/boundary/planted.h"
#include "core/outbound/queue_manager.h"

namespace postern::outbound {
namespace {

constexpr size_t kStatsAtOnce = 500;
// A session knows by then whether it keeps what it wrote: some flushes. A guess.
constexpr Duration kTakenBackWithin = Seconds(10);

}  // namespace

void QueueManager::ScanSpool(Context& context) {
  scanning_incoming_ = true;
  incoming_overflowed_ = false;
  const bool first = !std::exchange(scanned_incoming_, true);
  const OpId op = Ask([this, first](const Event& event, Context& later) {
    scanning_incoming_ = false;
    ScanSpoolLater(later);
    const auto* scan = std::get_if<ScanDone>(&event);
    if (scan == nullptr || !scan->status.ok()) return;
    std::vector<std::string> ids;
    for (const DirEntry& entry : scan->entries) {
      if (!entry.is_dir && queue::IsQueueId(entry.name)) ids.push_back(entry.name);
    }
    std::sort(ids.begin(), ids.end());  // ids grow with time
    if (first) {
      for (const std::string& id : ids) TakeFound(id, later);
    } else {
      std::erase_if(ids,
                    [this](const std::string& id) { return active_.contains(id) || incoming_known_.contains(id); });
      StatIncoming(std::make_shared<std::vector<std::string>>(std::move(ids)), 0, later);
    }
  });
  context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), queue::Folder::kIncoming)});
}

void QueueManager::TakeFound(const std::string& id, Context& context) {
  const bool is_new = !active_.contains(id) && !incoming_known_.contains(id);
  if (is_new && incoming_.size() < kIncomingListedMax) found_by_scan_.insert(id);
  OnQueued(id, context);
}

// A time to come is that of a clock that has jumped since.
bool QueueManager::MayBeTakenBack(const FileFacts& file, const Context& context) {
  const int64_t age_us = context.now.wall.us - file.ctime_ns / 1000;
  return file.status.ok() && std::abs(age_us) < kTakenBackWithin.ns / 1000;
}

// What a session of this process has just written may yet be taken back (another recipient's Maildir fails, or the
// flush of this folder): it tells when it is not. Older files are nobody's; asked for some at a time.
void QueueManager::StatIncoming(std::shared_ptr<std::vector<std::string>> ids, size_t from, Context& context) {
  if (from >= ids->size()) return;
  const size_t end = std::min(from + kStatsAtOnce, ids->size());
  std::vector<Path> paths;
  for (size_t i = from; i < end; ++i) paths.push_back(queue::FilePath(Queue(), queue::Folder::kIncoming, (*ids)[i]));
  const OpId op = Ask([this, ids, from, end](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    for (size_t i = from; stat != nullptr && i < end && i - from < stat->files.size(); ++i) {
      const FileFacts& file = stat->files[i - from];
      if (!file.status.ok()) continue;
      if (MayBeTakenBack(file, later)) {
        ScanSpoolSoon(later);
      } else {
        TakeFound((*ids)[i], later);
      }
    }
    StatIncoming(ids, end, later);
  });
  context.out.Put(Stat{.op = op, .paths = std::move(paths)});
}

void QueueManager::ScanSpoolSoon(Context& context) {
  if (std::exchange(soon_scan_set_, true)) return;
  Later(
      kTakenBackWithin,
      [this](Context& later) {
        soon_scan_set_ = false;
        if (!stopping_ && !scanning_incoming_) ScanSpool(later);
      },
      context);
}

// Somebody may have left mail without a word, and words get lost (qmgr(8) looks as often).
void QueueManager::ScanSpoolLater(Context& context) {
  if (std::exchange(incoming_scan_set_, true) || PLANTED("incoming_read_once")) return;
  Later(
      queue_run_delay(),
      [this](Context& later) {
        incoming_scan_set_ = false;
        if (!stopping_ && !scanning_incoming_) ScanSpool(later);
      },
      context);
}

// Journals whose message is gone: a crash came between the two.
void QueueManager::ScanJournals(Context& context) {
  const OpId op = Ask([this](const Event& event, Context& later) {
    auto ids = std::make_shared<std::vector<std::string>>();
    const auto* scan = std::get_if<ScanDone>(&event);
    if (scan == nullptr || !scan->status.ok()) {
      return Later(
          queue_run_delay(), [this](Context& again) { ScanJournals(again); }, later);
    }
    for (const DirEntry& entry : scan->entries) {
      if (!entry.is_dir && queue::IsQueueId(entry.name)) ids->push_back(entry.name);
    }
    std::sort(ids->begin(), ids->end());
    DropOrphans(std::move(ids), 0, later);
  });
  context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), queue::Folder::kJournal)});
}

void QueueManager::DropOrphans(std::shared_ptr<std::vector<std::string>> ids, size_t from, Context& context) {
  if (from >= ids->size()) return;
  static constexpr queue::Folder kFolders[] = {queue::Folder::kIncoming, queue::Folder::kDeferred,
                                               queue::Folder::kHold};
  const size_t end = std::min(from + kStatsAtOnce / std::size(kFolders), ids->size());
  std::vector<Path> paths;
  for (size_t i = from; i < end; ++i) {
    for (const queue::Folder folder : kFolders) paths.push_back(queue::FilePath(Queue(), folder, (*ids)[i]));
  }
  const OpId op = Ask([this, ids, from, end](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    FilePlan plan{.stages = {{}}};
    bool busy = false;
    for (size_t i = from; stat != nullptr && i < end; ++i) {
      const auto* files = &stat->files[(i - from) * std::size(kFolders)];
      const bool orphan = std::all_of(files, files + std::size(kFolders), [](const FileFacts& file) {
        return file.status.code() == StatusCode::kNotFound;
      });
      if (!orphan) continue;
      if (active_.contains((*ids)[i]) || moved_by_hand_.contains((*ids)[i])) {
        busy = true;  // it may have gone from one folder to another meanwhile, or somebody asked for it in vain
      } else {
        plan.stages[0].push_back(Unlink{JournalPath((*ids)[i])});
      }
    }
    if (busy)
      Later(
          queue_run_delay(), [this](Context& again) { ScanJournals(again); }, later);
    if (!plan.stages[0].empty())
      CommitPlan(
          std::move(plan),
          [this](const Event& done, Context& after) {
            const auto* plan_done = std::get_if<PlanDone>(&done);
            if (plan_done != nullptr && plan_done->result.ok()) return;
            Later(
                queue_run_delay(), [this](Context& again) { ScanJournals(again); }, after);
          },
          later);
    DropOrphans(ids, end, later);
  });
  context.out.Put(Stat{.op = op, .paths = std::move(paths)});
}

void QueueManager::ScanDeferred(Context& context) {
  scanning_deferred_ = true;
  retry_.ScanBegins(context.now.mono);
  const OpId op = Ask([this](const Event& event, Context& later) {
    auto ids = std::make_shared<std::vector<std::string>>();
    const auto* scan = std::get_if<ScanDone>(&event);
    if (scan == nullptr || !scan->status.ok()) {
      scanning_deferred_ = false;
      retry_.ScanFailed();
      return SetWakeup(later);
    }
    for (const DirEntry& entry : scan->entries) {
      if (!entry.is_dir && queue::IsQueueId(entry.name) && !active_.contains(entry.name)) ids->push_back(entry.name);
    }
    std::sort(ids->begin(), ids->end());
    StatDeferred(std::move(ids), 0, later);
  });
  context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), queue::Folder::kDeferred)});
}

// The files' times say when they are due; asked for some at a time.
void QueueManager::StatDeferred(std::shared_ptr<std::vector<std::string>> ids, size_t from, Context& context) {
  if (from >= ids->size()) {
    scanning_deferred_ = false;
    retry_.ScanDone();
    return;
  }
  const size_t end = std::min(from + kStatsAtOnce, ids->size());
  std::vector<Path> paths;
  for (size_t i = from; i < end; ++i) paths.push_back(queue::FilePath(Queue(), queue::Folder::kDeferred, (*ids)[i]));
  const OpId op = Ask([this, ids, from, end](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    for (size_t i = from; stat != nullptr && i < end && i - from < stat->files.size(); ++i) {
      const FileFacts& file = stat->files[i - from];
      if (!file.status.ok() || active_.contains((*ids)[i])) continue;
      Duration wait = queue::RemainingWait(retry_settings_, {file.mtime_ns / 1000}, later.now.wall);
      if (PLANTED("deferred_mtime_ignored")) wait = {};
      retry_.Found((*ids)[i], later.now.mono + wait);
    }
    StatDeferred(ids, end, later);
  });
  context.out.Put(Stat{.op = op, .paths = std::move(paths)});
}

}  // namespace postern::outbound
