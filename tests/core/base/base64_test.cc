// Base64 and hexadecimal: the RFC's vectors, and that only the canonical form decodes.
#include "core/base/base64.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

// RFC 4648 section 10.
TEST(Base64, VectorsOfTheRfc) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    EXPECT_EQ(DecodeBase64(text), bytes);
  }
}

TEST(Base64, AllBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(DecodeBase64(EncodeBase64(bytes)), bytes);
  EXPECT_EQ(EncodeBase64("\xfb\xff\xbf"), "+/+/");
}

TEST(Base64, OnlyTheCanonicalFormDecodes) {
  for (const std::string_view bad : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==",
                                     "Zm 9v", "Zm9v\n", "Zm9v ", "Zm9-", "Zm9_", "Zg=v", "\xc3\xa4==", "Zg==Zm9v"}) {
    EXPECT_EQ(DecodeBase64(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(DecodeBase64(std::string_view("AA\0A", 4)), std::nullopt);
}

TEST(Hex, BothWays) {
  EXPECT_EQ(EncodeHex(std::string_view("\x00\x7f\xff", 3)), "007fff");
  EXPECT_EQ(DecodeHex("007fFF"), std::string("\x00\x7f\xff", 3));
  EXPECT_EQ(DecodeHex(""), "");
  for (const std::string_view bad : {"0", "000", "0g", "g0", " 0", "0x"})
    EXPECT_EQ(DecodeHex(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace postern
