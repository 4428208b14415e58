// Log records as lines: the three shapes that a host's tools read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "core/boundary/log_event.h"

namespace postern::log {

// A line is at most this long without its date: longer ones are cut.
inline constexpr size_t kLineBytesMax = 2000;

// RFC 3164 for /dev/log: "<22>Nov 24 10:00:00 tag[pid]: text". `facility` as syslog numbers it (mail: 2).
void AppendSyslog(const Now& now, int facility, const LogEvent& event, std::string* out);
// The traditional file line with its end: "Nov 24 10:00:00 host tag[pid]: text\n".
void AppendFileLine(const Now& now, std::string_view host, const LogEvent& event, std::string* out);
// One JSON object with its end: ECS names, `message` as in the line. Fields of the event win over ours; those
// without a value are left out. Written by hand:
// it is done for every record, and a tree of values first takes four times as long.
void AppendJson(const Now& now, std::string_view host, const LogEvent& event, std::string* out);

// The facility's number for its name ("mail", "local3", "LOG_MAIL"); mail's for an unknown one.
int FacilityOf(std::string_view name);

}  // namespace postern::log
