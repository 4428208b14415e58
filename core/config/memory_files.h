// A host's files in memory: what the simulator, the tests and the fuzzers load configurations from.
// Owner: whoever makes it. Deterministic: every answer is what was put in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/load.h"

namespace postern::config {

class MemoryFiles : public FileSource {
 public:
  struct File {
    std::string text;
    int64_t mtime_seconds = 0;
    uint32_t mode = 0644;
    int64_t uid = 0, gid = 0;
  };

  // Puts a file there, in place of an earlier one. Its folders exist from then on.
  void Add(std::string_view path, std::string text) { files_[std::string(path)].text = std::move(text); }
  void Add(std::string_view path, File file) { files_[std::string(path)] = std::move(file); }
  void Remove(std::string_view path) { files_.erase(std::string(path)); }

  // The host around the files; set before loading.
  std::map<std::string, int64_t, std::less<>> users, groups, primary_groups;
  int64_t own_user = 0;
  std::map<std::string, uint16_t, std::less<>> services = {{"smtp", 25},   {"submission", 587}, {"submissions", 465},
                                                           {"smtps", 465}, {"imap", 143},       {"imaps", 993},
                                                           {"pop3", 110},  {"pop3s", 995}};
  std::vector<IpAddress> interfaces;
  std::map<std::string, std::vector<IpAddress>, std::less<>> hosts;
  std::string host_name = "localhost";

  StatusOr<std::string> Read(std::string_view path) override;
  std::vector<std::string> Glob(std::string_view pattern) override;
  StatusOr<Facts> Stat(std::string_view path) override;
  int64_t UserId(std::string_view name) override;
  int64_t GroupId(std::string_view name) override;
  int64_t PrimaryGroupOf(std::string_view user) override;
  int64_t OwnUserId() override { return own_user; }
  uint16_t ServicePort(std::string_view name) override;
  std::vector<IpAddress> InterfaceAddresses() override { return interfaces; }
  std::vector<IpAddress> HostAddresses(std::string_view name) override;
  std::string HostName() override { return host_name; }

 private:
  bool IsFolder(std::string_view path) const;

  std::map<std::string, File, std::less<>> files_;
};

// Does `name` match the shell pattern? '*' and '?' do not match '/', "[a-z]" and "[!a]" are sets, '\' quotes.
bool MatchesGlob(std::string_view pattern, std::string_view name);

}  // namespace postern::config
