// Goal: the facts for the laws of outgoing mail are read right from notices, hosts' books, spool files and log lines.
// Method: each made by the code that the server makes it with, or as a session with a host leaves it.
#include "sim/campaign/outbound_facts.h"

#include <gtest/gtest.h>

#include "core/queue/journal.h"
#include "core/queue/queue_file.h"

namespace postern::sim {
namespace {

constexpr std::string_view kNotice =
    "From: MAILER-DAEMON@mail.example.test\n"
    "Subject: Undelivered Mail Returned to Sender\n"
    "Content-Type: multipart/report; report-type=delivery-status;\n"
    "Message-Id: <n1@mail.example.test>\n"
    "\n"
    "--x\n"
    "Content-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; mail.example.test\n"
    "X-Postfix-Queue-ID: 4A1B\n\n"
    "Final-Recipient: rfc822; b@far.example\n"
    "Action: failed\n"
    "Status: 5.1.1\n\n"
    "Final-Recipient: rfc822; c@far.example\n"
    "Action: delayed\n\n"
    "--x\n"
    "Content-Type: message/rfc822\n\n"
    "From: alice@example.test\n"
    "Message-Id: <m1@client.example.org>\n"
    "Subject: canary-17-\n\nbody\n";

std::string QueueFileOf(queue::Envelope envelope, std::string_view message) {
  std::string text = queue::FormatEnvelope(envelope) + std::string(message);
  queue::Checksum checksum;
  checksum.Add(text);
  return text + queue::FormatTrailer(message.size(), checksum);
}

void Take(RemoteHost& host, std::string_view sender, std::string_view message) {
  const auto session = host.Accept(Instant{} + Seconds(9), 3);
  RemoteActions out;
  session->OnConnected(&out);
  const std::string bytes = "EHLO a\r\nMAIL FROM:<" + std::string(sender) + ">\r\nRCPT TO:<b@far.example>\r\nDATA\r\n";
  session->OnBytes(bytes, Instant{} + Seconds(9), &out);
  std::string wire;
  for (const char c : message) wire += c == '\n' ? std::string("\r\n") : std::string(1, c);
  session->OnBytes(wire + ".\r\n", Instant{} + Seconds(9), &out);
}

TEST(OutboundFacts, NoticesTellWhatFailed) {
  const auto failures = FailuresIn(kNotice, "alice@example.test");
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].notice, "<n1@mail.example.test>");
  EXPECT_EQ(failures[0].to, "alice@example.test");
  EXPECT_EQ(failures[0].canary, "canary-17-");
  EXPECT_EQ(failures[0].recipient, "b@far.example");
  EXPECT_EQ(failures[0].about, "4A1B");
  EXPECT_TRUE(FailuresIn("Subject: canary-17-\n\nbody\n", "alice@example.test").empty());
}

TEST(OutboundFacts, PromisesAreWhatWasAnswered250) {
  using Outcome = Submission::Outcome;
  Ledger ledger;
  ledger.NewSubmission() = {.canary = "canary-local-", .outcome = Outcome::kAccepted};
  for (const Outcome outcome :
       {Outcome::kAccepted, Outcome::kSent, Outcome::kDeferred, Outcome::kRefused, Outcome::kNone}) {
    ledger.NewSubmission() = {
        .canary = "canary-17-", .remote_addresses = {"b@far.example"}, .sender = "a@b.example", .outcome = outcome};
  }
  OutboundFacts facts;
  AddPromises(ledger, &facts);
  std::string told;
  for (const Promised& promised : facts.promised) told += promised.no_reply ? '?' : promised.refused ? '-' : '+';
  EXPECT_EQ(told, "++?---");  // also what is for this host alone: it may come to wait, too
}

TEST(OutboundFacts, BooksAreMailAndNotices) {
  RemoteHost host("mx.far.example", {}, 1);
  Take(host, "alice@example.test", "Subject: canary-17-\n\nbody\n");
  Take(host, "", kNotice);
  host.ReplyTold(0);
  OutboundFacts facts;
  AddBooks(host, &facts);
  ASSERT_EQ(facts.carried.size(), 1u);
  EXPECT_EQ(facts.carried[0].canary, "canary-17-");
  EXPECT_EQ(facts.carried[0].recipient, "b@far.example");
  EXPECT_EQ(facts.carried[0].process, 3u);
  EXPECT_TRUE(facts.carried[0].reply_told);
  ASSERT_EQ(facts.told.size(), 1u);
  EXPECT_EQ(facts.told[0].to, "b@far.example");
}

TEST(OutboundFacts, SpoolIsWhatIsNotDone) {
  queue::Envelope mail{.id = "4A1B2C3D4E51", .arrived_us = 5, .sender = {"alice", "example.test"}};
  for (const char* local : {"b", "c"}) {
    mail.recipients.push_back({.address = {local, "far.example"}, .transport = "smtp", .original = "x@y.example"});
  }
  queue::Envelope notice{.id = "4A1B2C3D4E52",
                         .null_sender = true,
                         .recipients = {{.address = {"alice", "example.test"}, .transport = "virtual"}}};
  const std::string message = QueueFileOf(mail, "Subject: canary-17-\n\nbody\n");
  OutboundFacts facts;
  AddSpool({{"deferred/4A1B2C3D4E51", message},
            {"incoming/4A1B2C3D4E51", message},
            {"incoming/4A1B2C3D4E52", QueueFileOf(notice, kNotice)},
            {"incoming/4A1B2C3D4E53", "torn"},
            {"tmp/4A1B2C3D4E54", message},
            {"journal/4A1B2C3D4E51", queue::FormatDone(0)}},
           &facts);
  ASSERT_EQ(facts.waiting.size(), 1u);
  EXPECT_EQ(facts.waiting[0].canary, "canary-17-");
  EXPECT_EQ(facts.waiting[0].recipient, "c@far.example");
  EXPECT_EQ(facts.waiting[0].arrived.us, 5);
  ASSERT_EQ(facts.told.size(), 1u);
  EXPECT_EQ(facts.told[0].recipient, "b@far.example");
}

TEST(OutboundFacts, NoticesWithoutAnOriginalAreKnownByQueueId) {
  OutboundFacts facts{.promised = {{.canary = "m0"}, {.canary = "m1", .queue_id = "4A1B"}},
                      .told = {{.canary = "m0", .recipient = "a"},
                               {.recipient = "b", .about = "4A1BA"},
                               {.recipient = "c", .about = "4A1C"}}};
  FindWhatNoticesAreAbout(&facts);
  ASSERT_EQ(facts.told.size(), 2u);
  EXPECT_EQ(facts.told[0].canary, "m0");
  EXPECT_EQ(facts.told[1].canary, "m1");
}

TEST(OutboundFacts, NoticesAreReadFromTheLog) {
  OutboundFacts facts;
  const auto line = [&](std::string tag, std::string text) {
    AddNoticeLine({.tag = std::move(tag), .text = std::move(text)}, Instant{} + Seconds(5), 2, &facts);
  };
  line("postfix/bounce", "4A1B: sender delay notification: 4A1C");
  line("postfix/bounce", "4A1B: sender non-delivery notification: 4A1D");
  line("postfix/smtp", "4A1B: to=<b@far.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)");
  ASSERT_EQ(facts.notices.size(), 1u);
  const NoticeWritten& notice = facts.notices.at("4A1D");
  EXPECT_EQ(notice.about, "4A1B");
  EXPECT_EQ(notice.at, Instant{} + Seconds(5));
  EXPECT_EQ(notice.process, 2u);
  line("postfix/smtp", "4A1D: to=<a@b.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (no)");
  EXPECT_FALSE(notice.lost);
  line("postfix/qmgr", "4A1D: from=<>, status=expired, returned to sender");
  EXPECT_TRUE(notice.lost);
}

TEST(OutboundFacts, TriesAreReadFromTheLog) {
  const auto tried =
      ReadTry({.text = "4A1B: to=<b@far.example>, orig_to=<x>, relay=none, delay=1, dsn=4.4.1, status=deferred (no)"});
  ASSERT_TRUE(tried);
  EXPECT_EQ(tried->id, "4A1B");
  EXPECT_EQ(tried->recipient, "b@far.example");
  EXPECT_TRUE(tried->deferred);
  EXPECT_FALSE(
      ReadTry({.text = "4A1B: to=<b@far.example>, relay=none, dsn=5.1.1, status=bounced (deferred )"})->deferred);
  EXPECT_FALSE(ReadTry({.text = "4A1B: from=<a@b.example>, size=3, nrcpt=1 (queue active)"}));
  EXPECT_FALSE(ReadTry({.text = "connect from x: to=<y>, status=deferred"}));
}

}  // namespace
}  // namespace postern::sim
