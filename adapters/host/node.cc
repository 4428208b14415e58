#include "adapters/host/node.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

#include "adapters/files/file_ops.h"
#include "adapters/host/errno_status.h"
#include "adapters/host/host_files.h"

namespace postern::host {
namespace {

Status SyncPath(const files::FileOps& ops, const std::string& path, bool is_dir) {
  auto fd = ops.OpenToSync(path, is_dir);
  if (!fd.ok()) return fd.status();
  return fsync(fd->get()) == 0 ? OkStatus() : StatusFromErrno(errno, "sync " + path);
}

StatusOr<uint64_t> ReadCounter(const Root& root, const std::string& path) {
  HostFiles files(&root);
  const auto text = files.Read(path);
  if (text.status().code() == StatusCode::kNotFound) return uint64_t{0};
  if (!text.ok()) return text.status();
  uint64_t counter = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), counter);
  if (error != std::errc() || end == text->data() + text->size() || *end != '\n') {
    return DataLoss(path + " does not hold the number of the last start; write a greater one than any before into it");
  }
  return counter;
}

}  // namespace

StatusOr<NodeStart> StartNode(const Root& root, const std::string& state_directory) {
  const files::FileOps ops(&root);
  POSTERN_RETURN_IF_ERROR(ops.Perform(MakeDir{.path = state_directory, .mode = 0755}, {}));
  NodeStart start;
  const std::string lock = state_directory + "/postern.lock", counter = state_directory + "/postern.starts";
  start.lock.Reset(openat(root.dir_fd(), root.Relative(lock), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!start.lock.valid()) return StatusFromErrno(errno, lock);
  if (flock(start.lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return FailedPrecondition(root.Whole(lock) + " is locked: another postern serves this configuration");
  }
  const auto last = ReadCounter(root, counter);
  if (!last.ok()) return last.status();
  start.start_counter = *last + 1;
  const std::string fresh = counter + ".new";
  POSTERN_RETURN_IF_ERROR(ops.Perform(Unlink{fresh}, {}));
  POSTERN_RETURN_IF_ERROR(
      ops.Perform(Create{.path = fresh, .bytes = Chain(std::to_string(start.start_counter) + "\n")}, {}));
  POSTERN_RETURN_IF_ERROR(SyncPath(ops, fresh, false));
  POSTERN_RETURN_IF_ERROR(ops.Perform(Rename{.from = fresh, .to = counter, .replace = true}, {}));
  POSTERN_RETURN_IF_ERROR(SyncPath(ops, state_directory, true));
  return start;
}

}  // namespace postern::host
