#include "core/config/finding_list.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace postern::config {

std::vector<Finding> FindingList::Sorted() const {
  std::vector<size_t> order(all_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return std::tie(all_[a].file, all_[a].line, a) < std::tie(all_[b].file, all_[b].line, b);
  });
  // Thousands on one line are possible: no finding is compared with all before it.
  std::set<std::tuple<std::string_view, uint32_t, std::string_view, std::string_view>> seen;  // never walked
  std::vector<Finding> once;
  for (const size_t i : order) {
    const Finding& finding = all_[i];
    if (seen.emplace(finding.file, finding.line, finding.id, finding.what).second) once.push_back(finding);
  }
  return once;
}

std::string ToString(const Place& place) {
  if (place.line == 0) return place.file;
  return place.file + ":" + std::to_string(place.line);
}

}  // namespace postern::config
