// Goal: what RunProgram asks for is what runs, with nothing of ours, and its end is told as it was. Method: real
// programs of the host, mostly /bin/sh; as root they run as another user, else as who runs the test.
#include "adapters/workers/programs.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>

#include "adapters/host/unique_fd.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::workers {
namespace {

using How = ProgramEnded::How;

FileOwner SomeUser() {
  if (geteuid() != 0) return {.uid = geteuid(), .gid = getegid()};
  return {.uid = 65534, .gid = 65534};
}

RunProgram Shell(const std::string& script, std::string input = "") {
  RunProgram run{.argv = {"/bin/sh", "-c", script}, .user = SomeUser(), .environment = {"PATH=/usr/bin:/bin"}};
  run.input.Append(std::move(input));
  run.time_limit = Seconds(60);
  return run;
}

class ProgramsTest : public ::testing::Test {
 protected:
  ProgramsTest() { signal(SIGPIPE, SIG_IGN); }  // as the server has it
  ProgramEnded End(RunProgram run) {
    std::optional<ProgramEnded> ended;
    programs_->Run({.tag = 7}, std::move(run), &inbox_, [&ended](const Answer& answer) {
      EXPECT_EQ(answer.op.tag, 7u);
      ended = std::get<ProgramEnded>(answer.reply);
    });
    Await([&] { return ended.has_value(); });
    return ended.value_or(ProgramEnded{.output = "no answer"});
  }
  void Await(const std::function<bool()>& done) {
    while (!done()) {
      pollfd fd{.fd = inbox_.wake_fd(), .events = POLLIN};
      ASSERT_EQ(poll(&fd, 1, 60'000), 1) << "no answer came";
      inbox_.RunPosted();
    }
  }

  Inbox inbox_;
  std::optional<Programs> programs_{Programs::Options{}};
};

TEST_F(ProgramsTest, TellsHowAProgramEnded) {
  EXPECT_EQ(End(Shell("exit 0")), (ProgramEnded{.how = How::kExited}));
  EXPECT_EQ(End(Shell("echo out; echo err >&2; exit 75")),
            (ProgramEnded{.how = How::kExited, .number = 75, .output = "out\nerr\n"}));
  EXPECT_EQ(End(Shell("kill -SEGV $$")), (ProgramEnded{.how = How::kKilled, .number = SIGSEGV}));
}

TEST_F(ProgramsTest, FeedsAllOfALongInput) {
  const std::string input(3'000'000, 'x');
  EXPECT_EQ(End(Shell("wc -c", input)).output, "3000000\n");
  // Who doesn't read it may still end well: its exit status says so.
  EXPECT_EQ(End(Shell("exit 3", input)), (ProgramEnded{.how = How::kExited, .number = 3}));
}

TEST_F(ProgramsTest, KeepsTheBeginningOfLongOutput) {
  const ProgramEnded ended = End(Shell("yes | head -c 1000000; exit 1"));
  EXPECT_EQ(ended.output.size(), kProgramOutputBytesMax);
  EXPECT_EQ(ended.number, 1);
}

TEST_F(ProgramsTest, GivesNothingButWhatIsAsked) {
  setenv("POSTERN_TEST_KEPT", "kept", 1);
  setenv("POSTERN_TEST_SECRET", "secret", 1);
  RunProgram run = Shell(
      "id -u; id -g; id -G; pwd; umask; env | sort | grep -v ^_= | grep -v ^SHLVL | grep -v ^PWD; ls /proc/self/fd | "
      "wc -l");
  run.inherited = {"POSTERN_TEST_KEPT", "POSTERN_TEST_NONE", "PATH"};
  const FileOwner user = run.user;
  const std::string gid = std::to_string(user.gid);
  const std::string groups = geteuid() == 0 ? gid : "";
  const std::string output = End(std::move(run)).output;
  EXPECT_TRUE(output.starts_with(std::to_string(user.uid) + "\n" + gid + "\n" + groups)) << output;
  // ls has the folder open beside the three.
  EXPECT_TRUE(output.ends_with("/\n0077\nPATH=/usr/bin:/bin\nPOSTERN_TEST_KEPT=kept\n4\n")) << output;
}

TEST_F(ProgramsTest, HasSignalsAsTheyAreAtFirst) {
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &some, nullptr);
  EXPECT_EQ(End(Shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'")).output,
            "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
  pthread_sigmask(SIG_UNBLOCK, &some, nullptr);
}

TEST_F(ProgramsTest, KillsWhatTakesTooLongWithItsChildren) {
  const testing::TempDir dir;
  chmod(dir.path().c_str(), 0777);
  RunProgram run = Shell("echo begun; sleep 1000 & echo $! > " + dir.path() + "/child; wait");
  run.time_limit = Milliseconds(500);
  EXPECT_EQ(End(std::move(run)), (ProgramEnded{.how = How::kTimedOut, .number = SIGKILL, .output = "begun\n"}));
  pid_t child = 0;
  std::ifstream(dir.path() + "/child") >> child;
  ASSERT_GT(child, 0);
  // It dies at a time of its own, and soon.
  const host::UniqueFd alive(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  pollfd fd{.fd = alive.get(), .events = POLLIN};
  EXPECT_TRUE(!alive.valid() || poll(&fd, 1, 30'000) == 1) << child << " lives on";
}

TEST_F(ProgramsTest, DoesNotWaitForAChildThatStaysBehind) {
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(End(Shell("sleep 30 & echo done")).output, "done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
}

TEST_F(ProgramsTest, FindsProgramsAsExecvpDoes) {
  RunProgram run = Shell("");
  run.argv = {"echo", "a  b"};
  EXPECT_EQ(End(run).output, "a  b\n");
  run.argv = {"exit", "3"};
  EXPECT_EQ(End(run), (ProgramEnded{.how = How::kNotStarted, .output = "execvp exit: No such file or directory"}));
  run.otherwise = {"/bin/sh", "-c", "exit 3"};
  EXPECT_EQ(End(run), (ProgramEnded{.how = How::kExited, .number = 3}));
  run.argv = {"/nowhere/at/all"};
  EXPECT_EQ(End(run).output, "execvp /nowhere/at/all: No such file or directory");
  run.argv = {"/etc/passwd"};
  EXPECT_EQ(End(run).output, "execvp /etc/passwd: Permission denied");
}

TEST_F(ProgramsTest, RunsAScriptThatNamesNoShell) {
  const testing::TempDir dir;
  chmod(dir.path().c_str(), 0755);
  const std::string path = dir.path() + "/script";
  std::ofstream(path) << "echo script $1\n";
  chmod(path.c_str(), 0755);
  RunProgram run = Shell("");
  run.argv = {path, "one"};
  EXPECT_EQ(End(run).output, "script one\n");
}

TEST_F(ProgramsTest, LimitsTheFilesItWrites) {
  RunProgram run = Shell("ulimit -f");
  run.file_bytes_max = 1024 * 1024;
  const std::string blocks = End(std::move(run)).output;
  EXPECT_TRUE(blocks == "2048\n" || blocks == "1024\n") << blocks;  // of 512 or 1024 bytes
}

TEST_F(ProgramsTest, RunsNothingWithoutAUser) {
  for (const FileOwner& nobody :
       {FileOwner{}, FileOwner{.uid = 0, .gid = 0}, FileOwner{.uid = 500, .gid = 0}, FileOwner{.uid = 0, .gid = 500}}) {
    RunProgram run = Shell("exit 0");
    run.user = nobody;
    EXPECT_EQ(End(std::move(run)).how, How::kNotStarted);
  }
  if (geteuid() != 0) {
    RunProgram run = Shell("exit 0");
    run.user.uid += 1;
    EXPECT_EQ(End(std::move(run)).how, How::kNotStarted);
  }
}

TEST_F(ProgramsTest, EndsWhatRunsWithItself) {
  const testing::TempDir dir;
  chmod(dir.path().c_str(), 0777);
  const std::string started = dir.path() + "/started";
  ASSERT_EQ(mkfifo(started.c_str(), 0666), 0);
  chmod(started.c_str(), 0666);
  programs_->Run({}, Shell("echo > " + started + "; sleep 1000"), &inbox_, [](const Answer&) {});
  std::ifstream wait(started);
  std::string line;
  std::getline(wait, line);
  const auto before = std::chrono::steady_clock::now();
  programs_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
}

TEST_F(ProgramsTest, RefusesMoreThanMayWait) {
  programs_.reset();
  programs_.emplace(Programs::Options{.running_max = 1, .waiting_max = 1});
  size_t refused = 0, ended = 0;
  for (int i = 0; i < 20; ++i) {
    programs_->Run({}, Shell("sleep 0.1"), &inbox_, [&](const Answer& answer) {
      ++ended;
      if (std::get<ProgramEnded>(answer.reply).how == How::kNotStarted) ++refused;
    });
  }
  Await([&] { return ended == 20; });
  EXPECT_GT(refused, 0u);
  EXPECT_LT(refused, 20u);
}

}  // namespace
}  // namespace postern::workers
