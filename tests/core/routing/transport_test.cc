// Goal: each recipient goes to the transport and next hop that trivial-rewrite(8) of Postfix 3.7.11 names. Method: a
// running Postfix with these parameters and tables was asked at its "rewrite" socket; its answers stand here.
#include "core/routing/transport.h"

#include <gtest/gtest.h>

#include "core/config/pattern_table.h"
#include "core/routing/resolve.h"
#include "tests/core/routing/routing_fixture.h"

namespace postern::routing {
namespace {

std::string Asked(std::string_view recipient, const config::Routing& routing, std::string_view sender = "") {
  const auto from = ParseMailbox(sender);
  const auto transport = FindTransport(*ParseMailbox(recipient), sender.empty() ? nullptr : &*from, routing);
  if (!transport.ok()) return "! " + std::string(Message(transport.status()));
  return transport->name + ":" + transport->nexthop;
}

TEST(FindTransport, FollowsTheClass) {
  const config::Routing routing = TestRouting();
  EXPECT_EQ(Asked("root@localhost.example.test", routing), "local:mail.example.test");
  EXPECT_EQ(Asked("u1@example.test", routing), "virtual:example.test");
  EXPECT_EQ(Asked("u1@Example.Test", routing), "virtual:Example.Test");
  EXPECT_EQ(Asked("x@sub.relay.test", routing), "relay:sub.relay.test");
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:far.example");
  EXPECT_EQ(Asked("x@[192.0.2.7]", routing), "smtp:[192.0.2.7]");
  EXPECT_EQ(Asked("zz@alias.test", routing), "error:5.1.1 User unknown in virtual alias table");
}

TEST(FindTransport, LetsParametersNameTheNextHop) {
  config::Routing routing = TestRouting();
  routing.relayhost = "[hub.example]:587";
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:[hub.example]:587");
  EXPECT_EQ(Asked("x@relay.test", routing), "relay:[hub.example]:587");
  EXPECT_EQ(Asked("u1@example.test", routing), "virtual:example.test");
  EXPECT_EQ(Asked("root@localhost.example.test", routing), "local:mail.example.test");
  routing.default_transport = "smtp:other.example";  // stronger than relayhost
  routing.relay_transport = "lmtp:unix:/run/relay";
  routing.virtual_transport = "lmtp:inet:127.0.0.1:24";
  routing.local_transport = "error:no local mail here";
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:other.example");
  EXPECT_EQ(Asked("x@relay.test", routing), "lmtp:unix:/run/relay");
  EXPECT_EQ(Asked("u1@example.test", routing), "lmtp:inet:127.0.0.1:24");
  EXPECT_EQ(Asked("root@localhost.example.test", routing), "error:no local mail here");
  routing.default_transport = "smtp:";  // no next hop of its own
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:[hub.example]:587");
}

// transport(5), "TABLE SEARCH ORDER" and "RESULT FORMAT".
TEST(FindTransport, AsksTransportMaps) {
  config::Routing routing = TestRouting();
  routing.relayhost = "hub.example";
  routing.transport_maps = Tables(
      "user+ext@far.example smtp:a.example\nuser@far.example smtp:b.example\nfar.example smtp:c.example\n"
      ".far.example smtp:d.example\n.deep.far.example smtp:e.example\nname.example relay\ncolon.example relay:\n"
      "only.example :[10.0.0.1]:2525\nnothing.example :\nerr.example error:4.7.0 not today\nbare.example error\n"
      "later.example retry:\ngone.example discard:\nu1@example.test :elsewhere\nzz@alias.test smtp:x\n"
      "sock.example lmtp:unix:/run/l\n[192.0.2.7] smtp:literal.example\nus%er@odd.example smtp:odd\n");
  EXPECT_EQ(Asked("user+ext@far.example", routing), "smtp:a.example");
  EXPECT_EQ(Asked("user+other@far.example", routing), "smtp:b.example");
  EXPECT_EQ(Asked("USER@FAR.example", routing), "smtp:b.example");
  EXPECT_EQ(Asked("someone@far.example", routing), "smtp:c.example");
  EXPECT_EQ(Asked("someone@a.far.example", routing), "smtp:d.example");
  EXPECT_EQ(Asked("someone@x.deep.far.example", routing), "smtp:e.example");
  EXPECT_EQ(Asked("someone@deep.far.example", routing), "smtp:d.example");
  EXPECT_EQ(Asked("x@notfar.example", routing), "smtp:hub.example");
  EXPECT_EQ(Asked("x@name.example", routing), "relay:name.example");  // the relay host is forgotten
  EXPECT_EQ(Asked("x@colon.example", routing), "relay:colon.example");
  EXPECT_EQ(Asked("x@only.example", routing), "smtp:[10.0.0.1]:2525");
  EXPECT_EQ(Asked("x@nothing.example", routing), "smtp:hub.example");  // a row that changes nothing
  EXPECT_EQ(Asked("x@err.example", routing), "error:4.7.0 not today");
  EXPECT_EQ(Asked("x@bare.example", routing), "error:Address is undeliverable");
  EXPECT_EQ(Asked("x@later.example", routing), "retry:Address is undeliverable");
  EXPECT_EQ(Asked("x@gone.example", routing), "discard:gone.example");
  EXPECT_EQ(Asked("u1@example.test", routing), "virtual:elsewhere");  // the class's transport stays
  EXPECT_EQ(Asked("zz@alias.test", routing), "error:5.1.1 User unknown in virtual alias table");
  EXPECT_EQ(Asked("x@sock.example", routing), "lmtp:unix:/run/l");
  EXPECT_EQ(Asked("x@[192.0.2.7]", routing), "smtp:literal.example");
  EXPECT_EQ(Asked("x@[192.0.2.8]", routing), "smtp:hub.example");
}

TEST(FindTransport, KnowsTheWildcard) {
  config::Routing routing = TestRouting();
  routing.transport_maps = Tables("* smtp:all.example\nexample.test :\n.test :\nlocalhost.example.test local:\n");
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:all.example");
  EXPECT_EQ(Asked("u1@example.test", routing), "virtual:example.test");
  EXPECT_EQ(Asked("x@relay.test", routing), "relay:relay.test");
  EXPECT_EQ(Asked("root@localhost.example.test", routing), "local:localhost.example.test");
  routing.transport_maps = Tables("* error:5.7.1 nothing leaves\n");
  EXPECT_EQ(Asked("u1@example.test", routing), "error:5.7.1 nothing leaves");
  routing.transport_maps = Tables("* error\n");
  EXPECT_EQ(Asked("x@far.example", routing), "error:Address is undeliverable");
  routing.transport_maps = Tables("* relay:\n");
  EXPECT_EQ(Asked("x@far.example", routing), "relay:far.example");
}

TEST(FindTransport, TakesParentsAsParentDomainMatchesSubdomainsSays) {
  config::Routing routing = TestRouting();
  routing.transport_maps = Tables("far.example smtp:c.example\n.dot.example smtp:d.example\n");
  routing.transport_maps_match_subdomains = true;
  EXPECT_EQ(Asked("x@a.b.far.example", routing), "smtp:c.example");
  EXPECT_EQ(Asked("x@a.dot.example", routing), "smtp:a.dot.example");  // ".dot.example" is no key any more
  routing.transport_maps_match_subdomains = false;
  EXPECT_EQ(Asked("x@a.b.far.example", routing), "smtp:a.b.far.example");
  EXPECT_EQ(Asked("x@a.dot.example", routing), "smtp:d.example");
}

// A key is looked for in all tables before the next key is.
TEST(FindTransport, PrefersTheLongerKeyToTheEarlierTable) {
  config::Routing routing = TestRouting();
  routing.transport_maps = {
      .tables = {TextTable(".far.example smtp:first.example\n"), TextTable("a.far.example smtp:second.example\n")}};
  EXPECT_EQ(Asked("x@a.far.example", routing), "smtp:second.example");
}

TEST(FindTransport, DependsOnTheSender) {
  config::Routing routing = TestRouting();
  routing.relayhost = "hub.example";
  routing.sender_dependent_relayhost_maps = Tables(
      "boss@example.test [vip.example]:587\n@sales.example sales-hub.example\n<> bounces.example\nplain@example.test "
      "DUNNO\n"
      "local bare.example\n");
  EXPECT_EQ(Asked("x@far.example", routing, "boss@example.test"), "smtp:[vip.example]:587");
  EXPECT_EQ(Asked("x@far.example", routing, "boss+lists@example.test"), "smtp:[vip.example]:587");
  EXPECT_EQ(Asked("x@far.example", routing, "any@sales.example"), "smtp:sales-hub.example");
  EXPECT_EQ(Asked("x@relay.test", routing, "any@sales.example"), "relay:sales-hub.example");
  EXPECT_EQ(Asked("x@far.example", routing, "plain@example.test"), "smtp:hub.example");
  EXPECT_EQ(Asked("x@far.example", routing, "other@example.test"), "smtp:hub.example");
  EXPECT_EQ(Asked("x@far.example", routing, "local@example.test"), "smtp:bare.example");  // myorigin
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:bounces.example");
  EXPECT_EQ(Asked("u1@example.test", routing, "boss@example.test"), "virtual:example.test");

  routing.sender_dependent_default_transport_maps = Tables(
      "boss@example.test smtp-vip\nnews@example.test slow:[news.example]\n<> null-out\nplain@example.test dunno\n");
  EXPECT_EQ(Asked("x@far.example", routing, "boss@example.test"), "smtp-vip:[vip.example]:587");
  EXPECT_EQ(Asked("x@far.example", routing, "news@example.test"), "slow:[news.example]");
  EXPECT_EQ(Asked("x@far.example", routing, "plain@example.test"), "smtp:hub.example");
  EXPECT_EQ(Asked("x@far.example", routing), "null-out:bounces.example");
  EXPECT_EQ(Asked("x@relay.test", routing, "boss@example.test"), "relay:[vip.example]:587");  // the default class alone
  routing.transport_maps = Tables("far.example smtp:row.example\n");
  EXPECT_EQ(Asked("x@far.example", routing, "news@example.test"), "smtp:row.example");
  routing.null_sender_relayhost_key = "null";
  routing.null_sender_transport_key = "null";
  EXPECT_EQ(Asked("x@other.example", routing), "smtp:hub.example");
}

// regexp: and pcre: are asked for whole addresses, and for "*" itself.
TEST(FindTransport, AsksPatternsNoParts) {
  config::Routing routing = TestRouting();
  config::FindingList findings;
  const auto patterns = [&findings](std::string_view text) {
    return config::TableList{.tables = {config::MakeRegularExpressionTable("regexp:/t", false, text, "/t", &findings)}};
  };
  routing.transport_maps = patterns("/^far\\.example$/ smtp:part\n/^[*]$/ smtp:star\n");
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:star");
  routing.transport_maps = patterns("/^far\\.example$/ smtp:part\n/@far\\.example$/ smtp:whole\n");
  EXPECT_EQ(Asked("x@far.example", routing), "smtp:whole");
  EXPECT_TRUE(findings.all().empty());
}

TEST(FindTransport, TakesEmptyAnswersForFailedLookups) {
  const config::TableList empty = {.tables = {std::make_shared<StaticTable>("")}};
  config::Routing routing = TestRouting();
  routing.sender_dependent_relayhost_maps = empty;
  EXPECT_EQ(Asked("x@far.example", routing, "a@b.example"), "! sender_dependent_relayhost_maps lookup failure");
  routing = TestRouting();
  routing.sender_dependent_default_transport_maps = empty;
  EXPECT_EQ(Asked("x@far.example", routing), "! sender_dependent_default_transport_maps lookup failure");
  routing = TestRouting();
  routing.transport_maps = empty;
  EXPECT_EQ(Asked("x@far.example", routing), "! transport_maps lookup failure");
}

TEST(FindTransport, RefusesNoTransport) {
  config::Routing routing = TestRouting();
  routing.default_transport = ":hub";
  EXPECT_EQ(Asked("x@far.example", routing), "! parameter default_transport: null transport is not allowed");
}

TEST(AgentOf, KnowsMasterCfAndTheUsualNames) {
  config::Routing routing = TestRouting();
  routing.transports = {{"smtp-amavis", "smtp"}, {"lmtp", "lmtp"}, {"retry", "error"}};
  EXPECT_EQ(config::AgentOf("smtp-amavis", routing), "smtp");
  EXPECT_EQ(config::AgentOf("relay", routing), "smtp");
  EXPECT_EQ(config::AgentOf("retry", routing), "error");
  EXPECT_EQ(config::AgentOf("maildrop", routing), "");
}

}  // namespace
}  // namespace postern::routing
