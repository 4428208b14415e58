// Goal: the local class's recipients go where Postfix 3.7.11's local(8) sends them. Method: an aliases file and
// recipients that a running Postfix was given (myorigin in mydestination), with what its log said became of each; then
// the ways.
#include "core/routing/local_aliases.h"

#include <gtest/gtest.h>

#include "core/config/pattern_table.h"
#include "core/routing/resolve.h"
#include "tests/core/routing/routing_fixture.h"

namespace postern::routing {
namespace {

config::Routing LocalRouting() {
  config::Routing routing = TestRouting();
  routing.myorigin = "local.test";
  routing.mydestination = Names({"local.test", "localhost"});
  config::FindingList findings;
  routing.alias_maps = {
      .tables = {config::MakeTextTable("hash:/a",
                                       "postmaster: root\n"
                                       "root: u1@example.test\n"
                                       "list: u1@example.test, far@far.example\n"
                                       "owner-list: admin@far.example\n"
                                       "self: self, u1@example.test\n"
                                       "loopa: loopb\n"
                                       "loopb: loopa\n"
                                       "l0: l1, u2@example.test\nl1: l2\nl2: l0, u1@example.test\n"
                                       "\"odd name\": u1@example.test\n"
                                       "cmd: \"|/bin/cat\"\nfile: /tmp/out\nboth: \"|/bin/cat\", u1@example.test\n"
                                       "unk: nobodyhere, u1@example.test\nonlyunk: nobodyhere\n"
                                       "ext+one: u2@example.test\next: u1@example.test\n"
                                       "dup: u1@example.test, dup2\ndup2: u1@example.test, far@far.example\n"
                                       "esc: \\root\n"
                                       "olist: child, u1@example.test\nowner-olist: oadmin@far.example\n"
                                       "child: u2@example.test, far@far.example\nowner-child: cadmin@far.example\n"
                                       "plain: olist, u1@example.test\n"
                                       "inc: :include:/l/members\nbadinc: :include:/l/none\nself2: :include:/l/self\n"
                                       "via: list@alias.test\nround: round@alias.test\n"
                                       "hop: hop2@localhost\nhop2: u1@example.test\n",
                                       config::TableFormat::kAliases, "/a", &findings)}};
  routing.local_recipient_maps = routing.alias_maps;
  const auto list = [](std::string_view text) {
    return std::make_shared<const std::vector<config::AliasTarget>>(config::ParseAliasList(text));
  };
  routing.local.alias_lists["/l/members"] = list("u1@example.test\nu2@example.test, far@far.example\n");
  routing.local.alias_lists["/l/self"] = list("u1@example.test\n:include:/l/self\n");
  routing.virtual_alias_maps = Tables(
      "list@alias.test list@local.test\nround@alias.test round@local.test\nu2@example.test u2@example.test\n"
      "twice@alias.test root@local.test, u1@example.test\n");
  return routing;
}

// "address[sender][Delivered-To ...]", then "! status address text".
std::string Where(std::string_view text, const config::Routing& routing = LocalRouting()) {
  const auto resolution = Resolve(*ParseMailbox(text), nullptr, routing);
  if (!resolution.ok()) return std::string(Message(resolution.status()));
  std::string all;
  const auto way = [](const Way& w) {
    std::string shown;
    if (w.sender) shown += "[" + w.sender->Key() + "]";
    for (const Mailbox& passed : w.delivered_to) shown += "(" + passed.Key() + ")";
    return shown;
  };
  for (const Destination& destination : resolution->destinations) {
    all += destination.address.Key() + way(destination.way) + " ";
  }
  for (const Undeliverable& failure : resolution->undeliverable) {
    all += "! " + failure.status + " " + failure.address.Key() + " " + failure.text + " ";
  }
  return all;
}

TEST(LocalAliases, LeadWherePostfixSends) {
  EXPECT_EQ(Where("postmaster@local.test"), "u1@example.test(postmaster@local.test) ");
  EXPECT_EQ(Where("Postmaster@LOCAL.test"), "u1@example.test(Postmaster@LOCAL.test) ");
  EXPECT_EQ(Where("\"odd name\"@local.test"), "u1@example.test(odd name@local.test) ");
  EXPECT_EQ(Where("inc@local.test"),
            "u1@example.test(inc@local.test) u2@example.test(inc@local.test) far@far.example(inc@local.test) ");
  EXPECT_EQ(Where("ext+one@local.test"), "u2@example.test(ext+one@local.test) ");
  EXPECT_EQ(Where("ext+two@local.test"), "u1@example.test(ext+two@local.test) ");
  EXPECT_EQ(Where("esc@local.test"), "u1@example.test(esc@local.test) ");
  EXPECT_EQ(Where("hop@local.test"), "u1@example.test(hop@local.test) ");
  EXPECT_EQ(Where("root@[127.0.0.1]"), "u1@example.test(root@[127.0.0.1]) ");
}

TEST(LocalAliases, GiveDuplicatesOneCopy) {
  EXPECT_EQ(Where("dup@local.test"), "u1@example.test(dup@local.test) far@far.example(dup@local.test) ");
  EXPECT_EQ(Where("twice@alias.test"), "u1@example.test(root@local.test) ");
}

TEST(LocalAliases, SendListsFromTheirOwners) {
  EXPECT_EQ(Where("list@local.test"),
            "u1@example.test[owner-list@local.test](list@local.test) "
            "far@far.example[owner-list@local.test](list@local.test) ");
  const std::string children =
      "u2@example.test[owner-child@local.test](X) far@far.example[owner-child@local.test](X) "
      "u1@example.test[owner-olist@local.test](X) ";
  const auto with = [&](const std::string& name) {
    std::string text = children;
    for (size_t at; (at = text.find("X")) != std::string::npos;) text.replace(at, 1, name);
    return text;
  };
  EXPECT_EQ(Where("olist@local.test"), with("olist@local.test"));
  EXPECT_EQ(Where("plain@local.test"), with("plain@local.test"));
  config::Routing routing = LocalRouting();
  routing.local.expand_owner_alias = true;
  EXPECT_EQ(Where("list@local.test", routing).substr(0, 34), "u1@example.test[admin@far.example]");
}

TEST(LocalAliases, OwnersOfAnUpperAliasHoldUntilReset) {
  config::Routing routing = LocalRouting();
  config::FindingList findings;
  routing.alias_maps = {
      .tables = {config::MakeTextTable("hash:/a", "list: sub\nowner-list: x@y.test\nsub: u1@example.test\n",
                                       config::TableFormat::kAliases, "/a", &findings)}};
  EXPECT_EQ(Where("list@local.test", routing), "u1@example.test[owner-list@local.test](list@local.test) ");
  routing.local.reset_owner_alias = true;
  EXPECT_EQ(Where("list@local.test", routing), "u1@example.test(list@local.test) ");
}

TEST(LocalAliases, SayWhatCannotBeReached) {
  EXPECT_EQ(Where("nobody@local.test"), "! 5.1.1 nobody@local.test unknown user: \"nobody\" ");
  EXPECT_EQ(Where("self@local.test"),
            "u1@example.test(self@local.test) ! 5.1.1 self@local.test unknown user: \"self\" ");
  EXPECT_EQ(Where("unk@local.test"),
            "u1@example.test(unk@local.test) ! 5.1.1 nobodyhere@local.test unknown user: \"nobodyhere\" ");
  EXPECT_EQ(Where("onlyunk@local.test"), "! 5.1.1 nobodyhere@local.test unknown user: \"nobodyhere\" ");
  EXPECT_EQ(Where("badinc@local.test"), "! 5.3.5 badinc@local.test mail system configuration error ");
  EXPECT_EQ(Where("cmd@local.test"), "! 5.7.1 cmd@local.test mail to command is restricted ");
  EXPECT_EQ(Where("file@local.test"), "! 5.7.1 file@local.test mail to file is restricted ");
  EXPECT_EQ(Where("both@local.test"),
            "u1@example.test(both@local.test) ! 5.7.1 both@local.test mail to command is restricted ");
}

// "transport nexthop address(Delivered-To)" of what is delivered to no address.
std::string Programs(std::string_view text, const config::Routing& routing) {
  const auto resolution = Resolve(*ParseMailbox(text), nullptr, routing);
  std::string all;
  for (const Destination& destination : resolution->destinations) {
    const auto* queue = std::get_if<QueueTarget>(&destination.target);
    if (queue == nullptr || !IsProgramTransport(queue->transport)) continue;
    all += queue->transport + " " + queue->nexthop + " " + destination.address.Key();
    for (const Mailbox& passed : destination.way.delivered_to) all += "(" + passed.Key() + ")";
    all += "; ";
  }
  for (const Undeliverable& failure : resolution->undeliverable)
    all += "! " + failure.status + " " + failure.text + "; ";
  return all;
}

TEST(LocalAliases, LeadToCommandsAndFilesWhereThatIsAllowed) {
  config::Routing routing = LocalRouting();
  routing.local.programs.commands_in_alias = true;
  EXPECT_EQ(Programs("cmd@local.test", routing), "(command) alias:/bin/cat cmd@local.test(cmd@local.test); ");
  EXPECT_EQ(Programs("both@local.test", routing), "(command) alias:/bin/cat both@local.test(both@local.test); ");
  EXPECT_EQ(Programs("file@local.test", routing), "! 5.7.1 mail to file is restricted; ");
  routing.local.programs.files_in_alias = true;
  EXPECT_EQ(Programs("file@local.test", routing), "(file) alias:/tmp/out file@local.test(file@local.test); ");
}

TEST(LocalAliases, AskForListsApart) {
  config::Routing routing = LocalRouting();
  routing.local.alias_lists["/l/self"] =
      std::make_shared<const std::vector<config::AliasTarget>>(config::ParseAliasList("|a\n|a\n/f\n/folder/\ncmd\n"));
  routing.local.programs.commands_in_alias = true;
  EXPECT_EQ(Programs("self2@local.test", routing),
            "(command) alias:/bin/cat cmd@local.test(self2@local.test); "
            "! 5.7.1 mail to command is restricted; ! 5.7.1 mail to command is restricted; "
            "! 5.7.1 mail to file is restricted; ! 5.7.1 mail to file is restricted; ");
  routing.local.programs = {.commands_in_list = true, .files_in_list = true};
  EXPECT_EQ(
      Programs("self2@local.test", routing),
      "(command) include:a self2@local.test(self2@local.test); (file) include:/f self2@local.test(self2@local.test); "
      "! 5.7.1 mail to file is restricted; ! 5.7.1 mail to command is restricted; ");
}

// What a pattern matched is a sender's word: none of it reaches a shell.
TEST(LocalAliases, OfPatternsLeadToNoCommand) {
  config::Routing routing = LocalRouting();
  config::FindingList findings;
  routing.alias_maps = {.tables = {config::MakeRegularExpressionTable(
                            "regexp:/a", false, "/^(.*)$/ \"|/bin/echo $1\"\n", "/a", &findings)}};
  ASSERT_TRUE(routing.alias_maps.tables[0] != nullptr && routing.alias_maps.tables[0]->is_pattern_table());
  routing.local.programs = {.commands_in_alias = true, .commands_in_list = true};
  EXPECT_EQ(Programs("any@local.test", routing), "! 5.7.1 mail to command is restricted; ");
}

TEST(LocalAliases, EndLoops) {
  EXPECT_EQ(Where("loopa@local.test"), "! 5.4.6 loopa@local.test alias database loop for loopa ");
  EXPECT_EQ(Where("l0@local.test"),
            "u1@example.test(l0@local.test) u2@example.test(l0@local.test) ! 5.4.6 l0@local.test alias database loop "
            "for l0 ");
  EXPECT_EQ(Where("self2@local.test"),
            "u1@example.test(self2@local.test) ! 5.4.6 self2@local.test alias database loop for /l/self ");
  EXPECT_EQ(Where("round@local.test"), "! 5.4.6 round@local.test mail forwarding loop for round@local.test ");
}

// What local(8) passes on goes through cleanup(8) anew, and gets another Delivered-To the next time.
TEST(LocalAliases, LeadThroughVirtualAliases) {
  EXPECT_EQ(Where("via@local.test"),
            "u1@example.test[owner-list@local.test](list@local.test)(via@local.test) "
            "far@far.example[owner-list@local.test](list@local.test)(via@local.test) ");
}

TEST(LocalAliases, KeepExtensionsWhereAskedTo) {
  config::Routing routing = LocalRouting();
  routing.propagate_extensions.alias = true;
  EXPECT_EQ(Where("ext+two@local.test", routing), "u1+two@example.test(ext+two@local.test) ");
  EXPECT_EQ(Where("inc+x@local.test", routing).substr(0, 16), "u1@example.test(");
  routing.propagate_extensions.include = true;
  EXPECT_EQ(Where("inc+x@local.test", routing).substr(0, 16), "u1+x@example.tes");
}

TEST(LocalAliases, AreBounded) {
  config::Routing routing = LocalRouting();
  config::FindingList findings;
  std::string text = "deep0: deep1\n", wide = "wide: ";
  for (int i = 1; i < 150; ++i) text += "deep" + std::to_string(i) + ": deep" + std::to_string(i + 1) + "\n";
  for (size_t i = 0; i <= kAliasMembersMax + 1; ++i) wide += "u" + std::to_string(i) + "@x.test ";
  routing.alias_maps = {
      .tables = {config::MakeTextTable("hash:/a", text + wide + "\n", config::TableFormat::kAliases, "/a", &findings)}};
  EXPECT_EQ(Where("deep0@local.test", routing), "! 5.4.6 deep101@local.test alias database loop for deep101 ");
  EXPECT_EQ(Where("wide@local.test", routing), "aliases: wide@local.test stands for too many addresses");
}

}  // namespace
}  // namespace postern::routing
