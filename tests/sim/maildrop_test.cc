// Goal: what sendmail(1) left reaches everybody it names, or comes back, whatever the other side, the disk and the
// power do; and nothing that anybody can lay into maildrop/ holds up the rest. Method: files laid there, the shard that
// delivers, kills and power losses; at the end Maildirs, the far host's books and the spool are looked at.
#include "core/queue/maildrop.h"

#include "tests/sim/queue_world.h"

namespace postern::sim {
namespace {

queue::Submission SubmissionTo(const std::vector<std::string>& recipients) {
  queue::Submission submission{.arrived_us = INT64_C(1'700'000'000'000'000), .uid = 1000, .login = "bob"};
  submission.sender_kind = queue::SenderKind::kGiven;
  submission.sender = *routing::ParseMailbox("bob@example.test");
  for (const std::string& recipient : recipients) submission.recipients.push_back(*routing::ParseMailbox(recipient));
  return submission;
}

std::string MaildropText(const queue::Submission& submission, const std::string& message) {
  return Sealed(queue::FormatSubmission(submission), message);
}

// A program of another user that leaves mail.
class MaildropTest : public QueueWorldTest {
 protected:
  void Begin(uint64_t seed, Faults faults = {}, const std::function<void(config::Config*)>& change = nullptr) {
    Open(seed, faults, [&change](config::Config* config) {
      config->routing.myorigin = "example.test";
      if (change) change(config);
    });
    AddRelay(seed);
  }
  void Leave(const std::string& name, const std::string& text, uint32_t uid = 1000) {
    world_->Plant(PathOf(name, queue::Folder::kMaildrop), text, uid);
  }
  size_t Waiting() const {
    size_t count = 0;
    for (const auto folder : {queue::Folder::kMaildrop, queue::Folder::kTmp, queue::Folder::kIncoming,
                              queue::Folder::kDeferred, queue::Folder::kJournal}) {
      count += Count(folder);
    }
    return count;
  }
};

TEST_F(MaildropTest, WhatLiesThereAtTheStartAndWhatComesLaterGoesOut) {
  Begin(1);
  Leave("ABCDEF000001", MaildropText(SubmissionTo({"alice@example.test", "u@far.example"}), "Subject: one\n\nbody\n"));
  world_->Start();
  Run(30);
  ASSERT_EQ(MailOf("alice@example.test").size(), 1u);
  ASSERT_EQ(host_->taken().size(), 1u);
  EXPECT_EQ(host_->taken()[0].sender, "bob@example.test");
  Leave("ABCDEF000002", MaildropText(SubmissionTo({"alice"}), "Subject: two\n\nbody\n"));
  Run(30);
  EXPECT_EQ(MailOf("alice@example.test").size(), 2u);
  EXPECT_EQ(Waiting(), 0u);
}

TEST_F(MaildropTest, TheHeaderIsMadeComplete) {
  Begin(2);
  queue::Submission submission = SubmissionTo({"alice"});
  submission.sender_kind = queue::SenderKind::kCaller;
  submission.full_name = "Bob B. Miller";
  Leave("ABCDEF000001",
        MaildropText(submission,
                     "To: alice (her), \"B, O\" <bob>, x@far.example\nBcc: carol@example.test\nSubject: s\n\nb\n"));
  world_->Start();
  Run(30);
  ASSERT_EQ(MailOf("alice@example.test").size(), 1u);
  const std::string text = MailOf("alice@example.test")[0];
  EXPECT_TRUE(
      text.starts_with("Return-Path: <bob@example.test>\nX-Original-To: alice\nDelivered-To: alice@example.test\n"
                       "Received: by mail.example.test (Postfix, from userid 1000)\n\tid "))
      << text;
  EXPECT_NE(
      text.find(
          "\nTo: alice@example.test (her), \"B, O\" <bob@example.test>, x@far.example\nSubject: s\nMessage-Id: <"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("\nFrom: \"Bob B. Miller\" <bob@example.test>\n\nb\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nDate: "), std::string::npos);
  EXPECT_EQ(text.find("carol"), std::string::npos) << "Bcc stays secret";
}

// What a file says of its author does not count where another one made it; root may bring a spool back.
TEST_F(MaildropTest, TheOwnerOfTheFileIsWhoSentIt) {
  Begin(3);
  queue::Submission submission = SubmissionTo({"alice@example.test"});
  submission.sender_kind = queue::SenderKind::kCaller;
  Leave("ABCDEF000001", MaildropText(submission, "Subject: forged\n\nb\n"), 4242);
  Leave("ABCDEF000002", MaildropText(submission, "Subject: by root\n\nb\n"), 0);
  world_->Start();
  Run(30);
  ASSERT_EQ(MailOf("alice@example.test").size(), 2u);
  for (const std::string& text : MailOf("alice@example.test")) {
    const bool forged = text.find("Subject: forged") != std::string::npos;
    EXPECT_NE(text.find(forged ? "Return-Path: <4242@example.test>" : "Return-Path: <bob@example.test>"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find(forged ? "from userid 4242)" : "from userid 0)"), std::string::npos) << text;
  }
}

TEST_F(MaildropTest, WhatNobodyCanTakeComesBack) {
  Begin(4, {}, [](config::Config* config) {
    config->routing.submission_limits.message_size_limit = 400'000;
    config->routing.submission_limits.hopcount_limit = 3;
  });
  Leave("ABCDEF000001",
        MaildropText(SubmissionTo({"nobody@example.test", "alice@example.test"}), "Subject: none\n\nb\n"));
  Leave("ABCDEF000002",
        MaildropText(SubmissionTo({"alice@example.test"}), "Subject: large\n\n" + std::string(500'000, 'x') + "\n"));
  Leave("ABCDEF000003", MaildropText(SubmissionTo({"alice@example.test"}),
                                     "Received: 1\nReceived: 2\nReceived: 3\nReceived: 4\nSubject: hops\n\nb\n"));
  world_->Start();
  Run(60);
  EXPECT_EQ(MailOf("alice@example.test").size(), 1u);
  const auto notices = MailOf("bob@example.test");
  ASSERT_EQ(notices.size(), 3u);
  for (const auto& [subject, status] : {std::pair{"Subject: none", "Status: 5.1.1"},
                                        {"Subject: large", "Status: 5.3.4"},
                                        {"Subject: hops", "Status: 5.4.6"}}) {
    EXPECT_TRUE(std::any_of(notices.begin(), notices.end(), [&](const std::string& text) {
      return text.find(subject) != std::string::npos && text.find(status) != std::string::npos;
    })) << subject;
  }
  EXPECT_EQ(Waiting(), 0u);
}

TEST_F(MaildropTest, LongMessagesAndLongEnvelopesArriveWhole) {
  Begin(5);
  std::string message = "Subject: long\n\n";
  while (message.size() < 1'500'000) message += "line " + std::to_string(message.size()) + " of a long message\n";
  Leave("ABCDEF000001", MaildropText(SubmissionTo({"alice@example.test", "u@far.example"}), message));
  std::vector<std::string> many;
  for (int i = 0; i < 3000; ++i) many.push_back("user-with-a-long-name-" + std::to_string(i) + "@far.example");
  Leave("ABCDEF000002", MaildropText(SubmissionTo(many), "Subject: many\n\nb\n"));
  Leave("ABCDEF000003", MaildropText(SubmissionTo(many), "Subject: many again\n\nb\n"));
  world_->Start();
  Run(2000);
  ASSERT_EQ(MailOf("alice@example.test").size(), 1u);
  const std::string text = MailOf("alice@example.test")[0];
  EXPECT_TRUE(text.ends_with(message.substr(message.find("\n\n"))));
  EXPECT_EQ(host_->taken().size(), 6001u);
  EXPECT_EQ(Waiting(), 0u);
}

TEST_F(MaildropTest, WhatIsTornOrNoneOfOursIsPutAway) {
  Begin(6);
  const std::string whole = MaildropText(SubmissionTo({"alice@example.test"}), "Subject: x\n\nb\n");
  std::string changed = whole;
  changed[changed.find("Subject")] = 'T';
  std::string long_one =
      MaildropText(SubmissionTo({"alice@example.test"}), "S: x\n\n" + std::string(900'000, 'y') + "\n");
  long_one[long_one.size() - 1000] = 'z';
  Leave("ABCDEF000001", whole.substr(0, whole.size() - 5));
  Leave("ABCDEF000002", changed);
  Leave("ABCDEF000003", long_one);
  Leave("ABCDEF000004", "");
  Leave("ABCDEF000005", std::string(100'000, 'x'));
  Leave("not-an-id", whole);
  Leave("ABCDEF000006", whole);
  world_->Start();
  Run(30);
  EXPECT_EQ(MailOf("alice@example.test").size(), 1u) << "one was whole";
  EXPECT_EQ(Count(queue::Folder::kCorrupt), 5u);
  EXPECT_EQ(Count(queue::Folder::kMaildrop), 1u) << "names that are none are left alone";
  EXPECT_EQ(Count(queue::Folder::kTmp), 0u);
}

TEST_F(MaildropTest, DeadWritersAreSwept) {
  Begin(7);
  Leave("tmp-ABCDEF000001", "POSTERN-MAILDROP 1\n");
  world_->Plant(PathOf("ABCDEF000009", queue::Folder::kTmp), "of a session that a crash ended");
  world_->Start();
  Run(86'000);
  EXPECT_EQ(Count(queue::Folder::kMaildrop) + Count(queue::Folder::kTmp), 2u);
  Run(1000);
  Leave("ABCDEF000002", MaildropText(SubmissionTo({"alice@example.test"}), "Subject: x\n\nb\n"));
  Run(10);
  EXPECT_EQ(Waiting(), 0u);
}

TEST_F(MaildropTest, AFullDiskIsWaitedFor) {
  Begin(8);
  world_->Start();
  Run(5);
  world_->set_faults({.write_fails = 1000, .read_fails = 300});
  for (int i = 0; i < 20; ++i) {
    Leave("ABCDEF10000" + std::to_string(i % 10) + std::to_string(i / 10),
          MaildropText(SubmissionTo({"alice@example.test"}), "Subject: x\n\nb\n"));
  }
  Run(500);
  EXPECT_EQ(Count(queue::Folder::kMaildrop), 20u);
  EXPECT_TRUE(MailOf("alice@example.test").empty());
  world_->set_faults({});
  Run(500);
  EXPECT_EQ(MailOf("alice@example.test").size(), 20u);
  EXPECT_EQ(Waiting(), 0u);
}

// Kills, power losses, failing operations: everything that lay there whole is delivered, at least once; nothing stays.
TEST_F(MaildropTest, NothingIsLostAndNothingIsLeft) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed, "maildrop test");
    Begin(seed, {.sync_fails = seed % 3 == 0 ? 10u : 0u,
                 .write_fails = seed % 3 == 0 ? 10u : 0u,
                 .read_fails = seed % 5 == 0 ? 10u : 0u,
                 .split_reads = 100});
    const auto leave = [&](int i) {
      std::string message = "Subject: number " + std::to_string(i) + ".\n\n";
      if (i % 4 == 3) message += std::string(600'000, 'b');
      Leave("ABCDEF10000" + std::to_string(i),
            MaildropText(SubmissionTo({"alice@example.test", "u@far.example"}), message + "\n"));
    };
    for (int i = 0; i < 4; ++i) leave(i);
    world_->Start();
    size_t crashes = 0;
    for (int round = 0; round < 3; ++round) {
      RunFor(Duration{static_cast<int64_t>(random.Below(round == 0 ? 60'000'000 : 2'000'000'000))});
      world_->Crash(random.Chance(400));
      ++crashes;
      leave(4 + round);
      Run(static_cast<int64_t>(random.Below(3)));
    }
    world_->set_faults({});
    Run(90'000);
    leave(7);  // and a day later the rest is swept
    Run(20'000);
    EXPECT_EQ(Waiting(), 0u);
    for (int i = 0; i < 8; ++i) {
      const std::string subject = "Subject: number " + std::to_string(i) + ".";
      size_t far = 0, near = 0;
      for (const Taken& each : host_->taken()) far += each.message->find(subject) != std::string::npos;
      for (const std::string& text : MailOf("alice@example.test")) near += text.find(subject) != std::string::npos;
      EXPECT_GE(far, 1u) << subject << " is lost for the far one";
      EXPECT_GE(near, 1u) << subject << " is lost for the near one";
      EXPECT_LE(near, 1 + 2 * crashes) << subject;
    }
    if (HasFailure()) return;
    world_.reset();
  }
}

}  // namespace
}  // namespace postern::sim
