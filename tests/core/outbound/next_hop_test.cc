// Goal: a transport's words ask for what smtp(8), lmtp(8), error(8) and discard(8) of Postfix 3.7 make of them. Method:
// each form of next hop by example; the refusals' words are those that Postfix logs.
#include "core/outbound/next_hop.h"

#include <gtest/gtest.h>

#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {
namespace {

std::string Describe(const NextHop& hop) {
  if (const auto* network = std::get_if<NetworkHop>(&hop)) {
    std::string text = network->lmtp ? "lmtp" : "smtp";
    for (size_t i = 0; i < network->sites.size(); ++i) {
      const Site& site = network->sites[i];
      text += std::string(i == network->fallback_begin ? " else " : " ") + (site.bracketed ? "host " : "domain ") +
              site.host + " " + std::to_string(site.port);
    }
    return text + (network->is_relayhost ? " relayhost" : "");
  }
  if (const auto* socket = std::get_if<SocketHop>(&hop)) return "socket " + socket->path;
  if (const auto* verdict = std::get_if<VerdictHop>(&hop)) {
    const char* names[] = {"bounce ", "defer ", "discard "};
    return names[static_cast<int>(verdict->action)] + verdict->status + " " + verdict->text;
  }
  const auto& mailbox = std::get<MailboxHop>(hop);
  return (mailbox.agent == MailboxHop::Agent::kVirtual ? "virtual " : "local ") + mailbox.nexthop;
}
std::string Asked(std::string name, std::string nexthop, const config::Config& config = TestConfig()) {
  const auto hop = ParseNextHop({.name = std::move(name), .nexthop = std::move(nexthop)}, config);
  return hop.ok() ? Describe(*hop) : "! " + std::string(Message(hop.status()));
}

TEST(ParseNextHop, TakesDomainsHostsAndPorts) {
  EXPECT_EQ(Asked("smtp", "far.example"), "smtp domain far.example 25");
  EXPECT_EQ(Asked("relay", "Far.Example."), "smtp domain Far.Example 25");
  EXPECT_EQ(Asked("smtp", "far.example:2525"), "smtp domain far.example 2525");
  EXPECT_EQ(Asked("smtp", "[far.example]"), "smtp host far.example 25");
  EXPECT_EQ(Asked("smtp", "[far.example]:submission"), "smtp host far.example 587");
  EXPECT_EQ(Asked("smtp", "far.example:smtps"), "smtp domain far.example 465");
  EXPECT_EQ(Asked("smtp", "[192.0.2.1]:"), "smtp host 192.0.2.1 25");
  EXPECT_EQ(Asked("smtp", "192.0.2.1"), "smtp domain 192.0.2.1 25");  // Postfix is sloppy here
  EXPECT_EQ(Asked("smtp", "[IPv6:2001:db8::1]:26"), "smtp host 2001:db8::1 26");
  EXPECT_EQ(Asked("smtp", "[2001:db8::1]"), "smtp host 2001:db8::1 25");
  EXPECT_EQ(Asked("smtp", "[ipv6:2001:db8::1]"), "smtp host 2001:db8::1 25");
  EXPECT_EQ(Asked("smtp", "a.example, [b.example]:26 c.example"),
            "smtp domain a.example 25 host b.example 26 domain c.example 25");
  EXPECT_EQ(std::get<NetworkHop>(*ParseNextHop({"smtp", "[A.example]:26"}, TestConfig())).sites[0].text,
            "[A.example]:26");
}

TEST(ParseNextHop, RefusesWhatItCannotRead) {
  EXPECT_EQ(Asked("smtp", "[far.example"), "! missing \"]\" in server description: [far.example");
  EXPECT_EQ(Asked("smtp", "[far.example]25"), "! garbage after \"]\" in server description: [far.example]25");
  EXPECT_EQ(Asked("smtp", "[IPv6:192.0.2.1]"), "! malformed IPv6 address in server description: [IPv6:192.0.2.1]");
  EXPECT_EQ(Asked("smtp", ":25"), "! missing host information in server description: :25");
  EXPECT_EQ(Asked("smtp", "far..example"),
            "! valid hostname or network address required in server description: far..example");
  for (const std::string port : {"0", "65536", "25x", "gopher", "-1"}) {
    EXPECT_EQ(Asked("smtp", "far.example:" + port), "! bad network port in server description: far.example:" + port);
  }
  EXPECT_EQ(Asked("smtp", ", ,"), "! null destination: \", ,\"");
  EXPECT_EQ(Asked("maildrop", "x"), "! mail transport unavailable: there is no transport \"maildrop\"");
  config::Config config = TestConfig();
  config.smtp_client.fallback_relay = {"[oops"};
  EXPECT_EQ(Asked("smtp", "far.example", config), "! missing \"]\" in server description: [oops");
}

TEST(ParseNextHop, AddsFallbackRelaysAndKnowsTheRelayhost) {
  config::Config config = TestConfig();
  config.smtp_client.fallback_relay = {"[last.example]:26", "more.example"};
  config.smtp_client.relayhost = "[hub.example]";
  EXPECT_EQ(Asked("smtp", "far.example", config),
            "smtp domain far.example 25 else host last.example 26 domain more.example 25");
  EXPECT_EQ(Asked("smtp", "[hub.example]", config),
            "smtp host hub.example 25 else host last.example 26 domain more.example 25 relayhost");
  EXPECT_EQ(Asked("smtp", "hub.example", config),
            "smtp domain hub.example 25 else host last.example 26 domain more.example 25");
}

TEST(ParseNextHop, ReadsLmtp) {
  config::Config config = TestConfig();
  EXPECT_EQ(Asked("lmtp", "unix:private/dovecot-lmtp"), "socket /var/spool/postfix/private/dovecot-lmtp");
  EXPECT_EQ(Asked("lmtp", "unix:/run/dovecot/lmtp"), "socket /run/dovecot/lmtp");
  EXPECT_EQ(Asked("lmtp", "inet:store.example:2003"), "lmtp domain store.example 2003");
  EXPECT_EQ(Asked("lmtp", "store.example"), "lmtp domain store.example 24");
  EXPECT_EQ(Asked("lmtp", "inet:[127.0.0.1]"), "lmtp host 127.0.0.1 24");
  // For SMTP these are hosts that happen to be named so.
  EXPECT_EQ(Asked("smtp", "inet:24"), "smtp domain inet 24");
  config.routing.transports = {{"store", "lmtp"}, {"amavis", "smtp"}};
  EXPECT_EQ(Asked("store", "unix:/run/l", config), "socket /run/l");
  EXPECT_EQ(Asked("amavis", "[127.0.0.1]:10024", config), "smtp host 127.0.0.1 10024");
}

TEST(ParseNextHop, ReadsVerdicts) {
  EXPECT_EQ(Asked("error", "5.1.1 User unknown"), "bounce 5.1.1 User unknown");
  EXPECT_EQ(Asked("error", "  no such host "), "bounce 5.0.0 no such host");
  EXPECT_EQ(Asked("error", "4.7.1 not now"), "bounce 5.0.0 not now");  // bounce(8): "ignoring dsn code"
  EXPECT_EQ(Asked("error", "5.1.1"), "bounce 5.1.1 ");
  EXPECT_EQ(Asked("error", "5.1.1x y"), "bounce 5.0.0 5.1.1x y");
  EXPECT_EQ(Asked("error", "5.1234.1 y"), "bounce 5.0.0 5.1234.1 y");
  EXPECT_EQ(Asked("error", "3.1.1 y"), "bounce 5.0.0 3.1.1 y");
  EXPECT_EQ(Asked("error", "550 5.1.1 y"), "bounce 5.0.0 550 5.1.1 y");
  EXPECT_EQ(Asked("retry", "4.7.1 later"), "defer 4.7.1 later");
  EXPECT_EQ(Asked("retry", "5.7.1 later"), "defer 4.0.0 later");
  EXPECT_EQ(Asked("retry", "Address is undeliverable"), "defer 4.0.0 Address is undeliverable");
  EXPECT_EQ(Asked("discard", "gone.example"), "discard 2.0.0 gone.example");
  EXPECT_EQ(Asked("discard", "2.1.5 into the bin"), "discard 2.1.5 into the bin");
  EXPECT_EQ(Asked("virtual", "example.test"), "virtual example.test");
  EXPECT_EQ(Asked("local", "mail.example.test"), "local mail.example.test");
}

}  // namespace
}  // namespace postern::outbound
