// SASLprep (RFC 4013), the stringprep profile for user names and passwords, through ICU.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::auth {

inline constexpr size_t kSaslPrepBytesMax = 12288;  // as long as a SASL response may be

// `text` (UTF-8) prepared; nullopt where it is not UTF-8, has a prohibited character, breaks the rules for
// right-to-left text or is longer than kSaslPrepBytesMax. With `query` unassigned code points pass (RFC 3454 section
// 7).
std::optional<std::string> SaslPrep(std::string_view text, bool query = true);

// The same, but what can't be prepared stays as it is: for passwords, which older clients send as they were typed.
std::string SaslPrepOrSame(std::string_view text);

}  // namespace postern::auth
