// Goal: an administrator's words are taken as bounce(5) describes, and what is wrong in them is said where it stands.
// Method: the manual's example, each restriction it names.
#include "core/notice/templates.h"

#include <gtest/gtest.h>

#include "tests/core/notice/sample.h"

namespace postern::notice {
namespace {

std::string ErrorOf(std::string_view file) {
  const auto parsed = ParseTemplates(file);
  return parsed.ok() ? "(fine)" : std::string(Message(parsed.status()));
}

TEST(Templates, AFileReplacesWhatItNames) {
  const auto parsed = ParseTemplates(
      "# ours\n"
      "\n"
      "failure_template = <<EOF\n"
      "charset: utf-8\n"
      "From: Post <post@example.net>\n"
      "Subject: Nicht zugestellt\n"
      "Postmaster-Subject: Kopie\n"
      "\n"
      "Hier ist $myhostname.\n"
      "  Gr\xc3\xbc\xc3\x9f"
      "e: \\ bleibt\n"
      "EOF\n"
      "verify_template = <<X\r\n"
      "only text\r\n"
      "X\r\n"
      "delay_template = <<ENDE\n"
      "Subject: Warte\n"
      "\n"
      "nach $delay_warning_time_hours\n"
      "ENDE");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->failure, (Template{.charset = "utf-8",
                                       .from = "Post <post@example.net>",
                                       .subject = "Nicht zugestellt",
                                       .postmaster_subject = "Kopie",
                                       .text = "Hier ist $myhostname.\n  Gr\xc3\xbc\xc3\x9f"
                                               "e: \\ bleibt\n"}));
  EXPECT_EQ(parsed->delay.subject, "Warte");
  EXPECT_EQ(parsed->delay.postmaster_subject, "Postmaster Warning: Delayed Mail") << "what is not given stays";
  EXPECT_EQ(parsed->delay.text, "nach $delay_warning_time_hours\n");
  EXPECT_EQ(parsed->success, DefaultTemplates().success);
  EXPECT_EQ(ParseTemplates("").value(), DefaultTemplates());
}

TEST(Templates, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_EQ(ErrorOf("\nbounce_template = <<EOF\nEOF\n").substr(0, 14), "line 2: write ");
  EXPECT_EQ(ErrorOf("failure_template = text\n"), "line 1: write failure_template = <<EOF");
  EXPECT_EQ(ErrorOf("failure_template = <<\n"), "line 1: write failure_template = <<EOF");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\nSubject: x\n\ntext\n"),
            "line 4: the template does not end; write a line EOF");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\nX-Header: x\n\nEOF\n"),
            "line 2: a template's header has Charset, From, Subject and Postmaster-Subject");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\nSubject:\n\nEOF\n"), "line 2: Subject needs a value");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\nSubject: \xc3\xbc\n\nEOF\n"), "line 2: a template's header is ASCII");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\n\n\xc3\xbc\nEOF\n"),
            "line 4: text beyond ASCII needs a Charset field: utf-8");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\n\nfor $nobody\nEOF\n"),
            "line 3: $nobody stands for nothing here; a dollar is written $$");
  EXPECT_EQ(ErrorOf("failure_template = <<EOF\n\n5 $\nEOF\n"),
            "line 3: $ stands for nothing here; a dollar is written $$");
}

TEST(Templates, NamesStandForValues) {
  Settings settings = SampleSettings();
  settings.delay_warning_time = Seconds(4 * 3600 + 59);
  settings.maximal_queue_lifetime = Seconds(15 * 86400);
  EXPECT_EQ(ExpandTemplate("$myhostname ${mydomain} $(myorigin)-$mail_name.", settings),
            "mail.example.test example.test example.test-Postfix.");
  EXPECT_EQ(
      ExpandTemplate("$delay_warning_time_seconds $delay_warning_time_minutes $delay_warning_time_hours", settings),
      "14459 240 4");
  EXPECT_EQ(ExpandTemplate("$maximal_queue_lifetime_days $maximal_queue_lifetime_weeks", settings), "15 2");
  EXPECT_EQ(ExpandTemplate("$$5 $ $unknown ${open", settings), "$5 $ $unknown ${open");
}

TEST(Templates, TheBuiltInOnesAreGood) {
  for (const NoticeKind kind : {NoticeKind::kFailure, NoticeKind::kDelay, NoticeKind::kSuccess}) {
    const Template& words = DefaultTemplates().For(kind);
    EXPECT_EQ(words.charset, "us-ascii");
    EXPECT_TRUE(ParseTemplates("failure_template = <<EOF\n\n" + words.text + "EOF\n").ok());
    EXPECT_TRUE(words.text.starts_with("This is the mail system at host $myhostname.\n\n"));
    EXPECT_TRUE(words.text.ends_with("\n\n                   The mail system\n"));
  }
}

std::string FromLine(const std::string& from) {
  Templates templates = DefaultTemplates();
  templates.failure.from = from;
  const queue::Envelope envelope = SampleEnvelope();
  const std::vector<Outcome> outcomes = {Refused("a@x.example")};
  const Notice notice = Decide(envelope, outcomes, SampleSettings(), At(0)).notices.at(0);
  const std::string text = Compose(notice, {.envelope = envelope, .message = kSampleMessage, .outcomes = outcomes},
                                   SampleSettings(), templates, SampleWriting());
  const size_t begin = text.find("\nFrom: ") + 7;
  return text.substr(begin, text.find('\n', begin) - begin);
}

TEST(Templates, FromIsCompletedAndElseKept) {
  EXPECT_EQ(FromLine("MAILER-DAEMON (Mail Delivery System)"), "MAILER-DAEMON@example.test (Mail Delivery System)");
  EXPECT_EQ(FromLine("\"The (old) system\" <daemon>"), "\"The (old) system\" <daemon@example.test>");
  EXPECT_EQ(FromLine("Post <post@example.net>"), "Post <post@example.net>");
  EXPECT_EQ(FromLine("post@example.net (Post)"), "post@example.net (Post)");
}

TEST(Templates, AreUsed) {
  const auto templates =
      ParseTemplates("failure_template = <<EOF\nCharset: iso-8859-1\nFrom: robot\nSubject: Oh\n\nHi $$\nEOF\n");
  ASSERT_TRUE(templates.ok());
  const queue::Envelope envelope = SampleEnvelope();
  const std::vector<Outcome> outcomes = {Refused("a@x.example")};
  const Notice notice = Decide(envelope, outcomes, SampleSettings(), At(0)).notices.at(0);
  const Subject subject{.envelope = envelope, .message = kSampleMessage, .outcomes = outcomes};
  const std::string text = Compose(notice, subject, SampleSettings(), *templates, SampleWriting());
  EXPECT_NE(text.find("\nFrom: robot@example.test\nSubject: Oh\n"), std::string::npos);
  EXPECT_NE(
      text.find(
          "\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nHi $\n\n<a@x.example>: "),
      std::string::npos);
}

}  // namespace
}  // namespace postern::notice
