// A recorded session between a real client and a real server, as ../shared/recordings/README.md describes it: what each
// side said, in order, seen between TLS and protocol. Owner: whoever parses it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/config/settings.h"

namespace postern::sim {

struct RecordedChunk {
  int64_t at_ms = 0;  // since the connection
  bool from_client = false;
  bool tls = false;  // TLS began here; no bytes
  std::string bytes;
};

struct SessionRecording {
  std::string name;      // "swaks.plain-smtp025-1"
  std::string listener;  // "smtp025": which port of the recorded servers
  config::Protocol protocol = config::Protocol::kSmtp;
  std::vector<RecordedChunk> chunks;

  // The last three digits of the port that the session came in at: 25 of 11025, 993 of 11993.
  uint16_t port_digits() const;
};

// `name` is the file's without its folder and ".jsonl"; `lines` its contents. Errors: kInvalidArgument with the line's
// number.
StatusOr<SessionRecording> ParseSessionRecording(std::string_view name, std::string_view lines);

}  // namespace postern::sim
