// Goal: nothing but CRLF "." CRLF ends a message, so that no text inside it becomes a command (CVE-2023-51764). Method:
// every other line end around a dot, with a second mail transaction behind it, in every cut into two pieces, under both
// policies on bare line feeds; exactly one message may come of it, and it holds what was to be smuggled.
#include <gtest/gtest.h>

#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class Smuggling : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string errors;
    config_ = PeerConfig(&errors);
    ASSERT_NE(config_, nullptr) << errors;
  }

  // What the client hears after 354, and what is on the disk then, of the message in two pieces.
  std::string Play(uint16_t port, const std::string& message, size_t cut, std::string* stored) {
    Harness harness(config_, port);
    for (const char* line : {"EHLO client.test", "MAIL FROM:<a@far.example>", "RCPT TO:<u1@example.test>", "DATA"})
      harness.Line(line);
    harness.Replies();
    harness.Send(message.substr(0, cut));
    if (cut < message.size()) harness.Send(message.substr(cut));
    harness.Advance(Seconds(8));
    for (const auto& [path, text] : harness.disk.files) *stored += text;
    return harness.Replies();
  }

  std::shared_ptr<const config::Config> config_;
};

TEST_P(Smuggling, IsOneMessageInEveryCut) {
  const std::string inner = "MAIL FROM:<evil@example.test>\r\nRCPT TO:<u2@example.test>\r\nDATA\r\nsmuggled\r\n";
  const std::string message = "Subject: x\r\n\r\nbody" + GetParam() + inner + ".\r\n";
  for (size_t cut = 0; cut <= message.size(); ++cut) {
    std::string stored;
    const std::string normal = Play(12035, message, cut, &stored);
    EXPECT_EQ(Count(normal, "queued as"), 1u) << cut << normal;
    EXPECT_EQ(Count(normal, "\n"), 1u) << cut << normal;
    EXPECT_EQ(Count(stored, "MAIL FROM:<evil@example.test>"), 1u) << cut;

    stored.clear();
    const std::string strict = Play(12032, message, cut, &stored);
    EXPECT_EQ(Count(strict, "\n"), 1u) << cut << strict;
    const std::string& ends = GetParam();
    bool bare_lf = false;
    for (size_t i = 0; i < ends.size(); ++i) bare_lf |= ends[i] == '\n' && (i == 0 || ends[i - 1] != '\r');
    EXPECT_EQ(Count(strict, "550 5.5.2"), bare_lf ? 1u : 0u) << cut << strict;
    EXPECT_EQ(stored.empty(), bare_lf) << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Smuggling,
                         testing::Values("\n.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\n.\r", "\r.\n",
                                         "\r\n\n.\r\n", "\r\r.\r\r\n", "\r\n.\r\r\n", "\n\r.\r\n", "\r\n\r.\r\n",
                                         "\r\n..\r\n", "\r\n.\n\r\n", std::string("\r\n.\0\r\n", 6),
                                         std::string("\r\n\0.\r\n", 6)));

// The true end, so that the test above can fail.
using TrueEnd = Smuggling;
TEST_P(TrueEnd, IsSeen) {
  std::string stored;
  const std::string replies = Play(12035, "x: y\r\n\r\nbody\r\n.\r\nNOOP\r\nNOOP\r\n.\r\n", 9, &stored);
  EXPECT_EQ(Count(replies, "queued as"), 1u) << replies;
  EXPECT_EQ(Count(replies, "250 2.0.0 Ok\r\n"), 2u) << replies;
}

INSTANTIATE_TEST_SUITE_P(All, TrueEnd, testing::Values(""));

}  // namespace
}  // namespace postern::smtp
