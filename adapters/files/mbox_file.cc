#include "adapters/files/mbox_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>

#include "adapters/host/unique_fd.h"

namespace postern::files {
namespace {

using host::UniqueFd;

// mbox_dsn() of Postfix: what an error says of the mailbox.
std::string MboxError(int error, std::string_view usual, const std::string& what) {
  std::string_view status = usual;
  if (error == EAGAIN || error == ESTALE) status = "4.2.0";
  if (error == ENOSPC) status = "4.3.0";
  if (error == EDQUOT || error == EFBIG) status = "5.2.2";
  return std::string(status) + " " + what;
}
std::string MboxError(int error, const std::string& what) {
  return MboxError(error, "5.2.0", what + ": " + std::strerror(error));
}

void Pause(const Duration& delay) {
  timespec time{.tv_sec = delay.ns / 1'000'000'000, .tv_nsec = delay.ns % 1'000'000'000};
  while (nanosleep(&time, &time) != 0 && errno == EINTR) continue;
}

// PATH.lock, which other programs honour that read mailboxes. Removes what it made.
class DotLock {
 public:
  DotLock(const std::string& path, const MailboxLock& lock) : name_(path + ".lock") {
    for (uint32_t tries = 0; tries < lock.attempts; ++tries) {
      if (tries > 0) Pause(lock.delay);
      const UniqueFd fd(open(name_.c_str(), O_WRONLY | O_EXCL | O_CREAT | O_CLOEXEC, 0));
      held_ = fd.valid();
      error_ = held_ ? 0 : errno;
      if (held_ || error_ != EEXIST) return;
      struct stat facts {};
      if (stat(name_.c_str(), &facts) == 0 && time(nullptr) > facts.st_ctim.tv_sec + lock.stale.ns / 1'000'000'000 &&
          unlink(name_.c_str()) != 0 && errno != ENOENT) {
        return;
      }
    }
  }
  ~DotLock() {
    if (held_) unlink(name_.c_str());
  }
  DotLock(const DotLock&) = delete;
  DotLock& operator=(const DotLock&) = delete;
  // Somebody else holds it. Where it could not be made for another reason the file is written to without it, as by
  // Postfix: there are folders in which a user may write to files, but make none.
  bool taken() const { return !held_ && error_ == EEXIST; }

 private:
  const std::string name_;
  bool held_ = false;
  int error_ = 0;
};

bool LockFile(int fd, bool by_fcntl, const MailboxLock& lock) {
  for (uint32_t tries = 0; tries < lock.attempts; ++tries) {
    if (tries > 0) Pause(lock.delay);
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if ((by_fcntl ? fcntl(fd, F_SETLK, &whole) : flock(fd, LOCK_EX | LOCK_NB)) == 0) return true;
  }
  return false;
}

bool IsRootsOwnLink(const std::string& path, const struct stat& link) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  struct stat facts {};
  return link.st_uid == 0 && stat(folder.c_str(), &facts) == 0 && facts.st_uid == 0 &&
         (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// "" where `fd`, open by this path, is what may be written to.
std::string Judge(const std::string& path, int fd, struct stat* facts) {
  struct stat link {};
  if (fstat(fd, facts) != 0) return MboxError(errno, "cannot open file");
  if (facts->st_nlink != 1)
    return MboxError(EPERM, "5.2.0", "file has " + std::to_string(facts->st_nlink) + " hard links");
  if (S_ISDIR(facts->st_mode)) return MboxError(EISDIR, "5.2.0", "file is a directory");
  if (lstat(path.c_str(), &link) != 0) return MboxError(EPERM, "5.2.0", "file status changed unexpectedly");
  if (S_ISLNK(link.st_mode)) return IsRootsOwnLink(path, link) ? "" : "5.2.0 file is a symbolic link";
  if (link.st_dev != facts->st_dev || link.st_ino != facts->st_ino || link.st_nlink != facts->st_nlink ||
      link.st_mode != facts->st_mode) {
    return "5.2.0 file status changed unexpectedly";
  }
  return "";
}

// safe_open() of Postfix. O_NONBLOCK: the path may be a pipe's.
std::string OpenMbox(const std::string& path, UniqueFd* fd, struct stat* facts) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  for (int tries = 0; tries < 2; ++tries) {
    *fd = UniqueFd(open(path.c_str(), kFlags));
    if (fd->valid()) return Judge(path, fd->get(), facts);
    if (errno != ENOENT) return MboxError(errno, "cannot open file");
    *fd = UniqueFd(open(path.c_str(), kFlags | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR));
    if (fd->valid()) return fstat(fd->get(), facts) == 0 ? "" : MboxError(errno, "cannot open file");
    if (errno != EEXIST) break;
  }
  return MboxError(errno, "cannot create file exclusively");
}

// All of `input`, which is `left` bytes. "" or what went wrong.
std::string Copy(int input, uint64_t left, int output) {
  char bytes[65536];
  while (true) {
    const ssize_t count = read(input, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return "4.3.0 error reading message: " + std::string(std::strerror(errno));
    if (count == 0) return left == 0 ? "" : "4.3.0 error reading message: it is cut off";
    left -= std::min(left, static_cast<uint64_t>(count));
    for (ssize_t at = 0; at < count;) {
      const ssize_t written = write(output, bytes + at, static_cast<size_t>(count - at));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return MboxError(errno, "5.3.0", std::string("error writing message: ") + std::strerror(errno));
      at += written;
    }
  }
}

// The new name of a file survives a power loss only with its folder.
bool SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.valid() && fsync(fd.get()) == 0;
}

}  // namespace

std::vector<std::string> MboxJobWords(const MboxJob& job) {
  const MailboxLock& lock = job.lock;
  return {"postern",
          kMboxCommand,
          job.path,
          std::to_string(job.bytes),
          lock.fcntl ? "fcntl" : "-",
          lock.flock ? "flock" : "-",
          lock.dotlock ? "dotlock" : "-",
          std::to_string(lock.attempts),
          std::to_string(lock.delay.ns),
          std::to_string(lock.stale.ns)};
}

std::optional<MboxJob> ParseMboxJob(const std::vector<std::string>& words) {
  if (words.size() != 8 || !words[0].starts_with('/')) return std::nullopt;
  MboxJob job{.path = words[0], .lock = {}};
  job.lock.fcntl = words[2] == "fcntl";
  job.lock.flock = words[3] == "flock";
  job.lock.dotlock = words[4] == "dotlock";
  const auto number = [](const std::string& word, auto* value) {
    return std::from_chars(word.data(), word.data() + word.size(), *value).ptr == word.data() + word.size();
  };
  if (!number(words[1], &job.bytes) || !number(words[5], &job.lock.attempts) || !number(words[6], &job.lock.delay.ns) ||
      !number(words[7], &job.lock.stale.ns)) {
    return std::nullopt;
  }
  return job;
}

std::string AppendToMbox(const MboxJob& job, int input) {
  signal(SIGXFSZ, SIG_IGN);  // EFBIG instead
  struct stat facts {};
  const bool regular_or_new = stat(job.path.c_str(), &facts) != 0 || S_ISREG(facts.st_mode);
  std::optional<DotLock> dot_lock;
  if (job.lock.dotlock && regular_or_new) {
    dot_lock.emplace(job.path, job.lock);
    if (dot_lock->taken()) return "4.2.0 unable to create lock file " + job.path + ".lock: File exists";
  }
  UniqueFd fd;
  if (std::string error = OpenMbox(job.path, &fd, &facts); !error.empty()) return error;
  if (!S_ISREG(facts.st_mode)) return Copy(input, job.bytes, fd.get());
  if ((facts.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0) return "5.7.1 file is executable";
  if ((job.lock.flock && !LockFile(fd.get(), false, job.lock)) ||
      (job.lock.fcntl && !LockFile(fd.get(), true, job.lock))) {
    return "4.2.0 unable to lock for exclusive access";
  }
  // Programs that replace a mailbox do it while they hold its lock.
  if (fstat(fd.get(), &facts) != 0 || facts.st_nlink != 1) return "4.2.0 target file status changed unexpectedly";
  const off_t length = facts.st_size;
  std::string error = Copy(input, job.bytes, fd.get());
  if (error.empty() && (fsync(fd.get()) != 0 || (length == 0 && !SyncFolderOf(job.path)))) {
    error = MboxError(errno, "4.3.0", std::string("error writing message: ") + std::strerror(errno));
  }
  if (!error.empty() && ftruncate(fd.get(), length) != 0)
    return error + " (and what was written could not be taken back)";
  return error;
}

}  // namespace postern::files
