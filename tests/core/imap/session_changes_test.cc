// Goal: what one session does another one is told, when RFC 3501 lets it be told; IDLE; the end of sessions.
// Method: two sessions of one account in a world of memory.
#include <gtest/gtest.h>

#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

class SessionChanges : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 4; ++i) world_.Deliver("u1", "", "Subject: m" + std::to_string(i) + "\n\nbody\n");
    mine_ = &world_.LogIn();
    world_.Command(*mine_, "s SELECT INBOX");
    theirs_ = &world_.LogIn();
    world_.Command(*theirs_, "s SELECT INBOX");
  }
  std::string Mine(std::string_view line) { return world_.Command(*mine_, line); }
  std::string Theirs(std::string_view line) { return world_.Command(*theirs_, line); }

  ImapWorld world_;
  ImapWorld::Client* mine_ = nullptr;
  ImapWorld::Client* theirs_ = nullptr;
};

TEST_F(SessionChanges, FlagsAreToldAtTheNextCommand) {
  Theirs("a STORE 2 +FLAGS (\\Flagged)");
  EXPECT_EQ(world_.Take(*mine_), "");  // nothing without a command
  EXPECT_EQ(Mine("b NOOP"), "* 2 FETCH (FLAGS (\\Flagged \\Recent))\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(Mine("c NOOP"), "c OK NOOP completed.\r\n");
}

TEST_F(SessionChanges, SilentHidesOnlyWhatTheClientDidItself) {
  EXPECT_EQ(Mine("a STORE 1:2 +FLAGS.SILENT (\\Seen)"), "a OK Store completed.\r\n");
  EXPECT_EQ(Mine("b STORE 1 +FLAGS.SILENT (\\Answered)"), "b OK Store completed.\r\n");
  Theirs("c STORE 2 +FLAGS (\\Flagged)");
  EXPECT_EQ(Mine("d STORE 1:3 +FLAGS.SILENT (\\Deleted)"),
            "* 2 FETCH (FLAGS (\\Flagged \\Deleted \\Seen \\Recent))\r\nd OK Store completed.\r\n");
  EXPECT_EQ(Mine("e NOOP"), "e OK NOOP completed.\r\n");
}

TEST_F(SessionChanges, NumbersDoNotShiftDuringFetchStoreSearch) {
  Theirs("a STORE 2 +FLAGS.SILENT (\\Deleted)");
  Mine("b NOOP");
  Theirs("c EXPUNGE");
  // RFC 3501 section 7.4.1: no EXPUNGE while FETCH, STORE or SEARCH is in progress.
  EXPECT_EQ(Mine("d FETCH 4 UID"), "* 4 FETCH (UID 4)\r\nd OK Fetch completed.\r\n");
  EXPECT_EQ(Mine("e SEARCH UID 3:4"), "* SEARCH 3 4\r\ne OK Search completed.\r\n");
  EXPECT_EQ(Mine("f STORE 4 +FLAGS.SILENT (\\Seen)"), "f OK Store completed.\r\n");
  EXPECT_EQ(Mine("g FETCH 2 FLAGS"), "g NO [EXPUNGEISSUED] Some of the requested messages no longer exist.\r\n");
  EXPECT_EQ(Mine("h UID FETCH 4 UID"), "* 4 FETCH (UID 4)\r\n* 2 EXPUNGE\r\n* 3 RECENT\r\nh OK Fetch completed.\r\n");
  EXPECT_EQ(Mine("i FETCH 3 UID"), "* 3 FETCH (UID 4)\r\ni OK Fetch completed.\r\n");
}

TEST_F(SessionChanges, NumbersDoNotShiftWhereStoreFails) {
  Theirs("a STORE 2 +FLAGS.SILENT (\\Deleted)");
  Mine("b NOOP");
  Theirs("c EXPUNGE");
  world_.failing_paths.insert("/mail/u1/cur");
  const std::string answer = Mine("d STORE 4 +FLAGS.SILENT (\\Flagged)");
  EXPECT_TRUE(answer.starts_with("d NO [OVERQUOTA] ")) << answer;
  world_.failing_paths.clear();
  EXPECT_EQ(Mine("e NOOP"), "* 2 EXPUNGE\r\n* 3 RECENT\r\ne OK NOOP completed.\r\n");
}

TEST_F(SessionChanges, CopyOfWhatIsPartlyGoneCopiesNothing) {
  Mine("a CREATE other");
  Theirs("a STORE 2 +FLAGS.SILENT (\\Deleted)");
  Mine("b NOOP");
  Theirs("c EXPUNGE");
  EXPECT_EQ(Mine("d COPY 1:3 other"),
            "* 2 EXPUNGE\r\n* 3 RECENT\r\nd NO [EXPUNGEISSUED] Some of the requested messages no longer exist.\r\n");
  EXPECT_EQ(Mine("e STATUS other (MESSAGES)"), "* STATUS other (MESSAGES 0)\r\ne OK Status completed.\r\n");
  EXPECT_EQ(Mine("f UID COPY 2 other"), "f OK No messages found.\r\n");
}

TEST_F(SessionChanges, NewMailIsToldWithAnyCommand) {
  world_.Deliver("u1", "", "Subject: new\n\nx\n");
  EXPECT_EQ(Mine("a FETCH 1 UID"), "* 1 FETCH (UID 1)\r\n* 5 EXISTS\r\n* 5 RECENT\r\na OK Fetch completed.\r\n");
}

TEST_F(SessionChanges, NewMailDuringAnAppendIsToldAtItsEnd) {
  EXPECT_EQ(world_.Say(*mine_, "a APPEND INBOX {10+}\r\n12345"), "");
  world_.Deliver("u1", "", "Subject: new\n\nx\n");
  const std::string answer = WithoutTimes(world_.Say(*mine_, "67890\r\n"));
  EXPECT_TRUE(answer.starts_with("* 6 EXISTS\r\n* 6 RECENT\r\na OK [APPENDUID ")) << answer;
}

TEST_F(SessionChanges, IdleTellsAtOnce) {
  EXPECT_EQ(world_.Command(*mine_, "a IDLE"), "+ idling\r\n");
  world_.Deliver("u1", "", "Subject: new\n\nx\n");
  EXPECT_EQ(world_.Take(*mine_), "* 5 EXISTS\r\n* 5 RECENT\r\n");
  Theirs("b STORE 1 +FLAGS.SILENT (\\Seen \\Deleted)");
  EXPECT_EQ(world_.Take(*mine_), "* 1 FETCH (FLAGS (\\Deleted \\Seen \\Recent))\r\n");
  Theirs("c EXPUNGE");
  EXPECT_EQ(world_.Take(*mine_), "* 1 EXPUNGE\r\n* 4 RECENT\r\n");
  EXPECT_EQ(world_.Command(*mine_, "DONE"), "a OK Idle completed.\r\n");
}

TEST_F(SessionChanges, IdleSaysThatItLives) {
  world_.Command(*mine_, "a IDLE");
  world_.Advance(Seconds(119));
  EXPECT_EQ(world_.Take(*mine_), "");
  world_.Advance(Seconds(1));
  EXPECT_EQ(world_.Take(*mine_), "* OK Still here\r\n");
  // Dovecot keeps idling clients: who takes the notices is there.
  world_.Advance(Seconds(3600));
  EXPECT_FALSE(mine_->closed);
  // The other session did nothing for half an hour.
  EXPECT_TRUE(theirs_->closed);
  EXPECT_EQ(world_.Take(*theirs_), "* BYE Disconnected for inactivity.\r\n");
}

TEST_F(SessionChanges, IdleOfAClientThatIsGoneEnds) {
  world_.Command(*mine_, "a IDLE");
  mine_->hold_drain = true;
  world_.Advance(Seconds(1801));
  EXPECT_TRUE(mine_->closed);
}

TEST_F(SessionChanges, IdleWantsDone) {
  world_.Command(*mine_, "a IDLE");
  EXPECT_EQ(world_.Command(*mine_, "b NOOP"), "a BAD Expected DONE.\r\n");
  world_.Command(*mine_, "c IDLE");
  EXPECT_EQ(world_.Command(*mine_, "done"), "c OK Idle completed.\r\n");
}

TEST_F(SessionChanges, IdleWithoutAMailbox) {
  Mine("a UNSELECT");
  EXPECT_EQ(Mine("b IDLE"), "+ idling\r\n");
  EXPECT_EQ(world_.Command(*mine_, "DONE"), "b OK Idle completed.\r\n");
}

TEST_F(SessionChanges, IdleOutputIsBoundedWhenTheClientStalls) {
  world_.Command(*mine_, "a IDLE");
  mine_->hold_drain = true;
  size_t bytes = 0;
  for (int i = 0; i < 20'000; ++i) {
    Theirs(i % 2 == 0 ? "b STORE 1:* +FLAGS.SILENT (\\Flagged)" : "b STORE 1:* -FLAGS.SILENT (\\Flagged)");
    bytes += world_.Take(*mine_).size();
  }
  EXPECT_LT(bytes, kUnsentBytesMax + 1000);
}

TEST_F(SessionChanges, DeletedMailboxEndsItsSessions) {
  Mine("a CREATE gone");
  Mine("b SELECT gone");
  EXPECT_EQ(Theirs("c DELETE gone"), "c OK Delete completed.\r\n");
  EXPECT_EQ(world_.Take(*mine_), "* BYE Selected mailbox was deleted, have to disconnect.\r\n");
  EXPECT_TRUE(mine_->closed);
  Theirs("d CREATE own");
  Theirs("e SELECT own");
  EXPECT_EQ(Theirs("f DELETE own"),
            "f OK Delete completed.\r\n* BYE Selected mailbox was deleted, have to disconnect.\r\n");
}

TEST_F(SessionChanges, ShutdownSaysGoodbye) {
  world_.Command(*mine_, "a IDLE");
  world_.Say(*theirs_, "b APPEND INBOX {10+}\r\n12345");
  world_.Shut();
  EXPECT_EQ(world_.Take(*mine_), "* BYE Server shutting down.\r\n");
  EXPECT_FALSE(theirs_->closed);  // its message may still come
  const std::string answer = world_.Say(*theirs_, "67890\r\n");
  EXPECT_NE(answer.find("b OK [APPENDUID "), std::string::npos);
  EXPECT_TRUE(answer.ends_with("* BYE Server shutting down.\r\n"));
}

TEST_F(SessionChanges, PipelinedCommandsAreAnsweredInOrder) {
  EXPECT_EQ(
      WithoutTimes(
          world_.Say(*mine_, "a FETCH 1 UID\r\nb STORE 1 +FLAGS.SILENT (\\Seen)\r\nc FETCH 1 FLAGS\r\nd NOOP\r\n")),
      "* 1 FETCH (UID 1)\r\na OK Fetch completed.\r\nb OK Store completed.\r\n* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n"
      "c OK Fetch completed.\r\nd OK NOOP completed.\r\n");
}

TEST_F(SessionChanges, PipelinedInputIsBounded) {
  world_.hold_plans = true;
  world_.Say(*mine_, "a CREATE x\r\n");
  std::string noops;
  for (int i = 0; i < 10'000; ++i) noops += "n NOOP\r\n";
  world_.Say(*mine_, noops);
  EXPECT_TRUE(mine_->paused);
  world_.hold_plans = false;
  world_.Run();
  EXPECT_FALSE(mine_->paused);
  const std::string answer = world_.Take(*mine_);
  EXPECT_EQ(std::count(answer.begin(), answer.end(), '\n'), 10'001);
}

TEST_F(SessionChanges, IdleSessionIsSmall) {
  auto& client = world_.LogIn("u2");
  EXPECT_LT(sizeof(*client.session), 1536u);
}

}  // namespace
}  // namespace postern::imap
