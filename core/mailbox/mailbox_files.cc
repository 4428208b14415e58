#include "core/mailbox/mailbox_files.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <functional>
#include <string>

#include "core/mailbox/names.h"

namespace postern::mailbox {
namespace {

bool IsBetter(const MailFile& a, const MailFile& b) {
  if (a.in_new != b.in_new) return b.in_new;
  if (a.name.size() != b.name.size()) return a.name.size() > b.name.size();
  return a.name < b.name;
}

}  // namespace

SortedFiles SortFiles(const std::vector<DirEntry>& cur, const std::vector<DirEntry>& fresh) {
  SortedFiles sorted;
  sorted.files.reserve(cur.size() + fresh.size());
  absl::flat_hash_map<std::string_view, size_t, std::hash<std::string_view>> by_base;
  by_base.reserve(cur.size() + fresh.size());
  const auto take = [&](const std::vector<DirEntry>& entries, bool in_new) {
    for (const DirEntry& entry : entries) {
      if (entry.is_dir || entry.name.empty() || entry.name[0] == '.') continue;
      const MailFile file{entry.name, in_new};
      if (entry.name[0] == ':') {
        sorted.misnamed.push_back(file);
        continue;
      }
      const auto [found, first] = by_base.try_emplace(BaseOf(entry.name), sorted.files.size());
      if (first) {
        sorted.files.push_back(file);
        continue;
      }
      MailFile& kept = sorted.files[found->second];
      if (IsBetter(file, kept)) {
        sorted.duplicates.emplace_back(file, kept);
        kept = file;
      } else {
        sorted.duplicates.emplace_back(kept, file);
      }
    }
  };
  take(cur, false);
  take(fresh, true);
  // Whatever order the folder was read in.
  std::sort(sorted.duplicates.begin(), sorted.duplicates.end(),
            [](const auto& a, const auto& b) { return a.second.name < b.second.name; });
  std::sort(sorted.misnamed.begin(), sorted.misnamed.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return sorted;
}

void SortByAge(std::vector<MailFile>* files) {
  std::sort(files->begin(), files->end(),
            [](const MailFile& a, const MailFile& b) { return NamedBefore(BaseOf(a.name), BaseOf(b.name)); });
}

}  // namespace postern::mailbox
