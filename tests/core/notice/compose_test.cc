// Goal: notices look as Postfix 3.7's, field by field. Method: goldens written by hand after the notices that a real
// one sent in the same cases (only the sentences for people differ); RFC 3464, RFC 6533 where Postfix falls short of
// them.
#include "core/notice/compose.h"

#include <gtest/gtest.h>

#include "tests/core/notice/sample.h"

namespace postern::notice {
namespace {

struct Case {
  queue::Envelope envelope = SampleEnvelope();
  std::vector<Outcome> outcomes;
  Settings settings = SampleSettings();
  std::optional<std::string> message = std::string(kSampleMessage);
  Moment moment = At(0);

  // All that is written, notice by notice.
  std::vector<std::string> Write(const Templates& templates = DefaultTemplates()) const {
    std::vector<std::string> written;
    const Writing writing{.id = "6F320A7A1D3", .now = {.wall = moment.now}};
    const Subject subject{.envelope = envelope, .message = message, .outcomes = outcomes};
    for (const Notice& notice : Decide(envelope, outcomes, settings, moment).notices) {
      written.push_back(Compose(notice, subject, settings, templates, writing));
    }
    return written;
  }
  std::string WriteOne() const {
    auto written = Write();
    EXPECT_EQ(written.size(), 1u);
    return written.empty() ? "" : written[0];
  }
};

// From `begin` up to `end`, which is left out.
std::string Between(std::string_view text, std::string_view begin, std::string_view end) {
  const size_t from = text.find(begin);
  if (from == std::string_view::npos) return "(no " + std::string(begin) + ")";
  const size_t to = text.find(end, from);
  return std::string(text.substr(from, to == std::string_view::npos ? to : to - from));
}
std::string DeliveryStatusOf(std::string_view notice) { return Between(notice, "Reporting-MTA", "\n\n--"); }

TEST(Compose, AFailure) {
  EXPECT_EQ((Case{.outcomes = {Refused("fail1@dsn.example")}}.WriteOne()),
            R"(Received: by mail.example.test (Postfix)
	id 6F320A7A1D3; Tue, 24 Nov 2026 13:27:01 +0000 (UTC)
Date: Tue, 24 Nov 2026 13:27:01 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON@example.test>
Subject: Undelivered Mail Returned to Sender
To: alice@example.test
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="58363A7A461.1795526821/mail.example.test"
Content-Transfer-Encoding: 8bit
Message-Id: <20261124132701.6F320A7A1D3@mail.example.test>

This is a MIME-encapsulated message.

--58363A7A461.1795526821/mail.example.test
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host mail.example.test.

Your message did not reach everybody it was meant for. Below you find
for whom it could not be delivered and why; what you sent is attached.

If you need help, write to postmaster and include this report. The
attached message itself may be left out.

                   The mail system

<fail1@dsn.example>: host 127.0.0.1[127.0.0.1] said: 550 5.1.1
    <fail1@dsn.example>: Recipient address rejected: User unknown (in reply to
    RCPT TO command)

--58363A7A461.1795526821/mail.example.test
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.test
X-Postfix-Queue-ID: 58363A7A461
X-Postfix-Sender: rfc822; alice@example.test
Arrival-Date: Tue, 24 Nov 2026 13:27:01 +0000 (UTC)

Final-Recipient: rfc822; fail1@dsn.example
Original-Recipient: rfc822;fail1@dsn.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; 127.0.0.1
Diagnostic-Code: smtp; 550 5.1.1 <fail1@dsn.example>: Recipient address
    rejected: User unknown

--58363A7A461.1795526821/mail.example.test
Content-Description: Undelivered Message
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Return-Path: <alice@example.test>
Received: from client.example.test (localhost [127.0.0.1])
	by mail.example.test (Postfix) with ESMTP id 58363A7A461
	for <fail1@dsn.example>; Tue, 24 Nov 2026 13:27:01 +0000 (UTC)
From: alice@example.test
Message-ID: <orig@example.test>

Hello body

--58363A7A461.1795526821/mail.example.test--
)");
}

// ENVID, ORCPT and an alias; the second one's client gave no ORCPT.
TEST(Compose, WhatTheClientSaidIsRepeated) {
  Case c{.outcomes = {Refused("fail1@dsn.example"), Refused("fail2@dsn.example")}};
  c.envelope.envelope_id = "env+1";
  c.outcomes[0].recipient.original_recipient = "rfc822;Orig+@x.example";
  c.outcomes[1].recipient.original = "vfail@example.test";
  const std::string notice = c.WriteOne();
  EXPECT_EQ(DeliveryStatusOf(notice), R"(Reporting-MTA: dns; mail.example.test
Original-Envelope-Id: env+1
X-Postfix-Queue-ID: 58363A7A461
X-Postfix-Sender: rfc822; alice@example.test
Arrival-Date: Tue, 24 Nov 2026 13:27:01 +0000 (UTC)

Final-Recipient: rfc822; fail1@dsn.example
Original-Recipient: rfc822;Orig+@x.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; 127.0.0.1
Diagnostic-Code: smtp; 550 5.1.1 <fail1@dsn.example>: Recipient address
    rejected: User unknown

Final-Recipient: rfc822; fail2@dsn.example
Original-Recipient: rfc822;vfail@example.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; 127.0.0.1
Diagnostic-Code: smtp; 550 5.1.1 <fail2@dsn.example>: Recipient address
    rejected: User unknown)");
  EXPECT_EQ(Between(notice, "<fail2@dsn.example> (", "\n\n--"),
            "<fail2@dsn.example> (expanded from <vfail@example.test>): host\n"
            "    127.0.0.1[127.0.0.1] said: 550 5.1.1 <fail2@dsn.example>: Recipient address\n"
            "    rejected: User unknown (in reply to RCPT TO command)");
}

TEST(Compose, ADelay) {
  Case c{.outcomes = {Waiting("x@dead.example")}, .moment = At(4)};
  c.settings.delay_warning_time = Seconds(2);
  c.settings.maximal_queue_lifetime = Seconds(86400);
  const std::string notice = c.WriteOne();
  EXPECT_EQ(Between(notice, "From: ", "\nMIME-Version"), R"(From: Mail Delivery System <MAILER-DAEMON@example.test>
Subject: Delayed Mail (still being retried)
To: alice@example.test
Auto-Submitted: auto-replied)");
  EXPECT_EQ(Between(notice, "--58363A7A461.1795526825", "--58363A7A461.1795526825/mail.example.test--"),
            R"(--58363A7A461.1795526825/mail.example.test
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host mail.example.test.

####################################################################
# THIS IS A WARNING ONLY.  You do not have to send anything again. #
####################################################################

Your message has been waiting for more than 0 hour(s).
It will be tried again until it is 1 day(s) old.

If you need help, write to postmaster and include this report. The
attached header itself may be left out.

                   The mail system

<x@dead.example>: connect to 127.0.0.1[127.0.0.1]:44099: Connection refused

--58363A7A461.1795526825/mail.example.test
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.test
X-Postfix-Queue-ID: 58363A7A461
X-Postfix-Sender: rfc822; alice@example.test
Arrival-Date: Tue, 24 Nov 2026 13:27:01 +0000 (UTC)

Final-Recipient: rfc822; x@dead.example
Original-Recipient: rfc822;x@dead.example
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to 127.0.0.1[127.0.0.1]:44099: Connection
    refused
Will-Retry-Until: Wed, 25 Nov 2026 13:27:01 +0000 (UTC)

--58363A7A461.1795526825/mail.example.test
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

Return-Path: <alice@example.test>
Received: from client.example.test (localhost [127.0.0.1])
	by mail.example.test (Postfix) with ESMTP id 58363A7A461
	for <fail1@dsn.example>; Tue, 24 Nov 2026 13:27:01 +0000 (UTC)
From: alice@example.test
Message-ID: <orig@example.test>

)");
}

TEST(Compose, TheTimeOfGivingUpMayBeTold) {
  Case c{.outcomes = {Waiting("x@dead.example")}, .moment = At(4)};
  c.settings.delay_warning_time = Seconds(2);
  c.outcomes[0].will_retry_until = WallTime{(kArrivedS + 3600) * 1'000'000};
  EXPECT_NE(c.WriteOne().find("Will-Retry-Until: Tue, 24 Nov 2026 14:27:01 +0000 (UTC)\n"), std::string::npos);
}

// Too old: the last attempt's status stays, the action is final.
TEST(Compose, AnExpiredRecipientFailed) {
  Case c{.outcomes = {Waiting("x@dead.example")}};
  c.outcomes[0].fate = Fate::kFailed;
  EXPECT_EQ(Between(DeliveryStatusOf(c.WriteOne()), "Action", "(no end)"),
            "Action: failed\nStatus: 4.4.1\n"
            "Diagnostic-Code: X-Postfix; connect to 127.0.0.1[127.0.0.1]:44099: Connection\n    refused");
}

TEST(Compose, Successes) {
  Case c{
      .outcomes = {Kept("bob@example.test", kNotifySuccess), Sent(Fate::kRelayed, "ok@nodsn.example", kNotifySuccess)}};
  c.outcomes.push_back({.recipient = Recipient("al2@example.test", kNotifySuccess),
                        .fate = Fate::kExpanded,
                        .status = "2.0.0",
                        .text = "alias expanded"});
  const std::string notice = c.WriteOne();
  EXPECT_EQ(Between(notice, "Subject: ", "\nMIME-Version"),
            "Subject: Successful Mail Delivery Report\nTo: alice@example.test\nAuto-Submitted: auto-replied");
  EXPECT_EQ(Between(notice, "This is the mail system", "\n\n--"), R"(This is the mail system at host mail.example.test.

You asked to be told: your message has been delivered as listed below.
Where it lies in a mailbox now, this is the last you hear of it. Where
it went on to another system, that one may still report a failure.

                   The mail system

<bob@example.test>: delivery via virtual: delivered to maildir

<ok@nodsn.example>: delivery via 127.0.0.1[127.0.0.1]:44027: 250 2.0.0 Ok:
    queued as ABC123

<al2@example.test>: alias expanded)");
  EXPECT_EQ(Between(DeliveryStatusOf(notice), "Final-Recipient", "(no end)"),
            R"(Final-Recipient: rfc822; bob@example.test
Original-Recipient: rfc822;bob@example.test
Action: delivered
Status: 2.0.0
Diagnostic-Code: X-Postfix; delivery via virtual: delivered to maildir

Final-Recipient: rfc822; ok@nodsn.example
Original-Recipient: rfc822;ok@nodsn.example
Action: relayed
Status: 2.0.0
Remote-MTA: dns; 127.0.0.1
Diagnostic-Code: smtp; 250 2.0.0 Ok: queued as ABC123

Final-Recipient: rfc822; al2@example.test
Original-Recipient: rfc822;al2@example.test
Action: expanded
Status: 2.0.0
Diagnostic-Code: X-Postfix; alias expanded)");
  EXPECT_NE(notice.find("\nContent-Description: Message Headers\nContent-Type: text/rfc822-headers\n"),
            std::string::npos);
}

// The facts alone; and a double bounce returns all of the message, under the name of the host's daemon.
TEST(Compose, TheCopyOfAFailedBounce) {
  Case c{.envelope = SampleEnvelope(""), .outcomes = {Refused("fail1@dsn.example")}};
  c.settings.notify_classes = kClass2Bounce;
  const std::string notice = c.WriteOne();
  EXPECT_EQ(Between(notice, "From: ", "\nMIME-Version"), R"(From: Mail Delivery System <MAILER-DAEMON@example.test>
Subject: Postmaster Copy: Undelivered Mail
To: postmaster@example.test
Auto-Submitted: auto-generated)");
  EXPECT_EQ(Between(notice, "Content-Description: Notification",
                    "--58363A7A461.1795526821/mail.example.test\nContent-Description: D"),
            R"(Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit


<fail1@dsn.example>: host 127.0.0.1[127.0.0.1] said: 550 5.1.1
    <fail1@dsn.example>: Recipient address rejected: User unknown (in reply to
    RCPT TO command)

)");
  EXPECT_EQ(Between(notice, "X-Postfix-Sender", "\nArrival"),
            "X-Postfix-Sender: rfc822; MAILER-DAEMON@mail.example.test");
  EXPECT_EQ(
      Between(notice, "Content-Description: Undelivered", "Received: from"),
      "Content-Description: Undelivered Message\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
      "Return-Path: <MAILER-DAEMON@mail.example.test>\n");
}

TEST(Compose, ADelayForThePostmasterHasItsSubject) {
  Case c{.outcomes = {Waiting("x@dead.example")}, .moment = At(4)};
  c.settings.delay_warning_time = Seconds(2);
  c.settings.notify_classes = kClassDelay;
  const auto written = c.Write();
  ASSERT_EQ(written.size(), 2u);
  EXPECT_NE(
      written[1].find(
          "\nSubject: Postmaster Warning: Delayed Mail\nTo: postmaster@example.test\nAuto-Submitted: auto-generated\n"),
      std::string::npos);
}

// A message beyond bounce_size_limit gives its header only: cut in the middle its MIME structure would break.
TEST(Compose, ALongMessageGivesItsHeader) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.settings.bounce_size_limit_bytes = kSampleMessage.size();
  EXPECT_NE(c.WriteOne().find("\nHello body\n"), std::string::npos);
  c.settings.bounce_size_limit_bytes = kSampleMessage.size() - 1;
  const std::string notice = c.WriteOne();
  EXPECT_EQ(Between(notice, "Content-Description: Undelivered", "Return-Path"),
            "Content-Description: Undelivered Message Headers\nContent-Type: "
            "text/rfc822-headers\nContent-Transfer-Encoding: 8bit\n\n");
  EXPECT_EQ(Between(notice, "Message-ID: <orig", "--(no end)"),
            "Message-ID: <orig@example.test>\n\n--58363A7A461.1795526821/mail.example.test--\n");
  c.settings.bounce_size_limit_bytes = 0;
  c.message = std::string(kSampleMessage) + std::string(200'000, 'x');
  EXPECT_NE(c.WriteOne().find("xxxx\n\n--58363A7A461"), std::string::npos) << "0 is no limit; a last line gets its end";
}

TEST(Compose, AHeaderIsBoundedAtAField) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.envelope.ret = "HDRS";
  std::string message = "Subject: first\n";
  while (message.size() < 3 * kHeaderBytesMax) message += "X-Long: " + std::string(1000, 'x') + "\n";
  c.message = message;
  const std::string notice = c.WriteOne();
  EXPECT_LT(notice.size(), kHeaderBytesMax + 5000);
  EXPECT_GT(notice.size(), kHeaderBytesMax - 5000);
  EXPECT_NE(notice.find(std::string(1000, 'x') + "\n\n--58363A7A461"), std::string::npos);
}

TEST(Compose, AHeaderEndsWhereNoFieldIs) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.envelope.ret = "HDRS";
  c.message = "Subject: a\n\tb\nno field\nX: y\n\nbody\n";
  EXPECT_NE(c.WriteOne().find("Return-Path: <alice@example.test>\nSubject: a\n\tb\n\n--58363"), std::string::npos);
  c.message = "";
  EXPECT_NE(c.WriteOne().find("Return-Path: <alice@example.test>\n\n--58363"), std::string::npos);
}

TEST(Compose, AMessageThatIsGoneIsSaidToBe) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}, .message = std::nullopt};
  EXPECT_NE(
      c.WriteOne().find("\n\n\t--- The message can't be shown ---\n\n--58363A7A461.1795526821/mail.example.test--\n"),
      std::string::npos);
}

// RFC 6533.
TEST(Compose, InternationalMailHasGlobalParts) {
  Case c{.envelope = SampleEnvelope("m\xc3\xbcnch@example.test"), .outcomes = {Refused("fail\xc3\xbc@dsn.example")}};
  c.envelope.smtputf8 = true;
  const std::string notice = c.WriteOne();
  EXPECT_NE(notice.find("\nTo: m\xc3\xbcnch@example.test\n"), std::string::npos);
  EXPECT_NE(notice.find("\nContent-Description: Delivery report\nContent-Type: message/global-delivery-status\n"
                        "Content-Transfer-Encoding: 8bit\n\nReporting-MTA"),
            std::string::npos);
  EXPECT_EQ(Between(notice, "X-Postfix-Sender", "\nArrival"), "X-Postfix-Sender: utf-8; m\xc3\xbcnch@example.test");
  EXPECT_EQ(Between(notice, "Final-Recipient", "\nRemote"),
            "Final-Recipient: utf-8; fail\xc3\xbc@dsn.example\nOriginal-Recipient: utf-8;fail\xc3\xbc@dsn.example\n"
            "Action: failed\nStatus: 5.1.1");
  EXPECT_NE(notice.find("\nDiagnostic-Code: smtp; 550 5.1.1 <fail\xc3\xbc@dsn.example>"), std::string::npos);
  EXPECT_NE(notice.find("\nContent-Description: Undelivered Message\nContent-Type: "
                        "message/global\nContent-Transfer-Encoding: 8bit\n\n"
                        "Return-Path: <m\xc3\xbcnch@example.test>\n"),
            std::string::npos);
  c.envelope.ret = "HDRS";
  EXPECT_NE(
      c.WriteOne().find("\nContent-Description: Undelivered Message Headers\nContent-Type: message/global-headers\n"),
      std::string::npos);
}

// A client may name an international ORCPT without SMTPUTF8; a remote may answer in any bytes.
TEST(Compose, ASevenBitReportHoldsAsciiOnly) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.outcomes[0].recipient.original_recipient = "utf-8;fail\\x{FC}@dsn.example";
  c.outcomes[0].diagnostic = "550 unzul\xc3\xa4ssig\r\n\r\nFrom: evil";
  c.outcomes[0].text = "host said: 550 unzul\xc3\xa4ssig \xff";
  const std::string notice = c.WriteOne();
  EXPECT_EQ(
      Between(notice, "Original-Recipient", "\n\n"),
      "Original-Recipient: utf-8;fail\\x{FC}@dsn.example\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; 127.0.0.1\n"
      "Diagnostic-Code: smtp; 550 unzul??ssig From: evil");
  EXPECT_NE(notice.find("<fail1@dsn.example>: host said: 550 unzul\xc3\xa4ssig ?\n"), std::string::npos);
}

// smtputf8_enable = no: what is 7-bit says so.
TEST(Compose, EightBitIsSaidWhereItIs) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.settings.smtputf8_enable = false;
  std::string notice = c.WriteOne();
  EXPECT_NE(notice.find("\nContent-Transfer-Encoding: 7bit\nMessage-Id:"), std::string::npos);
  EXPECT_NE(notice.find("\nContent-Type: text/plain; charset=us-ascii\n\nThis is"), std::string::npos);
  EXPECT_EQ(notice.find("8bit"), std::string::npos);
  c.message = std::string(kSampleMessage) +
              "gr\xc3\xbc\xc3\x9f"
              "e\n";
  notice = c.WriteOne();
  EXPECT_NE(notice.find("\nContent-Transfer-Encoding: 8bit\nMessage-Id:"), std::string::npos);
  EXPECT_NE(notice.find("\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n"), std::string::npos);
}

TEST(Compose, LocalPartsAreQuotedWhereTheyMustBe) {
  Case c{.envelope = SampleEnvelope("\"al odd\"@example.test"), .outcomes = {Refused("\"fail odd x\"@dsn.example")}};
  const std::string notice = c.WriteOne();
  EXPECT_NE(notice.find("\nTo: \"al odd\"@example.test\n"), std::string::npos);
  EXPECT_NE(notice.find("\nX-Postfix-Sender: rfc822; \"al odd\"@example.test\n"), std::string::npos);
  EXPECT_NE(notice.find("\nFinal-Recipient: rfc822; \"fail odd x\"@dsn.example\nOriginal-Recipient: rfc822;\"fail odd "
                        "x\"@dsn.example\n"),
            std::string::npos);
  EXPECT_NE(notice.find("\nReturn-Path: <\"al odd\"@example.test>\n"), std::string::npos);
}

TEST(Compose, ThreadedBouncesReferToTheMessage) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.settings.enable_threaded_bounces = true;
  EXPECT_NE(
      c.WriteOne().find(
          "\nTo: alice@example.test\nReferences: <orig@example.test>\nIn-Reply-To: <orig@example.test>\nAuto-Sub"),
      std::string::npos);
  for (const char* odd : {"Message-ID: none\n\nx\n", "Message-ID: <a b>\n\nx\n", "Message-ID: <a\n\tb>\n\n",
                          "Subject: x\n\nMessage-ID: <a@b>\n"}) {
    c.message = odd;
    EXPECT_NE(c.WriteOne().find("\nTo: alice@example.test\nAuto-Sub"), std::string::npos) << odd;
  }
}

// The boundary is chosen again where it occurs; a long host name is cut to RFC 2046's 70 octets.
TEST(Compose, TheBoundaryBoundsNothingElse) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.message = std::string(kSampleMessage) +
              "\n--58363A7A461.1795526821/mail.example.test--\n58363A7A461.1795526821.1/mail.example.test\n";
  EXPECT_NE(c.WriteOne().find("\tboundary=\"58363A7A461.1795526821.2/mail.example.test\"\n"), std::string::npos);
  c.message = std::string(kSampleMessage);
  c.settings.myhostname = "a-very-long-label-indeed.another-long-label.and-one-more-of-them.mail.example.test";
  EXPECT_NE(
      c.WriteOne().find("\tboundary=\"58363A7A461.1795526821/a-very-long-label-indeed.another-long-label.and\"\n"),
      std::string::npos);
}

TEST(Compose, MailNameNamesTheFieldsOfOurOwn) {
  Case c{.outcomes = {Waiting("x@dead.example")}};
  c.outcomes[0].fate = Fate::kFailed;
  c.settings.mail_name = "My Mail (2)";
  const std::string notice = c.WriteOne();
  EXPECT_NE(notice.find("\nX-My-Mail--2--Queue-ID: 58363A7A461\nX-My-Mail--2--Sender: rfc822; "), std::string::npos);
  EXPECT_NE(notice.find("\nDiagnostic-Code: X-My-Mail--2-; connect to"), std::string::npos);
}

TEST(Compose, TimesAreLocal) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  const Subject subject{.envelope = c.envelope, .message = c.message, .outcomes = c.outcomes};
  const Notice notice = Decide(c.envelope, c.outcomes, c.settings, c.moment).notices.at(0);
  const Writing writing{.id = "AA", .now = {.wall = c.moment.now, .utc_offset_seconds = 3600}};
  const std::string text = Compose(notice, subject, c.settings, DefaultTemplates(), writing);
  EXPECT_NE(text.find("\nDate: Tue, 24 Nov 2026 14:27:01 +0100\n"), std::string::npos);
  EXPECT_NE(text.find("\nMessage-Id: <20261124132701.AA@mail.example.test>\n"), std::string::npos)
      << "in UTC, as Postfix's";
}

TEST(NoticeEnvelope, AsksForNothing) {
  Case c{.outcomes = {Refused("fail1@dsn.example")}};
  c.envelope.ret = "FULL";
  c.envelope.envelope_id = "e";
  c.settings.notify_classes = kClassBounce;
  const auto notices = Decide(c.envelope, c.outcomes, c.settings, c.moment).notices;
  ASSERT_EQ(notices.size(), 2u);
  const queue::Envelope author = EnvelopeOf(notices[0], c.envelope, "ascii", SampleWriting());
  EXPECT_EQ(author.id, "6F320A7A1D3");
  EXPECT_EQ(author.arrived_us, SampleWriting().now.wall.us);
  EXPECT_TRUE(author.null_sender);
  EXPECT_EQ(author.ret + author.envelope_id, "");
  EXPECT_EQ(author.body, "7BIT");
  EXPECT_FALSE(author.smtputf8);
  ASSERT_EQ(author.recipients.size(), 1u);
  EXPECT_EQ(author.recipients[0].address.Key(), "alice@example.test");
  EXPECT_EQ(author.recipients[0].notify, 0);
  c.envelope.smtputf8 = true;
  const queue::Envelope copy = EnvelopeOf(notices[1], c.envelope, "\xc3\xbc", SampleWriting());
  EXPECT_FALSE(copy.null_sender);
  EXPECT_EQ(copy.sender.Key(), "double-bounce@mail.example.test");
  EXPECT_EQ(copy.recipients.at(0).address.Key(), "postmaster@example.test");
  EXPECT_EQ(copy.body, "8BITMIME");
  EXPECT_TRUE(copy.smtputf8);
}

}  // namespace
}  // namespace postern::notice
