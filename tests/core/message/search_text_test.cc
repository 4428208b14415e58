// Goal: SEARCH, SORT and THREAD see the text that a reader sees. Method: small messages with every encoding on the way.
#include "core/message/search_text.h"

#include <gtest/gtest.h>

#include "core/message/header.h"

namespace postern::message {
namespace {

constexpr std::string_view kMessage =
    "From: =?utf-8?q?J=C3=BCrgen?= <j@example.test>\r\n"
    "Subject: Hello\r\n"
    "\tWorld\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "\r\n"
    "preamble\r\n"
    "--b\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "caf=E9 with a soft=\r\n"
    "line\r\n"
    "--b\r\n"
    "Content-Type: application/octet-stream; name=secret\r\n"
    "\r\n"
    "binary\r\n"
    "--b\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "Subject: inside\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "ZGVlcCBkb3du\r\n"
    "--b--\r\n";

bool InBody(std::string_view word) {
  return TextContains(kMessage, ParseMessage(kMessage), Needle(word), SearchIn::kBody);
}
bool InText(std::string_view word) {
  return TextContains(kMessage, ParseMessage(kMessage), Needle(word), SearchIn::kText);
}

TEST(SearchText, LooksIntoDecodedBodiesOfText) {
  EXPECT_TRUE(InBody("CAF\xC3\x89 with"));
  EXPECT_TRUE(InBody("softline"));
  EXPECT_TRUE(InBody("Deep Down"));
  EXPECT_FALSE(InBody("binary"));    // no text
  EXPECT_FALSE(InBody("preamble"));  // no part
  EXPECT_FALSE(InBody("inside"));    // a header
  EXPECT_TRUE(InBody(""));
}

TEST(SearchText, TextIsBodiesAndAllHeaders) {
  EXPECT_TRUE(InText("j\xC3\xBCrgen"));
  EXPECT_TRUE(InText("subject: hello world"));
  EXPECT_TRUE(InText("name=secret"));
  EXPECT_TRUE(InText("subject: inside"));
  EXPECT_TRUE(InText("deep"));
  EXPECT_FALSE(InText("softline\r\nContent-Type"));  // a needle does not cross parts
}

TEST(SearchText, AMatchMayLieAcrossTwoBlocks) {
  std::string message = "Subject: x\r\n\r\n" + std::string(64 * 1024 - 3, '.') + "needle" + std::string(100, '.');
  EXPECT_TRUE(TextContains(message, ParseMessage(message), Needle("Needle"), SearchIn::kBody));
  EXPECT_FALSE(TextContains(message, ParseMessage(message), Needle("needles"), SearchIn::kBody));
}

TEST(SearchText, HeadersInTheirForms) {
  const std::string_view header = HeaderBlock(kMessage);
  EXPECT_TRUE(HeaderContains(header, "subject", Needle("hello world"), HeaderForm::kPacked));
  EXPECT_TRUE(HeaderContains(header, "from", Needle("J\xC3\x9CRGEN <j@"), HeaderForm::kAddresses));
  EXPECT_TRUE(HeaderContains(header, "From", Needle(""), HeaderForm::kAsWritten));
  EXPECT_FALSE(HeaderContains(header, "To", Needle(""), HeaderForm::kAsWritten));
  EXPECT_FALSE(HeaderContains(header, "Subject", Needle("j@"), HeaderForm::kAsWritten));
  EXPECT_TRUE(HeaderContains("Cc: a@x (Bob)\r\n", "Cc", Needle("Bob <a@x>"), HeaderForm::kAddresses));
}

TEST(SortKeys, OfSubjectsAndAddresses) {
  const std::string_view header =
      "Subject: Re: [list] =?utf-8?q?=C3=A4?=b\r\nFrom: \"Ann B\" <zoe@x>\r\nTo: root@y, b@c\r\nCc: Team: a@b;\r\n\r\n";
  EXPECT_EQ(SortSubject(header),
            "A\xCC\x88"
            "B");
  EXPECT_EQ(SortMailbox(header, "From"), "ZOE");
  EXPECT_EQ(SortDisplayName(header, "From"), "ANN B");
  EXPECT_EQ(SortDisplayName(header, "To"), "ROOT@Y");
  EXPECT_EQ(SortMailbox(header, "Cc"), "TEAM");
  EXPECT_EQ(SortMailbox(header, "Bcc"), "");
}

TEST(Threads, InputsOfRfc5256) {
  const ThreadInput input = ThreadInputOf(
      "Message-ID: <a@b>\r\nReferences: <c@d>\r\n <no-at> junk <\"e\"@f> <g (x) @h>\r\nIn-Reply-To: <z@z>\r\n"
      "Subject: Re: s\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n");
  EXPECT_EQ(input.message_id, "a@b");
  EXPECT_EQ(input.references, (std::vector<std::string>{"c@d", "e@f", "g@h"}));
  EXPECT_EQ(input.base_subject, "S");
  EXPECT_TRUE(input.is_reply_or_forward);
  ASSERT_TRUE(input.sent);
  EXPECT_EQ(input.sent->unix_seconds, 1'704'067'200);
  EXPECT_EQ(ThreadInputOf("In-Reply-To: x <z@z> <y@y>\r\n").references, (std::vector<std::string>{"z@z"}));
  EXPECT_EQ(ThreadInputOf("References: <no\r\n").references.size(), 0u);
}

}  // namespace
}  // namespace postern::message
