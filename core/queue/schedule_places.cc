// The schedule's bookkeeping: who waits in which queue, and what is forgotten when.
#include <algorithm>

#include "core/queue/schedule.h"

namespace postern::queue {

WindowSettings WindowOf(const TransportSettings& settings) {
  WindowSettings window = settings.window;
  if (settings.destination_rate_delay > Duration{}) window.initial = window.limit = 1;
  return window;
}

// ---- messages -------------------------------------------------------------------------------------------------------

void Schedule::List(uint32_t number) {
  const ActiveMessage& message = messages_[number];
  if (message.on_disk_count != 0 && !message.asked) wanting_.emplace(message.held_count, message.number, number);
}

void Schedule::Unlist(uint32_t number) {
  const ActiveMessage& message = messages_[number];
  wanting_.erase({message.held_count, message.number, number});
}

void Schedule::Release(uint32_t number, uint64_t recipients_count) {
  Unlist(number);
  messages_[number].held_count -= recipients_count;
  recipients_count_ -= recipients_count;
  List(number);
}

void Schedule::FinishIfDone(uint32_t number, ScheduleReport* report) {
  ActiveMessage& message = messages_[number];
  if (message.held_count != 0 || message.on_disk_count != 0) return;
  message_by_id_.erase(message.id);
  report->finished.push_back(std::move(message.id));
  messages_.Free(number);
}

// What waits of it. The places of its destination and message are the caller's to tell.
std::vector<uint32_t> Schedule::TakeEntry(uint32_t at) {
  WaitingEntry& entry = entries_[at];
  ActiveMessage& message = messages_[entry.message];
  ActiveDestination& destination = destinations_[entry.destination];
  ActiveTransport& transport = transports_[destination.transport];
  destination.waiting[entry.lane].Leave(entry.turn);
  if (destination.waiting[kMailing].empty()) destination.account.OnMailingsOver();
  if (entry.lane == kMailing && --transport.mailing_entries_count == 0) {
    for (auto& pool : transport.pools) pool.account.OnMailingsOver();
  }
  entries_[message.entries.back()].place_in_message = entry.place_in_message;
  message.entries[entry.place_in_message] = message.entries.back();
  message.entries.pop_back();
  entry_by_place_.erase({entry.message, entry.destination});
  std::vector<uint32_t> rest = std::move(entry.recipients);
  rest.erase(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(entry.handed_out_count));
  entries_.Free(at);
  return rest;
}

// ---- destinations and transports ------------------------------------------------------------------------------------

uint32_t Schedule::TransportFor(const std::string& name) {
  if (const auto known = transport_by_name_.find(name); known != transport_by_name_.end()) return known->second;
  const auto own = settings_.transports.find(name);
  ActiveTransport transport;
  transport.name = name;
  transport.settings = own == settings_.transports.end() ? &settings_.default_transport : &own->second;
  return transport_by_name_[name] = transports_.Make(std::move(transport));
}

uint32_t Schedule::DestinationFor(const Destination& name) {
  const uint32_t by = TransportFor(name.transport);
  const auto [at, is_new] = destination_by_name_.try_emplace(Key{by, name.nexthop, name.recipient}, 0);
  if (!is_new) return at->second;
  ActiveDestination destination;
  destination.transport = by;
  destination.nexthop = name.nexthop;
  destination.recipient = name.recipient;
  destination.window.Restart(WindowOf(*transports_[by].settings));
  ++transports_[by].destinations_count;
  return at->second = destinations_.Make(std::move(destination));
}

Destination Schedule::NameOf(const ActiveDestination& destination) const {
  return {transports_[destination.transport].name, destination.nexthop, destination.recipient};
}

void Schedule::ForgetIfIdle(uint32_t to) {
  ActiveDestination& destination = destinations_[to];
  if (destination.HasWaiting() || destination.under_way_count != 0) return;
  if (destination.window.dead() || destination.pausing) return;
  const uint32_t by = destination.transport;
  destination_by_name_.erase(Key{by, destination.nexthop, destination.recipient});
  destinations_.Free(to);
  ActiveTransport& transport = transports_[by];
  if (--transport.destinations_count != 0) return;
  transport_by_name_.erase(transport.name);
  transports_.Free(by);
}

// The dead one is alive, with a new window, as doubtful as before. May forget it.
void Schedule::Revive(uint32_t to) {
  ActiveDestination& destination = destinations_[to];
  dead_.erase({destination.until, to});
  destination.failure.reset();
  destination.window.Restart(WindowOf(*transports_[destination.transport].settings));
  Place(to);
  ForgetIfIdle(to);
}

void Schedule::SetTrust(uint32_t to, Trust trust) {
  ActiveDestination& destination = destinations_[to];
  if (destination.trust == trust) return;
  uint32_t& doubtful_count = transports_[destination.transport].doubtful_under_way_count;
  if (trust == kDoubtful) {
    doubtful_count += destination.under_way_count;
  } else {
    doubtful_count -= destination.under_way_count;
  }
  destination.trust = trust;
}

// ---- queues ---------------------------------------------------------------------------------------------------------

Lane Schedule::NextLane(const ActiveDestination& destination) const {
  if (destination.waiting[kSmall].empty()) return kMailing;
  if (destination.waiting[kMailing].empty()) return kSmall;
  return destination.account.SmallMayOvertake(*transports_[destination.transport].settings) ? kSmall : kMailing;
}

// Where it belongs now; where it is there already it keeps its turn.
bool Schedule::MayHaveAnother(const ActiveDestination& destination) const {
  // One that may be dead is tried by one delivery: five at once would hear the same.
  const uint32_t most =
      destination.trust == kDoubtful ? std::min<uint32_t>(destination.window.size(), 1) : destination.window.size();
  return destination.HasWaiting() && !destination.pausing && destination.under_way_count < most;
}

void Schedule::Place(uint32_t to) {
  ActiveDestination& destination = destinations_[to];
  const bool ready = MayHaveAnother(destination);
  const Lane lane = NextLane(destination);
  if (!ready || destination.turn_lane != lane || destination.turn_trust != destination.trust) Displace(to);
  if (ready && destination.turn == 0) {
    destination.turn_lane = lane;
    destination.turn_trust = destination.trust;
    destination.turn = transports_[destination.transport].pools[destination.trust].ready[lane].Join(to);
  }
  PlaceTransport(destination.transport);
}

void Schedule::Displace(uint32_t to) {
  ActiveDestination& destination = destinations_[to];
  if (destination.turn == 0) return;
  transports_[destination.transport].pools[destination.turn_trust].ready[destination.turn_lane].Leave(destination.turn);
  destination.turn = 0;
}

// The rest of the process limit is kept for destinations that work.
bool Schedule::DoubtfulMayBegin(const ActiveTransport& transport) const {
  const uint64_t limit = transport.settings->process_limit;
  const uint64_t part = (limit * std::min<uint32_t>(transport.settings->doubtful_percent, 100) + 99) / 100;
  return limit == 0 || transport.doubtful_under_way_count < std::max<uint64_t>(part, 1);
}

void Schedule::PlaceTransport(uint32_t by) {
  ActiveTransport& transport = transports_[by];
  const auto ready = [&](Trust trust) {
    const auto& queues = transport.pools[trust].ready;
    return !queues[kSmall].empty() || !queues[kMailing].empty();
  };
  const uint32_t limit = transport.settings->process_limit;
  const bool may_begin = (limit == 0 || transport.under_way_count < limit) &&
                         (ready(kTried) || (ready(kDoubtful) && DoubtfulMayBegin(transport)));
  if (may_begin && transport.turn == 0) transport.turn = ready_transports_.Join(by);
  if (!may_begin && transport.turn != 0) {
    ready_transports_.Leave(transport.turn);
    transport.turn = 0;
  }
}

// ---- invariants -----------------------------------------------------------------------------------------------------

Status Schedule::CheckInvariants() const {
  const auto wrong = [](std::string_view what) { return Error(StatusCode::kInternal, what); };
  uint64_t held = 0, asked = 0, under_way = 0, listed = 0;
  for (const auto& [id, number] : message_by_id_) {
    const ActiveMessage& message = messages_[number];
    if (message.id != id) return wrong("a message is listed under another's id");
    uint64_t waiting = 0;
    for (size_t i = 0; i < message.entries.size(); ++i) {
      const WaitingEntry& entry = entries_[message.entries[i]];
      if (entry.message != number || entry.place_in_message != i) return wrong("an entry doesn't know its message");
      if (entry.waiting_count() == 0) return wrong("an entry without recipients");
      waiting += entry.waiting_count();
    }
    if (message.held_count != waiting + message.under_way_count) return wrong("held isn't waiting and under way");
    if (message.held_count == 0 && message.on_disk_count == 0) return wrong("a finished message is still here");
    if (message.asked && message.on_disk_count == 0) return wrong("asked for what is not there");
    held += message.held_count;
    asked += message.asked_count;
    under_way += message.under_way_count;
    listed += message.on_disk_count != 0 && !message.asked;
  }
  if (held != recipients_count_ || asked != asked_count_) return wrong("the sums of recipients differ");
  if (listed != wanting_.size()) return wrong("a message that wants recipients isn't listed");
  if (held + asked > settings_.message_recipient_limit) return wrong("more recipients than allowed");
  if (messages_count() > settings_.message_active_limit) return wrong("more messages than allowed");
  if (messages_.in_use() != message_by_id_.size() || entries_.in_use() != entry_by_place_.size() ||
      destinations_.in_use() != destination_by_name_.size() || transports_.in_use() != transport_by_name_.size()) {
    return wrong("a record without a name");
  }
  absl::flat_hash_map<uint32_t, uint64_t> by_destination;
  for (const auto& [id, delivery] : under_way_) {
    ++by_destination[delivery.destination];
    under_way -= delivery.recipients_count;
  }
  if (under_way != 0) return wrong("the sum of what is under way differs");
  absl::flat_hash_map<uint32_t, uint64_t> by_transport, doubtful_by_transport, mailings_by_transport;
  for (const auto& [key, to] : destination_by_name_) {
    const ActiveDestination& destination = destinations_[to];
    const bool dead = destination.window.dead();
    if (by_destination[to] != destination.under_way_count) return wrong("a destination miscounts what is under way");
    if (dead != dead_.contains({destination.until, to}) || dead != (destination.failure != nullptr)) {
      return wrong("a dead destination without timer or reason");
    }
    if (destination.pausing != pauses_.contains({destination.until, to})) return wrong("a pause without timer");
    if (dead && destination.HasWaiting()) return wrong("something waits for a dead destination");
    if (!dead && !destination.pausing && destination.under_way_count == 0 && !destination.HasWaiting()) {
      return wrong("an idle destination is remembered");
    }
    if (MayHaveAnother(destination) != (destination.turn != 0)) {
      return wrong("a destination that may go has no turn, or the other way round");
    }
    if (destination.turn != 0 &&
        (destination.turn_lane != NextLane(destination) || destination.turn_trust != destination.trust)) {
      return wrong("a destination waits in the wrong queue");
    }
    by_transport[destination.transport] += destination.under_way_count;
    if (destination.trust == kDoubtful) doubtful_by_transport[destination.transport] += destination.under_way_count;
    mailings_by_transport[destination.transport] += destination.waiting[kMailing].size();
  }
  if (dead_.size() > settings_.message_recipient_limit) return wrong("more dead destinations than allowed");
  for (const auto& [name, by] : transport_by_name_) {
    const ActiveTransport& transport = transports_[by];
    const uint32_t limit = transport.settings->process_limit;
    if (by_transport[by] != transport.under_way_count ||
        doubtful_by_transport[by] != transport.doubtful_under_way_count ||
        mailings_by_transport[by] != transport.mailing_entries_count) {
      return wrong("a transport miscounts");
    }
    if (limit != 0 && transport.under_way_count > limit) return wrong("more deliveries than the process limit");
  }
  return OkStatus();
}

}  // namespace postern::queue
