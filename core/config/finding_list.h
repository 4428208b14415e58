// Collects what is found while the configuration is read and judged. Reading never stops at the first mistake: the
// reader notes it here, mends it in its head, and goes on, so that one run shows everything.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/load.h"

namespace postern::config {

// Where something is written. An empty file: of all files together; line 0: of the whole file.
struct Place {
  std::string file;
  uint32_t line = 0;
};

// Findings of one kind, where each row of a table may be one: a list of ten thousand users is no help.
inline constexpr size_t kReportedMax = 20;

class FindingList {
 public:
  void Error(std::string_view id, const Place& place, std::string what, std::string mend) {
    Add(FindingSeverity::kError, false, id, place, std::move(what), std::move(mend));
  }
  void Warning(std::string_view id, const Place& place, std::string what, std::string mend) {
    Add(FindingSeverity::kWarning, false, id, place, std::move(what), std::move(mend));
  }
  // A warning about safety: the servers run with it, and somebody may be harmed.
  void Security(std::string_view id, const Place& place, std::string what, std::string mend) {
    Add(FindingSeverity::kWarning, true, id, place, std::move(what), std::move(mend));
  }
  void Notice(std::string_view id, const Place& place, std::string what, std::string mend) {
    Add(FindingSeverity::kNotice, false, id, place, std::move(what), std::move(mend));
  }

  bool has_errors() const { return has_errors_; }
  const std::vector<Finding>& all() const { return all_; }
  // In order of file and line; equal ones stay as they were found. Repeated findings (same id, place and text) are
  // once.
  std::vector<Finding> Sorted() const;

 private:
  void Add(FindingSeverity severity, bool security, std::string_view id, const Place& place, std::string what,
           std::string mend) {
    if (severity == FindingSeverity::kError) has_errors_ = true;
    all_.push_back({std::string(id), severity, security, place.file, place.line, std::move(what), std::move(mend)});
  }

  std::vector<Finding> all_;
  bool has_errors_ = false;
};

// "file:line", for naming another place inside a text.
std::string ToString(const Place& place);

}  // namespace postern::config
