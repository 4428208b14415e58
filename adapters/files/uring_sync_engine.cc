// liburing is looked for when the program runs, so that one binary serves hosts with and without it. Its functions that
// are no inlines of its header are found by name.
#include "adapters/files/sync_engine.h"

#if __has_include(<liburing.h>)
#include <dlfcn.h>
#include <liburing.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "adapters/host/unique_fd.h"

namespace postern::files {
namespace {

// Flushes in flight in the kernel; more wait in a queue of ours. The kernel's default of four workers a core is too few
// for flushes, which only wait.
constexpr unsigned kRingEntries = 128;
constexpr int kSubmitAttempts = 1000;

struct Library {
  decltype(&io_uring_queue_init) queue_init = nullptr;
  decltype(&io_uring_queue_exit) queue_exit = nullptr;
  decltype(&io_uring_submit) submit = nullptr;
  decltype(&io_uring_register_eventfd) register_eventfd = nullptr;
  decltype(&io_uring_register_iowq_max_workers) set_workers = nullptr;

  bool Load() {
    void* const handle = dlopen("liburing.so.2", RTLD_NOW | RTLD_LOCAL);  // stays loaded as long as the process
    if (handle == nullptr) return false;
    return Find(handle, "io_uring_queue_init", &queue_init) && Find(handle, "io_uring_queue_exit", &queue_exit) &&
           Find(handle, "io_uring_submit", &submit) && Find(handle, "io_uring_register_eventfd", &register_eventfd) &&
           Find(handle, "io_uring_register_iowq_max_workers", &set_workers);
  }

 private:
  template <class Function>
  static bool Find(void* handle, const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(handle, name));
    return *function != nullptr;
  }
};

class UringSyncEngine final : public SyncEngine {
 public:
  explicit UringSyncEngine(Done done) : done_(std::move(done)) {}
  ~UringSyncEngine() override {
    if (ready_) library_.queue_exit(&ring_);
  }

  bool Open() {
    if (!library_.Load() || library_.queue_init(kRingEntries, &ring_, 0) != 0) return false;
    ready_ = true;
    event_fd_.Reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    unsigned workers[2] = {kRingEntries, 0};
    library_.set_workers(&ring_, workers);  // kernels before 5.15 can't: fewer at once there
    return event_fd_.valid() && library_.register_eventfd(&ring_, event_fd_.get()) == 0;
  }

  void Sync(uint64_t token, int fd) override { waiting_.push_back({token, fd}); }

  void Submit() override {
    bool any = false;
    while (!waiting_.empty() && in_flight_ < kRingEntries) {
      io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
      if (entry == nullptr) break;
      io_uring_prep_fsync(entry, waiting_.front().fd, 0);
      entry->user_data = waiting_.front().token;
      waiting_.pop_front();
      ++in_flight_;
      any = true;
    }
    if (!any && !stuck_) return;
    // EAGAIN and EBUSY pass when the kernel has memory again; where they don't, the next turn goes on.
    for (int attempt = 0; attempt < kSubmitAttempts; ++attempt) {
      stuck_ = library_.submit(&ring_) < 0;
      if (!stuck_) return;
      sched_yield();
    }
  }

  int event_fd() const override { return event_fd_.get(); }

  void Reap() override {
    uint64_t count = 0;
    (void)!read(event_fd_.get(), &count, sizeof count);
    io_uring_cqe* entry = nullptr;
    unsigned head = 0, seen = 0;
    io_uring_for_each_cqe(&ring_, head, entry) {
      ++seen;
      ended_.push_back({entry->user_data, -entry->res});
    }
    io_uring_cq_advance(&ring_, seen);
    in_flight_ -= seen;
    for (const Ended& each : std::exchange(ended_, {})) done_(each.token, each.error);
    if (!waiting_.empty() || stuck_) Submit();
  }

 private:
  struct Waiting {
    uint64_t token;
    int fd;
  };
  struct Ended {
    uint64_t token;
    int error;
  };

  Done done_;
  Library library_;
  io_uring ring_{};
  bool ready_ = false;
  bool stuck_ = false;  // entries are in the ring that the kernel did not take yet
  host::UniqueFd event_fd_;
  std::deque<Waiting> waiting_;
  std::vector<Ended> ended_;
  unsigned in_flight_ = 0;
};

}  // namespace

std::unique_ptr<SyncEngine> MakeUringSyncEngine(SyncEngine::Done done) {
  auto engine = std::make_unique<UringSyncEngine>(std::move(done));
  if (!engine->Open()) return nullptr;
  return engine;
}

}  // namespace postern::files
#else
namespace postern::files {
std::unique_ptr<SyncEngine> MakeUringSyncEngine(SyncEngine::Done) { return nullptr; }
}  // namespace postern::files
#endif
