// Goal: DotReader ends a message where RFC 5321 says, and nowhere else. Method: the RFC's cases, then the smuggling
// sequences that made other servers disagree.
#include "core/smtp/dot_reader.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

using BareLineEnd = DotReader::BareLineEnd;

struct Read {
  std::string message;
  std::string rest;
  bool ended, refused, too_large;
};

Read ReadAll(std::string_view wire, BareLineEnd policy = BareLineEnd::kRefuse, uint64_t max = 0) {
  DotReader reader(policy, {.message_bytes_max = max});
  std::string out;
  const auto progress = reader.Feed(wire, &out);
  return {out, std::string(wire.substr(progress.consumed_bytes)), reader.ended(), reader.refused(), reader.too_large()};
}

// RFC 5321 section 4.5.2: the stuffed dot is removed, the end is found, what follows is left for the next command.
TEST(DotReader, RemovesStuffingAndStopsAtTheEnd) {
  const Read r = ReadAll("..one\r\ntwo\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(r.ended);
  EXPECT_EQ(r.message, ".one\r\ntwo\r\n");
  EXPECT_EQ(r.rest, "QUIT\r\n");
}

TEST(DotReader, AcceptsAnEmptyMessage) {
  const Read r = ReadAll(".\r\n");
  EXPECT_TRUE(r.ended);
  EXPECT_EQ(r.message, "");
}

// CVE-2023-51764: none of these may end the message, whatever the policy.
TEST(DotReader, BareLineEndsNeverEndAMessage) {
  for (std::string_view end : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"}) {
    const std::string wire = "a" + std::string(end) + "MAIL FROM:<smuggled@example.test>\r\n";
    EXPECT_FALSE(ReadAll(wire, BareLineEnd::kNormalize).ended) << testing::PrintToString(end);
    EXPECT_TRUE(ReadAll(wire, BareLineEnd::kRefuse).refused) << testing::PrintToString(end);
  }
}

TEST(DotReader, KeepsInStepWithTheClientWhenTheMessageIsTooLarge) {
  const Read r = ReadAll("12345\r\n.\r\nRSET\r\n", BareLineEnd::kRefuse, 4);
  EXPECT_TRUE(r.ended);
  EXPECT_TRUE(r.too_large);
  EXPECT_EQ(r.message, "1234");
  EXPECT_EQ(r.rest, "RSET\r\n");
}

}  // namespace
}  // namespace postern::smtp
