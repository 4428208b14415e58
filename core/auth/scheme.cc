#include "core/auth/scheme.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/auth/sasl.h"
#include "core/auth/scheme_families.h"
#include "core/base/ascii.h"
#include "core/base/base64.h"

namespace postern::auth {
namespace {

using enum SchemeEncoding;

// In the order of `doveadm pw -l`.
constexpr std::array kSchemes = {
    Scheme{"SHA1", kBase64, 20, true, VerifySha1, GenerateSha1},
    Scheme{"SSHA512", kBase64, 0, false, VerifySaltedSha512, GenerateSaltedSha512},
    Scheme{"SCRAM-SHA-256", kNone, 0, false, VerifyScramSha256, GenerateScramSha256},
    Scheme{"BLF-CRYPT", kNone, 0, false, VerifyBlowfishCrypt, GenerateBlowfishCrypt},
    Scheme{"PLAIN", kNone, 0, true, VerifyPlain, GeneratePlain},
    Scheme{"HMAC-MD5", kHex, 32, true, VerifyCramMd5, GenerateCramMd5},
    Scheme{"SHA512", kBase64, 64, true, VerifySha512, GenerateSha512},
    Scheme{"SHA", kBase64, 20, true, VerifySha1, GenerateSha1},
    Scheme{"DES-CRYPT", kNone, 0, true, VerifyDesCrypt, GenerateDesCrypt},
    Scheme{"CRYPT", kNone, 0, false, VerifyCrypt, GenerateCrypt},
    Scheme{"SSHA", kBase64, 0, true, VerifySaltedSha1, GenerateSaltedSha1},
    Scheme{"MD5-CRYPT", kNone, 0, true, VerifyMd5Crypt, GenerateMd5Crypt},
    Scheme{"PLAIN-MD4", kHex, 16, true, VerifyPlainMd4, GeneratePlainMd4},
    Scheme{"PLAIN-MD5", kHex, 16, true, VerifyPlainMd5, GeneratePlainMd5},
    Scheme{"SCRAM-SHA-1", kNone, 0, false, VerifyScramSha1, GenerateScramSha1},
    Scheme{"SHA512-CRYPT", kNone, 0, false, VerifySha512Crypt, GenerateSha512Crypt},
    Scheme{"CLEAR", kNone, 0, true, VerifyPlain, GeneratePlain},
    Scheme{"CLEARTEXT", kNone, 0, true, VerifyPlain, GeneratePlain},
    Scheme{"ARGON2I", kNone, 0, false, VerifyArgon2i, GenerateArgon2i},
    Scheme{"ARGON2ID", kNone, 0, false, VerifyArgon2id, GenerateArgon2id},
    Scheme{"SSHA256", kBase64, 0, false, VerifySaltedSha256, GenerateSaltedSha256},
    Scheme{"MD5", kNone, 0, true, VerifyMd5, GenerateMd5},
    Scheme{"PBKDF2", kNone, 0, false, VerifyPbkdf2, GeneratePbkdf2},
    Scheme{"SHA256", kBase64, 32, true, VerifySha256, GenerateSha256},
    Scheme{"CRAM-MD5", kHex, 32, true, VerifyCramMd5, GenerateCramMd5},
    Scheme{"PLAIN-TRUNC", kNone, 0, true, VerifyPlainTrunc, GeneratePlainTrunc},
    Scheme{"SHA256-CRYPT", kNone, 0, false, VerifySha256Crypt, GenerateSha256Crypt},
    Scheme{"SMD5", kBase64, 0, true, VerifySaltedMd5, GenerateSaltedMd5},
    Scheme{"DIGEST-MD5", kHex, 16, true, VerifyDigestMd5, GenerateDigestMd5},
    Scheme{"LDAP-MD5", kBase64, 16, true, VerifyPlainMd5, GeneratePlainMd5},
};

std::string_view WithoutTrailingSpace(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

StatusOr<std::string> DecodeText(SchemeEncoding encoding, bool given, size_t raw_bytes, std::string_view data) {
  if (encoding == kNone) return std::string(data);
  const bool looks_hex = raw_bytes != 0 ? data.size() == 2 * raw_bytes : encoding == kHex;
  if (encoding == kHex ? (given || looks_hex) : (!given && looks_hex)) {
    if (auto bytes = DecodeHex(data)) return *std::move(bytes);
    if (given) return InvalidArgument("Input isn't valid HEX encoded data");
  }
  auto bytes = DecodeBase64(WithoutTrailingSpace(data));
  if (!bytes) return InvalidArgument("Input isn't valid base64 encoded data");
  return *std::move(bytes);
}

}  // namespace

std::span<const Scheme> AllSchemes() { return kSchemes; }

const Scheme* FindScheme(std::string_view name) {
  const auto found =
      std::find_if(kSchemes.begin(), kSchemes.end(), [&](const Scheme& s) { return EqualsIgnoringCase(name, s.name); });
  return found == kSchemes.end() ? nullptr : &*found;
}

bool IsAliasOf(const Scheme& a, const Scheme& b) { return a.verify == b.verify && a.generate == b.generate; }

StoredParts SplitStored(std::string_view stored, std::string_view default_scheme) {
  if (stored.starts_with("$1$")) {
    if (const size_t salt_end = stored.find('$', 3); salt_end != std::string_view::npos) {
      return {"MD5-CRYPT", stored.substr(0, stored.find('$', salt_end + 1))};
    }
  }
  if (!stored.empty() && stored.front() == '{') {
    if (const size_t close = stored.find('}'); close != std::string_view::npos) {
      return {stored.substr(1, close - 1), stored.substr(close + 1)};
    }
  }
  return {default_scheme, stored};
}

SchemeAndEncoding ParseSchemeName(std::string_view name) {
  SchemeAndEncoding parsed;
  const size_t dot = name.find('.');
  parsed.scheme = FindScheme(name.substr(0, dot));
  if (parsed.scheme == nullptr) return parsed;
  parsed.encoding = parsed.scheme->encoding;
  if (dot == std::string_view::npos) return parsed;
  const std::string_view suffix = name.substr(dot + 1);
  parsed.encoding_given = true;
  if (EqualsIgnoringCase(suffix, "B64") || EqualsIgnoringCase(suffix, "BASE64")) {
    parsed.encoding = kBase64;
  } else if (EqualsIgnoringCase(suffix, "HEX")) {
    parsed.encoding = kHex;
  } else {
    parsed.scheme = nullptr;
  }
  return parsed;
}

StatusOr<std::string> DecodeStored(const SchemeAndEncoding& scheme, std::string_view data) {
  if (scheme.scheme == nullptr) return InvalidArgument("Unknown scheme");
  const size_t raw_bytes = scheme.scheme->raw_bytes;
  auto raw = DecodeText(scheme.encoding, scheme.encoding_given, raw_bytes, data);
  if (raw.ok() && raw_bytes != 0 && raw->size() != raw_bytes) {
    return InvalidArgument("Input length isn't valid (" + std::to_string(raw->size()) + " instead of " +
                           std::to_string(raw_bytes) + ")");
  }
  return raw;
}

StatusOr<std::string> GenerateStored(std::string_view scheme_name, std::string_view password,
                                     const GenerateOptions& options, Entropy& entropy) {
  const std::string upper = UpperCase(scheme_name);
  const SchemeAndEncoding parsed = ParseSchemeName(upper);
  if (parsed.scheme == nullptr) return NotFound("Unknown scheme: " + upper);
  if (password.find('\0') != std::string_view::npos) return InvalidArgument("A password can't contain NUL");
  const auto raw = parsed.scheme->generate(password, options, entropy);
  if (!raw.ok()) return raw.status();
  std::string stored = "{" + upper + "}";
  switch (parsed.encoding) {
    case kNone:
      return stored += *raw;
    case kHex:
      return stored += EncodeHex(*raw);
    case kBase64:
      return stored += EncodeBase64(*raw);
  }
  return stored;
}

StatusOr<bool> VerifyStoredPassword(std::string_view stored, std::string_view password, std::string_view user) {
  const StoredParts parts = SplitStored(stored);
  const SchemeAndEncoding parsed = ParseSchemeName(parts.scheme_name);
  const auto raw = DecodeStored(parsed, parts.data);
  if (!raw.ok()) return raw.status();
  // crypt(3) and others see text only up to a NUL: whoever sends one must not get in with what stands before it.
  if (password.find('\0') != std::string_view::npos) return false;
  return parsed.scheme->verify(password, user, *raw);
}

}  // namespace postern::auth
