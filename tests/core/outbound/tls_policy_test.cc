// Goal: the TLS that smtp(8) of Postfix 3.7 would speak with a destination (TLS_README, postconf(5)), and that nothing
// wrong in a policy ever weakens it. Method: rows of every form, their refusals in the words that a real smtp(8) logged
// for the same rows; TLSA facts of every kind.
#include "core/outbound/tls_policy.h"

#include <gtest/gtest.h>

#include "core/base/base64.h"
#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {
namespace {

using Level = config::ClientTlsLevel;

TlsDestination To(const std::string& text, const std::string& host = "mx.far.example") {
  const Site site = *ParseSite(text, 25);
  return {.text = text,
          .nexthop = site.host,
          .host = host,
          .port = site.port,
          .by_mx = !site.bracketed,
          .mx_secure = true,
          .mx_name = site.host,
          .mx_canonical_name = site.host};
}
config::SmtpClient Client(Level level, std::string_view policies = "") {
  config::SmtpClient client;
  client.tls_level = level;
  client.dns_support = config::SmtpClient::DnsSupport::kDnssec;
  if (!policies.empty()) client.tls.policy_maps = routing::Tables(policies);
  return client;
}
TlsPolicy Policy(const TlsDestination& to, const config::SmtpClient& client, const TlsaFacts* tlsa = nullptr) {
  const TlsChoice choice = ChooseTlsPolicy(to, client, tlsa);
  const auto* policy = std::get_if<TlsPolicy>(&choice.result);
  EXPECT_NE(policy, nullptr) << testing::PrintToString(choice.warnings);
  return policy == nullptr ? TlsPolicy{} : *policy;
}
// The refusal's words and, behind a bar, the first warning.
std::string Refused(const TlsDestination& to, const config::SmtpClient& client, const TlsaFacts* tlsa = nullptr) {
  const TlsChoice choice = ChooseTlsPolicy(to, client, tlsa);
  const auto* refusal = std::get_if<TlsRefusal>(&choice.result);
  if (refusal == nullptr) return "accepted";
  return refusal->status + " " + refusal->text + "|" + (choice.warnings.empty() ? "" : choice.warnings[0]);
}
const std::string kProblem = "4.7.5 client TLS configuration problem|";

TEST(TlsPolicy, TakesMainCfsLevel) {
  EXPECT_FALSE(Policy(To("far.example"), Client(Level::kNone)).wanted());
  const TlsPolicy may = Policy(To("far.example"), Client(Level::kMay));
  EXPECT_TRUE(may.wanted());
  EXPECT_FALSE(may.required());
  EXPECT_EQ(may.versions.lowest(), "TLSv1");
  EXPECT_EQ(may.cipher_grade, "medium");
  EXPECT_EQ(may.exclude_ciphers, "");
  const TlsPolicy encrypt = Policy(To("far.example"), Client(Level::kEncrypt));
  EXPECT_TRUE(encrypt.required());
  EXPECT_FALSE(encrypt.must_match());
  EXPECT_EQ(encrypt.exclude_ciphers, "eNULL");
}

TEST(TlsPolicy, FindsTheRow) {
  const auto client =
      Client(Level::kMay,
             "far.example encrypt\n.far.example none\n.deep.far.example secure\n[hub.example]:587 verify\n"
             "[hub.example] fingerprint match=aa\nport.example:26 none\n.far.example:25 none\n/run/lmtp encrypt\n");
  EXPECT_EQ(Policy(To("far.example"), client).level, Level::kEncrypt);
  EXPECT_EQ(Policy(To("FAR.example"), client).level, Level::kEncrypt);
  EXPECT_EQ(Policy(To("sub.far.example"), client).level, Level::kNone);
  EXPECT_EQ(Policy(To("a.b.deep.far.example"), client).level, Level::kSecure);
  EXPECT_EQ(Policy(To("notfar.example"), client).level, Level::kMay);
  EXPECT_EQ(Policy(To("[hub.example]:587"), client).level, Level::kVerify);
  EXPECT_EQ(Policy(To("[hub.example]"), client).level, Level::kFingerprint);
  EXPECT_EQ(Policy(To("hub.example"), client).level, Level::kMay);        // another key
  EXPECT_EQ(Policy(To("[sub.far.example]"), client).level, Level::kMay);  // brackets have no parents
  EXPECT_EQ(Policy(To("sub.far.example:25"), client).level, Level::kMay);
  EXPECT_EQ(Policy(To("port.example:26"), client).level, Level::kNone);
  const TlsDestination socket{
      .text = "/run/lmtp", .nexthop = "mail.example.test", .host = "mail.example.test", .lmtp = true};
  EXPECT_EQ(Policy(socket, client).level, Level::kEncrypt);
  EXPECT_EQ(Policy(socket, Client(Level::kMay)).level, Level::kNone);  // a socket is private already
  EXPECT_FALSE(NeedsTlsa(socket, Client(Level::kDane)));
  EXPECT_EQ(Refused(socket, Client(Level::kDane)),
            kProblem + "/run/lmtp: the \"dane\" security level is invalid for delivery via unix-domain sockets");
}

TEST(TlsPolicy, ReadsAttributes) {
  auto client = Client(
      Level::kMay,
      "a.example encrypt ciphers=HIGH protocols=>=TLSv1.2:!TLSv1.3 exclude=RC4:3DES connection_reuse=yes "
      "servername=sni.example\n"
      "b.example secure, match=mail.b.example:.b.example match=nexthop tafile=/ta1 tafile=/ta2 servername=hostname\n"
      "c.example verify servername=nexthop\nd.example none match=x\n");
  client.tls.exclude_ciphers = "MD5, SEED";
  client.tls.mandatory_exclude_ciphers = "aDSS";
  client.tls.trust_anchor_files = {"/ta"};
  client.tls.servername = "default.example";
  const TlsPolicy a = Policy(To("a.example"), client);
  EXPECT_EQ(a.cipher_grade, "high");
  EXPECT_EQ(a.versions.lowest(), "TLSv1.2");
  EXPECT_EQ(a.versions.highest(), "TLSv1.2");
  EXPECT_EQ(a.exclude_ciphers, "RC4 3DES eNULL");
  EXPECT_EQ(a.server_name, "sni.example");
  EXPECT_TRUE(a.connection_reuse);
  const TlsPolicy b = Policy(To("b.example"), client);
  EXPECT_EQ(b.match_names, (std::vector<std::string>{"mail.b.example", ".b.example", "b.example"}));
  EXPECT_EQ(b.trust_anchor_files, (std::vector<std::string>{"/ta1", "/ta2"}));
  EXPECT_EQ(b.server_name, "mx.far.example");
  EXPECT_EQ(b.exclude_ciphers, "MD5 SEED aDSS aNULL");
  const TlsPolicy c = Policy(To("c.example"), client);
  EXPECT_EQ(c.match_names, (std::vector<std::string>{"mx.far.example"}));  // verify: hostname
  EXPECT_EQ(c.trust_anchor_files, (std::vector<std::string>{"/ta"}));
  EXPECT_EQ(c.server_name, "c.example");
  const TlsChoice d = ChooseTlsPolicy(To("d.example"), client, nullptr);
  EXPECT_FALSE(std::get<TlsPolicy>(d.result).wanted());
  EXPECT_EQ(
      d.warnings[0],
      "smtp_tls_policy_maps, next-hop destination \"d.example\": ignoring attribute \"match=x\" with TLS disabled");
  const TlsPolicy e = Policy(To("e.example"), client);
  EXPECT_EQ(e.exclude_ciphers, "MD5 SEED");
  EXPECT_EQ(e.server_name, "default.example");
}

TEST(TlsPolicy, NamesWhatSecureMatches) {
  const TlsPolicy secure = Policy(To("far.example"), Client(Level::kSecure));
  EXPECT_EQ(secure.match_names, (std::vector<std::string>{"far.example", ".far.example"}));
  const TlsPolicy ascii = Policy(To("b\xc3\xbc"
                                    "cher.example"),
                                 Client(Level::kSecure));
  EXPECT_EQ(ascii.match_names[0], "xn--bcher-kva.example");
  EXPECT_EQ(ascii.match_names[1], ".xn--bcher-kva.example");
  EXPECT_EQ(Policy(To("[hub.example]:587"), Client(Level::kSecure)).match_names[0], "hub.example");
  auto client = Client(Level::kSecure);
  client.tls.secure_cert_match = {"."};
  EXPECT_EQ(Refused(To("far.example"), client), kProblem + "far.example: ignoring invalid match name: \".\"");
}

TEST(TlsPolicy, RefusesWhatIsWrong) {
  const auto client =
      Client(Level::kNone,
             "a.example encrpyt\nb.example halfdane\nc.example encrypt match=x\nd.example encrypt ciphers=\n"
             "e.example encrypt ciphers=high ciphers=low\nf.example encrypt protocols=TLSv9\ng.example encrypt what=1\n"
             "h.example secure match=\ni.example encrypt servername=-bad-\nj.example may tafile=/x\n"
             "k.example may connection_reuse=perhaps\nl.example may word\nm.example may ciphers=best\n"
             "n.example encrypt protocols=!TLSv1:!TLSv1.1:!TLSv1.2:!TLSv1.3\no.example fingerprint\np.example ,\n"
             "q.example fingerprint match=xyz|\n");
  const std::string where = kProblem + "smtp_tls_policy_maps, next-hop destination \"";
  EXPECT_EQ(Refused(To("a.example"), client), where + "a.example\": invalid security level \"encrpyt\"");
  EXPECT_EQ(Refused(To("b.example"), client), where + "b.example\": invalid security level \"halfdane\"");
  EXPECT_EQ(Refused(To("c.example"), client),
            where + "c.example\": attribute \"match\" invalid at security level \"encrypt\"");
  EXPECT_EQ(Refused(To("d.example"), client), where + "d.example\": attribute \"ciphers\" has empty value");
  EXPECT_EQ(Refused(To("e.example"), client), where + "e.example\": attribute \"ciphers\" is specified multiple times");
  EXPECT_EQ(Refused(To("f.example"), client), kProblem + "f.example: \"TLSv9\" is no TLS protocol version");
  EXPECT_EQ(Refused(To("g.example"), client), where + "g.example\": invalid attribute name: \"what\"");
  EXPECT_EQ(Refused(To("h.example"), client), where + "h.example\": attribute \"match\" has empty value");
  EXPECT_EQ(Refused(To("i.example"), client),
            where + "i.example\": \"servername=-bad-\" specifies an invalid hostname");
  EXPECT_EQ(Refused(To("j.example"), client),
            where + "j.example\": attribute \"tafile\" invalid at security level \"may\"");
  EXPECT_EQ(Refused(To("k.example"), client),
            where + "k.example\": attribute \"connection_reuse\" has bad value: \"perhaps\"");
  EXPECT_EQ(Refused(To("l.example"), client),
            where + "l.example\": malformed attribute/value pair \"word\": missing '=' after attribute name");
  EXPECT_EQ(Refused(To("m.example"), client), kProblem + "m.example: invalid cipher grade: \"best\"");
  EXPECT_TRUE(Refused(To("n.example"), client).starts_with(kProblem));
  EXPECT_EQ(
      Refused(To("o.example"), client),
      kProblem +
          "nexthop domain o.example: configured at fingerprint security level, but with no fingerprints to match.");
  EXPECT_EQ(Refused(To("p.example"), client), where + "p.example\": invalid empty policy");
  EXPECT_EQ(Refused(To("q.example"), client), kProblem + "malformed fingerprint value: xyz");
}

TEST(TlsPolicy, ReadsFingerprints) {
  auto client = Client(Level::kFingerprint, "a.example fingerprint match=AA:bb:01|ccdd match=ee\n");
  client.tls.fingerprint_cert_match = {"0011", "zz", "22:33"};
  EXPECT_EQ(Policy(To("a.example"), client).fingerprints,
            (std::vector<std::string>{"\xaa\xbb\x01", "\xcc\xdd", "\xee"}));
  EXPECT_EQ(Policy(To("b.example"), client).fingerprints, (std::vector<std::string>{*DecodeHex("0011"), "\x22\x33"}));
}

const TlsaRecord kEe{.usage = 3, .selector = 1, .matching_type = 1, .data = std::string(32, 'e')};
const TlsaRecord kPkix{.usage = 1, .selector = 1, .matching_type = 1, .data = std::string(32, 'p')};
TlsaFacts Found(std::vector<TlsaRecord> records) {
  return {.kind = TlsaFacts::Kind::kFound, .records = std::move(records), .base_domain = "mx.far.example"};
}
const TlsaFacts kNone{.kind = TlsaFacts::Kind::kNone};
const TlsaFacts kError{.kind = TlsaFacts::Kind::kError};

TEST(Dane, UsesTheRecords) {
  const TlsaFacts facts = Found({kPkix, kEe});
  EXPECT_TRUE(NeedsTlsa(To("far.example"), Client(Level::kDane)));
  EXPECT_FALSE(NeedsTlsa(To("far.example"), Client(Level::kSecure)));
  for (const Level level : {Level::kDane, Level::kDaneOnly}) {
    const TlsPolicy policy = Policy(To("far.example"), Client(level), &facts);
    EXPECT_EQ(policy.level, level);
    EXPECT_EQ(policy.tlsa, std::vector<TlsaRecord>{kEe});
    EXPECT_EQ(policy.server_name, "mx.far.example");
    EXPECT_EQ(policy.match_names, (std::vector<std::string>{"mx.far.example", "far.example"}));
    EXPECT_EQ(policy.exclude_ciphers, "aNULL");
    EXPECT_FALSE(policy.half_dane);
  }
  TlsDestination aliased = To("far.example");
  aliased.mx_canonical_name = "real.example";
  EXPECT_EQ(Policy(aliased, Client(Level::kDane), &facts).match_names,
            (std::vector<std::string>{"mx.far.example", "real.example", "far.example"}));
  EXPECT_EQ(Policy(To("[mx.far.example]"), Client(Level::kDane), &facts).match_names,
            std::vector<std::string>{"mx.far.example"});
}

TEST(Dane, FallsBackOnlyAsFarAsItMay) {
  const TlsaFacts unusable = Found({kPkix});
  EXPECT_EQ(Policy(To("far.example"), Client(Level::kDane), &kNone).level, Level::kMay);
  EXPECT_EQ(Policy(To("far.example"), Client(Level::kDane), &unusable).level, Level::kEncrypt);  // RFC 7672 section 2.2
  EXPECT_EQ(Refused(To("far.example"), Client(Level::kDane), &kError),
            "4.7.5 TLSA lookup error for mx.far.example:25|");
  EXPECT_EQ(Refused(To("far.example"), Client(Level::kDane)), "4.7.5 TLSA lookup error for mx.far.example:25|");
  EXPECT_EQ(Refused(To("far.example"), Client(Level::kDaneOnly), &kNone), "4.7.5 no TLSA records found|");
  EXPECT_EQ(Refused(To("far.example"), Client(Level::kDaneOnly), &unusable), "4.7.5 TLSA records unusable|");
  EXPECT_EQ(Refused(To("far.example"), Client(Level::kDaneOnly), &kError),
            "4.7.5 TLSA lookup error for mx.far.example:25|");
}

TEST(Dane, MindsInsecureMx) {
  TlsDestination insecure = To("far.example");
  insecure.mx_secure = false;
  const TlsaFacts facts = Found({kEe});
  auto client = Client(Level::kDane);
  client.tls.dane_insecure_mx_policy = Level::kMay;
  EXPECT_FALSE(NeedsTlsa(insecure, client));
  EXPECT_EQ(Policy(insecure, client, &facts).level, Level::kMay);
  client.tls.dane_insecure_mx_policy = Level::kEncrypt;
  EXPECT_TRUE(NeedsTlsa(insecure, client));
  EXPECT_EQ(Policy(insecure, client, &facts).level, Level::kEncrypt);
  EXPECT_EQ(Policy(insecure, client, &kNone).level, Level::kMay);
  client.tls.dane_insecure_mx_policy = Level::kDane;
  const TlsPolicy half = Policy(insecure, client, &facts);
  EXPECT_EQ(half.level, Level::kDane);
  EXPECT_TRUE(half.half_dane);
  client.tls_level = Level::kDaneOnly;
  EXPECT_FALSE(NeedsTlsa(insecure, client));
  EXPECT_EQ(Refused(insecure, client, &facts), "4.7.5 non DNSSEC destination|");
}

TEST(Dane, NeedsDnssec) {
  const TlsaFacts facts = Found({kEe});
  auto client = Client(Level::kDane);
  client.dns_support = config::SmtpClient::DnsSupport::kEnabled;
  EXPECT_FALSE(NeedsTlsa(To("far.example"), client));
  const TlsChoice choice = ChooseTlsPolicy(To("far.example"), client, &facts);
  EXPECT_EQ(std::get<TlsPolicy>(choice.result).level, Level::kMay);
  EXPECT_EQ(choice.warnings[0], "far.example: dane configured with dnssec lookups disabled");
  client.tls_level = Level::kDaneOnly;
  EXPECT_EQ(Refused(To("far.example"), client, &facts),
            kProblem + "far.example: dane-only configured with dnssec lookups disabled");
  client = Client(Level::kDaneOnly);
  client.ignore_mx_lookup_error = true;
  EXPECT_EQ(Refused(To("far.example"), client, &facts),
            kProblem + "far.example: dane-only configured with MX lookup errors ignored");
}

TEST(TlsPolicy, FallsBackToPlaintextOnlyFromMay) {
  for (const Level level : {Level::kMay, Level::kEncrypt, Level::kVerify}) {
    const TlsPolicy policy{.level = level};
    EXPECT_EQ(MayFallBackToPlaintext(policy, true, false), level == Level::kMay);
    EXPECT_FALSE(MayFallBackToPlaintext(policy, false, false));
    EXPECT_FALSE(MayFallBackToPlaintext(policy, true, true));
  }
}

}  // namespace
}  // namespace postern::outbound
