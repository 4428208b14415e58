// Message flags as compact columns: the five system flags of RFC 3501 section 2.3.2 and a mailbox's keywords.
#pragma once

#include <cstdint>

namespace postern::mailbox {

// A set of system flags.
using Flags = uint8_t;
inline constexpr Flags kSeen = 1, kAnswered = 2, kFlagged = 4, kDeleted = 8, kDraft = 16;

// A set of keywords, by their index in the mailbox's keyword table. 0..25 have a letter in the file name
// (dovecot-keywords); the rest are kept in the change log only.
using Keywords = uint64_t;
inline constexpr int kKeywordCountMax = 64;
inline constexpr Keywords kLettered = (Keywords{1} << 26) - 1;

}  // namespace postern::mailbox
