#include "adapters/workers/inbox.h"

#include <sys/eventfd.h>

#include <cstdint>
#include <utility>

namespace postern::workers {

Inbox::Inbox() : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void Inbox::Post(Task task) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    wake = !std::exchange(woken_, true);
  }
  if (wake) {
    const uint64_t one = 1;
    (void)!write(wake_fd_.get(), &one, sizeof one);  // fails only where the counter is full: awake already
  }
}

size_t Inbox::RunPosted() {
  uint64_t count = 0;
  (void)!read(wake_fd_.get(), &count, sizeof count);
  {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    std::swap(posted_, running_);
  }
  for (Task& task : running_) task();
  const size_t done = running_.size();
  running_.clear();
  return done;
}

}  // namespace postern::workers
