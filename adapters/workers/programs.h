// Programs that the core asks for (RunProgram): run with another user's rights, fed, heard, and ended in time.
//
//   Run (a loop) --> a thread of the pool: vfork, exec --> input in, output out --> exit --------> Answer
//                                                              |                                     ^
//                            time limit, shutdown --> SIGKILL to its whole process group ------------+
//
// What runs begins in / with stdin, stdout and stderr alone, no supplementary groups, umask 077, every signal at its
// default, and a session of its own. Between vfork and exec there are system calls only: other threads hold locks, and
// memory is shared. User and groups are set by the raw calls for the same reason; glibc's would tell every thread of
// the server. Owner: the process, which must ignore SIGPIPE: a program need not read all that it gets.
#pragma once

#include <absl/functional/any_invocable.h>
#include <sys/types.h>

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"
#include "adapters/workers/inbox.h"
#include "adapters/workers/thread_pool.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"

namespace postern::workers {

class Programs {
 public:
  struct Options {
    const host::Root* root = nullptr;  // what RunProgram::append_to is below
    // What appends to files: this program, as `postern` does. Empty: we ourselves.
    std::string appender;
    size_t running_max = 100;  // at a time; beyond the core's own limits
    size_t waiting_max = 1000;
  };
  explicit Programs(Options options);
  // Kills what runs, with its children; its askers hear of it as killed.
  ~Programs();
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  using Tell = absl::AnyInvocable<void(Answer)>;
  // `tell` is called from `inbox`, always later.
  void Run(OpId op, RunProgram run, Inbox* inbox, Tell tell);

 private:
  ProgramEnded RunNow(const RunProgram& run);
  ProgramEnded Feed(pid_t child, const RunProgram& run, host::UniqueFd input, host::UniqueFd output);

  const Options options_;
  host::UniqueFd own_program_;
  std::mutex mutex_;
  std::set<pid_t> running_;  // guarded by mutex_: process groups that are not reaped yet
  bool ending_ = false;      // guarded by mutex_
  ThreadPool pool_;          // ends first
};

}  // namespace postern::workers
