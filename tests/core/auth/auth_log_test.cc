// The lines that fail2ban and logwatch match, to the letter.
#include "core/auth/auth_log.h"

#include <gtest/gtest.h>

#include <regex>

namespace postern::auth {
namespace {

const IpAddress kClient = *IpAddress::Parse("192.0.2.1");

TEST(AuthLog, DovecotsLine) {
  EXPECT_EQ(FormatAuthLine({.source = "passwd-file", .user = "alice", .text = "Password mismatch"}, kClient, "S1"),
            "auth: passwd-file(alice,192.0.2.1,<S1>): Password mismatch");
  EXPECT_EQ(FormatAuthLine({.source = "passwd-file", .user = "alice", .text = "unknown user"}, kClient, ""),
            "auth: passwd-file(alice,192.0.2.1): unknown user");
  EXPECT_EQ(FormatAuthLine({.source = "plain", .text = "invalid input"}, kClient, "S1"),
            "auth: plain(?,192.0.2.1,<S1>): invalid input");
  EXPECT_EQ(FormatAuthLine({.source = "passwd-file", .user = "b", .text = "Unknown scheme X", .is_error = true},
                           kClient, "S1"),
            "auth: Error: passwd-file(b,192.0.2.1,<S1>): Unknown scheme X");
  EXPECT_EQ(FormatAuthLine({.source = "passwd-file", .user = "root", .text = "unknown user", .is_master = true},
                           kClient, "S1"),
            "auth: passwd-file(root,192.0.2.1,master,<S1>): unknown user");
  EXPECT_EQ(FormatAuthLine({.text = "User found from deny passdb"}, kClient, "S1"),
            "auth: User found from deny passdb");
}

TEST(AuthLog, NothingBreaksTheLine) {
  EXPECT_EQ(FormatAuthLine({.source = "plain", .user = "a\nb\x80", .text = "x\ty"}, kClient, "S1"),
            "auth: plain(a?b?,192.0.2.1,<S1>): x?y");
  EXPECT_EQ(FormatSaslFailure("unknown[192.0.2.1]", "PLAIN", "a\r\nb"),
            "warning: unknown[192.0.2.1]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=a??b");
}

TEST(AuthLog, PostfixsLine) {
  EXPECT_EQ(FormatSaslFailure("host.example[192.0.2.1]", "cram-md5", ""),
            "warning: host.example[192.0.2.1]: SASL CRAM-MD5 authentication failed: (reason unavailable), "
            "sasl_username=(unavailable)");
  const std::string line = FormatSaslFailure("c[192.0.2.1]", std::string(500, 'm'), std::string(500, 'u'));
  EXPECT_LT(line.size(), 320u);
}

// fail2ban's dovecot filter (1.0.2), after its prefix.
TEST(AuthLog, Fail2banMatches) {
  const std::regex filter(
      R"(^[a-z\-]{3,15}\(\S*,(\d+\.\d+\.\d+\.\d+)(?:,\S*)?\): (?:[Uu]nknown user|[Pp]assword mismatch))");
  for (const char* source : {"passwd-file", "static"}) {
    for (const char* text : {"Password mismatch", "unknown user"}) {
      const std::string line =
          FormatAuthLine({.source = source, .user = "u@example.test", .text = text}, kClient, "Sx");
      EXPECT_TRUE(std::regex_search(line.substr(6), filter)) << line;
    }
  }
}

}  // namespace
}  // namespace postern::auth
