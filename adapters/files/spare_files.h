// Files that nobody needs any more, kept for whoever needs a new one (Retire and Create of core/boundary/file_plan.h).
// A queue file lives for a second; to free its inode and blocks and to find others costs more than writing it.
//
// Which files are kept is known in memory only, and so ends with the process. Names that an earlier process left in the
// folder are replaced one by one, never used: after a power loss such a file may have a second name, that of a message.
// Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/file_plan.h"

namespace postern::files {

class SpareFiles {
 public:
  // Messages of everyday size; more would only hold space.
  static constexpr uint64_t kFileBytesMax = 64 * 1024;
  static constexpr size_t kFilesMax = 128;

  struct Spare {
    Path path;
    uint64_t size_bytes = 0;
  };

  // A name in `folder` for a file of this size; nullopt: it is not worth keeping, or there are enough.
  std::optional<Path> NameFor(std::string_view folder, uint64_t size_bytes);
  // The file lies under the name now.
  void Add(Spare spare);
  // A file of `folder`, which is the caller's from now on; the one that came last, whose pages are in memory.
  std::optional<Spare> Take(std::string_view folder);

 private:
  std::mutex mutex_;
  std::vector<Spare> spares_;
  uint64_t next_name_ = 1;
};

}  // namespace postern::files
