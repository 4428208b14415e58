// Goal: the laws of addresses. Method: RapidCheck: quoting and reading are inverse; garbage never breaks anything.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "core/routing/aliases.h"
#include "core/routing/resolve.h"
#include "tests/core/routing/routing_fixture.h"

namespace postern::routing {
namespace {

RC_GTEST_PROP(AddressLaws, QuotedReadsBack, ()) {
  Mailbox mailbox;
  mailbox.local = *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7f)));
  mailbox.domain = *rc::gen::element<std::string>("x.test", "[192.0.2.1]", "[IPv6:2001:db8::1]", "a-b.c_d.test");
  std::string text = "<" + mailbox.Quoted() + ">";
  std::string_view rest = text;
  const auto path = TakePath(&rest, PathForm::kStrict);
  RC_ASSERT(path.has_value());
  RC_ASSERT(path->mailbox == mailbox);
  RC_ASSERT(rest.empty());
}

RC_GTEST_PROP(AddressLaws, GarbageIsRefusedOrUsable, ()) {
  const auto bytes = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{4, rc::gen::element('<', '>', '@', '"', '\\', ':', '%', '!', '+', '.', ',', '[', ']')},
       {3, rc::gen::inRange('a', 'd')},
       {1, rc::gen::arbitrary<char>()}}));
  static const config::Routing routing = TestRouting();
  std::string_view rest = bytes;
  const auto path = TakePath(&rest, PathForm::kTolerant);
  if (!path || path->null) return;
  const Mailbox rewritten = Rewrite(path->mailbox, Role::kRecipient, routing);
  RC_ASSERT(!rewritten.domain.empty());
  (void)FindUnknown(rewritten, routing);
  (void)Resolve(rewritten, nullptr, routing);
  // What is written out again has no control characters, whoever wrote it.
  for (const char c : rewritten.Quoted()) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20);
}

RC_GTEST_PROP(AliasLaws, TerminateOnAnyTable, ()) {
  std::string table;
  const auto edges = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 6), rc::gen::inRange(0, 6)));
  for (const auto& [from, to] : edges) {
    table += "n" + std::to_string(from) + "@x.test n" + std::to_string(to) + "@x.test, n" + std::to_string(to + 1) +
             "@x.test\n";
  }
  config::Routing routing = TestRouting();
  routing.virtual_alias_maps = Tables(table);
  const auto finals = ExpandAliases({"n0", "x.test"}, routing);
  if (finals.ok()) {
    RC_ASSERT(!finals->empty());
    std::set<std::string> seen;
    for (const Mailbox& address : *finals) RC_ASSERT(seen.insert(address.Key()).second);
  }
}

// Any web of aliases of both kinds: the walk ends, nobody is found twice, and every address is either found or told of.
RC_GTEST_PROP(AliasLaws, BothKindsTogetherTerminateAndFindEachOnce, ()) {
  const auto edges = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 5), rc::gen::inRange(0, 7), rc::gen::inRange(0, 4)));
  std::string aliases, virtuals;
  std::map<int, std::string> alias_rows, virtual_rows;
  for (const auto& [from, to, kind] : edges) {
    const std::string n = std::to_string(to);
    const std::string target = kind == 0 ? "a" + n : kind == 1 ? "v" + n + "@alias.test" : "u" + n + "@far.example";
    (kind == 3 ? virtual_rows : alias_rows)[from] += " " + target + ",";
    if (kind == 3) virtual_rows[from] += " a" + n + "@local.test,";
  }
  for (const auto& [from, row] : alias_rows) aliases += "a" + std::to_string(from) + ":" + row + "\n";
  for (const auto& [from, row] : virtual_rows) virtuals += "v" + std::to_string(from) + "@alias.test" + row + "\n";
  config::Routing routing = TestRouting();
  routing.myorigin = "local.test";
  routing.mydestination = Names({"local.test"});
  config::FindingList findings;
  routing.alias_maps = {
      .tables = {config::MakeTextTable("hash:/a", aliases, config::TableFormat::kAliases, "/a", &findings)}};
  routing.virtual_alias_maps = Tables(virtuals);
  const auto resolution = Resolve({"a0", "local.test"}, nullptr, routing);
  if (!resolution.ok()) {  // a circle of virtual aliases alone
    RC_ASSERT(resolution.status().code() == StatusCode::kUnavailable);
    return;
  }
  std::set<std::string> seen;
  for (const Destination& destination : resolution->destinations) {
    RC_ASSERT(seen.insert(destination.address.Key()).second);
    RC_ASSERT(destination.way.passed.size() >= destination.way.delivered_to.size());
  }
  RC_ASSERT(!resolution->destinations.empty() || !resolution->undeliverable.empty());
}

}  // namespace
}  // namespace postern::routing
