#include "adapters/host/config_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <utility>

#include "adapters/host/host_files.h"

namespace postern::host {
namespace {

constexpr uint32_t kChanges =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_MODIFY | IN_ONLYDIR;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

ConfigWatch::ConfigWatch(const Root* root) : root_(root), inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

void ConfigWatch::Watch(std::vector<std::string> files, std::vector<std::string> patterns) {
  files_ = std::move(files);
  patterns_ = std::move(patterns);
  for (const std::string& path : files_) WatchFolder(path);
  for (const std::string& path : patterns_) WatchFolder(path);
  seen_ = Look();
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
  return Look() != seen_;
}

std::map<std::string, ConfigWatch::Facts> ConfigWatch::Look() const {
  std::map<std::string, Facts> all;
  const auto look_at = [&](const std::string& path) {
    struct stat found {};
    Facts facts;
    facts.exists = fstatat(root_->dir_fd(), root_->Relative(path), &found, 0) == 0;
    if (facts.exists) {
      facts.size_bytes = found.st_size;
      facts.mtime_ns = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec;
      facts.ctime_ns = found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec;
      facts.inode = found.st_ino;
    }
    all[path] = facts;
  };
  for (const std::string& path : files_) look_at(path);
  HostFiles files(root_);
  for (const std::string& pattern : patterns_) {
    for (const std::string& path : files.Glob(pattern)) look_at(path);
  }
  return all;
}

}  // namespace postern::host
