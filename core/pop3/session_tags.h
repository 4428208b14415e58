// Tags of the session's timers, questions and account operations. Private to core/pop3/session*.cc.
#pragma once

#include <cstdint>

namespace postern::pop3 {

inline constexpr uint64_t kIdleTimer = 1;
inline constexpr uint64_t kDelayTimer = 2;  // of a wrong password's answer
inline constexpr uint64_t kVerifyTag = 3;
inline constexpr uint64_t kSelectTag = 4;
inline constexpr uint64_t kFactsTag = 5;
inline constexpr uint64_t kReadTag = 6;
inline constexpr uint64_t kSeenTag = 7;    // QUIT's flags
inline constexpr uint64_t kDeleteTag = 8;  // QUIT's deletions
inline constexpr uint64_t kResetTag = 9;   // RSET's flags

}  // namespace postern::pop3
