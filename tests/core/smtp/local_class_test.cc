// Goal: recipients of the local class, missing header fields, loops and ETRN in a session. Method: the peer's host with
// mydestination and an aliases file; what is answered, and what lies in the Maildirs.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

std::shared_ptr<const config::Config> LocalHost(const std::string& main_lines = {}) {
  config::MemoryFiles files = PeerHost();
  std::string main = *files.Read("/etc/postfix/main.cf");
  for (const std::string_view line :
       {"mydestination =\n", "local_recipient_maps = hash:/etc/postfix/localrcpt\n", "alias_maps =\n"}) {
    main.erase(main.find(line), line.size());
  }
  files.Add("/etc/postfix/main.cf", main + "mydestination = local.test\nlocal_recipient_maps = $alias_maps\n" +
                                        "alias_maps = hash:/etc/aliases\n" + main_lines);
  files.Add("/etc/aliases",
            "postmaster: u1@example.test\nlist: u1@example.test, far@far.example\nowner-list: u2@example.test\n"
            "team: u1@example.test, nobody@example.test\ncmd: \"|/bin/cat\"\nloopa: loopb@local.test\nloopb: "
            "loopa@local.test\n"
            "gone: nobody@local.test\nfar: far@far.example\n");
  files.users["mailcmd"] = files.primary_groups["mailcmd"] = 900;
  std::string errors;
  auto config = LoadHost(std::move(files), &errors);
  EXPECT_EQ(errors, "");
  return config;
}

std::unique_ptr<Harness> Begin(const std::shared_ptr<const config::Config>& config,
                               const std::string& client = "127.0.0.1") {
  auto harness = std::make_unique<Harness>(config, 12025, client);
  harness->Advance(Seconds(1));
  harness->Ask("EHLO client.test");
  harness->Ask("MAIL FROM:<s@far.example>");
  return harness;
}
std::string Deliver(Harness& harness, const std::string& recipient, const std::string& head = "Subject: t\r\n") {
  harness.Ask("RCPT TO:<" + recipient + ">");
  harness.Ask("DATA");
  return harness.Ask(head + "\r\nbody\r\n.");
}
std::string FileIn(const Harness& harness, std::string_view folder) {
  for (const auto& [path, text] : harness.disk.files) {
    if (path.find(folder) != std::string::npos) return text;
  }
  return "none";
}

TEST(LocalClass, IsJudgedAtRcpt) {
  const auto config = LocalHost();
  const auto ask = [&](const std::string& recipient) { return Begin(config)->Ask("RCPT TO:<" + recipient + ">"); };
  EXPECT_EQ(ask("postmaster@local.test"), "250 2.1.5 Ok\r\n");
  EXPECT_EQ(ask("PostMaster+x@local.test"), "250 2.1.5 Ok\r\n");
  EXPECT_EQ(ask("nobody@local.test"),
            "550 5.1.1 <nobody@local.test>: Recipient address rejected: User unknown in local recipient table\r\n");
  EXPECT_EQ(ask("gone@local.test"),
            "550 5.1.1 <gone@local.test>: Recipient address rejected: User unknown in local recipient table\r\n");
  EXPECT_EQ(ask("cmd@local.test"),
            "550 5.7.1 <cmd@local.test>: Recipient address rejected: mail to command is restricted\r\n");
  EXPECT_EQ(ask("loopa@local.test"),
            "550 5.4.6 <loopa@local.test>: Recipient address rejected: alias database loop for loopa\r\n");
}

TEST(LocalClass, HasCommandsInTheQueueWhereTheyAreAllowed) {
  const auto config = LocalHost("default_privs = mailcmd\nmailbox_size_limit = $message_size_limit\n");
  auto harness = Begin(config);
  EXPECT_EQ(Deliver(*harness, "cmd+x@local.test").substr(0, 9), "250 2.0.0");
  const std::string file = FileIn(*harness, "/incoming/");
  EXPECT_NE(file.find("\nrecipient cmd+2Bx@local.test (command) alias:/bin/cat cmd+2Bx@local.test - 0\n"),
            std::string::npos)
      << file;
  EXPECT_NE(file.find("\nmessage\nDelivered-To: cmd+x@local.test\nReceived: "), std::string::npos) << file;
}

TEST(LocalClass, LeavesTheTraceThatPostfixLeaves) {
  const auto config = LocalHost();
  auto harness = Begin(config);
  EXPECT_EQ(Deliver(*harness, "postmaster@local.test").substr(0, 9), "250 2.0.0");
  EXPECT_TRUE(FileIn(*harness, "/u1/Maildir/new/")
                  .starts_with("Return-Path: <s@far.example>\nX-Original-To: postmaster@local.test\n"
                               "Delivered-To: u1@example.test\nDelivered-To: postmaster@local.test\nReceived: "))
      << FileIn(*harness, "/u1/Maildir/new/");
  harness = Begin(config);
  EXPECT_EQ(Deliver(*harness, "list@local.test").substr(0, 9), "250 2.0.0");
  EXPECT_TRUE(FileIn(*harness, "/u1/Maildir/new/")
                  .starts_with("Return-Path: <owner-list@example.test>\nX-Original-To: u1@example.test\n"))
      << FileIn(*harness, "/u1/Maildir/new/");
}

TEST(LocalClass, TellsOfTargetsThatNobodyKnows) {
  auto harness = Begin(LocalHost());
  EXPECT_EQ(Deliver(*harness, "team@local.test").substr(0, 9), "250 2.0.0");
  EXPECT_NE(FileIn(*harness, "/u1/Maildir/new/"), "none");
  EXPECT_NE(FileIn(*harness, "/incoming/").find("nobody@example.test error"), std::string::npos)
      << FileIn(*harness, "/incoming/");
}

// What an alias sends on is a message of its own in the queue, beside the one that goes on as it came; whole, in memory
// or not.
TEST(LocalClass, QueuesACopyForEachWay) {
  for (const size_t lines : {1, 20000}) {
    auto harness = Begin(LocalHost(), "127.0.0.99");
    for (const char* recipient : {"list@local.test", "far@local.test", "other@far.example"}) {
      EXPECT_EQ(harness->Ask("RCPT TO:<" + std::string(recipient) + ">"), "250 2.1.5 Ok\r\n");
    }
    harness->Ask("DATA");
    std::string body;
    for (size_t i = 0; i < lines; ++i) body += "a line of the message's text\r\n";
    EXPECT_EQ(harness->Ask("Subject: t\r\n\r\n" + body + ".").substr(0, 9), "250 2.0.0");
    std::vector<std::string> found;
    for (const auto& [path, text] : harness->disk.files) {
      if (path.find("/incoming/") == std::string::npos) continue;
      const auto file = queue::ParseQueueFile(text);
      ASSERT_TRUE(file.ok()) << file.status();
      std::string line = file->envelope.sender.Key() + " ->";
      for (const auto& recipient : file->envelope.recipients) line += " " + recipient.address.Key();
      found.push_back(line + " : " + std::string(file->message.substr(0, file->message.find("\n"))));
      EXPECT_NE(path.find(file->envelope.id), std::string::npos);
      EXPECT_TRUE(file->message.ends_with("a line of the message's text\n"));
    }
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found.size(), 2u);  // far@far.example has its copy by the list already
    EXPECT_EQ(found[0], "owner-list@example.test -> far@far.example : Delivered-To: list@local.test");
    EXPECT_TRUE(found[1].starts_with("s@far.example -> other@far.example : Received: ")) << found[1];
    for (const auto& [path, text] : harness->disk.files)
      EXPECT_EQ(path.find("/postern/tmp/"), std::string::npos) << path;
  }
}

TEST(LocalClass, RefusesWhatItHasPassedOnBefore) {
  const auto config = LocalHost();
  EXPECT_EQ(Deliver(*Begin(config), "postmaster@local.test", "Delivered-To: PostMaster@local.test\r\n"),
            "554 5.4.6 Error: mail forwarding loop for postmaster@local.test\r\n");
  // A mailbox passes nothing on.
  EXPECT_EQ(Deliver(*Begin(config), "u1@example.test", "Delivered-To: u1@example.test\r\n").substr(0, 3), "250");
}

std::string AllOf(const Harness& harness, std::string_view folder) {
  std::string all;
  for (const auto& [path, text] : harness.disk.files) {
    if (path.find(folder) != std::string::npos) all += text;
  }
  return all;
}

// RFC 3461 section 5.2.7.3 (c): those behind the alias have it no more, and the alias is told of.
TEST(LocalClass, LosesSuccessBehindAnAlias) {
  auto harness = Begin(LocalHost());
  harness->Ask("RCPT TO:<far@local.test> NOTIFY=SUCCESS,FAILURE");
  harness->Ask("DATA");
  harness->Ask("\r\nbody\r\n.");
  const std::string queued = AllOf(*harness, "/incoming/");
  EXPECT_NE(queued.find("far@far.example smtp"), std::string::npos) << queued;
  EXPECT_EQ(queued.find(" 6\n"), std::string::npos) << queued;
  EXPECT_NE(queued.find(" 4\n"), std::string::npos) << queued;
  EXPECT_NE(queued.find("far@local.test (expanded) local far@local.test - 2\n"), std::string::npos) << queued;
}

// Who asks for it is told by the queue manager, which then delivers, too; the null sender is never told.
TEST(LocalClass, SuccessIsToldByTheQueueManager) {
  auto harness = Begin(LocalHost());
  harness->Ask("RCPT TO:<u1@example.test> NOTIFY=SUCCESS");
  harness->Ask("DATA");
  harness->Ask("\r\nbody\r\n.");
  EXPECT_NE(AllOf(*harness, "/incoming/").find("u1@example.test virtual - u1@example.test - 2\n"), std::string::npos);
  EXPECT_EQ(AllOf(*harness, "/u1/Maildir/new/"), "");
  // A list's members are told of nothing that its author asked for (section 5.2.7.1).
  harness = Begin(LocalHost(), "127.0.0.99");
  harness->Ask("RCPT TO:<list@local.test> NOTIFY=SUCCESS");
  harness->Ask("DATA");
  harness->Ask("\r\nbody\r\n.");
  EXPECT_NE(AllOf(*harness, "/u1/Maildir/new/"), "");
  EXPECT_NE(AllOf(*harness, "/incoming/").find("list@local.test (expanded) list list@local.test - 2\n"),
            std::string::npos);
  EXPECT_NE(AllOf(*harness, "/incoming/").find(" far@far.example - 0\n"), std::string::npos)
      << AllOf(*harness, "/incoming/");
}

TEST(Headers, AreCompletedForTheClientsThatMainCfNames) {
  const auto has = [](const std::string& main_lines, const std::string& client, std::string_view field) {
    auto harness = Begin(LocalHost(main_lines), client);
    Deliver(*harness, "u1@example.test", "Subject: t\r\nX-Secret: s\r\nBcc: b\r\n");
    return FileIn(*harness, "/u1/Maildir/new/").find(field) != std::string::npos;
  };
  EXPECT_TRUE(has("", "127.0.0.1", "Message-Id: <"));  // an address of this host
  EXPECT_FALSE(has("", "192.0.2.7", "Message-Id: <"));
  EXPECT_FALSE(has("", "127.0.0.99", "Message-Id: <"));  // mynetworks is not asked by default
  EXPECT_TRUE(has("local_header_rewrite_clients = permit_mynetworks\n", "127.0.0.99", "Message-Id: <"));
  EXPECT_FALSE(has("local_header_rewrite_clients = permit_mynetworks\n", "127.0.0.1", "Message-Id: <"));
  EXPECT_TRUE(has("always_add_missing_headers = yes\n", "192.0.2.7", "From: s@far.example"));
  EXPECT_FALSE(has("", "127.0.0.1", "Bcc: b"));
  EXPECT_TRUE(has("message_drop_headers = X-Secret\n", "127.0.0.1", "Bcc: b"));
  EXPECT_FALSE(has("message_drop_headers = X-Secret\n", "127.0.0.1", "X-Secret"));
}

TEST(Etrn, AsksForTheSite) {
  Harness harness(LocalHost(), 12025);
  harness.Advance(Seconds(1));
  harness.Ask("EHLO client.test");
  EXPECT_EQ(harness.Ask("ETRN @Sub.Relay.test"), "250 Queuing started\r\n");
  EXPECT_EQ(harness.Ask("ETRN far.example"), "459 <far.example>: service unavailable\r\n");
  EXPECT_EQ(harness.directory().flushed, std::vector<std::string>{"sub.relay.test"});
  EXPECT_TRUE(harness.Logged("reject: ETRN far.example... from"));
}

}  // namespace
}  // namespace postern::smtp
