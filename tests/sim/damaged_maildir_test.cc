// Goal: whatever lies in a Maildir, what was shown stays. Method: control files as the fuzzer found them to matter, an
// account that opens the mailbox and changes it, and a new process that opens it again.
#include <gtest/gtest.h>

#include "tests/sim/mailbox_driver.h"

namespace postern::sim {
namespace {

TEST(DamagedMaildir, UidsThatRunOutGetAnotherUidvalidityAtOnce) {
  MailboxDriver driver(1);
  driver.Deliver("dovecot-uidlist",
                 "3 V1700000000 N4294967295 G0123456789abcdef0123456789abcdef\n4294967294 :1.M1P1.h\n", "/");
  driver.Deliver("1.M1P1.h:2,", "one\n", "/cur/");
  driver.Deliver("2.M1P1.h", "two\n");
  auto state = driver.Select("INBOX");
  ASSERT_NE(state, nullptr);
  const uint32_t uidvalidity = state->uidvalidity;
  EXPECT_GT(uidvalidity, 1700000000u);
  EXPECT_TRUE(driver.Append("INBOX", "three\n").status.ok());
  const auto uids = state->uids;
  EXPECT_EQ(uids, (std::vector<uint32_t>{1, 2, 3}));
  driver.Restart();
  state = driver.Select("INBOX");
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->uidvalidity, uidvalidity);
  EXPECT_EQ(state->uids, uids);
}

}  // namespace
}  // namespace postern::sim
