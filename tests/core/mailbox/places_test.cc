// Goal: mailboxes are where the configuration says, under the names clients say, and POP3 knows messages by the old
// names.
#include <gtest/gtest.h>

#include "core/mailbox/location.h"
#include "core/mailbox/namespaces.h"
#include "core/mailbox/pop3_uidl.h"

namespace postern::mailbox {
namespace {

TEST(StorageName, MapsPrefixSeparatorAndInbox) {
  config::Namespace plain;
  EXPECT_EQ(*StorageName("inBox", plain), "INBOX");
  EXPECT_EQ(*StorageName("a.b", plain), "a.b");
  EXPECT_EQ(*StorageName("inbox.sub", plain), "INBOX.sub");
  EXPECT_EQ(*StorageName("a.b.", plain), "a.b");  // Thunderbird
  config::Namespace courier{.prefix = "INBOX."};
  EXPECT_EQ(*StorageName("INBOX.Sent", courier), "Sent");
  EXPECT_EQ(*StorageName("INBOX", courier), "INBOX");
  EXPECT_FALSE(StorageName("Sent", courier).ok());
  EXPECT_EQ(ClientName("Sent", courier), "INBOX.Sent");
  EXPECT_EQ(ClientName("INBOX", courier), "INBOX");
  config::Namespace slash{.separator = '/'};
  EXPECT_EQ(*StorageName("a/b", slash), "a.b");
  EXPECT_EQ(ClientName("a.b", slash), "a/b");
}

TEST(StorageName, RefusesNamesThatCantBe) {
  config::Namespace plain, slash{.separator = '/'};
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".a"), std::string("a..b"), std::string("a/b"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("~a"), std::string(255, 'x')}) {
    EXPECT_FALSE(StorageName(name, plain).ok()) << name;
  }
  EXPECT_FALSE(StorageName("a.b", slash).ok());  // it would be two levels
}

TEST(LocateAccount, ExpandsMailLocation) {
  config::Storage storage{
      .mail_location = "maildir:/home/vmail//%d/%n/Maildir/:CONTROL=/var/control/%u:INDEX=/var/index",
      .mail_uid = 5000,
      .mail_gid = 5001};
  auto facts = LocateAccount("alice@example.test", "/home/alice", "", -1, 12, storage);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->maildir, "/home/vmail/example.test/alice/Maildir");
  EXPECT_EQ(facts->control_dir, "/var/control/alice@example.test");
  EXPECT_EQ(facts->owner.uid, 5000);
  EXPECT_EQ(facts->owner.gid, 12);
  facts = LocateAccount("bob", "/home/bob", "maildir:~/Maildir", 1, 1, storage);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->maildir, "/home/bob/Maildir");
  EXPECT_EQ(facts->control_dir, facts->maildir);
  for (const char* bad : {"mbox:/x", "maildir:", "maildir:Maildir", "maildir:/x:LAYOUT=fs"}) {
    EXPECT_FALSE(LocateAccount("bob", "/home/bob", bad, 1, 1, storage).ok()) << bad;
  }
}

TEST(FormatPop3Uidl, WritesDovecotsForms) {
  MailboxState state;
  state.uidvalidity = 0x65abcdef;
  state.uids = {0x1f};
  EXPECT_EQ(FormatPop3Uidl("%08Xu%08Xv", state, 0x1f), "0000001f65abcdef");
  EXPECT_EQ(FormatPop3Uidl("%v.%u", state, 0x1f), "1705758191.31");
  EXPECT_EQ(FormatPop3Uidl("UID%u-%v%%", state, 0x1f), "UID31-1705758191%");
}

}  // namespace
}  // namespace postern::mailbox
