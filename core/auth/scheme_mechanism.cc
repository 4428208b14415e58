// Schemes that hold what one SASL mechanism needs: CRAM-MD5 (HMAC-MD5), DIGEST-MD5, SCRAM.
#include "core/auth/credentials.h"
#include "core/auth/saslprep.h"
#include "core/auth/scheme_families.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

// "user@realm" as Dovecot stores it: the realm is what follows the last '@'.
StatusOr<std::string> DigestOf(std::string_view password, std::string_view user) {
  if (user.empty()) return InvalidArgument("digest_md5_generate(): username not given");
  const size_t at = user.rfind('@');
  const std::string_view realm = at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
  return DigestMd5Credentials(user.substr(0, at), realm, password);
}

StatusOr<bool> VerifyScram(HashKind kind, std::string_view password, std::string_view raw) {
  const auto stored = ParseScram(kind, raw);
  if (!stored.ok()) return stored.status();
  // RFC 5802 section 2.2 prepares the password; Dovecot, which may have written the entry, does not.
  const std::string prepared = SaslPrepOrSame(password);
  const auto matches = [&](std::string_view candidate) {
    return EqualInConstantTime(DeriveScram(kind, candidate, stored->salt, stored->iterations).stored_key,
                               stored->stored_key);
  };
  return matches(prepared) || (prepared != password && matches(password));
}

StatusOr<std::string> GenerateScram(HashKind kind, std::string_view password, Entropy& entropy) {
  return FormatScram(DeriveScram(kind, SaslPrepOrSame(password), entropy.Bytes(16), kScramIterations));
}

}  // namespace

StatusOr<bool> VerifyCramMd5(std::string_view password, std::string_view, std::string_view raw) {
  return EqualInConstantTime(CramMd5Credentials(password), raw);
}
StatusOr<std::string> GenerateCramMd5(std::string_view password, const GenerateOptions&, Entropy&) {
  return CramMd5Credentials(password);
}

StatusOr<bool> VerifyDigestMd5(std::string_view password, std::string_view user, std::string_view raw) {
  const auto digest = DigestOf(password, user);
  if (!digest.ok()) return digest.status();
  return EqualInConstantTime(*digest, raw);
}
StatusOr<std::string> GenerateDigestMd5(std::string_view password, const GenerateOptions& options, Entropy&) {
  return DigestOf(password, options.user);
}

StatusOr<bool> VerifyScramSha1(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyScram(HashKind::kSha1, password, raw);
}
StatusOr<bool> VerifyScramSha256(std::string_view password, std::string_view, std::string_view raw) {
  return VerifyScram(HashKind::kSha256, password, raw);
}
StatusOr<std::string> GenerateScramSha1(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateScram(HashKind::kSha1, password, entropy);
}
StatusOr<std::string> GenerateScramSha256(std::string_view password, const GenerateOptions&, Entropy& entropy) {
  return GenerateScram(HashKind::kSha256, password, entropy);
}

}  // namespace postern::auth
