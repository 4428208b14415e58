// What other threads have for a loop: tasks to be run on the loop's thread, and a descriptor that wakes it. The one
// place where threads meet.
#pragma once

#include <absl/functional/any_invocable.h>

#include <mutex>
#include <vector>

#include "adapters/host/unique_fd.h"

namespace postern::workers {

class Inbox {
 public:
  using Task = absl::AnyInvocable<void()>;

  Inbox();

  // From any thread. The task runs on the loop's thread, in order of posting per poster.
  void Post(Task task);

  // The loop's side: readable when something was posted.
  int wake_fd() const { return wake_fd_.get(); }
  // Runs what was posted until now; returns how many tasks that were.
  size_t RunPosted();

 private:
  host::UniqueFd wake_fd_;
  std::mutex mutex_;
  std::vector<Task> posted_;   // guarded by mutex_
  bool woken_ = false;         // guarded by mutex_: a wake-up is under way, no second one is needed
  std::vector<Task> running_;  // the loop's
};

}  // namespace postern::workers
