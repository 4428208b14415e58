// Any bytes as the files of a host, loaded as a whole: nothing may crash, hang or grow without bound.
//
// Input: main.cf, master.cf, dovecot.conf, a table (/t) and a users file (/u), as parts. Laws: there is a configuration
// exactly where no finding is an error; findings come in order of file and line, and the same files give the same ones.
#include <string>
#include <string_view>
#include <tuple>

#include "core/config/load.h"
#include "core/config/memory_files.h"
#include "fuzz/fuzz.h"
#include "tests/core/config/test_certificate.h"

namespace postern::config {
namespace {

using fuzz::Require;

MemoryFiles Host(fuzz::Input& input) {
  MemoryFiles files;
  for (const char* path : {"/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/dovecot/dovecot.conf", "/t", "/u"}) {
    files.Add(path, std::string(input.Part()));
  }
  files.Add("/cert", kTestCertificate);
  files.Add("/key", kTestKey);
  files.Add("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  files.users = {{"vmail", 15000}, {"postfix", 102}};
  files.groups = {{"vmail", 15000}, {"postfix", 105}};
  files.interfaces = {*IpAddress::Parse("127.0.0.1"), *IpAddress::Parse("192.0.2.10")};
  files.host_name = "mail.example.test";
  return files;
}

void Run(fuzz::Input input) {
  MemoryFiles files = Host(input);
  const Loaded loaded = Load(files, {}), again = Load(files, {});
  bool has_error = false;
  Require(loaded.findings.size() == again.findings.size(), "the same files give the same findings");
  for (size_t i = 0; i < loaded.findings.size(); ++i) {
    const Finding& finding = loaded.findings[i];
    has_error = has_error || finding.severity == FindingSeverity::kError;
    Require(!finding.id.empty() && !finding.what.empty(), "a finding has an id and says what", finding.id);
    Require(finding.what == again.findings[i].what, "the same files give the same findings", finding.what);
    if (i > 0) {
      const Finding& before = loaded.findings[i - 1];
      Require(std::tie(before.file, before.line) <= std::tie(finding.file, finding.line), "findings are in order",
              finding.id);
    }
  }
  Require((loaded.config == nullptr) == has_error, "a configuration exactly where nothing is an error");
}

}  // namespace
}  // namespace postern::config

POSTERN_FUZZ_TARGET(postern::config::Run)
