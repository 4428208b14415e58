// Flushes to stable storage, many in flight at once, none of which a loop waits for. File systems with a journal let
// flushes in flight share one commit: thirty-two at once cost about as much as two in turn.
//
// Two engines behind one face: io_uring where the kernel and liburing allow it, else threads.
// Owner: one loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "adapters/workers/inbox.h"
#include "adapters/workers/thread_pool.h"

namespace postern::files {

class SyncEngine {
 public:
  // `error` is 0 or an errno value; ECANCELED: the flush was never begun.
  using Done = std::function<void(uint64_t token, int error)>;
  virtual ~SyncEngine() = default;

  // Asks for fsync(fd); `fd` stays open until it is answered. Begun at the next Submit() at the latest.
  virtual void Sync(uint64_t token, int fd) = 0;
  virtual void Submit() = 0;
  // Readable when Reap() has something to do; -1: answers come through the loop's inbox instead.
  virtual int event_fd() const = 0;
  // Calls `Done` for every flush that has ended.
  virtual void Reap() = 0;
};

// Null where io_uring can't be had.
std::unique_ptr<SyncEngine> MakeUringSyncEngine(SyncEngine::Done done);
// `pool` and `inbox` outlive the engine, and `inbox` is not run once the engine has ended.
std::unique_ptr<SyncEngine> MakePoolSyncEngine(workers::ThreadPool* pool, workers::Inbox* inbox, SyncEngine::Done done);

}  // namespace postern::files
