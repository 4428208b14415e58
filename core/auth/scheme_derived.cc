// Schemes that are slow on purpose: PBKDF2 (Dovecot's own form) and Argon2 (PHC strings, through libsodium).
//
// Argon2's work costs tens to hundreds of megabytes, so it is verified on a worker. libsodium picks its fast code in
// sodium_init(), which reads the machine and is the adapters' to call; without it everything here works, more slowly.
#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "core/auth/scheme_families.h"
#include "core/base/base64.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

constexpr uint32_t kPbkdf2Rounds = 5000;            // Dovecot's default
constexpr uint32_t kPbkdf2RoundsMax = 100'000'000;  // about a minute; more is a mistake in the users file
constexpr size_t kPbkdf2SaltChars = 16;
constexpr size_t kPbkdf2KeyBytes = 20;

// PHC strings use base64 without padding.
std::string EncodePhc(std::string_view bytes) {
  std::string text = EncodeBase64(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

struct Argon2Cost {
  uint64_t passes;
  size_t memory_bytes;
};

StatusOr<std::string> GenerateArgon2(int algorithm, std::string_view name, Argon2Cost cost, std::string_view password,
                                     Entropy& entropy) {
  const std::string salt = entropy.Bytes(crypto_pwhash_SALTBYTES);
  std::string hash(32, '\0');
  if (crypto_pwhash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(), password.data(), password.size(),
                    reinterpret_cast<const unsigned char*>(salt.data()), cost.passes, cost.memory_bytes,
                    algorithm) != 0) {
    return InvalidArgument("crypto_pwhash_" + std::string(name) + "_str failed: Invalid argument");
  }
  return "$" + std::string(name) + "$v=19$m=" + std::to_string(cost.memory_bytes / 1024) +
         ",t=" + std::to_string(cost.passes) + ",p=1$" + EncodePhc(salt) + "$" + EncodePhc(hash);
}

StatusOr<bool> VerifyArgon2(std::string_view password, std::string_view raw) {
  const std::string stored(raw);
  return crypto_pwhash_str_verify(stored.c_str(), password.data(), password.size()) == 0;
}

}  // namespace

// "$1$salt$rounds$40 hexadecimal digits", HMAC-SHA-1; the salt is used as it is written.
StatusOr<bool> VerifyPbkdf2(std::string_view password, std::string_view, std::string_view raw) {
  if (!raw.starts_with("$1$")) return InvalidArgument("Invalid PBKDF2 passdb entry prefix");
  raw.remove_prefix(3);
  const size_t salt_end = raw.find('$');
  const size_t rounds_end = salt_end == std::string_view::npos ? salt_end : raw.find('$', salt_end + 1);
  if (rounds_end == std::string_view::npos) return InvalidArgument("Invalid PBKDF2 passdb entry format");
  const std::string_view rounds_text = raw.substr(salt_end + 1, rounds_end - salt_end - 1);
  uint32_t rounds = 0;
  const char* const end = rounds_text.data() + rounds_text.size();
  const auto [at, error] = std::from_chars(rounds_text.data(), end, rounds);
  if (error != std::errc() || at != end || rounds > kPbkdf2RoundsMax) {
    return InvalidArgument("Invalid PBKDF2 passdb entry format");
  }
  const auto key = DecodeHex(raw.substr(rounds_end + 1));
  if (!key || key->size() != kPbkdf2KeyBytes) return InvalidArgument("PBKDF2 hash not 160bit hex-encoded");
  if (rounds == 0) return false;
  return EqualInConstantTime(Pbkdf2(HashKind::kSha1, password, raw.substr(0, salt_end), rounds, kPbkdf2KeyBytes), *key);
}

StatusOr<std::string> GeneratePbkdf2(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  const uint32_t rounds = options.rounds == 0 ? kPbkdf2Rounds : std::min(options.rounds, kPbkdf2RoundsMax);
  const std::string salt = SaltText(kPbkdf2SaltChars, entropy);
  return "$1$" + salt + "$" + std::to_string(rounds) + "$" +
         EncodeHex(Pbkdf2(HashKind::kSha1, password, salt, rounds, kPbkdf2KeyBytes));
}

// As in Dovecot one name verifies the other's strings: the string says which it is.
StatusOr<bool> VerifyArgon2i(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyArgon2(password, raw);
}
StatusOr<bool> VerifyArgon2id(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyArgon2(password, raw);
}

// Rounds choose the memory too: libsodium's interactive, moderate or sensitive amount.
StatusOr<std::string> GenerateArgon2i(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  const uint64_t passes = options.rounds == 0 ? crypto_pwhash_argon2i_OPSLIMIT_INTERACTIVE : options.rounds;
  const size_t memory_bytes =
      passes >= crypto_pwhash_argon2i_OPSLIMIT_SENSITIVE  ? crypto_pwhash_argon2i_MEMLIMIT_SENSITIVE
      : passes >= crypto_pwhash_argon2i_OPSLIMIT_MODERATE ? crypto_pwhash_argon2i_MEMLIMIT_MODERATE
                                                          : crypto_pwhash_argon2i_MEMLIMIT_INTERACTIVE;
  return GenerateArgon2(crypto_pwhash_ALG_ARGON2I13, "argon2i", {passes, memory_bytes}, password, entropy);
}
StatusOr<std::string> GenerateArgon2id(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  const uint64_t rounds = options.rounds;
  const size_t memory_bytes =
      rounds >= crypto_pwhash_argon2id_OPSLIMIT_SENSITIVE  ? crypto_pwhash_argon2id_MEMLIMIT_SENSITIVE
      : rounds >= crypto_pwhash_argon2id_OPSLIMIT_MODERATE ? crypto_pwhash_argon2id_MEMLIMIT_MODERATE
                                                           : crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE;
  return GenerateArgon2(crypto_pwhash_ALG_ARGON2ID13, "argon2id", {std::max<uint64_t>(rounds, 3), memory_bytes},
                        password, entropy);
}

}  // namespace postern::auth
