// Goal: settings that keep mail from going out, or make it less safe than they seem to, are spoken of; others are not.
// Method: the sound host with lines added.
#include <gtest/gtest.h>

#include <set>

#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

std::set<std::string> With(const std::string& lines) {
  MemoryFiles files = SoundHost();
  files.Add(kMain, *files.Read(kMain) + lines + "\n");
  std::set<std::string> ids;
  for (const Finding& finding : Load(files, {}).findings) {
    if (finding.id.starts_with("outbound-") || finding.id.starts_with("delay-")) ids.insert(finding.id);
  }
  return ids;
}
using Ids = std::set<std::string>;

TEST(OutboundChecks, Trust) {
  EXPECT_EQ(With("smtp_tls_security_level = secure"), Ids{"outbound-nobody-trusted"});
  EXPECT_EQ(With("smtp_tls_security_level = verify\nsmtp_tls_CApath = /etc/ssl/certs"), Ids{});
  EXPECT_EQ(With("smtp_tls_security_level = dane"), Ids{"outbound-dane-without-dnssec"});
  EXPECT_EQ(With("smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec"), Ids{});
  EXPECT_EQ(With("smtp_tls_security_level = encrypt"), Ids{});
}

TEST(OutboundChecks, Login) {
  const std::string login = "smtp_sasl_auth_enable = yes\n";
  const std::string password = login + "smtp_sasl_password_maps = inline:{hub.test=u:p}\n";
  EXPECT_EQ(With(login), Ids{"outbound-login-without-passwords"});
  EXPECT_EQ(With(password), Ids{"outbound-login-not-plain"});
  EXPECT_EQ(With(password + "smtp_sasl_tls_security_options = noanonymous"), Ids{});
  EXPECT_EQ(With(password + "smtp_sasl_security_options ="), Ids{});
}

TEST(OutboundChecks, Times) {
  EXPECT_EQ(With("delay_warning_time = 5d"), Ids{"delay-warning-too-late"});
  EXPECT_EQ(With("delay_warning_time = 4h"), Ids{});
}

}  // namespace
}  // namespace postern::config
