// Goal: what an account promises holds over restarts, power losses and a full disk. Method: the account over the
// simulator's disk. Only APPEND is cut inside its plan (its first 24 operations, each followed by a power loss); the
// other operations are run whole, and STORE, EXPUNGE, COPY and the folders still want the same treatment.
#include <gtest/gtest.h>

#include <functional>

#include "tests/sim/account_fixture.h"

namespace postern::sim {
namespace {

std::string InNew(const std::string& name) { return std::string(AccountFixture::kMaildir) + "/new/" + name; }

void PlantFolders(Disk& disk) {
  for (const char* part : {"/cur/.keep", "/new/.keep", "/tmp/.keep"})
    disk.Plant(std::string(AccountFixture::kMaildir) + part, "", 1);
}

TEST(Account, MakesInboxAndGivesUidsInOrderOfNames) {
  Disk disk(1);
  PlantFolders(disk);
  disk.Plant(InNew("1700000002.M1P1.host"), "Subject: second\n\n", 1);
  disk.Plant(InNew("1700000001.M9P1.host,S=16,W=18"), "Subject: first\n\n", 1);
  AccountFixture fixture(disk);
  const auto state = fixture.Select();
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->uids, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(fixture.Body(*state, 1), "Subject: first\n\n");
  EXPECT_EQ(fixture.Body(*state, 2), "Subject: second\n\n");
  EXPECT_EQ(state->crlf_sizes[0], 18u);
  EXPECT_EQ(state->uidnext, 3u);
}

TEST(Account, KeepsUidsAndFlagsOverARestart) {
  Disk disk(1);
  AccountFixture fixture(disk);
  auto state = fixture.Select();
  ASSERT_NE(state, nullptr);
  ASSERT_TRUE(fixture.Append("INBOX", "one\n").status.ok());
  ASSERT_TRUE(fixture.Append("INBOX", "two\n", mailbox::kSeen).status.ok());
  const auto stored = fixture.Do([&](auto& account, auto ticket, auto& context) {
    account.Store(ticket, *state,
                  {.uids = {1}, .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kFlagged, .keywords = {"$Work"}},
                  context);
  });
  ASSERT_TRUE(stored.status.ok()) << stored.status;
  const uint32_t uidvalidity = state->uidvalidity;
  const uint64_t highest = state->highestmodseq;
  fixture.Restart();
  state = fixture.Select();
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->uidvalidity, uidvalidity);
  EXPECT_EQ(state->uids, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(state->flags, (std::vector<mailbox::Flags>{mailbox::kFlagged, mailbox::kSeen}));
  EXPECT_EQ(state->keyword_names, std::vector<std::string>{"$Work"});
  EXPECT_EQ(state->keywords[0], 1u);
  EXPECT_GE(state->highestmodseq, highest);
}

TEST(Account, ExpungesWhatIsDeletedAndNeverReusesAUid) {
  Disk disk(1);
  AccountFixture fixture(disk);
  auto state = fixture.Select();
  for (const char* body : {"one\n", "two\n", "three\n"})
    ASSERT_TRUE(fixture.Append("INBOX", body, mailbox::kDeleted).status.ok());
  const auto gone = fixture.Do([&](auto& account, auto ticket, auto& context) {
    account.Expunge(ticket, *state, {1, 2, 3}, context);
  });
  ASSERT_TRUE(gone.status.ok());
  EXPECT_EQ(std::get<mailbox::ExpungeResult>(gone.outcome).uids.size(), 3u);
  fixture.Restart();
  state = fixture.Select();
  EXPECT_EQ(state->count(), 0u);
  EXPECT_EQ(state->uidnext, 4u);
  ASSERT_TRUE(fixture.Append("INBOX", "four\n").status.ok());
  EXPECT_EQ(state->uids, std::vector<uint32_t>{4});
}

TEST(Account, CopiesMovesAndRenames) {
  Disk disk(1);
  AccountFixture fixture(disk);
  auto state = fixture.Select();
  ASSERT_TRUE(fixture.Append("INBOX", "one\n", mailbox::kFlagged).status.ok());
  const auto make = [&](auto& account, auto ticket, auto& context) { account.Create(ticket, "Archive.2026", context); };
  ASSERT_TRUE(fixture.Do(make).status.ok());
  EXPECT_EQ(fixture.Do(make).status.code(), StatusCode::kAlreadyExists);
  const auto moved = fixture.Do([&](auto& account, auto ticket, auto& context) {
    account.Copy(ticket, *state, {1}, "Archive.2026", /*move=*/true, context);
  });
  ASSERT_TRUE(moved.status.ok()) << moved.status;
  EXPECT_EQ(std::get<mailbox::CopyResult>(moved.outcome).target_uids, std::vector<uint32_t>{1});
  EXPECT_EQ(state->count(), 0u);
  ASSERT_TRUE(fixture
                  .Do([&](auto& account, auto ticket, auto& context) {
                    account.Rename(ticket, "Archive.2026", "Old", context);
                  })
                  .status.ok());
  const auto list = fixture.Do([&](auto& account, auto ticket, auto& context) { account.List(ticket, context); });
  std::vector<std::string> names;
  for (const auto& entry : std::get<mailbox::ListResult>(list.outcome).entries) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"INBOX", "Old"}));
  const auto old = fixture.Select("Old");
  ASSERT_NE(old, nullptr);
  EXPECT_EQ(fixture.Body(*old, 1), "one\n");
  EXPECT_EQ(old->flags[0], mailbox::kFlagged);
}

// Contract: an APPEND answered OK survives power loss; one that was not may be there once, whole, or not at all.
TEST(Account, AppendIsAllOrNothingWhereverThePowerGoes) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    for (size_t cut = 0; cut < 24; ++cut) {
      Disk disk(seed * 1000 + cut);
      AccountFixture fixture(disk);
      ASSERT_NE(fixture.Select(), nullptr);
      ASSERT_TRUE(fixture.Append("INBOX", "kept\n").status.ok());
      fixture.completions().clear();
      fixture.Begin([](auto& account, auto ticket, auto& context) {
        std::vector<mailbox::NewMessage> messages(1);
        messages[0].bytes = std::make_shared<const std::string>("second\n");
        messages[0].file_bytes = 7, messages[0].crlf_bytes = 8;
        account.AppendMessages(ticket, "INBOX", std::move(messages), context);
      });
      fixture.Run(cut);
      const bool answered = !fixture.completions().empty() && fixture.completions().front().status.ok();
      disk.LosePower();
      fixture.Restart();
      const auto state = fixture.Select();
      ASSERT_NE(state, nullptr) << "seed " << seed << " cut " << cut;
      ASSERT_GE(state->count(), answered ? 2u : 1u) << "seed " << seed << " cut " << cut;
      ASSERT_LE(state->count(), 2u);
      EXPECT_EQ(fixture.Body(*state, state->uids[0]), "kept\n");
      EXPECT_EQ(state->uids[0], 1u);
      if (state->count() == 2) {
        EXPECT_EQ(fixture.Body(*state, state->uids[1]), "second\n");
      }
    }
  }
}

// A UID or MODSEQ that was shown is never given to another message or change, whatever a power loss takes.
TEST(Account, UidsAndModseqsOnlyGrowOverPowerLosses) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Disk disk(seed);
    AccountFixture fixture(disk);
    std::map<uint32_t, std::string> shown;
    uint64_t highest = 0;
    uint32_t uidvalidity = 0, uidnext = 0;
    for (int round = 0; round < 6; ++round) {
      const auto state = fixture.Select();
      ASSERT_NE(state, nullptr);
      if (uidvalidity != 0) {
        EXPECT_EQ(state->uidvalidity, uidvalidity);
      }
      uidvalidity = state->uidvalidity;
      EXPECT_GE(state->highestmodseq, highest) << "seed " << seed;
      EXPECT_GE(state->uidnext, uidnext) << "seed " << seed;
      const std::string body = "message " + std::to_string(round) + "\n";
      ASSERT_TRUE(fixture.Append("INBOX", body, mailbox::kDeleted).status.ok());
      for (const uint32_t uid : state->uids) {
        const std::string bytes = fixture.Body(*state, uid);
        EXPECT_EQ(shown.try_emplace(uid, bytes).first->second, bytes) << "seed " << seed << " uid " << uid;
      }
      if (round % 2 == 1) {
        fixture.Do(
            [&](auto& account, auto ticket, auto& context) { account.Expunge(ticket, *state, state->uids, context); });
      }
      highest = state->highestmodseq;
      uidnext = state->uidnext;
      disk.LosePower();
      fixture.Restart();
    }
  }
}

// A full disk: the answer is NO, nothing is lost, and later it works again.
TEST(Account, RecoversFromAFullDisk) {
  Disk disk(1);
  AccountFixture fixture(disk);
  const auto state = fixture.Select();
  ASSERT_TRUE(fixture.Append("INBOX", "one\n").status.ok());
  for (int failing = 0; failing < 12; ++failing) {
    int operations = 0;
    fixture.fail = [&](const FileOp& op) -> Status {
      const bool grows = std::holds_alternative<Create>(op) || std::holds_alternative<postern::Append>(op);
      return grows && operations++ == failing % 4 ? ResourceExhausted("full") : Status();
    };
    const auto append = fixture.Append("INBOX", "more\n");
    fixture.fail = nullptr;
    const size_t count = state->count();
    ASSERT_TRUE(fixture.Append("INBOX", "after\n").status.ok());
    EXPECT_EQ(state->count(), count + 1);
    EXPECT_EQ(fixture.Body(*state, state->uids.back()), "after\n");
  }
  EXPECT_EQ(fixture.Body(*state, 1), "one\n");
}

}  // namespace
}  // namespace postern::sim
