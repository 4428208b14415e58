// What the challenge-response mechanisms compute from a password, and can compute from a stored form of it: the bytes
// behind {CRAM-MD5}, {DIGEST-MD5} and {SCRAM-*}. Server exchanges, client exchanges and the schemes share it.
// References: RFC 2195, RFC 2831, RFC 5802. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/hash.h"
#include "core/base/status.h"

namespace postern::auth {

// HMAC-MD5's states after the outer and the inner key block: 32 bytes.
std::string CramMd5Credentials(std::string_view password);
// HMAC-MD5 of `challenge` in lower-case hexadecimal, from 32 bytes of credentials.
std::string CramMd5Response(std::string_view credentials, std::string_view challenge);

// MD5(user ":" realm ":" password): 16 bytes.
std::string DigestMd5Credentials(std::string_view user, std::string_view realm, std::string_view password);

inline constexpr uint32_t kScramIterations = 4096;  // RFC 5802 section 5.1's least, and what Dovecot stores

struct ScramCredentials {
  uint32_t iterations = kScramIterations;
  std::string salt, stored_key, server_key;
};
// RFC 5802 section 3: `password` is prepared already (saslprep.h). `kind`: kSha1 or kSha256.
ScramCredentials DeriveScram(HashKind kind, std::string_view password, std::string_view salt, uint32_t iterations);
// SaltedPassword, from which a client computes its keys.
std::string ScramClientKey(HashKind kind, std::string_view salted_password);
std::string ScramServerKey(HashKind kind, std::string_view salted_password);
// "SCRAM-SHA-1" or "SCRAM-SHA-256".
std::string_view ScramName(HashKind kind);
// "iterations,salt,StoredKey,ServerKey", the last three in base64. Errors: kInvalidArgument, with Dovecot's words.
StatusOr<ScramCredentials> ParseScram(HashKind kind, std::string_view stored);
std::string FormatScram(const ScramCredentials& credentials);

// a XOR b; of the shorter one's length.
std::string Xor(std::string_view a, std::string_view b);

}  // namespace postern::auth
