// Goal: each notice goes to whom Postfix sends it, and to nobody else. Method: the cases of RFC 3461 section 5.2 and of
// bounce(8), each compared once with what a Postfix 3.7 did.
#include "core/notice/decide.h"

#include <gtest/gtest.h>

#include "tests/core/notice/sample.h"

namespace postern::notice {
namespace {

// "failure to=<alice@example.test> from=<> full: 0 2", a line a notice.
std::string Shown(const Decision& decision) {
  std::string shown;
  for (const Notice& notice : decision.notices) {
    shown += notice.kind == NoticeKind::kFailure ? "failure" : notice.kind == NoticeKind::kDelay ? "delay" : "success";
    if (notice.postmaster_copy) shown += " copy";
    shown += " to=<" + notice.to.Key() + "> from=<" + (notice.null_sender ? "" : notice.sender.Key()) + ">";
    shown += notice.full ? " full:" : " header:";
    for (const size_t i : notice.outcomes) shown += " " + std::to_string(i);
    shown += "\n";
  }
  return shown;
}

std::string Decided(std::string_view sender, const std::vector<Outcome>& outcomes,
                    std::string_view classes = "resource, software", const Moment& moment = At(1),
                    Settings settings = SampleSettings()) {
  settings.notify_classes = ParseNotifyClasses(classes).value();
  return Shown(Decide(SampleEnvelope(sender), outcomes, settings, moment));
}

constexpr std::string_view kAlice = "alice@example.test";

TEST(Decide, FailuresOfOneAttemptAreOneNotice) {
  EXPECT_EQ(Decided(kAlice, {Refused("a@x.example"), Kept("b@x.example"), Refused("c@y.example")}),
            "failure to=<alice@example.test> from=<> full: 0 2\n");
}

// RFC 3461 section 5.2.6.
TEST(Decide, NotifySaysWhichFailuresAreTold) {
  EXPECT_EQ(
      Decided(kAlice, {Refused("a@x.example", kNotifyNever), Refused("b@x.example", kNotifySuccess),
                       Refused("c@x.example", kNotifyDelay), Refused("d@x.example", kNotifyFailure | kNotifyDelay)}),
      "failure to=<alice@example.test> from=<> full: 3\n");
  EXPECT_EQ(Decided(kAlice, {Refused("a@x.example", kNotifyNever)}), "");
}

TEST(Decide, RetSaysWhatOfTheMessageComesBack) {
  queue::Envelope envelope = SampleEnvelope();
  const std::vector<Outcome> outcomes = {Refused("a@x.example")};
  envelope.ret = "HDRS";
  EXPECT_EQ(Shown(Decide(envelope, outcomes, SampleSettings(), At(1))),
            "failure to=<alice@example.test> from=<> header: 0\n");
  envelope.ret = "FULL";
  EXPECT_EQ(Shown(Decide(envelope, outcomes, SampleSettings(), At(1))),
            "failure to=<alice@example.test> from=<> full: 0\n");
}

// The copy tells every recipient, NOTIFY=NEVER too, and carries only the header.
TEST(Decide, ThePostmasterGetsACopyOfBouncesOnRequest) {
  EXPECT_EQ(Decided(kAlice, {Refused("a@x.example", kNotifyNever), Refused("b@x.example")}, "bounce"),
            "failure to=<alice@example.test> from=<> full: 1\n"
            "failure copy to=<postmaster@example.test> from=<double-bounce@mail.example.test> header: 0 1\n");
  EXPECT_EQ(Decided(kAlice, {Refused("a@x.example")}, "2bounce, delay"),
            "failure to=<alice@example.test> from=<> full: 0\n");
}

// RFC 5321 section 4.5.5. Without a class that wants it, a bounce that fails is silent, as with Postfix's defaults.
TEST(Decide, AFailedBounceGoesToThePostmasterAlone) {
  const std::vector<Outcome> outcomes = {Refused("a@x.example", kNotifyNever)};
  const std::string told = "failure copy to=<postmaster@example.test> from=<double-bounce@mail.example.test> full: 0\n";
  EXPECT_EQ(Decided("", outcomes), "");
  EXPECT_EQ(Decided("", outcomes, "2bounce"), told);
  EXPECT_EQ(Decided("", outcomes, "bounce"), told);
  Settings settings = SampleSettings();
  settings.double_bounce_notice_recipient = "hole@other.example";
  EXPECT_EQ(Decided("", outcomes, "2bounce", At(1), settings),
            "failure copy to=<hole@other.example> from=<double-bounce@mail.example.test> full: 0\n");
}

TEST(Decide, AFailedDoubleBounceIsTheEnd) {
  Settings settings = SampleSettings();
  settings.notify_classes = 255;
  settings.delay_warning_time = Seconds(1);
  const queue::Envelope envelope = SampleEnvelope("Double-Bounce@MAIL.example.test");
  const std::vector<Outcome> failed = {Refused("a@x.example", kNotifyFailure)};
  const Decision decision = Decide(envelope, failed, settings, At(10));
  EXPECT_EQ(Shown(decision), "");
  EXPECT_TRUE(decision.discarded);
  const std::vector<Outcome> others = {Kept("a@x.example", kNotifySuccess), Waiting("b@x.example")};
  const Decision quiet = Decide(envelope, others, settings, At(10));
  EXPECT_EQ(Shown(quiet), "");
  EXPECT_FALSE(quiet.discarded);
}

// RFC 3461 sections 5.2.1 to 5.2.3 and 5.2.7.3.
TEST(Decide, SuccessIsToldOnlyWhereItWasAskedForAndNobodyElseTells) {
  EXPECT_EQ(Decided(kAlice,
                    {Kept("a@x.example"), Kept("b@x.example", kNotifySuccess),
                     Sent(Fate::kRelayed, "c@x.example", kNotifySuccess | kNotifyFailure),
                     Sent(Fate::kPassedOn, "d@x.example", kNotifySuccess),
                     Sent(Fate::kExpanded, "e@x.example", kNotifySuccess), Kept("f@x.example", kNotifyNever),
                     Kept("g@x.example", kNotifyFailure | kNotifyDelay)},
                    "bounce, 2bounce, delay"),
            "success to=<alice@example.test> from=<> header: 1 2 4\n");
}

TEST(Decide, SuccessOfABounceIsForThePostmaster) {
  const std::vector<Outcome> outcomes = {Kept("a@x.example", kNotifySuccess)};
  EXPECT_EQ(Decided("", outcomes, "bounce"), "");
  EXPECT_EQ(Decided("", outcomes, "2bounce"),
            "success to=<postmaster@example.test> from=<double-bounce@mail.example.test> header: 0\n");
}

TEST(Decide, ADelayIsToldOnceAndNotBeforeItsTime) {
  Settings settings = SampleSettings();
  const std::vector<Outcome> outcomes = {Waiting("a@x.example"), Waiting("b@x.example", kNotifyFailure),
                                         Waiting("c@x.example", kNotifyDelay), Waiting("d@x.example", kNotifyNever)};
  const auto decide = [&](const Moment& moment) { return Decide(SampleEnvelope(), outcomes, settings, moment); };
  EXPECT_EQ(Shown(decide(At(1'000'000))), "") << "delay_warning_time = 0";
  settings.delay_warning_time = Seconds(3600);
  EXPECT_EQ(Shown(decide(At(3599))), "");
  EXPECT_FALSE(decide(At(3599)).delay_told);
  EXPECT_EQ(Shown(decide(At(3600))), "delay to=<alice@example.test> from=<> header: 0 2\n");
  EXPECT_TRUE(decide(At(3600)).delay_told);
  EXPECT_TRUE(decide({.now = {SampleEnvelope().arrived_us + 3600 * 1'000'000LL}}).delay_told) << "to the microsecond";
  EXPECT_FALSE(decide({.now = {SampleEnvelope().arrived_us + 3600 * 1'000'000LL - 1}}).delay_told);
  EXPECT_EQ(Shown(decide(At(7200, true))), "");
  EXPECT_TRUE(decide(At(7200, true)).delay_told);
  settings.notify_classes = kClassDelay;
  settings.delay_notice_recipient = "slow";
  EXPECT_EQ(Shown(decide(At(3600))),
            "delay to=<alice@example.test> from=<> header: 0 2\n"
            "delay copy to=<slow@example.test> from=<double-bounce@mail.example.test> header: 0 1 2 3\n");
}

TEST(Decide, ADelayThatNobodyWantsToHearOfCountsAsTold) {
  Settings settings = SampleSettings();
  settings.delay_warning_time = Seconds(1);
  const std::vector<Outcome> outcomes = {Waiting("a@x.example", kNotifyFailure)};
  const Decision decision = Decide(SampleEnvelope(), outcomes, settings, At(5));
  EXPECT_EQ(Shown(decision), "");
  EXPECT_TRUE(decision.delay_told);
}

TEST(Decide, ADelayedBounceIsForThePostmaster) {
  Settings settings = SampleSettings();
  settings.delay_warning_time = Seconds(1);
  EXPECT_EQ(Decided("", {Waiting("a@x.example")}, "2bounce", At(5), settings), "");
  EXPECT_EQ(Decided("", {Waiting("a@x.example")}, "delay", At(5), settings),
            "delay copy to=<postmaster@example.test> from=<double-bounce@mail.example.test> full: 0\n");
}

TEST(Decide, TheEndOfADelayIsToldToThoseWhoHeardOfIt) {
  Settings settings = SampleSettings();
  settings.confirm_delay_cleared = true;
  const std::vector<Outcome> outcomes = {Sent(Fate::kPassedOn, "a@x.example"), Kept("b@x.example", kNotifyDelay),
                                         Kept("c@x.example", kNotifyFailure), Kept("d@x.example", kNotifySuccess)};
  EXPECT_EQ(Decided(kAlice, outcomes, "", At(9, true), settings),
            "success to=<alice@example.test> from=<> header: 0 1 3\n");
  EXPECT_EQ(Decided(kAlice, outcomes, "", At(9, false), settings),
            "success to=<alice@example.test> from=<> header: 3\n");
  settings.confirm_delay_cleared = false;
  EXPECT_EQ(Decided(kAlice, outcomes, "", At(9, true), settings),
            "success to=<alice@example.test> from=<> header: 3\n");
}

TEST(Decide, FailureSuccessAndDelayAreNoticesOfTheirOwn) {
  Settings settings = SampleSettings();
  settings.delay_warning_time = Seconds(1);
  EXPECT_EQ(Decided(kAlice, {Waiting("a@x.example"), Kept("b@x.example", kNotifySuccess), Refused("c@x.example")}, "",
                    At(5), settings),
            "failure to=<alice@example.test> from=<> full: 2\n"
            "success to=<alice@example.test> from=<> header: 1\n"
            "delay to=<alice@example.test> from=<> header: 0\n");
}

// RFC 5321 section 6.2.
TEST(Decide, AForgedSenderHearsNothing) {
  Moment moment = At(5);
  moment.sender_is_forged = true;
  EXPECT_EQ(Decided(kAlice, {Refused("a@x.example"), Kept("b@x.example", kNotifySuccess)}, "", moment), "");
  EXPECT_EQ(Decided(kAlice, {Refused("a@x.example")}, "bounce", moment),
            "failure copy to=<postmaster@example.test> from=<double-bounce@mail.example.test> header: 0\n");
}

TEST(Decide, NothingHappenedNothingIsTold) { EXPECT_EQ(Decided(kAlice, {}, "bounce, 2bounce, delay"), ""); }

TEST(NotifyClasses, AreNamesApartByBlanksAndCommas) {
  EXPECT_EQ(ParseNotifyClasses("").value(), 0);
  EXPECT_EQ(ParseNotifyClasses(" resource,software\t2bounce\n").value(),
            kClassResource | kClassSoftware | kClass2Bounce);
  EXPECT_EQ(ParseNotifyClasses("bounce data delay policy protocol").value(),
            kClassBounce | kClassData | kClassDelay | kClassPolicy | kClassProtocol);
  const auto wrong = ParseNotifyClasses("bounce, bounces");
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(Message(wrong.status()).find("\"bounces\" is none"), std::string_view::npos);
}

TEST(NoticeRecipients, AreCompletedWithMyorigin) {
  EXPECT_EQ(NoticeRecipient("postmaster", SampleSettings()).Key(), "postmaster@example.test");
  EXPECT_EQ(NoticeRecipient("ops@far.example", SampleSettings()).Key(), "ops@far.example");
  EXPECT_EQ(NoticeRecipient("", SampleSettings()).Key(), "postmaster@example.test");
}

TEST(LogNames, AreThoseOfBounce) {
  EXPECT_EQ(LogName({.kind = NoticeKind::kFailure}), "sender non-delivery notification");
  EXPECT_EQ(LogName({.kind = NoticeKind::kFailure, .postmaster_copy = true}), "postmaster non-delivery notification");
  EXPECT_EQ(LogName({.kind = NoticeKind::kDelay}), "sender delay notification");
  EXPECT_EQ(LogName({.kind = NoticeKind::kDelay, .postmaster_copy = true}), "postmaster delay notification");
  EXPECT_EQ(LogName({.kind = NoticeKind::kSuccess}), "sender delivery status notification");
}

TEST(Status, MustFitWhatHappened) {
  EXPECT_EQ(StatusOf({.fate = Fate::kFailed, .status = "5.1.1"}), "5.1.1");
  EXPECT_EQ(StatusOf({.fate = Fate::kFailed, .status = "4.4.1"}), "4.4.1") << "too old";
  EXPECT_EQ(StatusOf({.fate = Fate::kFailed, .status = "2.0.0"}), "5.0.0");
  EXPECT_EQ(StatusOf({.fate = Fate::kDelayed, .status = "5.1.1"}), "4.0.0");
  EXPECT_EQ(StatusOf({.fate = Fate::kRelayed, .status = "2.1.5"}), "2.1.5");
  for (const char* bad :
       {"", "5", "5.", "5.1", "5.1.", "5.1.1.1", "5.1.1234", "5..1", "5.1.1\n", "6.1.1", "5.a.1", "51.1"}) {
    EXPECT_EQ(StatusOf({.fate = Fate::kFailed, .status = bad}), "5.0.0") << bad;
  }
}

}  // namespace
}  // namespace postern::notice
