// Stored passwords: "{SCHEME}data" as users files hold them, one scheme at a time.
//
// The schemes, their encodings and their suffixes are those of `doveadm pw -l` (Dovecot 2.3), without OTP, which only a
// mechanism of its own could use. A scheme name may carry the suffix .B64, .BASE64 or .HEX, in any case, which says how
// its bytes are written. Weak schemes can be read (hosts have them) and are marked.
// Pure functions. Chance for salts comes in as Entropy.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/entropy.h"
#include "core/base/status.h"

namespace postern::auth {

enum class SchemeEncoding : uint8_t { kNone, kHex, kBase64 };

struct GenerateOptions {
  std::string_view user;  // DIGEST-MD5 is salted with it
  uint32_t rounds = 0;    // 0: the scheme's default; others are clamped to what the scheme takes
};

struct Scheme {
  std::string_view name;    // upper case
  SchemeEncoding encoding;  // of the data, unless a suffix says otherwise
  size_t raw_bytes;         // decoded length; 0: varies
  bool weak;                // cheap to guess, or as good as the password itself when stolen
  // Errors: kInvalidArgument when `raw` (decoded) is not this scheme's data; the message has Dovecot's words.
  StatusOr<bool> (*verify)(std::string_view password, std::string_view user, std::string_view raw);
  // Decoded data for `password`. Errors: kInvalidArgument when the options don't do.
  StatusOr<std::string> (*generate)(std::string_view password, const GenerateOptions& options, Entropy& entropy);
};

// All of them, in the order `doveadm pw -l` shows.
std::span<const Scheme> AllSchemes();

// By name without suffix, in any case; null: unknown.
const Scheme* FindScheme(std::string_view name);

// Are both ways of saying one thing, such as CRAM-MD5 and HMAC-MD5?
bool IsAliasOf(const Scheme& a, const Scheme& b);

// A stored password, taken apart. Views into what was given.
struct StoredParts {
  std::string_view scheme_name;  // "SHA512.hex"; empty: no scheme is named and there was no default
  std::string_view data;
};
// "{SCHEME}data", "$1$..." (MD5-CRYPT without a name, as Dovecot reads it), else `default_scheme`.
StoredParts SplitStored(std::string_view stored, std::string_view default_scheme = {});

// Scheme and encoding that a name with an optional suffix means; scheme null: unknown.
struct SchemeAndEncoding {
  const Scheme* scheme = nullptr;
  SchemeEncoding encoding = SchemeEncoding::kNone;
  bool encoding_given = false;
};
SchemeAndEncoding ParseSchemeName(std::string_view name);

// The bytes behind the encoding. Without a suffix the length decides between hexadecimal and base64.
// Errors: kInvalidArgument, with Dovecot's words.
StatusOr<std::string> DecodeStored(const SchemeAndEncoding& scheme, std::string_view data);

// "{SCHEME}data" for `password`; `scheme_name` may have a suffix.
// Errors: kNotFound: unknown scheme; kInvalidArgument: see Scheme::generate.
StatusOr<std::string> GenerateStored(std::string_view scheme_name, std::string_view password,
                                     const GenerateOptions& options, Entropy& entropy);

}  // namespace postern::auth
