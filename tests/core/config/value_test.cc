// Lists, numbers with units, paths, shell patterns.
#include "core/config/value.h"

#include <gtest/gtest.h>

#include "core/config/memory_files.h"

namespace postern::config {
namespace {

using Words = std::vector<std::string>;

TEST(Value, PostfixLists) {
  EXPECT_EQ(SplitPostfixList(" a, b\tc,,\n d "), (Words{"a", "b", "c", "d"}));
  EXPECT_EQ(SplitPostfixList("a { b, c {d} } inline:{ {x = y z} } {}"),
            (Words{"a", "b, c {d}", "inline:{ {x = y z} }"}));
  EXPECT_EQ(SplitPostfixList("{ never closed"), (Words{"never closed"}));
  EXPECT_EQ(SplitWords("*, ::", true), (Words{"*", "::"}));
}

TEST(Value, PostfixTimes) {
  EXPECT_EQ(ParsePostfixTime("300s", 's')->ns, Seconds(300).ns);
  EXPECT_EQ(ParsePostfixTime("5", 'd')->ns, Seconds(5 * 86400).ns);
  EXPECT_EQ(ParsePostfixTime("2W", 's')->ns, Seconds(14 * 86400).ns);
  for (const std::string_view bad : {"", "s", "5 s", "5x", "-1", "99999999999d"})
    EXPECT_FALSE(ParsePostfixTime(bad, 's')) << bad;
}

TEST(Value, DovecotTimesAndSizes) {
  EXPECT_EQ(ParseDovecotTime("2 secs")->ns, Seconds(2).ns);
  EXPECT_EQ(ParseDovecotTime("2s")->ns, Seconds(2).ns);
  EXPECT_EQ(ParseDovecotTime("29 mins")->ns, Seconds(29 * 60).ns);
  EXPECT_EQ(ParseDovecotTime("500ms")->ns, Milliseconds(500).ns);
  EXPECT_EQ(ParseDovecotTime("1 hours")->ns, Seconds(3600).ns);
  EXPECT_EQ(ParseDovecotTime("1 week")->ns, Seconds(7 * 86400).ns);
  EXPECT_EQ(ParseDovecotTime("0")->ns, 0);
  for (const std::string_view bad : {"", "2", "secs", "2 x", "2 secsx"}) EXPECT_FALSE(ParseDovecotTime(bad)) << bad;
  EXPECT_EQ(*ParseDovecotSize("64 k"), 65536u);
  EXPECT_EQ(*ParseDovecotSize("10M"), 10u << 20);
  EXPECT_EQ(*ParseDovecotSize("18446744073709551615 B"), UINT64_MAX);
  for (const std::string_view bad : {"", "k", "1 x", "99999999999 T"}) EXPECT_FALSE(ParseDovecotSize(bad)) << bad;
}

TEST(Value, Paths) {
  EXPECT_EQ(NormalizePath("/home/vmail//alice/./Maildir/"), "/home/vmail/alice/Maildir");
  EXPECT_EQ(NormalizePath("//"), "/");
  EXPECT_EQ(NormalizePath("/a/../b"), "/a/../b");
  EXPECT_EQ(FolderOf("/etc/x"), "/etc");
  EXPECT_EQ(FolderOf("/x"), "/");
  EXPECT_EQ(JoinPath("/etc", "a"), "/etc/a");
  EXPECT_EQ(JoinPath("/etc", "/a"), "/a");
}

TEST(Value, EditDistance) {
  EXPECT_EQ(EditDistance("mail_locatoin", "mail_location", 2), 2u);
  EXPECT_EQ(EditDistance("abc", "abd", 2), 1u);
  EXPECT_EQ(EditDistance("abc", "xyz", 2), 3u);
}

TEST(Value, ShellPatterns) {
  EXPECT_TRUE(MatchesGlob("/etc/*.conf", "/etc/a.conf"));
  EXPECT_FALSE(MatchesGlob("/etc/*.conf", "/etc/a.conf.ext"));
  EXPECT_FALSE(MatchesGlob("/etc/*.conf", "/etc/a/b.conf"));
  EXPECT_TRUE(MatchesGlob("a?c*e*", "abcdefe"));
  EXPECT_TRUE(MatchesGlob("[0-9][!a-c]", "5d"));
  EXPECT_FALSE(MatchesGlob("[0-9][!a-c]", "5b"));
  EXPECT_TRUE(MatchesGlob("a[", "a["));
  EXPECT_TRUE(MatchesGlob("\\*", "*"));
  EXPECT_FALSE(MatchesGlob("", "a"));
  EXPECT_TRUE(MatchesGlob("*", ""));
}

}  // namespace
}  // namespace postern::config
