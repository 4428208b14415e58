// Goal: a message is appended whole or not at all, and only to what local(8) would append it to. Method: files of every
// kind in a folder of the test; the message comes through a pipe.
#include "adapters/files/mbox_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "adapters/host/unique_fd.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::files {
namespace {

class MboxFileTest : public ::testing::Test {
 protected:
  MboxFileTest() { job_.lock.attempts = 2, job_.lock.delay = Milliseconds(1); }

  std::string Append(const std::string& name, const std::string& text, uint64_t more = 0) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    host::UniqueFd in(ends[0]);
    {
      const host::UniqueFd out(ends[1]);  // small texts: a pipe holds them
      EXPECT_EQ(write(out.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    job_.path = Path(name);
    job_.bytes = text.size() + more;
    return AppendToMbox(job_, in.get());
  }
  std::string Path(const std::string& name) const { return name.starts_with('/') ? name : dir_.path() + "/" + name; }
  std::string Text(const std::string& name) const {
    std::ifstream file(Path(name));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool Exists(const std::string& name) const { return access(Path(name).c_str(), F_OK) == 0; }
  void Put(const std::string& name, const std::string& text) const { std::ofstream(Path(name)) << text; }

  testing::TempDir dir_;
  MboxJob job_;
};

TEST_F(MboxFileTest, GrowsByEachMessage) {
  EXPECT_EQ(Append("new", "one\n\n"), "");
  EXPECT_EQ(Append("new", "two\n\n"), "");
  EXPECT_EQ(Text("new"), "one\n\ntwo\n\n");
  struct stat facts {};
  ASSERT_EQ(stat(Path("new").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_FALSE(Exists("new.lock"));
}

TEST_F(MboxFileTest, TakesDevicesThatAreNoMailbox) {
  EXPECT_EQ(Append("/dev/null", "gone"), "");
  EXPECT_FALSE(Exists("/dev/null.lock"));
}

TEST_F(MboxFileTest, HasNoHalfMessage) {
  Put("box", "before\n\n");
  // The server has died on the way.
  EXPECT_EQ(Append("box", "half", 1), "4.3.0 error reading message: it is cut off");
  EXPECT_EQ(Text("box"), "before\n\n");
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit small = old;
  small.rlim_cur = 10;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string full = Append("box", "too long for it");
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(full, "5.2.2 error writing message: File too large");
  EXPECT_EQ(Text("box"), "before\n\n");
}

TEST_F(MboxFileTest, RefusesTricks) {
  Put("target", "precious");
  ASSERT_EQ(symlink(Path("target").c_str(), Path("link").c_str()), 0);
  ASSERT_EQ(chown(dir_.path().c_str(), geteuid(), getegid()), 0);
  chmod(dir_.path().c_str(), 0777);  // a folder where anybody could have laid the link
  EXPECT_EQ(Append("link", "x"), "5.2.0 file is a symbolic link");
  chmod(dir_.path().c_str(), 0700);
  ASSERT_EQ(link(Path("target").c_str(), Path("second").c_str()), 0);
  EXPECT_EQ(Append("second", "x"), "5.2.0 file has 2 hard links");
  EXPECT_EQ(Text("target"), "precious");
  Put("script", "#!/bin/sh\n");
  chmod(Path("script").c_str(), 0700);
  EXPECT_EQ(Append("script", "x"), "5.7.1 file is executable");
  EXPECT_EQ(Text("script"), "#!/bin/sh\n");
  ASSERT_EQ(mkdir(Path("folder").c_str(), 0700), 0);
  EXPECT_EQ(Append("folder", "x"), "5.2.0 cannot open file: Is a directory");
  EXPECT_EQ(Append("none/box", "x"), "5.2.0 cannot create file exclusively: No such file or directory");
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(Append("fifo", "x"), "5.2.0 cannot open file: No such device or address") << "must not wait for a reader";
}

TEST_F(MboxFileTest, WaitsForWhoeverReadsTheMailbox) {
  Put("box", "");
  Put("box.lock", "");
  EXPECT_EQ(Append("box", "x"), "4.2.0 unable to create lock file " + Path("box") + ".lock: File exists");
  EXPECT_TRUE(Exists("box.lock")) << "it is another's";
  job_.lock.dotlock = false;
  EXPECT_EQ(Append("box", "x"), "");
  job_.lock.dotlock = true;
  job_.lock.stale = Seconds(-100);  // any lock is older
  EXPECT_EQ(Append("box", "y"), "");
  EXPECT_FALSE(Exists("box.lock"));
  EXPECT_EQ(Text("box"), "xy");
}

TEST_F(MboxFileTest, HonoursKernelLocks) {
  Put("box", "");
  const host::UniqueFd other(open(Path("box").c_str(), O_RDWR));
  ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
  EXPECT_EQ(Append("box", "x"), "") << "fcntl alone does not see it";
  job_.lock.flock = true;
  EXPECT_EQ(Append("box", "x"), "4.2.0 unable to lock for exclusive access");
  EXPECT_EQ(Text("box"), "x");
}

TEST_F(MboxFileTest, JobsSurviveTheCommandLine) {
  MboxJob job{
      .path = "/a b",
      .bytes = 77,
      .lock = {
          .fcntl = false, .flock = true, .dotlock = true, .attempts = 9, .delay = Seconds(3), .stale = Seconds(5)}};
  std::vector<std::string> words = MboxJobWords(job);
  ASSERT_EQ(words[1], kMboxCommand);
  words.erase(words.begin(), words.begin() + 2);
  const auto parsed = ParseMboxJob(words);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(MboxJobWords(*parsed), MboxJobWords(job));
  words.pop_back();
  EXPECT_FALSE(ParseMboxJob(words).has_value());
  EXPECT_FALSE(ParseMboxJob({"relative", "1", "-", "-", "-", "1", "1", "1"}).has_value());
  EXPECT_FALSE(ParseMboxJob({"/x", "one", "-", "-", "-", "1", "1", "1"}).has_value());
}

}  // namespace
}  // namespace postern::files
