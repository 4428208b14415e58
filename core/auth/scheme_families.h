// The functions behind the table of schemes (scheme.cc), by family. See Scheme::verify and Scheme::generate in
// scheme.h.
#pragma once

#include "core/auth/scheme.h"

namespace postern::auth {

#define POSTERN_SCHEME(Name)                                                                           \
  StatusOr<bool> Verify##Name(std::string_view password, std::string_view user, std::string_view raw); \
  StatusOr<std::string> Generate##Name(std::string_view password, const GenerateOptions& options, Entropy& entropy);

// scheme_plain.cc
POSTERN_SCHEME(Plain)
POSTERN_SCHEME(PlainTrunc)
// scheme_crypt.cc
POSTERN_SCHEME(Crypt)
POSTERN_SCHEME(DesCrypt)
POSTERN_SCHEME(Md5Crypt)
POSTERN_SCHEME(Md5)  // MD5-CRYPT, or a bare MD5
POSTERN_SCHEME(Sha256Crypt)
POSTERN_SCHEME(Sha512Crypt)
POSTERN_SCHEME(BlowfishCrypt)
// scheme_digest.cc
POSTERN_SCHEME(PlainMd4)
POSTERN_SCHEME(PlainMd5)
POSTERN_SCHEME(Sha1)
POSTERN_SCHEME(Sha256)
POSTERN_SCHEME(Sha512)
POSTERN_SCHEME(SaltedMd5)
POSTERN_SCHEME(SaltedSha1)
POSTERN_SCHEME(SaltedSha256)
POSTERN_SCHEME(SaltedSha512)
// scheme_derived.cc
POSTERN_SCHEME(Pbkdf2)
POSTERN_SCHEME(Argon2i)
POSTERN_SCHEME(Argon2id)
// scheme_mechanism.cc
POSTERN_SCHEME(CramMd5)
POSTERN_SCHEME(DigestMd5)
POSTERN_SCHEME(ScramSha1)
POSTERN_SCHEME(ScramSha256)

#undef POSTERN_SCHEME

// `count` characters of crypt(3)'s alphabet, for salts.
std::string SaltText(size_t count, Entropy& entropy);

}  // namespace postern::auth
