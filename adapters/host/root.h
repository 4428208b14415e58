// The folder that every absolute path of the configuration is taken below (--root): "/" for a host's own server,
// another folder where a configuration is tried beside the running one. Used with the *at() system calls:
//
//   openat(root.dir_fd(), root.Relative(path), ...)
//
// Symbolic links below the root are followed as the operating system does; ".." is refused before it comes to that.
#pragma once

#include <string>
#include <string_view>

#include "adapters/host/unique_fd.h"
#include "core/base/status.h"

namespace postern::host {

class Root {
 public:
  // `folder` empty or "/": the file system's root, no descriptor is held. Errors: as open(2).
  static StatusOr<Root> Open(std::string_view folder);

  // AT_FDCWD for the file system's root.
  int dir_fd() const;
  // What to give to an *at() call: `path` itself, or its part after the leading slashes. Points into `path`.
  const char* Relative(const std::string& path) const;
  // The path as the operating system sees it, for messages and for calls without an *at() form.
  std::string Whole(std::string_view path) const;
  // kInvalidArgument unless `path` is absolute, without a ".." component and without a NUL byte.
  static Status Check(std::string_view path);

  const std::string& folder() const { return folder_; }  // empty: "/"

 private:
  std::string folder_;
  UniqueFd fd_;
};

}  // namespace postern::host
