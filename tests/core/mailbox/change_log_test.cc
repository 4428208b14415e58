// Goal: the log tells again what was written into it, and of a damaged one only what stands before the damage.
#include "core/mailbox/change_log.h"

#include <gtest/gtest.h>

namespace postern::mailbox {
namespace {

std::string Sample() {
  std::string text = ChangeLogHeader(77);
  AppendCeiling(5000, &text);
  AppendHead(12, "0123456789abcdef0123456789abcdef", &text);
  AppendHistory(900, &text);
  AppendKeyword(30, "$Later", &text);
  AppendFlags(3, {1001, kSeen, 0}, &text);
  AppendFlags(2, {1002, kFlagged, Keywords{1} << 30}, &text);
  AppendFlags(3, {1003, kSeen | kDeleted, 1}, &text);
  AppendExpunged(2, 1004, &text);
  return text;
}

TEST(ChangeLog, TellsWhatWasWritten) {
  const ChangeLog log = ParseChangeLog(Sample());
  EXPECT_EQ(log.uidvalidity, 77u);
  EXPECT_EQ(log.ceiling, 5000u);
  EXPECT_EQ(log.highest, 1004u);
  EXPECT_EQ(log.next_uid, 12u);
  EXPECT_EQ(log.guid, "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(log.keyword_names.at(30), "$Later");
  ASSERT_EQ(log.messages.size(), 1u);
  EXPECT_EQ(log.messages[0].uid, 3u);
  EXPECT_EQ(log.messages[0].modseq, 1003u);
  EXPECT_EQ(log.messages[0].flags, kSeen | kDeleted);
  EXPECT_EQ(log.messages[0].keywords, 1u);
  EXPECT_EQ(FindLogged(log, 2), nullptr);
  EXPECT_EQ(FindLogged(log, 3)->modseq, 1003u);
  EXPECT_EQ(log.expunged, (std::vector<std::pair<uint32_t, uint64_t>>{{2, 1004}}));
  EXPECT_EQ(log.expunged_since, 900u);
  EXPECT_FALSE(log.closed_in_order);
  EXPECT_FALSE(log.torn);
}

TEST(ChangeLog, IsClosedInOrderOnlyByItsLastRecord) {
  std::string text = Sample();
  AppendClosed(1004, &text);
  EXPECT_TRUE(ParseChangeLog(text).closed_in_order);
  EXPECT_FALSE(ParseChangeLog(text + "F 9").closed_in_order);
  AppendCeiling(9000, &text);
  EXPECT_FALSE(ParseChangeLog(text).closed_in_order);
}

TEST(ChangeLog, ACrashRaisesWhatStandsBeforeIt) {
  std::string text = Sample();
  AppendBase(6000, &text);
  AppendFlags(5, {6001, 0, 0}, &text);
  const ChangeLog log = ParseChangeLog(text);
  EXPECT_EQ(FindLogged(log, 3)->modseq, 6000u);
  EXPECT_EQ(FindLogged(log, 5)->modseq, 6001u);
  EXPECT_EQ(FindLogged(log, 2), nullptr);
  EXPECT_EQ(log.highest, 6001u);
}

// Every cut and every changed byte: what is told is a prefix of the records.
TEST(ChangeLog, TellsAPrefixWhateverHappensToItsBytes) {
  const std::string text = Sample();
  const size_t header = ChangeLogHeader(77).size();
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const ChangeLog log = ParseChangeLog(std::string_view(text).substr(0, cut));
    EXPECT_LE(log.parsed_bytes, cut);
    EXPECT_EQ(log.torn, cut != 0 && log.parsed_bytes != cut) << cut;
    if (log.parsed_bytes > 0) {
      EXPECT_EQ(text[log.parsed_bytes - 1], '\n');
    }
  }
  for (size_t at = header; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const ChangeLog log = ParseChangeLog(changed);
    EXPECT_TRUE(log.torn) << at;
    EXPECT_LE(log.parsed_bytes, at);
  }
  const std::string zeros = text.substr(0, text.size() - 20) + std::string(20, '\0');
  EXPECT_TRUE(ParseChangeLog(zeros).torn);
}

}  // namespace
}  // namespace postern::mailbox
