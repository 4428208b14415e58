// ASCII's letters have two cases; no other byte has.
#include "core/base/ascii.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(Ascii, OnlyLettersChange) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool upper = byte >= 'A' && byte <= 'Z', lower = byte >= 'a' && byte <= 'z';
    EXPECT_EQ(LowerAscii(c), upper ? static_cast<char>(byte + 32) : c) << byte;
    EXPECT_EQ(UpperAscii(c), lower ? static_cast<char>(byte - 32) : c) << byte;
  }
}

TEST(Ascii, TextsOfOneCase) {
  EXPECT_EQ(LowerCase("Mail FROM:<Ä@\xC3\x84>"), "mail from:<Ä@\xC3\x84>");
  EXPECT_EQ(UpperCase("Mail from:<ä@\xC3\xA4>"), "MAIL FROM:<ä@\xC3\xA4>");
  EXPECT_EQ(LowerCase(""), "");
}

TEST(Ascii, EqualWhateverTheCase) {
  EXPECT_TRUE(EqualsIgnoringCase("Content-Type", "cONTENT-tYPE"));
  EXPECT_TRUE(EqualsIgnoringCase("", ""));
  EXPECT_FALSE(EqualsIgnoringCase("INBOX", "INBO"));
  EXPECT_FALSE(EqualsIgnoringCase("INBOX", "INBOXX"));
  // 32 apart, but no letters: '@' and '`', '[' and '{'; and a letter beyond ASCII.
  EXPECT_FALSE(EqualsIgnoringCase("@[", "`{"));
  EXPECT_FALSE(EqualsIgnoringCase("\xC4", "\xE4"));
}

TEST(Ascii, BeginsWhateverTheCase) {
  EXPECT_TRUE(StartsWithIgnoringCase("CONTENT-type", "Content-"));
  EXPECT_TRUE(StartsWithIgnoringCase("x", ""));
  EXPECT_FALSE(StartsWithIgnoringCase("Con", "Content-"));
}

}  // namespace
}  // namespace postern
