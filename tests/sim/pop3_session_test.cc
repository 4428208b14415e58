// Goal: a POP3 session says what Dovecot says, and deletes only at QUIT. Method: the session over a real account on the
// simulator's disk, with a directory that owns every user; dialogues as text.
#include <gtest/gtest.h>

#include "core/pop3/session.h"
#include "tests/sim/pop3_dialogue.h"

namespace postern::sim {
namespace {

TEST(Pop3Session, ServesAMailboxAsDovecotDoes) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s);
  EXPECT_EQ(dialogue.said(), "+OK Dovecot ready.\r\n");
  EXPECT_EQ(dialogue.Say(kLogin), "+OK\r\n+OK Logged in.\r\n");
  EXPECT_EQ(dialogue.Say("STAT\r\n"), "+OK 2 56\r\n");
  EXPECT_EQ(dialogue.Say("LIST\r\n"), "+OK 2 messages:\r\n1 31\r\n2 25\r\n.\r\n");
  // "%08Xu%08Xv": UID 94, UIDVALIDITY 0x6b000028, as a recorded Dovecot printed them.
  EXPECT_EQ(dialogue.Say("UIDL 1\r\n"), "+OK 1 0000005e6b000028\r\n");
  EXPECT_EQ(dialogue.Say("RETR 1\r\n"), "+OK 31 octets\r\nSubject: one\r\n\r\nbody 1\r\n..\r\n...\r\n.\r\n");
  EXPECT_EQ(dialogue.Say("TOP 2 1\r\n"), "+OK\r\nSubject: two\r\n\r\na\r\n.\r\n");
  EXPECT_EQ(dialogue.Say("TOP 2 0\r\n"), "+OK\r\nSubject: two\r\n\r\n.\r\n");
  EXPECT_EQ(dialogue.Say("RETR 3\r\n"), "-ERR There's no message 3.\r\n");
  EXPECT_EQ(dialogue.Say("DELE 1\r\nDELE 1\r\n"), "+OK Marked to be deleted.\r\n-ERR Message is deleted.\r\n");
  EXPECT_EQ(dialogue.Say("QUIT\r\n"), "+OK Logging out, messages deleted.\r\n");
  EXPECT_TRUE(dialogue.ended());
  EXPECT_EQ(disk.Files(MaildirOf(kUser) + "/cur").size(), 2u);  // .keep and the second message
}

TEST(Pop3Session, ABrokenConnectionDeletesNothing) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s);
  dialogue.Say(kLogin + "DELE 1\r\nDELE 2\r\n");
  dialogue.Step(PeerClosed{.conn = kConn});
  EXPECT_TRUE(dialogue.ended());
  EXPECT_EQ(disk.Files(MaildirOf(kUser) + "/cur").size(), 3u);
}

TEST(Pop3Session, TakesNoPasswordInPlaintext) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3);
  EXPECT_EQ(dialogue.Say("USER " + kUser + "\r\n"),
            "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n");
  // What is pipelined behind STLS in plaintext is thrown away (RFC 2595 section 4).
  EXPECT_EQ(dialogue.Say("STLS\r\nUSER mallory\r\n"), "+OK Begin TLS negotiation now.\r\n");
  EXPECT_TRUE(dialogue.wants_tls());
  dialogue.TlsUp();
  EXPECT_EQ(dialogue.Say("PASS x\r\n"), "-ERR No username given.\r\n");
  EXPECT_EQ(dialogue.Say(kLogin), "+OK\r\n+OK Logged in.\r\n");
}

TEST(Pop3Session, AnswersAWrongPasswordAndTooManyConnections) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue wrong(disk, kPop3s);
  EXPECT_EQ(wrong.Say("USER " + kUser + "\r\nPASS wrong\r\n"), "+OK\r\n-ERR [AUTH] Authentication failed.\r\n");
  EXPECT_EQ(wrong.Say(kLogin), "+OK\r\n+OK Logged in.\r\n");
  Dialogue full(disk, kPop3s);
  full.directory().full = true;
  EXPECT_TRUE(full.Say(kLogin).starts_with("+OK\r\n-ERR [IN-USE] Maximum number of connections"));
  EXPECT_TRUE(full.ended());
}

// Each answer is one that Dovecot 2.3.19 gave to the same line.
TEST(Pop3Session, SaysWhatIsWrongWithArguments) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s);
  dialogue.Say(kLogin);
  EXPECT_EQ(dialogue.Say("LIST x\r\nLIST 1x\r\nLIST 1 2\r\nLIST  1\r\n"),
            "-ERR Invalid message number: x\r\n-ERR Noise after message number: x\r\n"
            "-ERR Noise after message number:  2\r\n+OK 1 31\r\n");
  EXPECT_EQ(dialogue.Say("DELE 1 2\r\nRETR 1 2\r\nUIDL 99999999999999999999\r\nSTAT\r\n"),
            "-ERR Noise after message number:  2\r\n-ERR Noise after message number:  2\r\n"
            "-ERR Message number too large: 99999999999999999999\r\n+OK 2 56\r\n");
  EXPECT_EQ(dialogue.Say("TOP 1\r\nTOP 1 x\r\nTOP 1 -1\r\nTOP 1 99999999999999999999\r\nTOP\r\n"),
            "-ERR Noise after message number: \r\n-ERR Invalid size: x\r\n-ERR Invalid size: -1\r\n"
            "-ERR Size too large: 99999999999999999999\r\n-ERR Invalid message number: \r\n");
  EXPECT_EQ(dialogue.Say("\r\n NOOP\r\nLAST\r\nNOOP x\r\n"),
            "-ERR Unknown command.\r\n-ERR Unknown command.\r\n-ERR Unknown command: LAST\r\n+OK\r\n");
}

// A client that asks for something odd now and then is not thrown out, one that never says anything else is.
TEST(Pop3Session, BadCommandsCountInARow) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s);
  EXPECT_EQ(dialogue.Say("A\r\nA\r\nCAPA\r\nA\r\nA\r\n").find("Too many"), std::string::npos);
  dialogue.Say(kLogin);
  for (int i = 0; i < 60; ++i) dialogue.Say("XTND\r\nNOOP\r\n");
  EXPECT_FALSE(dialogue.ended());
  for (int i = 0; i < 20; ++i) dialogue.Say("XTND\r\n");
  EXPECT_FALSE(dialogue.ended());
  EXPECT_EQ(dialogue.Say("XTND\r\n"), "-ERR Unknown command: XTND\r\n-ERR Too many bad commands.\r\n");
  EXPECT_TRUE(dialogue.ended());
}

TEST(Pop3Session, AFailedPasswordNeedsAUserAgain) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s);
  EXPECT_EQ(dialogue.Say("USER " + kUser + "\r\nPASS wrong\r\nPASS " + PasswordOf(kUser) + "\r\n"),
            "+OK\r\n-ERR [AUTH] Authentication failed.\r\n-ERR No username given.\r\n");
}

TEST(Pop3Session, HidesWhatIsSecretWhateverThePieces) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s);
  dialogue.Say("US");
  dialogue.Say("ER " + kUser + "\r\nPASS one ");
  dialogue.Say("two\r");
  dialogue.Say("\nAUTH PLAIN\r\n");
  dialogue.Say("STAT\r\n");  // what stands where a response is due is one
  EXPECT_EQ(dialogue.redacted(), "one |two\r|PLAIN\r|STAT\r|");
}

// pop3_deleted_flag: what POP3 deletes stays for IMAP.
TEST(Pop3Session, AFlagInsteadOfDeletion) {
  Disk disk(1);
  PlantMail(disk);
  const auto flag = [](config::Config& config) {
    config.pop3.deleted_flag = "$POP3Deleted";
    config.pop3.delete_type_flag = true;
  };
  {
    Dialogue dialogue(disk, kPop3s, flag);
    EXPECT_EQ(dialogue.Say(kLogin + "RETR 1\r\nDELE 1\r\nQUIT\r\n").find("-ERR"), std::string::npos);
  }
  EXPECT_EQ(disk.Files(MaildirOf(kUser) + "/cur").size(), 3u);  // .keep and both
  Dialogue dialogue(disk, kPop3s, flag);
  dialogue.Say(kLogin);
  EXPECT_EQ(dialogue.Say("STAT\r\nUIDL\r\n"), "+OK 1 25\r\n+OK\r\n1 0000005f6b000028\r\n.\r\n");
  Dialogue other(disk, kPop3s);  // without the setting nothing is hidden
  other.Say(kLogin);
  EXPECT_EQ(other.Say("STAT\r\n"), "+OK 2 56\r\n");
}

TEST(Pop3Session, LastAndReset) {
  Disk disk(1);
  PlantMail(disk);
  const auto last = [](config::Config& config) { config.pop3.enable_last = true; };
  {
    Dialogue dialogue(disk, kPop3s, last);
    dialogue.Say(kLogin);
    EXPECT_EQ(dialogue.Say("LAST\r\n"), "+OK 0\r\n");
    dialogue.Say("RETR 2\r\nRETR 1\r\n");
    EXPECT_EQ(dialogue.Say("TOP 2 0\r\nLAST\r\n"), "+OK\r\nSubject: two\r\n\r\n.\r\n+OK 2\r\n");
    dialogue.Say("QUIT\r\n");
  }
  {
    Dialogue dialogue(disk, kPop3s, last);
    dialogue.Say(kLogin);
    EXPECT_EQ(dialogue.Say("LAST\r\nRSET\r\nLAST\r\nRETR 1\r\n"),
              "+OK 2\r\n+OK\r\n+OK 0\r\n+OK 31 octets\r\nSubject: one\r\n\r\nbody 1\r\n..\r\n...\r\n.\r\n");
    dialogue.Say("RSET\r\nQUIT\r\n");
  }
  Dialogue dialogue(disk, kPop3s, last);
  dialogue.Say(kLogin);
  EXPECT_EQ(dialogue.Say("LAST\r\n"), "+OK 0\r\n");
}

TEST(Pop3Session, OneSessionAtATime) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s, [](config::Config& config) { config.pop3.lock_session = true; });
  dialogue.directory().locks = 1;  // another session's
  EXPECT_EQ(dialogue.Say(kLogin), "+OK\r\n-ERR [IN-USE] Mailbox is locked by another POP3 session.\r\n");
  EXPECT_TRUE(dialogue.ended());
  EXPECT_EQ(dialogue.directory().locks, 1u);
}

TEST(Pop3Session, UidlsOfTheOldServerAndItsOrder) {
  Disk disk(1);
  PlantMail(disk);
  disk.Plant(MaildirOf(kUser) + "/cur/1700000003.M3P1.host:2,", "\n", 1);
  disk.Plant(MaildirOf(kUser) + "/dovecot-uidlist",
             "3 V1795162152 N97 G0123456789abcdef0123456789abcdef\n94 Pold :1700000001.M1P1.host\n"
             "95 P :1700000002.M1P1.host\n96 O1 :1700000003.M3P1.host\n",
             1);
  Dialogue dialogue(disk, kPop3s, [](config::Config& config) { config.storage.pop3_uidl_format = "%3.1v-%08Xu"; });
  dialogue.Say(kLogin);
  EXPECT_EQ(dialogue.Say("UIDL\r\n"), "+OK\r\n1 5-00000060\r\n2 old\r\n3 1700000002.M1P1.host\r\n.\r\n");
  EXPECT_EQ(dialogue.Say("LIST\r\n"), "+OK 3 messages:\r\n1 2\r\n2 31\r\n3 25\r\n.\r\n");
  dialogue.Say("DELE 1\r\nDELE 2\r\nQUIT\r\n");
  EXPECT_EQ(disk.Files(MaildirOf(kUser) + "/cur").size(), 2u);  // .keep and the second
}

TEST(Pop3Session, RenamedUidlsStayWhatTheyAre) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3s, [](config::Config& config) {
    config.storage.pop3_uidl_format = "%3f";
    config.pop3.uidl_duplicates = "rename";
  });
  dialogue.Say(kLogin);
  EXPECT_EQ(dialogue.Say("UIDL 2\r\nDELE 1\r\nUIDL\r\n"),
            "+OK 2 170-2\r\n+OK Marked to be deleted.\r\n+OK\r\n2 170-2\r\n.\r\n");
}

TEST(Pop3Session, Workarounds) {
  Disk disk(1);
  PlantMail(disk);
  disk.Plant(MaildirOf(kUser) + "/new/1700000003.M1P1.host", std::string("Subject: x\nX: a\0b", 17), 1);
  Dialogue dialogue(disk, kPop3s, [](config::Config& config) {
    config.pop3.client_workarounds = {"outlook-no-nuls", "oe-ns-eoh"};
  });
  dialogue.Say(kLogin);
  EXPECT_EQ(dialogue.Say("TOP 3 0\r\n"),
            "+OK\r\nSubject: x\r\nX: a\x80"
            "b\r\n\r\n.\r\n");
  EXPECT_EQ(dialogue.Say("TOP 2 0\r\n"), "+OK\r\nSubject: two\r\n\r\n.\r\n");
}

// A client that asks for a message and never takes it does not hold the mailbox for ever.
TEST(Pop3Session, AClientThatTakesNothingIsCutOff) {
  Disk disk(1);
  PlantMail(disk);
  disk.Plant(MaildirOf(kUser) + "/new/1700000003.M1P1.host", "Subject: x\n\n" + std::string(500'000, 'x') + "\n", 1);
  Dialogue dialogue(disk, kPop3s);
  dialogue.Say(kLogin);
  dialogue.takes_output = false;
  dialogue.Say("RETR 3\r\n");
  dialogue.Wait(Seconds(599));
  EXPECT_FALSE(dialogue.ended());
  dialogue.Wait(Seconds(2));
  EXPECT_TRUE(dialogue.ended());
  EXPECT_TRUE(dialogue.closed_now());
  EXPECT_EQ(dialogue.said().find("-ERR"), std::string::npos);  // nothing is said into the message
}

TEST(Pop3Session, NothingBeforeTlsWhereItIsRequired) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, kPop3, [](config::Config& config) {
    config.pop3.ssl_required = true;
    config.auth.disable_plaintext_auth = false;
  });
  EXPECT_TRUE(dialogue.Say("USER " + kUser + "\r\n").starts_with("-ERR [AUTH]"));
  EXPECT_TRUE(dialogue.Say("AUTH CRAM-MD5\r\n").starts_with("-ERR [AUTH]"));
}

// Any cut of the input gives the same dialogue.
TEST(Pop3Session, CutsDoNotMatter) {
  const std::string input = kLogin + "STAT\r\nLIST\r\nRETR 1\r\nTOP 2 1\r\nNOOP\r\nBOGUS\r\nQUIT\r\n";
  Disk whole_disk(1);
  PlantMail(whole_disk);
  Dialogue whole(whole_disk, kPop3s);
  const std::string expected = whole.Say(input);
  for (size_t cut = 1; cut < input.size(); ++cut) {
    Disk disk(1);
    PlantMail(disk);
    Dialogue pieces(disk, kPop3s);
    std::string said = pieces.Say(input.substr(0, cut));
    said += pieces.Say(input.substr(cut));
    ASSERT_EQ(said, expected) << cut;
  }
}

}  // namespace
}  // namespace postern::sim
