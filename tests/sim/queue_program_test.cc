// Goal: mail for what aliases name is taken by every program at least once, and comes back or waits as its end says,
// however the server dies. Method: queue files with such recipients, programs of the simulated host with every
// behaviour, kills and power losses; the programs' books and the sender's Maildir have to account for every recipient.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/routing/program_target.h"
#include "tests/sim/queue_world.h"

namespace postern::sim {
namespace {

class QueueProgramTest : public QueueWorldTest {
 protected:
  void Begin(uint64_t seed, Faults faults = {}) {
    Open(seed, faults, [](config::Config* setting) {
      setting->routing.local.programs = {.commands_in_alias = true,
                                         .files_in_alias = true,
                                         .uid = 501,
                                         .gid = 502,
                                         .time_limit = Seconds(100),
                                         .expansion_filter = "abcdefghijklmnopqrstuvwxyz0123456789.@"};
      setting->queue.minimal_backoff_time = Seconds(10);
      setting->queue.maximal_backoff_time = Seconds(40);
      setting->queue.queue_run_delay = Seconds(10);
    });
  }
  // A message for these commands, recipient u0, u1 ... each; a path is a file.
  void Lay(const std::string& id, const std::vector<std::string>& targets, bool in_list = false) {
    queue::Envelope envelope{.id = id, .arrived_us = INT64_C(1'700'000'000'000'000)};
    envelope.sender = *routing::ParseMailbox("alice@example.test");
    for (size_t i = 0; i < targets.size(); ++i) {
      const bool command = targets[i].starts_with("/sim/");
      routing::ProgramTarget program{.in_list = in_list};
      program.target = {.kind = command ? config::AliasTarget::Kind::kCommand : config::AliasTarget::Kind::kFile,
                        .text = targets[i]};
      const std::string address = "u" + std::to_string(i) + "@local.test";
      envelope.recipients.push_back({.address = *routing::ParseMailbox(address),
                                     .transport = std::string(routing::TransportOf(program)),
                                     .nexthop = routing::NexthopOf(program),
                                     .original = address});
    }
    const std::string text = Sealed(queue::FormatEnvelope(envelope), "Subject: " + id + "\n\nbody of " + id + "\n");
    const Path path = PathOf(id, queue::Folder::kIncoming);
    const std::vector<FileOp> ops = {Create{.path = path, .bytes = Chain(text)}, SyncFile{path},
                                     SyncDir{queue::FolderPath(kSpool, queue::Folder::kIncoming)}};
    for (const FileOp& op : ops) ASSERT_TRUE(world_->disk().Apply(op, 0).ok());
  }
  size_t Waiting() const { return Count(queue::Folder::kIncoming) + Count(queue::Folder::kDeferred); }
  std::string Notices() const {
    std::string all;
    for (const std::string& text : MailOf("alice@example.test")) all += text;
    return all;
  }
  // How often the target got the message whole.
  size_t Taken(const std::string& target, const std::string& id) const {
    const auto& runs = world_->programs().runs();
    return static_cast<size_t>(std::count_if(runs.begin(), runs.end(), [&](const HostPrograms::Run& run) {
      return run.target == target && run.took && run.input.find("body of " + id + "\n") != std::string::npos;
    }));
  }
  bool Logged(const std::string& part) const {
    return std::any_of(world_->log().begin(), world_->log().end(),
                       [&](const LogLine& line) { return line.event.text.find(part) != std::string::npos; });
  }
};

TEST_F(QueueProgramTest, CommandsAndFilesGetTheirMailOnce) {
  Begin(1);
  Lay("ABCDEF000001", {"/sim/take", "/var/mail/box"});
  world_->Start();
  Run(60);
  ASSERT_EQ(world_->programs().runs().size(), 2u);
  for (const HostPrograms::Run& run : world_->programs().runs()) {
    EXPECT_EQ(run.user, (FileOwner{.uid = 501, .gid = 502}));
    EXPECT_TRUE(run.input.starts_with("From alice@example.test  ")) << run.input;
  }
  EXPECT_EQ(Taken("/sim/take", "ABCDEF000001"), 1u);
  EXPECT_EQ(Taken("/var/mail/box", "ABCDEF000001"), 1u);
  EXPECT_EQ(Waiting(), 0u);
  EXPECT_EQ(Notices(), "");
  EXPECT_TRUE(Logged("to=<u0@local.test>, relay=local"));
  EXPECT_TRUE(Logged("dsn=2.0.0, status=sent (delivered to command: /sim/take)"));
  EXPECT_TRUE(Logged("dsn=2.0.0, status=sent (delivered to file: /var/mail/box)"));
}

TEST_F(QueueProgramTest, FailuresComeBackOrWait) {
  Begin(2);
  Lay("ABCDEF000002", {"/sim/exit 67", "/sim/hang", "/sim/exit 75", "/sim/die", "/sim/none", "/sim/take"});
  world_->Start();
  Run(150);
  const std::string notices = Notices();
  EXPECT_NE(notices.find("user unknown. Command output: exits with 67"), std::string::npos) << notices;
  EXPECT_NE(notices.find("Diagnostic-Code: x-unix; exits with 67"), std::string::npos) << notices;
  EXPECT_NE(notices.find("Command time limit exceeded"), std::string::npos);
  EXPECT_EQ(notices.find("u2@local.test"), std::string::npos) << "75 waits";
  EXPECT_EQ(notices.find("u3@local.test"), std::string::npos) << "so does what a signal ended";
  EXPECT_EQ(notices.find("u4@local.test"), std::string::npos) << "and what is not there";
  EXPECT_EQ(Taken("/sim/take", "ABCDEF000002"), 1u) << "the others' fate is no matter of his";
  EXPECT_EQ(Waiting(), 1u);
  EXPECT_TRUE(Logged("dsn=4.3.0, status=deferred (temporary failure. Command output: exits with 75)"));
  EXPECT_TRUE(Logged("status=deferred (Command died with signal 11"));
  EXPECT_TRUE(
      Logged("status=deferred (temporary failure. Command output: local: fatal: execvp: No such file or directory)"));
}

TEST_F(QueueProgramTest, WhatIsAllowedNoMoreIsNotRun) {
  Begin(3);
  Lay("ABCDEF000003", {"/sim/take", "/var/mail/box"}, /*in_list=*/true);  // only aliases' own targets are allowed
  world_->Start();
  Run(60);
  EXPECT_TRUE(world_->programs().runs().empty());
  EXPECT_NE(Notices().find("mail to command is restricted"), std::string::npos);
  EXPECT_NE(Notices().find("mail to file is restricted"), std::string::npos);
  EXPECT_EQ(Waiting(), 0u);
}

// A kill in the middle of a run repeats it; nothing is lost, nothing that was settled runs again.
TEST_F(QueueProgramTest, EveryRecipientIsReachedThroughCrashes) {
  size_t repeated = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Begin(seed, {.sync_fails = 5, .write_fails = 5, .read_fails = 5});
    constexpr size_t kMessages = 6;
    for (size_t i = 0; i < kMessages; ++i) {
      Lay("ABCDEF00010" + std::to_string(i), {"/sim/take", "/sim/moody", "/var/mail/box", "/sim/exit 67"});
    }
    world_->Start();
    for (int crash = 0; crash < 6; ++crash) {
      Run(1 + static_cast<int64_t>(world_->random().Below(4)));
      if (world_->up()) world_->Crash(world_->random().Chance(300));
      Run(10);
    }
    world_->set_faults({});
    Run(2000);
    EXPECT_EQ(Waiting(), 0u);
    const std::string notices = Notices();
    for (size_t i = 0; i < kMessages; ++i) {
      const std::string id = "ABCDEF00010" + std::to_string(i);
      for (const char* target : {"/sim/take", "/sim/moody", "/var/mail/box"}) {
        EXPECT_GE(Taken(target, id), 1u) << target << " " << id;
        repeated += Taken(target, id) > 1 ? 1 : 0;
      }
      EXPECT_EQ(Taken("/sim/exit 67", id), 0u);
      EXPECT_NE(notices.find("X-Postfix-Queue-ID: " + id), std::string::npos) << id << " came not back";
    }
    EXPECT_EQ(notices.find("<u0@local.test>"), std::string::npos);
  }
  EXPECT_GT(repeated, 0u) << "no kill came at a bad time: the test is too kind";
}

}  // namespace
}  // namespace postern::sim
