// What a delivery does when the disk fails it: nobody gets what is answered with a failure.
#include "core/smtp/delivery.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace postern::smtp {
namespace {

OutgoingMessage MessageForAlice() {
  OutgoingMessage message;
  message.queue_directory = "/var/spool/postfix";
  message.queue_folders_last = true;
  message.envelope.id = "0123456789AB";
  message.bytes = std::make_shared<const std::string>("Subject: x\n\nbody\n");
  message.file_bytes = message.bytes->size();
  message.crlf_bytes = message.file_bytes + 3;
  LocalRecipient alice;
  alice.target.maildir = "/home/vmail/alice/Maildir";
  alice.target.base = "1.M1P1.host";
  alice.folders_last = true;
  message.locals.push_back(alice);
  return message;
}

PlanResult FailedIn(const FilePlan& plan, size_t stage) {
  PlanResult result;
  for (uint32_t op = 0; op < plan.stages[stage].size(); ++op) {
    result.failures.push_back({static_cast<uint32_t>(stage), op, Unavailable("EIO")});
  }
  return result;
}

PlanResult FailedAtTheEnd(const FilePlan& plan) { return FailedIn(plan, plan.stages.size() - 1); }

bool Removes(const MessageDelivery::Plans& plans, const std::string& path) {
  for (const auto& [tag, plan] : plans) {
    if (Describe(plan).find("unlink " + path) != std::string::npos) return true;
  }
  return false;
}

// Maildir and queue both fail at their last flush; what follows takes the message back.
MessageDelivery::Plans FailAll(MessageDelivery* delivery) {
  MessageDelivery::Plans plans = delivery->Begin();
  EXPECT_EQ(plans.size(), 1u);
  MessageDelivery::Plans rescue = delivery->OnPlanDone(plans[0].first, FailedAtTheEnd(plans[0].second));
  MessageDelivery::Plans revoke;
  for (const auto& [tag, plan] : rescue) {
    const bool queue = Describe(plan).find("/incoming/") != std::string::npos;
    for (auto& next : delivery->OnPlanDone(tag, queue ? FailedAtTheEnd(plan) : PlanResult()))
      revoke.push_back(std::move(next));
  }
  return revoke;
}

constexpr const char* kQueued = "/var/spool/postfix/postern/incoming/0123456789AB";
constexpr const char* kDelivered = "/home/vmail/alice/Maildir/new/1.M1P1.host";

TEST(MessageDelivery, TakesBackWhatIsAnsweredWithAFailure) {
  MessageDelivery delivery(MessageForAlice());
  const auto revoke = FailAll(&delivery);
  EXPECT_TRUE(Removes(revoke, kQueued));
  EXPECT_TRUE(Removes(revoke, kDelivered));
  for (const auto& [tag, plan] : revoke) EXPECT_TRUE(delivery.OnPlanDone(tag, PlanResult()).empty());
  EXPECT_TRUE(delivery.finished());
  EXPECT_FALSE(delivery.status().ok());
}

TEST(MessageDelivery, TriesAgainToTakeBackWhatTheDiskKept) {
  MessageDelivery delivery(MessageForAlice());
  MessageDelivery::Plans again;
  for (const auto& [tag, plan] : FailAll(&delivery)) {
    const bool of_queue = Describe(plan).find(kQueued) != std::string::npos;
    for (auto& next : delivery.OnPlanDone(tag, of_queue ? FailedIn(plan, 0) : PlanResult()))
      again.push_back(std::move(next));
  }
  ASSERT_FALSE(delivery.finished());
  EXPECT_TRUE(Removes(again, kQueued));
  for (const auto& [tag, plan] : again) delivery.OnPlanDone(tag, PlanResult());
  EXPECT_TRUE(delivery.finished());
  EXPECT_FALSE(delivery.status().ok());
}

TEST(MessageDelivery, GivesUpOnADiskThatKeepsFailing) {
  MessageDelivery delivery(MessageForAlice());
  MessageDelivery::Plans plans = FailAll(&delivery);
  for (int round = 0; round < 20 && !delivery.finished(); ++round) {
    MessageDelivery::Plans next;
    for (const auto& [tag, plan] : plans) {
      for (auto& each : delivery.OnPlanDone(tag, FailedIn(plan, 0))) next.push_back(std::move(each));
    }
    plans = std::move(next);
  }
  EXPECT_TRUE(delivery.finished());
  EXPECT_FALSE(delivery.status().ok());
}

}  // namespace
}  // namespace postern::smtp
