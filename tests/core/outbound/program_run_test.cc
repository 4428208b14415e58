// Goal: a command that an alias names gets what local(8) of Postfix 3.7 gives it, and its end means what it means
// there. Method: by example; expected words, fields and statuses are those of a Postfix that ran such commands
// (tests/peers compares whole runs).
#include "core/outbound/program_run.h"

#include <gtest/gtest.h>

#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {
namespace {

using config::AliasTarget;

routing::ProgramTarget Command(std::string text) {
  return {.target = {.kind = AliasTarget::Kind::kCommand, .text = std::move(text)}};
}
routing::ProgramTarget File(std::string path) {
  return {.target = {.kind = AliasTarget::Kind::kFile, .text = std::move(path)}};
}

config::Routing Allowing() {
  config::Routing routing = TestConfig().routing;
  routing.recipient_delimiter = "+";
  config::LocalPrograms& programs = routing.local.programs;
  programs.uid = 501;
  programs.gid = 502;
  programs.expansion_filter = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  programs.environment = {"TZ", "MAIL_CONFIG", "A=b"};
  return routing;
}

queue::Envelope From(const std::string& sender) {
  queue::Envelope envelope{.id = "ABCDEF", .null_sender = sender.empty()};
  if (!sender.empty()) envelope.sender = *routing::ParseMailbox(sender);
  envelope.client_name = "client.example";
  envelope.client_address = "192.0.2.1";
  envelope.helo = "bad;helo";
  envelope.protocol = "ESMTP";
  return envelope;
}

RunProgram Make(const routing::ProgramTarget& program,
                const std::string& message = "Delivered-To: Cmd+Ext@Local.test\n\nbody\n",
                const std::string& sender = "s@far.example") {
  const queue::QueuedRecipient recipient{.address = {"Cmd+Ext", "Local.test"}, .original = "alias@example.test"};
  // 2026-11-05 09:03:07 UTC, two hours east.
  const Now now{.wall = {INT64_C(1793869387) * 1'000'000}, .utc_offset_seconds = 7200};
  return MakeProgramRun(From(sender), recipient, program, std::make_shared<const std::string>(message), Allowing(),
                        now);
}

TEST(ProgramRun, GetsTheMessageBehindItsEnvelope) {
  EXPECT_EQ(Make(Command("/bin/cat")).input.Flatten(),
            "From s@far.example  Thu Nov  5 11:03:07 2026\n"
            "Return-Path: <s@far.example>\n"
            "X-Original-To: alias@example.test\n"
            "Delivered-To: Cmd+Ext@Local.test\n\nbody\n");
  EXPECT_EQ(Make(Command("/bin/cat"), "Subject: x\n\nFrom here on\nno end", "").input.Flatten(),
            "From MAILER-DAEMON  Thu Nov  5 11:03:07 2026\n"
            "Return-Path: <>\nX-Original-To: alias@example.test\nSubject: x\n\nFrom here on\nno end\n");
}

TEST(ProgramRun, OfAFileIsAnMbox) {
  const RunProgram run = Make(File("/var/mail/x"), "From me\n\nFrom here on\n>From there\nno end");
  EXPECT_EQ(run.append_to, "/var/mail/x");
  EXPECT_TRUE(run.argv.empty());
  EXPECT_EQ(run.input.Flatten(),
            "From s@far.example  Thu Nov  5 11:03:07 2026\n"
            "Return-Path: <s@far.example>\nX-Original-To: alias@example.test\n"
            ">From me\n\n>From here on\n>From there\nno end\n\n");
  EXPECT_TRUE(Make(File("/x"), "").input.Flatten().ends_with("\n\n"));
}

TEST(ProgramRun, HasTheUserAndWhatTheMessageSays) {
  const RunProgram run = Make(Command("/bin/cat"));
  EXPECT_EQ(run.user, (FileOwner{.uid = 501, .gid = 502}));
  EXPECT_EQ(run.time_limit, Seconds(1000));
  EXPECT_EQ(run.inherited, (std::vector<std::string>{"TZ", "MAIL_CONFIG"}));
  EXPECT_EQ(run.environment,
            (std::vector<std::string>{"A=b", "CLIENT_ADDRESS=192.0.2.1", "CLIENT_HELO=bad_helo",
                                      "CLIENT_HOSTNAME=client.example", "CLIENT_PROTOCOL=ESMTP", "DOMAIN=local.test",
                                      "EXTENSION=ext", "LOCAL=cmd+ext", "LOGNAME=cmd",
                                      "ORIGINAL_RECIPIENT=alias@example.test", "PATH=/usr/bin:/bin",
                                      "RECIPIENT=Cmd+Ext@Local.test", "SENDER=s@far.example", "USER=cmd"}));
}

TEST(ProgramRun, HasAShellOnlyWhereItNeedsOne) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(Make(Command("/bin/cat -u  x")).argv, (Words{"/bin/cat", "-u", "x"}));
  EXPECT_EQ(Make(Command("exit 3")).argv, (Words{"exit", "3"}));
  EXPECT_EQ(Make(Command("exit 3")).otherwise, (Words{"/bin/sh", "-c", "exit 3"}));
  EXPECT_EQ(Make(Command("cat >/tmp/x")).argv, (Words{"/bin/sh", "-c", "cat >/tmp/x"}));
  EXPECT_EQ(Make(Command("  ")).argv, (Words{"/bin/sh", "-c", "  "}));
  config::Routing routing = Allowing();
  routing.local.programs.shell = {"/bin/rbash", "-c"};
  const auto message = std::make_shared<const std::string>();
  EXPECT_EQ(MakeProgramRun(From(""), {.address = {"a", "b.test"}}, Command("/bin/cat"), message, routing, {}).argv,
            (Words{"/bin/rbash", "-c", "/bin/cat"}));
}

std::string Told(const ProgramEnded& ended, const routing::ProgramTarget& program = Command("/bin/x y")) {
  const RecipientDone done = DoneOf(ended, program);
  const char* word = done.fate == Fate::kSent ? "sent" : done.fate == Fate::kFailed ? "bounced" : "deferred";
  EXPECT_EQ(done.relay, "local");
  return done.status + " " + word + " (" + done.text + ")";
}
std::string Exit(int32_t number, std::string output = "") {
  return Told({.how = ProgramEnded::How::kExited, .number = number, .output = std::move(output)});
}

TEST(ProgramEnd, OfACommandIsWhatPostfixMakesOfIt) {
  using How = ProgramEnded::How;
  EXPECT_EQ(Exit(0, "ignored"), "2.0.0 sent (delivered to command: /bin/x y)");
  EXPECT_EQ(Exit(1), "5.3.0 bounced (Command died with status 1: \"/bin/x y\")");
  EXPECT_EQ(Exit(127, "sh: 1: x: not\tfound\n"),
            "5.3.0 bounced (Command died with status 127: \"/bin/x y\". Command output: sh: 1: x: not found)");
  EXPECT_EQ(Exit(64), "5.3.0 bounced (command line usage error)");
  EXPECT_EQ(Exit(65), "5.6.0 bounced (data format error)");
  EXPECT_EQ(Exit(67, "gone"), "5.1.1 bounced (user unknown. Command output: gone)");
  EXPECT_EQ(Exit(71), "4.3.0 deferred (system resource problem)");
  EXPECT_EQ(Exit(75), "4.3.0 deferred (temporary failure)");
  EXPECT_EQ(Exit(77), "5.7.0 bounced (permission denied)");
  EXPECT_EQ(Exit(78), "5.3.5 bounced (local configuration error)");
  EXPECT_EQ(Exit(1, "4.2.2 try again\n"), "4.2.2 deferred (try again)");
  EXPECT_EQ(Exit(75, "5.7.1 no, never"), "5.7.1 bounced (no, never)");
  EXPECT_EQ(Exit(1, "5.x no code"),
            "5.3.0 bounced (Command died with status 1: \"/bin/x y\". Command output: 5.x no code)");
  EXPECT_EQ(Told({.how = How::kKilled, .number = 9}), "4.3.0 deferred (Command died with signal 9: \"/bin/x y\")");
  EXPECT_EQ(Told({.how = How::kTimedOut, .output = "so far"}),
            "5.3.0 bounced (Command time limit exceeded: \"/bin/x y\". Command output: so far)");
  EXPECT_EQ(
      Told({.how = How::kNotStarted, .output = "execvp /bin/x: No such file or directory"}),
      "4.3.0 deferred (temporary failure. Command output: local: fatal: execvp /bin/x: No such file or directory)");
}

TEST(ProgramEnd, OfAFileIsTriedAgainUnlessItSaysWhy) {
  using How = ProgramEnded::How;
  const auto told = [](How how, int32_t number, std::string output) {
    return Told({.how = how, .number = number, .output = std::move(output)}, File("/m"));
  };
  EXPECT_EQ(told(How::kExited, 0, ""), "2.0.0 sent (delivered to file: /m)");
  EXPECT_EQ(told(How::kExited, 73, "5.2.0 cannot open file: Permission denied\n"),
            "5.2.0 bounced (cannot append message to file /m: cannot open file: Permission denied)");
  EXPECT_EQ(told(How::kExited, 73, "4.2.0 locked"), "4.2.0 deferred (cannot append message to file /m: locked)");
  EXPECT_EQ(told(How::kExited, 127, "libfoo.so: not found"),
            "4.3.0 deferred (cannot append message to file /m: libfoo.so: not found)");
  EXPECT_EQ(told(How::kKilled, 9, ""), "4.3.0 deferred (cannot append message to file /m: it was interrupted)");
  EXPECT_EQ(told(How::kTimedOut, 0, ""), "4.3.0 deferred (cannot append message to file /m: it took too long)");
}

// A name on the way through the queue and back.
TEST(ProgramTarget, SurvivesTheQueue) {
  for (const bool in_list : {false, true}) {
    for (routing::ProgramTarget program : {Command("include:x | y"), File("/a b")}) {
      program.in_list = in_list;
      EXPECT_EQ(routing::ParseProgramTarget(routing::TransportOf(program), routing::NexthopOf(program)), program);
    }
  }
  EXPECT_EQ(routing::ParseProgramTarget("(command)", "alias:"), std::nullopt);
  EXPECT_EQ(routing::ParseProgramTarget("(command)", "x"), std::nullopt);
  EXPECT_EQ(routing::ParseProgramTarget("smtp", "alias:x"), std::nullopt);
}

}  // namespace
}  // namespace postern::outbound
