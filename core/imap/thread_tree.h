// Threads of messages (RFC 5256 section 3): ORDEREDSUBJECT, REFERENCES, and REFS of draft-ietf-morg-inthread, which
// leaves subjects alone. Pure: facts about messages in, the text of a THREAD response out. Bounded: chains are at most
// kThreadDepthMax deep (a guess above any conversation); nothing recurses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/imap/command.h"
#include "core/message/search_text.h"

namespace postern::imap {

inline constexpr uint32_t kThreadDepthMax = 1000;

struct ThreadMessage {
  uint32_t number = 0;       // what the client is told: sequence number or UID
  int64_t sent_seconds = 0;  // the Date, else the internal date
  message::ThreadInput facts;
};

// `messages` in order of their numbers. Appends the thread lists: "(1)(2 3)".
void AppendThreads(const std::vector<ThreadMessage>& messages, ThreadCommand::Algorithm algorithm, std::string* out);

}  // namespace postern::imap
