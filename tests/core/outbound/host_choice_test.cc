// Goal: the hosts that smtp(8) of Postfix 3.7 tries, in its order, and its words where there are none. Method: each
// rule on a small DNS; what is said of failures was compared with a real smtp(8) before a name server that fails in
// these ways.
#include "core/outbound/host_choice.h"

#include <gtest/gtest.h>

#include "tests/core/outbound/dns_fixture.h"

namespace postern::outbound {
namespace {

using Outcome = DnsReply::Outcome;
using AddressPreference = config::SmtpClient::AddressPreference;
using DnsSupport = config::SmtpClient::DnsSupport;

class HostChoiceTest : public testing::Test {
 protected:
  HostChoiceTest() { config_.smtp_client.randomize_addresses = false; }

  HostResult Choose(const std::string& site, bool lmtp = false) {
    HostChoice choice(*ParseSite(site, lmtp ? 24 : 25), lmtp, std::make_shared<config::Config>(config_));
    asked_.clear();
    while (!choice.done()) {
      const auto questions = choice.TakeQuestions();
      EXPECT_FALSE(questions.empty());
      if (questions.empty()) break;
      for (const DnsQuestion& question : questions) {
        asked_ += question.name + " " + std::string(ToString(question.type)) + (question.dnssec ? "+" : "") + ", ";
        choice.Answer(question, dns_.Lookup(question));
      }
    }
    EXPECT_TRUE(choice.TakeQuestions().empty());
    Entropy entropy({});
    return choice.Conclude(entropy);
  }
  // "mx1/192.0.2.1 mx2/192.0.2.2", or "5.4.4 words".
  std::string Chosen(const std::string& site, bool lmtp = false) {
    const HostResult result = Choose(site, lmtp);
    if (const auto* failure = std::get_if<HostFailure>(&result)) return failure->status + " " + failure->text;
    std::string text;
    for (const HostAddress& host : std::get<HostList>(result).addresses)
      text += host.host + "/" + host.address.ToString() + " ";
    return text + (std::get<HostList>(result).found_self ? "(self)" : "");
  }

  config::Config config_ = TestConfig();
  TestDns dns_;
  std::string asked_;
};

TEST_F(HostChoiceTest, OrdersByPreference) {
  dns_.Mx("far.example", {{20, "mx2.far.example"}, {10, "mx1.far.example"}});
  dns_.Host("mx1.far.example", {"192.0.2.1", "2001:db8::1"});
  dns_.Host("mx2.far.example", {"192.0.2.2"});
  EXPECT_EQ(Chosen("far.example"), "mx1.far.example/192.0.2.1 mx1.far.example/2001:db8::1 mx2.far.example/192.0.2.2 ");
  EXPECT_EQ(asked_,
            "far.example MX, mx1.far.example A, mx1.far.example AAAA, mx2.far.example A, mx2.far.example AAAA, ");
  const HostList list = std::get<HostList>(Choose("far.example"));
  EXPECT_TRUE(list.by_mx);
  EXPECT_EQ(list.best_preference, 10u);
  EXPECT_EQ(list.addresses[2].preference, 20u);
}

TEST_F(HostChoiceTest, FindsTheDomainItselfWithoutMx) {
  dns_.Host("far.example", {"192.0.2.9"});
  EXPECT_EQ(Chosen("far.example"), "far.example/192.0.2.9 ");
  EXPECT_EQ(asked_, "far.example MX, far.example A, far.example AAAA, ");
  EXPECT_FALSE(std::get<HostList>(Choose("far.example")).by_mx);
}

TEST_F(HostChoiceTest, AsksNoMxOfBracketsAddressesAndLmtp) {
  dns_.Mx("far.example", {{10, "mx.far.example"}});
  dns_.Host("far.example", {"192.0.2.9"});
  EXPECT_EQ(Chosen("[far.example]"), "far.example/192.0.2.9 ");
  EXPECT_EQ(asked_, "far.example A, far.example AAAA, ");
  EXPECT_EQ(Chosen("far.example", true), "far.example/192.0.2.9 ");
  EXPECT_EQ(Chosen("[192.0.2.5]"), "192.0.2.5/192.0.2.5 ");
  EXPECT_EQ(asked_, "");
  EXPECT_EQ(Chosen("192.0.2.5"), "192.0.2.5/192.0.2.5 ");
  EXPECT_EQ(Chosen("[IPv6:2001:db8::5]"), "2001:db8::5/2001:db8::5 ");
  config_.smtp_client.dns_support = DnsSupport::kDisabled;
  config_.smtp_client.lookup_dns = false;
  config_.smtp_client.lookup_native = true;
  dns_.Native("far.example", {"192.0.2.10"});
  EXPECT_EQ(Chosen("far.example"), "far.example/192.0.2.10 ");
  EXPECT_EQ(asked_, "far.example native, ");
}

TEST_F(HostChoiceTest, BouncesNullMx) {
  dns_.Mx("none.example", {{0, ""}});
  EXPECT_EQ(Chosen("none.example"), "5.1.10 Domain none.example does not accept mail (nullMX)");
  dns_.Mx("none.example", {{0, "."}, {10, "mx.none.example"}});
  EXPECT_EQ(Chosen("none.example"), "5.1.10 Domain none.example does not accept mail (nullMX)");
  EXPECT_EQ(asked_, "none.example MX, ");
}

TEST_F(HostChoiceTest, SaysWhyThereIsNoHost) {
  const std::string start = "Host or domain name not found. Name service error for name=far.example type=";
  EXPECT_EQ(Chosen("far.example"), "5.4.4 " + start + "AAAA: Host not found");
  config_.smtp_client.ipv6 = false;
  EXPECT_EQ(Chosen("far.example"), "5.4.4 " + start + "A: Host not found");
  config_.smtp_client.ipv6 = true;
  dns_.Put("far.example", RecordType::kTlsa, {.outcome = Outcome::kFound});  // the name exists
  EXPECT_EQ(Chosen("far.example"), "5.4.4 " + start + "AAAA: Host found but no data record of requested type");
  dns_.Fails("far.example", RecordType::kMx, Outcome::kTryAgain);
  EXPECT_EQ(Chosen("far.example"), "4.4.3 " + start + "MX: Host not found, try again");
  dns_.Fails("far.example", RecordType::kMx, Outcome::kFailed);
  EXPECT_EQ(Chosen("far.example"), "5.4.3 " + start + "MX: Non-recoverable error");
  dns_.Fails("far.example", RecordType::kMx, Outcome::kMalformed);
  EXPECT_EQ(Chosen("far.example"),
            "5.4.4 Name service error for name=far.example type=MX: Malformed or unexpected name server reply");
  dns_.Fails("far.example", RecordType::kMx, Outcome::kNoData);
  dns_.Fails("far.example", RecordType::kA, Outcome::kTryAgain);
  EXPECT_EQ(Chosen("far.example"), "4.4.3 " + start + "A: Host not found, try again");
  dns_.Fails("far.example", RecordType::kA, Outcome::kLoop);
  dns_.Fails("far.example", RecordType::kAaaa, Outcome::kLoop);
  EXPECT_EQ(Chosen("far.example"), "5.4.4 Name server loop for far.example");
  EXPECT_EQ(Chosen("[IPv6:2001:db8::1]"), "2001:db8::1/2001:db8::1 ");
  config_.smtp_client.ipv6 = false;
  EXPECT_EQ(Chosen("[IPv6:2001:db8::1]"), "5.4.4 Name service error for 2001:db8::1: invalid host or domain name");
  config_.smtp_client.ipv4 = false;
  EXPECT_EQ(Chosen("far.example"), "4.4.4 all network protocols are disabled");
}

// RFC 5321 section 5.1: an MX list none of whose hosts can be found is an error, never a reason to try the domain
// itself.
TEST_F(HostChoiceTest, TakesNoAddressOfTheDomainWhereThereAreMx) {
  dns_.Mx("far.example", {{10, "mx1.far.example"}, {20, "mx2.far.example"}});
  dns_.Host("far.example", {"192.0.2.9"});
  EXPECT_EQ(
      Chosen("far.example"),
      "5.4.4 Host or domain name not found. Name service error for name=mx2.far.example type=AAAA: Host not found");
  EXPECT_EQ(std::get<HostFailure>(Choose("far.example")).warning,
            "no MX host for far.example has a valid address record");
  config_.smtp_client.defer_if_no_mx_address_found = true;
  EXPECT_TRUE(Chosen("far.example").starts_with("4.4.4 "));
}

TEST_F(HostChoiceTest, NeverLetsAHardErrorHideASoftOne) {
  dns_.Mx("far.example", {{10, "mx1.far.example"}, {20, "mx2.far.example"}});
  dns_.Fails("mx1.far.example", RecordType::kA, Outcome::kTryAgain);
  EXPECT_EQ(
      Chosen("far.example"),
      "4.4.4 Host or domain name not found. Name service error for name=mx2.far.example type=AAAA: Host not found");
  dns_.Host("mx2.far.example", {"192.0.2.2"});  // one that can be found is enough
  EXPECT_EQ(Chosen("far.example"), "mx2.far.example/192.0.2.2 ");
}

TEST_F(HostChoiceTest, PassesOverMalformedMxNames) {
  dns_.Mx("far.example", {{5, "bad..name"}, {10, "192.0.2.77"}, {20, "mx.far.example"}});
  dns_.Host("mx.far.example", {"192.0.2.2"});
  EXPECT_EQ(Chosen("far.example"), "192.0.2.77/192.0.2.77 mx.far.example/192.0.2.2 ");
  dns_.Mx("far.example", {{5, "bad..name"}});
  EXPECT_EQ(Chosen("far.example"),
            "5.4.4 Name service error for name=far.example type=MX: Malformed or unexpected name server reply");
}

TEST_F(HostChoiceTest, CutsAtItself) {
  dns_.Mx("far.example",
          {{10, "mx1.far.example"}, {20, "us.example"}, {20, "mx2.far.example"}, {30, "mx3.far.example"}});
  dns_.Host("mx1.far.example", {"192.0.2.1"});
  dns_.Host("mx2.far.example", {"192.0.2.2"});
  dns_.Host("mx3.far.example", {"192.0.2.3"});
  dns_.Host("us.example", {"127.0.0.1"});
  EXPECT_EQ(Chosen("far.example"), "mx1.far.example/192.0.2.1 (self)");
  // On another port there may be another server.
  EXPECT_EQ(Chosen("far.example:26").find("(self)"), std::string::npos);
}

TEST_F(HostChoiceTest, BouncesLoops) {
  dns_.Mx("far.example", {{10, "us.example"}, {20, "mx2.far.example"}});
  dns_.Host("us.example", {"127.0.0.1"});
  dns_.Host("mx2.far.example", {"192.0.2.2"});
  EXPECT_EQ(Chosen("far.example"), "5.4.6 mail for far.example loops back to myself");
  EXPECT_TRUE(std::get<HostFailure>(Choose("far.example")).loops());
  EXPECT_TRUE(std::get<HostFailure>(Choose("far.example")).found_self);
  EXPECT_EQ(Chosen("us.example"), "5.4.6 mail for us.example loops back to myself");
  EXPECT_EQ(Chosen("[127.0.0.1]"), "5.4.6 mail for 127.0.0.1 loops back to myself");
  EXPECT_EQ(Chosen("[127.0.0.1]:2525"), "127.0.0.1/127.0.0.1 ");
  EXPECT_EQ(Chosen("us.example", true), "us.example/127.0.0.1 ");
  // A better host that cannot be found today is the primary still.
  dns_.Mx("far.example", {{5, "gone.example"}, {10, "us.example"}});
  EXPECT_EQ(Chosen("far.example"), "4.4.4 unable to find primary relay for far.example");
}

TEST_F(HostChoiceTest, PrefersAndBalancesFamilies) {
  dns_.Mx("far.example", {{10, "a.example"}, {20, "b.example"}});
  dns_.Host("a.example", {"192.0.2.1", "2001:db8::1"});
  dns_.Host("b.example", {"192.0.2.2", "2001:db8::2"});
  config_.smtp_client.address_preference = AddressPreference::kIpv6;
  EXPECT_EQ(Chosen("far.example"),
            "a.example/2001:db8::1 a.example/192.0.2.1 b.example/2001:db8::2 b.example/192.0.2.2 ");
  config_.smtp_client.address_preference = AddressPreference::kIpv4;
  EXPECT_EQ(Chosen("far.example"),
            "a.example/192.0.2.1 a.example/2001:db8::1 b.example/192.0.2.2 b.example/2001:db8::2 ");
  config_.smtp_client.ipv4 = false;
  EXPECT_EQ(Chosen("far.example"), "a.example/2001:db8::1 b.example/2001:db8::2 ");
  config_.smtp_client.ipv4 = true;
  config_.smtp_client.address_preference = AddressPreference::kIpv6;
  dns_.Host("a.example", {"2001:db8::3", "2001:db8::4", "2001:db8::5"});
  config_.smtp_client.mx_address_limit = 3;
  // a has 4 of v6 and 1 of v4, b one of each: the first's family gets the odd one.
  EXPECT_EQ(Chosen("far.example"), "a.example/2001:db8::1 a.example/2001:db8::3 a.example/192.0.2.1 ");
  config_.smtp_client.balance_inet_protocols = false;
  EXPECT_EQ(Chosen("far.example"), "a.example/2001:db8::1 a.example/2001:db8::3 a.example/2001:db8::4 ");
  config_.smtp_client.mx_address_limit = 0;
  EXPECT_EQ(std::get<HostList>(Choose("far.example")).addresses.size(), 7u);
}

TEST(BalanceFamilies, GivesTheOddOneToTheFirstsFamily) {
  for (const bool v6_first : {false, true}) {
    std::vector<HostAddress> list;
    for (int i = 0; i < 6; ++i) list.push_back({.address = {.v6 = (i < 3) == v6_first}});
    BalanceFamilies(&list, 3);
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[0].address.v6, v6_first);
    EXPECT_EQ(list[1].address.v6, v6_first);
    EXPECT_EQ(list[2].address.v6, !v6_first);
  }
}

TEST_F(HostChoiceTest, AsksTheHostsOwnFilesLast) {
  config_.smtp_client.lookup_native = true;
  dns_.Native("inside.example", {"10.0.0.1"});
  EXPECT_EQ(Chosen("inside.example"), "inside.example/10.0.0.1 ");
  EXPECT_EQ(asked_, "inside.example MX, inside.example A, inside.example AAAA, inside.example native, ");
  EXPECT_EQ(Chosen("gone.example"), "5.4.4 unable to look up host gone.example: Name or service not known");
  dns_.Fails("gone.example", RecordType::kNative, Outcome::kTryAgain);
  EXPECT_EQ(Chosen("gone.example"), "4.4.4 unable to look up host gone.example: Temporary failure in name resolution");
  dns_.Fails("gone.example", RecordType::kAaaa, Outcome::kTryAgain);  // the DNS may know: nobody else is asked
  EXPECT_EQ(Chosen("gone.example"),
            "4.4.3 Host or domain name not found. Name service error for name=gone.example type=AAAA: Host not found, "
            "try again");
  EXPECT_EQ(asked_, "gone.example MX, gone.example A, gone.example AAAA, ");
}

TEST_F(HostChoiceTest, IgnoresMxErrorsWhereTold) {
  dns_.Fails("far.example", RecordType::kMx, Outcome::kTryAgain);
  dns_.Host("far.example", {"192.0.2.9"});
  EXPECT_TRUE(Chosen("far.example").starts_with("4.4.3"));
  config_.smtp_client.ignore_mx_lookup_error = true;
  EXPECT_EQ(Chosen("far.example"), "far.example/192.0.2.9 ");
  dns_.Mx("far.example", {{0, ""}});
  EXPECT_TRUE(Chosen("far.example").starts_with("5.1.10"));
}

TEST_F(HostChoiceTest, KeepsWhatDaneNeeds) {
  config_.smtp_client.dns_support = DnsSupport::kDnssec;
  dns_.Mx("far.example", {{10, "mx.far.example"}}, true);
  dns_.Host("mx.far.example", {"192.0.2.1"}, true, "real.example");
  const HostList list = std::get<HostList>(Choose("far.example"));
  EXPECT_EQ(asked_, "far.example MX+, mx.far.example A+, mx.far.example AAAA+, ");
  EXPECT_TRUE(list.mx_secure);
  EXPECT_EQ(list.mx_name, "far.example");
  EXPECT_TRUE(list.addresses[0].secure);
  EXPECT_EQ(list.addresses[0].host, "mx.far.example");
  EXPECT_EQ(list.addresses[0].canonical_name, "real.example");
  config_.smtp_client.cname_overrides_servername = true;
  EXPECT_EQ(Chosen("far.example"), "real.example/192.0.2.1 ");
  dns_.Mx("far.example", {{10, "mx.far.example"}}, false);
  Choose("far.example");
  EXPECT_EQ(asked_, "far.example MX+, mx.far.example A, mx.far.example AAAA, ");
  config_.smtp_client.tls.dane_insecure_mx_policy = config::ClientTlsLevel::kDane;
  Choose("far.example");
  EXPECT_EQ(asked_, "far.example MX+, mx.far.example A+, mx.far.example AAAA+, ");
}

TEST_F(HostChoiceTest, AsksInAscii) {
  dns_.Host("xn--bcher-kva.example", {"192.0.2.1"});
  EXPECT_EQ(Chosen("b\xc3\xbc"
                   "cher.example"),
            "xn--bcher-kva.example/192.0.2.1 ");
  EXPECT_EQ(AsciiDomain("plain.example"), "plain.example");
}

TEST_F(HostChoiceTest, BoundsWhatItAsks) {
  std::vector<MxRecord> records;
  for (uint16_t i = 0; i < 1000; ++i)
    records.push_back({static_cast<uint16_t>(1000 - i), "mx" + std::to_string(i) + ".example"});
  dns_.Mx("far.example", records);
  std::vector<std::string> addresses;
  for (int i = 0; i < 250; ++i) addresses.push_back("192.0.2." + std::to_string(i));
  dns_.Host("mx999.example", addresses);
  config_.smtp_client.mx_address_limit = 0;
  const HostList list = std::get<HostList>(Choose("far.example"));
  EXPECT_EQ(list.addresses.size(), kHostAddressesMax);
  EXPECT_EQ(list.best_preference, 1u);
  EXPECT_EQ(static_cast<size_t>(std::count(asked_.begin(), asked_.end(), ',')), 1 + 2 * kMxHostsMax);
}

}  // namespace
}  // namespace postern::outbound
