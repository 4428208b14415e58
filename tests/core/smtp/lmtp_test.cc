// LMTP (RFC 2033) in a session: LHLO, and an answer for each recipient after the message.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

std::shared_ptr<const config::Config> LmtpHost() {
  config::MemoryFiles files = ReferenceHost();
  std::string dovecot = *files.Read("/etc/dovecot/dovecot.conf");
  files.Add(
      "/etc/dovecot/dovecot.conf",
      dovecot + "\nprotocols = imap lmtp\nservice lmtp {\n inet_listener {\n address = 127.0.0.1\n port = 24\n }\n}\n");
  std::string errors;
  auto config = LoadHost(std::move(files), &errors);
  EXPECT_EQ(errors, "");
  return config;
}

class Lmtp : public testing::Test {
 protected:
  void SetUp() override {
    harness_ = std::make_unique<Harness>(LmtpHost(), 24);
    EXPECT_EQ(harness_->Replies(), "220 mail.example.test Dovecot ready.\r\n");
  }
  void Transaction(const std::vector<std::string>& recipients) {
    harness_->Ask("LHLO postfix.test");
    EXPECT_EQ(harness_->Ask("MAIL FROM:<s@far.example>"), "250 2.1.0 Ok\r\n");
    for (const std::string& recipient : recipients) {
      EXPECT_EQ(harness_->Ask("RCPT TO:<" + recipient + ">"), "250 2.1.5 Ok\r\n");
    }
  }
  size_t DeliveredTo(std::string_view part) const {
    return static_cast<size_t>(
        std::count_if(harness_->disk.files.begin(), harness_->disk.files.end(), [&](const auto& file) {
          return file.first.find(part) != std::string::npos && file.first.find("/new/") != std::string::npos;
        }));
  }

  std::unique_ptr<Harness> harness_;
};

TEST_F(Lmtp, IsNotSmtp) {
  EXPECT_EQ(harness_->Ask("HELO postfix.test").substr(0, 1), "5");
  EXPECT_EQ(harness_->Ask("EHLO postfix.test").substr(0, 1), "5");
  const std::string answer = harness_->Ask("LHLO postfix.test");
  EXPECT_TRUE(answer.starts_with("250-mail.example.test\r\n250-PIPELINING\r\n")) << answer;
  Harness smtp(LmtpHost(), 25);
  smtp.Replies();
  EXPECT_EQ(smtp.Ask("LHLO postfix.test").substr(0, 1), "5");
}

TEST_F(Lmtp, EachRecipientHasAnAnswerInItsPlace) {
  Transaction({"alice@example.test", "bob@example.test"});
  EXPECT_EQ(harness_->Ask("RCPT TO:<nobody@example.test>").substr(0, 10), "550 5.1.1 ");
  harness_->Ask("DATA");
  const std::string answer = harness_->Ask("Subject: t\r\n\r\nbody\r\n.");
  EXPECT_EQ(answer,
            "250 2.0.0 <alice@example.test> 000000ABC001 Saved\r\n250 2.0.0 <bob@example.test> 000000ABC001 Saved\r\n");
  EXPECT_EQ(DeliveredTo("alice"), 1u);
  EXPECT_EQ(DeliveredTo("bob"), 1u);
}

TEST_F(Lmtp, OneFullMailboxCostsNobodyElseAndIsNotQueued) {
  harness_->disk.judge = [](const FileOp& op) {
    const auto* create = std::get_if<Create>(&op);
    return create != nullptr && create->path.find("/alice/") != std::string::npos
               ? ResourceExhausted("Disk quota exceeded")
               : OkStatus();
  };
  Transaction({"alice@example.test", "bob@example.test"});
  harness_->Ask("DATA");
  EXPECT_EQ(harness_->Ask("Subject: t\r\n\r\nbody\r\n."),
            "452 4.2.2 <alice@example.test> Mailbox is full\r\n250 2.0.0 <bob@example.test> 000000ABC001 Saved\r\n");
  EXPECT_EQ(DeliveredTo("alice"), 0u);
  EXPECT_EQ(DeliveredTo("bob"), 1u);
  EXPECT_EQ(DeliveredTo("/incoming/"), 0u);
  for (const auto& [path, text] : harness_->disk.files) EXPECT_EQ(path.find("/postern/"), std::string::npos) << path;
}

TEST_F(Lmtp, ARefusedMessageIsRefusedForEach) {
  Transaction({"alice@example.test", "bob@example.test"});
  std::string hops;
  for (int i = 0; i < 60; ++i) hops += "Received: from a by b\r\n";
  harness_->Ask("DATA");
  const std::string answer = harness_->Ask(hops + "\r\nbody\r\n.");
  EXPECT_EQ(answer, "554 5.4.0 Error: too many hops\r\n554 5.4.0 Error: too many hops\r\n");
}

TEST_F(Lmtp, TheLastChunkHasThemToo) {
  Transaction({"alice@example.test", "bob@example.test"});
  EXPECT_EQ(harness_->Ask("BDAT 8 LAST\r\nbody.."),
            "250 2.0.0 <alice@example.test> 000000ABC001 Saved\r\n250 2.0.0 <bob@example.test> 000000ABC001 Saved\r\n");
}

}  // namespace
}  // namespace postern::smtp
