#include "adapters/files/file_ops.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <type_traits>
#include <utility>
#include <vector>

#include "adapters/host/errno_status.h"

namespace postern::files {
namespace {

using host::Root;
using host::StatusFromErrno;
using host::UniqueFd;

// Pieces in one system call; IOV_MAX is 1024.
constexpr size_t kPiecesPerWrite = 256;
// Folders in folders that RemoveTree follows: a Maildir has three. A guess that bounds the open descriptors.
constexpr int kTreeDepthMax = 64;

// Writes all of `bytes` from `at_bytes` on. Returns 0 or an errno value.
int WriteAll(int fd, const Chain& bytes, uint64_t at_bytes) {
  size_t piece = 0, skip = 0;  // what is written already: whole pieces, and bytes of the next one
  while (piece < bytes.piece_count()) {
    iovec parts[kPiecesPerWrite];
    int count = 0;
    for (size_t i = piece; i < bytes.piece_count() && count < static_cast<int>(kPiecesPerWrite); ++i) {
      const std::string_view rest = bytes.piece(i).substr(i == piece ? skip : 0);
      parts[count++] = {const_cast<char*>(rest.data()), rest.size()};
    }
    const ssize_t written = pwritev(fd, parts, count, static_cast<off_t>(at_bytes));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    at_bytes += static_cast<uint64_t>(written);
    size_t done = static_cast<size_t>(written) + skip;
    while (piece < bytes.piece_count() && done >= bytes.piece(piece).size()) done -= bytes.piece(piece++).size();
    skip = done;
  }
  return 0;
}

// Empties and removes the folder behind `fd`'s entry `name`; a file is just removed. Returns 0 or an errno value.
int RemoveBelow(int dir_fd, const char* name, int depth) {
  if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth > kTreeDepthMax) return ELOOP;
  const int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : errno;
  DIR* const dir = fdopendir(fd);
  if (dir == nullptr) {
    const int error = errno;
    close(fd);
    return error;
  }
  int error = 0;
  while (error == 0) {
    errno = 0;
    const dirent* const entry = readdir(dir);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view child = entry->d_name;
    if (child != "." && child != "..") error = RemoveBelow(fd, entry->d_name, depth + 1);
  }
  closedir(dir);
  if (error == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) error = errno;
  return error;
}

timespec MtimeOf(int64_t seconds) { return {.tv_sec = seconds, .tv_nsec = 0}; }

std::string_view ParentOf(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return "/";
  return path.substr(0, slash);
}

}  // namespace

FileOps::FileOps(const Root* root, SpareFiles* spares)
    : root_(root), spares_(spares), own_uid_(geteuid()), own_gid_(getegid()) {}

Status FileOps::Perform(const FileOp& op, const FileOwner& owner, UniqueFd* kept) const {
  return std::visit(
      [&](const auto& each) -> Status {
        using Op = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<Op, SyncFile> || std::is_same_v<Op, SyncDir>) {
          return InvalidArgument("a flush is not done here");
        } else if constexpr (std::is_same_v<Op, Rename> || std::is_same_v<Op, Link>) {
          POSTERN_RETURN_IF_ERROR(Root::Check(each.from));
          POSTERN_RETURN_IF_ERROR(Root::Check(each.to));
          return Do(each);
        } else {
          POSTERN_RETURN_IF_ERROR(Root::Check(each.path));
          if constexpr (std::is_same_v<Op, Create> || std::is_same_v<Op, Append>) {
            return Do(each, owner, kept);
          } else if constexpr (std::is_same_v<Op, MakeDir>) {
            return Do(each, owner);
          } else {
            return Do(each);
          }
        }
      },
      op);
}

Status FileOps::Do(const Create& op, const FileOwner& owner, UniqueFd* kept) const {
  const char* const name = root_->Relative(op.path);
  UniqueFd fd = OpenSpare(op);
  if (!fd.valid()) fd.Reset(openat(root_->dir_fd(), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, op.mode));
  if (!fd.valid()) return StatusFromErrno(errno, "create " + op.path);
  Status status = GiveAway(fd.get(), owner, op.path);
  if (status.ok()) {
    if (const int error = WriteAll(fd.get(), op.bytes, 0)) status = StatusFromErrno(error, "write " + op.path);
  }
  if (status.ok() && op.mtime_seconds >= 0) {
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, MtimeOf(op.mtime_seconds)};
    if (futimens(fd.get(), times) != 0) status = StatusFromErrno(errno, "set mtime " + op.path);
  }
  if (!status.ok()) {  // half a file is no file
    unlinkat(root_->dir_fd(), name, 0);
    return status;
  }
  if (kept != nullptr) *kept = std::move(fd);
  return OkStatus();
}

// A file that was kept, under its new name and as long as it is to be. Invalid: there is none, make a new one.
UniqueFd FileOps::OpenSpare(const Create& op) const {
  if (op.spares.empty() || spares_ == nullptr) return {};
  const auto spare = spares_->Take(op.spares);
  if (!spare) return {};
  const int dir = root_->dir_fd();
  const char *const from = root_->Relative(spare->path), *const to = root_->Relative(op.path);
  if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) != 0) {
    unlinkat(dir, from, 0);
    return {};
  }
  UniqueFd fd(openat(dir, to, O_WRONLY | O_CLOEXEC));
  const uint64_t wanted = op.bytes.size_bytes();
  if (fd.valid() && (spare->size_bytes == wanted || ftruncate(fd.get(), static_cast<off_t>(wanted)) == 0)) return fd;
  unlinkat(dir, to, 0);
  return {};
}

Status FileOps::Do(const Append& op, const FileOwner& owner, UniqueFd* kept) const {
  const char* const name = root_->Relative(op.path);
  UniqueFd fd(openat(root_->dir_fd(), name, O_WRONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT && op.at_bytes == 0) {
    fd.Reset(openat(root_->dir_fd(), name, O_WRONLY | O_CREAT | O_CLOEXEC, op.mode));
    if (fd.valid()) POSTERN_RETURN_IF_ERROR(GiveAway(fd.get(), owner, op.path));
  }
  struct stat facts {};
  if (!fd.valid() || fstat(fd.get(), &facts) != 0) return StatusFromErrno(errno, "append to " + op.path);
  if (static_cast<uint64_t>(facts.st_size) != op.at_bytes) {
    return FailedPrecondition("append to " + op.path + ": it is " + std::to_string(facts.st_size) +
                              " bytes long, not " + std::to_string(op.at_bytes));
  }
  if (const int error = WriteAll(fd.get(), op.bytes, op.at_bytes)) {
    (void)!ftruncate(fd.get(), static_cast<off_t>(op.at_bytes));  // no torn record stays behind, where that is possible
    return StatusFromErrno(error, "append to " + op.path);
  }
  if (kept != nullptr) *kept = std::move(fd);
  return OkStatus();
}

Status FileOps::Do(const Rename& op) const {
  const int dir = root_->dir_fd();
  const char *const from = root_->Relative(op.from), *const to = root_->Relative(op.to);
  int result = renameat2(dir, from, dir, to, op.replace ? 0 : RENAME_NOREPLACE);
  if (result != 0 && errno == EINVAL && !op.replace) {  // a file system without RENAME_NOREPLACE
    result = linkat(dir, from, dir, to, 0);
    if (result == 0) {
      result = unlinkat(dir, from, 0);
    } else if (errno == EPERM) {  // a folder, moved below itself
      errno = EINVAL;
    }
  }
  return result == 0 ? OkStatus() : StatusFromErrno(errno, "rename " + op.from + " to " + op.to);
}

Status FileOps::Do(const Link& op) const {
  const int dir = root_->dir_fd();
  if (linkat(dir, root_->Relative(op.from), dir, root_->Relative(op.to), 0) == 0) return OkStatus();
  return StatusFromErrno(errno, "link " + op.from + " to " + op.to);
}

Status FileOps::LinkByCopy(const Link& op, const FileOwner& owner) const {
  const int dir = root_->dir_fd();
  // Names that begin with a dot are no messages to a Maildir reader.
  const std::string hidden = std::string(ParentOf(op.to)) + "/." + op.to.substr(op.to.rfind('/') + 1) + ".copy";
  const UniqueFd from(openat(dir, root_->Relative(op.from), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!from.valid() || fstat(from.get(), &facts) != 0) return StatusFromErrno(errno, "copy " + op.from);
  unlinkat(dir, root_->Relative(hidden), 0);  // left over from a crash
  const UniqueFd to(
      openat(dir, root_->Relative(hidden), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, facts.st_mode & 07777));
  if (!to.valid()) return StatusFromErrno(errno, "copy to " + op.to);
  Status status = GiveAway(to.get(), owner, hidden);
  std::string buffer(256 * 1024, '\0');
  while (status.ok()) {
    const ssize_t got = read(from.get(), buffer.data(), buffer.size());
    if (got < 0) status = StatusFromErrno(errno, "copy " + op.from);
    if (got <= 0) break;
    ssize_t put = 0;
    while (put < got && status.ok()) {
      const ssize_t written = write(to.get(), buffer.data() + put, static_cast<size_t>(got - put));
      if (written < 0) status = StatusFromErrno(errno, "copy to " + op.to);
      put += std::max<ssize_t>(written, 0);
    }
  }
  const timespec times[2] = {facts.st_atim, facts.st_mtim};
  if (status.ok() && futimens(to.get(), times) != 0) status = StatusFromErrno(errno, "copy to " + op.to);
  if (status.ok() && fsync(to.get()) != 0) status = StatusFromErrno(errno, "flush " + op.to);
  if (status.ok() && linkat(dir, root_->Relative(hidden), dir, root_->Relative(op.to), 0) != 0) {
    status = StatusFromErrno(errno, "link " + op.from + " to " + op.to);
  }
  unlinkat(dir, root_->Relative(hidden), 0);
  return status;
}

Status FileOps::Do(const Unlink& op) const {
  if (unlinkat(root_->dir_fd(), root_->Relative(op.path), 0) == 0) return OkStatus();
  if (errno == ENOENT || errno == ENOTDIR) return OkStatus();
  return StatusFromErrno(errno, "unlink " + op.path);
}

Status FileOps::Do(const Retire& op) const {
  const auto name = spares_ == nullptr ? std::nullopt : spares_->NameFor(op.spares, op.size_bytes);
  if (name && renameat(root_->dir_fd(), root_->Relative(op.path), root_->dir_fd(), root_->Relative(*name)) == 0) {
    spares_->Add({.path = *name, .size_bytes = op.size_bytes});
    return OkStatus();
  }
  return Do(Unlink{op.path});
}

Status FileOps::Do(const MakeDir& op, const FileOwner& owner) const {
  // Deepest first: mostly the folder or its parent is there.
  std::vector<std::string> missing;
  std::string path = op.path;
  while (true) {
    const Status status = MakeOneDir(path, op.mode, owner);
    if (status.ok()) break;
    if (status.code() != StatusCode::kNotFound || path.size() <= 1) return status;
    missing.push_back(path);
    path = ParentOf(path);
  }
  for (size_t i = missing.size(); i-- > 0;) POSTERN_RETURN_IF_ERROR(MakeOneDir(missing[i], op.mode, owner));
  return OkStatus();
}

Status FileOps::MakeOneDir(const std::string& path, uint32_t mode, const FileOwner& owner) const {
  const char* const name = root_->Relative(path);
  if (mkdirat(root_->dir_fd(), name, mode) == 0) {
    if (!MustChown(owner)) return OkStatus();
    if (fchownat(root_->dir_fd(), name, static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid),
                 AT_SYMLINK_NOFOLLOW) == 0) {
      return OkStatus();
    }
    const int error = errno;
    unlinkat(root_->dir_fd(), name, AT_REMOVEDIR);
    return StatusFromErrno(error, "chown " + path);
  }
  const int error = errno;
  struct stat facts {};
  if (error == EEXIST && fstatat(root_->dir_fd(), name, &facts, 0) == 0 && S_ISDIR(facts.st_mode)) return OkStatus();
  if (error == ENOTDIR) return AlreadyExists("mkdir " + path + ": a file is in its place");
  return StatusFromErrno(error, "mkdir " + path);
}

Status FileOps::Do(const RemoveTree& op) const {
  if (op.path.find_first_not_of('/') == std::string::npos) return InvalidArgument("the root folder is not removed");
  const int error = RemoveBelow(root_->dir_fd(), root_->Relative(op.path), 0);
  return error == 0 ? OkStatus() : StatusFromErrno(error, "remove tree " + op.path);
}

Status FileOps::Do(const SetMtime& op) const {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, MtimeOf(op.mtime_seconds)};
  if (utimensat(root_->dir_fd(), root_->Relative(op.path), times, 0) == 0) return OkStatus();
  return StatusFromErrno(errno, "set mtime " + op.path);
}

StatusOr<UniqueFd> FileOps::OpenToSync(const std::string& path, bool is_dir) const {
  POSTERN_RETURN_IF_ERROR(Root::Check(path));
  UniqueFd fd(openat(root_->dir_fd(), root_->Relative(path), O_RDONLY | O_CLOEXEC | (is_dir ? O_DIRECTORY : 0)));
  if (!fd.valid()) return StatusFromErrno(errno, "sync " + path);
  return fd;
}

Status FileOps::GiveAway(int fd, const FileOwner& owner, const std::string& path) const {
  if (!MustChown(owner)) return OkStatus();
  if (fchown(fd, static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid)) == 0) return OkStatus();
  return StatusFromErrno(errno, "chown " + path);
}

bool FileOps::MustChown(const FileOwner& owner) const {
  if (own_uid_ != 0) return false;  // only root gives files away
  return (owner.uid >= 0 && owner.uid != own_uid_) || (owner.gid >= 0 && owner.gid != own_gid_);
}

}  // namespace postern::files
