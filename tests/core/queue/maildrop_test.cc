// The maildrop file: what is written is read again, and what others wrote is looked at.
#include "core/queue/maildrop.h"

#include <gtest/gtest.h>

#include "core/queue/queue_file.h"

namespace postern::queue {
namespace {

std::string Seal(const std::string& head, std::string_view message = "Subject: x\n\nbody\n") {
  Checksum checksum;
  checksum.Add(head);
  checksum.Add(message);
  return head + std::string(message) + FormatTrailer(message.size(), checksum);
}

Submission Full() {
  return {.arrived_us = 1795499624123456,
          .uid = 1000,
          .login = "alice",
          .sender_kind = SenderKind::kGiven,
          .sender = {.local = "a b", .domain = "x.example"},
          .full_name = "Alice \"M\" M\xc3\xbcller",
          .body = "8BITMIME",
          .ret = "HDRS",
          .envelope_id = "an id",
          .smtputf8 = true,
          .notify = 12,
          .recipients = {{.local = "b", .domain = "y.example"}, {.local = "root"}}};
}

TEST(Maildrop, IsAsDocumented) {
  EXPECT_EQ(FormatSubmission(Full()),
            "POSTERN-MAILDROP 1\narrived 1795499624123456\nuid 1000\nlogin alice\n"
            "full_name Alice+20\"M\"+20M+C3+BCller\nbody 8BITMIME\nret HDRS\nenvid an+20id\n"
            "sender \"a+20b\"@x.example\nsmtputf8 1\nnotify 12\nrecipient b@y.example\nrecipient root\nmessage\n");
}

TEST(Maildrop, IsReadAgain) {
  Submission caller = Full(), null = Full();
  caller.sender_kind = SenderKind::kCaller;
  null.sender_kind = SenderKind::kNull;
  caller.sender = null.sender = {};
  for (const Submission& submission : {Full(), caller, null, Submission{.recipients = {{.local = "root"}}}}) {
    const std::string text = Seal(FormatSubmission(submission));
    const auto file = ParseMaildropFile(text);
    ASSERT_TRUE(file.ok()) << Message(file.status());
    EXPECT_EQ(file->submission, submission);
    EXPECT_EQ(file->message, "Subject: x\n\nbody\n");
    const auto head = ParseMaildropHead(text);
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(head->submission, submission);
    EXPECT_EQ(text.substr(head->message_at_bytes, 8), "Subject:");
  }
}

TEST(Maildrop, CutOffOrChangedItIsNothing) {
  const std::string text = Seal(FormatSubmission(Full()));
  for (size_t cut = 0; cut < text.size(); ++cut) EXPECT_FALSE(ParseMaildropFile(text.substr(0, cut)).ok()) << cut;
  for (size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] ^= 1;
    EXPECT_EQ(ParseMaildropFile(changed).status().code(), StatusCode::kDataLoss) << at;
  }
}

TEST(Maildrop, WhatTheCommandNeverWritesIsRefused) {
  const std::string start = "POSTERN-MAILDROP 1\n", end = "recipient a@x.example\nmessage\n";
  ASSERT_TRUE(ParseMaildropFile(Seal(start + end)).ok());
  for (const char* line :
       {"uid -1\n", "uid 4294967296\n", "body BINARYMIME\n", "ret ALL\n", "notify 16\n", "notify 3\n", "smtputf8 2\n",
        "unknown x\n", "recipient -\n", "recipient a@b@@\n", "recipient\n", "sender a+0Ab\n", "sender a@b c\n",
        "login +\n", "arrived x\n", "\n", "trace 1\n"}) {
    EXPECT_EQ(ParseMaildropFile(Seal(start + line + end)).status().code(), StatusCode::kInvalidArgument) << line;
  }
  EXPECT_EQ(ParseMaildropFile(Seal(start + "message\n")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(ParseMaildropFile(Seal("POSTERN-QUEUE 1\n" + end)).ok());
}

TEST(Maildrop, EverythingIsBounded) {
  const std::string start = "POSTERN-MAILDROP 1\n", end = "recipient a@x.example\nmessage\n";
  const auto with = [&](const std::string& lines) {
    return ParseMaildropFile(Seal(start + lines + end)).status().code();
  };
  EXPECT_EQ(with("login " + std::string(kMaildropTextBytesMax, 'x') + "\n"), StatusCode::kOk);
  EXPECT_EQ(with("login " + std::string(kMaildropTextBytesMax + 1, 'x') + "\n"), StatusCode::kInvalidArgument);
  std::string recipients;
  for (size_t i = 1; i < kMaildropRecipientsMax; ++i) recipients += "recipient a\n";
  EXPECT_EQ(with(recipients), StatusCode::kOk);
  EXPECT_EQ(with(recipients + "recipient a\n"), StatusCode::kInvalidArgument);
  std::string names;
  while (names.size() <= kMaildropHeadBytesMax) names += "login " + std::string(900, 'x') + "\n";
  EXPECT_EQ(with(names), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace postern::queue
