// Tells when a file of the configuration changed: main.cf, a table, a users file, a certificate. inotify on their
// folders wakes; what decides is whether a file's facts differ from those seen when it was read. Owner: the process's
// main thread.
#pragma once

#include <string>
#include <vector>

#include "adapters/host/host_files.h"
#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"

namespace postern::host {

class ConfigWatch {
 public:
  explicit ConfigWatch(const Root* root);

  // From now on these; `patterns` are globs whose matches count. `read` says how they were when they were read
  // (HostFiles::states): Changed() tells also what changed between that and now. Files that it does not name are taken
  // as they are.
  void Watch(std::vector<std::string> files, std::vector<std::string> patterns, const FileStates& read);
  // Readable when something in the folders happened.
  int fd() const { return inotify_.get(); }
  // Takes what happened; true where a file differs from what Watch() knew.
  bool Changed();

 private:
  FileStates Look() const;
  void WatchFolder(const std::string& path);

  const Root* root_;
  UniqueFd inotify_;
  std::vector<std::string> files_, patterns_;
  FileStates known_;
};

}  // namespace postern::host
