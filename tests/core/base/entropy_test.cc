// Entropy is the ChaCha20 key stream, block after block, and its helpers take from it without bias.
#include "core/base/entropy.h"

#include <gtest/gtest.h>

#include <map>

#include "core/base/base64.h"

namespace postern {
namespace {

// RFC 8439 appendix A.1: test vectors 1 (block 0), 2 (block 1).
TEST(Entropy, ZeroKeyVectorsOfTheRfc) {
  Entropy entropy{Entropy::Key{}};
  EXPECT_EQ(EncodeHex(entropy.Bytes(64)),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
  EXPECT_EQ(EncodeHex(entropy.Bytes(64)),
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

// Vector 3: key 0...01, block 1. Vector 4: key 00 ff 00..., block 2.
TEST(Entropy, OtherKeysOfTheRfc) {
  Entropy::Key key{};
  key[31] = 1;
  Entropy third(key);
  third.Bytes(64);
  EXPECT_EQ(EncodeHex(third.Bytes(64)),
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0");
  key[31] = 0;
  key[1] = 0xff;
  Entropy fourth(key);
  fourth.Bytes(128);
  EXPECT_EQ(EncodeHex(fourth.Bytes(64)),
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
            "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
}

TEST(Entropy, TheSameKeyIsTheSameStream) {
  Entropy a{Entropy::Key{7}}, b{Entropy::Key{7}}, other{Entropy::Key{8}};
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
  EXPECT_NE(a.Next(), other.Next());
}

TEST(Entropy, BelowStaysBelowAndReachesAll) {
  Entropy entropy{Entropy::Key{}};
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 6000; ++i) ++counts[entropy.Below(6)];
  ASSERT_EQ(counts.size(), 6u);
  EXPECT_EQ(counts.rbegin()->first, 5u);
  for (const auto& [value, count] : counts) {
    EXPECT_GT(count, 850) << value;
    EXPECT_LT(count, 1150) << value;
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(entropy.Below(1), 0u);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(entropy.Below(UINT64_MAX), UINT64_MAX);
}

TEST(Entropy, BytesAndHexHaveTheirLength) {
  Entropy entropy{Entropy::Key{}};
  for (const size_t n : {0u, 1u, 7u, 8u, 9u, 63u, 64u, 65u, 1000u}) {
    EXPECT_EQ(entropy.Bytes(n).size(), n);
    const std::string hex = entropy.Hex(n);
    EXPECT_EQ(hex.size(), n);
    EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
}

}  // namespace
}  // namespace postern
