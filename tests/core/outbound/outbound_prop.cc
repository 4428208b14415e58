// Goal: the laws of choosing hosts: answers' order never matters, preference is kept, we are never sent our own mail,
// limits hold, equals are shuffled fairly, every walk ends. Method: RapidCheck over small DNS worlds with all failures.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "core/base/ascii.h"
#include "core/outbound/certificate_match.h"
#include "core/outbound/host_walk.h"
#include "tests/core/outbound/dns_fixture.h"

namespace postern::outbound {
namespace {

using Outcome = DnsReply::Outcome;

Entropy::Key Key(uint8_t seed) {
  Entropy::Key key{};
  key[0] = seed;
  return key;
}

// Hosts h0.example ... h7.example with addresses or failures; far.example with some of them as MX; h0 may be ourselves.
struct World {
  TestDns dns;
  std::shared_ptr<config::Config> config = std::make_shared<config::Config>(TestConfig());
};
World AnyWorld() {
  World world;
  config::SmtpClient& client = world.config->smtp_client;
  client.mx_address_limit = *rc::gen::inRange<uint32_t>(0, 8);
  client.mx_session_limit = *rc::gen::inRange<uint32_t>(0, 4);
  client.address_preference =
      *rc::gen::element(config::SmtpClient::AddressPreference::kAny, config::SmtpClient::AddressPreference::kIpv4,
                        config::SmtpClient::AddressPreference::kIpv6);
  client.balance_inet_protocols = *rc::gen::arbitrary<bool>();
  client.randomize_addresses = *rc::gen::arbitrary<bool>();
  client.lookup_native = *rc::gen::arbitrary<bool>();
  client.defer_if_no_mx_address_found = *rc::gen::arbitrary<bool>();
  client.ignore_mx_lookup_error = *rc::gen::arbitrary<bool>();
  for (int host = 0; host < 8; ++host) {
    const std::string name = "h" + std::to_string(host) + ".example";
    for (const bool v6 : {false, true}) {
      const int kind = *rc::gen::inRange(0, 6);
      if (kind < 4) {
        for (int i = 0; i <= kind; ++i) {
          const std::string number = std::to_string(10 * host + i + 10);
          world.dns.Host(name, {v6 ? "2001:db8::" + number : "192.0.2." + number});
        }
      } else {
        world.dns.Fails(name, v6 ? RecordType::kAaaa : RecordType::kA,
                        *rc::gen::element(Outcome::kTryAgain, Outcome::kFailed, Outcome::kMalformed, Outcome::kNotFound,
                                          Outcome::kLoop));
      }
    }
  }
  if (*rc::gen::inRange(0, 3) == 0) world.dns.Host("h0.example", {"127.0.0.1"});
  std::vector<MxRecord> records;
  const int count = *rc::gen::inRange(0, 8);
  for (int i = 0; i < count; ++i) {
    records.push_back(
        {static_cast<uint16_t>(*rc::gen::inRange(0, 4)), "h" + std::to_string(*rc::gen::inRange(0, 9)) + ".example"});
  }
  if (!records.empty()) world.dns.Mx("far.example", records);
  return world;
}

// Answers in the order that `pick` chooses.
HostResult Choose(const World& world, const std::string& site, uint8_t seed,
                  const std::function<size_t(size_t)>& pick) {
  HostChoice choice(*ParseSite(site, 25), false, world.config);
  std::vector<DnsQuestion> open;
  while (!choice.done()) {
    for (DnsQuestion& question : choice.TakeQuestions()) open.push_back(std::move(question));
    RC_ASSERT(!open.empty());
    const size_t at = pick(open.size());
    const DnsQuestion question = open[at];
    open.erase(open.begin() + static_cast<ptrdiff_t>(at));
    choice.Answer(question, world.dns.Lookup(question));
    choice.Answer(question, {.outcome = Outcome::kFailed});  // an answer too many changes nothing
  }
  RC_ASSERT(open.empty());
  Entropy entropy(Key(seed));
  return choice.Conclude(entropy);
}
std::string Text(const HostResult& result) {
  if (const auto* failure = std::get_if<HostFailure>(&result)) return failure->status + " " + failure->text;
  std::string text;
  for (const HostAddress& host : std::get<HostList>(result).addresses) {
    text += host.host + "/" + host.address.ToString() + "=" + std::to_string(host.preference) + " ";
  }
  return text;
}

RC_GTEST_PROP(HostChoiceLaws, AnswersComeInAnyOrder, ()) {
  const World world = AnyWorld();
  const uint8_t seed = *rc::gen::arbitrary<uint8_t>();
  const HostResult forwards = Choose(world, "far.example", seed, [](size_t) { return 0; });
  const HostResult any =
      Choose(world, "far.example", seed, [](size_t count) { return *rc::gen::inRange<size_t>(0, count); });
  RC_ASSERT(Text(forwards) == Text(any));
}

RC_GTEST_PROP(HostChoiceLaws, ListsAreOrderedBoundedAndNeverOurs, ()) {
  const World world = AnyWorld();
  const config::SmtpClient& client = world.config->smtp_client;
  const auto site = *rc::gen::element<std::string>("far.example", "h0.example", "[h0.example]");
  const HostResult result = Choose(world, site, *rc::gen::arbitrary<uint8_t>(), [](size_t) { return 0; });
  if (const auto* failure = std::get_if<HostFailure>(&result)) {
    RC_ASSERT(failure->status.size() >= 5u);
    RC_ASSERT(failure->status[0] == '4' || failure->status[0] == '5');
    RC_ASSERT(!failure->text.empty());
    return;
  }
  const HostList& list = std::get<HostList>(result);
  RC_ASSERT(!list.addresses.empty());
  if (client.mx_address_limit > 0) RC_ASSERT(list.addresses.size() <= client.mx_address_limit);
  RC_ASSERT(list.addresses.front().preference == list.best_preference);
  for (size_t i = 0; i < list.addresses.size(); ++i) {
    RC_ASSERT(list.addresses[i].address != Ip("127.0.0.1"));
    if (i == 0) continue;
    RC_ASSERT(list.addresses[i - 1].preference <= list.addresses[i].preference);
    if (list.addresses[i - 1].preference != list.addresses[i].preference) continue;
    if (client.address_preference == config::SmtpClient::AddressPreference::kIpv6) {
      RC_ASSERT(list.addresses[i - 1].address.v6 >= list.addresses[i].address.v6);
    }
    if (client.address_preference == config::SmtpClient::AddressPreference::kIpv4) {
      RC_ASSERT(list.addresses[i - 1].address.v6 <= list.addresses[i].address.v6);
    }
  }
}

// With a temporary failure anywhere and no address found, mail is never bounced.
RC_GTEST_PROP(HostChoiceLaws, TemporaryFailuresNeverBounce, ()) {
  World world = AnyWorld();
  TestDns dns;
  std::vector<MxRecord> records;
  const int count = *rc::gen::inRange(1, 5), soft = *rc::gen::inRange(0, count);
  for (int i = 0; i < count; ++i) {
    const std::string name = "s" + std::to_string(i) + ".example";
    records.push_back({static_cast<uint16_t>(i), name});
    for (const RecordType type : {RecordType::kA, RecordType::kAaaa}) {
      dns.Fails(name, type,
                *rc::gen::element(Outcome::kFailed, Outcome::kMalformed, Outcome::kNotFound, Outcome::kNoData,
                                  Outcome::kLoop));
    }
    if (i == soft) dns.Fails(name, *rc::gen::element(RecordType::kA, RecordType::kAaaa), Outcome::kTryAgain);
  }
  dns.Mx("far.example", records);
  world.dns = dns;
  const HostResult result = Choose(world, "far.example", 0, [](size_t) { return 0; });
  RC_ASSERT(std::get<HostFailure>(result).is_temporary());
}

// RFC 5321 section 5.1: equals share the load. Each of four comes first in about a quarter of 400 choices.
TEST(HostChoiceLaws, EqualsAreShuffledFairly) {
  World world;
  world.dns.Mx("far.example",
               {{10, "a.example"}, {10, "b.example"}, {10, "c.example"}, {10, "d.example"}, {20, "e.example"}});
  int number = 1;
  for (const std::string name : {"a.example", "b.example", "c.example", "d.example", "e.example"}) {
    world.dns.Host(name, {"192.0.2." + std::to_string(number++)});
  }
  std::map<std::string, int> first;
  Entropy entropy(Key(7));
  for (int i = 0; i < 400; ++i) {
    HostChoice choice(*ParseSite("far.example", 25), false, world.config);
    while (!choice.done()) {
      for (const DnsQuestion& question : choice.TakeQuestions()) choice.Answer(question, world.dns.Lookup(question));
    }
    const HostList list = std::get<HostList>(choice.Conclude(entropy));
    ++first[list.addresses[0].host];
    EXPECT_EQ(list.addresses[4].host, "e.example");
  }
  EXPECT_EQ(first.size(), 4u);
  for (const auto& [host, count] : first) EXPECT_NEAR(count, 100, 40) << host;
}

RC_GTEST_PROP(BalanceLaws, KeepsOrderLimitAndBothFamilies, ()) {
  const auto families = *rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>());
  const size_t limit = *rc::gen::inRange<size_t>(0, 10);
  std::vector<HostAddress> list;
  for (size_t i = 0; i < families.size(); ++i)
    list.push_back({.address = {.v6 = families[i]}, .preference = static_cast<uint32_t>(i)});
  const std::vector<HostAddress> before = list;
  BalanceFamilies(&list, limit);
  const auto v6 = [](const std::vector<HostAddress>& of) {
    return static_cast<size_t>(
        std::count_if(of.begin(), of.end(), [](const HostAddress& host) { return host.address.v6; }));
  };
  RC_ASSERT(std::is_sorted(list.begin(), list.end(),
                           [](const auto& a, const auto& b) { return a.preference < b.preference; }));
  const size_t v6_before = v6(before), v4_before = before.size() - v6_before;
  if (limit == 0 || v4_before == 0 || v6_before == 0 || before.size() <= limit) {
    RC_ASSERT(list == before);
    return;
  }
  RC_ASSERT(list.size() == limit);
  // No family gets less than its half unless there was not more of it.
  RC_ASSERT(v6(list) >= std::min(v6_before, limit / 2));
  RC_ASSERT(limit - v6(list) >= std::min(v4_before, limit / 2));
}

RC_GTEST_PROP(HostWalkLaws, EveryWalkEndsWithinItsLimits, ()) {
  World world = AnyWorld();
  config::SmtpClient& client = world.config->smtp_client;
  if (*rc::gen::arbitrary<bool>()) client.fallback_relay = {"[h1.example]", "far.example"};
  if (*rc::gen::arbitrary<bool>()) client.relayhost = "far.example";
  const auto hop = ParseNextHop({.name = "smtp", .nexthop = "far.example"}, *world.config);
  HostWalk walk(std::get<NetworkHop>(*hop), world.config);
  Entropy entropy(Key(*rc::gen::arbitrary<uint8_t>()));
  std::map<std::string, uint32_t> sessions, addresses;
  bool final_seen = false;
  for (int steps = 0;; ++steps) {
    RC_ASSERT(steps < 1000);
    const HostWalk::Step step = walk.Next(entropy);
    if (const auto* ask = std::get_if<HostWalk::Ask>(&step)) {
      RC_ASSERT(!ask->questions.empty());
      for (const DnsQuestion& question : ask->questions) walk.Answer(question, world.dns.Lookup(question));
    } else if (const auto* attempt = std::get_if<HostWalk::Try>(&step)) {
      RC_ASSERT(!final_seen);  // nobody comes after the last
      ++addresses[attempt->site.text];
      if (*rc::gen::arbitrary<bool>()) {
        ++sessions[attempt->site.text];
        final_seen = attempt->final_in_transaction;
        walk.OnSession("4.4.2", "lost");
      } else {
        final_seen = attempt->final_before_transaction;
        walk.OnUnreachable("4.4.1", "connect");
      }
    } else {
      const auto& end = std::get<HostWalk::End>(step);
      RC_ASSERT(!end.status.empty());
      // Whoever was tried got no hard error from the walk.
      if (final_seen) RC_ASSERT(end.status[0] == '4');
      if (!client.relayhost.empty()) RC_ASSERT(end.status[0] == '4');
      break;
    }
  }
  // far.example may be a site twice, of the next hop and of the fallback.
  for (const auto& [site, count] : addresses) {
    if (client.mx_address_limit > 0) RC_ASSERT(count <= 2 * client.mx_address_limit);
  }
  for (const auto& [site, count] : sessions) {
    if (client.mx_session_limit > 0) RC_ASSERT(count <= 2 * client.mx_session_limit);
  }
}

rc::Gen<std::string> AnyName() {
  return rc::gen::container<std::string>(rc::gen::element('a', 'b', '.', '.', '*', 'A'));
}
// RFC 6125 section 6.4.3: what matches has the same number of labels, and the same ones but for a first "*"; or is
// below.
RC_GTEST_PROP(NameLaws, MatchesAreNeverWider, ()) {
  const std::string name = *AnyName(), reference = *AnyName();
  if (!NameMatches(name, reference)) return;
  const auto lower = [](const std::string& text) { return LowerCase(text); };
  if (lower(name) == lower(reference)) return;
  if (reference.front() == '.') {
    RC_ASSERT(lower(name).ends_with(lower(reference)));
    return;
  }
  RC_ASSERT(name.starts_with("*."));
  RC_ASSERT(lower(name.substr(1)) == lower(reference.substr(reference.find('.'))));
  RC_ASSERT(std::count(name.begin(), name.end(), '.') >= 2);
}

}  // namespace
}  // namespace postern::outbound
