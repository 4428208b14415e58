// `postern trace`: what happened to one message, in order, from the records that the server keeps on disk.
#pragma once

#include <string>

#include "cmd/spool.h"

namespace postern::cmd {

struct TraceOptions {
  MailPlace place;
  std::string id;     // a queue id, trace id, Message-ID, or the name of a message's file; empty with `last`
  bool last = false;  // of the message that was taken last
  bool json = false;  // the records themselves, one a line
};

// sysexits.h, by their meaning
inline constexpr int kTraceNothing = 1, kTraceUsage = 64, kTraceNoRecords = 66, kTraceNoConfiguration = 78;

// Appends to `*out` and `*errors`. Exit status: 0 found, 1 nothing found, or one of the above, which `*errors`
// explains.
int RunTrace(const TraceOptions& options, std::string* out, std::string* errors);

}  // namespace postern::cmd
