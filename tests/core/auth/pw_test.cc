// Goal: `postern pw` answers as `doveadm pw` does. The expected texts were seen on Dovecot 2.3.19.
// cmd/ is no library, so its one file is compiled in here.
#include "cmd/pw.cc"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/core/auth/auth_fixture.h"

namespace postern {
namespace {

struct Ending {
  int code;
  std::string out, err;
};

Ending Pw(const PwOptions& options, const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out, err;
  Entropy entropy = auth::TestEntropy();
  const int code = RunPw(options, in, out, err, entropy);
  return {code, out.str(), err.str()};
}

TEST(Pw, Hashes) {
  const Ending run = Pw({.scheme = "SHA", .password = "pw"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n");
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(Pw({.scheme = "sha256.hex", .password = "pw"}).out,
            "{SHA256.HEX}30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4\n");
  EXPECT_EQ(Pw({.scheme = "cram-md5", .password = "pw"}).out,
            "{CRAM-MD5}d3b327e40131add8092e3cb400c690fb8c4c989cd9d0f4ebd9644e4aa7b64cfa\n");
  EXPECT_EQ(Pw({.scheme = "DIGEST-MD5", .password = "pw", .user = "bob"}).out,
            "{DIGEST-MD5}8e3a2777327b2c93b7369679d9a02bfe\n");
  EXPECT_TRUE(Pw({.password = "pw"}).out.starts_with("{CRYPT}$2y$05$"));
  EXPECT_TRUE(Pw({.scheme = "SHA512-CRYPT", .password = "pw", .rounds = 1234})
                  .out.starts_with("{SHA512-CRYPT}$6$rounds=1234$"));
}

TEST(Pw, ReadsThePasswordTwice) {
  EXPECT_EQ(Pw({.scheme = "SHA"}, "pw\npw\n").out, "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n");
  EXPECT_EQ(Pw({.scheme = "SHA"}, "pw\npw").err, "");
  const Ending run = Pw({.scheme = "SHA"}, "pw\npx\npw\npw\n");
  EXPECT_EQ(run.out, "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n");
  EXPECT_EQ(run.err, "Error: Passwords don't match!\n");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(Pw({.scheme = "SHA"}, "pw\n").code, 75);
  EXPECT_EQ(Pw({.scheme = "SHA"}, "").out, "");
}

TEST(Pw, Tests) {
  EXPECT_EQ(Pw({.password = "pw", .test_hash = "{PLAIN}pw"}).out, "{PLAIN}pw (verified)\n");
  EXPECT_EQ(Pw({.test_hash = "{PLAIN}pw"}, "pw\n").out, "{PLAIN}pw (verified)\n");
  const std::pair<const char*, const char*> cases[] = {
      {"{PLAIN}px", "Fatal: reverse password verification check failed: Password mismatch\n"},
      {"pw", "Fatal: Missing {scheme} prefix from hash\n"},
      {"", "Fatal: Missing {scheme} prefix from hash\n"},
      {"{PLAIN", "Fatal: Missing {scheme} prefix from hash\n"},
      {"{NOPE}x", "Fatal: reverse decode check failed: Unknown scheme\n"},
      {"{SHA}xx", "Fatal: reverse decode check failed: Input isn't valid base64 encoded data\n"},
      {"{SSHA}1a91", "Fatal: reverse password verification check failed: SSHA password is too short\n"},
      {"$1$ab$xx", "Fatal: reverse password verification check failed: Password mismatch\n"},
      {"{DIGEST-MD5}8e3a2777327b2c93b7369679d9a02bfe", "Fatal: digest_md5_generate(): username not given\n"},
  };
  for (const auto& [hash, error] : cases) {
    const Ending run = Pw({.password = "pw", .test_hash = hash});
    EXPECT_EQ(run.err, error) << hash;
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(run.code, 75);
  }
}

TEST(Pw, Verifies) {
  EXPECT_EQ(Pw({.scheme = "SHA", .password = "pw", .verify = true}).out,
            "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM= (verified)\n");
  EXPECT_TRUE(Pw({.scheme = "MD5-CRYPT", .password = "pw", .verify = true}).out.ends_with(" (verified)\n"));
}

TEST(Pw, RefusesUnknownSchemesBeforeItAsks) {
  const Ending run = Pw({.scheme = "nope"}, "");
  EXPECT_EQ(run.err, "Fatal: Unknown scheme: NOPE\n");
  EXPECT_EQ(run.code, 75);
  EXPECT_EQ(Pw({.scheme = ""}).err, "Fatal: Unknown scheme: \n");
  EXPECT_EQ(Pw({.scheme = "DIGEST-MD5", .password = "pw"}).err, "Fatal: digest_md5_generate(): username not given\n");
}

TEST(Pw, Lists) {
  EXPECT_EQ(Pw({.list = true}).out,
            "SHA1 SSHA512 SCRAM-SHA-256 BLF-CRYPT PLAIN HMAC-MD5 SHA512 SHA DES-CRYPT CRYPT SSHA MD5-CRYPT PLAIN-MD4 "
            "PLAIN-MD5 SCRAM-SHA-1 SHA512-CRYPT CLEAR CLEARTEXT ARGON2I ARGON2ID SSHA256 MD5 PBKDF2 SHA256 CRAM-MD5 "
            "PLAIN-TRUNC SHA256-CRYPT SMD5 DIGEST-MD5 LDAP-MD5 \n");
}

}  // namespace
}  // namespace postern
