// The queue as text, in the two forms that scripts of others read: showq(8)'s and `postqueue -j`'s.
#pragma once

#include <string>
#include <vector>

#include "cmd/spool.h"

namespace postern::cmd {

// Column by column as Postfix 3.7 writes it; times in the zone of the process.
std::string FormatQueue(const std::vector<Entry>& entries);
// A line of its own: Postfix's keys in Postfix's order. `own`: and what only we know.
std::string FormatQueueJson(const Entry& entry, bool own);

}  // namespace postern::cmd
