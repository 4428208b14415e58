// Numbers that the files of the session share. Private to core/imap/session*.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/config/settings.h"
#include "core/imap/framer.h"

namespace postern::imap {

// Tags of the session's own timers and questions; account operations count up from above these.
inline constexpr uint64_t kIdleTimer = 1;   // inactivity
inline constexpr uint64_t kDelayTimer = 2;  // of a wrong password's answer
inline constexpr uint64_t kVerifyTag = 3;   // Ask{VerifyPassword}
inline constexpr uint64_t kRunTimer = 4;    // of the command under way

// LoginFacts::state: the client asked for CAPABILITY before login, so the answer to the login has them in a line.
inline constexpr std::string_view kCapabilityAskedState = "capability-asked";

// A SASL response may be auth::kResponseBytesMax long, in base64, behind a tag, AUTHENTICATE and a mechanism.
inline constexpr size_t kVisitorLineBytesMax = 17408;

Framer::Limits UserLimits(const config::ImapService& imap);

}  // namespace postern::imap
