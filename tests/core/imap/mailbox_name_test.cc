// Goal: modified UTF-7 exactly as RFC 3501 section 5.1.3 has it. Method: examples, good and bad.
#include "core/imap/mailbox_name.h"

#include <gtest/gtest.h>

namespace postern::imap {
namespace {

TEST(MailboxName, Converts) {
  const std::pair<std::string, std::string> names[] = {
      {"INBOX", "INBOX"},
      {"", ""},
      {"P&AOg-re", "P\xc3\xa8re"},
      {"&BB0EPgQyBD4ENQ-", "\xd0\x9d\xd0\xbe\xd0\xb2\xd0\xbe\xd0\xb5"},
      {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
      {"A&-B", "A&B"},
      {"&-", "&"},
      {"&AOg-&-", "\xc3\xa8&"},
      {"&2D3eAA-", "\xf0\x9f\x98\x80"},
      {"&AAk-", "\t"},
  };
  for (const auto& [wire, utf8] : names) {
    EXPECT_TRUE(IsValidMailboxName(wire)) << wire;
    EXPECT_EQ(MailboxNameToUtf8(wire), utf8) << wire;
    EXPECT_EQ(MailboxNameFromUtf8(utf8), wire) << utf8;
  }
}

TEST(MailboxName, RefusesOtherSpellings) {
  for (const char* wire : {
           "x&y",          // no base64, never ended
           "&",            // never ended
           "&AOg",         // never ended
           "&AO-",         // half a character
           "&AOgA-",       // and a bit
           "&AOh-",        // bits left over that are not zero
           "&AGE-",        // "a" is printable
           "&AAA-",        // NUL
           "&2D0-",        // half a surrogate pair
           "&3gA-",        // the other half
           "&AOg-&AOg-",   // two shifts for one
           "&AO/-",        // base64's own alphabet
           "&AOg=-",       // padding
           "P\xc3\xa8re",  // not encoded
           "a\tb",         // control character
           "a\x7f",
       }) {
    EXPECT_FALSE(IsValidMailboxName(wire)) << wire;
    EXPECT_FALSE(MailboxNameToUtf8(wire)) << wire;
  }
}

TEST(MailboxName, RefusesWhatIsNotUtf8) {
  for (const std::string& utf8 :
       {std::string("\xc3"), std::string("\xc0\x80"), std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"),
        std::string("a\0b", 3), std::string("\xff"), std::string("\xe2\x28\xa1"), std::string("\xf0\x80\x80\xaf")}) {
    EXPECT_FALSE(MailboxNameFromUtf8(utf8));
  }
}

TEST(MailboxName, InboxInAnyCase) {
  EXPECT_TRUE(IsInbox("iNbOx"));
  EXPECT_FALSE(IsInbox("INBOX."));
  EXPECT_EQ(NormalizedInbox("inbox", '.'), "INBOX");
  EXPECT_EQ(NormalizedInbox("inbox.Sent", '.'), "INBOX.Sent");
  EXPECT_EQ(NormalizedInbox("inbox.Sent", '/'), "inbox.Sent");
  EXPECT_EQ(NormalizedInbox("inboxes", '.'), "inboxes");
  EXPECT_EQ(NormalizedInbox("a.inbox", '.'), "a.inbox");
  EXPECT_EQ(NormalizedInbox("", '.'), "");
}

}  // namespace
}  // namespace postern::imap
