#include "core/auth/credentials.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "core/base/base64.h"

namespace postern::auth {
namespace {

constexpr size_t kMd5BlockBytes = 64;

Md5State KeyedState(std::string_view key, uint8_t pad) {
  std::array<uint8_t, kMd5BlockBytes> block;
  block.fill(pad);
  for (size_t i = 0; i < key.size(); ++i) block[i] ^= static_cast<uint8_t>(key[i]);
  const Md5State state = Md5State::AfterBlock(block);
  OPENSSL_cleanse(block.data(), block.size());
  return state;
}

std::string_view Text(const Md5State& state) {
  return {reinterpret_cast<const char*>(state.bytes.data()), state.bytes.size()};
}

Md5State StateFrom(std::string_view bytes) {
  Md5State state;
  std::copy_n(bytes.begin(), state.bytes.size(), state.bytes.begin());
  return state;
}

// Base64 of exactly `size` bytes.
std::optional<std::string> DecodeKey(std::string_view text, size_t size) {
  auto bytes = DecodeBase64(text);
  if (bytes && bytes->size() != size) bytes.reset();
  return bytes;
}

}  // namespace

std::string CramMd5Credentials(std::string_view password) {
  std::string digest;
  if (password.size() > kMd5BlockBytes) {  // RFC 2104 section 2
    digest = Digest(HashKind::kMd5, password);
    password = digest;
  }
  std::string credentials(Text(KeyedState(password, 0x5c)));
  return credentials += Text(KeyedState(password, 0x36));
}

std::string CramMd5Response(std::string_view credentials, std::string_view challenge) {
  const std::string inner = StateFrom(credentials.substr(16, 16)).Finish(challenge);
  return EncodeHex(StateFrom(credentials.substr(0, 16)).Finish(inner));
}

std::string DigestMd5Credentials(std::string_view user, std::string_view realm, std::string_view password) {
  return Digest(HashKind::kMd5, {user, ":", realm, ":", password});
}

std::string ScramClientKey(HashKind kind, std::string_view salted_password) {
  return Hmac(kind, salted_password, "Client Key");
}

std::string ScramServerKey(HashKind kind, std::string_view salted_password) {
  return Hmac(kind, salted_password, "Server Key");
}

ScramCredentials DeriveScram(HashKind kind, std::string_view password, std::string_view salt, uint32_t iterations) {
  const std::string salted_password = Pbkdf2(kind, password, salt, iterations, DigestSize(kind));
  return {.iterations = iterations,
          .salt = std::string(salt),
          .stored_key = Digest(kind, ScramClientKey(kind, salted_password)),
          .server_key = ScramServerKey(kind, salted_password)};
}

std::string_view ScramName(HashKind kind) { return kind == HashKind::kSha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256"; }

StatusOr<ScramCredentials> ParseScram(HashKind kind, std::string_view stored) {
  const auto invalid = [&](std::string_view what, std::string_view end) {
    return InvalidArgument("Invalid " + std::string(ScramName(kind)) + std::string(what) + std::string(end));
  };
  if (std::count(stored.begin(), stored.end(), ',') != 3) return invalid(" passdb entry format", "");
  std::array<std::string_view, 4> fields;
  for (std::string_view& field : fields) {
    const size_t comma = stored.find(',');
    field = stored.substr(0, comma);
    stored.remove_prefix(comma == std::string_view::npos ? stored.size() : comma + 1);
  }
  ScramCredentials credentials;
  const char* const end = fields[0].data() + fields[0].size();
  const auto [at, error] = std::from_chars(fields[0].data(), end, credentials.iterations);
  if (error != std::errc() || at != end || credentials.iterations < kScramIterations ||
      credentials.iterations > INT32_MAX) {
    return invalid(" iteration count", " in passdb");
  }
  auto salt = DecodeBase64(fields[1]);
  auto stored_key = DecodeKey(fields[2], DigestSize(kind)), server_key = DecodeKey(fields[3], DigestSize(kind));
  if (!stored_key) return invalid(" StoredKey", " in passdb");
  if (!server_key) return invalid(" ServerKey", " in passdb");
  if (!salt || salt->empty()) return invalid(" salt", " in passdb");
  credentials.salt = *std::move(salt);
  credentials.stored_key = *std::move(stored_key);
  credentials.server_key = *std::move(server_key);
  return credentials;
}

std::string FormatScram(const ScramCredentials& credentials) {
  return std::to_string(credentials.iterations) + "," + EncodeBase64(credentials.salt) + "," +
         EncodeBase64(credentials.stored_key) + "," + EncodeBase64(credentials.server_key);
}

std::string Xor(std::string_view a, std::string_view b) {
  std::string mixed(std::min(a.size(), b.size()), '\0');
  for (size_t i = 0; i < mixed.size(); ++i) mixed[i] = static_cast<char>(a[i] ^ b[i]);
  return mixed;
}

}  // namespace postern::auth
