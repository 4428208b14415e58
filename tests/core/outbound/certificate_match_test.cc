// Goal: only the right certificate passes. Method: names of RFC 6125's examples and its refusals; TLSA records of every
// usage (RFC 7671, RFC 7672), each once with the right certificate and once with one thing wrong.
#include "core/outbound/certificate_match.h"

#include <gtest/gtest.h>

#include "core/base/hash.h"
#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {
namespace {

using Level = config::ClientTlsLevel;

TEST(NameMatches, TakesWholeNamesAndWholeLabels) {
  EXPECT_TRUE(NameMatches("mail.example.com", "MAIL.Example.com"));
  EXPECT_FALSE(NameMatches("mail.example.com", "example.com"));
  EXPECT_TRUE(NameMatches("*.example.com", "mail.example.com"));
  EXPECT_FALSE(NameMatches("*.example.com", "a.mail.example.com"));
  EXPECT_FALSE(NameMatches("*.example.com", "example.com"));
  EXPECT_FALSE(NameMatches("*.example.com", ".example.com."));
  EXPECT_FALSE(NameMatches("*.com", "example.com"));
  EXPECT_FALSE(NameMatches("*", "com"));
  EXPECT_FALSE(NameMatches("m*.example.com", "mail.example.com"));
  EXPECT_FALSE(NameMatches("mail.*.com", "mail.example.com"));
  EXPECT_FALSE(NameMatches("*.*.com", "mail.example.com"));
  EXPECT_FALSE(NameMatches(std::string_view("mail.example.com\0.evil.test", 27), "mail.example.com"));
  EXPECT_FALSE(NameMatches("", "mail.example.com"));
  EXPECT_FALSE(NameMatches("mail.example.com", ""));
}

TEST(NameMatches, TakesNamesBelow) {
  EXPECT_TRUE(NameMatches("mx.example.com", ".example.com"));
  EXPECT_TRUE(NameMatches("a.b.example.com", ".example.com"));
  EXPECT_TRUE(NameMatches("*.example.com", ".example.com"));
  EXPECT_FALSE(NameMatches("example.com", ".example.com"));
  EXPECT_FALSE(NameMatches(".example.com", ".example.com"));
  EXPECT_FALSE(NameMatches("badexample.com", ".example.com"));
  EXPECT_FALSE(NameMatches(std::string_view("evil.test\0.example.com", 22), ".example.com"));
}

// A leaf, an intermediate and a root, as whoever shook hands would tell of them.
CertificateFacts Facts() {
  CertificateFacts facts{
      .dns_names = {"mx.far.example"}, .chain_trusted = true, .certificate_digest = "cert", .key_digest = "key"};
  facts.chain = {{.certificate = "leaf", .public_key = "leaf key"},
                 {.certificate = "middle", .public_key = "middle key", .would_anchor = true},
                 {.certificate = "root", .public_key = "root key", .would_anchor = true}};
  return facts;
}
TlsPolicy With(Level level, std::vector<std::string> names = {"mx.far.example"}) {
  return {.level = level, .match_names = std::move(names)};
}

TEST(JudgeCertificate, AsksNothingBelowFingerprint) {
  for (const Level level : {Level::kMay, Level::kEncrypt}) {
    EXPECT_TRUE(JudgeCertificate(With(level), nullptr).acceptable);
    EXPECT_EQ(JudgeCertificate(With(level), nullptr).summary, "Anonymous");
    CertificateFacts facts = Facts();
    EXPECT_EQ(JudgeCertificate(With(level), &facts).summary, "Trusted");
    facts.chain_trusted = false;
    EXPECT_EQ(JudgeCertificate(With(level), &facts).summary, "Untrusted");
    EXPECT_TRUE(JudgeCertificate(With(level), &facts).acceptable);
  }
}

TEST(JudgeCertificate, AsksForChainAndName) {
  for (const Level level : {Level::kVerify, Level::kSecure}) {
    CertificateFacts facts = Facts();
    EXPECT_EQ(JudgeCertificate(With(level), &facts).summary, "Verified");
    const TlsVerdict other = JudgeCertificate(With(level, {"other.example"}), &facts);
    EXPECT_FALSE(other.acceptable);
    EXPECT_EQ(other.status + " " + other.text, "4.7.5 Server certificate not verified");
    EXPECT_EQ(other.summary, "Untrusted");
    EXPECT_TRUE(JudgeCertificate(With(level, {"other.example", ".far.example"}), &facts).acceptable);
    facts.chain_trusted = false;
    EXPECT_FALSE(JudgeCertificate(With(level), &facts).acceptable);
    EXPECT_FALSE(JudgeCertificate(With(level), nullptr).acceptable);
  }
}

TEST(JudgeCertificate, TakesTheCommonNameOnlyWithoutBetter) {
  CertificateFacts facts = Facts();
  facts.common_name = "cn.example";
  EXPECT_FALSE(JudgeCertificate(With(Level::kVerify, {"cn.example"}), &facts).acceptable);
  facts.dns_names.clear();
  EXPECT_TRUE(JudgeCertificate(With(Level::kVerify, {"cn.example"}), &facts).acceptable);
}

TEST(JudgeCertificate, MatchesAddressesAsAddresses) {
  CertificateFacts facts = Facts();
  facts.dns_names = {"192.0.2.1"};
  EXPECT_FALSE(JudgeCertificate(With(Level::kVerify, {"192.0.2.1"}), &facts).acceptable);
  facts.ip_addresses = {Ip("192.0.2.1")};
  EXPECT_TRUE(JudgeCertificate(With(Level::kVerify, {"192.0.2.1"}), &facts).acceptable);
}

TEST(JudgeCertificate, ComparesFingerprints) {
  CertificateFacts facts = Facts();
  facts.chain_trusted = false;
  TlsPolicy policy = With(Level::kFingerprint, {});
  policy.fingerprints = {"other", "key"};
  EXPECT_EQ(JudgeCertificate(policy, &facts).summary, "Verified");
  policy.fingerprints = {"cert"};
  EXPECT_TRUE(JudgeCertificate(policy, &facts).acceptable);
  policy.fingerprints = {"cer"};
  EXPECT_FALSE(JudgeCertificate(policy, &facts).acceptable);
  EXPECT_FALSE(JudgeCertificate(policy, nullptr).acceptable);
}

TlsaRecord Tlsa(uint8_t usage, uint8_t selector, uint8_t type, std::string_view of) {
  std::string data(of);
  if (type == 1) data = Digest(HashKind::kSha256, of);
  if (type == 2) data = Digest(HashKind::kSha512, of);
  return {.usage = usage, .selector = selector, .matching_type = type, .data = data};
}
bool Dane(const TlsaRecord& record, const CertificateFacts& facts,
          std::vector<std::string> names = {"mx.far.example"}) {
  TlsPolicy policy = With(Level::kDane, std::move(names));
  policy.tlsa = {record};
  return JudgeCertificate(policy, &facts).acceptable;
}

TEST(Dane, EndEntityCountsAlone) {
  CertificateFacts facts = Facts();
  facts.chain_trusted = false;
  facts.dns_names = {"quite.other.example"};
  for (uint8_t type = 0; type < 3; ++type) {
    EXPECT_TRUE(Dane(Tlsa(3, 0, type, "leaf"), facts));
    EXPECT_TRUE(Dane(Tlsa(3, 1, type, "leaf key"), facts));
    EXPECT_FALSE(Dane(Tlsa(3, 1, type, "leaf"), facts));
    EXPECT_FALSE(Dane(Tlsa(3, 0, type, "middle"), facts));
  }
  facts.chain.clear();
  EXPECT_FALSE(Dane(Tlsa(3, 0, 0, "leaf"), facts));
}

TEST(Dane, TrustAnchorNeedsAChainAndAName) {
  CertificateFacts facts = Facts();
  facts.chain_trusted = false;         // no public CA is asked
  facts.chain[0].would_anchor = true;  // says nothing of the leaf
  for (uint8_t type = 0; type < 3; ++type) {
    EXPECT_TRUE(Dane(Tlsa(2, 0, type, "middle"), facts));
    EXPECT_TRUE(Dane(Tlsa(2, 1, type, "root key"), facts));
    EXPECT_FALSE(Dane(Tlsa(2, 0, type, "leaf"), facts));  // an issuer, never the leaf itself
    EXPECT_FALSE(Dane(Tlsa(2, 0, type, "middle"), facts, {"other.example"}));
    EXPECT_TRUE(Dane(Tlsa(2, 0, type, "middle"), facts, {"other.example", "mx.far.example"}));
  }
  facts.chain[2].would_anchor = false;  // expired, or not signed by it
  EXPECT_FALSE(Dane(Tlsa(2, 0, 1, "root"), facts));
  EXPECT_TRUE(Dane(Tlsa(2, 0, 1, "middle"), facts));
}

TEST(Dane, NeverCallsHalfOfItVerified) {
  const CertificateFacts facts = Facts();
  TlsPolicy policy = With(Level::kDane);
  policy.tlsa = {Tlsa(3, 0, 1, "leaf")};
  EXPECT_EQ(JudgeCertificate(policy, &facts).summary, "Verified");
  policy.half_dane = true;
  EXPECT_EQ(JudgeCertificate(policy, &facts).summary, "Trusted");
  EXPECT_TRUE(JudgeCertificate(policy, &facts).acceptable);
}

TEST(UsableRecords, AreThoseSmtpKnows) {
  const TlsaRecord good = Tlsa(3, 1, 1, "x");
  TlsaRecord bad = good;
  EXPECT_EQ(UsableRecords({good}), std::vector<TlsaRecord>{good});
  for (const int usage : {0, 1, 4, 255}) {
    bad.usage = static_cast<uint8_t>(usage);
    EXPECT_TRUE(UsableRecords({bad}).empty());
  }
  bad = good;
  bad.selector = 2;
  EXPECT_TRUE(UsableRecords({bad}).empty());
  bad = good;
  bad.matching_type = 3;
  EXPECT_TRUE(UsableRecords({bad}).empty());
  bad = good;
  bad.data.pop_back();
  EXPECT_TRUE(UsableRecords({bad}).empty());
  EXPECT_TRUE(UsableRecords({Tlsa(3, 1, 0, "")}).empty());
}

// RFC 7671 section 9: whoever publishes a strong digest is not bound to the weak one beside it.
TEST(UsableRecords, AreTheStrongestOfEachKind) {
  const TlsaRecord weak = Tlsa(3, 1, 1, "x"), strong = Tlsa(3, 1, 2, "y"), full = Tlsa(3, 1, 0, "z"),
                   anchor = Tlsa(2, 1, 1, "x"), other = Tlsa(3, 0, 1, "x");
  EXPECT_EQ(UsableRecords({weak, strong, full, anchor, other}), (std::vector<TlsaRecord>{strong, full, anchor, other}));
}

}  // namespace
}  // namespace postern::outbound
