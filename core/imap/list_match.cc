#include "core/imap/list_match.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/mailbox_name.h"

namespace postern::imap {
namespace {

bool IsWildcard(char c) { return c == '*' || c == '%'; }

// A run of wildcards matches what its strongest one does.
std::string WithSingleWildcards(std::string_view pattern) {
  std::string result;
  for (const char c : pattern) {
    if (IsWildcard(c) && !result.empty() && IsWildcard(result.back())) {
      if (c == '*') result.back() = '*';
    } else {
      result.push_back(c);
    }
  }
  return result;
}

// Whether the first level of `name` is INBOX, in any case.
bool BelowInbox(std::string_view name, char separator) {
  if (name.size() > kInbox.size() && (separator == '\0' || name[kInbox.size()] != separator)) return false;
  return IsInbox(name.substr(0, kInbox.size()));
}

// The positions of a pattern at which matching may stand: bit i means that what came so far matches the first i
// characters of the pattern.
class Positions {
 public:
  Positions(std::string_view pattern, char separator)
      : pattern_(pattern), separator_(separator), word_count_(pattern.size() / 64 + 1) {
    std::fill_n(words_.begin(), word_count_, 0);
    Put(0, &words_);
  }

  // One character of the name: the pattern's characters compare equal to `c`, or with `fold` in upper case.
  void Advance(char c, bool fold) {
    Words next;
    std::fill_n(next.begin(), word_count_, 0);
    for (size_t w = 0; w < word_count_; ++w) {
      for (uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
        const size_t at = w * 64 + static_cast<size_t>(std::countr_zero(bits));
        if (at == pattern_.size()) continue;
        const char p = pattern_[at];
        if (p == '*' || (p == '%' && (c != separator_ || separator_ == '\0'))) {
          Put(at, &next);
        } else if (!IsWildcard(p) && (p == c || (fold && UpperAscii(p) == UpperAscii(c)))) {
          Put(at + 1, &next);
        }
      }
    }
    std::copy_n(next.begin(), word_count_, words_.begin());
  }

  bool AtEnd() const { return Has(pattern_.size()); }
  // Whether a longer name may still match.
  bool MayGoOn() const {
    const size_t last = pattern_.size() / 64;
    for (size_t w = 0; w < last; ++w) {
      if (words_[w] != 0) return true;
    }
    return (words_[last] & ~(uint64_t{1} << (pattern_.size() % 64))) != 0;
  }

 private:
  using Words = std::array<uint64_t, kListPatternBytesMax / 64 + 1>;

  // A wildcard may stand for nothing. Runs are single, so one step is enough.
  void Put(size_t at, Words* words) const {
    (*words)[at / 64] |= uint64_t{1} << (at % 64);
    if (at < pattern_.size() && IsWildcard(pattern_[at])) (*words)[(at + 1) / 64] |= uint64_t{1} << ((at + 1) % 64);
  }
  bool Has(size_t at) const { return (words_[at / 64] >> (at % 64)) & 1; }

  std::string_view pattern_;
  char separator_;
  size_t word_count_;
  Words words_;  // of which word_count_ are used
};

// `*parent`, unless null, becomes the shortest parent that matches.
ListMatch MatchOne(std::string_view pattern, std::string_view name, char separator, std::string_view* parent) {
  const bool below_inbox = BelowInbox(name, separator);
  Positions positions(pattern, separator);
  bool parent_matches = false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == separator && separator != '\0' && i > 0 && !parent_matches && positions.AtEnd()) {
      parent_matches = true;
      if (parent != nullptr) *parent = name.substr(0, i);
    }
    positions.Advance(name[i], below_inbox && i < kInbox.size());
    if (!positions.AtEnd() && !positions.MayGoOn()) return parent_matches ? ListMatch::kParent : ListMatch::kNo;
  }
  if (positions.AtEnd()) return ListMatch::kYes;
  if (parent_matches) return ListMatch::kParent;
  if (separator == '\0') return ListMatch::kNo;
  positions.Advance(separator, false);
  return positions.MayGoOn() ? ListMatch::kChildren : ListMatch::kNo;
}

std::string_view CommonPrefix(std::string_view a, std::string_view b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return a.substr(0, static_cast<size_t>(ends.first - a.begin()));
}

// What of a pattern every matching name begins with, byte by byte.
std::string_view LiteralPrefix(std::string_view pattern, char separator) {
  const std::string_view literal = pattern.substr(0, pattern.find_first_of("*%"));
  // It may be that INBOX is meant, whose case is free.
  const size_t compared = std::min(literal.size(), kInbox.size());
  if (!EqualsIgnoringCase(literal.substr(0, compared), kInbox.substr(0, compared))) return literal;
  if (literal.size() > kInbox.size() && literal[kInbox.size()] != separator) return literal;
  return {};
}

}  // namespace

ListPattern::ListPattern(std::string_view reference, const std::vector<std::string>& patterns, char separator)
    : separator_(separator) {
  for (const std::string& pattern : patterns) {
    if (reference.size() + pattern.size() > kListPatternBytesMax) continue;
    std::string whole = WithSingleWildcards(std::string(reference).append(pattern));
    const std::string_view prefix = LiteralPrefix(whole, separator);
    literal_prefix_ = patterns_.empty() ? std::string(prefix) : std::string(CommonPrefix(literal_prefix_, prefix));
    patterns_.push_back(std::move(whole));
  }
}

ListMatch ListPattern::Match(std::string_view name) const {
  ListMatch best = ListMatch::kNo;
  for (const std::string& pattern : patterns_) best = std::max(best, MatchOne(pattern, name, separator_, nullptr));
  return best;
}

std::string_view ListPattern::MatchingParent(std::string_view name) const {
  std::string_view shortest;
  for (const std::string& pattern : patterns_) {
    std::string_view parent;
    MatchOne(pattern, name, separator_, &parent);
    if (!parent.empty() && (shortest.empty() || parent.size() < shortest.size())) shortest = parent;
  }
  return shortest;
}

}  // namespace postern::imap
