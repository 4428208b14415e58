// Due times by key: a heap, with one entry per key. Setting, cancelling and taking cost the logarithm of the count.
// Equal times come in the order in which they were set. Owner: one loop.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace postern::loop {

template <class Key, class Hash>
class TimerHeap {
 public:
  // Replaces the key's earlier time.
  void Set(const Key& key, Instant at) {
    Cancel(key);
    heap_.push_back({at, next_number_++, key});
    place_[key] = heap_.size() - 1;
    Up(heap_.size() - 1);
  }
  void Cancel(const Key& key) {
    const auto found = place_.find(key);
    if (found == place_.end()) return;
    const size_t hole = found->second;
    place_.erase(found);
    const size_t last = heap_.size() - 1;
    if (hole != last) {
      heap_[hole] = std::move(heap_[last]);
      place_[heap_[hole].key] = hole;
    }
    heap_.pop_back();
    if (hole < heap_.size()) Down(Up(hole));
  }
  // The next key that is due at `now`, taken out.
  std::optional<Key> TakeDue(Instant now) {
    if (heap_.empty() || heap_.front().at > now) return std::nullopt;
    const Key key = heap_.front().key;
    Cancel(key);
    return key;
  }
  std::optional<Instant> Next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().at;
  }
  size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    Instant at;
    uint64_t number;
    Key key;
  };

  bool Before(size_t a, size_t b) const {
    return std::pair(heap_[a].at, heap_[a].number) < std::pair(heap_[b].at, heap_[b].number);
  }
  void Swap(size_t a, size_t b) {
    std::swap(heap_[a], heap_[b]);
    place_[heap_[a].key] = a;
    place_[heap_[b].key] = b;
  }
  size_t Up(size_t at) {
    while (at > 0 && Before(at, (at - 1) / 2)) {
      Swap(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
    return at;
  }
  void Down(size_t at) {
    while (true) {
      size_t least = at;
      for (const size_t child : {2 * at + 1, 2 * at + 2}) {
        if (child < heap_.size() && Before(child, least)) least = child;
      }
      if (least == at) return;
      Swap(at, least);
      at = least;
    }
  }

  std::vector<Entry> heap_;
  absl::flat_hash_map<Key, size_t, Hash> place_;  // looked up only, never walked
  uint64_t next_number_ = 0;
};

}  // namespace postern::loop
