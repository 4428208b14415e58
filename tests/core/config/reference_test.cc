// The three reference configurations against lists of findings, written down by hand and reviewed: what literal/, as-written/
// and working/ must say, and nothing more.
#include <gtest/gtest.h>

#include "tests/core/config/reference_host.h"

namespace postern::config {
namespace {

// "error 10-master.conf:1 id" of all findings but notices (`notices`: of those alone).
std::vector<std::string> Lines(const Loaded& loaded, bool notices) {
  std::vector<std::string> lines;
  for (const Finding& finding : loaded.findings) {
    if ((finding.severity == FindingSeverity::kNotice) != notices) continue;
    std::string line = finding.severity == FindingSeverity::kError ? "error " : finding.security ? "security " : "";
    line += finding.file.substr(finding.file.rfind('/') + 1) + ":" + std::to_string(finding.line) + " " + finding.id;
    lines.push_back(line);
  }
  return lines;
}

TEST(Reference, LiteralIsRefusedWithAllThreeMistakesAtOnce) {
  MemoryFiles files = ReferenceHost("literal");
  const Loaded loaded = Load(files, {});
  EXPECT_EQ(loaded.config, nullptr);
  std::vector<std::string> errors;
  for (const std::string& line : Lines(loaded, false)) {
    if (line.starts_with("error")) errors.push_back(line);
  }
  EXPECT_EQ(errors, (std::vector<std::string>{"error 10-master.conf:1 dovecot-syntax-unclosed-section",
                                              "error 10-master.conf:24 dovecot-syntax-listener-outside-service",
                                              "error master.cf:3 master-cf-hidden-service"}));
}

TEST(Reference, AsWrittenStartsAndWarns) {
  MemoryFiles files = ReferenceHost("as-written");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(Lines(loaded, false), (std::vector<std::string>{"GOLDEN-AS-WRITTEN"}));
  EXPECT_EQ(Lines(loaded, true), (std::vector<std::string>{"GOLDEN-AS-WRITTEN-NOTICES"}));
}

TEST(Reference, WorkingHasNoSecurityWarningButTheCertificate) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(Lines(loaded, false), (std::vector<std::string>{"GOLDEN-WORKING"}));
  EXPECT_EQ(Lines(loaded, true), (std::vector<std::string>{"GOLDEN-WORKING-NOTICES"}));
}

// The same host, mended wrongly: each half of the repair alone loses the mail.
TEST(Reference, HalfTheRepairOfThePathsStopsTheStart) {
  MemoryFiles files = ReferenceHost("as-written");
  files.Add("/etc/dovecot/users", "alice@example.test:{PLAIN}a\nbob@example.test:{PLAIN}b\n");
  EXPECT_EQ(Load(files, {}).config, nullptr);
  MemoryFiles others = ReferenceHost("as-written");
  others.Add("/etc/postfix/vmailbox",
             "alice@example.test example.test/alice/Maildir/\nbob@example.test example.test/bob/Maildir/\n");
  EXPECT_EQ(Load(others, {}).config, nullptr);
}

}  // namespace
}  // namespace postern::config
