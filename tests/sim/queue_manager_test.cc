// Goal: mail that waits in the queue goes out, comes back as a notice, or waits, whatever the other side and the disk
// do. Method: queue files laid into incoming/, the shard that delivers, remote hosts with every behaviour, kills and
// power losses; at the end the hosts' books, the sender's Maildir and the spool have to account for every recipient.
#include "tests/sim/queue_world.h"

namespace postern::sim {
namespace {

std::string QueueFileText(const std::string& id, int recipients, const std::string& sender = "alice@example.test",
                          size_t body_bytes = 0) {
  queue::Envelope envelope{.id = id, .arrived_us = INT64_C(1'700'000'000'000'000), .null_sender = sender.empty()};
  if (!sender.empty()) envelope.sender = *routing::ParseMailbox(sender);
  for (int i = 0; i < recipients; ++i) {
    const std::string address = "u" + std::to_string(i) + "@far.example";
    envelope.recipients.push_back({.address = *routing::ParseMailbox(address),
                                   .transport = "smtp",
                                   .nexthop = "far.example",
                                   .original = address});
  }
  std::string message = "Subject: " + id + "\n\nbody of " + id + "\n";
  while (message.size() < body_bytes) message += "a line of a long message that is read from the disk piece by piece\n";
  return Sealed(queue::FormatEnvelope(envelope), message);
}

class QueueManagerTest : public QueueWorldTest {
 protected:
  void Begin(uint64_t seed, std::optional<RemoteBehaviour> behaviour, Faults faults = {},
             const std::function<void(config::Config*)>& change = nullptr) {
    Open(seed, faults, change);
    if (behaviour) AddRelay(seed, *behaviour);
  }
  void Lay(const std::string& id, int recipients, const std::string& sender = "alice@example.test",
           size_t body_bytes = 0) {
    const Path path = PathOf(id, queue::Folder::kIncoming);
    const std::vector<FileOp> ops = {
        Create{.path = path, .bytes = Chain(QueueFileText(id, recipients, sender, body_bytes))}, SyncFile{path},
        SyncDir{queue::FolderPath(kSpool, queue::Folder::kIncoming)}};
    for (const FileOp& op : ops) ASSERT_TRUE(world_->disk().Apply(op, 0).ok());
  }
  // What people wish: "hold-ALL".
  void Ask(const std::string& request) { world_->Plant(PathOf(request, queue::Folder::kRequests), ""); }
  size_t Waiting() const { return Count(queue::Folder::kIncoming) + Count(queue::Folder::kDeferred); }
  // In the sender's mailbox.
  std::vector<std::string> Notices() const { return MailOf("alice@example.test"); }
};

TEST_F(QueueManagerTest, AMessageReachesItsHostOnceAndLeavesNothingBehind) {
  Begin(1, RemoteBehaviour{});
  Lay("ABCDEF000001", 3);
  world_->Start();
  Run(60);
  ASSERT_EQ(host_->taken().size(), 3u);
  EXPECT_EQ(*host_->taken()[0].message, "Subject: ABCDEF000001\r\n\r\nbody of ABCDEF000001\r\n");
  EXPECT_EQ(host_->taken()[0].sender, "alice@example.test");
  EXPECT_EQ(Waiting(), 0u);
  EXPECT_EQ(Count(queue::Folder::kJournal), 0u);
  EXPECT_TRUE(Notices().empty());
}

TEST_F(QueueManagerTest, WhatIsRefusedComesBackOnce) {
  Begin(2, RemoteBehaviour{.kind = RemoteKind::kAnswersBadly, .stage = RemoteStage::kRcpt, .code = 550});
  Lay("ABCDEF000002", 2);
  Lay("ABCDEF000003", 1, "");  // a notice that fails is told to nobody
  world_->Start();
  Run(60);
  EXPECT_TRUE(host_->taken().empty());
  ASSERT_EQ(Notices().size(), 1u);
  EXPECT_NE(Notices()[0].find("Final-Recipient: rfc822; u1@far.example"), std::string::npos);
  EXPECT_EQ(Waiting(), 0u);
  EXPECT_EQ(Count(queue::Folder::kJournal), 0u);
}

TEST_F(QueueManagerTest, NobodyThereMeansLaterThenDelivered) {
  Begin(3, std::nullopt);
  Lay("ABCDEF000004", 1);
  world_->Start();
  Run(60);
  EXPECT_EQ(Count(queue::Folder::kDeferred), 1u);
  EXPECT_EQ(Count(queue::Folder::kJournal), 1u);
  AddRelay(3);
  Run(100);
  EXPECT_TRUE(host_->taken().empty()) << "not before minimal_backoff_time";
  Run(4000);
  EXPECT_EQ(host_->taken().size(), 1u);
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
}

TEST_F(QueueManagerTest, WhatGrowsTooOldComesBack) {
  Begin(4, std::nullopt);
  Lay("ABCDEF000005", 1);
  world_->Start();
  Run(6 * 86400);
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
  ASSERT_EQ(Notices().size(), 1u);
  EXPECT_NE(Notices()[0].find("Status: 4.4.1"), std::string::npos);
}

// Also a host that takes it when it is asked again, and one message for more recipients than the active queue has room
// for.
TEST_F(QueueManagerTest, AMailingLargerThanTheActiveQueueGoesOut) {
  Begin(5, RemoteBehaviour{}, {}, [](config::Config* config) {
    config->queue.qmgr_message_recipient_limit = 40;
    config->queue.qmgr_message_recipient_minimum = 5;
  });
  Lay("ABCDEF000006", 300);
  Lay("ABCDEF000007", 2);
  world_->Start();
  Run(600);
  EXPECT_EQ(host_->taken().size(), 302u);
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
}

// A mailbox of this host, whatever transport the tables name for it: it is where the session would have put it.
TEST_F(QueueManagerTest, MailForAMailboxOfThisHostIsPutThere) {
  Begin(6, std::nullopt);
  const Path path = PathOf("ABCDEF000009", queue::Folder::kIncoming);
  queue::Envelope envelope{.id = "ABCDEF000009", .arrived_us = INT64_C(1'700'000'000'000'000)};
  envelope.sender = *routing::ParseMailbox("far@far.example");
  envelope.recipients.push_back(
      {.address = *routing::ParseMailbox("alice@example.test"), .transport = "virtual", .nexthop = "example.test"});
  const std::string text = Sealed(queue::FormatEnvelope(envelope), "Subject: a\n\nb\n");
  ASSERT_TRUE(world_->disk().Apply(Create{.path = path, .bytes = Chain(text)}, 0).ok());
  world_->Start();
  Run(60);
  ASSERT_EQ(Notices().size(), 1u);
  EXPECT_TRUE(Notices()[0].starts_with("Return-Path: <far@far.example>\n")) << Notices()[0];
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
}

// The letter that told of it was lost: the folder is looked through now and then.
TEST_F(QueueManagerTest, MailThatNobodyAnnouncedGoesOut) {
  Begin(8, RemoteBehaviour{});
  world_->Start();
  Run(60);
  Lay("ABCDEF00000A", 1);
  Run(60);
  EXPECT_TRUE(host_->taken().empty());
  Run(300);
  EXPECT_EQ(host_->taken().size(), 1u);
}

TEST_F(QueueManagerTest, StopsWhenItsConnectionsAreClosed) {
  Begin(7, RemoteBehaviour{});
  for (int i = 0; i < 9; ++i) Lay("ABCDEF20000" + std::to_string(i), 1);
  world_->Start();
  Run(60);
  ASSERT_EQ(host_->taken().size(), 9u);
  const uint64_t before = world_->process();
  world_->StopCleanly();
  world_->After(Seconds(1).ns, [] {});  // it is seen between two happenings that a process may end
  Run(5);
  EXPECT_EQ(world_->process(), before + 1) << "the process hangs on to something";
}

// A folder that cannot be read just then is read again: nothing waits for the next start.
TEST_F(QueueManagerTest, AFolderThatFailsOnceIsReadAgain) {
  Begin(10, std::nullopt);
  Lay("ABCDEF000001", 1);
  world_->Start();
  Run(60);
  ASSERT_EQ(Count(queue::Folder::kDeferred), 1u);
  world_->Crash(false);
  world_->set_faults({.read_fails = 1000});
  Lay("ABCDEF000002", 1);
  Run(120);
  Ask("hold-ABCDEF000003");
  Run(1);
  world_->set_faults({});
  AddRelay(10);
  Run(5000);
  EXPECT_EQ(host_->taken().size(), 2u);
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
  EXPECT_EQ(Count(queue::Folder::kRequests), 0u);
}

// ETRN and `postqueue -s`: what waits for that domain, and nothing else.
TEST_F(QueueManagerTest, OneDomainIsTriedAgainAloneWhenItIsAskedFor) {
  Begin(8, std::nullopt);
  const auto lay_for = [&](const std::string& id, const std::vector<std::string>& domains) {
    queue::Envelope envelope{.id = id, .arrived_us = INT64_C(1'700'000'000'000'000)};
    envelope.sender = *routing::ParseMailbox("alice@example.test");
    for (const std::string& domain : domains) {
      envelope.recipients.push_back(
          {.address = *routing::ParseMailbox("u@" + domain), .transport = "smtp", .original = "u@" + domain});
    }
    world_->Plant(PathOf(id, queue::Folder::kIncoming), Sealed(queue::FormatEnvelope(envelope), "Subject: a\n\nb\n"));
  };
  std::vector<std::string> many(500, "with-a-long-name.other.example");
  for (size_t i = 0; i < many.size(); ++i) many[i] = "n" + std::to_string(i) + "." + many[i];
  many.push_back("Asked.example");
  lay_for("ABCDEF000001", {"asked.example"});
  lay_for("ABCDEF000002", {"other.example"});
  lay_for("ABCDEF000003", {"other.example", "asked.example"});
  lay_for("ABCDEF000004", {"sub.asked.example"});
  lay_for("ABCDEF000005", many);
  lay_for("ABCDEF000006", {"asked.example", "other.example"});  // the first one has it already
  world_->Plant(PathOf("ABCDEF000006", queue::Folder::kJournal), "done 0\n");
  world_->Start();
  Run(60);
  ASSERT_EQ(Count(queue::Folder::kDeferred), 6u);
  AddRelay(8);
  Ask("flush-site-asked.example");
  Ask("flush-site-nobody.example");
  Run(60);
  std::set<std::string> left;
  const auto entries = world_->disk().List(queue::FolderPath(kSpool, queue::Folder::kDeferred));
  for (const DirEntry& entry : *entries) left.insert(entry.name);
  EXPECT_EQ(left, (std::set<std::string>{"ABCDEF000002", "ABCDEF000004", "ABCDEF000006"}));
  EXPECT_EQ(host_->taken().size(), 1u + 2u + 501u);
  EXPECT_EQ(Count(queue::Folder::kRequests), 0u);
  Run(4000);
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
}

// More of them than are kept in memory, and a domain that is asked for again and again.
TEST_F(QueueManagerTest, ManyThatWaitForOneDomainAreAllTriedAgain) {
  Begin(9, std::nullopt);
  for (int i = 0; i < 300; ++i) Lay("ABCDEF3" + std::to_string(10000 + i), 1);
  world_->Start();
  Run(60);
  ASSERT_EQ(Count(queue::Folder::kDeferred), 300u);
  AddRelay(9);
  for (int i = 0; i < 20; ++i) {
    Ask("flush-site-far.example");
    Run(1);
  }
  Run(60);
  EXPECT_EQ(host_->taken().size(), 300u);
  EXPECT_EQ(Waiting() + Count(queue::Folder::kJournal), 0u);
}

// What people do by hand moves messages between folders; power that fails leaves each in one of them, at least.
TEST_F(QueueManagerTest, WhatIsMovedByHandIsNeverLost) {
  constexpr int kMessages = 6;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed, "moved by hand");
    Begin(seed, std::nullopt);
    for (int i = 0; i < kMessages; ++i) Lay("ABCDEF30000" + std::to_string(i), 1);
    world_->Start();
    Run(30);
    std::set<std::string> deleted;
    for (int turn = 0; turn < 12; ++turn) {
      const std::string word = std::vector{"hold-", "release-", "requeue-", "delete-"}[random.Below(turn == 6 ? 4 : 3)];
      std::string which = "ABCDEF30000" + std::to_string(random.Below(kMessages));
      if (word == "delete-") {
        deleted.insert(which);
      } else if (random.Chance(300)) {
        which = "ALL";
      }
      Ask(word + which);
      RunFor(Milliseconds(static_cast<int64_t>(random.Below(300))));
      if (random.Chance(400)) {
        world_->Crash(/*power_loss=*/true);
        Run(30);
      }
    }
    Run(60);
    std::set<std::string> there;
    for (const queue::Folder folder : {queue::Folder::kIncoming, queue::Folder::kDeferred, queue::Folder::kHold}) {
      const auto entries = world_->disk().List(queue::FolderPath(kSpool, folder));
      for (size_t i = 0; entries.ok() && i < entries->size(); ++i) {
        EXPECT_TRUE(there.insert((*entries)[i].name).second) << (*entries)[i].name << " lies in two folders";
      }
    }
    ASSERT_EQ(there.size() + deleted.size(), size_t{kMessages});
    for (const std::string& id : deleted) ASSERT_FALSE(there.contains(id)) << id;
    EXPECT_EQ(Count(queue::Folder::kRequests), 0u);
    // And goes out once when it may.
    AddRelay(seed);
    Ask("release-ALL");
    Run(5000);
    ASSERT_EQ(host_->taken().size(), there.size()) << Count(queue::Folder::kIncoming) << Count(queue::Folder::kDeferred)
                                                   << Count(queue::Folder::kHold) << Count(queue::Folder::kCorrupt);
    ASSERT_EQ(Waiting() + Count(queue::Folder::kHold) + Count(queue::Folder::kJournal), 0u);
  }
}

// A disk that fails just then: all are held in the end, none twice, and no request stays to be carried out on what
// comes later.
TEST_F(QueueManagerTest, ARequestIsDoneAsAWholeThoughTheDiskFails) {
  Begin(11, std::nullopt);
  for (int i = 0; i < 5; ++i) Lay("ABCDEF40000" + std::to_string(i), 1);
  world_->Start();
  Run(60);
  ASSERT_EQ(Count(queue::Folder::kDeferred), 5u);
  const auto plant = [this](const std::string& name) { Ask(name); };
  // Once requests/ is read no other folder can be.
  world_->set_taker([this](const Event& event) {
    const auto* scan = std::get_if<ScanDone>(&event);
    if (scan != nullptr && !scan->entries.empty() && scan->entries[0].name == "hold-ALL")
      world_->set_faults({.read_fails = 1000});
    return false;
  });
  plant("hold-ALL");
  Run(5);
  EXPECT_EQ(Count(queue::Folder::kHold), 0u);
  EXPECT_EQ(Count(queue::Folder::kRequests), 1u);
  world_->set_taker(nullptr);
  world_->set_faults({});
  Run(30);
  EXPECT_EQ(Count(queue::Folder::kHold), 5u);
  EXPECT_EQ(Count(queue::Folder::kRequests), 0u);
  plant("flush");
  plant("release-ABCDEF400009");
  world_->set_faults({.write_fails = 1000});
  Run(5);
  EXPECT_EQ(Count(queue::Folder::kRequests), 2u);
  world_->set_faults({});
  Run(60);
  EXPECT_EQ(Count(queue::Folder::kRequests), 0u);
}

// One that is put off while folders are looked through is in neither at its time, unless they are read in that order.
TEST_F(QueueManagerTest, AMessageThatIsPutOffMeanwhileIsDeletedWithTheOthers) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed, "put off meanwhile");
    Begin(seed, std::nullopt);
    world_->Start();
    Run(60);
    Lay("ABCDEF500001", 1);
    Ask("flush-ABCDEF500001");
    RunFor(Milliseconds(static_cast<int64_t>(random.Below(20))));
    Ask("delete-ALL");
    Run(30);
    ASSERT_EQ(Waiting(), 0u);
    ASSERT_EQ(Count(queue::Folder::kRequests), 0u);
  }
}

// What was acknowledged stays done when power fails, also where a process before did the first half of it.
TEST_F(QueueManagerTest, AHoldThatIsDoneOutlastsThePower) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed, "held");
    Begin(seed, std::nullopt);
    Lay("ABCDEF600001", 1);
    world_->Start();
    Run(60);
    const Path request = PathOf("hold-ABCDEF600001", queue::Folder::kRequests);
    Ask("hold-ABCDEF600001");
    RunFor(Milliseconds(static_cast<int64_t>(random.Below(20))));
    world_->Crash(/*power_loss=*/false);
    for (int i = 0; i < 3000 && world_->disk().StatPath(request).status.ok(); ++i) RunFor(Milliseconds(10));
    ASSERT_FALSE(world_->disk().StatPath(request).status.ok());
    world_->Crash(/*power_loss=*/true);
    ASSERT_EQ(Waiting(), 0u);
    ASSERT_EQ(Count(queue::Folder::kHold), 1u);
  }
}

// A journal that power brought back, of a message that is gone, though somebody asks for a try of it just then.
TEST_F(QueueManagerTest, AJournalWithoutAMessageGoesWhateverIsAskedFor) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Begin(seed, std::nullopt);
    world_->Plant(queue::FilePath(kSpool, queue::Folder::kJournal, "ABCDEF800001"), "done 0\n");
    world_->Plant(queue::FolderPath(kSpool, queue::Folder::kRequests) + "/flush-ABCDEF800001", "");
    world_->Start();
    Run(1000);
    ASSERT_EQ(Count(queue::Folder::kRequests), 0u);
    ASSERT_EQ(Count(queue::Folder::kJournal), 0u);
  }
}

// A session that has not said 250 yet may take its message back, which it looks for where it put it.
TEST_F(QueueManagerTest, WhatMayBeTakenBackIsLeftAlone) {
  for (const std::string name : {"hold-ALL", "hold-ABCDEF700001", "requeue-ALL", "delete-ALL", "delete-ABCDEF700001"}) {
    SCOPED_TRACE(name);
    Begin(12, RemoteBehaviour{});
    world_->Start();
    Run(60);
    const Path path = PathOf("ABCDEF700001", queue::Folder::kIncoming);
    world_->Plant(path, QueueFileText("ABCDEF700001", 1));
    Ask(name);
    Run(5);
    EXPECT_TRUE(world_->disk().StatPath(path).status.ok());
    EXPECT_EQ(Count(queue::Folder::kRequests), 1u);
    EXPECT_TRUE(host_->taken().empty());
    Run(15);
    EXPECT_EQ(Count(queue::Folder::kHold), name.starts_with("hold") ? 1u : 0u);
    EXPECT_EQ(host_->taken().size(), name.starts_with("requeue") ? 1u : 0u);
    EXPECT_EQ(Waiting() + Count(queue::Folder::kRequests), 0u);
  }
}

// The process dies when the request is gone, but not for good; the power goes in the next one's life.
TEST_F(QueueManagerTest, ARequestThatIsDoneDoesNotComeBack) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Begin(seed, std::nullopt);
    world_->Start();
    Run(60);
    const Path request = PathOf("delete-ALL", queue::Folder::kRequests);
    Ask("delete-ALL");
    for (int i = 0; i < 100'000 && world_->disk().StatPath(request).status.ok(); ++i) {
      RunFor(Duration{Milliseconds(1).ns / 5});
    }
    world_->Crash(/*power_loss=*/false);
    Run(60);
    world_->Crash(/*power_loss=*/true);
    ASSERT_FALSE(world_->disk().StatPath(request).status.ok());
  }
}

// Every kind of host, with processes that are killed, power that fails and a disk that can't be read now and then:
// nobody is forgotten, nobody gets a message twice without a reason, nothing stays behind.
TEST_F(QueueManagerTest, EveryRecipientIsAccountedFor) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed, "queue manager test");
    const RemoteBehaviour behaviour = DrawBehaviour(random);
    SCOPED_TRACE(ToString(behaviour.kind));
    Begin(seed, behaviour,
          {.read_fails = seed % 4 == 1 ? 100u : 0u, .split_reads = 100, .connection_breaks = seed % 3 == 0 ? 5u : 0u},
          [seed](config::Config* config) {
            if (seed % 2 == 0) config->smtp_client.tls_level = config::ClientTlsLevel::kMay;
            if (seed % 5 == 0) config->queue.default_transport.destination_recipient_limit = 1;
          });
    int laid = 0;
    const auto lay = [&] {
      Lay("ABCDEF10000" + std::to_string(laid), 1 + laid % 3, "alice@example.test", laid == 4 ? 150'000 : 0);
      ++laid;
    };
    while (laid < 5) lay();
    world_->Start();
    for (int crash = 0; crash < 3; ++crash) {
      Run(static_cast<int64_t>(random.Below(crash == 0 ? 3 : 4000)));
      lay();
      world_->Crash(random.Chance(400));
      Run(30);
    }
    host_->Heal();
    world_->set_faults({.split_reads = 100});
    Run(30'000);
    EXPECT_EQ(Waiting(), 0u);
    EXPECT_EQ(Count(queue::Folder::kJournal), 0u);
    EXPECT_TRUE(host_->complaints().empty()) << host_->complaints().front();
    const std::vector<std::string> notices = Notices();
    for (int i = 0; i < laid; ++i) {
      for (int r = 0; r < 1 + i % 3; ++r) {
        const std::string address = "u" + std::to_string(r) + "@far.example";
        const std::string subject = "Subject: ABCDEF10000" + std::to_string(i);
        size_t taken = 0, told = 0;
        for (const Taken& each : host_->taken())
          taken += each.recipient == address && each.message->starts_with(subject);
        for (const std::string& notice : notices) {
          // (A large message that could not be read does not come back.)
          told += notice.find("Queue-ID: ABCDEF10000" + std::to_string(i)) != std::string::npos &&
                  notice.find("Final-Recipient: rfc822; " + address) != std::string::npos;
        }
        // Whoever was told that it was taken does not send it again in this life.
        std::map<uint64_t, size_t> known;
        for (const Taken& each : host_->taken()) {
          if (each.recipient == address && each.message->starts_with(subject) && each.reply_told) ++known[each.process];
        }
        for (const auto& [process, times] : known) EXPECT_EQ(times, 1u) << address << " of " << subject;
        EXPECT_GE(taken + told, 1u) << address << " of " << subject << " is forgotten";
      }
    }
    if (HasFailure()) return;
    world_.reset();
  }
}

}  // namespace
}  // namespace postern::sim
