// Goal: what other programs and accidents leave in a Maildir is taken as what it is; folders; failures of the disk.
#include <gtest/gtest.h>

#include <set>

#include "core/mailbox/pop3_uidl.h"
#include "tests/sim/mailbox_driver.h"

namespace postern::sim {
namespace {

using mailbox::Flags;
using mailbox::MailboxState;
using Uids = std::vector<uint32_t>;

std::vector<std::string> ListNames(MailboxDriver& driver) {
  const auto list = driver.Do([&](auto& account, auto ticket, auto& context) { account.List(ticket, context); });
  std::vector<std::string> names;
  for (const auto& entry : std::get<mailbox::ListResult>(list.outcome).entries) {
    names.push_back((entry.exists ? "" : "-") + entry.name + (entry.has_children ? "+" : "") +
                    (entry.subscribed ? "*" : ""));
  }
  return names;
}

constexpr const char* kGuid = "0123456789abcdef0123456789abcdef";

TEST(MailboxAccount, TakesOverAMaildirOfDovecot) {
  MailboxDriver driver(1);
  driver.Deliver("1700000001.M1P1.h,S=5,W=6:2,Sb", "five\n", "/cur/");
  driver.Deliver("1700000002.V1I2M3.h:2,", "x\r\ny\n", "/cur/");
  driver.Deliver("1700000003.M1P1.h", "new\n");
  driver.Deliver("dovecot-uidlist",
                 "3 V1234567 N9 G" + std::string(kGuid) +
                     " Xq\n4 Pold-uidl :1700000001.M1P1.h,S=5,W=6\n6 W99 :1700000002.V1I2M3.h\n8 :gone\n",
                 "/");
  driver.Deliver("dovecot-keywords", "0 $Forwarded\n1 Work\n", "/");
  driver.Deliver("dovecot-uidvalidity", "00200000", "/");
  const auto state = driver.Select("INBOX");
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->uidvalidity, 1234567u);
  EXPECT_EQ(state->uids, (Uids{4, 6, 9}));
  EXPECT_EQ(state->uidnext, 10u);
  EXPECT_EQ(state->guid, kGuid);
  EXPECT_EQ(state->flags[0], mailbox::kSeen);
  EXPECT_EQ(state->keyword_names, (std::vector<std::string>{"$Forwarded", "Work"}));
  EXPECT_EQ(state->keywords[0], 2u);
  EXPECT_EQ(state->crlf_sizes[0], 6u);
  EXPECT_EQ(state->crlf_sizes[1], 99u);  // as the list says
  EXPECT_EQ(mailbox::FormatPop3Uidl("%u", *state, 4), "old-uidl");
  EXPECT_EQ(mailbox::FormatPop3Uidl("%f", *state, 6), "1700000002.V1I2M3.h");
  EXPECT_GE(state->highestmodseq, uint64_t{1'700'000'000} << 20);  // above all that Dovecot can have given
  EXPECT_EQ(driver.selected.recent_first_uid, 9u);
  const std::string list = driver.File("/dovecot-uidlist");
  EXPECT_TRUE(list.starts_with("3 V1234567 N10 G" + std::string(kGuid) + " Xq\n4 Pold-uidl :")) << list;
}

TEST(MailboxAccount, OpensAClosedMailboxWithoutWritingAndAKilledOneWithFilesWrittenAnew) {
  MailboxDriver driver(1);
  auto state = driver.Select("INBOX");
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(driver.Append("INBOX", MailboxDriver::Text("text\n", mailbox::kDraft)).status.ok());
  driver.Store(*state, {.uids = {2}, .flags = mailbox::kSeen});
  const auto modseqs = state->modseqs;
  const uint64_t highest = state->highestmodseq;
  driver.Unselect();
  driver.Restart();
  size_t before = driver.operation_count();
  state = driver.Select("INBOX");
  EXPECT_EQ(driver.operation_count(), before);
  EXPECT_EQ(state->modseqs, modseqs);
  EXPECT_EQ(state->highestmodseq, highest);
  driver.Store(*state, {.uids = {2}, .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kFlagged});
  const uint64_t shown = state->highestmodseq;
  driver.Restart();  // killed
  before = driver.operation_count();
  state = driver.Select("INBOX");
  // What the dead process may have left is flushed (new/, cur/, the folder and the five above it); then both files are
  // removed, made, flushed and put in place, and their folder is flushed.
  EXPECT_EQ(driver.operation_count(), before + 8 + 4 * 2 + 1);
  for (const uint64_t modseq : state->modseqs) EXPECT_GT(modseq, shown);
  EXPECT_EQ(state->flags[1], mailbox::kSeen | mailbox::kFlagged);
}

TEST(MailboxAccount, KeepsUidValidityWhenTheListIsLostOrBroken) {
  for (const bool broken : {false, true}) {
    MailboxDriver driver(1);
    auto state = driver.Select("INBOX");
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(driver.Append("INBOX", std::to_string(i) + "\n").status.ok());
    const uint32_t uidvalidity = state->uidvalidity;
    const std::string guid = state->guid, list = driver.File("/dovecot-uidlist");
    driver.Restart();
    const Path path = std::string(MailboxDriver::kMaildir) + "/dovecot-uidlist";
    ASSERT_TRUE(driver.disk().Apply(Unlink{path}, 1).ok());
    if (broken) driver.Deliver("dovecot-uidlist", list + "rubbish\n", "/");
    state = driver.Select("INBOX");
    ASSERT_NE(state, nullptr);
    EXPECT_EQ(state->uidvalidity, uidvalidity);
    EXPECT_EQ(state->guid, guid);
    EXPECT_EQ(state->uids, (Uids{4, 5, 6}));
    EXPECT_EQ(driver.Body(*state, 4), "0\n");
    size_t kept = 0;
    for (const std::string& name : driver.Names("")) kept += name.starts_with("dovecot-uidlist.broken.");
    EXPECT_EQ(kept, broken ? 1u : 0u);
  }
}

TEST(MailboxAccount, ABrokenListThatNobodyElseKnowsCostsTheUidValidityAndItGrows) {
  MailboxDriver driver(1);
  driver.Deliver("1700000001.M1P1.h", "a\n");
  driver.Deliver("dovecot-uidlist", "3 V1999999999 N3 G" + std::string(kGuid) + "\n2 :a\n1 :b\n", "/");
  const auto state = driver.Select("INBOX");
  ASSERT_NE(state, nullptr);
  EXPECT_GT(state->uidvalidity, 1999999999u);
}

TEST(MailboxAccount, AnExpungedMessageWhoseFileIsBackIsANewOne) {
  MailboxDriver driver(1);
  auto state = driver.Select("INBOX");
  ASSERT_TRUE(driver.Append("INBOX", MailboxDriver::Text("back\n", mailbox::kDeleted)).status.ok());
  ASSERT_TRUE(driver.Append("INBOX", "other\n").status.ok());
  std::string name;
  for (const std::string& file : driver.Names("/cur")) name = file.find(":2,T") != std::string::npos ? file : name;
  ASSERT_TRUE(driver.Expunge(*state, {1, 2}).status.ok());
  EXPECT_EQ(state->uids, Uids{2});
  driver.Deliver(name, "back\n", "/cur/");
  ASSERT_TRUE(driver.Refresh(*state).status.ok());
  driver.Restart();
  state = driver.Select("INBOX");
  EXPECT_EQ(state->uids, (Uids{2, 3}));
  EXPECT_EQ(driver.Body(*state, 3), "back\n");
}

TEST(MailboxAccount, TwoFilesOfOneNameAreTwoMessages) {
  MailboxDriver driver(1);
  driver.Deliver("1700000001.M1P1.h,S=2:2,S", "a\n", "/cur/");
  driver.Deliver("1700000001.M1P1.h,S=2:2,", "b\n", "/cur/");
  driver.Deliver(":2,S", "c\n", "/cur/");
  driver.Deliver(".hidden", "d\n", "/cur/");
  const auto state = driver.Select("INBOX");
  ASSERT_EQ(state->count(), 3u);
  std::vector<std::string> bodies;
  for (const uint32_t uid : state->uids) bodies.push_back(driver.Body(*state, uid));
  std::sort(bodies.begin(), bodies.end());
  EXPECT_EQ(bodies, (std::vector<std::string>{"a\n", "b\n", "c\n"}));
}

TEST(MailboxAccount, OneFileOfTwoNamesIsOneMessage) {
  for (const bool old : {false, true}) {
    MailboxDriver driver(1);
    driver.Deliver("1700000001.M1P1.h:2,", "a\n", "/cur/");
    const std::string cur = std::string(MailboxDriver::kMaildir) + "/cur/1700000001.M1P1.h:2,";
    ASSERT_TRUE(driver.disk().Apply(Link{cur, cur + "S"}, driver.seconds()).ok());
    driver.Sleep(old ? 60 : 1);
    const auto state = driver.Select("INBOX");
    EXPECT_EQ(state->count(), 1u);
    EXPECT_EQ(state->flags[0], mailbox::kSeen);
    EXPECT_EQ(driver.Names("/cur").size(), old ? 1u : 2u);  // young: somebody may be in the middle of a rename
  }
}

TEST(MailboxAccount, SweepsTmpButNothingThatIsBeingWritten) {
  MailboxDriver driver(1);
  driver.Deliver("1600000000.M1P1.other", "left\n", "/tmp/");
  driver.Deliver("1700000000.M1P1R1Q0_1.host", "being written\n", "/tmp/");
  driver.jump_seconds = 40 * 3600;  // the clock, not the time
  driver.Deliver("1700144000.M1P9.other", "young\n", "/tmp/");
  ASSERT_NE(driver.Select("INBOX"), nullptr);
  EXPECT_EQ(driver.Names("/tmp"), (std::vector<std::string>{"1700000000.M1P1R1Q0_1.host", "1700144000.M1P9.other"}));
}

TEST(MailboxAccount, FindsFilesThatOthersRenamed) {
  MailboxDriver driver(1);
  auto state = driver.Select("INBOX");
  ASSERT_TRUE(driver.Append("INBOX", MailboxDriver::Text("one\n", mailbox::kSeen)).status.ok());
  ASSERT_TRUE(driver.Append("INBOX", MailboxDriver::Text("two\n", mailbox::kSeen)).status.ok());
  const auto rename_all = [&](const std::string& letters) {
    for (const std::string& name : driver.Names("/cur")) {
      const std::string to = name.substr(0, name.find(":2,")) + ":2," + letters;
      if (to != name) {
        ASSERT_TRUE(driver.RenameOutside("/cur/" + name, "/cur/" + to).ok());
      }
    }
  };
  rename_all("FS");
  EXPECT_EQ(driver.Body(*state, 1), "one\n");
  EXPECT_EQ(state->flags[0], mailbox::kSeen | mailbox::kFlagged);
  rename_all("RS");
  const auto stored =
      driver.Store(*state, {.uids = {1, 2}, .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kDeleted});
  EXPECT_TRUE(stored.status.ok());
  const auto& messages = std::get<mailbox::StoreResult>(stored.outcome).messages;
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].uid, 1u);
  EXPECT_EQ(messages[1].uid, 2u);
  EXPECT_LT(messages[0].modseq_before, messages[0].modseq);
  EXPECT_EQ(state->flags[0], mailbox::kSeen | mailbox::kAnswered | mailbox::kDeleted);
  rename_all("DT");
  const auto gone = driver.Expunge(*state, {1, 2});
  EXPECT_EQ(std::get<mailbox::ExpungeResult>(gone.outcome).uids, (Uids{1, 2}));
  EXPECT_TRUE(driver.Names("/cur").empty());
}

// A folder put back from a backup while the server runs: who looks next sees what is there, and no error.
TEST(MailboxAccount, GoesOnWhereTheFilesBesideTheMessagesAreGone) {
  MailboxDriver driver(1);
  auto state = driver.Select("INBOX");
  ASSERT_TRUE(driver.Append("INBOX", MailboxDriver::Text("one\n", mailbox::kSeen)).status.ok());
  const uint32_t uidvalidity = state->uidvalidity;
  for (const char* name : {"/dovecot-uidlist", "/postern.changes"}) driver.RemoveOutside(name);
  driver.Deliver("1700000009.M1P1.h", "two\n");
  const auto looked = driver.Refresh(*state);
  EXPECT_TRUE(looked.status.ok()) << Message(looked.status);
  EXPECT_EQ(state->uids, (Uids{1, 2}));
  EXPECT_EQ(state->uidvalidity, uidvalidity);
  EXPECT_NE(driver.File("/dovecot-uidlist").find("2 :1700000009.M1P1.h"), std::string::npos);
  EXPECT_FALSE(driver.File("/postern.changes").empty());
}

TEST(MailboxAccount, RecentIsWhatLaysInNewForTheFirstThatWrites) {
  MailboxDriver driver(1);
  driver.Deliver("1700000001.M1P1.h", "a\n");
  ASSERT_NE(driver.Select("INBOX", 1, /*read_only=*/true), nullptr);
  EXPECT_EQ(driver.selected.recent_first_uid, 1u);
  EXPECT_EQ(driver.Names("/new").size(), 1u);
  ASSERT_NE(driver.Select("INBOX", 2), nullptr);
  EXPECT_EQ(driver.selected.recent_first_uid, 1u);
  EXPECT_TRUE(driver.Names("/new").empty());
  ASSERT_NE(driver.Select("INBOX", 3), nullptr);
  EXPECT_EQ(driver.selected.recent_first_uid, 2u);
}

TEST(MailboxAccount, CountsLongMessagesInPieces) {
  MailboxDriver driver(1);
  const std::string text = std::string(300000, 'x') + "\n\r\n" + std::string(262144 * 2 - 300003, 'y') + "\n\n";
  driver.Deliver("1700000001.V1I2.h", text);
  driver.Deliver("1700000002.M1P1.h,W=3", "lie\n");
  const auto load = [&](MailboxState& state) {
    return driver.Do([&](auto& account, auto ticket, auto& context) {
      account.LoadFacts(ticket, state, state.uids, true, true, context);
    });
  };
  driver.config.storage.maildir_broken_filename_sizes = true;
  const auto state = driver.Select("INBOX");
  driver.read_bytes_max = 0;
  ASSERT_TRUE(load(*state).status.ok());
  EXPECT_EQ(state->crlf_sizes[0], text.size() + 3);
  EXPECT_EQ(state->crlf_sizes[1], 5u);
  EXPECT_NE(state->internal_dates[0], mailbox::kUnknownDate);
  EXPECT_LE(driver.read_bytes_max, 262144u);
}

TEST(MailboxAccount, KeepsKeywordsBeyondTheAlphabet) {
  MailboxDriver driver(1);
  auto state = driver.Select("INBOX");
  ASSERT_TRUE(driver.Append("INBOX", "a\n").status.ok());
  for (int i = 0; i < mailbox::kKeywordCountMax; ++i) {
    ASSERT_TRUE(
        driver.Store(*state, {.uids = {1}, .mode = mailbox::StoreMode::kAdd, .keywords = {"k" + std::to_string(i)}})
            .status.ok());
  }
  EXPECT_EQ(driver.Store(*state, {.uids = {1}, .mode = mailbox::StoreMode::kAdd, .keywords = {"more"}}).status.code(),
            StatusCode::kResourceExhausted);
  driver.Restart();
  state = driver.Select("INBOX");
  EXPECT_EQ(state->keywords[0], UINT64_MAX);
  EXPECT_EQ(state->keyword_names.size(), 64u);
  EXPECT_EQ(state->keyword_names[63], "k63");
  ASSERT_TRUE(driver.Create("Archive").status.ok());
  driver.Do(
      [&](auto& account, auto ticket, auto& context) { account.Copy(ticket, *state, {1}, "Archive", false, context); });
  const auto archive = driver.Select("Archive", 2);
  EXPECT_EQ(archive->keywords[0], UINT64_MAX);
}

TEST(MailboxAccount, FoldersComeGoAndMove) {
  for (const bool control : {false, true}) {
    MailboxDriver driver(1);
    if (control) driver.control_dir = "/var/control/alice";
    driver.Restart();
    for (const char* name : {"A", "A.b", "A.b.c", "AB"}) ASSERT_TRUE(driver.Create(name).status.ok()) << name;
    for (const char* name : {"A", "A.b"}) ASSERT_TRUE(driver.Append(name, std::string(name) + "\n").status.ok());
    auto state = driver.Select("A.b", 2);
    const uint32_t uidvalidity = state->uidvalidity;
    const auto rename = [&](const std::string& from, const std::string& to) {
      return driver.Do([&](auto& account, auto ticket, auto& context) { account.Rename(ticket, from, to, context); })
          .status;
    };
    EXPECT_EQ(rename("A", "AB").code(), StatusCode::kAlreadyExists);
    EXPECT_EQ(rename("A", "A.b.d").code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(rename("Z", "Y").code(), StatusCode::kNotFound);
    ASSERT_TRUE(rename("A", "N").ok());
    EXPECT_TRUE(state->deleted);  // its session is told
    EXPECT_EQ(ListNames(driver), (std::vector<std::string>{"AB", "INBOX", "N+", "N.b+", "N.b.c"}));
    state = driver.Select("N.b");
    EXPECT_EQ(state->uidvalidity, uidvalidity);
    EXPECT_EQ(driver.Body(*state, 1), "A.b\n");
    // DELETE leaves children.
    const auto remove = [&](const std::string& name) {
      return driver.Do([&](auto& account, auto ticket, auto& context) { account.Delete(ticket, name, context); })
          .status;
    };
    ASSERT_TRUE(remove("N.b").ok());
    EXPECT_TRUE(state->deleted);
    EXPECT_FALSE(driver.Store(*state, {.uids = {1}, .flags = mailbox::kSeen}).status.ok());
    EXPECT_EQ(ListNames(driver), (std::vector<std::string>{"AB", "INBOX", "N+", "-N.b+", "N.b.c"}));
    EXPECT_FALSE(remove("INBOX").ok());
    EXPECT_EQ(remove("N.b").code(), StatusCode::kNotFound);
    ASSERT_TRUE(driver.Create("N.b").status.ok());
    state = driver.Select("N.b");
    EXPECT_GT(state->uidvalidity, uidvalidity);
    EXPECT_EQ(state->count(), 0u);
    EXPECT_EQ(driver.Append("none", "x\n").status.code(), StatusCode::kNotFound);
  }
}

TEST(MailboxAccount, RenamingInboxMovesItsMessages) {
  MailboxDriver driver(1);
  const auto inbox = driver.Select("INBOX");
  for (const char* text : {"1\n", "2\n"}) ASSERT_TRUE(driver.Append("INBOX", text).status.ok());
  const auto renamed =
      driver.Do([&](auto& account, auto ticket, auto& context) { account.Rename(ticket, "INBOX", "Old", context); });
  ASSERT_TRUE(renamed.status.ok());
  EXPECT_TRUE(std::holds_alternative<mailbox::Done>(renamed.outcome));
  EXPECT_EQ(inbox->count(), 0u);
  EXPECT_EQ(driver.Select("Old", 2)->count(), 2u);
}

TEST(MailboxAccount, KeepsSubscriptions) {
  MailboxDriver driver(1);
  driver.Select("INBOX");
  driver.Deliver("subscriptions", "V\t2\n\nINBOX\nx\ty\n", "/");
  const auto subscribe = [&](const std::string& name, bool on) {
    return driver.Do([&](auto& account, auto ticket, auto& context) { account.Subscribe(ticket, name, on, context); })
        .status;
  };
  ASSERT_TRUE(subscribe("New.One", true).ok());
  ASSERT_TRUE(subscribe("INBOX", false).ok());
  EXPECT_EQ(driver.File("/subscriptions"), "V\t2\n\nNew\tOne\nx\ty\n");
  EXPECT_EQ(ListNames(driver), (std::vector<std::string>{"INBOX", "-New.One*", "-x.y*"}));
}

TEST(MailboxAccount, EndsWhenItsSessionsHave) {
  MailboxDriver driver(1);
  driver.Ask([](auto& account, auto ticket, auto& context) { account.Select(ticket, "INBOX", false, context); }, 5);
  for (int i = 0; i < 3; ++i) driver.Step();
  driver.Ask(
      [](auto& account, auto, auto& context) { account.Unselect(MachineId{5}, context); });  // its connection broke
  driver.Settle();
  EXPECT_TRUE(driver.account().ended());
  driver.Select("INBOX", 6);
  EXPECT_FALSE(driver.account().ended());
  driver.Unselect(6);
  EXPECT_TRUE(driver.account().ended());
}

TEST(MailboxAccount, StatusCountsWithoutSelecting) {
  MailboxDriver driver(1);
  ASSERT_TRUE(driver.Create("A").status.ok());
  ASSERT_TRUE(driver.Append("A", MailboxDriver::Text("seen\n", mailbox::kSeen)).status.ok());
  ASSERT_TRUE(driver.Append("A", "new\n").status.ok());
  const auto status =
      driver.Do([](auto& account, auto ticket, auto& context) { account.GetStatus(ticket, "A", true, context); });
  ASSERT_TRUE(status.status.ok());
  const auto& counts = std::get<mailbox::StatusResult>(status.outcome);
  EXPECT_EQ(counts.messages, 2u);
  EXPECT_EQ(counts.unseen, 1u);
  EXPECT_EQ(counts.recent, 2u);  // nobody was told of either: recorded of Dovecot, imapflow.append-move
  EXPECT_EQ(counts.uidnext, 3u);
  EXPECT_EQ(counts.size_bytes, 11u);
  EXPECT_EQ(counts.mailbox_id.size(), 32u);
}

// Each operation of each command fails once, in each way a disk fails: the command says so or does it, nothing is lost,
// and what the account believes is what a new process finds.
TEST(MailboxAccount, SurvivesEveryFailureOfTheDisk) {
  const std::vector<Status> faults{ResourceExhausted("full"), Unavailable("input/output error")};
  size_t failed = 0;
  for (size_t command = 0; command < 6; ++command) {
    for (size_t nth = 0; nth < 24; ++nth) {
      for (const Status& fault : faults) {
        MailboxDriver driver(command * 100 + nth);
        auto state = driver.Select("INBOX");
        for (const char* text : {"1\n", "2\n", "3\n"})
          ASSERT_TRUE(driver.Append("INBOX", MailboxDriver::Text(text, mailbox::kDeleted)).status.ok());
        ASSERT_TRUE(driver.Create("A").status.ok());
        size_t count = 0;
        driver.fail = [&](const FileOp&) { return count++ == nth ? fault : Status(); };
        const auto done = driver.Do([&](auto& account, auto ticket, auto& context) {
          switch (command) {
            case 0:
              return account.AppendMessages(
                  ticket, "INBOX", {MailboxDriver::Text("4\n"), MailboxDriver::Text("5\n", 0, {"k"})}, context);
            case 1:
              return account.Store(
                  ticket, *state,
                  {.uids = {1, 3}, .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kSeen, .keywords = {"k"}},
                  context);
            case 2:
              return account.Expunge(ticket, *state, {1, 2}, context);
            case 3:
              return account.Copy(ticket, *state, {1, 2}, "A", true, context);
            case 4:
              return account.Rename(ticket, "A", "B", context);
            default:
              return account.Delete(ticket, "A", context);
          }
        });
        driver.fail = nullptr;
        failed += !done.status.ok();
        // It goes on.
        ASSERT_TRUE(driver.Append("INBOX", "after\n").status.ok()) << command << " " << nth;
        ASSERT_TRUE(driver.Refresh(*state).status.ok());
        if (command == 0) {
          EXPECT_EQ(state->count(), done.status.ok() ? 6u : 4u) << nth << " " << done.status;
        }
        if (command == 3) {
          const auto moved = driver.Select("A", 2);
          std::set<std::string> bodies;
          for (const uint32_t uid : state->uids) bodies.insert(driver.Body(*state, uid));
          for (const uint32_t uid : moved->uids) bodies.insert(driver.Body(*moved, uid));
          EXPECT_TRUE(bodies.contains("1\n") && bodies.contains("2\n")) << nth;
        }
        std::map<uint32_t, std::pair<Flags, std::string>> believed, found;
        for (size_t row = 0; row < state->count(); ++row)
          believed[state->uids[row]] = {state->flags[row], driver.Body(*state, state->uids[row])};
        const uint64_t highest = state->highestmodseq;
        driver.Restart();
        state = driver.Select("INBOX");
        ASSERT_NE(state, nullptr);
        for (size_t row = 0; row < state->count(); ++row)
          found[state->uids[row]] = {state->flags[row], driver.Body(*state, state->uids[row])};
        EXPECT_EQ(believed, found) << "command " << command << " operation " << nth << " " << fault;
        EXPECT_GE(state->highestmodseq, highest);
        EXPECT_TRUE(driver.Names("/tmp").empty()) << "command " << command << " operation " << nth;
      }
    }
  }
  EXPECT_GT(failed, 50u);
}

}  // namespace
}  // namespace postern::sim
