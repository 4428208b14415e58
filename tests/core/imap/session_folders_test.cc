// Goal: mailbox names and lists as Dovecot 2.3.19 shows them. Method: dialogues in a world of memory; the expected
// answers were observed on Dovecot, but for the order of lines, which is by name here.
#include <gtest/gtest.h>

#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

class SessionFolders : public testing::Test {
 protected:
  void SetUp() override { client_ = &world_.LogIn(); }
  std::string Do(std::string_view line) { return world_.Command(*client_, line); }

  ImapWorld world_;
  ImapWorld::Client* client_ = nullptr;
};

TEST_F(SessionFolders, RootAndNamespace) {
  EXPECT_EQ(Do("a LIST \"\" \"\""), "* LIST (\\Noselect) \".\" \"\"\r\na OK List completed.\r\n");
  EXPECT_EQ(Do("b LIST \"foo.bar\" \"\""), "* LIST (\\Noselect) \".\" foo.\r\nb OK List completed.\r\n");
  EXPECT_EQ(Do("c LSUB \"\" \"\""), "c OK Lsub completed.\r\n");
  EXPECT_EQ(Do("d NAMESPACE"), "* NAMESPACE ((\"\" \".\")) NIL NIL\r\nd OK Namespace completed.\r\n");
}

TEST_F(SessionFolders, CreateRefusals) {
  EXPECT_EQ(Do("a CREATE foo"), "a OK Create completed.\r\n");
  EXPECT_EQ(Do("b CREATE foo"), "b NO [ALREADYEXISTS] Mailbox already exists.\r\n");
  EXPECT_EQ(Do("c CREATE INBOX"), "c NO [ALREADYEXISTS] Mailbox already exists.\r\n");
  EXPECT_EQ(Do("d CREATE a&b"), "d NO Mailbox name is not valid mUTF-7.\r\n");
  EXPECT_EQ(Do("e CREATE \"\""), "e NO [CANNOT] Invalid mailbox name: Name is empty.\r\n");
  EXPECT_EQ(Do("f CREATE .lead"), "f NO [CANNOT] Invalid mailbox name: Begins with hierarchy separator.\r\n");
  EXPECT_EQ(Do("g CREATE trail."), "g OK Create completed.\r\n");
}

TEST_F(SessionFolders, PlainList) {
  for (const char* name : {"foo", "foo.bar", "x.y.z", "\"foo*\"", "Sent"}) Do("c CREATE " + std::string(name));
  EXPECT_EQ(Do("a LIST \"\" *"),
            "* LIST (\\HasNoChildren) \".\" INBOX\r\n* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n"
            "* LIST (\\HasChildren) \".\" foo\r\n* LIST (\\HasNoChildren) \".\" \"foo*\"\r\n"
            "* LIST (\\HasNoChildren) \".\" foo.bar\r\n* LIST (\\Noselect \\HasChildren) \".\" x\r\n"
            "* LIST (\\Noselect \\HasChildren) \".\" x.y\r\n* LIST (\\HasNoChildren) \".\" x.y.z\r\na OK List "
            "completed.\r\n");
  EXPECT_EQ(Do("b LIST \"\" x.%"), "* LIST (\\Noselect \\HasChildren) \".\" x.y\r\nb OK List completed.\r\n");
  EXPECT_EQ(Do("c LIST \"\" InBox*"), "* LIST (\\HasNoChildren) \".\" INBOX\r\nc OK List completed.\r\n");
  EXPECT_EQ(Do("d LIST \"\" a&b"), "d OK List completed.\r\n");
}

TEST_F(SessionFolders, ExtendedList) {
  for (const char* name : {"foo", "foo.bar", "x.y.z", "Sent"}) Do("c CREATE " + std::string(name));
  for (const char* name : {"foo.bar", "x.y.z", "inbox"}) {
    EXPECT_EQ(Do("s SUBSCRIBE " + std::string(name)), "s OK Subscribe completed.\r\n");
  }
  EXPECT_EQ(
      Do("a LIST \"\" (foo x.*)"),
      "* LIST () \".\" foo\r\n* LIST (\\NonExistent) \".\" x.y\r\n* LIST () \".\" x.y.z\r\na OK List completed.\r\n");
  EXPECT_EQ(Do("b LIST (SUBSCRIBED) \"\" *"),
            "* LIST (\\Subscribed) \".\" INBOX\r\n* LIST (\\Subscribed) \".\" foo.bar\r\n* LIST (\\Subscribed) \".\" "
            "x.y.z\r\n"
            "b OK List completed.\r\n");
  EXPECT_EQ(Do("c LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %"),
            "* LIST (\\Subscribed) \".\" INBOX\r\n* LIST () \".\" foo (CHILDINFO (\"SUBSCRIBED\"))\r\n"
            "* LIST (\\NonExistent) \".\" x (CHILDINFO (\"SUBSCRIBED\"))\r\nc OK List completed.\r\n");
  EXPECT_EQ(Do("d LIST \"\" % RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES UNSEEN))"),
            "* LIST (\\Subscribed \\HasNoChildren) \".\" INBOX\r\n* STATUS INBOX (MESSAGES 0 UNSEEN 0)\r\n"
            "* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n* STATUS Sent (MESSAGES 0 UNSEEN 0)\r\n"
            "* LIST (\\HasChildren) \".\" foo\r\n* STATUS foo (MESSAGES 0 UNSEEN 0)\r\n"
            "* LIST (\\NonExistent \\HasChildren) \".\" x\r\nd OK List completed.\r\n");
  EXPECT_EQ(Do("e LIST (SPECIAL-USE) \"\" *"), "* LIST (\\Sent) \".\" Sent\r\ne OK List completed.\r\n");
  EXPECT_EQ(Do("f LIST (RECURSIVEMATCH) \"\" *"),
            "f BAD Error in IMAP command LIST: RECURSIVEMATCH must not be the only selection.\r\n");
}

TEST_F(SessionFolders, Subscriptions) {
  Do("c CREATE foo.bar");
  Do("c CREATE x.y.z");
  Do("s SUBSCRIBE foo.bar");
  Do("s SUBSCRIBE x.y.z");
  EXPECT_EQ(Do("a SUBSCRIBE nope"), "a NO Mailbox doesn't exist: nope.\r\n");
  EXPECT_EQ(Do("b LSUB \"\" *"), "* LSUB () \".\" foo.bar\r\n* LSUB () \".\" x.y.z\r\nb OK Lsub completed.\r\n");
  EXPECT_EQ(Do("c LSUB \"\" %"),
            "* LSUB (\\Noselect) \".\" foo\r\n* LSUB (\\Noselect) \".\" x\r\nc OK Lsub completed.\r\n");
  EXPECT_EQ(Do("d UNSUBSCRIBE nope"), "d OK Unsubscribe completed.\r\n");
  EXPECT_EQ(Do("e DELETE foo.bar"), "e OK Delete completed.\r\n");
  // What is gone stays subscribed (RFC 3501 section 6.3.6).
  EXPECT_EQ(Do("f LSUB \"\" f*"), "* LSUB () \".\" foo.bar\r\nf OK Lsub completed.\r\n");
}

TEST_F(SessionFolders, RenameAndDelete) {
  Do("c CREATE foo");
  Do("c CREATE foo.bar");
  EXPECT_EQ(Do("a RENAME foo new"), "a OK Rename completed.\r\n");
  EXPECT_EQ(Do("b LIST \"\" new*"),
            "* LIST (\\HasChildren) \".\" new\r\n* LIST (\\HasNoChildren) \".\" new.bar\r\nb OK List completed.\r\n");
  EXPECT_EQ(Do("c RENAME nope x"), "c NO [NONEXISTENT] Mailbox doesn't exist: nope.\r\n");
  EXPECT_EQ(Do("d RENAME new new.bar"), "d NO [ALREADYEXISTS] Target mailbox already exists.\r\n");
  EXPECT_EQ(Do("e RENAME new new"), "e NO [ALREADYEXISTS] Can't rename mailbox to itself.\r\n");
  EXPECT_EQ(Do("f DELETE INBOX"), "f NO INBOX can't be deleted.\r\n");
  EXPECT_EQ(Do("g DELETE P&AOg-re"), "g NO [NONEXISTENT] Mailbox doesn't exist: P\xc3\xa8re.\r\n");
  EXPECT_EQ(Do("h DELETE new.bar"), "h OK Delete completed.\r\n");
}

TEST_F(SessionFolders, PatternsAreBounded) {
  std::string many, too_many;
  for (int i = 0; i < 1000; ++i) many += "*a* ";
  for (int i = 0; i < 6000; ++i) too_many += "*a* ";
  EXPECT_EQ(Do("a LIST \"\" (" + many + ")"), "a OK List completed.\r\n");
  EXPECT_EQ(Do("b LIST \"\" (" + too_many + ")"), "b BAD Error in IMAP command LIST: Too many patterns.\r\n");
}

TEST_F(SessionFolders, RenameOfWhatIsOnlyAParent) {
  Do("c CREATE x.y.z");
  EXPECT_EQ(Do("a RENAME x w"), "a OK Rename completed.\r\n");
  EXPECT_EQ(Do("b LIST \"\" w*"),
            "* LIST (\\Noselect \\HasChildren) \".\" w\r\n* LIST (\\Noselect \\HasChildren) \".\" w.y\r\n"
            "* LIST (\\HasNoChildren) \".\" w.y.z\r\nb OK List completed.\r\n");
  EXPECT_EQ(Do("c RENAME x v"), "c NO [NONEXISTENT] Mailbox doesn't exist: x.\r\n");
}

TEST_F(SessionFolders, RenameOfAnInboxThatIsNotThereYet) {
  EXPECT_EQ(Do("a RENAME INBOX old"), "a OK Rename completed.\r\n");
  EXPECT_EQ(Do("b STATUS old (MESSAGES)"), "* STATUS old (MESSAGES 0)\r\nb OK Status completed.\r\n");
  EXPECT_NE(Do("c SELECT INBOX").find("* 0 EXISTS\r\n"), std::string::npos);
}

TEST_F(SessionFolders, Status) {
  world_.Deliver("u1", "", "Subject: a\n\nx\n");
  const std::string answer = Do("a STATUS INBOX (SIZE UNSEEN MESSAGES UIDNEXT RECENT)");
  EXPECT_EQ(answer, "* STATUS INBOX (MESSAGES 1 RECENT 1 UIDNEXT 2 UNSEEN 1 SIZE 17)\r\na OK Status completed.\r\n");
  EXPECT_EQ(Do("b STATUS nope (MESSAGES)"), "b NO Mailbox doesn't exist: nope.\r\n");
  EXPECT_EQ(Do("c STATUS INBOX (FOO)"), "c BAD Error in IMAP command STATUS: Invalid status item FOO.\r\n");
  Do("d SELECT INBOX");
  EXPECT_EQ(Do("e STATUS INBOX (MESSAGES)"),
            "* STATUS INBOX (MESSAGES 1)\r\ne OK [CLIENTBUG] Status on selected mailbox completed.\r\n");
}

}  // namespace
}  // namespace postern::imap
