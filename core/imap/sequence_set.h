// Sets of message numbers, as a client writes them and as the server computes with them.
//
//   SequenceSet  what stood in the command: ranges in the order written, `*` not yet known (RFC 3501 section 9
//                sequence-set; `$` of RFC 5182). It means nothing until it is resolved.
//   NumberSet    numbers: sorted, disjoint, non-adjacent ranges. Results, COPYUID, ESEARCH, VANISHED, QRESYNC.
//
// Both are plain values. Work and memory follow the number of ranges, never the number of members: `1:4294967295` is
// one range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::imap {

// Numbers from `first` to `last`, both included. In a NumberSet 1 <= first <= last; in a SequenceSet 0 stands for `*`
// and the two may come in either order.
struct SequenceRange {
  uint32_t first = 0;
  uint32_t last = 0;
  bool operator==(const SequenceRange&) const = default;
};

// Normalised: sorted, disjoint, non-adjacent; so equal sets are equal values.
class NumberSet {
 public:
  NumberSet() = default;

  // Adds one number or a range, in any order; amortised constant time when they come in rising order.
  // Numbers are at least 1; 1 <= first <= last.
  void Add(uint32_t number) { Add(SequenceRange{number, number}); }
  void Add(SequenceRange range);
  void AddAll(const NumberSet& other);
  void Remove(SequenceRange range);
  void Clear() { ranges_.clear(); }

  bool Contains(uint32_t number) const;
  bool empty() const { return ranges_.empty(); }
  uint64_t Count() const;                                            // how many numbers
  uint32_t Min() const { return ranges_.front().first; }             // not of an empty set
  uint32_t Max() const { return ranges_.back().last; }               // not of an empty set
  std::span<const SequenceRange> ranges() const { return ranges_; }  // rising

  // Calls `visit(number)` for each member, rising, until it returns false. Only for sets known to be small.
  template <class Visit>
  void ForEach(Visit&& visit) const {
    for (const SequenceRange& range : ranges_) {
      for (uint64_t number = range.first; number <= range.last; ++number) {
        if (!visit(static_cast<uint32_t>(number))) return;
      }
    }
  }

  // The members that are in `sorted` too (strictly rising, say all UIDs of a mailbox), as half-open index ranges
  // [first, last) into `sorted`, rising and not touching. Takes O(ranges * log(sorted)).
  struct IndexRange {
    size_t first = 0;
    size_t last = 0;
    bool operator==(const IndexRange&) const = default;
  };
  std::vector<IndexRange> IndexesIn(std::span<const uint32_t> sorted) const;
  // The same as a set.
  NumberSet IntersectionWith(std::span<const uint32_t> sorted) const;
  NumberSet IntersectionWith(const NumberSet& other) const;

  // "1:3,5"; nothing for the empty set. Appends.
  void Format(std::string* out) const;
  std::string ToString() const;
  // A uid-set (RFC 4315) without `*`. nullopt for anything else, so also for "".
  static std::optional<NumberSet> Parse(std::string_view text);

  bool operator==(const NumberSet&) const = default;

 private:
  std::vector<SequenceRange> ranges_;
};

class SequenceSet {
 public:
  SequenceSet() = default;
  explicit SequenceSet(std::vector<SequenceRange> ranges) : ranges_(std::move(ranges)) {}

  // The whole of `text` as a sequence-set, or `$`. nullopt for anything else: zero, numbers above 32 bits, stray
  // commas.
  static std::optional<SequenceSet> Parse(std::string_view text);
  // As it was written, apart from leading zeros. Appends.
  void Format(std::string* out) const;
  std::string ToString() const;

  // RFC 5182 section 2.1: `$`, the saved result of an earlier SEARCH. The session knows what it holds.
  bool is_saved_result() const { return saved_result_; }
  // Whether `*` occurs.
  bool HasStar() const;
  // The greatest number written; 0 when there is none. A session refuses sequence numbers above the message count.
  uint32_t MaxNumber() const;
  std::span<const SequenceRange> ranges() const { return ranges_; }

  // With `*` standing for `largest`, the largest number in use. Where `largest` is 0 (an empty mailbox), `*` names
  // nothing. RFC 3501 section 9 seq-range: order does not matter, and `N:*` includes the last message even where N is
  // above it. The saved result resolves to the empty set: the caller has it.
  NumberSet Resolve(uint32_t largest) const;

  bool operator==(const SequenceSet&) const = default;

 private:
  std::vector<SequenceRange> ranges_;
  bool saved_result_ = false;
};

}  // namespace postern::imap
