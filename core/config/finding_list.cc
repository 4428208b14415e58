#include "core/config/finding_list.h"

#include <algorithm>
#include <tuple>

namespace postern::config {

std::vector<Finding> FindingList::Sorted() const {
  std::vector<size_t> order(all_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return std::tie(all_[a].file, all_[a].line, a) < std::tie(all_[b].file, all_[b].line, b);
  });
  std::vector<Finding> once;
  for (const size_t i : order) {
    const Finding& finding = all_[i];
    const bool repeated = std::any_of(once.rbegin(), once.rend(), [&finding](const Finding& earlier) {
      return earlier.file == finding.file && earlier.line == finding.line && earlier.id == finding.id &&
             earlier.what == finding.what;
    });
    if (!repeated) once.push_back(finding);
  }
  return once;
}

std::string ToString(const Place& place) {
  if (place.line == 0) return place.file;
  return place.file + ":" + std::to_string(place.line);
}

}  // namespace postern::config
