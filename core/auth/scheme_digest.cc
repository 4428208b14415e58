// Schemes that are one digest of the password, with or without a salt behind it.
#include "core/auth/scheme_families.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

constexpr size_t kSaltBytes = 4;  // what Dovecot generates

StatusOr<bool> VerifyDigest(HashKind kind, std::string_view password, std::string_view raw) {
  return EqualInConstantTime(Digest(kind, password), raw);
}

// Digest(password salt) followed by the salt.
StatusOr<bool> VerifySalted(HashKind kind, std::string_view name, std::string_view password, std::string_view raw) {
  const size_t digest_bytes = DigestSize(kind);
  if (raw.size() <= digest_bytes) return InvalidArgument(std::string(name) + " password is too short");
  return EqualInConstantTime(Digest(kind, {password, raw.substr(digest_bytes)}), raw.substr(0, digest_bytes));
}

StatusOr<std::string> GenerateSalted(HashKind kind, std::string_view password, Entropy& entropy) {
  const std::string salt = entropy.Bytes(kSaltBytes);
  return Digest(kind, {password, salt}) + salt;
}

}  // namespace

StatusOr<bool> VerifyPlainMd4(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyDigest(HashKind::kMd4, password, raw);
}
StatusOr<bool> VerifyPlainMd5(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyDigest(HashKind::kMd5, password, raw);
}
StatusOr<bool> VerifySha1(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyDigest(HashKind::kSha1, password, raw);
}
StatusOr<bool> VerifySha256(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyDigest(HashKind::kSha256, password, raw);
}
StatusOr<bool> VerifySha512(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyDigest(HashKind::kSha512, password, raw);
}

StatusOr<std::string> GeneratePlainMd4(std::string_view password, const GenerateOptions&, Entropy&) {
  return Digest(HashKind::kMd4, password);
}
StatusOr<std::string> GeneratePlainMd5(std::string_view password, const GenerateOptions&, Entropy&) {
  return Digest(HashKind::kMd5, password);
}
StatusOr<std::string> GenerateSha1(std::string_view password, const GenerateOptions&, Entropy&) {
  return Digest(HashKind::kSha1, password);
}
StatusOr<std::string> GenerateSha256(std::string_view password, const GenerateOptions&, Entropy&) {
  return Digest(HashKind::kSha256, password);
}
StatusOr<std::string> GenerateSha512(std::string_view password, const GenerateOptions&, Entropy&) {
  return Digest(HashKind::kSha512, password);
}

StatusOr<bool> VerifySaltedMd5(std::string_view password, std::string_view, std::string_view raw) {
  return VerifySalted(HashKind::kMd5, "SMD5", password, raw);
}
StatusOr<bool> VerifySaltedSha1(std::string_view password, std::string_view, std::string_view raw) {
  return VerifySalted(HashKind::kSha1, "SSHA", password, raw);
}
StatusOr<bool> VerifySaltedSha256(std::string_view password, std::string_view, std::string_view raw) {
  return VerifySalted(HashKind::kSha256, "SSHA256", password, raw);
}
StatusOr<bool> VerifySaltedSha512(std::string_view password, std::string_view, std::string_view raw) {
  return VerifySalted(HashKind::kSha512, "SSHA512", password, raw);
}

StatusOr<std::string> GenerateSaltedMd5(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateSalted(HashKind::kMd5, password, entropy);
}
StatusOr<std::string> GenerateSaltedSha1(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateSalted(HashKind::kSha1, password, entropy);
}
StatusOr<std::string> GenerateSaltedSha256(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateSalted(HashKind::kSha256, password, entropy);
}
StatusOr<std::string> GenerateSaltedSha512(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateSalted(HashKind::kSha512, password, entropy);
}

}  // namespace postern::auth
