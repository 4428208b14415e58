// Goal: LIST patterns match as RFC 3501 section 6.3.8 says, in bounded time. Method: examples.
#include "core/imap/list_match.h"

#include <gtest/gtest.h>

namespace postern::imap {
namespace {

ListMatch Match(const std::string& pattern, std::string_view name, char separator = '.',
                std::string_view reference = "") {
  return ListPattern(reference, {pattern}, separator).Match(name);
}

TEST(ListMatch, Wildcards) {
  EXPECT_EQ(Match("*", "a.b.c"), ListMatch::kYes);
  EXPECT_EQ(Match("%", "a"), ListMatch::kYes);
  EXPECT_EQ(Match("%", "a.b"), ListMatch::kParent);
  EXPECT_EQ(Match("%.%", "a.b"), ListMatch::kYes);
  EXPECT_EQ(Match("%.%", "a"), ListMatch::kChildren);
  EXPECT_EQ(Match("a.%", "a"), ListMatch::kChildren);
  EXPECT_EQ(Match("a*c", "abbc"), ListMatch::kYes);
  EXPECT_EQ(Match("a%c", "a.c"), ListMatch::kNo);
  EXPECT_EQ(Match("a*c", "ab"), ListMatch::kChildren);
  EXPECT_EQ(Match("a", "b"), ListMatch::kNo);
  EXPECT_EQ(Match("", "a"), ListMatch::kNo);
  EXPECT_EQ(Match("**%%", "x.y"), ListMatch::kYes);
  EXPECT_EQ(Match("*.b", "a.b.b"), ListMatch::kYes);
  EXPECT_EQ(Match("a.b", "a"), ListMatch::kChildren);
  EXPECT_EQ(Match("a.", "a"), ListMatch::kNo);
}

TEST(ListMatch, ReferenceStandsBeforeThePattern) {
  EXPECT_EQ(Match("%", "work.x", '.', "work."), ListMatch::kYes);
  EXPECT_EQ(Match("%", "home", '.', "work."), ListMatch::kNo);
  EXPECT_EQ(Match("%", "work", '.', "work."), ListMatch::kChildren);
}

TEST(ListMatch, InboxHasNoCaseElseCaseCounts) {
  EXPECT_EQ(Match("inbox", "INBOX"), ListMatch::kYes);
  EXPECT_EQ(Match("iN%", "INBOX"), ListMatch::kYes);
  EXPECT_EQ(Match("inbox.%", "INBOX.Sent"), ListMatch::kYes);
  EXPECT_EQ(Match("inbox.sent", "INBOX.Sent"), ListMatch::kNo);
  EXPECT_EQ(Match("INBOXES", "inboxes"), ListMatch::kNo);
  EXPECT_EQ(Match("a.inbox", "a.INBOX"), ListMatch::kNo);
}

TEST(ListMatch, FlatNames) {
  EXPECT_EQ(Match("%", "a.b", '\0'), ListMatch::kYes);
  EXPECT_EQ(Match("a%", "a.b", '\0'), ListMatch::kYes);
  EXPECT_EQ(Match("a.b.c", "a.b", '\0'), ListMatch::kNo);
}

TEST(ListMatch, SeveralPatternsTakeTheBest) {
  const ListPattern pattern("", {"a.b.%", "%", "x"}, '.');
  EXPECT_EQ(pattern.Match("a"), ListMatch::kYes);
  EXPECT_EQ(pattern.Match("a.b"), ListMatch::kParent);
  EXPECT_EQ(pattern.Match("a.b.c"), ListMatch::kYes);
  EXPECT_EQ(pattern.MatchingParent("a.b.c.d"), "a");
  EXPECT_EQ(ListPattern("", {"%.%"}, '.').MatchingParent("a.b.c"), "a.b");
  EXPECT_EQ(ListPattern("", {"%.%"}, '.').MatchingParent("a"), "");
}

TEST(ListMatch, LiteralPrefix) {
  EXPECT_EQ(ListPattern("", {"work.%", "wor*"}, '.').literal_prefix(), "wor");
  EXPECT_EQ(ListPattern("", {"*"}, '.').literal_prefix(), "");
  EXPECT_EQ(ListPattern("", {"inb%"}, '.').literal_prefix(), "");
  EXPECT_EQ(ListPattern("inbox.", {"a"}, '.').literal_prefix(), "");
  EXPECT_EQ(ListPattern("", {"inboxes%"}, '.').literal_prefix(), "inboxes");
}

TEST(ListMatch, ManyWildcardsTakeNoExponentialTime) {
  std::string pattern, name(250, 'a');
  for (int i = 0; i < 1000; ++i) pattern += "*a%";
  pattern += "b";
  EXPECT_EQ(Match(pattern, name), ListMatch::kChildren);
}

TEST(ListMatch, TooLongPatternsMatchNothing) {
  EXPECT_EQ(Match(std::string(kListPatternBytesMax, 'a'), std::string(kListPatternBytesMax, 'a')), ListMatch::kYes);
  EXPECT_EQ(Match("*" + std::string(kListPatternBytesMax, 'a'), std::string(kListPatternBytesMax, 'a')),
            ListMatch::kNo);
}

}  // namespace
}  // namespace postern::imap
