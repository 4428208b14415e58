// `postern replay FILE...`: says what differs between a recording and what this program does. The simulator does it
// (postern-sim, beside this program): it has the world that sessions are played in, and a server need not carry it.
#pragma once

#include <string>
#include <vector>

namespace postern {

// Becomes `postern-sim replay ARGUMENTS...`. Returns only where that cannot be started: 69 (EX_UNAVAILABLE), told on
// standard error.
int RunReplay(const std::vector<std::string>& arguments);

}  // namespace postern
