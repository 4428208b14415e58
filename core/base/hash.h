// Digests, HMAC and PBKDF2 as pure functions over OpenSSL, for password schemes, SASL and stable names.
//
// Bytes in, bytes out; nothing is kept between calls. MD4 and MD5 are here because stored passwords and CRAM-MD5,
// DIGEST-MD5 and APOP need them, not because anything new should.
// References: RFC 1320 (MD4), RFC 1321 (MD5), FIPS 180-4 (SHA), RFC 2104 (HMAC), RFC 8018 section 5.2 (PBKDF2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace postern {

enum class HashKind : uint8_t { kMd4, kMd5, kSha1, kSha256, kSha512 };

// The length of the digest in bytes: 16, 16, 20, 32, 64.
size_t DigestSize(HashKind kind);

// The digest of `bytes`, raw.
std::string Digest(HashKind kind, std::string_view bytes);
// The digest of the concatenation of `parts`, without concatenating them.
std::string Digest(HashKind kind, std::initializer_list<std::string_view> parts);

// RFC 2104. Not for kMd4.
std::string Hmac(HashKind kind, std::string_view key, std::string_view bytes);

// RFC 8018 section 5.2 with HMAC of `kind` (not kMd4); `iterations` and `size_bytes` are at least 1. Time grows with
// iterations: about half a microsecond each.
std::string Pbkdf2(HashKind kind, std::string_view password, std::string_view salt, uint32_t iterations,
                   size_t size_bytes);

// Are both the same bytes? Takes the same time wherever they differ (their lengths are not hidden).
bool EqualInConstantTime(std::string_view a, std::string_view b);

// MD5's chaining value after whole blocks, as CRAM-MD5 passwords are stored (two of them, for HMAC's two passes).
struct Md5State {
  std::array<uint8_t, 16> bytes{};  // A B C D, each little-endian

  // The state after exactly one block of 64 bytes.
  static Md5State AfterBlock(const std::array<uint8_t, 64>& block);
  // The digest of one block that led to this state, followed by `rest`.
  std::string Finish(std::string_view rest) const;
};

}  // namespace postern
