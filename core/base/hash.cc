// MD4 and the resumable MD5 use OpenSSL's low-level functions: its provider of old digests would have to be loaded into
// state shared by the process, and EVP has no way to start from a chaining value.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md4.h>
#include <openssl/md5.h>

#include <cstdlib>
#include <memory>

namespace postern {
namespace {

const EVP_MD* Evp(HashKind kind) {
  switch (kind) {
    case HashKind::kMd4:
      return nullptr;
    case HashKind::kMd5:
      return EVP_md5();
    case HashKind::kSha1:
      return EVP_sha1();
    case HashKind::kSha256:
      return EVP_sha256();
    case HashKind::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

// These functions fail only without memory or when we called them wrong; a wrong digest must never leave here.
void MustSucceed(bool ok) {
  if (!ok) std::abort();
}

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string DigestMd4(std::initializer_list<std::string_view> parts) {
  MD4_CTX context;
  MustSucceed(MD4_Init(&context) == 1);
  for (const std::string_view part : parts) MustSucceed(MD4_Update(&context, part.data(), part.size()) == 1);
  std::string digest(MD4_DIGEST_LENGTH, '\0');
  MustSucceed(MD4_Final(Bytes(digest), &context) == 1);
  return digest;
}

void PutLittleEndian(uint32_t word, uint8_t* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(word >> (8 * i));
}

uint32_t TakeLittleEndian(const uint8_t* in) {
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(in[i]) << (8 * i);
  return word;
}

}  // namespace

size_t DigestSize(HashKind kind) {
  switch (kind) {
    case HashKind::kMd4:
      return 16;
    case HashKind::kMd5:
      return 16;
    case HashKind::kSha1:
      return 20;
    case HashKind::kSha256:
      return 32;
    case HashKind::kSha512:
      return 64;
  }
  return 0;
}

std::string Digest(HashKind kind, std::string_view bytes) { return Digest(kind, {bytes}); }

std::string Digest(HashKind kind, std::initializer_list<std::string_view> parts) {
  if (kind == HashKind::kMd4) return DigestMd4(parts);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  MustSucceed(context != nullptr && EVP_DigestInit_ex(context.get(), Evp(kind), nullptr) == 1);
  for (const std::string_view part : parts) {
    MustSucceed(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  std::string digest(DigestSize(kind), '\0');
  MustSucceed(EVP_DigestFinal_ex(context.get(), Bytes(digest), nullptr) == 1);
  return digest;
}

std::string Hmac(HashKind kind, std::string_view key, std::string_view bytes) {
  MustSucceed(kind != HashKind::kMd4);
  std::string digest(DigestSize(kind), '\0');
  // A null key would mean "the key of the last call" to OpenSSL.
  const void* key_bytes = key.empty() ? "" : key.data();
  MustSucceed(HMAC(Evp(kind), key_bytes, static_cast<int>(key.size()), Bytes(bytes), bytes.size(), Bytes(digest),
                   nullptr) != nullptr);
  return digest;
}

std::string Pbkdf2(HashKind kind, std::string_view password, std::string_view salt, uint32_t iterations,
                   size_t size_bytes) {
  MustSucceed(kind != HashKind::kMd4 && iterations > 0 && iterations <= INT32_MAX && size_bytes > 0);
  std::string key(size_bytes, '\0');
  MustSucceed(PKCS5_PBKDF2_HMAC(password.empty() ? "" : password.data(), static_cast<int>(password.size()), Bytes(salt),
                                static_cast<int>(salt.size()), static_cast<int>(iterations), Evp(kind),
                                static_cast<int>(size_bytes), Bytes(key)) == 1);
  return key;
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

Md5State Md5State::AfterBlock(const std::array<uint8_t, 64>& block) {
  MD5_CTX context;
  MustSucceed(MD5_Init(&context) == 1);
  MD5_Transform(&context, block.data());
  Md5State state;
  const uint32_t words[4] = {context.A, context.B, context.C, context.D};
  for (size_t i = 0; i < 4; ++i) PutLittleEndian(words[i], state.bytes.data() + 4 * i);
  OPENSSL_cleanse(&context, sizeof context);
  return state;
}

std::string Md5State::Finish(std::string_view rest) const {
  MD5_CTX context;
  MustSucceed(MD5_Init(&context) == 1);
  context.A = TakeLittleEndian(bytes.data());
  context.B = TakeLittleEndian(bytes.data() + 4);
  context.C = TakeLittleEndian(bytes.data() + 8);
  context.D = TakeLittleEndian(bytes.data() + 12);
  context.Nl = 64 * 8;  // bits so far
  MustSucceed(MD5_Update(&context, rest.data(), rest.size()) == 1);
  std::string digest(MD5_DIGEST_LENGTH, '\0');
  MustSucceed(MD5_Final(Bytes(digest), &context) == 1);
  return digest;
}

}  // namespace postern
