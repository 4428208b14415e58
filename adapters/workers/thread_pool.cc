#include "adapters/workers/thread_pool.h"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace postern::workers {

ThreadPool::ThreadPool(std::string name, Limits limits) : name_(std::move(name)), limits_(limits) {}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_came_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::Run(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || waiting_.size() >= limits_.waiting_max) return false;
    if (idle_count_ <= waiting_.size() && threads_.size() < limits_.threads_max) {
      try {
        threads_.emplace_back([this] { Work(); });
      } catch (const std::system_error&) {  // no more threads to be had: those that run do the work
        if (threads_.empty()) return false;
      }
    }
    waiting_.push_back(std::move(task));
  }
  work_came_.notify_one();
  return true;
}

void ThreadPool::Work() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_count_;
    work_came_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    --idle_count_;
    if (waiting_.empty()) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace postern::workers
