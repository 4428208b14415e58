// Reading a host's configuration: main.cf, master.cf and dovecot.conf with all they name, into one Config and findings.
// Pure: the files come through FileSource, so that a test, the simulator and the daemon load the same way.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/config/settings.h"

namespace postern::config {

// The files of the host, by absolute path as the configuration writes it (the driver maps them below --root).
class FileSource {
 public:
  virtual ~FileSource() = default;
  // kNotFound, kPermissionDenied; a folder is kInvalidArgument.
  virtual StatusOr<std::string> Read(std::string_view path) = 0;
  // The existing paths that match a shell pattern (*, ?, [..]) in its last component(s), sorted.
  virtual std::vector<std::string> Glob(std::string_view pattern) = 0;
  struct Facts {
    uint64_t size_bytes = 0;
    int64_t mtime_seconds = 0;
    uint32_t mode = 0;
    int64_t uid = 0, gid = 0;
    bool is_dir = false;
  };
  virtual StatusOr<Facts> Stat(std::string_view path) = 0;
  // A number or name of the host's user and group databases; -1 where there is none ("vmail").
  virtual int64_t UserId(std::string_view name) = 0;
  virtual int64_t GroupId(std::string_view name) = 0;
  // The primary group of a user, -1 where unknown.
  virtual int64_t PrimaryGroupOf(std::string_view user) = 0;
  // Who we run as: 0 may become any user, others only stay who they are. -1: not known.
  virtual int64_t OwnUserId() = 0;
  // /etc/services: the TCP port of a service name, 0 where unknown ("smtps" is absent outside Debian).
  virtual uint16_t ServicePort(std::string_view name) = 0;
  // The addresses of the host's interfaces, and the addresses of a host name (for inet_interfaces and listen).
  virtual std::vector<IpAddress> InterfaceAddresses() = 0;
  virtual std::vector<IpAddress> HostAddresses(std::string_view name) = 0;
  virtual std::string HostName() = 0;
};

enum class FindingSeverity : uint8_t { kNotice, kWarning, kError };  // an error stops the start

// What `postern check` prints. docs/findings.md lists every id.
struct Finding {
  std::string id;  // stable: "dovecot-syntax-unclosed-section"
  FindingSeverity severity = FindingSeverity::kNotice;
  bool security = false;
  std::string file;   // as the configuration names it; empty: of all files together
  uint32_t line = 0;  // from 1; 0: none
  std::string what;   // what is written and what will happen because of it
  std::string mend;   // what to write instead
};

// In place of a path to dovecot.conf: IMAP, POP3 and logins are another program's.
inline constexpr std::string_view kNoDovecot = "none";

struct LoadOptions {
  std::string postfix_dir = "/etc/postfix";
  std::string dovecot_file = "/etc/dovecot/dovecot.conf";  // or kNoDovecot
  uint16_t port_offset = 0;
  bool public_checks = true;  // findings about the certificate and listeners that only matter on a real host
};

struct Loaded {
  std::shared_ptr<const Config> config;  // null where a finding is an error
  std::vector<Finding> findings;         // in order of file and line; errors of every file, not only the first
};

// Never fails as a whole: what is wrong is a finding.
Loaded Load(FileSource& files, const LoadOptions& options);

}  // namespace postern::config
