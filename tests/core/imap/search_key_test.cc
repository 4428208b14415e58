// Goal: the search tree decides early and in the right order. Method: programs parsed, then evaluated with made-up
// leaves.
#include "core/imap/search_key.h"

#include <gtest/gtest.h>

#include "core/imap/parser.h"

namespace postern::imap {
namespace {

using Kind = SearchKey::Kind;

SearchKey Parsed(const std::string& program) {
  ParseResult result = ParseCommand("a SEARCH " + program);
  EXPECT_TRUE(std::holds_alternative<Command>(result)) << program;
  if (!std::holds_alternative<Command>(result)) return {};
  return std::get<SearchCommand>(std::get<Command>(result).body).key;
}

std::string Formatted(const SearchKey& key) {
  std::string text;
  FormatSearchKey(key, &text);
  return text;
}

TEST(SearchKey, CheapKeysComeFirst) {
  SearchKey key = Parsed("BODY a TEXT b HEADER X c SUBJECT d LARGER 5 UID 3 OR BODY e SEEN");
  OrderByCost(&key);
  EXPECT_EQ(Formatted(key), "(UID 3 Subject d LARGER 5 HEADER X c BODY a TEXT b OR SEEN BODY e)");
  EXPECT_EQ(CostOf(key), Cost::kBody);
  EXPECT_EQ(CostOf(Parsed("NOT SEEN")), Cost::kIndex);
}

TEST(SearchKey, DecidesWithWhatIsKnown) {
  int asked = 0;
  const auto leaf = [&](const SearchKey& key) {
    ++asked;
    return key.kind == Kind::kFlag && key.flag == 1 ? Ternary::kTrue : Ternary::kFalse;  // \Seen
  };
  EXPECT_EQ(Evaluate(Parsed("SEEN"), Cost::kIndex, leaf), Ternary::kTrue);
  EXPECT_EQ(Evaluate(Parsed("UNSEEN BODY x"), Cost::kIndex, leaf), Ternary::kFalse);
  EXPECT_EQ(Evaluate(Parsed("SEEN BODY x"), Cost::kIndex, leaf), Ternary::kUnknown);
  EXPECT_EQ(Evaluate(Parsed("SEEN BODY x"), Cost::kBody, leaf), Ternary::kFalse);
  EXPECT_EQ(Evaluate(Parsed("OR SEEN BODY x"), Cost::kIndex, leaf), Ternary::kTrue);
  EXPECT_EQ(Evaluate(Parsed("NOT BODY x"), Cost::kIndex, leaf), Ternary::kUnknown);
  EXPECT_EQ(Evaluate(Parsed("NOT BODY x"), Cost::kBody, leaf), Ternary::kTrue);
  EXPECT_EQ(Evaluate(Parsed("FUZZY SEEN"), Cost::kIndex, leaf), Ternary::kTrue);
  asked = 0;
  EXPECT_EQ(Evaluate(Parsed("ALL"), Cost::kIndex, leaf), Ternary::kTrue);
  EXPECT_EQ(Evaluate(Parsed("UNSEEN SEEN SEEN"), Cost::kIndex, leaf), Ternary::kFalse);
  EXPECT_EQ(asked, 1) << "what cannot change the outcome is not asked";
}

TEST(SearchKey, FindsRequiredSets) {
  const SearchKey key = Parsed("SEEN UID 5:9");
  ASSERT_NE(RequiredSet(key, Kind::kUid), nullptr);
  EXPECT_EQ(RequiredSet(key, Kind::kUid)->ToString(), "5:9");
  EXPECT_EQ(RequiredSet(key, Kind::kSequence), nullptr);
  EXPECT_EQ(RequiredSet(Parsed("OR UID 5 SEEN"), Kind::kUid), nullptr);
  EXPECT_EQ(RequiredSet(Parsed("NOT UID 5"), Kind::kUid), nullptr);
  EXPECT_EQ(RequiredSet(Parsed("7"), Kind::kSequence)->ToString(), "7");
  EXPECT_TRUE(Mentions(Parsed("OR SEEN NOT MODSEQ 5"), Kind::kModSeq));
  EXPECT_FALSE(Mentions(Parsed("SEEN"), Kind::kModSeq));
}

TEST(SearchKey, CountsDays) {
  EXPECT_EQ((SearchDate{1970, 1, 1}.DayNumber()), 0);
  EXPECT_EQ((SearchDate{2000, 3, 1}.DayNumber()), 11017);
  EXPECT_EQ((SearchDate{2024, 2, 29}.DayNumber()), 19782);
  EXPECT_EQ((SearchDate{1969, 12, 31}.DayNumber()), -1);
  EXPECT_EQ((SearchDate{2023, 2, 30}.DayNumber()), (SearchDate{2023, 3, 2}.DayNumber()));
}

}  // namespace
}  // namespace postern::imap
