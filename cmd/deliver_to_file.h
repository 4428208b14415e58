// `postern deliver-to-file`: not for people. The server starts it with a user's rights to append a message, on standard
// input, to a file that an alias names (adapters/files/mbox_file.h).
#pragma once

#include <string>
#include <vector>

namespace postern::cmd {

// `words`: those behind the subcommand. The exit status; where it is not 0, "STATUS WORDS" is printed.
int RunDeliverToFile(const std::vector<std::string>& words);

}  // namespace postern::cmd
