// What a tar archive holds (POSIX ustar and GNU's, as `tar` writes them): the mail root of a recorded session.
// Pure: the bytes come decompressed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace postern::sim {

struct ArchivedFile {
  std::string path;  // relative, without "./" before and "/" behind; never with ".."
  bool is_dir = false;
  std::string bytes;
  int64_t mtime_seconds = 0;
};

// In the archive's order; a hard link is a file with the bytes of the one it names. Errors: kDataLoss for what is no
// whole archive, kInvalidArgument for a member that is neither file nor folder or lies outside.
StatusOr<std::vector<ArchivedFile>> ParseTar(std::string_view bytes);

}  // namespace postern::sim
