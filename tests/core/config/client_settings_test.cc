// Goal: smtp_*, lmtp_* and transports arrive as values, and versions of TLS are read as Postfix writes them. Method:
// the sound host with lines added; what stands in the way of a start is no matter here, so the parameters are read
// themselves.
#include <gtest/gtest.h>

#include "core/config/postfix_client.h"
#include "core/config/tls_versions.h"
#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

struct Read {
  SmtpClient smtp, lmtp;
  std::map<std::string, std::string, std::less<>> transports;
  FindingList findings;
};
std::unique_ptr<Read> With(const std::string& lines, const std::string& services = "") {
  MemoryFiles files = SoundHost();
  files.Add(kMain, *files.Read(kMain) + lines);
  const std::string master = "/etc/postfix/master.cf";
  files.Add(master, *files.Read(master) + services);
  auto read = std::make_unique<Read>();
  PostfixSource source{.files = &files, .findings = &read->findings};
  ReadPostfix("/etc/postfix", &source);
  const PostfixParameters main(&source, nullptr);
  read->smtp = BuildSmtpClient(main, ClientProtocol::kSmtp);
  read->lmtp = BuildSmtpClient(main, ClientProtocol::kLmtp);
  read->transports = BuildTransports(main);
  return read;
}

TEST(SmtpClient, HasPostfixsDefaults) {
  const auto read = With("");
  EXPECT_EQ(read->smtp.port, 25);
  EXPECT_EQ(read->lmtp.port, 24);
  EXPECT_EQ(read->smtp.mx_address_limit, 5u);
  EXPECT_EQ(read->smtp.mx_session_limit, 2u);
  EXPECT_TRUE(read->smtp.balance_inet_protocols && read->smtp.randomize_addresses && read->smtp.skip_5xx_greeting);
  EXPECT_EQ(read->smtp.dns_support, SmtpClient::DnsSupport::kEnabled);
  EXPECT_TRUE(read->smtp.lookup_dns);
  EXPECT_FALSE(read->smtp.lookup_native);
  EXPECT_EQ(read->smtp.tls.secure_cert_match, (std::vector<std::string>{"nexthop", "dot-nexthop"}));
  EXPECT_EQ(read->smtp.tls.dane_insecure_mx_policy, ClientTlsLevel::kMay);
  EXPECT_FALSE(read->smtp.sasl.enabled);
}

TEST(SmtpClient, ReadsWhatIsSet) {
  const auto read = With(
      "smtp_address_preference = ipv6\nsmtp_mx_address_limit = 9\nsmtp_host_lookup = native, "
      "dns\nsmtp_dns_support_level = dnssec\n"
      "smtp_fallback_relay = [a.example]:26, b.example\nlmtp_fallback_relay = c.example\nsmtp_tls_security_level = "
      "dane\n"
      "smtp_tls_secure_cert_match = nexthop:.x.example\nsmtp_tls_policy_maps = inline:{a.example=none}\nrelayhost = "
      "[hub.example]\n"
      "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = "
      "inline:{hub.example=u:p}\nsmtp_sender_dependent_authentication = yes\n"
      "lmtp_tcp_port = 2003\nlmtp_sasl_password_maps = texthash:/gone\nbest_mx_transport = local\n");
  EXPECT_EQ(read->smtp.address_preference, SmtpClient::AddressPreference::kIpv6);
  EXPECT_EQ(read->smtp.mx_address_limit, 9u);
  EXPECT_EQ(read->lmtp.mx_address_limit, 5u);
  EXPECT_TRUE(read->smtp.lookup_native && read->smtp.lookup_dns);
  EXPECT_EQ(read->smtp.dns_support, SmtpClient::DnsSupport::kDnssec);
  EXPECT_EQ(read->smtp.fallback_relay, (std::vector<std::string>{"[a.example]:26", "b.example"}));
  EXPECT_EQ(read->lmtp.fallback_relay, (std::vector<std::string>{"c.example"}));
  EXPECT_EQ(read->smtp.tls_level, ClientTlsLevel::kDane);
  EXPECT_EQ(read->smtp.tls.dane_insecure_mx_policy, ClientTlsLevel::kDane);  // its default follows the level
  EXPECT_EQ(read->smtp.tls.secure_cert_match, (std::vector<std::string>{"nexthop", ".x.example"}));
  EXPECT_EQ(read->smtp.tls.policy_maps.Find("a.example"), "none");
  EXPECT_EQ(read->smtp.relayhost, "[hub.example]");
  EXPECT_EQ(read->smtp.sasl.password_maps.Find("hub.example"), "u:p");
  EXPECT_TRUE(read->smtp.sasl.sender_dependent);
  EXPECT_EQ(read->lmtp.port, 2003);
  EXPECT_TRUE(read->lmtp.sasl.password_maps.empty());  // no login, no table
  EXPECT_EQ(read->smtp.best_mx_transport, "local");
  for (const Finding& finding : read->findings.all()) {
    if (finding.severity == FindingSeverity::kError) EXPECT_EQ(finding.id, "postfix-smtp-tls-level");
  }
}

TEST(SmtpClient, DisabledDnsLeavesTheHostsFiles) {
  const auto read = With("disable_dns_lookups = yes\n");
  EXPECT_EQ(read->smtp.dns_support, SmtpClient::DnsSupport::kDisabled);
  EXPECT_TRUE(read->smtp.lookup_native);
  EXPECT_FALSE(read->smtp.lookup_dns);
}

TEST(SmtpClient, RefusesWordsThatAreNone) {
  for (const std::string line : {"smtp_address_preference = ipv5", "smtp_host_lookup = hosts",
                                 "smtp_dns_support_level = some", "smtp_tls_dane_insecure_mx_policy = secure"}) {
    EXPECT_TRUE(With(line + "\n")->findings.has_errors()) << line;
  }
}

TEST(Transports, AreThoseOfMasterCf) {
  const auto read = With("",
                         "amavis unix - - n - 2 smtp\n  -o smtp_tls_security_level=none\nretry unix - - n - - "
                         "error\nold unix - n n - - pipe flags=R argv=/bin/x\n");
  EXPECT_EQ(read->transports.at("amavis"), "smtp");
  EXPECT_EQ(read->transports.at("retry"), "error");
  EXPECT_FALSE(read->transports.contains("old"));
}

std::string Versions(std::string_view text) {
  std::string unknown;
  const auto versions = ParseTlsVersions(text, &unknown);
  if (!versions) return "! " + unknown;
  std::string all;
  for (size_t i = 0; i < 4; ++i) all += versions->allowed[i] ? "1" : "0";
  return all;
}

TEST(TlsVersions, AreReadAsPostfixWritesThem) {
  EXPECT_EQ(Versions(""), "1111");
  EXPECT_EQ(Versions(">=TLSv1.2"), "0011");
  EXPECT_EQ(Versions(">=TLSv1, <=TLSv1.1"), "1100");
  EXPECT_EQ(Versions("!SSLv2:!SSLv3:!tlsv1"), "0111");
  EXPECT_EQ(Versions("TLSv1.2 TLSv1.3"), "0011");
  EXPECT_EQ(Versions(">=0x0303"), "0011");
  EXPECT_EQ(Versions("<=SSLv3"), "0000");
  EXPECT_EQ(Versions(">=SSLv3"), "1111");
  EXPECT_EQ(Versions("TLSv1.2, TLSv9"), "! TLSv9");
}

}  // namespace
}  // namespace postern::config
