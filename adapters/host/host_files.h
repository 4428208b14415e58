// The host's files and names, as core/config's loader asks for them: real files below the root folder, the user and
// group databases, services, interfaces. Owner: whoever loads; one thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/host/root.h"
#include "core/config/load.h"

namespace postern::host {

// By which a change of a file is known, in itself or in its place.
struct FileState {
  bool exists = false;
  int64_t size_bytes = 0, mtime_ns = 0, ctime_ns = 0;
  uint64_t inode = 0;
  bool operator==(const FileState&) const = default;
};
using FileStates = std::map<std::string, FileState>;  // by path below the root folder

FileState LookAt(const Root& root, const std::string& path);

class HostFiles final : public config::FileSource {
 public:
  // A file that is longer is no configuration.
  static constexpr uint64_t kFileBytesMax = 256ull << 20;

  explicit HostFiles(const Root* root) : root_(root) {}

  StatusOr<std::string> Read(std::string_view path) override;
  std::vector<std::string> Glob(std::string_view pattern) override;
  StatusOr<Facts> Stat(std::string_view path) override;
  // With a root folder that has an etc/passwd and etc/group of its own, those are asked.
  int64_t UserId(std::string_view name) override;
  int64_t GroupId(std::string_view name) override;
  int64_t PrimaryGroupOf(std::string_view user) override;
  int64_t OwnUserId() override;
  uint16_t ServicePort(std::string_view name) override;
  std::vector<IpAddress> InterfaceAddresses() override;
  std::vector<IpAddress> HostAddresses(std::string_view name) override;
  std::string HostName() override;

  // Every pattern that Glob() was asked for: a new file that matches changes the configuration.
  const std::vector<std::string>& globbed() const { return globbed_; }
  // What was read, or matched a pattern, as it was right before its first read: whatever differs now changed since.
  const FileStates& states() const { return states_; }

 private:
  const Root* root_;
  std::vector<std::string> globbed_;
  FileStates states_;
};

}  // namespace postern::host
