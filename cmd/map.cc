#include "cmd/map.h"

#include "core/config/tables.h"

namespace postern::cmd {
namespace {

config::TablePtr Open(std::string_view table, bool aliases, config::FileSource& files, std::string* errors) {
  config::FindingList findings;
  const config::TableRequest request{.format = aliases ? config::TableFormat::kAliases : config::TableFormat::kMap,
                                     .place = {},
                                     .wanted_by = "map query"};
  config::TablePtr opened = config::OpenTable(table, request, files, &findings);
  for (const config::Finding& finding : findings.Sorted()) {
    // That the built file is old or missing is no news to somebody who asks by hand.
    if (finding.severity == config::FindingSeverity::kNotice) continue;
    *errors += finding.file + (finding.line > 0 ? ":" + std::to_string(finding.line) : "") +
               (finding.file.empty() ? "" : ": ") + finding.what + "\n";
  }
  return opened;
}

}  // namespace

int RunMapQuery(std::string_view key, std::string_view table, bool aliases, config::FileSource& files, std::string* out,
                std::string* errors) {
  const config::TablePtr opened = Open(table, aliases, files, errors);
  if (opened == nullptr) return 1;
  const auto value = opened->Find(key);
  if (!value) return 1;
  *out += *value + "\n";
  return 0;
}

int RunMapList(std::string_view table, bool aliases, config::FileSource& files, std::string* out, std::string* errors) {
  const config::TablePtr opened = Open(table, aliases, files, errors);
  if (opened == nullptr) return 1;
  opened->ForEach([out](std::string_view key, std::string_view value) {
    out->append(key);
    *out += '\t';
    out->append(value);
    *out += '\n';
  });
  return 0;
}

}  // namespace postern::cmd
