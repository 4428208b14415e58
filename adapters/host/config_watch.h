// Tells when a file of the configuration changed: main.cf, a table, a users file, a certificate. inotify on their folders
// wakes; what decides is whether a file's facts differ from those seen when it was read.
// Owner: the process's main thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"

namespace postern::host {

class ConfigWatch {
 public:
  explicit ConfigWatch(const Root* root);

  // From now on these; `patterns` are globs whose matches count. Takes the files' facts as they are now.
  void Watch(std::vector<std::string> files, std::vector<std::string> patterns);
  // Readable when something in the folders happened.
  int fd() const { return inotify_.get(); }
  // Takes what happened; true where a file differs from what Watch() saw.
  bool Changed();

 private:
  struct Facts {
    bool exists = false;
    int64_t size_bytes = 0, mtime_ns = 0, ctime_ns = 0;
    uint64_t inode = 0;
    bool operator==(const Facts&) const = default;
  };
  std::map<std::string, Facts> Look() const;
  void WatchFolder(const std::string& path);

  const Root* root_;
  UniqueFd inotify_;
  std::vector<std::string> files_, patterns_;
  std::map<std::string, Facts> seen_;
};

}  // namespace postern::host
