// Goal: Maildir names are read as Dovecot, Courier and Postfix write them, and changed without losing what we don't
// know.
#include "core/mailbox/names.h"

#include <gtest/gtest.h>

#include <set>

#include "core/mailbox/account.h"

namespace postern::mailbox {
namespace {

TEST(ParseName, TakesANameApart) {
  const NameParts parts = ParseName("1700000000.M1P2.host,S=123,W=130:2,FSab,x=1");
  EXPECT_EQ(parts.base, "1700000000.M1P2.host,S=123,W=130");
  EXPECT_TRUE(parts.has_info);
  EXPECT_EQ(parts.letters, "FSab");
  EXPECT_EQ(parts.other, ",x=1");
  EXPECT_EQ(parts.size, 123u);
  EXPECT_EQ(parts.crlf_size, 130u);
  EXPECT_EQ(FlagsOf(parts.letters), kFlagged | kSeen);
  EXPECT_EQ(KeywordsOf(parts.letters), 3u);
}

TEST(ParseName, BelievesASizeOnlyWhereItsDigitsEnd) {
  EXPECT_EQ(ParseName("1.M1.h,S=12x,W=5").size, std::nullopt);
  EXPECT_EQ(ParseName("1.M1.h,S=12x,W=5").crlf_size, 5u);
  EXPECT_EQ(ParseName("1.M1.h,S=,W=").size, std::nullopt);
  EXPECT_EQ(ParseName("1.M1.h,S=99999999999999999999999").size, std::nullopt);
  EXPECT_EQ(ParseName("1.M1.h,S=7:2,S").size, 7u);
}

TEST(ParseName, KnowsOnlyVersion2OfTheInfoPart) {
  EXPECT_FALSE(ParseName("a:1,S").has_info);
  EXPECT_EQ(ParseName("a:1,S").letters, "");
  EXPECT_FALSE(ParseName("a").has_info);
  EXPECT_EQ(ParseName("").base, "");
  EXPECT_EQ(ParseName(":2,S").base, "");
}

TEST(FormatName, KeepsLettersItDoesNotKnowAndTheRest) {
  EXPECT_EQ(FormatName("b", kSeen | kDeleted, 5, "FPS", ",x=1"), "b:2,PSTac,x=1");
  EXPECT_EQ(FormatName("b", 0, 0, "", ""), "b:2,");
  EXPECT_EQ(FormatName("b", kDraft | kFlagged | kAnswered | kSeen | kDeleted, Keywords{1} << 25, "", ""), "b:2,DFRSTz");
}

TEST(NamedBefore, OrdersBySecondsThenMicrosecondsThenTheRest) {
  EXPECT_TRUE(NamedBefore("9.M1P1.h", "10.M1P1.h"));
  EXPECT_TRUE(NamedBefore("10.M9P1.h", "10.M10P1.h"));
  EXPECT_TRUE(NamedBefore("10.M1P1.a", "10.M1P1.b"));
  EXPECT_FALSE(NamedBefore("10.M1P1.b", "10.M1P1.a"));
  EXPECT_FALSE(NamedBefore("10.M1P1.b", "10.M1P1.b"));
}

TEST(UniqueNames, GrowWhateverTheClockDoes) {
  UniqueNames names({.host_name = "mx/1:2,3", .pid = 42, .start_counter = 7}, 3);
  std::set<std::string> seen;
  std::string last;
  for (const int64_t us : std::initializer_list<int64_t>{1'700'000'000'000'005, 1'700'000'000'000'005,
                                                         1'600'000'000'000'000, 1'700'000'000'999'999, 5}) {
    const std::string name = names.Next(WallTime{us});
    EXPECT_TRUE(seen.insert(name).second) << name;
    if (!last.empty()) {
      EXPECT_TRUE(NamedBefore(last, name)) << last << " " << name;
    }
    last = name;
  }
  EXPECT_EQ(seen.begin()->find_first_of("/:"), std::string::npos);
  UniqueNames same({.host_name = "mx/1:2,3", .pid = 42, .start_counter = 7}, 3);
  EXPECT_EQ(same.Next(WallTime{1'700'000'000'000'005}), "1700000000.M5P42R7Q3_1.mx_1_2_3");
  EXPECT_EQ(same.Next(WallTime{1'700'000'000'000'005}, 10, 12), "1700000000.M6P42R7Q3_2.mx_1_2_3,S=10,W=12");
}

TEST(UniqueNames, KnowTheirOwnLife) {
  const UniqueNames names({.host_name = "mx", .pid = 42, .start_counter = 7}, 3);
  UniqueNames other_shard({.host_name = "mx", .pid = 42, .start_counter = 7}, 0);
  UniqueNames last_life({.host_name = "mx", .pid = 42, .start_counter = 6}, 3);
  EXPECT_TRUE(names.MadeInThisLife(other_shard.Next(WallTime{1})));
  EXPECT_FALSE(names.MadeInThisLife(last_life.Next(WallTime{1})));
  EXPECT_FALSE(names.MadeInThisLife("1700000000.M1P42.mx"));
}

// Found by fuzzing: std::sort with an order that is none reads past its end.
TEST(NamedBefore, IsOneOrderForNamesOfAllKinds) {
  const std::string a = "1700000001.M1P1.ho,FSab", b = "1700000001.M2,S,x", c = "1700000001.Vfd01.Vfd010001.M1P1.host";
  EXPECT_TRUE(NamedBefore(a, b));
  EXPECT_TRUE(NamedBefore(c, a));
  EXPECT_TRUE(NamedBefore(c, b));
}

}  // namespace
}  // namespace postern::mailbox
