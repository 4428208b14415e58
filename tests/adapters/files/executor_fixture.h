// A PlanExecutor with its loop reduced to poll(2): what the tests of files/ drive.
#pragma once

#include <poll.h>

#include <vector>

#include "adapters/files/plan_executor.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::testing {

class ExecutorFixture {
 public:
  explicit ExecutorFixture(bool use_uring)
      : root_(*host::Root::Open(dir_.path())),
        executor_({.root = &root_, .pool = &pool_, .inbox = &inbox_, .spares = &spares_, .use_uring = use_uring}) {}

  // Runs what was submitted to its end, as a loop would.
  std::vector<PlanDone> Finish() {
    std::vector<PlanDone> done;
    executor_.Advance(&done);
    while (!executor_.idle()) {
      pollfd fds[2] = {{.fd = inbox_.wake_fd(), .events = POLLIN}, {.fd = executor_.event_fd(), .events = POLLIN}};
      if (poll(fds, 2, 10'000) <= 0) return done;  // the test sees that something is missing
      inbox_.RunPosted();
      if (executor_.event_fd() >= 0) executor_.Reap();
      executor_.Advance(&done);
    }
    return done;
  }
  PlanResult Run(FilePlan plan) {
    executor_.Submit({}, std::move(plan));
    std::vector<PlanDone> done = Finish();
    if (done.size() != 1) return {.failures = {{.status = Status(StatusCode::kInternal, "no answer")}}};
    return std::move(done[0].result);
  }

  const std::string& folder() const { return dir_.path(); }
  const host::Root& root() const { return root_; }
  workers::ThreadPool& pool() { return pool_; }
  workers::Inbox& inbox() { return inbox_; }
  files::PlanExecutor& executor() { return executor_; }

 private:
  TempDir dir_;
  host::Root root_;
  workers::Inbox inbox_;
  files::SpareFiles spares_;
  files::PlanExecutor executor_;
  workers::ThreadPool pool_{"test", {.threads_max = 8, .waiting_max = 10'000}};  // ends first
};

}  // namespace postern::testing
