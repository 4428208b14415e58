// Goal: the simulated DNS answers as a resolver does, each kind of domain as its name says. Method: questions,
// examples.
#include "sim/remote/zones.h"

#include <gtest/gtest.h>

namespace postern::sim {
namespace {

using Outcome = DnsReply::Outcome;

const IpAddress kFirst = *IpAddress::Parse("203.0.113.1");
const IpAddress kSecond = *IpAddress::Parse("2001:db8::2");

Zones Make(ZoneKind kind) {
  Zones zones(1);
  zones.AddDomain("far.example", kind, {kFirst, kSecond}, "mail.example.test");
  return zones;
}
DnsReply Mx(Zones& zones) { return zones.Look({.name = "Far.Example", .type = RecordType::kMx}); }

TEST(Zones, SeveralHostsHaveTheirPreferencesAndAddresses) {
  Zones zones = Make(ZoneKind::kSeveralMx);
  const DnsReply reply = Mx(zones);
  EXPECT_EQ(reply.outcome, Outcome::kFound);
  EXPECT_EQ(reply.mx,
            (std::vector<MxRecord>{{10, "mx0.far.example"}, {20, "mx1.far.example"}, {20, "mx2.far.example"}}));
  EXPECT_EQ(zones.Look({.name = "mx0.far.example", .type = RecordType::kA}).addresses, (std::vector{kFirst}));
  EXPECT_EQ(zones.Look({.name = "mx0.far.example", .type = RecordType::kAaaa}).outcome, Outcome::kNoData);
  EXPECT_EQ(zones.Look({.name = "mx1.far.example", .type = RecordType::kAaaa}).addresses, (std::vector{kSecond}));
  EXPECT_EQ(zones.Look({.name = "mx1.far.example", .type = RecordType::kNative}).addresses, (std::vector{kSecond}));
  EXPECT_EQ(zones.Look({.name = "mx0.far.example", .type = RecordType::kTlsa}).outcome, Outcome::kNoData);
}

TEST(Zones, WhatIsWrongForGood) {
  Zones null_mx = Make(ZoneKind::kNullMx), none = Make(ZoneKind::kNoSuchDomain), nothing = Make(ZoneKind::kNoData),
        lonely = Make(ZoneKind::kMxWithoutAddress), ours = Make(ZoneKind::kOurselves),
        loop = Make(ZoneKind::kAliasLoop);
  EXPECT_EQ(Mx(null_mx).mx, (std::vector<MxRecord>{{0, ""}}));
  EXPECT_EQ(Mx(none).outcome, Outcome::kNotFound);
  EXPECT_EQ(Mx(nothing).outcome, Outcome::kNoData);
  EXPECT_EQ(Mx(lonely).outcome, Outcome::kFound);
  EXPECT_EQ(lonely.Look({.name = "mx0.far.example", .type = RecordType::kA}).outcome, Outcome::kNoData);
  EXPECT_EQ(Mx(ours).mx, (std::vector<MxRecord>{{10, "mail.example.test"}}));
  EXPECT_EQ(Mx(loop).outcome, Outcome::kLoop);
}

TEST(Zones, AliasesAreFollowedAndTold) {
  Zones zones = Make(ZoneKind::kAlias);
  const DnsReply reply = Mx(zones);
  EXPECT_EQ(reply.outcome, Outcome::kFound);
  EXPECT_EQ(reply.canonical_name, "real.far.example");
  EXPECT_EQ(zones.Look({.name = "far.example", .type = RecordType::kCname}).outcome, Outcome::kFound);
}

TEST(Zones, WhatBreaksIsHealed) {
  for (const ZoneKind kind : {ZoneKind::kServfail, ZoneKind::kBogus}) {
    Zones zones = Make(kind);
    EXPECT_EQ(Mx(zones).outcome, Outcome::kTryAgain);
    zones.Heal();
    EXPECT_EQ(Mx(zones).outcome, Outcome::kFound);
  }
  Zones flaky = Make(ZoneKind::kFlaky);
  int failed = 0;
  for (int i = 0; i < 100; ++i) failed += Mx(flaky).outcome == Outcome::kTryAgain;
  EXPECT_GT(failed, 10);
  EXPECT_LT(failed, 90);
}

TEST(Zones, SlowOnesTakeTheirTime) {
  Zones zones = Make(ZoneKind::kSlow);
  EXPECT_GT(zones.DelayOf("far.example").ns + zones.DelayOf("far.example").ns, 0);
  EXPECT_LE(zones.DelayOf("far.example"), Seconds(60));
  EXPECT_EQ(zones.DelayOf("other.example").ns, 0);
  zones.Heal();
  EXPECT_EQ(zones.DelayOf("far.example").ns, 0);
}

}  // namespace
}  // namespace postern::sim
