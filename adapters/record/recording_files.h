// Passes a host's files on to whoever loads the configuration, and keeps every answer, so that a recording can be
// replayed where those files are not. Secrets are taken out: private keys are left away, passwords in users files
// become the stand-in of the same scheme (a login that was right in the recording is right in the replay), passwords in
// dovecot.conf too.
//
// The text has one answer a line, in the fields of core/boundary/codec.h; docs/replay.md has them all.
// Owner: one load.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/load.h"

namespace postern::record {

class RecordingFiles final : public config::FileSource {
 public:
  explicit RecordingFiles(config::FileSource* files) : files_(files) {}

  StatusOr<std::string> Read(std::string_view path) override;
  std::vector<std::string> Glob(std::string_view pattern) override;
  StatusOr<Facts> Stat(std::string_view path) override;
  int64_t UserId(std::string_view name) override;
  int64_t GroupId(std::string_view name) override;
  int64_t PrimaryGroupOf(std::string_view user) override;
  int64_t OwnUserId() override;
  uint16_t ServicePort(std::string_view name) override;
  std::vector<IpAddress> InterfaceAddresses() override;
  std::vector<IpAddress> HostAddresses(std::string_view name) override;
  std::string HostName() override;

  // What was asked so far, with `options`, as text.
  std::string Text(const config::LoadOptions& options) const;

 private:
  // The default scheme of a users file that some `args` of the texts read names; nullopt: it is no users file.
  std::optional<std::string> UsersFileScheme(std::string_view path) const;
  void Keep(const std::string& line) { answers_.push_back(line); }

  config::FileSource* const files_;
  std::map<std::string, StatusOr<std::string>, std::less<>> texts_;
  std::vector<std::string> answers_;
};

// ---- for tests ----

// A users file with every password replaced; `default_scheme` is that of entries without {SCHEME}.
std::string RedactUsersFile(std::string_view text, std::string_view default_scheme);
// Any other file of a configuration: values of passwords and secrets replaced.
std::string RedactSettings(std::string_view text);

}  // namespace postern::record
