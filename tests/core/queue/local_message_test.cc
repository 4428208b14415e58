// What the sendmail command makes of its input: mbox lines, dots, line ends, and the recipients of -t.
#include "core/queue/local_message.h"

#include <gtest/gtest.h>

namespace postern::queue {
namespace {

struct Made {
  std::string text;
  std::vector<std::string> recipients;
  Status status;
  bool ended_early = false;
};

Made Make(std::string_view input, LocalMessage::Options options = {}) {
  LocalMessage message(options);
  Made made;
  message.Feed(input, &made.text);
  made.ended_early = message.ended();
  message.Finish(&made.text);
  made.status = message.status();
  for (const routing::Mailbox& recipient : message.recipients()) made.recipients.push_back(recipient.Quoted());
  return made;
}

std::vector<std::string> Recipients(std::string_view header) {
  return Make(std::string(header) + "\n\nbody\n", {.extract_recipients = true}).recipients;
}

using Names = std::vector<std::string>;

TEST(LocalMessage, PassesAsItIs) {
  const std::string text = "Subject: x\nBcc: b@x.example\n\nbody\n..\n\n";
  EXPECT_EQ(Make(text).text, text);
  EXPECT_EQ(Make("").text, "");
  EXPECT_EQ(Make("no header at all\n").text, "no header at all\n");
}

TEST(LocalMessage, ALoneDotEndsItUnlessItIsToldNotTo) {
  EXPECT_EQ(Make("a: b\n\nx\n.\ny\n").text, "a: b\n\nx\n");
  EXPECT_TRUE(Make("a: b\n\nx\n.\ny\n").ended_early);
  EXPECT_EQ(Make("a: b\n\nx\r\n.\r\ny\n").text, "a: b\n\nx\n");
  EXPECT_EQ(Make(".\n").text, "");
  EXPECT_EQ(Make("a: b\n\nx\n.").text, "a: b\n\nx\n");
  const std::string text = "a: b\n\nx\n.\ny\n";
  EXPECT_EQ(Make(text, {.dot_ends = false}).text, text);
  EXPECT_EQ(Make("a: b\n\n..\n .\n. \n").text, "a: b\n\n..\n .\n. \n");
}

TEST(LocalMessage, MboxLinesBeforeTheHeaderGo) {
  EXPECT_EQ(Make("From alice Mon\n>From bob\nSubject: x\n\nFrom here on\n").text, "Subject: x\n\nFrom here on\n");
  EXPECT_EQ(Make("Subject: x\nFrom y\n").text, "Subject: x\nFrom y\n");
  EXPECT_EQ(Make("From: x\n").text, "From: x\n");
  EXPECT_EQ(Make("From here").text, "From here\n");  // all there is, and no line: Postfix keeps it, too
}

TEST(LocalMessage, LineEndsAreMended) {
  const std::string text = "a: b\r\n\r\nx\r\r\ny\rz\nlast\r";
  EXPECT_EQ(Make(text).text, "a: b\n\nx\ny\rz\nlast\n");
  EXPECT_EQ(Make(text, {.line_ends = LocalMessage::LineEnds::kStrict}).text, "a: b\n\nx\ny\rz\nlast\n");
  EXPECT_EQ(Make("a: b\n\nx\r\n", {.line_ends = LocalMessage::LineEnds::kStrict}).text, "a: b\n\nx\r\n");
  EXPECT_EQ(Make("a: b\r\n", {.line_ends = LocalMessage::LineEnds::kNever}).text, "a: b\r\n");
}

TEST(LocalMessage, RecipientsAreThoseOfTheHeader) {
  EXPECT_EQ(Recipients("To: a@x.example, \"B, b\" <b@x.example>\nCC : c@x.example (see, here)\nBcc: d@x.example"),
            (Names{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}));
  EXPECT_EQ(Recipients("To: Friends: a@x.example,\n\tb@x.example;, c@x.example"),
            (Names{"a@x.example", "b@x.example", "c@x.example"}));
  EXPECT_EQ(Recipients("To: undisclosed-recipients:;\nBcc: a@x.example"), (Names{"a@x.example"}));
  EXPECT_EQ(Recipients("To: root, postmaster"), (Names{"root", "postmaster"}));
  EXPECT_EQ(Recipients("To: \"odd one\"@x.example, <@relay.example:r@x.example>"),
            (Names{"\"odd one\"@x.example", "r@x.example"}));
  EXPECT_EQ(Recipients("To: A <\"a>b\"@x.example>, <\"c,d\"@x.example>"),
            (Names{"\"a>b\"@x.example", "\"c,d\"@x.example"}));
  EXPECT_EQ(Recipients("To: a@[192.0.2.1], b@[IPv6:2001:db8::1]"), (Names{"a@[192.0.2.1]", "b@[IPv6:2001:db8::1]"}));
  EXPECT_EQ(Recipients("To: a (x (y) \\) z) @ x . example , < b @ x.example >"), (Names{"a@x.example", "b@x.example"}));
  EXPECT_EQ(Recipients("To: \"<n@x.example>,\" <a@x.example>, , \"a;b:c\" <b@x.example>"),
            (Names{"a@x.example", "b@x.example"}));
  EXPECT_EQ(Recipients("Subject: x\nReply-To: n@x.example\nX-To: n@x.example"), Names{});
}

TEST(LocalMessage, RecipientsInTheBodyAreNone) {
  EXPECT_EQ(Recipients("To: a@x.example\n\nTo: b@x.example"), (Names{"a@x.example"}));
  EXPECT_EQ(Recipients("To: a@x.example\nno field\nTo: b@x.example"), (Names{"a@x.example"}));
  EXPECT_EQ(Recipients(" To: b@x.example\nTo: b@x.example"), Names{});
}

TEST(LocalMessage, ResentFieldsCountAlone) {
  EXPECT_EQ(Recipients("To: a@x.example\nResent-To: r@x.example\nCc: c@x.example\nResent-Bcc: s@x.example"),
            (Names{"r@x.example", "s@x.example"}));
}

TEST(LocalMessage, NobodySeesWhoWasBlindlyCopied) {
  const LocalMessage::Options extract{.extract_recipients = true};
  EXPECT_EQ(
      Make("To: a@x.example\nbCC: b@x.example,\n c@x.example\nResent-Bcc: d@x.example\nX: y\n\nBcc: body\n", extract)
          .text,
      "To: a@x.example\nX: y\n\nBcc: body\n");
  EXPECT_EQ(Make("Bcc: b@x.example", extract).text, "");
  EXPECT_EQ(Make("Bcc: b@x.example\n.\nrest", extract).text, "");
  EXPECT_EQ(Make("Bcc: b@x.example\n.\nrest", extract).recipients, Names{"b@x.example"});
}

TEST(LocalMessage, WhatIsNoAddressIsSaid) {
  for (const char* field :
       {"To: a@x.example, <", "Cc: a b c", "To: <>", "To: a@x..example", "To: @x.example",
        "To: a@x.example b@x.example", "To: a@x.example (b", "To: \"a", "To: <a@x.example> b", "To: <a@x.example"}) {
    const Made made = Make(std::string(field) + "\n\nbody\n", {.extract_recipients = true});
    EXPECT_EQ(made.status.code(), StatusCode::kInvalidArgument) << field;
  }
  EXPECT_TRUE(Make("To:\nCc: \n\nbody\n", {.extract_recipients = true}).status.ok());
}

TEST(LocalMessage, EverythingIsBounded) {
  const LocalMessage::Options extract{.extract_recipients = true};
  const std::string many(LocalMessage::kFieldBytesMax, ',');
  EXPECT_EQ(Make("To: " + many + "\n", extract).status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Make("To: " + many, extract).status.code(), StatusCode::kInvalidArgument);
  std::string list;
  for (size_t i = 0; i <= LocalMessage::kRecipientsMax; ++i) list += "a,";
  EXPECT_EQ(Make("To: " + list + "\n", extract).status.code(), StatusCode::kResourceExhausted);
  const std::string body(5u << 20, 'x');
  EXPECT_EQ(Make("a: b\n\n" + body, extract).text, "a: b\n\n" + body + "\n");
}

TEST(Recipients, OfOneArgument) {
  std::vector<routing::Mailbox> recipients;
  ASSERT_TRUE(AppendRecipients("a@x.example, Some One <b@x.example>", &recipients).ok());
  ASSERT_TRUE(AppendRecipients("root", &recipients).ok());
  ASSERT_EQ(recipients.size(), 3u);
  EXPECT_EQ(recipients[2].Quoted(), "root");
  EXPECT_FALSE(AppendRecipients("a@", &recipients).ok());
}

}  // namespace
}  // namespace postern::queue
