// Goal: every law of mail that goes out is seen broken, and what is right passes. Method: facts made by hand; each test
// begins with facts that pass and changes one thing.
#include "sim/campaign/outbound_oracles.h"

#include <gtest/gtest.h>

namespace postern::sim {
namespace {

constexpr Instant At(int64_t seconds) { return Instant{} + Seconds(seconds); }

// One message for three: a took it, b was refused and told of, c waits.
OutboundFacts Right() {
  return {.promised = {{.canary = "m1", .sender = "alice@example.test", .recipients = {"a@far", "b@far", "c@far"}}},
          .carried = {{.canary = "m1", .recipient = "a@far", .at = At(10), .process = 1, .reply_told = true}},
          .told = {{.notice = "n1", .to = "alice@example.test", .canary = "m1", .recipient = "b@far"}},
          .waiting = {{.canary = "m1", .recipient = "c@far"}},
          .last_process = 1};
}
// The oracle of the only violation; "": there is none.
std::string Oracle(const Violations& violations) {
  if (violations.empty()) return "";
  EXPECT_EQ(violations.size(), 1u) << violations[1];
  return violations[0].substr(0, violations[0].find(':'));
}

TEST(OutboundOracles, WhatIsRightPasses) {
  EXPECT_EQ(Oracle(CheckOneEnd(Right())), "");
  EXPECT_EQ(Oracle(CheckNotices(Right())), "");
  EXPECT_EQ(Oracle(CheckNothingUnasked(Right())), "");
}

TEST(OutboundOracles, EveryRecipientHasAnEnd) {
  OutboundFacts facts = Right();
  facts.waiting.clear();
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11");
  facts.promised[0].no_reply = true;
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
  facts.promised[0].no_reply = false;
  facts.promised[0].sender = "";
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
}

TEST(OutboundOracles, TwiceOnlyWhereTheReplyWasLostOrTheProcessDied) {
  OutboundFacts facts = Right();
  facts.carried.push_back({.canary = "m1", .recipient = "a@far", .at = At(400), .process = 1, .reply_told = true});
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O2");
  facts.carried[0].reply_told = false;
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
  facts.carried[0].reply_told = true;
  facts.carried[1].process = facts.last_process = 2;
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
}

TEST(OutboundOracles, WhatIsWrittenDownIsNotForgotten) {
  OutboundFacts facts = Right();
  facts.disk_kept_all = true;
  facts.ends[1] = {.at = At(200)};
  EXPECT_FALSE(MayForget(facts, 1, At(10), 1));
  EXPECT_FALSE(MayForget(facts, 1, At(10), 2));
  EXPECT_TRUE(MayForget(facts, 1, At(190), 2)) << "it died just then";
  facts.ends[2] = {.at = At(300), .power_lost = true};
  EXPECT_FALSE(MayForget(facts, 1, At(10), 2));
  EXPECT_TRUE(MayForget(facts, 1, At(10), 3)) << "the power went in between";
  facts.ends.erase(2);
  facts.disk_kept_all = false;
  EXPECT_TRUE(MayForget(facts, 1, At(10), 2));
  facts.disk_kept_all = true;

  facts.carried.push_back({.canary = "m1", .recipient = "a@far", .at = At(400), .process = 2, .reply_told = true});
  facts.last_process = 2;
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O2");
  facts.ends[1].power_lost = true;
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
}

TEST(OutboundOracles, WhatNobodyWantsToHearMayEndInSilence) {
  OutboundFacts facts = Right();
  facts.waiting.clear();
  facts.promised[0].silent = {"c@far"};
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
  facts.told.push_back({.notice = "n2", .to = "alice@example.test", .canary = "m1", .recipient = "c@far"});
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
}

TEST(OutboundOracles, ANoticeMayBeLostWhereItFailsItself) {
  OutboundFacts facts = Right();
  facts.waiting.clear();
  facts.promised[0].queue_id = "A1";
  facts.notices["N1"] = {.about = "A2", .lost = true};
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11");
  facts.notices["N1"].about = "A1";
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
  facts.notices["N1"].lost = false;
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11");
}

TEST(OutboundOracles, WhatWasTakenNeitherFailedNorWaits) {
  OutboundFacts facts = Right();
  facts.told.push_back({.notice = "n1", .to = "alice@example.test", .canary = "m1", .recipient = "a@far"});
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11");
  facts.notices["n1"] = {.about = "A", .at = At(5), .process = 1};
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11") << "told first, taken then";
  facts.notices.clear();
  facts.carried[0].reply_told = false;  // nobody knew
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");

  facts = Right();
  facts.waiting.push_back({.canary = "m1", .recipient = "a@far"});
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11");
  facts.last_process = 2;  // the journal went with the power
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "");
}

TEST(OutboundOracles, OneNoticeToTheSender) {
  OutboundFacts facts = Right();
  facts.told.push_back(facts.told[0]);  // the same one, delivered twice
  EXPECT_EQ(Oracle(CheckNotices(facts)), "");
  facts.told[1].notice = "n2";
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
  facts.disk_kept_all = true;
  facts.notices["n1"] = {.about = "A", .at = At(20), .process = 1};
  facts.notices["n2"] = {.about = "A", .at = At(300), .process = 2};
  facts.ends[1] = {.at = At(250)};
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
  facts.ends[1] = {.at = At(25)};
  EXPECT_EQ(Oracle(CheckNotices(facts)), "") << "it died before it knew";

  facts = Right();
  facts.told[0].to = "bob@example.test";
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
  facts = Right();
  facts.promised[0].sender = "";
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
  facts = Right();
  facts.promised[0].refused = true;
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
  facts = Right();
  facts.told[0].recipient = "d@far";
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
  facts = Right();
  facts.told[0].canary = "m2";
  EXPECT_EQ(Oracle(CheckNotices(facts)), "O12");
}

TEST(OutboundOracles, NothingGoesOutUnasked) {
  OutboundFacts facts = Right();
  facts.carried[0].canary = "m2";
  EXPECT_EQ(Oracle(CheckNothingUnasked(facts)), "O14");
  facts = Right();
  facts.carried[0].recipient = "d@far";
  EXPECT_EQ(Oracle(CheckNothingUnasked(facts)), "O14");
  facts = Right();
  facts.waiting[0].recipient = "d@far";
  EXPECT_EQ(Oracle(CheckNothingUnasked(facts)), "O14");
  facts = Right();
  facts.waiting.clear();
  facts.promised[0].refused = true;
  EXPECT_EQ(Oracle(CheckNothingUnasked(facts)), "O3");
  facts.promised[0].refused = false;
  facts.promised[0].from_stranger = true;
  EXPECT_EQ(Oracle(CheckNothingUnasked(facts)), "O14");
}

TEST(OutboundOracles, NothingWaitsForEver) {
  const Limits limits{
      .minimal_backoff = Seconds(300), .maximal_backoff = Seconds(4000), .queue_lifetime = Seconds(86400)};
  const auto after = [&](int64_t seconds, bool held, int64_t outage) {
    return Oracle(CheckLifetimes({{.canary = "m1", .recipient = "c@far", .arrived = {0}, .held = held}}, limits,
                                 WallTime{seconds * 1'000'000}, Seconds(outage)));
  };
  EXPECT_EQ(after(86400 + 4000 + 100, false, 0), "");
  EXPECT_EQ(after(86400 + 4000 + 130, false, 0), "O11");
  EXPECT_EQ(after(86400 + 4000 + 130, false, 60), "");
  EXPECT_EQ(after(86400 + 4000 + 130, true, 0), "");
}

TEST(OutboundOracles, TriesKeepTheirDistance) {
  const Limits limits{.minimal_backoff = Seconds(300), .maximal_backoff = Seconds(4000)};
  const auto after = [&](int64_t seconds, uint64_t process, const std::vector<AskedByHand>& asked,
                         bool deferred = true) {
    return Oracle(CheckBackoff({{.id = "A", .recipient = "b@far", .at = At(1000 + seconds), .process = process},
                                {.id = "A", .recipient = "c@far", .at = At(1001)},
                                {.id = "A", .recipient = "b@far", .at = At(1000), .process = 1, .deferred = deferred}},
                               limits, asked));
  };
  EXPECT_EQ(after(300, 1, {}), "");
  EXPECT_EQ(after(299, 1, {}), "O13");
  const auto asked = [](int64_t from, int64_t to, const std::string& id = "") {
    return std::vector<AskedByHand>{{.id = id, .from = At(from), .to = At(to)}};
  };
  EXPECT_EQ(after(299, 1, asked(1100, 1100)), "");
  EXPECT_EQ(after(299, 1, asked(1100, 1100, "A")), "");
  EXPECT_EQ(after(299, 1, asked(1100, 1100, "B")), "O13") << "for another message";
  EXPECT_EQ(after(299, 1, asked(900, 1000)), "") << "done when it was tried the first time";
  EXPECT_EQ(after(299, 1, asked(900, 999)), "O13");
  EXPECT_EQ(after(299, 1, asked(1300, 1400)), "O13");
  EXPECT_EQ(after(299, 2, {}), "");
  EXPECT_EQ(after(299, 1, {}, /*deferred=*/false), "");
  EXPECT_EQ(after(4120, 1, {}), "");
  EXPECT_EQ(after(4121, 1, {}), "O13");
  EXPECT_EQ(after(4121, 1, asked(1100, 1100)), "O13");
  EXPECT_EQ(after(4121, 1, {{.from = At(1100), .to = At(1100), .holds = true}}), "");
  EXPECT_EQ(after(299, 1, {{.from = At(1100), .to = At(1100), .holds = true}}), "O13");
}

TEST(OutboundOracles, TheNextProcessKeepsTheDistance) {
  const Limits limits{.minimal_backoff = Seconds(300), .maximal_backoff = Seconds(4000)};
  OutboundFacts facts{
      .ends = {{1, {.at = At(1200)}}}, .put_off = {{{"A", 1}, At(1001)}}, .clock_jumps = false, .disk_kept_all = true};
  const auto after = [&](int64_t seconds) {
    return Oracle(CheckBackoff({{.id = "A", .recipient = "b@far", .at = At(1000 + seconds), .process = 2},
                                {.id = "A", .recipient = "b@far", .at = At(1000), .process = 1, .deferred = true}},
                               limits, {}, facts));
  };
  EXPECT_EQ(after(299), "") << "file times are of a second";
  EXPECT_EQ(after(298), "O13");
  facts.clock_jumps = true;
  EXPECT_EQ(after(298), "");
  facts.clock_jumps = false;
  facts.ends[1].at = At(1010);
  EXPECT_EQ(after(298), "") << "it died just then";
  facts.ends[1].at = At(1200);
  facts.put_off.clear();
  EXPECT_EQ(after(298), "") << "it was never put off";
}

TEST(OutboundOracles, WhatPeopleDeletedNeedNotArrive) {
  OutboundFacts facts = Right();
  facts.told.clear();
  facts.promised[0].queue_id = "A1";
  ASSERT_EQ(Oracle(CheckOneEnd(facts)), "O11");
  facts.deleted = {"A", "B1"};
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11");
  facts.deleted.insert("A12");
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "") << "a copy of it";
  facts.promised[0].queue_id = "";
  EXPECT_EQ(Oracle(CheckOneEnd(facts)), "O11") << "its id is not known";
}

TEST(OutboundOracles, WhatMayEndUnseen) {
  OutboundFacts facts = Right();
  facts.promised[0].queue_id = "A1";
  facts.expired = {"A1"};
  EXPECT_FALSE(MayEndUnseen(facts, facts.promised[0])) << "the sender is told";
  facts.promised[0].sender = "";
  EXPECT_TRUE(MayEndUnseen(facts, facts.promised[0]));
  facts.expired = {"A0", "A2"};
  EXPECT_FALSE(MayEndUnseen(facts, facts.promised[0]));
  facts.notices["N1"] = {.about = "A1"};
  EXPECT_FALSE(MayEndUnseen(facts, facts.promised[0]));
  facts.notices["N1"].lost = true;
  EXPECT_TRUE(MayEndUnseen(facts, facts.promised[0]));
}

TEST(OutboundOracles, NobodyIsToldWithoutAReason) {
  OutboundFacts facts = Right();
  facts.promised[0].queue_id = "A1";
  EXPECT_EQ(Oracle(CheckRightlyFailed(facts)), "O11");
  facts.refusable = {"b@far"};
  EXPECT_EQ(Oracle(CheckRightlyFailed(facts)), "");
  facts.refusable.clear();
  facts.expired = {"A2"};
  EXPECT_EQ(Oracle(CheckRightlyFailed(facts)), "O11");
  facts.told[0].about = "A2";
  EXPECT_EQ(Oracle(CheckRightlyFailed(facts)), "");
  facts.told[0].about = "";
  facts.expired = {"A1"};
  EXPECT_EQ(Oracle(CheckRightlyFailed(facts)), "");
}

TEST(OutboundOracles, ConnectionsHaveALimit) {
  EXPECT_EQ(Oracle(CheckConcurrency("far.example", 20, 20)), "");
  EXPECT_EQ(Oracle(CheckConcurrency("far.example", 21, 20)), "O13");
}

TEST(OutboundOracles, NothingIsLeftInTheSpool) {
  EXPECT_EQ(Oracle(CheckNoLeak({"deferred/A", "journal/A", "hold/B", "journal/B"}, false)), "");
  EXPECT_EQ(Oracle(CheckNoLeak({"deferred/A", "journal/C"}, false)), "O18");
  EXPECT_EQ(Oracle(CheckNoLeak({"hold/B", "journal/B", "corrupt/C"}, true)), "");
  EXPECT_EQ(Oracle(CheckNoLeak({"incoming/A"}, true)), "O18");
  EXPECT_EQ(Oracle(CheckNoLeak({"journal/A"}, true)), "O18");
  EXPECT_EQ(Oracle(CheckNoLeak({"tmp/A.1"}, true)), "O18");
  EXPECT_EQ(Oracle(CheckNoLeak({"spare/7"}, true)), "");
}

}  // namespace
}  // namespace postern::sim
