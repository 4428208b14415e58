#include "core/outbound/pickup.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/outbound/pickup_job.h"
#include "core/queue/queue_id.h"

namespace postern::outbound {
namespace {

// Names of a scan that are kept; what is beyond them is found by the next one.
constexpr size_t kListedMax = 20'000;
// Files under way: enough of them share a flush, few enough to hold their envelopes in memory.
constexpr size_t kAtOnce = 8;
constexpr size_t kAsideMax = 10'000;
// pickup(8) is woken so often, and then tries what failed.
constexpr Duration kAsideFor = Seconds(60);
constexpr Duration kRemoveAgain = Seconds(10);
constexpr std::string_view kTmpPrefix = "tmp-";
constexpr int64_t kDeadAfterUs = INT64_C(86'400'000'000);
constexpr int64_t kSweepEveryUs = INT64_C(3'600'000'000);
constexpr size_t kSweptAtOnce = 1000;

}  // namespace

Path Pickup::FolderOf(queue::Folder folder) const {
  return queue::FolderPath(host_.newest_config()->routing.queue_directory, folder);
}

void Pickup::Look(Context& context) {
  if (stopping_) return;
  look_again_ = true;
  Pump(context);
}

void Pickup::Pump(Context& context) {
  while (!stopping_ && jobs_.size() < kAtOnce && !listed_.empty() && aside_.size() < kAsideMax) {
    const std::string name = std::move(listed_.front());
    listed_.pop_front();
    Begin(name, context);
  }
  if (stopping_ || scanning_ || !listed_.empty() || !look_again_) return;
  scanning_ = true;
  look_again_ = false;
  const OpId op = host_.Ask([this](const Event& event, Context& later) {
    scanning_ = false;
    if (const auto* scan = std::get_if<ScanDone>(&event)) OnScan(*scan, later);
  });
  context.out.Put(Scan{.op = op, .dir = FolderOf(queue::Folder::kMaildrop)});
}

void Pickup::OnScan(const ScanDone& scan, Context& context) {
  if (!scan.status.ok()) {
    Log(nullptr, context, Severity::kWarning, "pickup", "warning: maildrop: " + EscapeForLog(Message(scan.status)));
    return host_.Later(
        kAsideFor, [this](Context& later) { Look(later); }, context);
  }
  std::vector<std::string> names, dead;
  for (const DirEntry& entry : scan.entries) {
    if (entry.is_dir) continue;
    if (entry.name.starts_with(kTmpPrefix) && dead.size() < kSweptAtOnce) dead.push_back(entry.name);
    if (!queue::IsQueueId(entry.name) || jobs_.contains(entry.name) || aside_.contains(entry.name)) continue;
    if (names.size() == kListedMax) {
      look_again_ = true;
      break;
    }
    names.push_back(entry.name);
  }
  std::sort(names.begin(), names.end());
  listed_.assign(names.begin(), names.end());
  if (context.now.wall.us - swept_.us >= kSweepEveryUs || context.now.wall.us < swept_.us) {
    swept_ = context.now.wall;
    Sweep(FolderOf(queue::Folder::kMaildrop), std::move(dead), context);
    SweepUnfinished(context);
  }
  Pump(context);
}

void Pickup::Begin(const std::string& name, Context& context) {
  auto job = std::make_shared<Job>();
  job->name = name;
  job->path = FolderOf(queue::Folder::kMaildrop) + "/" + name;
  job->config = host_.newest_config();
  jobs_[name] = job;
  const OpId op = host_.Ask([this, job](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    if (stat != nullptr && stat->files.size() == 1) OnFacts(job, stat->files[0], later);
  });
  context.out.Put(Stat{.op = op, .paths = {job->path}});
}

// All that became of it is durable.
void Pickup::Remove(const JobPtr& job, Context& context) {
  host_.CommitPlan(
      {.stages = {{Unlink{job->path}}}},
      [this, job](const Event& event, Context& later) {
        const auto* done = std::get_if<PlanDone>(&event);
        if (done != nullptr && done->result.ok()) return End(job, later);
        Log(job.get(), later, Severity::kWarning, "pickup",
            "warning: maildrop/" + job->name +
                ": cannot be removed: " + EscapeForLog(done == nullptr ? "" : Message(done->result.status())));
        host_.Later(
            kRemoveAgain, [this, job](Context& again) { Remove(job, again); }, later);
      },
      context);
}

// Something fails that may work later: the others are not to wait for it.
void Pickup::SetAside(const JobPtr& job, std::string_view why, Context& context) {
  Log(job.get(), context, Severity::kWarning, "pickup",
      "warning: maildrop/" + job->name + ": tried again later: " + EscapeForLog(why));
  aside_.insert(job->name);
  if (!std::exchange(aside_timer_, true)) {
    host_.Later(
        kAsideFor,
        [this](Context& later) {
          aside_timer_ = false;
          aside_.clear();
          Look(later);
        },
        context);
  }
  End(job, context);
}

// Under a name of its own: whoever made it chose the old one, and shall replace nothing there.
void Pickup::MoveToCorrupt(const JobPtr& job, std::string_view why, Context& context) {
  const std::string& queue_directory = job->config->routing.queue_directory;
  const std::string id = host_.directory().NextQueueId(context);
  Log(job.get(), context, Severity::kWarning, "pickup",
      "warning: maildrop/" + job->name + ": moved to corrupt/" + id + ": " + EscapeForLog(why));
  host_.CommitPlan(
      {.stages = {{Rename{.from = job->path, .to = queue::FilePath(queue_directory, queue::Folder::kCorrupt, id)}},
                  {SyncDir{queue::FolderPath(queue_directory, queue::Folder::kCorrupt)}}}},
      [this, job](const Event& event, Context& later) {
        const auto* done = std::get_if<PlanDone>(&event);
        if (done != nullptr && done->result.ok()) return End(job, later);
        SetAside(job, done == nullptr ? "" : Message(done->result.status()), later);
      },
      context);
}

void Pickup::End(const JobPtr& job, Context& context) {
  jobs_.erase(job->name);
  if (job->large_head) {
    large_.pop_front();
    if (!large_.empty()) ReadHead(large_.front(), context);
  }
  Pump(context);
}

// ---- what nobody finished ------------------------------------------------------------------------------------------

void Pickup::Sweep(const Path& dir, std::vector<std::string> names, Context& context) {
  if (names.empty()) return;
  std::vector<Path> paths;
  for (const std::string& name : names) paths.push_back(dir + "/" + name);
  const OpId op = host_.Ask([this, paths](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    FilePlan plan{.stages = {{}}};
    for (size_t i = 0; stat != nullptr && i < paths.size() && i < stat->files.size(); ++i) {
      const FileFacts& file = stat->files[i];
      const bool old = later.now.wall.us - file.mtime_ns / 1000 > kDeadAfterUs;
      if (file.status.ok() && !file.is_dir && old) plan.stages[0].push_back(Unlink{paths[i]});
    }
    if (plan.stages[0].empty()) return;
    host_.CommitPlan(
        std::move(plan), [](const Event&, Context&) {}, later);
  });
  context.out.Put(Stat{.op = op, .paths = std::move(paths)});
}

// tmp/ holds long messages while they come in: ours and those of SMTP sessions that a crash ended.
void Pickup::SweepUnfinished(Context& context) {
  const Path dir = FolderOf(queue::Folder::kTmp);
  const OpId op = host_.Ask([this, dir](const Event& event, Context& later) {
    const auto* scan = std::get_if<ScanDone>(&event);
    std::vector<std::string> names;
    for (size_t i = 0; scan != nullptr && i < scan->entries.size() && names.size() < kSweptAtOnce; ++i) {
      if (!scan->entries[i].is_dir) names.push_back(scan->entries[i].name);
    }
    Sweep(dir, std::move(names), later);
  });
  context.out.Put(Scan{.op = op, .dir = dir});
}

void Pickup::Log(const Job* job, Context& context, Severity severity, std::string_view agent, std::string text,
                 std::vector<std::pair<std::string, std::string>> fields) const {
  std::string trace_id;
  if (job != nullptr && !job->id.empty()) {
    trace_id = job->trace_id;
    fields.emplace_back("email.local_id", job->id);
  }
  context.out.Log({.severity = severity,
                   .tag = "postfix/" + std::string(agent),
                   .pid = host_.directory().node().pid,
                   .text = std::move(text),
                   .trace_id = std::move(trace_id),
                   .fields = std::move(fields)});
}

void Pickup::AddTo(StableDigest& digest) const {
  digest.Add(listed_.size());
  for (const auto& [name, job] : jobs_) {
    digest.Add(name);
    digest.Add(job->read_bytes);
  }
}

}  // namespace postern::outbound
