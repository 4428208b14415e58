// The three reference configurations against lists of findings, written down by hand and reviewed: what literal/,
// as-written/ and working/ must say, and nothing more.
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

TEST(Reference, LiteralTellsTheMendOfEachMistake) {
  MemoryFiles files = ReferenceHost("literal");
  const Loaded loaded = Load(files, {});
  std::vector<std::string> mends;
  for (const Finding& finding : loaded.findings) {
    if (finding.severity == FindingSeverity::kError) mends.push_back(finding.mend);
  }
  EXPECT_EQ(mends, (std::vector<std::string>{
                       "add the missing \"}\" before line 12",
                       "put it into its service: write \"service auth {\" before it; its \"}\" is line 30 already",
                       "remove the white space before \"submission\""}));
}

// What the three mends make of it is the host as its author meant it: nothing else is found than there.
TEST(Reference, LiteralMendedAsToldIsAsWritten) {
  MemoryFiles files = ReferenceHost("literal");
  std::string master = *files.Read("/etc/dovecot/conf.d/10-master.conf");
  const auto insert_before = [&master](int line, const std::string& text) {
    size_t at = 0;
    for (int i = 1; i < line; ++i) at = master.find('\n', at) + 1;
    master.insert(at, text + "\n");
  };
  insert_before(24, "service auth {");
  insert_before(12, "}");
  files.Add("/etc/dovecot/conf.d/10-master.conf", master);
  std::string services = *files.Read("/etc/postfix/master.cf");
  services.erase(services.find(" submission"), 1);
  files.Add("/etc/postfix/master.cf", services);
  MemoryFiles meant = ReferenceHost("as-written");
  const Loaded mended = Load(files, {}), expected = Load(meant, {});
  ASSERT_NE(mended.config, nullptr);
  EXPECT_EQ(Lines(mended, true), Lines(expected, true));
  EXPECT_EQ(Lines(mended, false), Lines(expected, false));
}

// By number: the hazards of field-notes.md section 3a.
TEST(Reference, AsWrittenStartsAndWarns) {
  MemoryFiles files = ReferenceHost("as-written");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(Lines(loaded, false),
            (std::vector<std::string>{"10-auth.conf:4 mechanism-without-scheme",               // 7
                                      "security 10-auth.conf:4 mechanism-historic",            // 9
                                      "security 10-master.conf:27 auth-socket-mode",           // 22
                                      "security 10-ssl.conf:2 certificate-untrusted",          // 21
                                      "security auth-static.conf.ext:3 password-scheme-weak",  // 9
                                      "users:0 users-file-readable",                           // 33
                                      "security main.cf:0 outbound-without-tls",               // 20
                                      "main.cf:0 message-size-small",                          // 28
                                      "main.cf:8 myhostname-in-no-class",                      // 14
                                      "main.cf:12 postfix-mynetworks-style-masked",            // 15
                                      "security main.cf:13 mynetworks-public",                 // 16
                                      "security main.cf:13 mynetworks-by-name",                // 16
                                      "security main.cf:27 smtp-without-tls",                  // 4: smtp
                                      "security main.cf:27 smtp-without-tls",                  // 4: submission
                                      "security main.cf:27 certificate-untrusted",             // 21
                                      "main.cf:33 rule-before-login",                          // 18
                                      "main.cf:44 alias-maps-dead",                            // 13
                                      "main.cf:54 postmaster-unreachable",                     // 13
                                      "main.cf:56 mailbox-path-by-accident",                   // 10
                                      "security master.cf:2 auth-in-clear",                    // 5
                                      "security master.cf:2 auth-on-port-25",                  // 6
                                      "security master.cf:2 sender-not-checked",               // 19
                                      "security master.cf:3 submission-open-to-strangers",     // 17
                                      "security master.cf:3 submission-without-tls",           // 4
                                      "security master.cf:3 auth-in-clear",                    // 5
                                      "security master.cf:3 sender-not-checked",               // 19
                                      "security master.cf:5 submission-open-to-strangers",     // 17
                                      "security master.cf:5 sender-not-checked"}));            // 19
  EXPECT_EQ(
      Lines(loaded, true),
      (std::vector<std::string>{"10-auth.conf:4 mechanism-not-offered",       // 8
                                "10-mail.conf:7 setting-without-effect",      // 23
                                "dovecot.conf:0 dovecot-protocols-unset",     // the protocols.d files are missing here
                                "dovecot.conf:2 ipv4-only",                   // 31
                                "main.cf:0 senders-believed",                 // 30
                                "main.cf:0 mail-unsigned",                    // 30
                                "main.cf:7 defaults-restated",                // 25
                                "main.cf:10 root-unreachable",                // 13
                                "main.cf:11 setting-cannot-matter",           // 25
                                "main.cf:19 ipv4-only",                       // 31
                                "main.cf:33 postfix-restriction-deprecated",  // README 4
                                "main.cf:33 rule-without-effect",             // 25
                                "main.cf:34 postfix-restriction-deprecated",  // README 4
                                "main.cf:34 etrn-never-served",               // 27
                                "main.cf:37 main-cf-repeated",                // 25
                                "main.cf:40 legacy-routing-syntax",           // 26
                                "main.cf:41 legacy-routing-syntax",           // 26
                                "main.cf:43 main-cf-repeated",                // 25
                                "main.cf:44 table-not-built",                 // as in every copy without .db files
                                "main.cf:44 table-type-portability",          // 32
                                "main.cf:51 setting-without-effect",          // 24
                                "main.cf:54 abuse-unreachable",               // 13
                                "main.cf:56 table-not-built",                 //
                                "master.cf:2 chroot-ignored",                 //
                                "master.cf:5 service-name-smtps"}));          // 32
}

TEST(Reference, WorkingHasNoSecurityWarningButTheCertificate) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(Lines(loaded, false),
            (std::vector<std::string>{"security 10-ssl.conf:2 certificate-untrusted",  // of Dovecot
                                      "users:0 users-file-readable",                   // the recipe gives it no mode
                                      "main.cf:8 myhostname-in-no-class",              // nobody writes there
                                      "security main.cf:26 certificate-untrusted"}));  // of Postfix
  EXPECT_EQ(Lines(loaded, true),
            (std::vector<std::string>{
                "dovecot.conf:0 dovecot-protocols-unset", "dovecot.conf:2 ipv4-only", "main.cf:0 senders-believed",
                "main.cf:0 mail-unsigned", "main.cf:7 defaults-restated", "main.cf:10 root-unreachable",
                "main.cf:11 setting-cannot-matter", "main.cf:18 ipv4-only", "main.cf:36 etrn-never-served",
                "main.cf:50 table-not-built", "main.cf:50 table-type-portability", "main.cf:55 table-not-built",
                "main.cf:58 table-not-built", "master.cf:2 chroot-ignored", "master.cf:7 service-name-smtps"}));
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
