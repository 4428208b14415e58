#include "adapters/files/spare_files.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postern::files {

std::optional<Path> SpareFiles::NameFor(std::string_view folder, uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  if (size_bytes > kFileBytesMax || spares_.size() >= kFilesMax) return std::nullopt;
  return std::string(folder) + "/" + std::to_string(next_name_++);
}

void SpareFiles::Add(Spare spare) {
  const std::lock_guard lock(mutex_);
  spares_.push_back(std::move(spare));
}

std::optional<SpareFiles::Spare> SpareFiles::Take(std::string_view folder) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(spares_.rbegin(), spares_.rend(), [folder](const Spare& spare) {
    return spare.path.size() > folder.size() && spare.path[folder.size()] == '/' && spare.path.starts_with(folder);
  });
  if (found == spares_.rend()) return std::nullopt;
  Spare spare = std::move(*found);
  spares_.erase(std::next(found).base());
  return spare;
}

}  // namespace postern::files
