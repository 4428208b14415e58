// Goal: paths are read as RFC 5321 says and Postfix 3.7 does. Method: addresses that a running Postfix 3.7.11 was
// given, with its verdict; then quoting.
#include "core/routing/address.h"

#include <gtest/gtest.h>

namespace postern::routing {
namespace {

std::string Key(std::string_view text, PathForm form = PathForm::kTolerant) {
  const auto path = TakePath(&text, form);
  if (!path) return "-";
  return path->null ? "null" : path->mailbox.Key();
}

TEST(Path, TakesWhatPostfixTakes) {
  EXPECT_EQ(Key("<a@b.example>"), "a@b.example");
  EXPECT_EQ(Key(" <a@b.example>"), "a@b.example");
  EXPECT_EQ(Key("a@b.example"), "a@b.example");
  EXPECT_EQ(Key("<>"), "null");
  EXPECT_EQ(Key("< >"), "null");
  EXPECT_EQ(Key("<\"a b\"@b.example>"), "a b@b.example");
  EXPECT_EQ(Key("<\"u1\"@example.test>"), "u1@example.test");
  EXPECT_EQ(Key("<\"a\\\"b c\"@example.test>"), "a\"b c@example.test");
  EXPECT_EQ(Key("<@x,@y:a@b.example>"), "a@b.example");
  EXPECT_EQ(Key("<@x:@y:u1@example.test>"), "u1@example.test");
  EXPECT_EQ(Key("<@x:u1@[IPv6:::1]>"), "u1@[IPv6:::1]");
  EXPECT_EQ(Key("<u1@example.test.>"), "u1@example.test");
  EXPECT_EQ(Key("<u1@example.test@far.example>"), "u1@example.test@far.example");
  EXPECT_EQ(Key("<postmaster>"), "postmaster");
  EXPECT_EQ(Key("<a..b@example.test>"), "a..b@example.test");
  EXPECT_EQ(Key("<a:b@example.test>"), "a:b@example.test");
  EXPECT_EQ(Key("<u1@exa_mple.test>"), "u1@exa_mple.test");
  EXPECT_EQ(Key("<root@[1.2.3.4]>"), "root@[1.2.3.4]");
  EXPECT_EQ(Key("<u1@ example.test>"), "u1@example.test");
  EXPECT_EQ(Key("<\xC3\xBC@b.example>"), "\xC3\xBC@b.example");
}

TEST(Path, RefusesWhatPostfixRefuses) {
  for (std::string_view text :
       {"", "<a@b.example", "<a b@b.example>", "<u1@>", "<u1@.example.test>", "<u1@example..test>", "<u1@-x.test>",
        "<u1@127.0.0.1>", "<u1@[bad]>", "<u1@example.test>trailing", "<u1;x@example.test>", "<u1,u2@example.test>",
        "<u1@example.test>,<u2@example.test>", "<\"u1@example.test>", "<a\\>", "<\xFF@b.example>",
        "<a\x01@b.example>"}) {
    EXPECT_EQ(Key(text), "-") << text;
  }
  EXPECT_EQ(Key("a@b.example", PathForm::kStrict), "-");
  EXPECT_EQ(Key("(c)", PathForm::kStrict), "-");
}

TEST(Path, LeavesWhatFollows) {
  std::string_view text = "<a@b.example> SIZE=10";
  ASSERT_TRUE(TakePath(&text, PathForm::kStrict));
  EXPECT_EQ(text, " SIZE=10");
  text = "a@b.example SIZE=10";
  ASSERT_TRUE(TakePath(&text, PathForm::kTolerant));
  EXPECT_EQ(text, " SIZE=10");
}

TEST(Mailbox, QuotesWhereItMust) {
  EXPECT_EQ((Mailbox{"a.b", "x.test"}.Quoted()), "a.b@x.test");
  EXPECT_EQ((Mailbox{"a..b", "x.test"}.Quoted()), "\"a..b\"@x.test");
  EXPECT_EQ((Mailbox{".a", "x.test"}.Quoted()), "\".a\"@x.test");
  EXPECT_EQ((Mailbox{"a\"b c", "x.test"}.Quoted()), "\"a\\\"b c\"@x.test");
  EXPECT_EQ((Mailbox{"u1@example.test", "far.example"}.Quoted()), "\"u1@example.test\"@far.example");
  EXPECT_EQ((Mailbox{"", "x.test"}.Quoted()), "\"\"@x.test");
  EXPECT_EQ((Mailbox{"postmaster", ""}.Quoted()), "postmaster");
}

TEST(HostName, KnowsItsLimits) {
  EXPECT_TRUE(IsHostName(std::string(63, 'a') + ".test"));
  EXPECT_FALSE(IsHostName(std::string(64, 'a') + ".test"));
  std::string name = "a";
  while (name.size() + 2 <= 255) name += ".a";
  EXPECT_TRUE(IsHostName(name));
  EXPECT_FALSE(IsHostName(name + ".a"));
  EXPECT_FALSE(IsHostName("a-.test"));
  EXPECT_FALSE(IsHostName("1.2.3"));
}

TEST(Utf8, RefusesOverlongAndSurrogates) {
  EXPECT_TRUE(IsUtf8("\xE2\x82\xAC \xF0\x9F\x93\xAC"));
  EXPECT_FALSE(IsUtf8("\xC0\xAF"));
  EXPECT_FALSE(IsUtf8("\xE0\x80\xAF"));
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));
  EXPECT_FALSE(IsUtf8("\xF4\x90\x80\x80"));
  EXPECT_FALSE(IsUtf8("\xE2\x82"));
}

}  // namespace
}  // namespace postern::routing
