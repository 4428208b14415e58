// Goal: TLSA records are looked for where RFC 7672 section 2.2 says, and a failed look-up is never taken for "none".
// Method: a host of each kind, the questions as a list.
#include "core/outbound/tlsa_lookup.h"

#include <gtest/gtest.h>

#include "tests/core/outbound/dns_fixture.h"

namespace postern::outbound {
namespace {

using Outcome = DnsReply::Outcome;

HostAddress Host(bool secure, const std::string& canonical = "mx.example") {
  return {.address = Ip("192.0.2.1"),
          .host = "mx.example",
          .query_name = "mx.example",
          .canonical_name = canonical,
          .secure = secure};
}
DnsReply Records(bool secure) {
  return {.outcome = Outcome::kFound,
          .secure = secure,
          .tlsa = {{.usage = 3, .selector = 1, .matching_type = 1, .data = "x"}}};
}

// "asked, asked: found at base", "none", "error".
std::string Looked(const HostAddress& host, const TestDns& dns, bool force = false) {
  TlsaLookup lookup(host, 25, force);
  std::string text;
  while (lookup.question()) {
    text += lookup.question()->name + " " + std::string(ToString(lookup.question()->type)) + " ";
    EXPECT_TRUE(lookup.question()->dnssec);
    lookup.Answer(dns.Lookup(*lookup.question()));
  }
  lookup.Answer(Records(true));  // too late
  switch (lookup.facts().kind) {
    case TlsaFacts::Kind::kNone:
      return text + "none";
    case TlsaFacts::Kind::kError:
      return text + "error";
    case TlsaFacts::Kind::kFound:
      return text + "found at " + lookup.facts().base_domain;
  }
  return text;
}

TEST(TlsaLookup, AsksForSecureHostsOnly) {
  TestDns dns;
  dns.Put("_25._tcp.mx.example", RecordType::kTlsa, Records(true));
  EXPECT_EQ(Looked(Host(true), dns), "_25._tcp.mx.example TLSA found at mx.example");
  EXPECT_EQ(Looked(Host(false), dns), "none");
  EXPECT_EQ(Looked(Host(false), dns, true), "_25._tcp.mx.example TLSA found at mx.example");
  EXPECT_EQ(Looked({.address = Ip("192.0.2.1"),
                    .host = "192.0.2.1",
                    .query_name = "192.0.2.1",
                    .canonical_name = "192.0.2.1",
                    .secure = true},
                   dns),
            "none");
}

TEST(TlsaLookup, TakesNoUnsignedRecords) {
  TestDns dns;
  dns.Put("_25._tcp.mx.example", RecordType::kTlsa, Records(false));
  EXPECT_EQ(Looked(Host(true), dns), "_25._tcp.mx.example TLSA none");
  dns.Fails("_25._tcp.mx.example", RecordType::kTlsa, Outcome::kNoData);
  EXPECT_EQ(Looked(Host(true), dns), "_25._tcp.mx.example TLSA none");
}

TEST(TlsaLookup, TellsErrorsFromNone) {
  TestDns dns;
  for (const Outcome outcome : {Outcome::kTryAgain, Outcome::kFailed, Outcome::kMalformed}) {
    dns.Fails("_25._tcp.mx.example", RecordType::kTlsa, outcome);
    EXPECT_EQ(Looked(Host(true), dns), "_25._tcp.mx.example TLSA error");
  }
}

TEST(TlsaLookup, FollowsAliases) {
  TestDns dns;
  dns.Put("_25._tcp.mx.example", RecordType::kTlsa, Records(true));
  EXPECT_EQ(Looked(Host(true, "real.example"), dns),
            "_25._tcp.real.example TLSA _25._tcp.mx.example TLSA found at mx.example");
  dns.Put("_25._tcp.real.example", RecordType::kTlsa, Records(true));
  EXPECT_EQ(Looked(Host(true, "real.example"), dns), "_25._tcp.real.example TLSA found at real.example");
  dns.Fails("_25._tcp.real.example", RecordType::kTlsa, Outcome::kTryAgain);
  EXPECT_EQ(Looked(Host(true, "real.example"), dns), "_25._tcp.real.example TLSA error");
  // The alias leads out of the signed part: its own name may still have records.
  EXPECT_EQ(Looked(Host(false, "real.example"), dns), "mx.example CNAME error");
  dns.Put("mx.example", RecordType::kCname, {.outcome = Outcome::kFound, .secure = true});
  EXPECT_EQ(Looked(Host(false, "real.example"), dns), "mx.example CNAME _25._tcp.mx.example TLSA found at mx.example");
  dns.Put("mx.example", RecordType::kCname, {.outcome = Outcome::kFound, .secure = false});
  EXPECT_EQ(Looked(Host(false, "real.example"), dns), "mx.example CNAME none");
}

}  // namespace
}  // namespace postern::outbound
