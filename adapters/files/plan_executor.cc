#include "adapters/files/plan_executor.h"

#include <algorithm>
#include <cerrno>

#include "adapters/host/errno_status.h"

namespace postern::files {
namespace {

// Descriptors that one plan keeps open from the write to the flush. A guess: plans rarely flush more than a few files.
constexpr size_t kKeptFdsMax = 32;
// Files remembered as lost; a disk that loses more is not trusted with any file until the process starts anew.
constexpr size_t kLostFilesMax = 65536;

const std::string* FlushedFile(const FileOp& op) {
  const auto* sync = std::get_if<SyncFile>(&op);
  return sync == nullptr ? nullptr : &sync->path;
}

const std::string* WrittenFile(const FileOp& op) {
  if (const auto* create = std::get_if<Create>(&op)) return &create->path;
  if (const auto* append = std::get_if<Append>(&op)) return &append->path;
  return nullptr;
}

}  // namespace

struct PlanExecutor::Plan {
  struct KeptFd {
    const std::string* path;  // in `plan`
    host::UniqueFd fd;
  };

  OpId op;
  FilePlan plan;
  size_t stage = 0;
  bool begun = false;        // the stage's operations are
  size_t waiting_count = 0;  // operations of the stage that have not ended
  std::vector<OpFailure> failures;
  std::vector<KeptFd> kept;

  bool WillFlush(const std::string& path) const {
    for (size_t later = stage; later < plan.stages.size(); ++later) {
      for (const FileOp& each : plan.stages[later]) {
        const std::string* const flushed = FlushedFile(each);
        if (flushed != nullptr && *flushed == path) return true;
      }
    }
    return false;
  }
  host::UniqueFd TakeKept(const std::string& path) {
    for (KeptFd& each : kept) {
      if (*each.path == path) return std::move(each.fd);
    }
    return {};
  }
};

// One flush under way of one path, and who waits for the one after it.
struct PlanExecutor::Flush {
  std::string path;
  bool is_dir = false;
  uint64_t token = 0;
  host::UniqueFd fd;
  std::vector<Waiter> now, next;
};

PlanExecutor::PlanExecutor(const Parts& parts)
    : ops_(parts.root, parts.spares), pool_(parts.pool), inbox_(parts.inbox) {
  const auto done = [this](uint64_t token, int error) { OnFlushed(token, error); };
  if (parts.use_uring) engine_ = MakeUringSyncEngine(done);
  if (engine_ == nullptr) engine_ = MakePoolSyncEngine(pool_, inbox_, done);
}

PlanExecutor::~PlanExecutor() = default;

void PlanExecutor::Submit(OpId op, FilePlan plan) {
  auto owned = std::make_unique<Plan>();
  owned->op = op;
  owned->plan = std::move(plan);
  runnable_.push_back(owned.get());
  plans_.emplace(owned.get(), std::move(owned));
}

void PlanExecutor::Advance(std::vector<PlanDone>* done) {
  // Bounded: every round takes a stage from each plan that it looks at.
  while (!runnable_.empty()) {
    for (Plan* const plan : std::exchange(runnable_, {})) {
      if (plan->begun) {
        EndStage(plan, done);
      } else {
        BeginStage(plan);
      }
    }
  }
  engine_->Submit();
}

void PlanExecutor::BeginStage(Plan* plan) {
  plan->begun = true;
  if (plan->stage >= plan->plan.stages.size()) {  // a plan without stages
    runnable_.push_back(plan);
    return;
  }
  const Stage& stage = plan->plan.stages[plan->stage];
  plan->waiting_count = stage.size() + 1;  // one more for the stage's own beginning
  for (uint32_t i = 0; i < stage.size(); ++i) {
    const FileOp& op = stage[i];
    if (const std::string* const file = FlushedFile(op)) {
      RequestFlush(plan, i, *file, false);
    } else if (const auto* dir = std::get_if<SyncDir>(&op)) {
      RequestFlush(plan, i, dir->path, true);
    } else if (std::holds_alternative<RemoveTree>(op)) {
      RunOnPool(plan, i);
    } else {
      const std::string* const written = WrittenFile(op);
      const bool keep = written != nullptr && plan->kept.size() < kKeptFdsMax && plan->WillFlush(*written);
      host::UniqueFd fd;
      Status status = ops_.Perform(op, plan->plan.owner, keep ? &fd : nullptr);
      if (fd.valid()) plan->kept.push_back({written, std::move(fd)});
      if (status.ok() && !lost_files_.empty()) ForgetFailure(op);
      if (std::holds_alternative<Link>(op) && status.code() == StatusCode::kFailedPrecondition) {
        RunOnPool(plan, i);  // EXDEV, EMLINK: a copy serves as well
      } else {
        OpEnded(plan, i, std::move(status));
      }
    }
  }
  if (--plan->waiting_count == 0) runnable_.push_back(plan);
}

void PlanExecutor::OpEnded(Plan* plan, uint32_t op, Status status) {
  if (!status.ok()) {
    plan->failures.push_back({.stage = static_cast<uint32_t>(plan->stage), .op = op, .status = std::move(status)});
  }
  if (--plan->waiting_count == 0) runnable_.push_back(plan);
}

void PlanExecutor::EndStage(Plan* plan, std::vector<PlanDone>* done) {
  ++plan->stage;
  plan->begun = false;
  if (plan->failures.empty() && plan->stage < plan->plan.stages.size()) {
    runnable_.push_back(plan);
    return;
  }
  std::sort(plan->failures.begin(), plan->failures.end(),
            [](const OpFailure& a, const OpFailure& b) { return a.op < b.op; });
  done->push_back({.op = plan->op, .result = {.failures = std::move(plan->failures)}});
  plans_.erase(plan);
}

void PlanExecutor::RequestFlush(Plan* plan, uint32_t op, const std::string& path, bool is_dir) {
  const Waiter waiter{plan, op};
  if (!is_dir && (lost_files_.contains(path) || lost_files_.size() >= kLostFilesMax)) {
    OpEnded(waiter, Unavailable("sync " + path + ": an earlier flush of this file failed"));
    return;
  }
  auto& slot = flush_of_path_[path];
  if (slot != nullptr) {  // what is flushed now may have begun before this plan's writes
    plan->TakeKept(path);
    slot->next.push_back(waiter);
    return;
  }
  slot = std::make_unique<Flush>();
  Flush* const flush = slot.get();
  flush->path = path;
  flush->is_dir = is_dir;
  flush->fd = plan->TakeKept(path);
  flush->next.push_back(waiter);
  BeginFlush(flush);
}

void PlanExecutor::BeginFlush(Flush* flush) {
  flush->now = std::exchange(flush->next, {});
  Status status;
  if (!flush->fd.valid()) {
    auto fd = ops_.OpenToSync(flush->path, flush->is_dir);
    status = fd.status();
    if (fd.ok()) flush->fd = *std::move(fd);
  }
  if (!status.ok()) {
    const std::vector<Waiter> waiters = std::move(flush->now);
    flush_of_path_.erase(std::string(flush->path));
    for (const Waiter& waiter : waiters) OpEnded(waiter, status);
    return;
  }
  flush->token = next_token_++;
  flush_of_token_.emplace(flush->token, flush);
  engine_->Sync(flush->token, flush->fd.get());
}

void PlanExecutor::OnFlushed(uint64_t token, int error) {
  const auto found = flush_of_token_.find(token);
  if (found == flush_of_token_.end()) return;
  Flush* const flush = found->second;
  flush_of_token_.erase(found);
  Status status;
  if (error != 0) status = host::StatusFromErrno(error, "sync " + flush->path);
  if (error != 0 && error != ECANCELED && !flush->is_dir) lost_files_.insert(flush->path);
  for (const Waiter& waiter : std::exchange(flush->now, {})) OpEnded(waiter, status);
  flush->fd.Reset();
  if (flush->next.empty()) {
    flush_of_path_.erase(std::string(flush->path));
  } else if (!flush->is_dir && lost_files_.contains(flush->path)) {
    const std::vector<Waiter> waiters = std::move(flush->next);
    flush_of_path_.erase(std::string(flush->path));
    for (const Waiter& waiter : waiters) OpEnded(waiter, status);
  } else {
    BeginFlush(flush);
  }
}

void PlanExecutor::RunOnPool(Plan* plan, uint32_t op) {
  const FileOp& what = plan->plan.stages[plan->stage][op];
  const bool begun = pool_->Run([this, plan, op, &what] {
    const auto* const link = std::get_if<Link>(&what);
    Status status = link != nullptr ? ops_.LinkByCopy(*link, plan->plan.owner) : ops_.Perform(what, plan->plan.owner);
    inbox_->Post([this, plan, op, status = std::move(status)]() mutable { OpEnded(plan, op, std::move(status)); });
  });
  if (!begun) OpEnded(plan, op, Unavailable("too many file operations wait"));
}

// The file that `op` made is another one than that whose flush failed.
void PlanExecutor::ForgetFailure(const FileOp& op) {
  if (const auto* create = std::get_if<Create>(&op)) lost_files_.erase(create->path);
  if (const auto* rename = std::get_if<Rename>(&op)) {
    lost_files_.erase(rename->to);
    if (lost_files_.erase(rename->from) > 0) lost_files_.insert(rename->to);
  }
  if (const auto* link = std::get_if<Link>(&op)) {
    if (lost_files_.contains(link->from)) lost_files_.insert(link->to);
  }
  if (const auto* unlink = std::get_if<Unlink>(&op)) lost_files_.erase(unlink->path);
  if (const auto* retire = std::get_if<Retire>(&op)) lost_files_.erase(retire->path);
}

}  // namespace postern::files
