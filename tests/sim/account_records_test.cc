// Goal: whatever becomes of a message in an account is recorded once, under the names that its files have. Method: the
// account over the simulator's disk; records are what it logs beside lines.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/account_fixture.h"

namespace postern::sim {
namespace {

const auto kBy = std::make_shared<const mailbox::Actor>(
    mailbox::Actor{.protocol = "imap", .source_ip = "192.0.2.1", .session_id = "Xy", .pid = 17});

class AccountRecords : public ::testing::Test {
 protected:
  AccountRecords() : disk_(1), fixture_(disk_) { state_ = fixture_.Select(); }

  // What was recorded since the last call: "mail.expunged INBOX 1:2 FILE FILE".
  std::vector<std::string> Take() {
    std::vector<std::string> taken;
    for (const LogEvent& event : std::exchange(fixture_.logs, {})) {
      EXPECT_TRUE(event.record_only) << event.text;
      std::string text;
      for (const char* const name : {"event.action", "mailbox.name", "mailbox.uid", "file.name", "mailbox.target_name",
                                     "mailbox.target_uid", "file.target_name", "mailbox.flags", "postern.session"}) {
        for (const auto& [key, value] : event.fields) {
          if (key == name) text += (text.empty() ? "" : " ") + value;
        }
      }
      taken.push_back(text);
    }
    return taken;
  }
  template <class F>
  Status Do(F call) {
    return fixture_
        .Do([&](auto& account, mailbox::Ticket ticket, auto& context) {
          ticket.by = kBy;
          call(account, ticket, context);
        })
        .status;
  }
  void Append(const std::string& text) { ASSERT_TRUE(fixture_.Append("INBOX", text).status.ok()); }
  std::string File(const mailbox::MailboxState& state, uint32_t uid) {
    const std::string base = state.BaseNameOf(uid);
    return base.substr(0, base.find(','));
  }

  Disk disk_;
  AccountFixture fixture_;
  std::shared_ptr<mailbox::MailboxState> state_;
};

TEST_F(AccountRecords, OfALife) {
  Append("one\n");
  Append("two\n");
  const std::string one = File(*state_, 1), two = File(*state_, 2);
  EXPECT_EQ(Take(), (std::vector<std::string>{"mail.appended INBOX 1 " + one, "mail.appended INBOX 2 " + two}));
  ASSERT_TRUE(Do([](auto& account, auto ticket, auto& context) { account.Create(ticket, "Kept", context); }).ok());
  ASSERT_TRUE(Do([&](auto& account, auto ticket, auto& context) {
                account.Copy(ticket, *state_, {1, 2}, "Kept", false, context);
              }).ok());
  auto kept = fixture_.Select("Kept");
  EXPECT_EQ(Take(), std::vector<std::string>{"mail.copied INBOX 1:2 " + one + " " + two + " Kept 1:2 " +
                                             File(*kept, 1) + " " + File(*kept, 2) + " Xy"});
  state_ = fixture_.Select();
  ASSERT_TRUE(Do([&](auto& account, auto ticket, auto& context) {
                account.Copy(ticket, *state_, {2}, "Kept", true, context);
              }).ok());
  kept = fixture_.Select("Kept");
  EXPECT_EQ(Take(), std::vector<std::string>{"mail.moved INBOX 2 " + two + " Kept 3 " + File(*kept, 3) + " Xy"});
  state_ = fixture_.Select();
  const auto mark = [&](mailbox::Flags flags) {
    return Do([&](auto& account, auto ticket, auto& context) {
      account.Store(ticket, *state_, {.uids = {1}, .mode = mailbox::StoreMode::kAdd, .flags = flags}, context);
    });
  };
  ASSERT_TRUE(mark(mailbox::kFlagged).ok());
  EXPECT_EQ(Take(), std::vector<std::string>{});  // tells nothing of its fate
  ASSERT_TRUE(mark(mailbox::kDeleted).ok());
  EXPECT_EQ(Take(), std::vector<std::string>{"mail.flagged INBOX 1 " + one + " +\\Deleted Xy"});
  ASSERT_TRUE(mark(mailbox::kDeleted).ok());
  EXPECT_EQ(Take(), std::vector<std::string>{});  // it was so already
  ASSERT_TRUE(
      Do([&](auto& account, auto ticket, auto& context) { account.Expunge(ticket, *state_, {1}, context); }).ok());
  EXPECT_EQ(Take(), std::vector<std::string>{"mail.expunged INBOX 1 " + one + " Xy"});
  ASSERT_TRUE(
      Do([](auto& account, auto ticket, auto& context) { account.Rename(ticket, "Kept", "Gone", context); }).ok());
  ASSERT_TRUE(Do([](auto& account, auto ticket, auto& context) { account.Delete(ticket, "Gone", context); }).ok());
  EXPECT_EQ(Take(), (std::vector<std::string>{"mailbox.renamed Kept Gone Xy", "mailbox.deleted Gone Xy"}));
}

TEST(AccountRecordsOfOthers, WhatAnotherProgramRemoves) {
  Disk disk(1);
  const std::string maildir = AccountFixture::kMaildir, file = maildir + "/cur/1700000001.M9P1.host,S=4,W=5:2,S";
  for (const char* const part : {"/cur/.keep", "/new/.keep", "/tmp/.keep"}) disk.Plant(maildir + part, "", 1);
  disk.Plant(file, "one\n", 1);
  AccountFixture fixture(disk);
  const auto state = fixture.Select();
  ASSERT_NE(state, nullptr);
  ASSERT_EQ(state->count(), 1u);
  ASSERT_TRUE(disk.Apply(Unlink{file}, 1'800'000'000).ok());
  ASSERT_TRUE(fixture.Do([&](auto& account, auto ticket, auto& context) { account.Refresh(ticket, *state, context); })
                  .status.ok());
  ASSERT_EQ(state->count(), 0u);
  ASSERT_EQ(fixture.logs.size(), 1u);
  EXPECT_EQ(fixture.logs[0].text, "storage(alice): gone from the folder: box=INBOX, uid=1");
  EXPECT_NE(std::find(fixture.logs[0].fields.begin(), fixture.logs[0].fields.end(),
                      std::pair<std::string, std::string>("file.name", "1700000001.M9P1.host")),
            fixture.logs[0].fields.end());
}

TEST_F(AccountRecords, AMoveThatOnlyCopied) {
  Append("one\n");
  ASSERT_TRUE(Do([](auto& account, auto ticket, auto& context) { account.Create(ticket, "Kept", context); }).ok());
  Take();
  fixture_.fail = [](const FileOp& op) {  // nothing can be removed from INBOX
    const auto* const unlink = std::get_if<Unlink>(&op);
    const std::string inbox = AccountFixture::kMaildir;
    const bool its =
        unlink != nullptr && (unlink->path.starts_with(inbox + "/new/") || unlink->path.starts_with(inbox + "/cur/"));
    return its ? Unavailable("disk") : Status();
  };
  EXPECT_FALSE(Do([&](auto& account, auto ticket, auto& context) {
                 account.Copy(ticket, *state_, {1}, "Kept", true, context);
               }).ok());
  const auto taken = Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_TRUE(taken[0].starts_with("mail.copied INBOX 1 " + File(*state_, 1) + " Kept 1 ")) << taken[0];
}

}  // namespace
}  // namespace postern::sim
