// The hosts of the reference configuration, in memory: what the folders of reference-config/ hold, where an installed
// host has it, with a self-signed certificate as Debian makes one.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "core/config/memory_files.h"
#include "tests/core/config/test_certificate.h"

namespace postern::config {

inline std::string SharedFolder() {
  const char* shared = std::getenv("POSTERN_SHARED");
  return shared == nullptr ? std::string(POSTERN_SOURCE_DIR) + "/../shared" : shared;
}

inline std::string ReadWhole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Puts every file below `folder` below `at`.
inline void AddFolder(const std::string& folder, const std::string& at, MemoryFiles* files) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files->Add(at + entry.path().string().substr(folder.size()), ReadWhole(entry.path()));
  }
}

inline MemoryFiles BareHost() {
  MemoryFiles files;
  files.Add("/etc/ssl/certs/ssl-cert-snakeoil.pem", kTestCertificate);
  files.Add("/etc/ssl/private/ssl-cert-snakeoil.key", kTestKey);
  files.Add("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  files.users = {{"root", 0}, {"vmail", 15000}, {"postfix", 102}};
  files.groups = {{"root", 0}, {"vmail", 15000}, {"postfix", 105}};
  files.primary_groups = {{"vmail", 15000}};
  files.interfaces = {*IpAddress::Parse("127.0.0.1"), *IpAddress::Parse("192.0.2.10")};
  files.host_name = "mail.example.test";
  return files;
}

// `name`: "literal", "as-written" or "working".
inline MemoryFiles ReferenceHost(const std::string& name) {
  MemoryFiles files = BareHost();
  const std::string folder = SharedFolder() + "/reference-config/" + name;
  AddFolder(folder + "/postfix", "/etc/postfix", &files);
  AddFolder(folder + "/dovecot", "/etc/dovecot", &files);
  if (std::filesystem::exists(folder + "/aliases")) files.Add("/etc/aliases", ReadWhole(folder + "/aliases"));
  return files;
}

}  // namespace postern::config
