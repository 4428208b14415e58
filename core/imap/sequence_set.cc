#include "core/imap/sequence_set.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace postern::imap {
namespace {

constexpr uint32_t kStar = 0;

void AppendDecimal(uint32_t number, std::string* out) {
  char digits[10];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out->append(digits, end.ptr);
}

// Takes an nz-number, or `*` as kStar, off the front of `*text`. False where there is neither.
bool TakeSeqNumber(std::string_view* text, bool star_allowed, uint32_t* number) {
  if (star_allowed && !text->empty() && text->front() == '*') {
    *number = kStar;
    text->remove_prefix(1);
    return true;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc() || *number == 0) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

// RFC 3501 section 9: sequence-set; RFC 4315 section 4: uid-set, which has no `*`.
bool ParseRanges(std::string_view text, bool star_allowed, std::vector<SequenceRange>* ranges) {
  ranges->reserve(1 + static_cast<size_t>(std::count(text.begin(), text.end(), ',')));
  while (true) {
    SequenceRange range;
    if (!TakeSeqNumber(&text, star_allowed, &range.first)) return false;
    range.last = range.first;
    if (!text.empty() && text.front() == ':') {
      text.remove_prefix(1);
      if (!TakeSeqNumber(&text, star_allowed, &range.last)) return false;
    }
    ranges->push_back(range);
    if (text.empty()) return true;
    if (text.front() != ',') return false;
    text.remove_prefix(1);
  }
}

// Sorts and joins; each first <= last.
void Normalize(std::vector<SequenceRange>* ranges) {
  if (ranges->size() < 2) return;
  std::sort(ranges->begin(), ranges->end(),
            [](const SequenceRange& a, const SequenceRange& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 1; i < ranges->size(); ++i) {
    const SequenceRange next = (*ranges)[i];
    SequenceRange& last = (*ranges)[kept];
    if (next.first <= uint64_t{last.last} + 1) {
      last.last = std::max(last.last, next.last);
    } else {
      (*ranges)[++kept] = next;
    }
  }
  ranges->resize(kept + 1);
}

}  // namespace

void NumberSet::Add(SequenceRange range) {
  if (ranges_.empty() || range.first > uint64_t{ranges_.back().last} + 1) {
    ranges_.push_back(range);
    return;
  }
  if (range.first >= ranges_.back().first) {
    ranges_.back().last = std::max(ranges_.back().last, range.last);
    return;
  }
  // The ranges that touch the new one: those that do not end before it, nor begin after it.
  auto begin = std::partition_point(ranges_.begin(), ranges_.end(),
                                    [&](const SequenceRange& r) { return uint64_t{r.last} + 1 < range.first; });
  auto end = std::partition_point(begin, ranges_.end(),
                                  [&](const SequenceRange& r) { return r.first <= uint64_t{range.last} + 1; });
  if (begin == end) {
    ranges_.insert(begin, range);
    return;
  }
  begin->first = std::min(begin->first, range.first);
  begin->last = std::max(std::prev(end)->last, range.last);
  ranges_.erase(begin + 1, end);
}

void NumberSet::AddAll(const NumberSet& other) {
  if (other.empty()) return;
  if (empty() || other.Min() > Max()) {
    for (const SequenceRange& range : other.ranges_) Add(range);
    return;
  }
  std::vector<SequenceRange> all;
  all.reserve(ranges_.size() + other.ranges_.size());
  all.insert(all.end(), ranges_.begin(), ranges_.end());
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  Normalize(&all);
  ranges_ = std::move(all);
}

void NumberSet::Remove(SequenceRange range) {
  auto begin = std::partition_point(ranges_.begin(), ranges_.end(),
                                    [&](const SequenceRange& r) { return r.last < range.first; });
  auto end = std::partition_point(begin, ranges_.end(), [&](const SequenceRange& r) { return r.first <= range.last; });
  if (begin == end) return;
  const SequenceRange below{begin->first, range.first - 1};
  const SequenceRange above{range.last + 1, std::prev(end)->last};
  const bool keep_below = begin->first < range.first;
  const bool keep_above = std::prev(end)->last > range.last;
  auto at = ranges_.erase(begin, end);
  if (keep_above) at = ranges_.insert(at, above);
  if (keep_below) ranges_.insert(at, below);
}

bool NumberSet::Contains(uint32_t number) const {
  const auto at =
      std::partition_point(ranges_.begin(), ranges_.end(), [&](const SequenceRange& r) { return r.last < number; });
  return at != ranges_.end() && at->first <= number;
}

uint64_t NumberSet::Count() const {
  uint64_t count = 0;
  for (const SequenceRange& range : ranges_) count += uint64_t{range.last} - range.first + 1;
  return count;
}

std::vector<NumberSet::IndexRange> NumberSet::IndexesIn(std::span<const uint32_t> sorted) const {
  std::vector<IndexRange> indexes;
  auto at = sorted.begin();
  for (const SequenceRange& range : ranges_) {
    const auto first = std::lower_bound(at, sorted.end(), range.first);
    at = std::upper_bound(first, sorted.end(), range.last);
    if (first == at) continue;
    const IndexRange found{static_cast<size_t>(first - sorted.begin()), static_cast<size_t>(at - sorted.begin())};
    if (!indexes.empty() && indexes.back().last == found.first) {
      indexes.back().last = found.last;
    } else {
      indexes.push_back(found);
    }
  }
  return indexes;
}

NumberSet NumberSet::IntersectionWith(std::span<const uint32_t> sorted) const {
  NumberSet result;
  for (const IndexRange& indexes : IndexesIn(sorted)) {
    for (size_t i = indexes.first; i < indexes.last; ++i) result.Add(sorted[i]);
  }
  return result;
}

NumberSet NumberSet::IntersectionWith(const NumberSet& other) const {
  NumberSet result;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    const uint32_t first = std::max(a->first, b->first);
    const uint32_t last = std::min(a->last, b->last);
    if (first <= last) result.Add(SequenceRange{first, last});
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  return result;
}

void NumberSet::Format(std::string* out) const {
  bool first = true;
  for (const SequenceRange& range : ranges_) {
    if (!first) out->push_back(',');
    first = false;
    AppendDecimal(range.first, out);
    if (range.last == range.first) continue;
    out->push_back(':');
    AppendDecimal(range.last, out);
  }
}

std::string NumberSet::ToString() const {
  std::string text;
  Format(&text);
  return text;
}

std::optional<NumberSet> NumberSet::Parse(std::string_view text) {
  NumberSet set;
  if (!ParseRanges(text, /*star_allowed=*/false, &set.ranges_)) return std::nullopt;
  for (SequenceRange& range : set.ranges_) {
    if (range.first > range.last) std::swap(range.first, range.last);
  }
  Normalize(&set.ranges_);
  return set;
}

std::optional<SequenceSet> SequenceSet::Parse(std::string_view text) {
  SequenceSet set;
  if (text == "$") {
    set.saved_result_ = true;
    return set;
  }
  if (!ParseRanges(text, /*star_allowed=*/true, &set.ranges_)) return std::nullopt;
  return set;
}

void SequenceSet::Format(std::string* out) const {
  if (saved_result_) out->push_back('$');
  const auto append = [out](uint32_t number) {
    if (number == kStar) {
      out->push_back('*');
    } else {
      AppendDecimal(number, out);
    }
  };
  bool first = true;
  for (const SequenceRange& range : ranges_) {
    if (!first) out->push_back(',');
    first = false;
    append(range.first);
    if (range.last == range.first) continue;
    out->push_back(':');
    append(range.last);
  }
}

std::string SequenceSet::ToString() const {
  std::string text;
  Format(&text);
  return text;
}

bool SequenceSet::HasStar() const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [](const SequenceRange& r) { return r.first == kStar || r.last == kStar; });
}

uint32_t SequenceSet::MaxNumber() const {
  uint32_t max = 0;
  for (const SequenceRange& range : ranges_) max = std::max({max, range.first, range.last});
  return max;
}

NumberSet SequenceSet::Resolve(uint32_t largest) const {
  std::vector<SequenceRange> resolved;
  resolved.reserve(ranges_.size());
  for (SequenceRange range : ranges_) {
    if (range.first == kStar) range.first = largest;
    if (range.last == kStar) range.last = largest;
    if (range.first > range.last) std::swap(range.first, range.last);
    // RFC 3501 section 9 seq-number: `*` of an empty mailbox names no message, so a range with it has only its own end.
    if (range.last == 0) continue;
    if (range.first == 0) range.first = range.last;
    resolved.push_back(range);
  }
  Normalize(&resolved);
  NumberSet set;
  for (const SequenceRange& range : resolved) set.Add(range);
  return set;
}

}  // namespace postern::imap
