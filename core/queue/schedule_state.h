// What the schedule remembers; nothing here is for others.
#pragma once

#include <absl/container/btree_map.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/queue/schedule_window.h"

namespace postern::queue {

struct TransportSettings;
struct UnreachableReason;

// With destination_rate_delay there is one delivery at a time.
WindowSettings WindowOf(const TransportSettings& settings);

// First in, first out, and out of the middle too.
class TurnQueue {
 public:
  using Turn = uint64_t;  // 0: none

  Turn Join(uint32_t item) {
    turns_.emplace_hint(turns_.end(), ++last_, item);
    return last_;
  }
  void Leave(Turn turn) { turns_.erase(turn); }
  uint32_t Front() const { return turns_.begin()->second; }  // only where it isn't empty
  bool empty() const { return turns_.empty(); }
  size_t size() const { return turns_.size(); }

 private:
  absl::btree_map<Turn, uint32_t> turns_;
  Turn last_ = 0;
};

// Records by number; freed numbers are used again. References stay good until Free().
template <class Record>
class Slab {
 public:
  uint32_t Make(Record record) {
    if (free_.empty()) {
      records_.push_back(std::move(record));
      return static_cast<uint32_t>(records_.size() - 1);
    }
    const uint32_t number = free_.back();
    free_.pop_back();
    records_[number] = std::move(record);
    return number;
  }
  void Free(uint32_t number) {
    records_[number] = Record{};
    free_.push_back(number);
  }
  Record& operator[](uint32_t number) { return records_[number]; }
  const Record& operator[](uint32_t number) const { return records_[number]; }
  size_t in_use() const { return records_.size() - free_.size(); }

 private:
  std::deque<Record> records_;
  std::vector<uint32_t> free_;
};

// Who goes first where small messages and mailings wait for the same thing. Every delivery of a mailing saves 1/cost of
// a slot; a small message that overtakes one spends a slot, of which the loan and the discount may be owed.
//
// Promises, with cost, loan and discount as in TransportSettings:
// - The small message at place p of those that wait goes within p * (cost + 1) slots: debts never exceed loan +
// discount,
//   so that after one small message `cost` slots of mailings suffice for the next.
// - Of n slots at most n / (cost + 1) + loan + 1 go to small messages that overtake: spent <= saved + owed.
class SlotAccount {
 public:
  bool SmallMayOvertake(const TransportSettings& settings) const;
  void OnMailing() { hundredths_ += 100; }
  void OnOvertaken(const TransportSettings& settings);
  // No mailing waits any more: what it saved is gone with it, debts stay.
  void OnMailingsOver() { hundredths_ = std::min<int64_t>(hundredths_, 0); }

 private:
  int64_t hundredths_ = 0;  // of deliveries of mailings
};

enum Lane : uint8_t { kSmall = 0, kMailing = 1, kLanesCount = 2 };
// Tried: the last verdict was good. Doubtful: none yet, or the last one was bad.
enum Trust : uint8_t { kTried = 0, kDoubtful = 1, kTrustsCount = 2 };

struct WaitingEntry {  // what one message still has for one destination
  uint32_t message = 0, destination = 0;
  std::vector<uint32_t> recipients;
  size_t handed_out_count = 0;  // of `recipients`, from the front
  Lane lane = kSmall;
  TurnQueue::Turn turn = 0;     // among the destination's of its lane
  size_t place_in_message = 0;  // of ActiveMessage::entries
  size_t waiting_count() const { return recipients.size() - handed_out_count; }
};

struct ActiveMessage {
  std::string id;
  uint64_t number = 0;      // in the order of Add()
  uint64_t held_count = 0;  // recipients in memory: waiting and under way
  uint64_t under_way_count = 0;
  uint64_t on_disk_count = 0;        // recipients
  uint64_t deliveries_estimate = 0;  // at Add()
  bool asked = false;                // WantsRecipients() named it
  uint64_t asked_count = 0;          // recipients that Refill() may bring
  std::vector<uint32_t> entries;
};

struct ActiveDestination {
  uint32_t transport = 0;
  std::string nexthop, recipient;
  ConcurrencyWindow window{WindowSettings{}};
  uint32_t under_way_count = 0;
  TurnQueue waiting[kLanesCount];  // entries
  SlotAccount account;
  Trust trust = kDoubtful;
  bool pausing = false;  // destination_rate_delay
  Instant until;         // of the pause or of death
  // Where it waits for a slot of its transport; turn 0: it can't use one.
  TurnQueue::Turn turn = 0;
  Trust turn_trust = kDoubtful;
  Lane turn_lane = kSmall;
  std::unique_ptr<UnreachableReason> failure;  // when dead

  bool HasWaiting() const { return !waiting[kSmall].empty() || !waiting[kMailing].empty(); }
};

struct ActiveTransport {
  std::string name;
  const TransportSettings* settings = nullptr;
  uint32_t under_way_count = 0;
  uint32_t doubtful_under_way_count = 0;
  uint64_t mailing_entries_count = 0;
  uint64_t destinations_count = 0;
  struct Pool {
    TurnQueue ready[kLanesCount];  // destinations
    SlotAccount account;
  } pools[kTrustsCount];
  Trust last_trust = kDoubtful;
  TurnQueue::Turn turn = 0;  // among the transports that may begin a delivery
};

struct DeliveryUnderWay {
  uint32_t message = 0, destination = 0;
  uint64_t recipients_count = 0;
};

}  // namespace postern::queue
