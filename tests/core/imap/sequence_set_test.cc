// Goal: sequence sets read, resolved and written as RFC 3501 section 9 says. Method: examples of the RFCs.
#include "core/imap/sequence_set.h"

#include <gtest/gtest.h>

#include <numeric>

namespace postern::imap {
namespace {

std::string Resolved(std::string_view text, uint32_t largest) {
  const auto set = SequenceSet::Parse(text);
  return set ? set->Resolve(largest).ToString() : "invalid";
}

TEST(SequenceSet, ResolvesTheExamplesOfTheRfc) {
  EXPECT_EQ(Resolved("2,4:7,9,12:*", 15), "2,4:7,9,12:15");
  EXPECT_EQ(Resolved("*:4,5:7", 10), "4:10");
  EXPECT_EQ(Resolved("4:2", 9), "2:4");
  EXPECT_EQ(Resolved("3291:*", 7), "7:3291");
  EXPECT_EQ(Resolved("*", 3), "3");
  EXPECT_EQ(Resolved("1:4294967295", 3), "1:4294967295");
}

TEST(SequenceSet, StarOfAnEmptyMailboxNamesNothing) {
  EXPECT_EQ(Resolved("*", 0), "");
  EXPECT_EQ(Resolved("*:*", 0), "");
  EXPECT_EQ(Resolved("5:*", 0), "5");
  EXPECT_EQ(Resolved("1,*", 0), "1");
}

TEST(SequenceSet, RefusesWhatIsNone) {
  for (const char* text : {"",   "0",  "1,", ",1",         "1,,2", "1:",  ":1", "1:2:3", "a",   "1a", "-1",
                           "+1", " 1", "1 ", "4294967296", "1:0",  "0:1", "$1", "$,1",   "1,$", "**", "*1"}) {
    EXPECT_FALSE(SequenceSet::Parse(text)) << text;
  }
}

TEST(SequenceSet, KnowsStarSavedResultAndMaximum) {
  EXPECT_TRUE(SequenceSet::Parse("1:*")->HasStar());
  EXPECT_FALSE(SequenceSet::Parse("1:2")->HasStar());
  EXPECT_TRUE(SequenceSet::Parse("$")->is_saved_result());
  EXPECT_EQ(SequenceSet::Parse("$")->ToString(), "$");
  EXPECT_EQ(SequenceSet::Parse("9:3,4,*")->MaxNumber(), 9u);
  EXPECT_EQ(SequenceSet::Parse("*")->MaxNumber(), 0u);
}

TEST(NumberSet, JoinsWhatTouches) {
  NumberSet set;
  for (uint32_t number : {5u, 1u, 2u, 9u, 3u, 4u, 4294967295u, 4294967294u}) set.Add(number);
  EXPECT_EQ(set.ToString(), "1:5,9,4294967294:4294967295");
  EXPECT_EQ(set.Count(), 8u);
  set.Add({6, 8});
  EXPECT_EQ(set.ToString(), "1:9,4294967294:4294967295");
  set.Remove({3, 4});
  set.Remove({4294967295, 4294967295});
  EXPECT_EQ(set.ToString(), "1:2,5:9,4294967294");
  EXPECT_TRUE(set.Contains(5));
  EXPECT_FALSE(set.Contains(4));
  EXPECT_EQ(set.Min(), 1u);
  EXPECT_EQ(set.Max(), 4294967294u);
  set.Remove({1, 4294967295});
  EXPECT_TRUE(set.empty());
}

TEST(NumberSet, ParsesUidSetsOnly) {
  EXPECT_EQ(NumberSet::Parse("5,3:1")->ToString(), "1:3,5");
  EXPECT_FALSE(NumberSet::Parse("1:*"));
  EXPECT_FALSE(NumberSet::Parse(""));
  EXPECT_FALSE(NumberSet::Parse("$"));
}

TEST(NumberSet, IntersectsWithUidsByRanges) {
  std::vector<uint32_t> uids(1000);
  std::iota(uids.begin(), uids.end(), 100);
  const auto set = *NumberSet::Parse("1:100,102,500:4294967295");
  const auto indexes = set.IndexesIn(uids);
  ASSERT_EQ(indexes.size(), 3u);
  EXPECT_EQ(indexes[0], (NumberSet::IndexRange{0, 1}));
  EXPECT_EQ(indexes[1], (NumberSet::IndexRange{2, 3}));
  EXPECT_EQ(indexes[2], (NumberSet::IndexRange{400, 1000}));
  EXPECT_EQ(set.IntersectionWith(uids).ToString(), "100,102,500:1099");
  EXPECT_EQ(set.IntersectionWith(*NumberSet::Parse("99:102,4000")).ToString(), "99:100,102,4000");
}

TEST(NumberSet, TheWholeRangeIsCheap) {
  const auto all = *NumberSet::Parse("1:4294967295");
  EXPECT_EQ(all.Count(), 4294967295u);
  EXPECT_EQ(all.IntersectionWith(std::vector<uint32_t>{7, 8, 4294967295}).ToString(), "7:8,4294967295");
  uint32_t visited = 0;
  all.ForEach([&](uint32_t) { return ++visited < 3; });
  EXPECT_EQ(visited, 3u);
}

}  // namespace
}  // namespace postern::imap
