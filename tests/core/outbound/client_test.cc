// Goal: the client's dialogue is Postfix's, from the greeting to QUIT, with each failure told to each recipient in
// Postfix's words. Method: scripts of a server (client_fixture.h). client_peer_test.cc has the dialogues of a real
// Postfix.
#include "core/outbound/client.h"

#include <gtest/gtest.h>

#include "tests/core/outbound/client_fixture.h"

namespace postern::outbound {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kHello =
    "S: 220 mx.example.test ESMTP\n"
    "C: EHLO client.example.test\n";
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

TEST(ClientDialogue, DeliversOneCommandAtATimeWithoutPipelining) {
  Talk talk;
  talk.Start(TestJob({"u1", "u2"}));
  EXPECT_EQ(talk.Play(Script(kPlain,
                             "C: MAIL FROM:<sender@example.org>\n"
                             "S: 250 2.1.0 Ok\n"
                             "C: RCPT TO:<u1@example.test>\n"
                             "S: 250 2.1.5 Ok\n"
                             "C: RCPT TO:<u2@example.test>\n"
                             "S: 250 2.1.5 Ok\n"
                             "C: DATA\n"
                             "S: 354 go on\n"
                             "C: .\n"
                             "S: 250 2.0.0 Ok: queued as 4X\n"
                             "C: QUIT\n")),
            "");
  EXPECT_EQ(talk.data, "Subject: x\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(Told(talk),
            (Lines{"0 sent 2.0.0 end: 250 2.0.0 Ok: queued as 4X", "1 sent 2.0.0 end: 250 2.0.0 Ok: queued as 4X"}));
  EXPECT_EQ(talk.closed_count, 1);
  EXPECT_EQ(talk.done[0].relay, "mx.example.test[192.0.2.1]:25");
  EXPECT_FALSE(talk.dialogue.deadline());
}

// RFC 2920: MAIL, RCPT and DATA leave together, and QUIT behind the dot.
TEST(ClientDialogue, GroupsCommandsWherePipeliningIsOffered) {
  Talk talk;
  talk.Start(TestJob({"u1", "u2"}));
  EXPECT_EQ(talk.Play(Script(kPipelining,
                             "C: MAIL FROM:<sender@example.org>\n"
                             "C: RCPT TO:<u1@example.test>\n"
                             "C: RCPT TO:<u2@example.test>\n"
                             "C: DATA\n"
                             "S: 250 Ok\n"
                             "S: 550 5.1.1 <u1@example.test>: User unknown\n"
                             "S: 250 Ok\n"
                             "S: 354 go on\n"
                             "C: .\n"
                             "C: QUIT\n"
                             "S: 250 Ok\n")),
            "");
  EXPECT_EQ(
      Told(talk),
      (Lines{"0 failed 5.1.1 rcpt: host mx.example.test[192.0.2.1] said: 550 5.1.1 <u1@example.test>: User unknown "
             "(in reply to RCPT TO command)",
             "1 sent 2.0.0 end: 250 Ok"}));
  EXPECT_EQ(talk.done[0].code, 550);
  EXPECT_EQ(talk.done[0].remote_mta, "mx.example.test");
  EXPECT_EQ(talk.done[0].reply, "550 5.1.1 <u1@example.test>: User unknown");
}

// RFC 2920 section 3.1 and Postfix: at most 4096 bytes unanswered, and all of them answered before more is sent.
TEST(ClientDialogue, NeverHasMoreThanItsWindowUnanswered) {
  std::vector<std::string> names;
  for (int i = 0; i < 400; ++i) names.push_back("recipient-number-" + std::to_string(i));
  Talk talk;
  talk.Start(TestJob(names));
  EXPECT_EQ(talk.Play(kPipelining, false), "");
  size_t groups = 0;
  while (talk.dialogue.deadline() && talk.wire.find("DATA") == std::string::npos) {
    EXPECT_LE(talk.sent.size(), kGroupBytesMax);
    EXPECT_GT(talk.sent.size(), kGroupBytesMax - 100);
    size_t commands = std::count(talk.sent.begin(), talk.sent.end(), '\n');
    talk.sent.clear();
    ++groups;
    for (size_t i = 0; i + 1 < commands; ++i) talk.Server("250 Ok\r\n");
    EXPECT_EQ(talk.sent, "");
    talk.Server("250 Ok\r\n");
  }
  EXPECT_GT(groups, 3u);
}

TEST(ClientDialogue, FallsBackToHelo) {
  Talk talk;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kHello,
                             "S: 502 5.5.1 what?\n"
                             "C: HELO client.example.test\n"
                             "S: 250 mx.example.test\n"
                             "C: MAIL FROM:<sender@example.org>\n")),
            "");
  EXPECT_FALSE(talk.dialogue.features().esmtp);
}

TEST(ClientDialogue, SendsHeloFirstOnlyWhereToldTo) {
  ClientSettings settings = TestSettings();
  settings.always_send_ehlo = false;
  Talk plain(settings), esmtp(settings);
  plain.Start(TestJob());
  esmtp.Start(TestJob());
  EXPECT_EQ(plain.Play("S: 220 mx.example.test\nC: HELO client.example.test\n"), "");
  EXPECT_EQ(esmtp.Play("S: 220 mx.example.test ESMTP\nC: EHLO client.example.test\n"), "");
}

TEST(ClientDialogue, SendsHeloToAMaskedGreeting) {
  Talk talk;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play("S: 220 ********0**2***\nC: HELO client.example.test\n"), "");
}

TEST(ClientDialogue, RefusedGreetingsAreTemporary) {
  Talk talk;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play("S: 554-5.7.1 no\nS: 554 5.7.1 way\nC: QUIT\n"), "");
  EXPECT_EQ(Told(talk), Lines{"0 deferred 4.7.1 helo: host mx.example.test[192.0.2.1] refused to talk to me: "
                              "554-5.7.1 no 554 5.7.1 way"});
  EXPECT_TRUE(talk.done[0].blames_host);

  ClientSettings settings = TestSettings();
  settings.skip_5xx_greeting = false;
  Talk strict(settings);
  strict.Start(TestJob());
  EXPECT_EQ(strict.Play("S: 554 no\nC: QUIT\n"), "");
  EXPECT_EQ(strict.done[0].fate, Fate::kFailed);
}

TEST(ClientDialogue, KnowsItself) {
  ClientServer server = TestServer();
  server.detect_loop = true;
  Talk talk(TestSettings(), server);
  Job job = TestJob();
  job.nexthop = "example.test";
  talk.Start(job);
  EXPECT_EQ(
      talk.Play("S: 220 Client.example.test ESMTP\nC: EHLO client.example.test\nS: 250 CLIENT.example.test\nC: QUIT\n"),
      "");
  EXPECT_EQ(Told(talk), Lines{"0 deferred 4.4.6 helo: mail for example.test loops back to myself"});
}

TEST(ClientDialogue, ARefusedSenderFailsAllRecipientsAndResets) {
  Talk talk;
  talk.Start(TestJob({"u1", "u2"}));
  EXPECT_EQ(talk.Play(Script(kPipelining,
                             "C: MAIL FROM:<sender@example.org>\n"
                             "C: RCPT TO:<u1@example.test>\n"
                             "C: RCPT TO:<u2@example.test>\n"
                             "C: DATA\n"
                             "S: 451 4.7.1 later\n"
                             "S: 503 5.5.1 need MAIL\n"
                             "S: 503 5.5.1 need MAIL\n"
                             "S: 503 5.5.1 need RCPT\n"
                             "C: RSET\n"
                             "C: QUIT\n")),
            "");
  const std::string text =
      " deferred 4.7.1 mail: host mx.example.test[192.0.2.1] said: 451 4.7.1 later (in reply to MAIL FROM command)";
  EXPECT_EQ(Told(talk), (Lines{"0" + text, "1" + text}));
  EXPECT_FALSE(talk.done[0].blames_host);
}

// RFC 2920 section 3.1: 354 although nobody is left. The message must not be sent.
TEST(ClientDialogue, SendsAnEmptyMessageWhereNobodyIsLeftAfter354) {
  Talk talk;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kPipelining,
                             "C: MAIL FROM:<sender@example.org>\n"
                             "C: RCPT TO:<u1@example.test>\n"
                             "C: DATA\n"
                             "S: 250 Ok\n"
                             "S: 550 5.1.1 no\n"
                             "S: 354 go on\n"
                             "C: .\n"
                             "C: QUIT\n"
                             "S: 250 Ok, nobody gets it\n")),
            "");
  ASSERT_EQ(talk.done.size(), 1u);
  EXPECT_EQ(talk.done[0].fate, Fate::kFailed);
}

TEST(ClientDialogue, DoesNotSendDataWhereAllRecipientsAreRefused) {
  Talk talk;
  Job job = TestJob();
  job.keep_open = true;
  talk.Start(job);
  EXPECT_EQ(talk.Play(Script(kPlain,
                             "C: MAIL FROM:<sender@example.org>\n"
                             "S: 250 Ok\n"
                             "C: RCPT TO:<u1@example.test>\n"
                             "S: 450 4.2.0 greylisted\n"
                             "C: RSET\n"
                             "S: 250 Ok\n")),
            "");
  EXPECT_EQ(talk.done[0].fate, Fate::kDeferred);
  EXPECT_EQ(talk.ready_count, 1);
  talk.Deliver(TestJob());
  EXPECT_EQ(talk.Play("C: MAIL FROM:<sender@example.org>\n"), "");
}

// A refusal with a positive code means that both sides don't understand each other.
TEST(ClientDialogue, PositiveRepliesToDataAreProtocolErrors) {
  Talk talk;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kPlain,
                             "C: MAIL FROM:<sender@example.org>\n"
                             "S: 250 Ok\n"
                             "C: RCPT TO:<u1@example.test>\n"
                             "S: 250 Ok\n"
                             "C: DATA\n"
                             "S: 250 Ok\n"
                             "C: RSET\n"
                             "S: 250 Ok\n"
                             "C: QUIT\n")),
            "");
  EXPECT_EQ(Told(talk),
            Lines{"0 failed 5.5.0 data: Protocol error: host mx.example.test[192.0.2.1] said: 250 Ok (in reply to "
                  "DATA command)"});
}

// ---- extensions ---------------------------------------------------------------------------------------------------

Job FullJob() {
  Job job = TestJob();
  job.size_bytes = 1234;
  job.body = smtp::BodyKind::k8BitMime;
  job.envelope_id = "id+1";
  job.ret = smtp::Return::kHeaders;
  job.recipients[0].original_recipient = "rfc822;first=one@example.test";
  job.recipients[0].notify = smtp::kNotifySuccess | smtp::kNotifyDelay;
  return job;
}

TEST(ClientDialogue, SendsParametersOnlyWhereOffered) {
  Talk all, none;
  all.Start(FullJob());
  none.Start(FullJob());
  EXPECT_EQ(all.Play(Script(kHello,
                            "S: 250-mx\nS: 250-SIZE 100000\nS: 250-8BITMIME\nS: 250-DSN\nS: 250 PIPELINING\n"
                            "C: MAIL FROM:<sender@example.org> SIZE=1234 BODY=8BITMIME ENVID=id+2B1 RET=HDRS\n"
                            "C: RCPT TO:<u1@example.test> ORCPT=rfc822;first+3Done@example.test NOTIFY=SUCCESS,DELAY\n"
                            "C: DATA\n")),
            "");
  EXPECT_EQ(
      none.Play(Script(
          kHello,
          "S: 250-mx\nS: 250 HELP\nC: MAIL FROM:<sender@example.org>\nS: 250 Ok\nC: RCPT TO:<u1@example.test>\n")),
      "");
}

TEST(ClientDialogue, TheNullSenderAndTheOriginalName) {
  Talk talk;
  Job job = TestJob();
  job.null_sender = true;
  job.recipients[0].original = "alias@example.test";
  talk.Start(job);
  EXPECT_EQ(talk.Play(Script(kHello,
                             "S: 250-mx\nS: 250 DSN\nC: MAIL FROM:<>\nS: 250 Ok\n"
                             "C: RCPT TO:<u1@example.test> ORCPT=rfc822;alias@example.test\n")),
            "");
}

TEST(ClientDialogue, IgnoresDiscardedKeywords) {
  ClientSettings settings = TestSettings();
  settings.discard_ehlo_keywords = {"pipelining", "dsn"};
  Talk talk(settings);
  talk.Start(FullJob());
  EXPECT_EQ(talk.Play(Script(kHello,
                             "S: 250-mx\nS: 250-DSN\nS: 250-8BITMIME\nS: 250 PIPELINING\nC: MAIL "
                             "FROM:<sender@example.org> BODY=8BITMIME\n")),
            "");
}

TEST(ClientDialogue, FailsWhatIsTooLargeBeforeSendingIt) {
  Talk talk;
  Job job = TestJob();
  job.size_bytes = 1001;
  talk.Start(job);
  EXPECT_EQ(talk.Play(Script(kHello, "S: 250-mx\nS: 250 SIZE 1000\nC: QUIT\n")), "");
  EXPECT_EQ(
      Told(talk),
      Lines{"0 failed 5.3.4 mail: message size 1001 exceeds size limit 1000 of server mx.example.test[192.0.2.1]"});
  Talk fits;
  job.size_bytes = 1000;
  fits.Start(job);
  EXPECT_EQ(fits.Play(Script(
                kHello, "S: 250-mx\nS: 250-8BITMIME\nS: 250 SIZE 1000\nC: MAIL FROM:<sender@example.org> SIZE=1000\n")),
            "");
}

TEST(ClientDialogue, SizeZeroAndNonsenseAreNoLimits) {
  for (const char* size : {"SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999"}) {
    Talk talk;
    talk.Start(TestJob());
    EXPECT_EQ(talk.Play(Script(kHello, std::string("S: 250-mx\nS: 250-8BITMIME\nS: 250 ") + size +
                                           "\nC: MAIL FROM:<sender@example.org> SIZE=100\n")),
              "")
        << size;
  }
}

TEST(ClientDialogue, SmtpUtf8IsNeededOrNot) {
  Job needs = TestJob();
  needs.smtputf8 = true;
  needs.recipients[0].address.local = "j\xC3\xBCrgen";
  Talk without, with, unneeded;
  without.Start(needs);
  EXPECT_EQ(without.Play(Script(kPlain, "C: QUIT\n")), "");
  EXPECT_EQ(Told(without),
            Lines{"0 failed 5.6.7 helo: SMTPUTF8 is required, but was not offered by host mx.example.test[192.0.2.1]"});
  with.Start(needs);
  EXPECT_EQ(with.Play(Script(kHello,
                             "S: 250-mx\nS: 250 SMTPUTF8\nC: MAIL FROM:<sender@example.org> SMTPUTF8\nS: 250 Ok\n"
                             "C: RCPT TO:<j\xC3\xBCrgen@example.test>\n")),
            "");
  EXPECT_TRUE(with.dialogue.features().eight_bit_mime);
  Job ascii = TestJob();
  ascii.smtputf8 = true;
  unneeded.Start(ascii);
  EXPECT_EQ(unneeded.Play(Script(kPlain, "C: MAIL FROM:<sender@example.org>\n")), "");
}

// RFC 6533 section 3.
TEST(ClientDialogue, Utf8OriginalRecipients) {
  Talk talk;
  Job job = TestJob();
  job.smtputf8 = true;
  job.recipients[0].original = "j\xC3\xBC@example.test";
  talk.Start(job);
  EXPECT_EQ(
      talk.Play(Script(kHello,
                       "S: 250-mx\nS: 250-DSN\nS: 250 SMTPUTF8\nC: MAIL FROM:<sender@example.org> SMTPUTF8\nS: 250 Ok\n"
                       "C: RCPT TO:<u1@example.test> ORCPT=utf-8;j\\x{FC}@example.test\n")),
      "");
}

TEST(ClientDialogue, ConvertsForAServerOfSevenBits) {
  Talk talk;
  talk.message = "Content-Transfer-Encoding: 8bit\n\nj\xC3\xBC\n";
  talk.Start(FullJob());
  EXPECT_EQ(talk.Play(Script(kHello,
                             "S: 250-mx\nS: 250 SIZE\n"
                             "C: MAIL FROM:<sender@example.org>\n"  // the size is another one now
                             "S: 250 Ok\nC: RCPT TO:<u1@example.test>\nS: 250 Ok\nC: DATA\nS: 354\nC: .\n")),
            "");
  EXPECT_EQ(talk.data, "Content-Transfer-Encoding: quoted-printable\r\n\r\nj=C3=BC\r\n.\r\n");
}

// ---- nothing gets into the command stream -------------------------------------------------------------------------

TEST(ClientDialogue, RefusesAddressesThatWouldBreakTheLine) {
  for (const std::string& local :
       {std::string("u\r\nRSET"), std::string("u\n"), std::string("u\0x", 3), std::string()}) {
    Talk talk;
    Job job = TestJob({"u1", "u2"});
    job.recipients[0].address.local = local;
    talk.Start(job);
    EXPECT_EQ(
        talk.Play(Script(kPipelining, "C: MAIL FROM:<sender@example.org>\nC: RCPT TO:<u2@example.test>\nC: DATA\n")),
        "");
    EXPECT_EQ(Told(talk), Lines{"0 failed 5.1.3 rcpt: bad recipient address syntax"});
  }
  for (const std::string domain : {"example.test>\r\nDATA", "a> SIZE=1", "a b", "a\tb"}) {
    Talk talk;
    Job job = TestJob();
    job.sender.domain = domain;
    talk.Start(job);
    EXPECT_EQ(talk.Play(Script(kPipelining, "C: QUIT\n")), "");
    EXPECT_EQ(Told(talk), Lines{"0 failed 5.1.7 mail: bad sender address syntax"});
  }
}

TEST(ClientDialogue, QuotesLocalParts) {
  Talk talk;
  talk.Start(TestJob({"a b>c"}));
  EXPECT_EQ(talk.Play(Script(kPipelining,
                             "C: MAIL FROM:<sender@example.org>\nC: RCPT TO:<\"a b>c\"@example.test>\nC: DATA\n")),
            "");
}

TEST(ClientDialogue, StuffsDotsAndMendsLineEnds) {
  Talk talk;
  talk.message = ".a\n..\nb\rc\n.\r.\nno end";
  for (size_t piece = 1; piece < talk.message.size(); ++piece) {
    DataWriter writer(998);
    std::string out;
    for (size_t at = 0; at < talk.message.size(); at += piece)
      writer.Feed(std::string_view(talk.message).substr(at, piece), &out);
    writer.Finish(&out);
    EXPECT_EQ(out, "..a\r\n...\r\nb c\r\n.. .\r\nno end\r\n.\r\n");
  }
}

TEST(ClientDialogue, FoldsLongLines) {
  for (size_t length : {998u, 999u, 1995u, 1996u}) {
    DataWriter writer(998);
    std::string out;
    writer.Feed(std::string(length, 'x') + "\n", &out);
    writer.Finish(&out);
    std::string wanted = std::string(std::min<size_t>(length, 998), 'x');
    if (length > 998) wanted += "\r\n " + std::string(std::min<size_t>(length - 998, 997), 'x');
    if (length > 1995) wanted += "\r\n " + std::string(length - 1995, 'x');
    EXPECT_EQ(out, wanted + "\r\n.\r\n") << length;
    EXPECT_EQ(writer.folded(), length > 998);
  }
}

}  // namespace
}  // namespace postern::outbound
