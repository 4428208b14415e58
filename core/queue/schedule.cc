#include "core/queue/schedule.h"

#include <algorithm>

namespace postern::queue {
namespace {

uint32_t SlotCost(const TransportSettings& settings) {
  // postconf(5): below 2 the algorithm has no meaning.
  return settings.delivery_slot_cost == 0 ? 0 : std::max<uint32_t>(settings.delivery_slot_cost, 2);
}

uint64_t DeliveriesFor(uint64_t recipients_count, const TransportSettings& settings) {
  const uint64_t limit = settings.destination_recipient_limit;
  return limit == 0 ? recipients_count != 0 : (recipients_count + limit - 1) / limit;
}

bool IsMailing(const ActiveMessage& message, const TransportSettings& settings) {
  return SlotCost(settings) != 0 &&
         message.deliveries_estimate >= uint64_t{SlotCost(settings)} * settings.minimum_delivery_slots;
}

uint64_t CountOf(const std::vector<RecipientGroup>& groups) {
  uint64_t count = 0;
  for (const RecipientGroup& group : groups) count += group.recipients.size();
  return count;
}

}  // namespace

bool SlotAccount::SmallMayOvertake(const TransportSettings& settings) const {
  const int64_t cost = SlotCost(settings);
  const int64_t discount = std::min<int64_t>(settings.delivery_slot_discount_percent, 100);
  return hundredths_ >= cost * (100 - discount - 100 * int64_t{settings.delivery_slot_loan});
}

void SlotAccount::OnOvertaken(const TransportSettings& settings) { hundredths_ -= 100 * int64_t{SlotCost(settings)}; }

// ---- in -------------------------------------------------------------------------------------------------------------

uint64_t Schedule::FreeCount() const {
  const uint64_t taken = recipients_count_ + asked_count_;
  return settings_.message_recipient_limit > taken ? settings_.message_recipient_limit - taken : 0;
}

// A message holds no more than what stays free: k mailings then have 1/(k + 1) of the memory each, and there is always
// room for the next message, down to the minimum.
uint64_t Schedule::RoomFor(uint64_t held_count) const {
  const uint64_t free = FreeCount();
  const uint64_t minimum = std::max<uint64_t>(settings_.message_recipient_minimum, 1);
  const uint64_t fair = free > held_count ? (free - held_count) / 2 : 0;
  const uint64_t least = minimum > held_count ? minimum - held_count : 0;
  return std::min(free, std::max(fair, least));
}

std::optional<QueueSource> Schedule::WantsMessage(bool incoming_waits, bool deferred_waits) const {
  if (!incoming_waits && !deferred_waits) return std::nullopt;
  if (messages_count() + reading_count_ >= settings_.message_active_limit) return std::nullopt;
  const uint64_t least = std::min(settings_.message_recipient_limit,
                                  std::max<uint64_t>(settings_.message_recipient_minimum, 1) * (reading_count_ + 1));
  if (FreeCount() < least) return std::nullopt;
  if (incoming_waits && deferred_waits) {
    return last_source_ == QueueSource::kDeferred ? QueueSource::kIncoming : QueueSource::kDeferred;
  }
  return incoming_waits ? QueueSource::kIncoming : QueueSource::kDeferred;
}

// The queue on disk waits for this one: what holds places without moving must give them up sooner.
bool Schedule::Crowded() const {
  const uint64_t messages = settings_.message_active_limit, recipients = settings_.message_recipient_limit;
  return messages_count() >= messages - messages / 8 || FreeCount() < recipients / 8;
}

void Schedule::ReadingBegins(QueueSource source) {
  ++reading_count_;
  last_source_ = source;
}

void Schedule::ReadingFailed() { reading_count_ -= reading_count_ != 0; }

StatusOr<ScheduleReport> Schedule::Add(Addition addition, Instant now) {
  Advance(now);
  if (addition.was_read) ReadingFailed();
  if (Holds(addition.message)) return AlreadyExists(addition.message + " is in the active queue already");
  const uint64_t count = CountOf(addition.groups);
  if (messages_count() >= settings_.message_active_limit || count > FreeCount()) {
    return ResourceExhausted("the active queue has no room for " + addition.message +
                             ": raise qmgr_message_active_limit or qmgr_message_recipient_limit if that lasts");
  }
  ActiveMessage message;
  message.id = std::move(addition.message);
  message.number = next_message_++;
  message.on_disk_count = message.deliveries_estimate = addition.on_disk_count;
  for (const RecipientGroup& group : addition.groups) {
    const auto own = settings_.transports.find(group.destination.transport);
    message.deliveries_estimate += DeliveriesFor(
        group.recipients.size(), own == settings_.transports.end() ? settings_.default_transport : own->second);
  }
  const std::string id = message.id;
  const uint32_t number = messages_.Make(std::move(message));
  message_by_id_.emplace(id, number);
  ScheduleReport report;
  AddGroups(number, std::move(addition.groups), &report);
  List(number);
  FinishIfDone(number, &report);
  return report;
}

std::optional<Schedule::RecipientRequest> Schedule::WantsRecipients() {
  if (wanting_.empty()) return std::nullopt;
  const uint32_t number = std::get<2>(*wanting_.begin());
  ActiveMessage& message = messages_[number];
  const uint64_t count = std::min(RoomFor(message.held_count), message.on_disk_count);
  // Reading a file for a few recipients is dear; when none are in memory it has to be done.
  const uint64_t worth = std::min(settings_.recipient_refill_limit, message.on_disk_count);
  if (count == 0 || (count < worth && message.held_count != 0)) return std::nullopt;
  Unlist(number);
  message.asked = true;
  message.asked_count = count;
  asked_count_ += count;
  return RecipientRequest{.message = message.id, .count = count};
}

StatusOr<ScheduleReport> Schedule::Refill(std::string_view id, std::vector<RecipientGroup> groups,
                                          uint64_t on_disk_count, Instant now) {
  Advance(now);
  const auto at = message_by_id_.find(ToAbsl(id));
  if (at == message_by_id_.end()) return NotFound(std::string(id) + " is not in the active queue");
  const uint32_t number = at->second;
  ActiveMessage& message = messages_[number];
  if (CountOf(groups) > message.asked_count) {
    return ResourceExhausted("more recipients for " + std::string(id) + " than were asked for");
  }
  Unlist(number);
  asked_count_ -= message.asked_count;
  message.asked_count = 0;
  message.asked = false;
  message.on_disk_count = on_disk_count;
  ScheduleReport report;
  AddGroups(number, std::move(groups), &report);
  List(number);
  FinishIfDone(number, &report);
  return report;
}

// The message is not in wanting_ meanwhile.
void Schedule::AddGroups(uint32_t number, std::vector<RecipientGroup> groups, ScheduleReport* report) {
  for (RecipientGroup& group : groups) {
    if (group.recipients.empty()) continue;
    const uint32_t to = DestinationFor(group.destination);
    if (const ActiveDestination& destination = destinations_[to]; destination.window.dead()) {
      report->deferred.push_back(
          {.message = messages_[number].id, .group = std::move(group), .reason = *destination.failure});
      continue;
    }
    messages_[number].held_count += group.recipients.size();
    recipients_count_ += group.recipients.size();
    AddEntry(number, to, std::move(group.recipients));
  }
}

void Schedule::AddEntry(uint32_t number, uint32_t to, std::vector<uint32_t> recipients) {
  ActiveDestination& destination = destinations_[to];
  if (const auto known = entry_by_place_.find({number, to}); known != entry_by_place_.end()) {
    WaitingEntry& entry = entries_[known->second];
    // What was handed out needn't be kept: a mailing that is refilled for days stays as small as its limit.
    const auto first_waiting = entry.recipients.begin() + static_cast<ptrdiff_t>(entry.handed_out_count);
    entry.recipients.erase(entry.recipients.begin(), first_waiting);
    entry.handed_out_count = 0;
    entry.recipients.insert(entry.recipients.end(), recipients.begin(), recipients.end());
    return;
  }
  ActiveMessage& message = messages_[number];
  ActiveTransport& transport = transports_[destination.transport];
  const Lane lane = IsMailing(message, *transport.settings) ? kMailing : kSmall;
  const uint32_t at = entries_.Make({.message = number,
                                     .destination = to,
                                     .recipients = std::move(recipients),
                                     .lane = lane,
                                     .place_in_message = message.entries.size()});
  message.entries.push_back(at);
  entry_by_place_.emplace(std::make_pair(number, to), at);
  entries_[at].turn = destination.waiting[lane].Join(at);
  transport.mailing_entries_count += lane == kMailing;
  Place(to);
}

// ---- out ------------------------------------------------------------------------------------------------------------

std::optional<Delivery> Schedule::Next(Instant now) {
  Advance(now);
  if (ready_transports_.empty()) return std::nullopt;
  const uint32_t by = ready_transports_.Front();
  ActiveTransport& transport = transports_[by];
  const TransportSettings& settings = *transport.settings;
  const auto ready = [&](Trust trust) {
    const auto& queues = transport.pools[trust].ready;
    return !queues[kSmall].empty() || !queues[kMailing].empty();
  };
  Trust trust = transport.last_trust == kTried ? kDoubtful : kTried;
  if (!ready(kTried)) trust = kDoubtful;
  if (!ready(kDoubtful) || !DoubtfulMayBegin(transport)) trust = kTried;
  transport.last_trust = trust;

  auto& pool = transport.pools[trust];
  const bool contested = !pool.ready[kSmall].empty() && !pool.ready[kMailing].empty();
  Lane lane = pool.ready[kSmall].empty() ? kMailing : kSmall;
  if (contested && !pool.account.SmallMayOvertake(settings)) lane = kMailing;
  if (lane == kMailing) pool.account.OnMailing();
  if (lane == kSmall && contested) pool.account.OnOvertaken(settings);

  const uint32_t to = pool.ready[lane].Front();
  ActiveDestination& destination = destinations_[to];
  if (lane == kMailing) destination.account.OnMailing();
  if (lane == kSmall && !destination.waiting[kMailing].empty()) destination.account.OnOvertaken(settings);

  const uint32_t at = destination.waiting[lane].Front();
  WaitingEntry& entry = entries_[at];
  const uint32_t number = entry.message;
  Delivery delivery{.id = DeliveryId{next_delivery_++},
                    .message = messages_[number].id,
                    .group = {.destination = NameOf(destination), .recipients = {}}};
  const size_t limit = settings.destination_recipient_limit;
  const size_t most = limit == 0 ? entry.waiting_count() : limit;
  if (entry.waiting_count() <= most) {
    delivery.group.recipients = TakeEntry(at);
  } else {
    const auto from = entry.recipients.begin() + static_cast<ptrdiff_t>(entry.handed_out_count);
    delivery.group.recipients.assign(from, from + static_cast<ptrdiff_t>(most));
    entry.handed_out_count += most;
    if (lane == kMailing) {
      destination.waiting[lane].Leave(entry.turn);
      entry.turn = destination.waiting[lane].Join(at);
    }
  }
  under_way_.emplace(static_cast<uint64_t>(delivery.id),
                     DeliveryUnderWay{number, to, delivery.group.recipients.size()});
  messages_[number].under_way_count += delivery.group.recipients.size();
  ++destination.under_way_count;
  ++transport.under_way_count;
  transport.doubtful_under_way_count += destination.trust == kDoubtful;
  Displace(to);
  Place(to);
  if (transport.turn != 0) {  // to the end of the transports' queue
    ready_transports_.Leave(transport.turn);
    transport.turn = ready_transports_.Join(by);
  }
  return delivery;
}

void Schedule::Reached(DeliveryId id) {
  const auto known = under_way_.find(static_cast<uint64_t>(id));
  if (known == under_way_.end() || destinations_[known->second.destination].window.dead()) return;
  SetTrust(known->second.destination, kTried);
  Place(known->second.destination);
}

StatusOr<ScheduleReport> Schedule::Finished(DeliveryId id, Verdict verdict, Instant now, UnreachableReason reason) {
  Advance(now);
  const auto known = under_way_.find(static_cast<uint64_t>(id));
  if (known == under_way_.end()) return NotFound("no such delivery is under way");
  const DeliveryUnderWay delivery = known->second;
  under_way_.erase(known);
  const uint32_t to = delivery.destination;
  ActiveDestination& destination = destinations_[to];
  ActiveTransport& transport = transports_[destination.transport];
  const WindowSettings window = WindowOf(*transport.settings);
  const bool was_dead = destination.window.dead();
  ScheduleReport report;
  if (verdict != Verdict::kUnreachable) {
    if (was_dead) Revive(to);  // it isn't: this one began before the others failed
    destination.window.OnSuccess(window, destination.under_way_count);
  } else {
    destination.window.OnFailure(window, destination.trust == kDoubtful && Crowded());
  }
  --destination.under_way_count;
  --transport.under_way_count;
  transport.doubtful_under_way_count -= destination.trust == kDoubtful;
  SetTrust(to, verdict == Verdict::kUnreachable ? kDoubtful : kTried);
  if (destination.window.dead() && !was_dead) {
    destination.failure = std::make_unique<UnreachableReason>(std::move(reason));
    destination.until = now + std::max(settings_.minimal_backoff_time, transport.settings->destination_rate_delay);
    dead_.emplace(destination.until, to);
    DeferWaiting(to, &report);
  }
  if (!destination.window.dead() && transport.settings->destination_rate_delay > Duration{}) {
    destination.pausing = true;
    destination.until = now + transport.settings->destination_rate_delay;
    pauses_.emplace(destination.until, to);
  }
  messages_[delivery.message].under_way_count -= delivery.recipients_count;
  Release(delivery.message, delivery.recipients_count);
  FinishIfDone(delivery.message, &report);
  Place(to);
  ForgetIfIdle(to);
  if (dead_.size() > settings_.message_recipient_limit) Revive(dead_.begin()->second);
  return report;
}

void Schedule::DeferWaiting(uint32_t to, ScheduleReport* report) {
  const ActiveDestination& destination = destinations_[to];
  for (const Lane lane : {kSmall, kMailing}) {
    while (!destination.waiting[lane].empty()) {
      const uint32_t at = destination.waiting[lane].Front();
      const uint32_t number = entries_[at].message;
      report->deferred.push_back({.message = messages_[number].id,
                                  .group = {.destination = NameOf(destination), .recipients = TakeEntry(at)},
                                  .reason = *destination.failure});
      Release(number, report->deferred.back().group.recipients.size());
      FinishIfDone(number, report);
    }
  }
}

std::optional<Instant> Schedule::NextWakeup() const {
  if (pauses_.empty()) return std::nullopt;
  return pauses_.begin()->first;
}

void Schedule::Advance(Instant now) {
  while (!pauses_.empty() && pauses_.begin()->first <= now) {
    const uint32_t to = pauses_.begin()->second;
    pauses_.erase(pauses_.begin());
    destinations_[to].pausing = false;
    Place(to);
    ForgetIfIdle(to);
  }
  while (!dead_.empty() && dead_.begin()->first <= now) Revive(dead_.begin()->second);
}

// ---- people ---------------------------------------------------------------------------------------------------------

StatusOr<uint64_t> Schedule::Remove(std::string_view id) {
  const auto known = message_by_id_.find(ToAbsl(id));
  if (known == message_by_id_.end()) return NotFound(std::string(id) + " is not in the active queue");
  const uint32_t number = known->second;
  ActiveMessage& message = messages_[number];
  Unlist(number);
  asked_count_ -= message.asked_count;
  message.asked_count = 0;
  message.asked = false;
  message.on_disk_count = 0;
  while (!message.entries.empty()) {
    const uint32_t at = message.entries.back();
    const uint32_t to = entries_[at].destination;
    Release(number, TakeEntry(at).size());
    Place(to);
    ForgetIfIdle(to);
  }
  const uint64_t under_way_count = message.under_way_count;
  ScheduleReport ignored;  // the caller is told by the count
  FinishIfDone(number, &ignored);
  return under_way_count;
}

void Schedule::TryDeadAgain() {
  while (!dead_.empty()) Revive(dead_.begin()->second);
}

bool Schedule::IsBusy(const Destination& destination) const {
  const auto transport = transport_by_name_.find(destination.transport);
  if (transport == transport_by_name_.end()) return false;
  const auto found = destination_by_name_.find(Key{transport->second, destination.nexthop, destination.recipient});
  if (found == destination_by_name_.end()) return false;
  const ActiveDestination& active = destinations_[found->second];
  return active.HasWaiting() || active.under_way_count > 1;
}

}  // namespace postern::queue
