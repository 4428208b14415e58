// Goal: the schedule's laws, whatever order things come in. Method: RapidCheck drives Add, Next, Finished, Refill,
// Remove and the clock at random beside a model that knows each recipient's state; then everything is let run to its
// end.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "core/queue/schedule.h"

namespace postern::queue {
namespace {

enum class State : uint8_t { kOnDisk, kWaiting, kUnderWay, kEnded, kDeferred };

struct MessageModel {
  std::vector<Destination> to;  // by recipient
  std::vector<State> states;
  size_t read_count = 0;  // recipients that were read from disk
  bool removed = false;
};

ScheduleSettings AnySettings() {
  const auto small = [](int max) { return static_cast<uint32_t>(*rc::gen::inRange(0, max)); };
  const auto transport = [&] {
    TransportSettings settings;
    settings.process_limit = small(5);
    settings.destination_recipient_limit = small(4);
    settings.window = {.initial = small(4), .limit = small(5), .failed_cohort_limit = small(3)};
    settings.window.positive = {.base = small(3) / 2.0, .per_concurrency = *rc::gen::arbitrary<bool>()};
    settings.window.negative = {.base = small(3) / 2.0, .per_concurrency = *rc::gen::arbitrary<bool>()};
    settings.destination_rate_delay = Seconds(*rc::gen::weightedElement<int>({{4, 0}, {1, 3}}));
    settings.delivery_slot_cost = small(4);
    settings.delivery_slot_loan = small(3);
    settings.delivery_slot_discount_percent = *rc::gen::element(0u, 50u, 100u);
    settings.minimum_delivery_slots = small(3);
    settings.doubtful_percent = *rc::gen::element(0u, 50u, 100u);
    return settings;
  };
  ScheduleSettings settings;
  settings.default_transport = transport();
  settings.transports["lmtp"] = transport();
  settings.message_active_limit = 1 + small(8);
  settings.message_recipient_limit = 1 + small(40);
  settings.message_recipient_minimum = small(5);
  settings.recipient_refill_limit = small(10);
  settings.minimal_backoff_time = Seconds(20);
  return settings;
}

class Driver {
 public:
  explicit Driver(ScheduleSettings settings) : settings_(settings), schedule_(std::move(settings)) {}

  void Step() {
    switch (*rc::gen::inRange(0, 12)) {
      case 0:
      case 1:
      case 2:
        Arrive();
        break;
      case 3:
        Refill();
        break;
      case 4:
        now_.ns += Seconds(*rc::gen::inRange(0, 15)).ns;
        break;
      case 5:
        if (*rc::gen::inRange(0, 4) == 0) Remove();
        break;
      case 6:
        if (*rc::gen::inRange(0, 4) != 0) break;
        schedule_.TryDeadAgain();
        dead_until_.clear();
        ended_at_.clear();  // who asks for a try at once does not wait for a rate delay
        break;
      case 7:
      case 8:
      case 9:
        Begin();
        break;
      default:
        End(*rc::gen::weightedElement<Verdict>(
            {{3, Verdict::kOk}, {1, Verdict::kRecipients}, {3, Verdict::kUnreachable}}));
    }
    Check();
  }

  // Everything ends: no starvation. Each step either begins, ends, reads, or moves the clock to the next pause's end.
  void RunToTheEnd() {
    for (int steps = 0; !messages_.empty(); ++steps) {
      RC_ASSERT(steps < 20000);
      if (!Begin() && !Refill()) {
        if (!under_way_.empty()) {
          End(Verdict::kOk);
        } else {
          const auto wakeup = schedule_.NextWakeup();
          RC_ASSERT(wakeup.has_value());  // otherwise something waits forever
          RC_ASSERT(*wakeup > now_);
          now_ = *wakeup;
        }
      }
      Check();
    }
    now_.ns += Seconds(100).ns;
    RC_ASSERT(!schedule_.Next(now_).has_value());
    RC_ASSERT(schedule_.destinations_count() == 0u);
    RC_ASSERT(schedule_.messages_count() == 0u);
    RC_ASSERT(schedule_.recipients_count() == 0u);
    RC_ASSERT(schedule_.under_way_count() == 0u);
  }

 private:
  static Destination AnyDestination() {
    return {.transport = *rc::gen::weightedElement<std::string>({{3, "smtp"}, {1, "lmtp"}}),
            .nexthop = *rc::gen::element<std::string>("a.test", "b.test", "c.test", "d.test"),
            .recipient = ""};
  }

  // Recipients [read, read + count) of the model, grouped by destination.
  std::vector<RecipientGroup> Read(MessageModel* model, size_t count) {
    std::map<Destination, std::vector<uint32_t>> by_destination;
    for (size_t i = 0; i < count; ++i) {
      const auto recipient = static_cast<uint32_t>(model->read_count++);
      by_destination[model->to[recipient]].push_back(recipient);
      model->states[recipient] = State::kWaiting;
    }
    std::vector<RecipientGroup> groups;
    for (auto& [to, recipients] : by_destination) groups.push_back({to, recipients});
    return groups;
  }

  void Arrive() {
    if (!schedule_.WantsMessage(true, false)) {
      if (messages_.size() >= settings_.message_active_limit) {
        RC_ASSERT(schedule_.Add({.message = "X"}, now_).status().code() == StatusCode::kResourceExhausted);
      }
      return;
    }
    const std::string id = "M" + std::to_string(++last_message_);
    MessageModel& model = messages_[id];
    model.to = *rc::gen::container<std::vector<Destination>>(rc::gen::exec(AnyDestination));
    model.states.assign(model.to.size(), State::kOnDisk);
    const size_t count = std::min<uint64_t>(model.to.size(), schedule_.RecipientRoom());
    auto groups = Read(&model, count);
    const auto report =
        schedule_.Add({.message = id, .groups = std::move(groups), .on_disk_count = model.to.size() - count}, now_);
    RC_ASSERT(report.ok());
    Apply(*report);
  }

  bool Refill() {
    const auto request = schedule_.WantsRecipients();
    if (!request) return false;
    MessageModel& model = messages_.at(request->message);
    RC_ASSERT(!model.removed);
    RC_ASSERT(request->count > 0u);
    const size_t left = model.to.size() - model.read_count;
    RC_ASSERT(request->count <= left);
    auto groups = Read(&model, request->count);
    const auto report = schedule_.Refill(request->message, std::move(groups), model.to.size() - model.read_count, now_);
    RC_ASSERT(report.ok());
    Apply(*report);
    return true;
  }

  void Remove() {
    if (messages_.empty()) return;
    const auto at = std::next(messages_.begin(), *rc::gen::inRange<ptrdiff_t>(0, std::ssize(messages_)));
    uint64_t under_way = 0;
    for (State& state : at->second.states) {
      if (state == State::kWaiting || state == State::kOnDisk) state = State::kEnded;
      under_way += state == State::kUnderWay;
    }
    at->second.removed = true;
    const auto left = schedule_.Remove(at->first);
    RC_ASSERT(left.ok());
    RC_ASSERT(*left == under_way);
    if (under_way == 0) messages_.erase(at);
  }

  bool Begin() {
    const auto delivery = schedule_.Next(now_);
    if (!delivery) return false;
    MessageModel& model = messages_.at(delivery->message);
    const Destination& to = delivery->group.destination;
    const TransportSettings& settings = SettingsOf(to);
    RC_ASSERT(!delivery->group.recipients.empty());
    if (settings.destination_recipient_limit != 0) {
      RC_ASSERT(delivery->group.recipients.size() <= settings.destination_recipient_limit);
    }
    for (const uint32_t recipient : delivery->group.recipients) {
      RC_ASSERT(model.states.at(recipient) == State::kWaiting);  // once, and only what was given
      RC_ASSERT(model.to.at(recipient) == to);
      model.states[recipient] = State::kUnderWay;
    }
    RC_ASSERT(!dead_until_.contains(to) || dead_until_[to] <= now_);
    under_way_.push_back(*delivery);
    size_t to_destination = 0, by_transport = 0;
    for (const Delivery& other : under_way_) {
      to_destination += other.group.destination == to;
      by_transport += other.group.destination.transport == to.transport;
    }
    if (settings.process_limit != 0) RC_ASSERT(by_transport <= settings.process_limit);
    if (settings.window.limit != 0) RC_ASSERT(to_destination <= settings.window.limit);
    if (settings.destination_rate_delay > Duration{}) {
      RC_ASSERT(to_destination == 1u);
      RC_ASSERT(!ended_at_.contains(to) || now_ >= ended_at_[to] + settings.destination_rate_delay);
    }
    if (*rc::gen::arbitrary<bool>()) schedule_.Reached(delivery->id);
    return true;
  }

  void End(Verdict verdict) {
    if (under_way_.empty()) return;
    const auto at = under_way_.begin() + *rc::gen::inRange<ptrdiff_t>(0, std::ssize(under_way_));
    const Delivery delivery = *at;
    under_way_.erase(at);
    for (const uint32_t recipient : delivery.group.recipients) {
      messages_.at(delivery.message).states[recipient] = State::kEnded;
    }
    ended_at_[delivery.group.destination] = now_;
    const auto report = schedule_.Finished(delivery.id, verdict, now_);
    RC_ASSERT(report.ok());
    if (verdict != Verdict::kUnreachable) {
      RC_ASSERT(report->deferred.empty());
      dead_until_.erase(delivery.group.destination);
    } else if (!report->deferred.empty() && settings_.message_recipient_limit >= 8) {  // none is forgotten early
      dead_until_[delivery.group.destination] = now_ + settings_.minimal_backoff_time;
    }
    for (const DeferredGroup& deferred : report->deferred) {
      RC_ASSERT(deferred.group.destination == delivery.group.destination);  // no other suffers
    }
    Apply(*report);
  }

  void Apply(const ScheduleReport& report) {
    for (const DeferredGroup& deferred : report.deferred) {
      for (const uint32_t recipient : deferred.group.recipients) {
        State& state = messages_.at(deferred.message).states.at(recipient);
        RC_ASSERT(state == State::kWaiting);
        state = State::kDeferred;
      }
    }
    for (const std::string& id : report.finished) {
      for (const State state : messages_.at(id).states) RC_ASSERT(state == State::kEnded || state == State::kDeferred);
      messages_.erase(id);
    }
  }

  const TransportSettings& SettingsOf(const Destination& to) const {
    const auto own = settings_.transports.find(to.transport);
    return own == settings_.transports.end() ? settings_.default_transport : own->second;
  }

  void Check() {
    const Status status = schedule_.CheckInvariants();
    if (!status.ok()) RC_FAIL(std::string(Message(status)));
    uint64_t held = 0;
    for (const auto& [id, model] : messages_) {
      RC_ASSERT(schedule_.Holds(id));
      for (const State state : model.states) held += state == State::kWaiting || state == State::kUnderWay;
    }
    RC_ASSERT(messages_.size() == schedule_.messages_count());
    RC_ASSERT(held == schedule_.recipients_count());
    RC_ASSERT(held <= settings_.message_recipient_limit);
    RC_ASSERT(messages_.size() <= settings_.message_active_limit);
    RC_ASSERT(under_way_.size() == schedule_.under_way_count());
  }

  ScheduleSettings settings_;
  Schedule schedule_;
  Instant now_{1'000'000'000};
  std::map<std::string, MessageModel> messages_;
  std::vector<Delivery> under_way_;
  std::map<Destination, Instant> ended_at_, dead_until_;
  uint64_t last_message_ = 0;
};

RC_GTEST_PROP(ScheduleLaws, EveryRecipientIsHandedOutOnceWithinAllLimitsAndAllOfThemEnd, ()) {
  Driver driver(AnySettings());
  const int steps = *rc::gen::inRange(0, 150);
  for (int i = 0; i < steps; ++i) driver.Step();
  driver.RunToTheEnd();
}

// The promises of SlotAccount (schedule_state.h) for one destination and one process, under the worst of arrivals: a
// single message comes whenever none waits, or many at once.
RC_GTEST_PROP(ScheduleLaws, SingleMessagesPassMailingsAndMailingsKeepTheirShare, ()) {
  ScheduleSettings settings;
  TransportSettings& transport = settings.default_transport;
  transport.process_limit = 1;
  transport.destination_recipient_limit = 1;
  transport.delivery_slot_cost = static_cast<uint32_t>(*rc::gen::inRange(2, 9));
  transport.delivery_slot_loan = static_cast<uint32_t>(*rc::gen::inRange(0, 6));
  transport.delivery_slot_discount_percent = static_cast<uint32_t>(*rc::gen::inRange(0, 101));
  const uint64_t cost = transport.delivery_slot_cost;
  const bool same_destination = *rc::gen::arbitrary<bool>();
  Schedule schedule(settings);
  RecipientGroup mailing{{"smtp", "mailing.test"}, std::vector<uint32_t>(600)};
  RC_ASSERT(schedule.Add({.message = "M", .groups = {mailing}}, {}).ok());
  const auto burst = static_cast<size_t>(*rc::gen::inRange(1, 20));
  std::map<std::string, std::pair<uint64_t, uint64_t>> waiting;  // message: {slot of arrival, place then}
  uint64_t slots = 0, singles = 0, arrived = 0;
  while (slots < 300) {
    while (waiting.size() < burst) {
      const std::string id = "s" + std::to_string(++arrived);
      const std::string nexthop = same_destination ? "mailing.test" : id + ".test";
      RC_ASSERT(schedule.Add({.message = id, .groups = {{{"smtp", nexthop}, {0}}}}, {}).ok());
      waiting[id] = {slots, waiting.size() + 1};
    }
    const auto delivery = schedule.Next({});
    RC_ASSERT(delivery.has_value());
    ++slots;
    if (delivery->message != "M") {
      ++singles;
      const auto [since, place] = waiting.at(delivery->message);
      // Tried and doubtful destinations alternate too: where singles have destinations of their own twice the slots.
      RC_ASSERT(slots - since <= place * (cost + 1) * (same_destination ? 1 : 2));
      waiting.erase(delivery->message);
    }
    RC_ASSERT(schedule.Finished(delivery->id, Verdict::kOk, {}).ok());
    if (same_destination) RC_ASSERT(singles <= slots / (cost + 1) + transport.delivery_slot_loan + 2);
    RC_ASSERT(singles <= slots / 2 + transport.delivery_slot_loan + 2);
  }
}

}  // namespace
}  // namespace postern::queue
