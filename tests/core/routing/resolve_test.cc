// Goal: recipients go where Postfix 3.7.11 sends them. Method: the recipients a running Postfix was asked about, with
// the same tables; then aliases: extensions, loops, limits.
#include "core/routing/resolve.h"

#include <gtest/gtest.h>

#include "core/routing/aliases.h"
#include "tests/core/routing/routing_fixture.h"

namespace postern::routing {
namespace {

// "known", or the table in which it is not.
std::string Known(std::string_view text, const config::Routing& routing = TestRouting()) {
  std::string_view rest = text;
  const auto path = TakePath(&rest, PathForm::kTolerant);
  if (!path) return "syntax";
  const auto unknown = FindUnknown(Rewrite(path->mailbox, Role::kRecipient, routing), routing);
  return unknown ? std::string(unknown->table) : "known";
}

std::string Describe(std::string_view text, const config::Routing& routing = TestRouting()) {
  std::string_view rest = text;
  const auto path = TakePath(&rest, PathForm::kTolerant);
  const auto resolution = Resolve(Rewrite(path->mailbox, Role::kRecipient, routing), nullptr, routing);
  if (!resolution.ok()) return std::string(Message(resolution.status()));
  std::string all;
  for (const Destination& destination : resolution->destinations) {
    all += destination.address.Key() + "=";
    if (const auto* maildir = std::get_if<MaildirTarget>(&destination.target)) {
      all += maildir->maildir + ":" + std::to_string(maildir->owner.uid) + ":" + std::to_string(maildir->owner.gid);
    } else if (const auto* user = std::get_if<UserTarget>(&destination.target)) {
      all += "user " + user->user;
    } else {
      const auto& queue = std::get<QueueTarget>(destination.target);
      all += queue.transport + ">" + queue.nexthop;
    }
    all += " ";
  }
  for (const Undeliverable& unknown : resolution->undeliverable) all += "?" + unknown.address.Key();
  return all;
}

TEST(FindUnknown, AnswersAsPostfix) {
  EXPECT_EQ(Known("<u1@example.test>"), "known");
  EXPECT_EQ(Known("<U1@EXAMPLE.TEST>"), "known");
  EXPECT_EQ(Known("<u1+ext@example.test>"), "known");
  EXPECT_EQ(Known("<u1>"), "known");
  EXPECT_EQ(Known("<u1%example.test>"), "known");
  EXPECT_EQ(Known("<example.test!u1>"), "known");
  EXPECT_EQ(Known("<nobody@example.test>"), "virtual mailbox table");
  EXPECT_EQ(Known("<postmaster@example.test>"), "virtual mailbox table");
  EXPECT_EQ(Known("<\"\"@example.test>"), "virtual mailbox table");
  EXPECT_EQ(Known("<zz@alias.test>"), "virtual alias table");
  EXPECT_EQ(Known("<list@alias.test>"), "known");
  EXPECT_EQ(Known("<list+ext@alias.test>"), "known");
  EXPECT_EQ(Known("<loop@alias.test>"), "known");
  EXPECT_EQ(Known("<foo@relay.test>"), "relay recipient table");
  EXPECT_EQ(Known("<x@sub.relay.test>"), "relay recipient table");
  EXPECT_EQ(Known("<known@relay.test>"), "known");
  EXPECT_EQ(Known("<root@localhost.example.test>"), "known");
  EXPECT_EQ(Known("<root@[127.0.0.1]>"), "known");
  EXPECT_EQ(Known("<u1@[127.0.0.1]>"), "local recipient table");
  EXPECT_EQ(Known("<zzz@localhost.example.test>"), "local recipient table");
  EXPECT_EQ(Known("<x@far.example>"), "known");
}

TEST(Resolve, FindsMaildirsAndQueues) {
  EXPECT_EQ(Describe("<u1@example.test>"), "u1@example.test=/home/vmail/u1/Maildir:15000:15001 ");
  EXPECT_EQ(Describe("<u2+x@example.test>"), "u2+x@example.test=/home/vmail/u2/Maildir:15000:15001 ");
  EXPECT_EQ(Describe("<x@far.example>"), "x@far.example=smtp>far.example ");
  EXPECT_EQ(Describe("<known@relay.test>"), "known@relay.test=relay>relay.test ");
  EXPECT_EQ(Describe("<root@localhost.example.test>"),
            "?root@localhost.example.test");  // no alias: nobody has a mailbox
  EXPECT_EQ(Describe("<gone@alias.test>"), "?nobody@example.test");
  EXPECT_EQ(Describe("<list@alias.test>"),
            "u1@example.test=/home/vmail/u1/Maildir:15000:15001 u2@example.test=/home/vmail/u2/Maildir:15000:15001 "
            "far@far.example=smtp>far.example ");
}

TEST(Resolve, RefusesMboxesBadUidsAndEscapes) {
  EXPECT_NE(Describe("<box@example.test>").find("mbox"), std::string::npos);
  config::Routing routing = TestRouting();
  routing.virtual_mailbox_maps = Tables("u1@example.test ../../etc/Maildir/\n");
  EXPECT_NE(Describe("<u1@example.test>", routing).find("leaves"), std::string::npos);
  routing = TestRouting();
  routing.virtual_minimum_uid = 15001;
  EXPECT_NE(Describe("<u1@example.test>", routing).find("bad uid"), std::string::npos);
}

TEST(Resolve, AsksTransportMapsFirst) {
  config::Routing routing = TestRouting();
  routing.transport_maps = Tables(
      "u1@example.test smtp:[192.0.2.1]\nfar.example relay:hub\n.deep.example :hub2\nbad.example error:no such host\n");
  EXPECT_EQ(Describe("<u1@example.test>", routing), "u1@example.test=smtp>[192.0.2.1] ");
  EXPECT_EQ(Describe("<x@far.example>", routing), "x@far.example=relay>hub ");
  EXPECT_EQ(Describe("<x@a.deep.example>", routing), "x@a.deep.example=smtp>hub2 ");
  EXPECT_EQ(FindUnknown({"x", "bad.example"}, routing)->transport_text, "no such host");
}

TEST(Resolve, HandsLmtpTransportsToTheUserdb) {
  config::Routing routing = TestRouting();
  routing.virtual_transport = "lmtp:unix:private/dovecot-lmtp";
  routing.own_lmtp = {"unix:private/dovecot-lmtp"};
  EXPECT_EQ(Describe("<u1@example.test>", routing), "u1@example.test=user u1@example.test ");
  routing.virtual_transport = "lmtp:unix:private/other";  // another program's
  EXPECT_EQ(Describe("<u1@example.test>", routing), "u1@example.test=lmtp>unix:private/other ");
}

std::string Expanded(const Mailbox& mailbox, const config::Routing& routing) {
  const auto finals = ExpandAliases(mailbox, routing);
  if (!finals.ok()) return "! " + std::string(Message(finals.status()));
  std::string all;
  for (const Mailbox& address : *finals) all += address.Key() + " ";
  return all;
}

TEST(Aliases, ExpandRecursivelyAndOnce) {
  config::Routing routing = TestRouting();
  routing.virtual_alias_maps = Tables(
      "a@x.test b@x.test, c@x.test\nb@x.test u1@example.test\nc@x.test b@x.test, u2@example.test \"q, r\"@x.test\n"
      "@all.test catch@x.test\n@moved.test @example.test\nu@own.test u@own.test, copy@far.example\nroot "
      "admin@x.test\n");
  EXPECT_EQ(Expanded({"a", "x.test"}, routing), "u1@example.test u2@example.test q, r@x.test ");
  EXPECT_EQ(Expanded({"anyone", "all.test"}, routing), "catch@x.test ");
  EXPECT_EQ(Expanded({"u9", "moved.test"}, routing), "u9@example.test ");
  EXPECT_EQ(Expanded({"U", "OWN.test"}, routing), "u@own.test copy@far.example ");
  EXPECT_EQ(Expanded({"root", "example.test"}, routing), "admin@x.test ");  // myorigin: a bare name counts
  EXPECT_EQ(Expanded({"root", "far.example"}, routing), "root@far.example ");
}

TEST(Aliases, CarryExtensionsOver) {
  config::Routing routing = TestRouting();
  routing.virtual_alias_maps =
      Tables("a@x.test u1@example.test\nb@x.test u1+own@example.test\na+exact@x.test u2@example.test\n");
  EXPECT_EQ(Expanded({"a+ext", "x.test"}, routing), "u1+ext@example.test ");
  EXPECT_EQ(Expanded({"b+ext", "x.test"}, routing), "u1+own@example.test ");
  EXPECT_EQ(Expanded({"a+exact", "x.test"}, routing), "u2@example.test ");
}

TEST(Aliases, LoopsAndLimitsDefer) {
  EXPECT_EQ(Expanded({"loop", "alias.test"}, TestRouting()).substr(0, 1), "!");
  config::Routing routing = TestRouting();
  std::string chain;
  for (int i = 0; i < 10; ++i) chain += "n" + std::to_string(i) + "@x.test n" + std::to_string(i + 1) + "@x.test\n";
  routing.virtual_alias_maps = Tables(chain);
  routing.virtual_alias_recursion_limit = 11;
  EXPECT_EQ(Expanded({"n0", "x.test"}, routing), "n10@x.test ");
  routing.virtual_alias_recursion_limit = 10;
  EXPECT_EQ(Expanded({"n0", "x.test"}, routing).substr(0, 1), "!");
  routing.virtual_alias_maps = Tables("many@x.test a@y.test b@y.test c@y.test\n");
  routing.virtual_alias_expansion_limit = 3;
  EXPECT_EQ(Expanded({"many", "x.test"}, routing), "a@y.test b@y.test c@y.test ");
  routing.virtual_alias_expansion_limit = 2;
  EXPECT_EQ(Expanded({"many", "x.test"}, routing).substr(0, 1), "!");
}

TEST(Rewrite, CompletesAddresses) {
  config::Routing routing = TestRouting();
  const auto complete = [&](Mailbox mailbox) { return Complete(mailbox, routing).Key(); };
  EXPECT_EQ(complete({"u", ""}), "u@example.test");
  EXPECT_EQ(complete({"u%far.example", "localhost.example.test"}), "u@far.example");
  EXPECT_EQ(complete({"far.example!u", ""}), "u@far.example");
  EXPECT_EQ(complete({"u%far.example", "example.test"}), "u%far.example@example.test");  // not this host's own: kept
  EXPECT_EQ(complete({"u", "short"}), "u@short");
  routing.append_dot_mydomain = true;
  EXPECT_EQ(complete({"u", "short"}), "u@short.example.test");
  routing.allow_percent_hack = routing.swap_bangpath = false;
  EXPECT_EQ(complete({"u%far.example", ""}), "u%far.example@example.test");
}

TEST(Rewrite, AppliesCanonicalMaps) {
  config::Routing routing = TestRouting();
  routing.sender_canonical_maps = Tables("a@x.test b@x.test\n");
  routing.canonical_maps = Tables("b@x.test c@x.test\nc@x.test d@x.test\n");
  EXPECT_EQ(Canonical({"a", "x.test"}, Role::kSender, routing).Key(), "c@x.test");
  EXPECT_EQ(Canonical({"a", "x.test"}, Role::kRecipient, routing).Key(), "a@x.test");
}

}  // namespace
}  // namespace postern::routing
