// Base64 (RFC 4648 section 4), as SASL and MIME use it, and hexadecimal. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern {

// `bytes` in base64 with padding, without line breaks.
std::string EncodeBase64(std::string_view bytes);

// The bytes that `text` stands for; nullopt where `text` is not exactly canonical base64 with padding (RFC 4648
// section 3.3 and 3.5: no foreign characters, no bits after the end). MIME's lenient decoding is message/'s.
std::optional<std::string> DecodeBase64(std::string_view text);

// What the hexadecimal digit `c` counts, in either case; -1 where it is none.
constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
// Lower-case hexadecimal, two digits a byte.
std::string EncodeHex(std::string_view bytes);
// Either case; nullopt for odd lengths or foreign characters.
std::optional<std::string> DecodeHex(std::string_view text);

}  // namespace postern
