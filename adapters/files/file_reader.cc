#include "adapters/files/file_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "adapters/host/errno_status.h"

namespace postern::files {
namespace {

using host::Root;
using host::StatusFromErrno;
using host::UniqueFd;

// Descriptors kept for reads that go on. A guess: big messages being fetched at the same time.
constexpr size_t kOpenFilesMax = 64;
// A shared buffer bigger than this is given back after use.
constexpr size_t kBufferKeptBytes = 1 << 20;
// Folders up to this size are listed at once: about a thousand entries, some hundred microseconds from the cache.
constexpr int64_t kDirBytesInline = 64 * 1024;
// Paths of one Stat that are looked at without a detour over the pool.
constexpr size_t kStatsInline = 64;
constexpr size_t kDirBufferBytes = 64 * 1024;

int64_t Nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

struct FileAtHand {
  UniqueFd fd;
  struct stat facts {};
};

// Opens unless `kept` is open already; fills the facts. Returns 0 or an errno value. Folders in which everybody may
// make files are read, too: nobody's FIFO shall hold the loop up, nor a device be read.
int OpenWithFacts(const Root& root, const std::string& path, UniqueFd kept, FileAtHand* file) {
  file->fd = std::move(kept);
  if (!file->fd.valid()) file->fd.Reset(openat(root.dir_fd(), root.Relative(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file->fd.valid() || fstat(file->fd.get(), &file->facts) != 0) return errno;
  if (S_ISDIR(file->facts.st_mode)) return EISDIR;
  return S_ISREG(file->facts.st_mode) ? 0 : EINVAL;
}

ReadDone Answered(const Read& read, const struct stat& facts, std::string_view bytes) {
  return {.op = read.op,
          .bytes = bytes,
          .file_bytes = static_cast<uint64_t>(facts.st_size),
          .mtime_seconds = facts.st_mtim.tv_sec,
          .inode = facts.st_ino};
}

// Reads `wanted` bytes into `to`, as far as the file goes. With `cached_only`, stops where the disk would be waited for
// and sets errno to EAGAIN. Returns the bytes read, or -1.
ssize_t ReadInto(int fd, char* to, size_t wanted, uint64_t offset_bytes, bool cached_only) {
  size_t done = 0;
  while (done < wanted) {
    iovec part{to + done, wanted - done};
    const auto at = static_cast<off_t>(offset_bytes + done);
    ssize_t got = preadv2(fd, &part, 1, at, cached_only ? RWF_NOWAIT : 0);
    if (got < 0 && errno == EOPNOTSUPP) got = preadv(fd, &part, 1, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

ScanDone ListFolder(const Scan& scan, UniqueFd fd, const struct stat& facts) {
  ScanDone done{.op = scan.op, .mtime_ns = Nanoseconds(facts.st_mtim)};
  alignas(dirent64) char buffer[kDirBufferBytes];
  while (true) {
    const ssize_t got = getdents64(fd.get(), buffer, sizeof buffer);
    if (got < 0) done.status = StatusFromErrno(errno, "scan " + scan.dir);
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      bool is_dir = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
        struct stat target {};
        is_dir = fstatat(fd.get(), entry->d_name, &target, 0) == 0 && S_ISDIR(target.st_mode);
      }
      done.entries.push_back({.name = std::string(name), .is_dir = is_dir});
    }
  }
  if (!done.status.ok()) done.entries.clear();
  return done;
}

StatDone LookAt(const Root& root, const Stat& stat) {
  StatDone done{.op = stat.op};
  done.files.reserve(stat.paths.size());
  for (const std::string& path : stat.paths) {
    FileFacts facts{.status = Root::Check(path)};
    struct stat found {};
    if (facts.status.ok() && fstatat(root.dir_fd(), root.Relative(path), &found, 0) != 0) {
      facts.status = StatusFromErrno(errno, "stat " + path);
    }
    if (facts.status.ok()) {
      facts.is_dir = S_ISDIR(found.st_mode);
      facts.size_bytes = static_cast<uint64_t>(found.st_size);
      facts.mtime_ns = Nanoseconds(found.st_mtim);
      facts.ctime_ns = Nanoseconds(found.st_ctim);
      facts.inode = found.st_ino;
      facts.uid = found.st_uid;
    }
    done.files.push_back(std::move(facts));
  }
  return done;
}

}  // namespace

FileReader::FileReader(const Root* root, workers::ThreadPool* pool, workers::Inbox* inbox)
    : root_(root), pool_(pool), inbox_(inbox) {}

void FileReader::DoRead(const Read& read, const Answer& answer) {
  ReadDone failed{.op = read.op, .status = Root::Check(read.path)};
  if (!failed.status.ok()) return answer(failed);
  FileAtHand file;
  const int error = OpenWithFacts(*root_, read.path, TakeOpen(read.path, read.offset_bytes), &file);
  if (error != 0) {
    failed.status = StatusFromErrno(error, "read " + read.path);
    return answer(failed);
  }
  const auto file_bytes = static_cast<uint64_t>(file.facts.st_size);
  const uint64_t there = file_bytes > read.offset_bytes ? file_bytes - read.offset_bytes : 0;
  const uint64_t wanted = std::min(read.length_bytes, there);
  if (wanted > kReadBytesMax) {
    failed.status = ResourceExhausted("read " + read.path + ": more than a gigabyte at once");
    return answer(failed);
  }
  char* const buffer = Buffer(wanted);
  const ssize_t got = ReadInto(file.fd.get(), buffer, wanted, read.offset_bytes, true);
  if (got >= 0) {
    const ReadDone done = Answered(read, file.facts, {buffer, static_cast<size_t>(got)});
    const uint64_t next = read.offset_bytes + static_cast<uint64_t>(got);
    if (next < file_bytes && got > 0) KeepOpen(read.path, std::move(file.fd), next);
    answer(done);
    if (buffer_bytes_ > kBufferKeptBytes) buffer_.reset(), buffer_bytes_ = 0;
    return;
  }
  if (errno != EAGAIN) {
    failed.status = StatusFromErrno(errno, "read " + read.path);
    return answer(failed);
  }
  const bool begun = OnPool(answer, [read, file = std::move(file), wanted]() -> std::function<void(const Answer&)> {
    std::string bytes(wanted, '\0');
    const ssize_t all = ReadInto(file.fd.get(), bytes.data(), wanted, read.offset_bytes, false);
    const int cold_error = all < 0 ? errno : 0;
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(all, 0)));
    return [read, cold_error, facts = file.facts, bytes = std::move(bytes)](const Answer& tell) {
      ReadDone done = Answered(read, facts, bytes);
      if (cold_error != 0) done.status = StatusFromErrno(cold_error, "read " + read.path);
      tell(done);
    };
  });
  if (begun) return;
  failed.status = Unavailable("too many reads wait");
  answer(failed);
}

void FileReader::DoScan(const Scan& scan, const Answer& answer) {
  ScanDone failed{.op = scan.op, .status = Root::Check(scan.dir)};
  if (!failed.status.ok()) return answer(failed);
  UniqueFd fd(openat(root_->dir_fd(), root_->Relative(scan.dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat facts {};
  if (!fd.valid() || fstat(fd.get(), &facts) != 0) {
    failed.status = StatusFromErrno(errno, "scan " + scan.dir);
    return answer(failed);
  }
  if (facts.st_size <= kDirBytesInline) return answer(ListFolder(scan, std::move(fd), facts));
  const bool begun = OnPool(answer, [scan, fd = std::move(fd), facts]() mutable -> std::function<void(const Answer&)> {
    return [done = ListFolder(scan, std::move(fd), facts)](const Answer& tell) { tell(done); };
  });
  if (begun) return;
  failed.status = Unavailable("too many scans wait");
  answer(failed);
}

void FileReader::DoStat(const Stat& stat, const Answer& answer) {
  if (stat.paths.size() <= kStatsInline) return answer(LookAt(*root_, stat));
  const bool begun = OnPool(answer, [root = root_, stat]() -> std::function<void(const Answer&)> {
    return [done = LookAt(*root, stat)](const Answer& tell) { tell(done); };
  });
  if (!begun) answer(LookAt(*root_, stat));
}

// Runs `work` on the pool, then what it returned on the loop's thread.
bool FileReader::OnPool(const Answer& answer, absl::AnyInvocable<std::function<void(const Answer&)>()> work) {
  const bool begun = pool_->Run([this, answer, work = std::move(work)]() mutable {
    inbox_->Post([this, answer, finish = work()] {
      --waiting_count_;
      finish(answer);
    });
  });
  if (begun) ++waiting_count_;
  return begun;
}

UniqueFd FileReader::TakeOpen(const std::string& path, uint64_t offset_bytes) {
  if (offset_bytes == 0) return {};
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const OpenFile& file) {
    return file.next_bytes == offset_bytes && file.path == path;
  });
  if (found == open_.end()) return {};
  UniqueFd fd = std::move(found->fd);
  open_.erase(found);
  return fd;
}

void FileReader::KeepOpen(std::string path, UniqueFd fd, uint64_t next_bytes) {
  if (open_.size() >= kOpenFilesMax) open_.pop_front();
  open_.push_back({std::move(path), std::move(fd), next_bytes});
}

char* FileReader::Buffer(size_t bytes) {
  if (buffer_bytes_ < bytes || buffer_ == nullptr) {
    buffer_bytes_ = std::max<size_t>(bytes, 64 * 1024);
    buffer_ = std::make_unique_for_overwrite<char[]>(buffer_bytes_);
  }
  return buffer_.get();
}

}  // namespace postern::files
