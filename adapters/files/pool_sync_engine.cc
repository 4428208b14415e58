#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "adapters/files/sync_engine.h"

namespace postern::files {
namespace {

class PoolSyncEngine final : public SyncEngine {
 public:
  PoolSyncEngine(workers::ThreadPool* pool, workers::Inbox* inbox, Done done)
      : pool_(pool), inbox_(inbox), done_(std::move(done)) {}

  void Sync(uint64_t token, int fd) override {
    const bool begun = pool_->Run([this, token, fd] {
      const int error = fsync(fd) == 0 ? 0 : errno;
      inbox_->Post([this, token, error] { done_(token, error); });
    });
    if (!begun) inbox_->Post([this, token] { done_(token, ECANCELED); });
  }
  void Submit() override {}
  int event_fd() const override { return -1; }
  void Reap() override {}

 private:
  workers::ThreadPool* pool_;
  workers::Inbox* inbox_;
  Done done_;
};

}  // namespace

std::unique_ptr<SyncEngine> MakePoolSyncEngine(workers::ThreadPool* pool, workers::Inbox* inbox,
                                               SyncEngine::Done done) {
  return std::make_unique<PoolSyncEngine>(pool, inbox, std::move(done));
}

}  // namespace postern::files
