// Reads of files and folders for the core. What is in the system's cache is read at once; what would wait for the disk
// is read on a thread of the pool.
//
// A read that continues where the last one of the same path ended uses the same descriptor: it sees one file also when
// the file was renamed in between, and costs one system call. Owner: one loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"
#include "adapters/workers/inbox.h"
#include "adapters/workers/thread_pool.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"

namespace postern::files {

class FileReader {
 public:
  // Bytes of one Read at most; a longer one is kResourceExhausted. Mail is bounded by message_size_limit, far below.
  static constexpr uint64_t kReadBytesMax = 1ull << 30;

  // Called once an answer is there: inside the call that asked for it, or later from the loop's inbox. The views in it
  // are valid during the call.
  using Answer = std::function<void(const Event&)>;

  // All outlive the reader.
  FileReader(const host::Root* root, workers::ThreadPool* pool, workers::Inbox* inbox);

  void DoRead(const Read& read, const Answer& answer);
  void DoScan(const Scan& scan, const Answer& answer);
  void DoStat(const Stat& stat, const Answer& answer);

  // Answers that are still to come from the pool.
  size_t waiting_count() const { return waiting_count_; }

 private:
  struct OpenFile {
    std::string path;
    host::UniqueFd fd;
    uint64_t next_bytes = 0;
  };

  host::UniqueFd TakeOpen(const std::string& path, uint64_t offset_bytes);
  void KeepOpen(std::string path, host::UniqueFd fd, uint64_t next_bytes);
  bool OnPool(const Answer& answer, absl::AnyInvocable<std::function<void(const Answer&)>()> work);
  char* Buffer(size_t bytes);

  const host::Root* root_;
  workers::ThreadPool* pool_;
  workers::Inbox* inbox_;
  std::deque<OpenFile> open_;  // oldest first
  std::unique_ptr<char[]> buffer_;
  size_t buffer_bytes_ = 0;
  size_t waiting_count_ = 0;
};

}  // namespace postern::files
