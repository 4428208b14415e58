// Digests, HMAC and PBKDF2 against the vectors of their RFCs.
#include "core/base/hash.h"

#include <gtest/gtest.h>

#include "core/base/base64.h"

namespace postern {
namespace {

std::string HexDigest(HashKind kind, std::string_view bytes) { return EncodeHex(Digest(kind, bytes)); }

// RFC 1320 appendix A.5.
TEST(Hash, Md4) {
  EXPECT_EQ(HexDigest(HashKind::kMd4, ""), "31d6cfe0d16ae931b73c59d7e0c089c0");
  EXPECT_EQ(HexDigest(HashKind::kMd4, "message digest"), "d9130a8164549fe818874806e1c7014b");
  EXPECT_EQ(
      HexDigest(HashKind::kMd4, "12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
      "e33b4ddc9c38f2199c3e7b164fcc0536");
}

// RFC 1321 appendix A.5.
TEST(Hash, Md5) {
  EXPECT_EQ(HexDigest(HashKind::kMd5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(HexDigest(HashKind::kMd5, "message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

// FIPS 180-4's examples.
TEST(Hash, Sha) {
  EXPECT_EQ(HexDigest(HashKind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(HexDigest(HashKind::kSha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexDigest(HashKind::kSha512, "abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(Hash, PartsAreOneText) {
  for (const HashKind kind : {HashKind::kMd4, HashKind::kMd5, HashKind::kSha1, HashKind::kSha256, HashKind::kSha512}) {
    EXPECT_EQ(Digest(kind, {"mes", "", "sage ", "digest"}), Digest(kind, "message digest"));
    EXPECT_EQ(Digest(kind, "").size(), DigestSize(kind));
  }
}

// RFC 2202 sections 2 and 3, RFC 4231 section 4.
TEST(Hash, Hmac) {
  EXPECT_EQ(EncodeHex(Hmac(HashKind::kMd5, "Jefe", "what do ya want for nothing?")),
            "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(EncodeHex(Hmac(HashKind::kSha1, "Jefe", "what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(EncodeHex(Hmac(HashKind::kSha256, "Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(EncodeHex(Hmac(HashKind::kSha1, std::string(80, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  EXPECT_EQ(EncodeHex(Hmac(HashKind::kSha256, "", "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// RFC 6070 section 2, RFC 7914 section 11.
TEST(Hash, Pbkdf2) {
  EXPECT_EQ(EncodeHex(Pbkdf2(HashKind::kSha1, "password", "salt", 1, 20)), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
  EXPECT_EQ(EncodeHex(Pbkdf2(HashKind::kSha1, "password", "salt", 4096, 20)),
            "4b007901b765489abead49d926f721d065a429c1");
  EXPECT_EQ(
      EncodeHex(Pbkdf2(HashKind::kSha1, std::string_view("pass\0word", 9), std::string_view("sa\0lt", 5), 4096, 16)),
      "56fa6aa75548099dcc37d7f03425e0c3");
  EXPECT_EQ(EncodeHex(Pbkdf2(HashKind::kSha256, "passwd", "salt", 1, 64)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

TEST(Hash, ComparesWhole) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
  EXPECT_FALSE(EqualInConstantTime("", "a"));
}

TEST(Hash, Md5GoesOnFromAState) {
  std::array<uint8_t, 64> block;
  block.fill('x');
  for (const size_t more : {0u, 1u, 55u, 56u, 64u, 200u}) {
    const std::string rest(more, 'y');
    EXPECT_EQ(Md5State::AfterBlock(block).Finish(rest), Digest(HashKind::kMd5, std::string(64, 'x') + rest));
  }
}

}  // namespace
}  // namespace postern
