#include "adapters/host/config_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <cstdlib>
#include <utility>

namespace postern::host {
namespace {

// Not IN_MODIFY: a log in one of the folders would wake us with every line. Who writes a file closes it at the end.
constexpr uint32_t kChanges =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

ConfigWatch::ConfigWatch(const Root* root) : root_(root), inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

void ConfigWatch::Watch(std::vector<std::string> files, std::vector<std::string> patterns, const FileStates& read) {
  files_ = std::move(files);
  patterns_ = std::move(patterns);
  for (const std::string& path : files_) WatchFolder(path);
  for (const std::string& path : patterns_) WatchFolder(path);
  known_ = read;
  for (const std::string& path : files_) {
    if (!known_.contains(path)) known_.emplace(path, LookAt(*root_, path));
  }
}

void ConfigWatch::WatchFolder(const std::string& path) {
  // A folder that is watched already stays so. One that does not exist is found by the next SIGHUP.
  inotify_add_watch(inotify_.get(), root_->Whole(FolderOf(path)).c_str(), kChanges);
  // Certificates are often links into another folder (live/ and archive/): its files change, too.
  char* const real = realpath(root_->Whole(path).c_str(), nullptr);
  if (real == nullptr) return;
  inotify_add_watch(inotify_.get(), FolderOf(real).c_str(), kChanges);
  free(real);
}

bool ConfigWatch::Changed() {
  char buffer[16384];
  while (read(inotify_.get(), buffer, sizeof buffer) > 0) {
  }
  return Look() != known_;
}

FileStates ConfigWatch::Look() const {
  FileStates all;
  for (const auto& [path, state] : known_) all.emplace(path, LookAt(*root_, path));
  HostFiles files(root_);
  for (const std::string& pattern : patterns_) {
    for (const std::string& path : files.Glob(pattern)) all.emplace(path, LookAt(*root_, path));
  }
  return all;
}

}  // namespace postern::host
