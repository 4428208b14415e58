// The schemes of crypt(3): what libcrypt knows by the setting in front of the hash.
//
// As in Dovecot any of these names verifies any crypt format, except BLF-CRYPT, which insists on its own: users files
// with "{CRYPT}$6$..." and even "{DES-CRYPT}$6$..." exist.
#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <memory>

#include "core/auth/scheme_families.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

struct WipedCryptData {
  crypt_data data{};
  ~WipedCryptData() { OPENSSL_cleanse(&data, sizeof data); }
};

// Empty: the setting is none. `password` and `setting` have no NUL.
std::string RunCrypt(std::string_view password, std::string_view setting) {
  const auto work = std::make_unique<WipedCryptData>();  // 32 KiB
  std::string password_text(password);
  const std::string setting_text(setting);
  const char* hash = crypt_r(password_text.c_str(), setting_text.c_str(), &work->data);
  OPENSSL_cleanse(password_text.data(), password_text.size());
  if (hash == nullptr || hash[0] == '*') return {};
  return hash;
}

StatusOr<std::string> GenerateWithPrefix(const char* prefix, unsigned long count, std::string_view password,
                                         Entropy& entropy) {
  const std::string chance = entropy.Bytes(16);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (crypt_gensalt_rn(prefix, count, chance.data(), static_cast<int>(chance.size()), setting, sizeof setting) ==
      nullptr) {
    return InvalidArgument("crypt() doesn't know this scheme");
  }
  std::string hash = RunCrypt(password, setting);
  if (hash.empty()) return InvalidArgument("crypt() can't hash this password");
  return hash;
}

}  // namespace

std::string SaltText(size_t count, Entropy& entropy) {
  constexpr std::string_view kAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string salt = entropy.Bytes(count);
  for (char& c : salt) c = kAlphabet[static_cast<uint8_t>(c) & 63];
  return salt;
}

StatusOr<bool> VerifyCrypt(std::string_view password, std::string_view, std::string_view raw) {
  if (raw.empty() || raw.find('\0') != std::string_view::npos) return false;
  const std::string hash = RunCrypt(password, raw);
  return !hash.empty() && EqualInConstantTime(hash, raw);
}

StatusOr<bool> VerifyBlowfishCrypt(std::string_view password, std::string_view user, std::string_view raw) {
  if (raw.size() != 60 || !raw.starts_with("$2") || raw[3] != '$') {
    return InvalidArgument("Password is not blowfish password");
  }
  return VerifyCrypt(password, user, raw);
}

StatusOr<bool> VerifyDesCrypt(std::string_view password, std::string_view user, std::string_view raw) {
  return VerifyCrypt(password, user, raw);
}
StatusOr<bool> VerifyMd5Crypt(std::string_view password, std::string_view user, std::string_view raw) {
  return VerifyCrypt(password, user, raw);
}
StatusOr<bool> VerifySha256Crypt(std::string_view password, std::string_view user, std::string_view raw) {
  return VerifyCrypt(password, user, raw);
}
StatusOr<bool> VerifySha512Crypt(std::string_view password, std::string_view user, std::string_view raw) {
  return VerifyCrypt(password, user, raw);
}

StatusOr<bool> VerifyMd5(std::string_view password, std::string_view user, std::string_view raw) {
  if (raw.starts_with("$1$")) return VerifyCrypt(password, user, raw);
  const auto digest = DecodeStored(ParseSchemeName("PLAIN-MD5"), raw);
  if (!digest.ok()) return InvalidArgument("Not a valid MD5-CRYPT or PLAIN-MD5 password");
  return VerifyPlainMd5(password, user, *digest);
}

StatusOr<std::string> GenerateBlowfishCrypt(std::string_view password, const GenerateOptions& options,
                                            Entropy& entropy) {
  const unsigned long cost = options.rounds == 0 ? 5 : std::clamp<unsigned long>(options.rounds, 4, 31);
  return GenerateWithPrefix("$2y$", cost, password, entropy);
}
StatusOr<std::string> GenerateCrypt(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  return GenerateBlowfishCrypt(password, options, entropy);
}
StatusOr<std::string> GenerateDesCrypt(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  const std::string hash = RunCrypt(password, SaltText(2, entropy));
  if (hash.empty()) return InvalidArgument("crypt() doesn't know this scheme");
  return hash;
}
StatusOr<std::string> GenerateMd5Crypt(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateWithPrefix("$1$", 0, password, entropy);
}
StatusOr<std::string> GenerateMd5(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  return GenerateMd5Crypt(password, options, entropy);
}
StatusOr<std::string> GenerateSha256Crypt(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  return GenerateWithPrefix("$5$", options.rounds, password, entropy);
}
StatusOr<std::string> GenerateSha512Crypt(std::string_view password, const GenerateOptions& options, Entropy& entropy) {
  return GenerateWithPrefix("$6$", options.rounds, password, entropy);
}

}  // namespace postern::auth
