// A message appended to a file, as local(8) does it: by a process of its own that has no rights but its user's
// (`postern deliver-to-file`, which the server starts). What the file gets comes on a descriptor; all of it is flushed,
// or none is there at the end.
//
// The file may be any that the user may write to, but no symbolic link (other than one of root's in a folder of
// root's), nothing with a second name, nothing that can be executed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/boundary/effect.h"

namespace postern::files {

struct MboxJob {
  std::string path;
  uint64_t bytes = 0;  // that shall come: where the server dies on the way, there are fewer
  MailboxLock lock;
};

// As arguments of our own program, its name and the subcommand's first; and back. nullopt: none.
inline constexpr const char* kMboxCommand = "deliver-to-file";
std::vector<std::string> MboxJobWords(const MboxJob& job);
std::optional<MboxJob> ParseMboxJob(const std::vector<std::string>& words);  // those behind the subcommand's

// "" where all that `input` has was appended and flushed. Else "STATUS WORDS" (RFC 3463), and the file is as it was.
std::string AppendToMbox(const MboxJob& job, int input);

}  // namespace postern::files
