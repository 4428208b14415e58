// Goal: Dovecot's files beside a Maildir are read as it writes them, written as it reads them, and never trusted when
// broken.
#include <gtest/gtest.h>

#include "core/mailbox/keywords.h"
#include "core/mailbox/subscriptions.h"
#include "core/mailbox/uidlist.h"

namespace postern::mailbox {
namespace {

using namespace std::string_view_literals;

TEST(UidList, ReadsVersion3AndKeepsWhatItDoesNotKnow) {
  const auto list = ParseUidList(
      "3 V1700000000 N9 G0123456789abcdef0123456789abcdef Xfoo\n"
      "1 W124 :1700000000.V1I2M3.host\n"
      "5 Puidl-5 Zq :b,S=1:2,S\n");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->uidvalidity, 1700000000u);
  EXPECT_EQ(list->next_uid, 9u);
  EXPECT_EQ(list->other_items, " Xfoo");
  ASSERT_EQ(list->records.size(), 2u);
  EXPECT_EQ(list->records[0].base, "1700000000.V1I2M3.host");
  EXPECT_EQ(list->records[1].base, "b,S=1");  // older writers may add flags
  std::string_view value;
  EXPECT_TRUE(UidItem(list->records[1].items, 'P', &value));
  EXPECT_EQ(value, "uidl-5");
  EXPECT_FALSE(UidItem(list->records[1].items, 'O', &value));
  EXPECT_FALSE(list->needs_rewrite);
  EXPECT_EQ(
      FormatUidList(*list),
      "3 V1700000000 N9 G0123456789abcdef0123456789abcdef Xfoo\n1 W124 :1700000000.V1I2M3.host\n5 Puidl-5 Zq :b,S=1\n");
}

TEST(UidList, SettlesTheNextUidFromItsRecords) {
  EXPECT_EQ(ParseUidList("3 V1 N2 G0\n7 :a\n")->next_uid, 8u);
  EXPECT_EQ(ParseUidList("3 V1 N20 G0\n7 :a\n")->next_uid, 20u);
}

TEST(UidList, ReadsVersion1AndAsksForANewForm) {
  const auto list = ParseUidList("1 1234 6\n3 a\n5 b:2,S\n");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->uidvalidity, 1234u);
  EXPECT_EQ(list->next_uid, 6u);
  EXPECT_EQ(list->records[1].base, "b");
  EXPECT_TRUE(list->needs_rewrite);
}

TEST(UidList, CutsATornEndAndSkipsTheUidsBehindIt) {
  const auto cut = ParseUidList("3 V1 N2 G0\n1 :a\n2 :b");
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->records.size(), 1u);
  EXPECT_TRUE(cut->needs_rewrite);
  // A page of zeros, then a whole record: it was never shown, but its UID is not given again.
  const auto zeros = ParseUidList("3 V1 N2 G0\n1 :a\n2 :b\0\0\0\n9 :c\n"sv);
  ASSERT_TRUE(zeros.ok());
  EXPECT_EQ(zeros->records.size(), 1u);
  EXPECT_EQ(zeros->next_uid, 10u);
  EXPECT_TRUE(ParseUidList("3 V1 N2 G0\n1 :a\n\0\0\0\0"sv).ok());
}

TEST(UidList, RefusesWhatCantBeTrusted) {
  for (const std::string_view broken :
       {"", "3 V0 N1\n", "3 N1\n", "2 V1\n", "3 Vx\n", "3 V1 N2 G0\n2 :a\n2 :b\n", "3 V1 N2 G0\n2 :a\n1 :b\n",
        "3 V1 N2 G0\n0 :a\n", "3 V1 N2 G0\nrubbish\n3 :c\n", "3 V1 N2 G0\n1 :a/b\n", "3 V1 N2 G0\n1 a\n"}) {
    EXPECT_FALSE(ParseUidList(broken).ok()) << broken;
  }
  EXPECT_EQ(UidValidityIn("3 V77 N2 G0\nrubbish\n"), 77u);
  EXPECT_EQ(UidValidityIn("rubbish"), 0u);
  EXPECT_EQ(NextUidIn("3 V77 N2 G0\n4 :a\n3 :b\n90 :c\n"), 91u);
}

TEST(UidValidity, GrowsAndStaysPositiveForClientsThatThinkItSigned) {
  EXPECT_EQ(NextUidValidity("", 1700000000), 1700000000u);
  EXPECT_EQ(NextUidValidity("65543210", 1000), 0x65543211u);
  EXPECT_EQ(NextUidValidity("00000005", 1700000000), 1700000000u);
  EXPECT_LE(NextUidValidity("", 99999999999), 0x7fffffffu);
  EXPECT_GE(NextUidValidity("", -5), 1u);
  EXPECT_GE(NextUidValidity("ffffffff", 7), 1u);
}

TEST(Keywords, AreReadAndWritten) {
  const auto names = ParseKeywords("0 $Forwarded\n2 Work\nx y\n26 TooFar\n1\n3 \n");
  EXPECT_EQ(names, (std::vector<std::string>{"$Forwarded", "", "Work"}));
  EXPECT_EQ(FormatKeywords(names), "0 $Forwarded\n2 Work\n");
  EXPECT_EQ(FindKeyword(names, "WORK"), 2);
  EXPECT_EQ(FindKeyword(names, "$forwarded"), 0);
  EXPECT_EQ(FindKeyword(names, "none"), -1);
}

TEST(Subscriptions, ReadsBothVersionsAndWritesTheOneFound) {
  const Subscriptions second = ParseSubscriptions("V\t2\n\nINBOX\nx\ty\nodd\001tname\nbad\001q\n");
  EXPECT_EQ(second.names, (std::set<std::string>{"INBOX", "x.y", "odd\tname"}));
  EXPECT_EQ(FormatSubscriptions(second), "V\t2\n\nINBOX\nodd\001tname\nx\ty\nbad\001q\n");
  const Subscriptions first = ParseSubscriptions("INBOX\nx.y\n");
  EXPECT_EQ(first.version, 1);
  EXPECT_EQ(FormatSubscriptions(first), "INBOX\nx.y\n");
  EXPECT_EQ(FormatSubscriptions(ParseSubscriptions("")), "V\t2\n\n");
}

TEST(Subscriptions, ALineThatCantBeReadIsKeptWhole) {
  const std::string text = "V\t2\n\na\tb\001q\tc\n";  // what can't be read is behind a level that can
  EXPECT_EQ(FormatSubscriptions(ParseSubscriptions(text)), text);
}

}  // namespace
}  // namespace postern::mailbox
