// The journal: what one line says, what counts when several speak of one recipient, and what a crash leaves.
#include "core/queue/journal.h"

#include <gtest/gtest.h>

namespace postern::queue {
namespace {

Envelope ThreeRecipients() {
  Envelope envelope;
  envelope.recipients.resize(3);
  return envelope;
}

Envelope After(std::string_view journal) {
  Envelope envelope = ThreeRecipients();
  ApplyJournal(journal, &envelope);
  return envelope;
}

TEST(Journal, LinesAreAsDocumented) {
  EXPECT_EQ(FormatDone(12), "done 12\n");
  EXPECT_EQ(FormatDeferred(0, "4.4.1", "connect to mx[192.0.2.1]:25: timed out"),
            "deferred 0 4.4.1 connect+20to+20mx[192.0.2.1]:25:+20timed+20out\n");
  EXPECT_EQ(FormatDelayTold(), "delay-told\n");
}

TEST(Journal, SaysWhoIsDoneWhoWaitsAndThatTheSenderKnows) {
  const Envelope envelope = After(FormatDone(1) + FormatDeferred(2, "4.2.0", "busy") + FormatDelayTold());
  EXPECT_FALSE(envelope.recipients[0].done);
  EXPECT_EQ(envelope.recipients[0].deferral, "");
  EXPECT_TRUE(envelope.recipients[1].done);
  EXPECT_FALSE(envelope.recipients[2].done);
  EXPECT_EQ(envelope.recipients[2].deferral_status, "4.2.0");
  EXPECT_EQ(envelope.recipients[2].deferral, "busy");
  EXPECT_TRUE(envelope.delay_told);
  EXPECT_FALSE(After(FormatDone(0)).delay_told);
}

TEST(Journal, TheLastReasonCounts) {
  const Envelope envelope = After(FormatDeferred(0, "4.4.1", "first") + FormatDeferred(0, "4.7.1", "second"));
  EXPECT_EQ(envelope.recipients[0].deferral_status, "4.7.1");
  EXPECT_EQ(envelope.recipients[0].deferral, "second");
}

TEST(Journal, WhoIsDoneHasNoReasonToWait) {
  for (const std::string& journal :
       {FormatDeferred(0, "4.4.1", "slow") + FormatDone(0), FormatDone(0) + FormatDeferred(0, "4.4.1", "slow")}) {
    const Envelope envelope = After(journal);
    EXPECT_TRUE(envelope.recipients[0].done);
    EXPECT_EQ(envelope.recipients[0].deferral, "");
    EXPECT_EQ(envelope.recipients[0].deferral_status, "");
  }
}

TEST(Journal, ReasonsOfRemoteHostsStayOneLineWhateverTheyAre) {
  const std::string text = "451 4.7.1 say\r\n\"no\" + = \xff\x7fx";
  const std::string line = FormatDeferred(1, "", text);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(line.find('\x7f'), std::string::npos);
  EXPECT_EQ(After(line).recipients[1].deferral, text);
  EXPECT_EQ(After(FormatDeferred(1, "-", "-")).recipients[1].deferral, "-");
  EXPECT_EQ(After(FormatDeferred(1, "4.0.0", std::string(5000, 'x'))).recipients[1].deferral.size(), kDeferralBytesMax);
}

TEST(Journal, WhatIsTornCountsForNothing) {
  const std::string whole = FormatDone(0) + FormatDeferred(1, "4.4.1", "a b") + FormatDelayTold();
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const size_t lines = whole.substr(0, cut).rfind('\n') + 1;  // npos + 1 is 0
    EXPECT_EQ(After(whole.substr(0, cut)), After(whole.substr(0, lines))) << cut;
  }
}

TEST(Journal, GoesOnAfterATornLineWithALineEnd) {
  for (const std::string torn : {"do", "done", "done 1", "deferred 0 4.4.1 conn", "delay-to"}) {
    EXPECT_TRUE(After(torn + "\n" + FormatDone(2)).recipients[2].done) << torn;
  }
}

TEST(Journal, NobodyIsDoneByALineThatIsNone) {
  for (const std::string line :
       {"done\n", "done \n", "done 3\n", "done -1\n", "done +1\n", "done 1 \n", "done 1 2\n", "Done 1\n", " done 1\n",
        "done 18446744073709551616\n", "done 1\r\n", "done 0x1\n", "\n", "delay-told \n", "deferred 1\n",
        "deferred 1 4.4.1\n", "deferred 1 4.4.1 a+2\n", "deferred 9 4.4.1 a\n", "deferred 1 4.4.1 \n"}) {
    EXPECT_EQ(After(line), ThreeRecipients()) << line;
  }
}

}  // namespace
}  // namespace postern::queue
