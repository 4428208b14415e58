// Goal: every password scheme reads what Dovecot wrote, writes what Dovecot would, and says what is wrong in its words.
// Method: stored hashes made by doveadm (doveadm_vectors.txt), and doveadm's answers to broken ones.
#include "core/auth/scheme.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "core/auth/sasl.h"
#include "core/base/base64.h"
#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

constexpr std::string_view kUser = "bob@example.test";

struct Vector {
  std::string password, stored;
};

std::vector<Vector> DoveadmVectors() {
  std::ifstream file(POSTERN_SOURCE_DIR "/tests/core/auth/doveadm_vectors.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    const size_t tab = line.find('\t');
    if (line.starts_with('#') || tab == std::string::npos) continue;
    vectors.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return vectors;
}

std::string VerifyError(std::string_view stored, std::string_view password = "pw", std::string_view user = kUser) {
  const auto matches = VerifyStoredPassword(stored, password, user);
  if (!matches.ok()) return std::string(postern::Message(matches.status()));
  return *matches ? "verified" : "Password mismatch";
}

TEST(Scheme, ReadsWhatDoveadmWrote) {
  const auto vectors = DoveadmVectors();
  ASSERT_GT(vectors.size(), 120u);
  std::set<std::string_view> schemes;
  for (const Vector& vector : vectors) {
    // doveadm writes PLAIN-TRUNC without the length that it wants to read.
    const bool half = vector.stored.starts_with("{PLAIN-TRUNC}");
    EXPECT_EQ(VerifyError(vector.stored, vector.password), half ? "PLAIN-TRUNC missing length: prefix" : "verified")
        << vector.stored;
    schemes.insert(ParseSchemeName(SplitStored(vector.stored).scheme_name).scheme->name);
  }
  EXPECT_EQ(schemes.size(), AllSchemes().size());  // each has a vector
}

TEST(Scheme, RefusesOtherPasswords) {
  for (const Vector& vector : DoveadmVectors()) {
    if (vector.stored.starts_with("{ARGON2")) continue;  // slow; one below
    if (vector.stored.starts_with("{PLAIN-TRUNC}")) continue;
    for (const std::string& other :
         {vector.password + "x", vector.password.substr(1), std::string("PW"), std::string()}) {
      // DES sees only eight characters, bcrypt 72.
      if (vector.stored.starts_with("{DES-CRYPT}") && other.substr(0, 8) == vector.password.substr(0, 8)) continue;
      if ((vector.stored.starts_with("{BLF-CRYPT}") || vector.stored.starts_with("{CRYPT}")) &&
          other.substr(0, 72) == vector.password.substr(0, 72)) {
        continue;
      }
      EXPECT_EQ(VerifyError(vector.stored, other), "Password mismatch") << vector.stored << " " << other;
    }
  }
  EXPECT_EQ(VerifyError("{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$UhqXjANedWnFG7RhJwQ0kg$"
                        "YlVa0YQKBeuB5MptmnnkAPASA8VShLy0I4+3ILKtark",
                        "pass words"),
            "Password mismatch");
}

TEST(Scheme, RefusesTheHashOfAnotherUserWhereItIsSalted) {
  const std::string_view stored = "{DIGEST-MD5}24a90ab0447b886e59fbd29ef247ecbc";
  EXPECT_EQ(VerifyError(stored, "pass word"), "verified");
  EXPECT_EQ(VerifyError(stored, "pass word", "eve@example.test"), "Password mismatch");
  EXPECT_EQ(VerifyError(stored, "pass word", ""), "digest_md5_generate(): username not given");
}

// The answers of `doveadm pw -t STORED -p pw`.
TEST(Scheme, SaysWhatIsWrongAsDoveadmDoes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{NOPE}x", "Unknown scheme"},
      {"{PLAIN.foo}pw", "Unknown scheme"},
      {"{SHA}xx", "Input isn't valid base64 encoded data"},
      {"{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM", "Input isn't valid base64 encoded data"},
      {"{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM= ", "verified"},
      {"{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=x", "Input isn't valid base64 encoded data"},
      {"{SHA}1a91d62f7ca67399625a4368a6ab5d4a3baa6073", "verified"},
      {"{SHA.hex}GpHWL3ymc5liWkNopqtdSjuqYHM=", "Input isn't valid HEX encoded data"},
      {"{SHA.b64}1a91d62f7ca67399625a4368a6ab5d4a3baa6073", "Input length isn't valid (30 instead of 20)"},
      {"{SHA.base64}GpHWL3ymc5liWkNopqtdSjuqYHM=", "verified"},
      {"{PLAIN-MD5}8FE4C11451281C094A6578E6DDBF5EED", "verified"},
      {"{PLAIN-MD5}j+TBFFEoHAlKZXjm3b9e7Q==", "verified"},
      {"{LDAP-MD5}8fe4c11451281c094a6578e6ddbf5eed", "verified"},
      {"{MD5}8fe4c11451281c094a6578e6ddbf5eed", "verified"},
      {"{MD5}j+TBFFEoHAlKZXjm3b9e7Q==", "verified"},
      {"{MD5}xx", "Not a valid MD5-CRYPT or PLAIN-MD5 password"},
      {"{SSHA}1a91", "SSHA password is too short"},
      {"{SSHA}GpHWL3ymc5liWkNopqtdSjuqYHM=", "SSHA password is too short"},
      {"{SMD5}j+TBFFEoHAlKZXjm3b9e7Q==", "SMD5 password is too short"},
      {"{PBKDF2}$2$x$1$00", "Invalid PBKDF2 passdb entry prefix"},
      {"{PBKDF2}x", "Invalid PBKDF2 passdb entry prefix"},
      {"{PBKDF2}$1$x$0$00", "PBKDF2 hash not 160bit hex-encoded"},
      {"{PBKDF2}$1$x$1", "Invalid PBKDF2 passdb entry format"},
      {"{PBKDF2}$1$x$x$35b826d43a054ec0b67c1e173d278bb5b65b36ef", "Invalid PBKDF2 passdb entry format"},
      {"{PBKDF2}$1$x$0$35b826d43a054ec0b67c1e173d278bb5b65b36ef", "Password mismatch"},
      {"{ARGON2I}x", "Password mismatch"},
      {"{CRYPT}$1$abcdefgh$xxxx", "Password mismatch"},
      {"{CRYPT}*", "Password mismatch"},
      {"{CRYPT}!", "Password mismatch"},
      {"{CRYPT}", "Password mismatch"},
      {"{SHA512-CRYPT}$6$", "Password mismatch"},
      {"{BLF-CRYPT}$2a$05$", "Password is not blowfish password"},
      {"{BLF-CRYPT}$1$ab$cd", "Password is not blowfish password"},
      {"{PLAIN-TRUNC}pw", "PLAIN-TRUNC missing length: prefix"},
      {"{PLAIN-TRUNC}2-pw", "verified"},
      {"{PLAIN-TRUNC}1-p", "verified"},
      {"{PLAIN-TRUNC}3-pw", "verified"},
      {"{PLAIN-TRUNC}-pw", "verified"},
      {"{PLAIN-TRUNC}1-x", "Password mismatch"},
      {"{PLAIN-TRUNC}2-pwx", "Password mismatch"},
      {"{SCRAM-SHA-1}4096,x", "Invalid SCRAM-SHA-1 passdb entry format"},
      {"{SCRAM-SHA-1}0,YQ==,YQ==,YQ==", "Invalid SCRAM-SHA-1 iteration count in passdb"},
      {"{SCRAM-SHA-1}4095,YQ==,YQ==,YQ==", "Invalid SCRAM-SHA-1 iteration count in passdb"},
      {"{SCRAM-SHA-1}99999999999,YQ==,YQ==,YQ==", "Invalid SCRAM-SHA-1 iteration count in passdb"},
      {"{SCRAM-SHA-1}4096,YQ==,YQ==,YQ==", "Invalid SCRAM-SHA-1 StoredKey in passdb"},
      {"{SCRAM-SHA-1}4096,YQ==,YQ==,YQ==,a", "Invalid SCRAM-SHA-1 passdb entry format"},
      {"{plain}pw", "verified"},
      {"{PLAIN.hex}7077", "verified"},
      {"{PLAIN.b64}cHc=", "verified"},
      {"{PLAIN.b64}!!", "Input isn't valid base64 encoded data"},
      {"$1$ab$xx", "Password mismatch"},
  };
  for (const auto& [stored, answer] : cases) EXPECT_EQ(VerifyError(stored), answer) << stored;
}

// Dovecot takes any password for "0-"; a users file with such an entry is a mistake, not an open door.
TEST(Scheme, PlainTruncOfLengthZeroOpensNothing) { EXPECT_EQ(VerifyError("{PLAIN-TRUNC}0-"), "Password mismatch"); }

TEST(Scheme, AnyCryptNameVerifiesAnyCryptFormat) {
  const std::string hash = "$5$Rrvq9FXGEqHfvI5S$lGD6HfB8fTxUWj4ZcwlpOmPl8LIjL.bo0wPgxxAgrU6";
  for (const std::string name : {"CRYPT", "DES-CRYPT", "MD5-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT"}) {
    EXPECT_EQ(VerifyError("{" + name + "}" + hash, "pass word"), "verified") << name;
  }
}

TEST(Scheme, NamelessMd5CryptIsKnownByItsPrefix) {
  EXPECT_EQ(VerifyError("$1$KXiwx6DC$.dQKHdtW/WbJBmyv10TCj0", "pass word"), "verified");
  // What follows a further dollar is not part of it.
  EXPECT_EQ(VerifyError("$1$KXiwx6DC$.dQKHdtW/WbJBmyv10TCj0$ignored", "pass word"), "verified");
  EXPECT_EQ(SplitStored("$1$nosecond", "PLAIN").scheme_name, "PLAIN");
}

TEST(Scheme, SplitsOffTheDefault) {
  EXPECT_EQ(SplitStored("data", "CRYPT").scheme_name, "CRYPT");
  EXPECT_EQ(SplitStored("data", "CRYPT").data, "data");
  EXPECT_EQ(SplitStored("{PLAIN}data", "CRYPT").scheme_name, "PLAIN");
  EXPECT_EQ(SplitStored("{PLAIN", "CRYPT").data, "{PLAIN");
  EXPECT_EQ(SplitStored("", "CRYPT").data, "");
}

TEST(Scheme, NulInPasswordMatchesNothing) {
  for (const Vector& vector : DoveadmVectors()) {
    if (vector.stored.starts_with("{ARGON2") || vector.stored.starts_with("{PLAIN-TRUNC}")) continue;
    EXPECT_EQ(VerifyError(vector.stored, vector.password + std::string(1, '\0')), "Password mismatch") << vector.stored;
  }
}

TEST(Scheme, GeneratesWhatItVerifies) {
  Entropy entropy = TestEntropy();
  for (const Scheme& scheme : AllSchemes()) {
    for (const std::string suffix : {"", ".HEX", ".b64"}) {
      if (!suffix.empty() && scheme.name.starts_with("ARGON2")) continue;
      const std::string name = std::string(scheme.name) + suffix;
      const auto stored = GenerateStored(name, "12-pass word", {.user = kUser}, entropy);
      ASSERT_TRUE(stored.ok()) << name;
      if (scheme.name == "PLAIN-TRUNC") {  // generated without the length that it takes to verify
        EXPECT_NE(VerifyError(*stored, "12-pass word"), "verified");
        continue;
      }
      EXPECT_EQ(VerifyError(*stored, "12-pass word"), "verified") << *stored;
      EXPECT_EQ(VerifyError(*stored, "12-pass"), "Password mismatch") << *stored;
    }
  }
}

// What follows from the password alone is the same, byte for byte; the rest has the same shape.
TEST(Scheme, WritesWhatDoveadmWrites) {
  Entropy entropy = TestEntropy();
  int equal = 0;
  for (const Vector& vector : DoveadmVectors()) {
    const StoredParts parts = SplitStored(vector.stored);
    if (parts.data.find("rounds=") != std::string_view::npos || vector.stored.starts_with("{BLF-CRYPT}$2y$07") ||
        vector.stored.find("$77$") != std::string::npos || vector.stored.find("t=3,p=1$") != std::string::npos) {
      continue;  // made with -r
    }
    const auto stored = GenerateStored(parts.scheme_name, vector.password, {.user = kUser}, entropy);
    ASSERT_TRUE(stored.ok());
    EXPECT_EQ(stored->size(), vector.stored.size()) << *stored << " for " << vector.stored;
    const size_t dollar = stored->find('$');  // crypt(3) and PHC forms: which, and with what cost
    if (dollar != std::string::npos) EXPECT_EQ(stored->substr(0, dollar + 3), vector.stored.substr(0, dollar + 3));
    equal += *stored == vector.stored;
  }
  EXPECT_GE(equal, 60);
}

TEST(Scheme, RoundsAreClampedAsInDovecot) {
  Entropy entropy = TestEntropy();
  const auto start = [&](std::string_view name, uint32_t rounds, size_t length) {
    return GenerateStored(name, "pw", {.rounds = rounds}, entropy)->substr(name.size() + 2, length);
  };
  EXPECT_EQ(start("BLF-CRYPT", 0, 7), "$2y$05$");
  EXPECT_EQ(start("BLF-CRYPT", 1, 7), "$2y$04$");
  EXPECT_EQ(start("BLF-CRYPT", 6, 7), "$2y$06$");
  EXPECT_EQ(start("CRYPT", 1, 7), "$2y$04$");
  EXPECT_EQ(start("SHA512-CRYPT", 1, 15), "$6$rounds=1000$");
  EXPECT_EQ(start("SHA512-CRYPT", 5001, 15), "$6$rounds=5001$");
  EXPECT_EQ(start("SHA512-CRYPT", 0, 3), "$6$");
  EXPECT_EQ(start("SHA512-CRYPT", 5000, 10).find("rounds"), std::string::npos);
  EXPECT_NE(start("PBKDF2", 999, 40).find("$999$"), std::string::npos);
  EXPECT_EQ(start("ARGON2I", 3, 27), "$argon2i$v=19$m=32768,t=3,p");
  EXPECT_EQ(start("ARGON2ID", 1, 28), "$argon2id$v=19$m=65536,t=3,p");
  EXPECT_FALSE(GenerateStored("ARGON2I", "pw", {.rounds = 1}, entropy).ok());
}

TEST(Scheme, SaltsDifferAndFollowFromTheEntropy) {
  for (const std::string_view name : {"SSHA", "SHA512-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "DES-CRYPT", "PBKDF2",
                                      "SCRAM-SHA-256", "SMD5", "SSHA256", "SSHA512"}) {
    Entropy first = TestEntropy(1), again = TestEntropy(1);
    const auto one = GenerateStored(name, "pw", {}, first), two = GenerateStored(name, "pw", {}, first);
    EXPECT_NE(*one, *two) << name;
    EXPECT_EQ(*one, *GenerateStored(name, "pw", {}, again)) << name;
  }
}

TEST(Scheme, RefusesToGenerateNonsense) {
  Entropy entropy = TestEntropy();
  EXPECT_EQ(postern::Message(GenerateStored("nope", "pw", {}, entropy).status()), "Unknown scheme: NOPE");
  EXPECT_EQ(postern::Message(GenerateStored("plain.foo", "pw", {}, entropy).status()), "Unknown scheme: PLAIN.FOO");
  EXPECT_EQ(postern::Message(GenerateStored("DIGEST-MD5", "pw", {}, entropy).status()),
            "digest_md5_generate(): username not given");
  EXPECT_FALSE(GenerateStored("PLAIN", std::string_view("a\0b", 3), {}, entropy).ok());
}

TEST(Scheme, AliasesAndWeaknessAreKnown) {
  EXPECT_TRUE(IsAliasOf(*FindScheme("cram-md5"), *FindScheme("HMAC-MD5")));
  EXPECT_TRUE(IsAliasOf(*FindScheme("PLAIN"), *FindScheme("cleartext")));
  EXPECT_FALSE(IsAliasOf(*FindScheme("SCRAM-SHA-1"), *FindScheme("SCRAM-SHA-256")));
  EXPECT_FALSE(IsAliasOf(*FindScheme("CRYPT"), *FindScheme("SHA512-CRYPT")));
  EXPECT_TRUE(FindScheme("CRAM-MD5")->weak);
  EXPECT_FALSE(FindScheme("ARGON2ID")->weak);
  EXPECT_EQ(FindScheme("OTP"), nullptr);
}

}  // namespace
}  // namespace postern::auth
