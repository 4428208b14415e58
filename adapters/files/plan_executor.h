// Runs file plans (core/boundary/file_plan.h): stage by stage, all plans of a loop turn together, so that their flushes
// are in flight at once and share the file system's commits. Nothing here waits for a disk: a stage that flushes ends
// by an answer of the SyncEngine, a later turn goes on.
//
//   Submit --> Advance: operations of a stage, now -> flushes, begun -> (answers) -> next Advance: next stage -> ... ->
//   done
//
// Flushes of one path that come while one is under way wait and become one. A file whose flush failed is never flushed
// again: later requests for the same path fail, until the path is made anew.
// Owner: one loop.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/files/file_ops.h"
#include "adapters/files/sync_engine.h"
#include "adapters/workers/inbox.h"
#include "adapters/workers/thread_pool.h"
#include "core/boundary/event.h"

namespace postern::files {

class PlanExecutor {
 public:
  struct Parts {
    const host::Root* root = nullptr;
    workers::ThreadPool* pool = nullptr;  // for flushes without io_uring, copies and the removal of trees
    workers::Inbox* inbox = nullptr;      // of the loop
    SpareFiles* spares = nullptr;         // null: no files are kept for others
    bool use_uring = true;
  };
  // The parts outlive the executor.
  explicit PlanExecutor(const Parts& parts);
  ~PlanExecutor();

  // Takes a plan for the next Advance().
  void Submit(OpId op, FilePlan plan);
  // Does all that can be done without waiting, begins the flushes, and appends what has ended to `*done`.
  void Advance(std::vector<PlanDone>* done);
  // Advance() has something to do.
  bool runnable() const { return !runnable_.empty(); }
  // No plan is under way.
  bool idle() const { return plans_.empty(); }

  // For epoll; -1: none.
  int event_fd() const { return engine_->event_fd(); }
  void Reap() { engine_->Reap(); }
  bool uses_uring() const { return engine_->event_fd() >= 0; }

 private:
  struct Plan;
  struct Flush;
  struct Waiter {
    Plan* plan;
    uint32_t op;
  };

  void BeginStage(Plan* plan);
  void EndStage(Plan* plan, std::vector<PlanDone>* done);
  void RequestFlush(Plan* plan, uint32_t op, const std::string& path, bool is_dir);
  void BeginFlush(Flush* flush);
  void OnFlushed(uint64_t token, int error);
  void RunOnPool(Plan* plan, uint32_t op);
  void OpEnded(Plan* plan, uint32_t op, Status status);
  void OpEnded(const Waiter& waiter, const Status& status) { OpEnded(waiter.plan, waiter.op, status); }
  void ForgetFailure(const FileOp& op);

  FileOps ops_;
  workers::ThreadPool* pool_;
  workers::Inbox* inbox_;
  std::unique_ptr<SyncEngine> engine_;

  absl::flat_hash_map<Plan*, std::unique_ptr<Plan>> plans_;  // looked up only, never walked
  std::vector<Plan*> runnable_;                              // in order: stages to begin or to end
  uint64_t next_token_ = 1;
  absl::flat_hash_map<std::string, std::unique_ptr<Flush>> flush_of_path_;
  absl::flat_hash_map<uint64_t, Flush*> flush_of_token_;
  absl::flat_hash_set<std::string> lost_files_;  // their flush failed
};

}  // namespace postern::files
