// Goal: a message's bytes come back as they were sent, in little memory however long they are, and go away when not
// wanted.
#include "core/mailbox/message_writer.h"

#include <gtest/gtest.h>

#include <map>

#include "core/mailbox/delivery.h"

namespace postern::mailbox {
namespace {

std::string Read(std::string_view file) {  // as sessions send it
  std::string text;
  for (size_t i = 0; i < file.size(); ++i) {
    if (file[i] == '\n' && (i == 0 || file[i - 1] != '\r')) text += '\r';
    text += file[i];
  }
  return text;
}

MessageWriter InMemory() { return MessageWriter({{.tmp_path = "/m/tmp/a"}}, {}); }

TEST(MessageWriter, GivesBackEveryLineEnd) {
  for (const std::string sent :
       {"", "a\r\n", "a\r\nb\r\n", "a\r\r\nb\r\n", "\r\r\r\n", "\r", "a\r", "\r\n", "\r\n\r\n", "a\rb\r\n"}) {
    MessageWriter writer = InMemory();
    writer.Add(sent);
    writer.End();
    EXPECT_EQ(Read(*writer.bytes()), sent);
    EXPECT_EQ(writer.crlf_bytes(), sent.size());
    EXPECT_EQ(writer.file_bytes(), writer.bytes()->size());
  }
  MessageWriter writer = InMemory();
  writer.Add("a\r\nb\n\r\n");
  writer.End();
  EXPECT_EQ(*writer.bytes(), "a\nb\n\n");
  EXPECT_EQ(Read(*writer.bytes()), "a\r\nb\r\n\r\n");
  EXPECT_EQ(writer.crlf_bytes(), 8u);
}

TEST(MessageWriter, WritesTheSameHoweverTheBytesAreCut) {
  const std::string sent = "a\r\n\r\r\n\nb\r\rc\r\n\r";
  MessageWriter whole = InMemory();
  whole.Add(sent);
  whole.End();
  for (size_t one = 0; one <= sent.size(); ++one) {
    for (size_t two = one; two <= sent.size(); ++two) {
      MessageWriter writer = InMemory();
      writer.Add(std::string_view(sent).substr(0, one));
      writer.Add(std::string_view(sent).substr(one, two - one));
      writer.Add(std::string_view(sent).substr(two));
      writer.End();
      EXPECT_EQ(*writer.bytes(), *whole.bytes());
      EXPECT_EQ(writer.crlf_bytes(), whole.crlf_bytes());
      EXPECT_EQ(writer.file_bytes(), whole.file_bytes());
    }
  }
  EXPECT_EQ(whole.crlf_bytes(), Read(*whole.bytes()).size());
}

// Files and folders by name, and nothing else.
struct Files {
  std::map<std::string, std::string> bytes;
  bool has_folder = true;
  PlanResult Do(const FilePlan& plan) {
    PlanResult result;
    for (uint32_t stage = 0; stage < plan.stages.size() && result.ok(); ++stage) {
      for (uint32_t op = 0; op < plan.stages[stage].size(); ++op) {
        const FileOp& file_op = plan.stages[stage][op];
        Status status;
        if (std::holds_alternative<MakeDir>(file_op)) has_folder = true;
        if (const auto* append = std::get_if<Append>(&file_op)) {
          if (!has_folder) {
            status = NotFound("no folder");
          } else if (bytes[append->path].size() != append->at_bytes) {
            status = FailedPrecondition("another length");
          } else {
            bytes[append->path] += append->bytes.Flatten();
          }
        }
        if (const auto* unlink = std::get_if<Unlink>(&file_op)) bytes.erase(unlink->path);
        if (!status.ok()) result.failures.push_back({stage, op, status});
      }
    }
    return result;
  }
};

TEST(MessageWriter, KeepsLittleOfALongMessageInMemory) {
  Files files;
  MessageWriter writer({{.tmp_path = "/a/tmp/1", .prefix = "Delivered-To: a\n"},
                        {.tmp_path = "/b/tmp/2", .prefix = "Delivered-To: bb\n"}},
                       {});
  const std::string line = std::string(76, 'x') + "\r\n";
  std::string piece;
  while (piece.size() < 65536) piece += line;
  size_t sent = 0, waits = 0, longest_plan = 0;
  std::optional<FilePlan> open;
  while (sent < 8'000'000) {
    if (writer.must_wait()) {
      ++waits;
      writer.OnPlanDone(files.Do(*std::exchange(open, std::nullopt)));
    } else {
      writer.Add(piece);
      sent += piece.size();
    }
    if (!open && (open = writer.TakePlan())) {
      longest_plan = std::max(longest_plan, std::get<Append>(open->stages.back()[0]).bytes.size_bytes());
    }
  }
  writer.End();
  while (open || (open = writer.TakePlan())) writer.OnPlanDone(files.Do(*std::exchange(open, std::nullopt)));
  EXPECT_TRUE(writer.complete());
  EXPECT_TRUE(writer.spilled());
  EXPECT_GT(waits, 0u);
  EXPECT_LT(longest_plan, kMemoryBytesMax + 2 * piece.size());
  ASSERT_TRUE(writer.status().ok());
  const std::string& first = files.bytes["/a/tmp/1"];
  EXPECT_TRUE(first.starts_with("Delivered-To: a\nxxx"));
  EXPECT_EQ(first.size(), writer.file_bytes() + 16);
  EXPECT_EQ(files.bytes["/b/tmp/2"].substr(17), first.substr(16));
  EXPECT_EQ(writer.crlf_bytes(), sent);
  files.Do(writer.AbortPlan());
  EXPECT_TRUE(files.bytes.empty());
}

TEST(MessageWriter, MakesAMissingFolderWhereItMay) {
  for (const bool may : {false, true}) {
    Files files;
    files.has_folder = false;
    MessageWriter writer({{.tmp_path = "/a/tmp/1", .prefix = "p\n", .make_folder = may}}, {});
    writer.Add(std::string(kMemoryBytesMax + 1, 'x'));
    writer.End();
    while (auto plan = writer.TakePlan()) writer.OnPlanDone(files.Do(*plan));
    EXPECT_TRUE(writer.complete());
    EXPECT_EQ(writer.status().ok(), may);
    EXPECT_EQ(files.bytes["/a/tmp/1"].size(), may ? kMemoryBytesMax + 3 : 0);
  }
}

TEST(MessageWriter, ThrowsAwayWhatCantBeKeptAndStillCounts) {
  MessageWriter writer({{.tmp_path = "/a/tmp/1"}}, {});
  writer.Add(std::string(kMemoryBytesMax + 1, 'x'));
  auto plan = writer.TakePlan();
  ASSERT_TRUE(plan);
  writer.OnPlanDone({.failures = {{0, 0, ResourceExhausted("full")}}});
  EXPECT_EQ(writer.status().code(), StatusCode::kResourceExhausted);
  for (int i = 0; i < 10; ++i) {
    writer.Add(std::string(kMemoryBytesMax, 'x'));
    EXPECT_FALSE(writer.must_wait());
    EXPECT_FALSE(writer.TakePlan());
  }
  writer.End();
  EXPECT_TRUE(writer.complete());
  EXPECT_EQ(writer.file_bytes(), 11 * kMemoryBytesMax + 1);
  EXPECT_EQ(writer.AbortPlan().stages.size(), 1u);
}

TEST(PlanDelivery, WritesFlushesNamesAndFlushesTheFolder) {
  const auto body = std::make_shared<const std::string>("Subject: x\n\nhello\n");
  const std::vector<DeliveryTarget> targets{
      {.maildir = "/v/a/Maildir", .base = "17.M1P2.h", .prefix = "Delivered-To: a\n"},
      {.maildir = "/v/b/Maildir",
       .base = "17.M2P2.h",
       .prefix = "Delivered-To: b\n",
       .spilled_path = "/v/b/Maildir/tmp/s"}};
  const FilePlan plan = PlanDelivery(targets, body, 18, 21, {}, /*make_folders=*/false);
  EXPECT_EQ(Describe(plan),
            "0.0 create /v/a/Maildir/tmp/17.M1P2.h 34 bytes\n"
            "1.0 sync file /v/a/Maildir/tmp/17.M1P2.h\n"
            "1.1 sync file /v/b/Maildir/tmp/s\n"
            "2.0 rename /v/a/Maildir/tmp/17.M1P2.h to /v/a/Maildir/new/17.M1P2.h,S=34,W=38\n"
            "2.1 rename /v/b/Maildir/tmp/s to /v/b/Maildir/new/17.M2P2.h,S=34,W=38\n"
            "3.0 sync dir /v/a/Maildir/new\n"
            "3.1 sync dir /v/b/Maildir/new\n");
  const std::string with_folders = Describe(PlanDelivery(targets, body, 18, 21, {}, true));
  for (const char* line :
       {"mkdir /v/a/Maildir/tmp", "sync dir /v/a", "sync dir /v\n", "unlink /v/a/Maildir/tmp/17.M1P2.h"}) {
    EXPECT_NE(with_folders.find(line), std::string::npos) << with_folders;
  }
}

}  // namespace
}  // namespace postern::mailbox
