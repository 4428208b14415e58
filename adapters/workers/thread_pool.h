// A bounded pool of threads for what would block a loop: password hashing, name lookups, flushes, cold reads. Threads
// are started as they are needed, up to a limit, and stay.
#pragma once

#include <absl/functional/any_invocable.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace postern::workers {

using Task = absl::AnyInvocable<void()>;

class ThreadPool {
 public:
  struct Limits {
    size_t threads_max = 4;
    size_t waiting_max = 1024;  // tasks not yet begun
  };
  // `name` is shown by tools (15 characters at most).
  ThreadPool(std::string name, Limits limits);
  ~ThreadPool();  // finishes what is waiting
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `task` on a thread of the pool. False: too many are waiting, or no thread could be started; `task` is dropped.
  bool Run(Task task);

 private:
  void Work();

  const std::string name_;
  const Limits limits_;
  std::mutex mutex_;
  std::condition_variable work_came_;
  std::deque<Task> waiting_;
  size_t idle_count_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace postern::workers
