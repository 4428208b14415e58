// Goal: the active queue hands out what Postfix's would. Method: one test a rule, with the default settings of
// postconf(5) wherever they show it; time is a number.
#include "core/queue/schedule.h"

#include <gtest/gtest.h>

#include <numeric>

namespace postern::queue {
namespace {

Instant At(int64_t seconds) { return Instant{} + Seconds(seconds); }

std::vector<uint32_t> Recipients(uint32_t count, uint32_t first = 0) {
  std::vector<uint32_t> recipients(count);
  std::iota(recipients.begin(), recipients.end(), first);
  return recipients;
}

RecipientGroup To(std::string nexthop, uint32_t count = 1, std::string transport = "smtp") {
  return {.destination = {.transport = std::move(transport), .nexthop = std::move(nexthop)},
          .recipients = Recipients(count)};
}

class ScheduleTest : public testing::Test {
 protected:
  void Use(ScheduleSettings settings) { schedule_.emplace(std::move(settings)); }

  ScheduleReport Add(std::string id, std::vector<RecipientGroup> groups, uint64_t on_disk_count = 0) {
    auto report =
        schedule_->Add({.message = std::move(id), .groups = std::move(groups), .on_disk_count = on_disk_count}, now_);
    EXPECT_TRUE(report.ok()) << report.status();
    Check();
    return report.ok() ? *report : ScheduleReport{};
  }

  // "" when nothing may begin, otherwise the message; the delivery is kept.
  std::string Begin() {
    auto delivery = schedule_->Next(now_);
    Check();
    if (!delivery) return "";
    under_way_.push_back(*delivery);
    if (hosts_answer_) schedule_->Reached(delivery->id);
    Check();
    return delivery->message;
  }

  // The messages of `count` deliveries, one letter each.
  std::string Begin(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += Begin();
    return text;
  }

  ScheduleReport End(Verdict verdict = Verdict::kOk) {  // of the oldest delivery
    const Delivery delivery = under_way_.front();
    under_way_.erase(under_way_.begin());
    auto report = schedule_->Finished(delivery.id, verdict, now_, {"4.4.1", "connection refused"});
    EXPECT_TRUE(report.ok());
    Check();
    return *report;
  }

  // One delivery at a time: the messages in the order of `count` deliveries.
  std::string OneByOne(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += Begin();
      End();
    }
    return text;
  }

  void Check() { EXPECT_TRUE(schedule_->CheckInvariants().ok()) << schedule_->CheckInvariants(); }

  std::optional<Schedule> schedule_{ScheduleSettings{}};
  Instant now_ = At(1000);
  std::vector<Delivery> under_way_;
  bool hosts_answer_ = true;  // at once; how it ends comes later
};

ScheduleSettings OneProcess() {
  ScheduleSettings settings;
  settings.default_transport.process_limit = 1;
  settings.default_transport.destination_recipient_limit = 1;
  return settings;
}

TEST_F(ScheduleTest, CutsRecipientsIntoDeliveries) {
  Add("A", {To("x.test", 120)});
  EXPECT_EQ(Begin(4), "AAA");
  EXPECT_EQ(under_way_[0].group.recipients, Recipients(50));
  EXPECT_EQ(under_way_[1].group.recipients, Recipients(50, 50));
  EXPECT_EQ(under_way_[2].group.recipients, Recipients(20, 100));
  EXPECT_EQ(under_way_[0].group.destination, (Destination{.transport = "smtp", .nexthop = "x.test"}));
  EXPECT_TRUE(End().finished.empty());
  EXPECT_TRUE(End(Verdict::kRecipients).finished.empty());
  EXPECT_EQ(End().finished, std::vector<std::string>{"A"});
  EXPECT_EQ(schedule_->messages_count(), 0u);
  EXPECT_EQ(schedule_->recipients_count(), 0u);
  EXPECT_EQ(schedule_->destinations_count(), 0u) << "nothing is remembered of an idle destination";
}

TEST_F(ScheduleTest, TriesADestinationWithOneDeliveryUntilItAnswers) {
  hosts_answer_ = false;
  Add("A", {To("x.test")});
  Add("B", {To("x.test")});
  Add("C", {To("x.test")});
  EXPECT_EQ(Begin(2), "A");
  schedule_->Reached(under_way_[0].id);
  Check();
  EXPECT_EQ(Begin(3), "BC");
  schedule_->Reached(DeliveryId{77});  // none of ours: nothing happens
  Check();
}

TEST_F(ScheduleTest, AMessageWithoutRecipientsIsFinished) {
  EXPECT_EQ(Add("A", {}).finished, std::vector<std::string>{"A"});
}

TEST_F(ScheduleTest, RefusesTheSameMessageTwiceAndUnknownDeliveries) {
  Add("A", {To("x.test")});
  EXPECT_EQ(schedule_->Add({.message = "A"}, now_).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(schedule_->Finished(DeliveryId{7}, Verdict::kOk, now_).status().code(), StatusCode::kNotFound);
  Begin();
  const DeliveryId id = under_way_[0].id;
  End();
  EXPECT_EQ(schedule_->Finished(id, Verdict::kOk, now_).status().code(), StatusCode::kNotFound);
}

TEST_F(ScheduleTest, OpensTheWindowOfADestinationWithItsSuccesses) {
  for (char id = 'A'; id <= 'Z'; ++id) Add(std::string(1, id), {To("x.test")});
  EXPECT_EQ(Begin(100), "ABCDE");
  End();
  EXPECT_EQ(Begin(100), "FG") << "the place of the one that ended, and one more";
}

TEST_F(ScheduleTest, KeepsToTheProcessLimit) {
  hosts_answer_ = false;
  for (int i = 0; i < 150; ++i) Add("M" + std::to_string(i), {To(std::to_string(i) + ".test")});
  ScheduleSettings settings;
  settings.transports["smtp"] = {.process_limit = 3, .doubtful_percent = 50};
  int begun = 0;
  while (!Begin().empty()) ++begun;
  EXPECT_EQ(begun, 80) << "a fifth of the hundred is for destinations that are known to work";
  Use(settings);
  under_way_.clear();
  for (int i = 0; i < 10; ++i) Add("M" + std::to_string(i), {To(std::to_string(i) + ".test", 200)});
  begun = 0;
  while (!Begin().empty()) ++begun;
  EXPECT_EQ(begun, 2);
  End();
  begun = 0;
  while (!Begin().empty()) ++begun;
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(under_way_.size(), 3u);
}

TEST_F(ScheduleTest, DestinationsTakeTurns) {
  Use(OneProcess());
  Add("A", {To("x.test", 3)});
  Add("B", {To("y.test", 3)});
  Add("C", {To("z.test", 3)});
  EXPECT_EQ(OneByOne(9).size(), 9u);
  Add("D", {To("x.test", 3)});
  Add("E", {To("y.test", 3)});
  Begin(), End(), Begin(), End();
  Add("F", {To("z.test", 3)});
  EXPECT_EQ(OneByOne(3).substr(0, 3).find_first_not_of("DEF"), std::string::npos);
}

TEST_F(ScheduleTest, TransportsTakeTurns) {
  Add("A", {To("x.test", 500)});
  Add("B", {To("y.test", 5, "lmtp")});
  EXPECT_EQ(Begin(3), "ABA");
}

// ---- dead destinations ----------------------------------------------------------------------------------------------

TEST_F(ScheduleTest, ADeadDestinationDefersWhatWaitsAtOnce) {
  for (char id = 'A'; id <= 'H'; ++id) Add(std::string(1, id), {To("x.test"), To("live.test")});
  while (!Begin().empty()) {
  }
  std::vector<std::string> finished;
  ScheduleReport report;
  int failures = 0;
  for (const Delivery& delivery : std::exchange(under_way_, {})) {
    const bool dead_end = delivery.group.destination.nexthop == "x.test";
    if (dead_end && failures == 4) {
      under_way_.push_back(delivery);
      continue;
    }
    failures += dead_end;
    const Verdict verdict = dead_end ? Verdict::kUnreachable : Verdict::kOk;
    auto one = schedule_->Finished(delivery.id, verdict, now_, {"4.4.1", "refused"});
    ASSERT_TRUE(one.ok());
    Check();
    if (!one->deferred.empty()) report = *one;
  }
  EXPECT_EQ(schedule_->dead_destinations_count(), 1u);
  ASSERT_EQ(report.deferred.size(), 3u) << "eight, of which five are under way";
  EXPECT_EQ(report.deferred[0].message, "F");
  EXPECT_EQ(report.deferred[0].group, (RecipientGroup{{"smtp", "x.test"}, {0}}));
  EXPECT_EQ(report.deferred[0].reason, (UnreachableReason{"4.4.1", "refused"}));

  const ScheduleReport added = Add("I", {To("x.test")});
  ASSERT_EQ(added.deferred.size(), 1u);
  EXPECT_EQ(added.deferred[0].reason.text, "refused");
  EXPECT_EQ(added.finished, std::vector<std::string>{"I"});
}

TEST_F(ScheduleTest, ADeadDestinationIsTriedAgainAfterTheMinimalBackoff) {
  ScheduleSettings settings;
  settings.default_transport.window.initial = 1;
  Use(settings);
  Add("A", {To("x.test")});
  Begin();
  EXPECT_EQ(End(Verdict::kUnreachable).finished, std::vector<std::string>{"A"});
  now_ = At(1299);
  EXPECT_EQ(Add("A", {To("x.test")}).deferred.size(), 1u);
  now_ = At(1300);
  EXPECT_TRUE(Add("A", {To("x.test")}).deferred.empty());
  EXPECT_EQ(Begin(), "A");
}

TEST_F(ScheduleTest, DeadOnesAreForgottenInTime) {
  ScheduleSettings settings;
  settings.default_transport.window.initial = 1;
  Use(settings);
  Add("A", {To("x.test")});
  Begin(), End(Verdict::kUnreachable);
  EXPECT_EQ(schedule_->destinations_count(), 1u);
  EXPECT_EQ(schedule_->NextWakeup(), std::nullopt);
  now_ = At(1300);
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(schedule_->destinations_count(), 0u);
}

TEST_F(ScheduleTest, TheDeadAreFewAndTheSoonestIsForgottenFirst) {
  ScheduleSettings settings;
  settings.default_transport.window.initial = 1;
  settings.message_recipient_limit = 3;
  Use(settings);
  for (int i = 0; i < 10; ++i) {
    Add("A", {To(std::to_string(i) + ".test")});
    Begin(), End(Verdict::kUnreachable);
    now_.ns += 1'000'000'000;
  }
  EXPECT_EQ(schedule_->dead_destinations_count(), 3u);
  EXPECT_EQ(Add("B", {To("7.test")}).deferred.size(), 1u);
  EXPECT_EQ(Add("C", {To("6.test")}).deferred.size(), 0u);
}

TEST_F(ScheduleTest, ASuccessThatBeganBeforeRevives) {
  for (char id = 'A'; id <= 'E'; ++id) Add(std::string(1, id), {To("x.test")});
  Begin(5);
  for (int i = 0; i < 4; ++i) End(Verdict::kUnreachable);
  EXPECT_EQ(schedule_->dead_destinations_count(), 1u);
  End(Verdict::kRecipients);
  EXPECT_EQ(schedule_->dead_destinations_count(), 0u);
  EXPECT_TRUE(Add("F", {To("x.test")}).deferred.empty());
}

TEST_F(ScheduleTest, AFlushTriesTheDeadAgain) {
  for (char id = 'A'; id <= 'D'; ++id) Add(std::string(1, id), {To("x.test")});
  Begin(4);
  for (int i = 0; i < 4; ++i) End(Verdict::kUnreachable);
  EXPECT_EQ(Add("E", {To("x.test")}).deferred.size(), 1u);
  schedule_->TryDeadAgain();
  EXPECT_TRUE(Add("F", {To("x.test")}).deferred.empty());
}

TEST_F(ScheduleTest, DoubtfulDestinationsLeaveHalfOfTheProcessesToTheOthers) {
  ScheduleSettings settings;
  settings.default_transport.process_limit = 4;
  Use(settings);
  Add("L", {To("live.test", 1000)});
  Begin(), End();
  for (int i = 0; i < 20; ++i) Add("D" + std::to_string(i), {To(std::to_string(i) + ".dead.test")});
  std::string live = Begin(1) + Begin(1) + Begin(1) + Begin(1);
  EXPECT_EQ(std::count(live.begin(), live.end(), 'L'), 2);
}

// ---- small messages and mailings ------------------------------------------------------------------------------------

// Cost 5, loan 3, discount 50: three overtake on loan, one when half of its slot is saved (two deliveries were before,
// one comes then), the next after each five deliveries.
TEST_F(ScheduleTest, SmallMessagesOvertakeAMailing) {
  Use(OneProcess());
  Add("M", {To("x.test", 1000)});
  EXPECT_EQ(OneByOne(2), "MM");
  for (char id = 'a'; id <= 'h'; ++id) Add(std::string(1, id), {To("x.test")});
  EXPECT_EQ(OneByOne(22), "abcMdMMMMMeMMMMMfMMMMM");
}

TEST_F(ScheduleTest, SmallMessagesOvertakeAMailingToOtherDestinations) {
  Use(OneProcess());
  std::vector<RecipientGroup> groups;
  for (int i = 0; i < 500; ++i) groups.push_back(To(std::to_string(i) + ".test"));
  Add("M", std::move(groups));
  OneByOne(2);
  for (char id = 'a'; id <= 'h'; ++id) Add(std::string(1, id), {To(std::string(1, id) + ".small.test")});
  EXPECT_EQ(OneByOne(22), "abcMdMMMMMeMMMMMfMMMMM");
}

// "the delivery can take (cost+1)/cost times more": 2000 deliveries of a mailing, with as many small messages as go.
TEST_F(ScheduleTest, AMailingKeepsItsShare) {
  Use(OneProcess());
  Add("M", {To("x.test", 2000)});
  int slots = 0, small = 0, mailing = 0;
  while (mailing < 2000) {
    while (schedule_->messages_count() < 10) Add("s" + std::to_string(small++), {To("x.test")});
    ASSERT_LT(++slots, 10000);
    mailing += Begin() == "M";
    End();
  }
  EXPECT_LE(slots, 2000 * 6 / 5 + 4);
  EXPECT_GE(slots, 2000 * 6 / 5 - 4) << "the small ones have theirs";
}

TEST_F(ScheduleTest, MailingsTakeTurns) {
  Use(OneProcess());
  Add("M", {To("x.test", 100)});
  Add("N", {To("x.test", 15)});
  EXPECT_EQ(OneByOne(6), "MNMNMN");
}

// default_minimum_delivery_slots 3 at cost 5: below fifteen deliveries nothing overtakes, nothing is overtaken.
TEST_F(ScheduleTest, FewDeliveriesAreNoMailing) {
  Use(OneProcess());
  Add("A", {To("x.test", 14)});
  Add("b", {To("x.test", 1)});
  EXPECT_EQ(OneByOne(15), "AAAAAAAAAAAAAAb");
}

TEST_F(ScheduleTest, SlotCostZeroIsFirstInFirstOut) {
  ScheduleSettings settings = OneProcess();
  settings.default_transport.delivery_slot_cost = 0;
  Use(settings);
  Add("M", {To("x.test", 30)});
  Add("b", {To("x.test", 1)});
  EXPECT_EQ(OneByOne(31), std::string(30, 'M') + "b");
}

TEST_F(ScheduleTest, WithoutLoanAndDiscountSlotsAreSavedFirst) {
  ScheduleSettings settings = OneProcess();
  settings.default_transport.delivery_slot_loan = 0;
  settings.default_transport.delivery_slot_discount_percent = 0;
  settings.default_transport.delivery_slot_cost = 2;
  Use(settings);
  Add("M", {To("x.test", 100)});
  for (char id = 'a'; id <= 'd'; ++id) Add(std::string(1, id), {To("x.test")});
  EXPECT_EQ(OneByOne(8), "MMaMMbMM");
}

// The worst that a single message meets: a mailing of 100,000, of which memory holds a part, owes all it may.
TEST_F(ScheduleTest, ASingleMessageGetsPastAHundredThousandRecipients) {
  ScheduleSettings settings;
  settings.default_transport.process_limit = 1;
  Use(settings);
  uint32_t next = 0;
  const auto room = static_cast<uint32_t>(schedule_->RecipientRoom());
  Add("M", {To("x.test", room)}, 100000 - room);
  next += room;
  int deliveries = 0, single = 0;
  for (; schedule_->Holds("M"); ++deliveries) {
    ASSERT_LT(deliveries, 3000);
    if (deliveries % 20 == 0) Add("s" + std::to_string(single++), {To("x.test")});
    if (deliveries % 20 == 6) EXPECT_FALSE(schedule_->Holds("s" + std::to_string(single - 1))) << deliveries;
    Begin();
    End();
    EXPECT_LE(schedule_->recipients_count(), 20000u);
    if (const auto request = schedule_->WantsRecipients()) {
      const auto count = static_cast<uint32_t>(request->count);
      const RecipientGroup group{{"smtp", "x.test"}, Recipients(count, next)};
      next += count;
      ASSERT_TRUE(schedule_->Refill("M", {group}, 100000 - next, now_).ok());
    }
  }
  EXPECT_EQ(next, 100000u);
  EXPECT_EQ(deliveries, 2000 + single) << "the mailing isn't cut smaller than it must be";
}

// ---- rate delay -----------------------------------------------------------------------------------------------------

TEST_F(ScheduleTest, RateDelaySpacesDeliveries) {
  ScheduleSettings settings;
  settings.default_transport.destination_rate_delay = Seconds(10);
  Use(settings);
  Add("A", {To("x.test", 1), To("y.test", 1)});
  Add("B", {To("x.test", 1)});
  EXPECT_EQ(Begin(5), "AA") << "one at a time for each";
  now_ = At(1003);
  End();
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(schedule_->NextWakeup(), At(1013));
  now_ = At(1013);
  EXPECT_EQ(Begin(), "B");
  End(), End();
  now_ = At(1022);
  EXPECT_EQ(Add("C", {To("x.test")}).deferred.size(), 0u);
  EXPECT_EQ(Begin(), "") << "the pause outlives the last message";
  now_ = At(1023);
  EXPECT_EQ(Begin(), "C");
}

// ---- back-pressure --------------------------------------------------------------------------------------------------

TEST_F(ScheduleTest, IncomingAndDeferredTakeTurns) {
  std::string turns;
  for (int i = 0; i < 4; ++i) {
    const auto source = schedule_->WantsMessage(true, true);
    ASSERT_TRUE(source.has_value());
    turns += *source == QueueSource::kIncoming ? 'i' : 'd';
    schedule_->ReadingBegins(*source);
  }
  EXPECT_EQ(turns, "idid");
  EXPECT_EQ(schedule_->WantsMessage(false, true), QueueSource::kDeferred);
  EXPECT_EQ(schedule_->WantsMessage(true, false), QueueSource::kIncoming);
  EXPECT_EQ(schedule_->WantsMessage(false, false), std::nullopt);
}

TEST_F(ScheduleTest, TakesNoMoreMessagesThanTheLimit) {
  ScheduleSettings settings;
  settings.message_active_limit = 3;
  Use(settings);
  schedule_->ReadingBegins(QueueSource::kIncoming);
  schedule_->ReadingBegins(QueueSource::kIncoming);
  Add("A", {To("x.test")});
  EXPECT_EQ(schedule_->WantsMessage(true, true), std::nullopt);
  schedule_->ReadingFailed();
  EXPECT_TRUE(schedule_->WantsMessage(true, true).has_value());
  ASSERT_TRUE(schedule_->Add({.message = "B", .groups = {To("x.test")}, .was_read = true}, now_).ok());
  Add("C", {To("x.test")});
  EXPECT_EQ(schedule_->WantsMessage(true, true), std::nullopt);
  const auto refused = schedule_->Add({.message = "D", .groups = {To("x.test")}}, now_);
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  Begin(), End();
  EXPECT_TRUE(schedule_->WantsMessage(true, true).has_value());
}

// Each takes half of what is left: 10000, 5000, 2500 ... and never less than ten.
TEST_F(ScheduleTest, AMessageHoldsNoMoreThanStaysFree) {
  std::vector<uint64_t> rooms;
  for (int i = 0; schedule_->WantsMessage(true, false); ++i) {
    rooms.push_back(schedule_->RecipientRoom());
    Add("M" + std::to_string(i), {To("x.test", static_cast<uint32_t>(rooms.back()))}, 1000000);
  }
  EXPECT_EQ(rooms, (std::vector<uint64_t>{10000, 5000, 2500, 1250, 625, 312, 156, 78, 39, 20, 10, 10}));
  EXPECT_EQ(schedule_->recipients_count(), 20000u);
  const auto refused = schedule_->Add({.message = "A", .groups = {To("x.test")}}, now_);
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
}

TEST_F(ScheduleTest, AsksForRecipientsWhereTheyAreFew) {
  Add("M", {To("x.test", 200)}, 150);
  Add("N", {To("x.test", 300)}, 1000);
  auto request = schedule_->WantsRecipients();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->message, "M");
  EXPECT_EQ(request->count, 150u);
  request = schedule_->WantsRecipients();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->message, "N");
  EXPECT_EQ(schedule_->WantsRecipients(), std::nullopt) << "both are asked already";
  EXPECT_EQ(schedule_->Refill("M", {To("x.test", 151)}, 0, now_).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(schedule_->Refill("M", {To("x.test", 150)}, 0, now_).ok());
  Check();
  EXPECT_EQ(schedule_->WantsRecipients(), std::nullopt);
  EXPECT_EQ(schedule_->Refill("Z", {}, 0, now_).status().code(), StatusCode::kNotFound);
}

TEST_F(ScheduleTest, AMessageEndsWhenNothingIsLeftOnDisk) {
  Add("M", {To("x.test")}, 1);
  Begin();
  EXPECT_TRUE(End().finished.empty());
  ASSERT_TRUE(schedule_->WantsRecipients().has_value());
  const auto report = schedule_->Refill("M", {}, 0, now_);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->finished, std::vector<std::string>{"M"});
}

// ---- people ---------------------------------------------------------------------------------------------------------

TEST_F(ScheduleTest, ARemovedMessageIsNotHandedOut) {
  Add("A", {To("x.test", 60), To("y.test")}, 500);
  ASSERT_TRUE(schedule_->WantsRecipients().has_value());
  Begin();
  Add("B", {To("z.test")});
  EXPECT_EQ(schedule_->Remove("A").value(), 50u);
  Check();
  EXPECT_EQ(Begin(5), "B");
  EXPECT_EQ(End().finished, std::vector<std::string>{"A"});
  EXPECT_EQ(schedule_->Remove("A").status().code(), StatusCode::kNotFound);
  End();
  Add("C", {To("y.test")});
  EXPECT_EQ(schedule_->Remove("C").value(), 0u);
  EXPECT_EQ(schedule_->messages_count(), 0u);
  EXPECT_EQ(schedule_->destinations_count(), 0u);
}

}  // namespace
}  // namespace postern::queue
