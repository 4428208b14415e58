// Goal: postmasters are told of sessions as notify_classes says, and nothing a peer said passes for the message's own.
// Method: the golden of a Postfix 3.7 transcript, its sentences aside; a peer that sends line ends.
#include "core/notice/transcript.h"

#include <gtest/gtest.h>

#include "tests/core/notice/sample.h"

namespace postern::notice {
namespace {

TEST(Transcript, GoesToWhomItConcerns) {
  Settings settings = SampleSettings();
  settings.bounce_notice_recipient = "bounces";
  settings.error_notice_recipient = "errors@far.example";
  const auto to = [&](uint8_t classes) {
    const auto mailbox = TranscriptRecipient(classes, settings);
    return mailbox ? mailbox->Key() : "(nobody)";
  };
  EXPECT_EQ(to(kClassResource), "errors@far.example");
  EXPECT_EQ(to(kClassProtocol | kClassPolicy), "(nobody)") << "not among the default's resource, software";
  EXPECT_EQ(to(0), "(nobody)");
  settings.notify_classes = kClassBounce | kClassProtocol;
  EXPECT_EQ(to(kClassProtocol), "errors@far.example");
  EXPECT_EQ(to(kClassProtocol | kClassBounce), "bounces@example.test");
  EXPECT_EQ(to(kClassResource), "(nobody)");
}

TEST(Transcript, LooksAsPostfixs) {
  const Transcript transcript{
      .peer = "client.example.net[192.0.2.1]",
      .lines = {"Out: 220 mail.example.test ESMTP Postfix", "In:  MAIL FROM:<a@b.example>\r\nSubject: \xff",
                "Out: 451 4.3.0 <a@b.example>: Temporary lookup failure, come back when the tables are there"},
      .reason = "lost connection"};
  EXPECT_EQ(ComposeTranscript(transcript, Address("postmaster@example.test"), SampleSettings(), SampleWriting()),
            R"(Received: by mail.example.test (Postfix)
	id 6F320A7A1D3; Tue, 24 Nov 2026 13:27:01 +0000 (UTC)
Date: Tue, 24 Nov 2026 13:27:01 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON@mail.example.test>
To: Postmaster <postmaster@example.test>
Subject: Postfix SMTP server: errors from client.example.net[192.0.2.1]
Message-Id: <20261124132701.6F320A7A1D3@mail.example.test>

Transcript of session follows.

 Out: 220 mail.example.test ESMTP Postfix
 In:  MAIL FROM:<a@b.example> Subject: ?
 Out: 451 4.3.0 <a@b.example>: Temporary lookup failure, come back when the
     tables are there

Session aborted, reason: lost connection

The log has more of it.
)");
}

TEST(Transcript, OfAClientAndBounded) {
  Transcript transcript{.server = false, .peer = "mx.example.net[192.0.2.1]:25"};
  for (size_t i = 0; i <= kTranscriptLinesMax; ++i) transcript.lines.push_back("In:  " + std::to_string(i));
  const std::string text = ComposeTranscript(transcript, Address("p@example.test"), SampleSettings(), SampleWriting());
  EXPECT_NE(text.find("\nSubject: Postfix SMTP client: errors from mx.example.net[192.0.2.1]:25\n"), std::string::npos);
  EXPECT_NE(
      text.find(
          "\n\nUnexpected response from mx.example.net[192.0.2.1]:25.\n\nTranscript of session follows.\n\n In:  1\n"),
      std::string::npos);
  EXPECT_NE(text.find("\n In:  1000\n\nThe log"), std::string::npos);
}

TEST(Transcript, ItsOwnFailureEndsHere) {
  const queue::Envelope envelope = EnvelopeOfTranscript(Address("p@example.test"), SampleSettings(), SampleWriting());
  EXPECT_FALSE(envelope.null_sender);
  EXPECT_TRUE(IsDoubleBounceSender(envelope.sender, SampleSettings()));
  ASSERT_EQ(envelope.recipients.size(), 1u);
  EXPECT_EQ(envelope.recipients[0].address.Key(), "p@example.test");
  const std::vector<Outcome> outcomes = {Refused("p@example.test")};
  EXPECT_TRUE(Decide(envelope, outcomes, SampleSettings(), At(1)).notices.empty());
}

}  // namespace
}  // namespace postern::notice
