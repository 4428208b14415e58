// Schedule is the active queue: which recipients of which message go to which destination next. Values in, values out:
// whoever owns it reads files, connects, and says how it ended.
//
// A message:
//
//   --Add--> active --all recipients ended or were deferred, none is left on disk--> finished
//             |  ^
//             v  |
//     WantsRecipients, Refill
//
// Its recipients: waiting --Next--> under way --Finished--> ended; for a dead destination: deferred at once.
//
// A destination, (transport, next hop):
//
//   --Add--> alive --kUnreachable for a pseudo-cohort (schedule_window.h)--> dead
//             | ^                                                             |
//             | +-- minimal_backoff_time later; another verdict of a ---------+
//             v     delivery that began before; TryDeadAgain
//     forgotten: nothing waits, nothing is under way
//
// The order of deliveries:
// 1. Transports that may begin a delivery (process_limit) take turns.
// 2. In a transport, destinations that may get one (window, rate delay, something waits) take turns in four queues:
// tried
//    or doubtful ones (not reached yet, or the last verdict was kUnreachable), with a small message next or a mailing.
//    Tried and doubtful alternate, but a doubtful one gets one delivery at a time, all of them together only a part of
//    the process limit (doubtful_percent), and one of them is dead at its first failure while the active queue is
//    nearly full (7/8). Postfix does none of this, and a few hundred dead destinations whose connections take long to
//    fail hold all of its processes and its active queue.
// 3. Small messages overtake mailings (those of minimum_delivery_slots * slot_cost deliveries and more) by SlotAccount,
//    both between destinations and within one. Small messages of one destination go first in, first out; its mailings
//    take turns, a delivery each.
//    This is not nqmgr's list of jobs, whose search for a candidate is linear; the promises in schedule_state.h are
//    those of default_delivery_slot_cost: a mailing takes at most 1/cost longer for all who overtake it, and they wait
//    for at most `cost` of its deliveries each, twice as many where tried and doubtful destinations alternate.
// With 1, 2 and 3 everything that may go goes after boundedly many deliveries: each queue is first in, first out, and
// each choice between two queues is made for either after boundedly many for the other.
//
// Memory: never more than message_active_limit messages and message_recipient_limit recipients; destinations only while
// something waits or is under way for them, for a rate delay, or dead (at most message_recipient_limit of these).
// Costs: O(log n) for a delivery, also amortised over the messages that a dead destination defers. Nothing depends on
// the order of a hash table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/base/time.h"
#include "core/queue/schedule_state.h"
#include "core/queue/schedule_window.h"

namespace postern::queue {

struct TransportSettings {       // postconf(5), with its defaults; the names without "default_" or TRANSPORT_
  uint32_t process_limit = 100;  // master.cf's maxproc; 0: none
  uint32_t destination_recipient_limit = 50;  // of one delivery; 0: none
  WindowSettings window;
  Duration destination_rate_delay;  // between deliveries to one destination, one at a time; 0: none
  uint32_t delivery_slot_cost = 5;  // 0: messages never overtake; 1 counts as 2
  uint32_t delivery_slot_loan = 3;
  uint32_t delivery_slot_discount_percent = 50;
  uint32_t minimum_delivery_slots = 3;
  // Of process_limit, for destinations that have not worked yet or work no more. No setting of Postfix.
  uint32_t doubtful_percent = 80;
};

struct ScheduleSettings {
  TransportSettings default_transport;
  std::map<std::string, TransportSettings, std::less<>> transports;  // those with settings of their own
  uint64_t message_active_limit = 20000;                             // qmgr_message_active_limit
  uint64_t message_recipient_limit = 20000;                          // qmgr_message_recipient_limit
  uint64_t message_recipient_minimum = 10;                           // qmgr_message_recipient_minimum
  uint64_t recipient_refill_limit = 100;                             // default_recipient_refill_limit
  Duration minimal_backoff_time = Seconds(300);                      // how long a destination is dead
};

struct Destination {
  std::string transport;
  std::string nexthop;  // in lower case
  // Where destination_recipient_limit is 1 each recipient is a destination of its own (postconf(5)): its local part
  // without extension, in lower case. Empty otherwise.
  std::string recipient;
  auto operator<=>(const Destination&) const = default;
};

// Recipients by their place in the envelope.
struct RecipientGroup {
  Destination destination;
  std::vector<uint32_t> recipients;
  bool operator==(const RecipientGroup&) const = default;
};

// Why a destination is dead, for the log and the recipients that are deferred for it.
struct UnreachableReason {
  std::string status;  // "4.4.1"
  std::string text;    // "connect to mx.example[192.0.2.1]:25: Connection timed out"
  bool operator==(const UnreachableReason&) const = default;
};

struct DeferredGroup {
  std::string message;
  RecipientGroup group;
  UnreachableReason reason;
};

// What an operation did beside its purpose.
struct ScheduleReport {
  std::vector<DeferredGroup> deferred;  // never tried: their destination is dead
  std::vector<std::string> finished;    // messages of which no recipient waits, is under way, or is left on disk
};

enum class DeliveryId : uint64_t {};

struct Delivery {
  DeliveryId id{};
  std::string message;
  RecipientGroup group;  // at most destination_recipient_limit
};

enum class Verdict : uint8_t {
  kOk,           // the destination took the message, for some recipients at least
  kRecipients,   // it answered, and refused the sender, recipients or message: no trouble of the destination
  kUnreachable,  // no connection, no greeting, no TLS: the next message would fare no better
};

enum class QueueSource : uint8_t { kIncoming, kDeferred };

class Schedule {
 public:
  struct Addition {
    std::string message;                 // its queue id
    std::vector<RecipientGroup> groups;  // of no more than RecipientRoom() recipients
    uint64_t on_disk_count = 0;          // recipients that are left for Refill(); more than in truth does no harm
    bool was_read = false;               // ReadingBegins() was said for it
  };

  explicit Schedule(ScheduleSettings settings) : settings_(std::move(settings)) {}
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  // ---- in ----
  // May another message be read, and from where? Incoming and deferred take turns where both have some.
  std::optional<QueueSource> WantsMessage(bool incoming_waits, bool deferred_waits) const;
  // Reading takes time: those that are being read count against the limit. Each ends with Add(was_read) or
  // ReadingFailed().
  void ReadingBegins(QueueSource source);
  void ReadingFailed();
  // How many recipients a new message may bring: as many as stay free after it, so that no mailing takes all of the
  // memory, but message_recipient_minimum where there are as many. The rest stays on disk.
  uint64_t RecipientRoom() const { return RoomFor(0); }
  // kAlreadyExists; kResourceExhausted: it would go beyond one of the limits, ask WantsMessage() and RecipientRoom()
  // first.
  StatusOr<ScheduleReport> Add(Addition addition, Instant now);

  // The message that needs recipients from disk most and has room for `count`; it isn't named again until Refill().
  struct RecipientRequest {
    std::string message;
    uint64_t count = 0;  // at most
    bool operator==(const RecipientRequest&) const = default;
  };
  std::optional<RecipientRequest> WantsRecipients();
  // kNotFound: it was removed meanwhile; kResourceExhausted: more than were asked for.
  StatusOr<ScheduleReport> Refill(std::string_view message, std::vector<RecipientGroup> groups, uint64_t on_disk_count,
                                  Instant now);

  // ---- out ----
  // The next delivery that may begin now; nullopt: none until Finished(), Add(), Refill() or NextWakeup().
  std::optional<Delivery> Next(Instant now);
  // Its destination has answered and takes mail, though this delivery may take long yet: others may go there, too.
  void Reached(DeliveryId id);
  // `reason` counts with kUnreachable only. kNotFound: no such delivery is under way.
  StatusOr<ScheduleReport> Finished(DeliveryId id, Verdict verdict, Instant now, UnreachableReason reason = {});
  // Will more of it follow soon: does something wait for the destination, or is more than one delivery under way?
  bool IsBusy(const Destination& destination) const;
  // When a rate delay ends; nullopt: none.
  std::optional<Instant> NextWakeup() const;

  // ---- people ----
  // Its waiting recipients are dropped. What is under way isn't called back: the count of these recipients, and with 0
  // the message is gone at once; otherwise it is reported as finished later. kNotFound.
  StatusOr<uint64_t> Remove(std::string_view message);
  // `postqueue -f`: all dead destinations are alive.
  void TryDeadAgain();

  // ---- figures ----
  size_t messages_count() const { return message_by_id_.size(); }
  uint64_t recipients_count() const { return recipients_count_; }
  size_t under_way_count() const { return under_way_.size(); }
  size_t destinations_count() const { return destinations_.in_use(); }
  size_t dead_destinations_count() const { return dead_.size(); }
  bool Holds(std::string_view message) const { return message_by_id_.contains(ToAbsl(message)); }
  // kInternal says what contradicts what. O(n), for tests.
  Status CheckInvariants() const;

 private:
  using Key = std::tuple<uint32_t, std::string, std::string>;  // transport, next hop, recipient
  using Timers = std::set<std::pair<Instant, uint32_t>>;

  uint64_t RoomFor(uint64_t held_count) const;
  uint64_t FreeCount() const;
  bool Crowded() const;
  void AddGroups(uint32_t message, std::vector<RecipientGroup> groups, ScheduleReport* report);
  void AddEntry(uint32_t message, uint32_t destination, std::vector<uint32_t> recipients);
  std::vector<uint32_t> TakeEntry(uint32_t entry);
  void DeferWaiting(uint32_t destination, ScheduleReport* report);

  uint32_t TransportFor(const std::string& name);
  uint32_t DestinationFor(const Destination& name);
  Destination NameOf(const ActiveDestination& destination) const;
  void ForgetIfIdle(uint32_t destination);
  void Revive(uint32_t destination);
  void Advance(Instant now);

  Lane NextLane(const ActiveDestination& destination) const;
  bool MayHaveAnother(const ActiveDestination& destination) const;
  void Place(uint32_t destination);
  void Displace(uint32_t destination);
  void PlaceTransport(uint32_t transport);
  bool DoubtfulMayBegin(const ActiveTransport& transport) const;
  void SetTrust(uint32_t destination, Trust trust);

  void List(uint32_t message);
  void Unlist(uint32_t message);
  void Release(uint32_t message, uint64_t recipients_count);
  void FinishIfDone(uint32_t message, ScheduleReport* report);

  ScheduleSettings settings_;
  Slab<ActiveMessage> messages_;
  Slab<WaitingEntry> entries_;
  Slab<ActiveDestination> destinations_;
  Slab<ActiveTransport> transports_;
  absl::flat_hash_map<std::string, uint32_t> message_by_id_;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> entry_by_place_;  // message, destination
  absl::flat_hash_map<Key, uint32_t> destination_by_name_;
  std::map<std::string, uint32_t, std::less<>> transport_by_name_;
  absl::flat_hash_map<uint64_t, DeliveryUnderWay> under_way_;
  TurnQueue ready_transports_;
  Timers pauses_, dead_;
  // Messages with recipients on disk that were not asked for, those with the least in memory first, then the oldest.
  std::set<std::tuple<uint64_t, uint64_t, uint32_t>> wanting_;
  uint64_t recipients_count_ = 0;
  uint64_t asked_count_ = 0;    // recipients that may still come by Refill()
  uint64_t reading_count_ = 0;  // messages
  uint64_t next_delivery_ = 1, next_message_ = 1;
  QueueSource last_source_ = QueueSource::kDeferred;
};

}  // namespace postern::queue
