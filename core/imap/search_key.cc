#include "core/imap/search_key.h"

#include <algorithm>

namespace postern::imap {

// Days from the civil calendar, counted in years that begin in March so that the leap day is the last of its year.
int64_t SearchDate::DayNumber() const {
  const int64_t y = month <= 2 ? int64_t{year} - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

Cost CostOf(const SearchKey& key) {
  switch (key.kind) {
    case SearchKey::Kind::kAll:
    case SearchKey::Kind::kFlag:
    case SearchKey::Kind::kKeyword:
    case SearchKey::Kind::kSequence:
    case SearchKey::Kind::kUid:
    case SearchKey::Kind::kBefore:
    case SearchKey::Kind::kOn:
    case SearchKey::Kind::kSince:
    case SearchKey::Kind::kSavedBefore:
    case SearchKey::Kind::kSavedOn:
    case SearchKey::Kind::kSavedSince:
    case SearchKey::Kind::kSaveDateSupported:
    case SearchKey::Kind::kOlder:
    case SearchKey::Kind::kYounger:
    case SearchKey::Kind::kModSeq:
      return Cost::kIndex;
    case SearchKey::Kind::kLarger:
    case SearchKey::Kind::kSmaller:
    case SearchKey::Kind::kSentBefore:
    case SearchKey::Kind::kSentOn:
    case SearchKey::Kind::kSentSince:
    case SearchKey::Kind::kEmailId:
    case SearchKey::Kind::kThreadId:
      return Cost::kCached;
    case SearchKey::Kind::kHeader:
      return key.envelope ? Cost::kCached : Cost::kHeader;
    case SearchKey::Kind::kBody:
    case SearchKey::Kind::kText:
      return Cost::kBody;
    case SearchKey::Kind::kAnd:
    case SearchKey::Kind::kOr:
    case SearchKey::Kind::kNot:
    case SearchKey::Kind::kFuzzy:
      break;
  }
  Cost cost = Cost::kIndex;
  for (const SearchKey& child : key.children) cost = std::max(cost, CostOf(child));
  return cost;
}

void OrderByCost(SearchKey* key) {
  for (SearchKey& child : key->children) OrderByCost(&child);
  if (key->kind != SearchKey::Kind::kAnd && key->kind != SearchKey::Kind::kOr) return;
  std::vector<Cost> costs;
  for (const SearchKey& child : key->children) costs.push_back(CostOf(child));
  if (std::is_sorted(costs.begin(), costs.end())) return;
  std::vector<SearchKey> ordered;
  ordered.reserve(costs.size());
  for (const Cost cost : {Cost::kIndex, Cost::kCached, Cost::kHeader, Cost::kBody}) {
    for (size_t i = 0; i < costs.size(); ++i) {
      if (costs[i] == cost) ordered.push_back(std::move(key->children[i]));
    }
  }
  key->children = std::move(ordered);
}

bool Mentions(const SearchKey& key, SearchKey::Kind kind) {
  return key.kind == kind || std::any_of(key.children.begin(), key.children.end(),
                                         [kind](const SearchKey& child) { return Mentions(child, kind); });
}

const SequenceSet* RequiredSet(const SearchKey& key, SearchKey::Kind sequence_or_uid) {
  if (key.kind == sequence_or_uid) return &key.set;
  if (key.kind != SearchKey::Kind::kAnd) return nullptr;
  for (const SearchKey& child : key.children) {
    if (child.kind == sequence_or_uid) return &child.set;
  }
  return nullptr;
}

}  // namespace postern::imap
