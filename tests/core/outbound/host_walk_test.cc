// Goal: sites and addresses are tried in smtp(8)'s order, within its limits, and what is said at the end is what it
// says. Method: a walk is led by a script of how each attempt ends; the addresses it names are compared.
#include "core/outbound/host_walk.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/core/outbound/dns_fixture.h"

namespace postern::outbound {
namespace {

class HostWalkTest : public testing::Test {
 protected:
  HostWalkTest() {
    config_.smtp_client.randomize_addresses = false;
    dns_.Mx("far.example", {{10, "mx1.example"}, {20, "mx2.example"}, {30, "mx3.example"}});
    dns_.Host("mx1.example", {"192.0.2.1"});
    dns_.Host("mx2.example", {"192.0.2.2"});
    dns_.Host("mx3.example", {"192.0.2.3"});
    dns_.Host("last.example", {"192.0.2.9"});
    dns_.Host("us.example", {"127.0.0.1"});
  }

  // Each attempt as "1", "2" (the address's last number) with "!" where it is final from the start, "?" once a
  // transaction begins; `end` says how it ends.
  std::string Walk(const std::string& nexthop, const std::function<void(HostWalk&, const HostWalk::Try&)>& end) {
    auto hop = ParseNextHop({.name = "smtp", .nexthop = nexthop}, config_);
    HostWalk walk(std::get<NetworkHop>(*hop), std::make_shared<config::Config>(config_));
    Entropy entropy({});
    std::string text;
    for (int steps = 0; steps < 100; ++steps) {
      const HostWalk::Step step = walk.Next(entropy);
      if (const auto* ask = std::get_if<HostWalk::Ask>(&step)) {
        for (const DnsQuestion& question : ask->questions) walk.Answer(question, dns_.Lookup(question));
      } else if (const auto* attempt = std::get_if<HostWalk::Try>(&step)) {
        EXPECT_EQ(std::get<HostWalk::Try>(walk.Next(entropy)).address, attempt->address);  // the same until it ended
        const std::string address = attempt->address.address.ToString();
        text += address.substr(address.rfind('.') + 1) + (attempt->plaintext ? "p" : "") +
                (attempt->best_mx ? "b" : "") +
                (attempt->final_before_transaction ? "!"
                 : attempt->final_in_transaction   ? "?"
                                                   : "") +
                " ";
        end(walk, *attempt);
      } else {
        const auto& over = std::get<HostWalk::End>(step);
        for (const std::string& warning : walk.TakeWarnings()) text += "(" + warning + ") ";
        return text + (over.transport.empty() ? over.status + " " + over.text : "to " + over.transport);
      }
    }
    return text + "for ever";
  }
  static void Unreachable(HostWalk& walk, const HostWalk::Try& attempt) {
    walk.OnUnreachable("4.4.1", "connect to " + attempt.address.host);
  }
  static void Session(HostWalk& walk, const HostWalk::Try& attempt) {
    walk.OnSession("4.4.2", "lost " + attempt.address.host);
  }
  static void Refused(HostWalk& walk, const HostWalk::Try& attempt) {
    walk.OnRefused("4.3.2", "refused by " + attempt.address.host);
  }

  config::Config config_ = TestConfig();
  TestDns dns_;
};

TEST_F(HostWalkTest, TriesAllAddresses) {
  EXPECT_EQ(Walk("far.example", Unreachable), "1b 2 3! 4.4.1 connect to mx3.example");
  EXPECT_EQ(Walk("far.example", Refused), "1b 2 3! 4.3.2 refused by mx3.example");
  config_.smtp_client.mx_address_limit = 2;
  EXPECT_EQ(Walk("far.example", Unreachable), "1b 2! 4.4.1 connect to mx2.example");
}

TEST_F(HostWalkTest, CountsSessions) {
  EXPECT_EQ(Walk("far.example", Session), "1b 2? 4.4.2 lost mx2.example");
  config_.smtp_client.mx_session_limit = 1;
  EXPECT_EQ(Walk("far.example", Session), "1b? 4.4.2 lost mx1.example");
  EXPECT_EQ(Walk("far.example",
                 [](HostWalk& walk, const HostWalk::Try& attempt) {
                   attempt.best_mx ? Refused(walk, attempt) : Session(walk, attempt);
                 }),
            "1b? 2? 4.4.2 lost mx2.example");
  config_.smtp_client.mx_session_limit = 0;
  EXPECT_EQ(Walk("far.example", Session), "1b 2 3! 4.4.2 lost mx3.example");
}

TEST_F(HostWalkTest, GoesOnToFallbackRelays) {
  config_.smtp_client.fallback_relay = {"[last.example]"};
  EXPECT_EQ(Walk("far.example", Unreachable), "1b 2 3 9b! 4.4.1 connect to last.example");
  EXPECT_EQ(Walk("far.example", Session), "1b 2 9b! 4.4.2 lost last.example");  // the limit is each site's own
  config_.smtp_client.mx_session_limit = 1;
  dns_.Host("last.example", {"192.0.2.10"});
  EXPECT_EQ(Walk("far.example", Session), "1b 9b? 4.4.2 lost last.example");
  EXPECT_EQ(Walk("gone.example", Unreachable), "9b? 10b! 4.4.1 connect to last.example");  // also after a hard error
  EXPECT_EQ(Walk("[mx1.example], [mx2.example]", Unreachable), "1b 2b 9b? 10b! 4.4.1 connect to last.example");
  config_.smtp_client.fallback_relay = {"[gone.example]"};
  EXPECT_EQ(
      Walk("far.example", Unreachable),
      "1b 2 3 (smtp_fallback_relay configuration problem) 4.3.5 Host or domain name not found. Name service error for "
      "name=gone.example type=AAAA: Host not found");
}

TEST_F(HostWalkTest, NeverFallsBackWhereWeAreTheBackup) {
  config_.smtp_client.fallback_relay = {"[last.example]"};
  dns_.Mx("far.example", {{10, "mx1.example"}, {20, "us.example"}});
  EXPECT_EQ(Walk("far.example", Unreachable), "1b! 4.4.1 connect to mx1.example");
  dns_.Mx("far.example", {{10, "us.example"}, {20, "mx1.example"}});
  EXPECT_EQ(Walk("far.example", Unreachable), "5.4.6 mail for far.example loops back to myself");
  EXPECT_EQ(Walk("[us.example]", Unreachable), "5.4.6 mail for us.example loops back to myself");
  dns_.Mx("far.example", {{5, "gone.example"}, {10, "us.example"}});
  EXPECT_EQ(Walk("far.example", Unreachable), "4.4.4 unable to find primary relay for far.example");
  config_.smtp_client.fallback_relay = {"[us.example]"};
  EXPECT_EQ(Walk("gone.example", Unreachable),
            "(smtp_fallback_relay configuration problem) 4.3.5 mail for us.example loops back to myself");
}

TEST_F(HostWalkTest, GivesLoopsToBestMxTransport) {
  config_.smtp_client.best_mx_transport = "local";
  dns_.Mx("far.example", {{10, "us.example"}});
  EXPECT_EQ(Walk("far.example", Unreachable), "to local");
  EXPECT_TRUE(Walk("gone.example", Unreachable).starts_with("5.4.4 "));
}

TEST_F(HostWalkTest, NeverBouncesForRelayhost) {
  config_.smtp_client.relayhost = "gone.example";
  EXPECT_EQ(
      Walk("gone.example", Unreachable),
      "(relayhost configuration problem) 4.3.5 Host or domain name not found. Name service error for name=gone.example "
      "type=AAAA: Host not found");
  config_.smtp_client.relayhost = "[us.example]";
  config_.smtp_client.best_mx_transport = "local";
  EXPECT_EQ(Walk("[us.example]", Unreachable),
            "(relayhost configuration problem) 4.3.5 mail for us.example loops back to myself");
}

TEST_F(HostWalkTest, TriesTheSameAddressWithoutTls) {
  EXPECT_EQ(Walk("far.example",
                 [](HostWalk& walk, const HostWalk::Try& attempt) {
                   attempt.plaintext ? Session(walk, attempt) : walk.RetryInPlaintext();
                 }),
            "1b 1pb 2? 2p? 4.4.2 lost mx2.example");
}

TEST_F(HostWalkTest, WarnsOfMxWithoutAddresses) {
  dns_.Mx("empty.example", {{10, "gone.example"}});
  EXPECT_TRUE(Walk("empty.example", Unreachable)
                  .starts_with("(no MX host for empty.example has a valid address record) 5.4.4 "));
}

TEST_F(HostWalkTest, IgnoresReportsWithoutAnAttempt) {
  auto hop = ParseNextHop({.name = "smtp", .nexthop = "far.example"}, config_);
  HostWalk walk(std::get<NetworkHop>(*hop), std::make_shared<config::Config>(config_));
  walk.OnSession("4.4.2", "x");
  walk.OnSession("4.4.2", "x");
  walk.OnUnreachable("4.4.2", "x");
  walk.RetryInPlaintext();
  Entropy entropy({});
  const auto mx = std::get<HostWalk::Ask>(walk.Next(entropy)).questions;
  ASSERT_EQ(mx.size(), 1u);
  EXPECT_TRUE(std::get<HostWalk::Ask>(walk.Next(entropy)).questions.empty());  // asked already, waiting
  walk.Answer(mx[0], dns_.Lookup(mx[0]));
  const auto hosts = std::get<HostWalk::Ask>(walk.Next(entropy)).questions;
  for (const DnsQuestion& question : hosts) walk.Answer(question, dns_.Lookup(question));
  // The two sessions that never were do not count.
  EXPECT_FALSE(std::get<HostWalk::Try>(walk.Next(entropy)).plaintext);
  walk.OnSession("4.4.2", "lost");
  EXPECT_TRUE(std::get<HostWalk::Try>(walk.Next(entropy)).final_in_transaction);
  walk.OnSession("4.4.2", "lost");
  EXPECT_EQ(std::get<HostWalk::End>(walk.Next(entropy)).text, "lost");
}

}  // namespace
}  // namespace postern::outbound
