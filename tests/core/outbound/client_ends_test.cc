// Goal: however a connection ends, whoever talks out of turn, whatever is reused: each recipient is told once, and
// rightly. Method: scripts of a server (client_fixture.h), cut off, silent, noisy.
#include <gtest/gtest.h>

#include "core/outbound/client.h"
#include "tests/core/outbound/client_fixture.h"

namespace postern::outbound {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kPlain =
    "S: 220 mx.example.test ESMTP\n"
    "C: EHLO client.example.test\n"
    "S: 250-mx.example.test\n"
    "S: 250 8BITMIME\n";
constexpr std::string_view kPipelining =
    "S: 220 mx.example.test ESMTP\n"
    "C: EHLO client.example.test\n"
    "S: 250-mx.example.test\n"
    "S: 250-8BITMIME\n"
    "S: 250 PIPELINING\n";

std::string Script(std::string_view a, std::string_view b) { return std::string(a) + std::string(b); }

// ---- broken connections -------------------------------------------------------------------------------------------

TEST(ClientDialogue, SaysWhereTheConnectionWasLost) {
  const std::string steps[][2] = {
      {"", "receiving the initial server greeting"},
      {"S: 220 mx ESMTP\nC: EHLO client.example.test\n", "performing the EHLO handshake"},
      {"S: 250 mx\nC: MAIL FROM:<sender@example.org>\n", "sending MAIL FROM"},
      {"S: 250 Ok\nC: RCPT TO:<u1@example.test>\n", "sending RCPT TO"},
      {"S: 250 Ok\nC: DATA\n", "sending DATA command"},
      {"S: 354\nC: .\n", "sending end of data -- message may be sent more than once"},
  };
  std::string script;
  for (const auto& [step, where] : steps) {
    script += step;
    Talk lost, timed_out;
    lost.Start(TestJob());
    EXPECT_EQ(lost.Play(script + "closed\n"), "");
    ASSERT_EQ(lost.done.size(), 1u);
    EXPECT_EQ(lost.done[0].text, "lost connection with mx.example.test[192.0.2.1] while " + where);
    EXPECT_EQ(lost.done[0].status, "4.4.2");
    EXPECT_EQ(lost.done[0].fate, Fate::kDeferred);
    timed_out.Start(TestJob());
    EXPECT_EQ(timed_out.Play(script + "tick 3000\n"), "");
    ASSERT_EQ(timed_out.done.size(), 1u);
    EXPECT_EQ(timed_out.done[0].text, "conversation with mx.example.test[192.0.2.1] timed out while " + where);
    EXPECT_EQ(timed_out.closed_count, 1);
    EXPECT_TRUE(timed_out.closed_at_once) << where;
  }
}

TEST(ClientDialogue, EachStageHasItsOwnDeadline) {
  Talk talk;
  ClientTimeouts timeouts;
  const auto left = [&talk] { return *talk.dialogue.deadline() - talk.now(); };
  talk.Deliver(TestJob());
  talk.dialogue.OnConnecting(talk.moment());
  EXPECT_EQ(left(), timeouts.connect);
  ClientActions actions;
  talk.dialogue.OnConnected(talk.moment(), &actions);
  EXPECT_EQ(left(), timeouts.helo);
  talk.Play(kPlain);
  EXPECT_EQ(left(), timeouts.mail);
  talk.Play("tick 299\n", false);
  EXPECT_EQ(left(), Seconds(1));
  talk.Server("250 partly");  // a byte is a sign of life (without smtp_per_request_deadline)
  EXPECT_EQ(left(), timeouts.mail);
  talk.Server("\r\n");
  EXPECT_EQ(left(), timeouts.rcpt);
  talk.Server("250 Ok\r\n");
  EXPECT_EQ(left(), timeouts.data_init);
  talk.Server("354\r\n");
  EXPECT_EQ(left(), timeouts.data_done);
}

TEST(ClientDialogue, ADeadlineForTheWholeReply) {
  ClientSettings settings = TestSettings();
  settings.per_request_deadline = true;
  Talk talk(settings);
  talk.Start(TestJob());
  for (int i = 0; i < 29; ++i) {
    talk.Play("tick 10\n");
    talk.Server("220-still here\r\n");
  }
  EXPECT_TRUE(talk.done.empty());
  talk.Play("tick 10\n");
  EXPECT_EQ(talk.done.size(), 1u);
}

TEST(ClientDialogue, TellsWhyThereIsNoConnection) {
  Talk refused, slow;
  ClientActions actions;
  refused.Deliver(TestJob());
  refused.dialogue.OnConnecting(refused.moment());
  refused.dialogue.OnConnectFailed("Connection refused", &actions);
  refused.Absorb(actions);
  EXPECT_EQ(Told(refused),
            Lines{"0 deferred 4.4.1 connect: connect to mx.example.test[192.0.2.1]:25: Connection refused"});
  EXPECT_EQ(refused.done[0].relay, "none");
  slow.Deliver(TestJob());
  slow.dialogue.OnConnecting(slow.moment());
  slow.Play("tick 30\n");
  EXPECT_EQ(Told(slow),
            Lines{"0 deferred 4.4.1 connect: connect to mx.example.test[192.0.2.1]:25: Connection timed out"});
}

// ---- servers that talk out of turn --------------------------------------------------------------------------------

TEST(ClientDialogue, RepliesThatNobodyAskedForEndIt) {
  Talk early, late;
  early.Start(TestJob());
  early.Server("220 mx ESMTP\r\n250 mx\r\n250 Ok\r\n");
  EXPECT_EQ(Told(early), Lines{"0 deferred 4.7.0 helo: unexpected server message"});
  EXPECT_EQ(early.closed_count, 1);
  // During the message a 2xx would be taken for the answer to its dot.
  late.Start(TestJob());
  EXPECT_EQ(
      late.Play(Script(
          kPlain, "C: MAIL FROM:<sender@example.org>\nS: 250 Ok\nC: RCPT TO:<u1@example.test>\nS: 250 Ok\nC: DATA\n")),
      "");
  late.message.assign(100, 'x');
  late.piece_bytes = 0;  // never comes
  ClientActions actions;
  late.dialogue.OnBytes("354 go on\r\n", late.moment(), &actions);
  ASSERT_EQ(actions, ClientActions{NeedMessageBytes{}});
  late.Server("250 Ok, got it\r\n");
  EXPECT_EQ(Told(late), Lines{"0 deferred 4.7.0 end: unexpected server message"});
}

TEST(ClientDialogue, AnEarlyRefusalCountsForTheMessage) {
  Talk talk;
  talk.Start(TestJob());
  talk.Play(Script(kPlain,
                   "C: MAIL FROM:<sender@example.org>\nS: 250 Ok\nC: RCPT TO:<u1@example.test>\nS: 250 Ok\nC: DATA\n"));
  ClientActions actions;
  talk.dialogue.OnBytes("354 go on\r\n552 5.3.4 too big\r\n", talk.moment(), &actions);
  talk.message_fails = true;
  talk.Absorb(actions);
  EXPECT_EQ(Told(talk), Lines{"0 failed 5.3.4 end: host mx.example.test[192.0.2.1] said: 552 5.3.4 too big (in reply "
                              "to end of DATA command)"});
  EXPECT_TRUE(talk.dialogue.closed());
}

// With ".CRLF QUIT CRLF" under way and garbage instead of a reply, QUIT's 221 would look like the message's 2xx.
TEST(ClientDialogue, AGoodbyeIsNoSuccess) {
  Talk talk;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kPipelining,
                             "C: MAIL FROM:<sender@example.org>\nC: RCPT TO:<u1@example.test>\nC: DATA\n"
                             "S: 250 Ok\nS: 250 Ok\nS: 354\nC: .\nC: QUIT\nS: queued\nS: 221 bye\n")),
            "");
  EXPECT_EQ(Told(talk),
            Lines{"0 deferred 4.4.2 end: lost connection with mx.example.test[192.0.2.1] while sending end of data -- "
                  "message may be sent more than once"});
}

TEST(ClientDialogue, GarbageIsPassedOverButTheConnectionIsNotReused) {
  Talk talk;
  Job job = TestJob();
  job.keep_open = true;
  talk.Start(job);
  EXPECT_EQ(talk.Play(Script(
                kPlain,
                "C: MAIL FROM:<sender@example.org>\nS: \x01hello\nS: 250 Ok\nC: RCPT TO:<u1@example.test>\nS: 250 Ok\n"
                "C: DATA\nS: 354\nC: .\nS: 250 Ok\nC: QUIT\n")),
            "");
  EXPECT_EQ(talk.done[0].fate, Fate::kSent);
  EXPECT_EQ(talk.notes, Lines{"non-ESMTP response from mx.example.test[192.0.2.1]:25: ?hello"});
}

TEST(ClientDialogue, RepliesAreBounded) {
  const Lines without_end{
      "0 deferred 4.5.0 helo: host mx.example.test[192.0.2.1] sent a reply without end while receiving the initial "
      "server greeting"};
  Talk endless, endless_line, wide;
  endless.Start(TestJob());
  for (int i = 0; i < kReplyLinesMax && !endless.dialogue.closed(); ++i) endless.Server("220-more\r\n");
  EXPECT_EQ(Told(endless), without_end);
  endless_line.Start(TestJob());
  for (size_t bytes = 0; bytes <= kReplyBytesMax && !endless_line.dialogue.closed(); bytes += 1000)
    endless_line.Server(std::string(1000, '2'));
  EXPECT_EQ(Told(endless_line), without_end);
  wide.Start(TestJob());
  wide.Server("220 " + std::string(1'000'000, 'x') + "\r\n");
  EXPECT_EQ(wide.Play("C: EHLO client.example.test\n"), "");
  std::string refusal;
  for (int i = 0; i < 999; ++i) refusal += "421-" + std::string(100, 'x') + "\r\n";
  wide.Server(refusal + "421 x\r\n");
  ASSERT_EQ(wide.done.size(), 1u);
  EXPECT_LT(wide.done[0].text.size(), kReplyTextBytesMax + 100);
}

// ---- reuse --------------------------------------------------------------------------------------------------------

constexpr std::string_view kOneMore =
    "C: MAIL FROM:<sender@example.org>\nC: RCPT TO:<u1@example.test>\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354\nC: .\nS: "
    "250 Ok\n";

Job KeptOpen() {
  Job job = TestJob();
  job.keep_open = true;
  return job;
}

TEST(ClientDialogue, IsReusedUntilItIsOld) {
  Talk talk;
  talk.Start(KeptOpen());
  EXPECT_EQ(talk.Play(Script(kPipelining, kOneMore)), "");
  EXPECT_TRUE(talk.dialogue.accepts_job());
  EXPECT_EQ(*talk.dialogue.deadline() - talk.now(), Seconds(2));
  talk.Play("tick 1\n");
  talk.Deliver(KeptOpen());
  EXPECT_EQ(talk.Play(kOneMore), "");
  EXPECT_EQ(talk.ready_count, 2);
  EXPECT_EQ(talk.Play("tick 2\nC: QUIT\n"), "");
  EXPECT_EQ(talk.closed_count, 1);
  EXPECT_FALSE(talk.closed_at_once) << "QUIT leaves first";

  ClientSettings settings = TestSettings();
  settings.reuse_time_limit = Seconds(10);
  settings.timeouts.idle = Seconds(100);
  Talk old(settings);
  old.Start(KeptOpen());
  EXPECT_EQ(old.Play(Script(kPipelining, kOneMore)), "");
  old.Play("tick 10\n");
  old.Deliver(KeptOpen());
  EXPECT_EQ(old.Play("C: MAIL FROM:<sender@example.org>\nC: RCPT TO:<u1@example.test>\nC: DATA\nS: 250 Ok\nS: 250 "
                     "Ok\nS: 354\nC: .\nC: QUIT\nS: 250 Ok\n"),
            "");
}

TEST(ClientDialogue, ADeadConnectionLeavesTheNextJobUntried) {
  for (const char* end : {"closed\n", "S: 421 4.4.2 waited long enough\n", "tick 300\n"}) {
    Talk talk;
    talk.Start(KeptOpen());
    EXPECT_EQ(talk.Play(Script(kPipelining, kOneMore)), "");
    talk.done.clear();
    talk.Deliver(KeptOpen());
    talk.sent.clear();
    EXPECT_EQ(talk.Play(end), "");
    ASSERT_EQ(talk.done.size(), 1u) << end;
    EXPECT_EQ(talk.done[0].fate, Fate::kUntried) << end;
  }
  // Once MAIL is answered it is a transaction like any other.
  Talk talk;
  talk.Start(KeptOpen());
  talk.Play(Script(kPipelining, kOneMore));
  talk.done.clear();
  talk.Deliver(KeptOpen());
  talk.sent.clear();
  talk.Play("S: 250 Ok\nclosed\n");
  EXPECT_EQ(talk.done[0].fate, Fate::kDeferred);
}

TEST(ClientDialogue, AServerMayEndAWaitingConnection) {
  for (const char* end : {"closed\n", "S: 421 4.4.2 waited long enough\n"}) {
    Talk talk;
    talk.Start(KeptOpen());
    EXPECT_EQ(talk.Play(Script(kPipelining, kOneMore)), "");
    talk.done.clear();
    EXPECT_EQ(talk.Play(end), "");
    EXPECT_TRUE(talk.dialogue.closed());
    EXPECT_TRUE(talk.done.empty());
  }
}

// ---- LMTP ---------------------------------------------------------------------------------------------------------

TEST(ClientDialogue, LmtpHasAReplyForEachRecipient) {
  ClientSettings settings = TestSettings();
  settings.lmtp = true;
  Talk talk(settings, {.host = "client.example.test", .address = "private/lmtp"});
  talk.Start(TestJob({"u1", "u2", "u3"}));
  EXPECT_EQ(talk.Play("S: 220 lmtp\nC: LHLO client.example.test\nS: 250-lmtp\nS: 250-8BITMIME\nS: 250 PIPELINING\n"
                      "C: MAIL FROM:<sender@example.org>\nC: RCPT TO:<u1@example.test>\nC: RCPT TO:<u2@example.test>\n"
                      "C: RCPT TO:<u3@example.test>\nC: DATA\n"
                      "S: 250 Ok\nS: 250 Ok\nS: 550 5.1.1 no\nS: 250 Ok\nS: 354\nC: .\nC: QUIT\n"
                      "S: 250 2.0.0 saved\nS: 452 4.2.2 full\n"),
            "");
  const std::string host = "host client.example.test[private/lmtp] said: ";
  EXPECT_EQ(Told(talk), (Lines{"1 failed 5.1.1 rcpt: " + host + "550 5.1.1 no (in reply to RCPT TO command)",
                               "0 sent 2.0.0 end: 250 2.0.0 saved",
                               "2 deferred 4.2.2 end: " + host + "452 4.2.2 full (in reply to end of DATA command)"}));
  EXPECT_EQ(talk.done[1].relay, "client.example.test[private/lmtp]");
  EXPECT_EQ(talk.closed_count, 1);
}

TEST(ClientDialogue, LmtpRepliesThatNeverCome) {
  ClientSettings settings = TestSettings();
  settings.lmtp = true;
  Talk talk(settings);
  talk.Start(TestJob({"u1", "u2"}));
  EXPECT_EQ(
      talk.Play(
          "S: 220 lmtp\nC: LHLO client.example.test\nS: 250-x\nS: 250 8BITMIME\nC: MAIL FROM:<sender@example.org>\nS: "
          "250 Ok\n"
          "C: RCPT TO:<u1@example.test>\nS: 250 Ok\nC: RCPT TO:<u2@example.test>\nS: 250 Ok\nC: DATA\nS: 354\nC: .\n"
          "S: 250 Ok\nclosed\n"),
      "");
  EXPECT_EQ(Told(talk),
            (Lines{"0 sent 2.0.0 end: 250 Ok",
                   "1 deferred 4.4.2 end: lost connection with mx.example.test[192.0.2.1] while sending end of data -- "
                   "message may be sent more than once"}));
}

TEST(ClientDialogue, AMessageThatCannotBeReadIsTakenBack) {
  Talk talk;
  talk.message_fails = true;
  talk.Start(TestJob());
  talk.Play(Script(
      kPlain,
      "C: MAIL FROM:<sender@example.org>\nS: 250 Ok\nC: RCPT TO:<u1@example.test>\nS: 250 Ok\nC: DATA\nS: 354\n"));
  EXPECT_EQ(Told(talk), Lines{"0 deferred 4.3.0 end: local data error while talking to mx.example.test[192.0.2.1]"});
  EXPECT_FALSE(talk.data.ends_with("\r\n.\r\n"));
  EXPECT_EQ(talk.closed_count, 1);
}

}  // namespace
}  // namespace postern::outbound
