// One log record: the line in Postfix's or Dovecot's shape, and the same facts as fields for the records on disk and
// the JSON sink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {

enum class Severity : uint8_t { kDebug, kInfo, kWarning, kError, kFatal };

struct LogEvent {
  Severity severity = Severity::kInfo;
  std::string tag;       // "postfix/smtpd", "postfix/submission/smtpd", "dovecot"
  uint32_t pid = 0;      // a number per connection, 1..4194303: tools pair lines by it
  std::string text;      // without tag and date; one line; what came from the network is escaped already (EscapeForLog)
  std::string trace_id;  // 32 hex digits; empty: none
  // ECS names, e.g. {"event.action", "message.accepted"}; values are text.
  std::vector<std::pair<std::string, std::string>> fields;
  // No line: for records and JSON alone. What other servers have no line for, so that tools don't meet lines they don't
  // know.
  bool record_only = false;
};

// Network bytes made safe for one log line: non-printable ones become '?', as Postfix does; at most `bytes_max` long.
std::string EscapeForLog(std::string_view text, size_t bytes_max = 1000);

}  // namespace postern
