#include "adapters/host/root.h"

#include <fcntl.h>

#include <cerrno>

#include "adapters/host/errno_status.h"

namespace postern::host {

StatusOr<Root> Root::Open(std::string_view folder) {
  Root root;
  root.folder_ = folder;
  while (!root.folder_.empty() && root.folder_.back() == '/') root.folder_.pop_back();
  if (root.folder_.empty()) return root;
  root.fd_.Reset(open(root.folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.fd_.valid()) return StatusFromErrno(errno, "root folder " + root.folder_);
  return root;
}

int Root::dir_fd() const { return fd_.valid() ? fd_.get() : AT_FDCWD; }

const char* Root::Relative(const std::string& path) const {
  if (!fd_.valid()) return path.c_str();
  const size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.c_str() + start;
}

std::string Root::Whole(std::string_view path) const { return folder_ + std::string(path); }

Status Root::Check(std::string_view path) {
  if (path.empty() || path.front() != '/') return InvalidArgument("not an absolute path: " + std::string(path));
  if (path.find('\0') != std::string_view::npos) return InvalidArgument("a NUL byte in a path");
  for (size_t at = path.find("/.."); at != std::string_view::npos; at = path.find("/..", at + 1)) {
    if (at + 3 == path.size() || path[at + 3] == '/') return InvalidArgument("\"..\" in path " + std::string(path));
  }
  return OkStatus();
}

}  // namespace postern::host
