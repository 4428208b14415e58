// The root folder, the host's files and names, the start counter, and how changed files are noticed.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "adapters/host/clock.h"
#include "adapters/host/config_watch.h"
#include "adapters/host/errno_status.h"
#include "adapters/host/host_files.h"
#include "adapters/host/node.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::host {
namespace {

class HostTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& bytes) { std::ofstream(dir_.path() + path) << bytes; }
  void MakeFolder(const std::string& path) { ASSERT_EQ(mkdir((dir_.path() + path).c_str(), 0755), 0); }

  testing::TempDir dir_;
  Root root_ = *Root::Open(dir_.path() + "/");
  HostFiles files_{&root_};
};

TEST_F(HostTest, PathsAreBelowTheRoot) {
  EXPECT_EQ(root_.folder(), dir_.path());
  EXPECT_EQ(root_.Whole("/a/b"), dir_.path() + "/a/b");
  const std::string path = "//a/b", top = "/";
  EXPECT_STREQ(root_.Relative(path), "a/b");
  EXPECT_STREQ(root_.Relative(top), ".");
  const Root whole = *Root::Open("/");
  EXPECT_STREQ(whole.Relative(path), "//a/b");
  EXPECT_EQ(Root::Open(dir_.path() + "/none").status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(Root::Check("/a/..b/...").ok());
  for (const char* bad : {"", "a", "/..", "/a/../b", "/a/.."}) EXPECT_FALSE(Root::Check(bad).ok()) << bad;
}

TEST_F(HostTest, ReadsAndStatsFiles) {
  Put("/f", "hello");
  MakeFolder("/d");
  EXPECT_EQ(*files_.Read("/f"), "hello");
  EXPECT_EQ(files_.Read("/none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.Read("/d").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(files_.Stat("/f")->size_bytes, 5u);
  EXPECT_FALSE(files_.Stat("/f")->is_dir);
  EXPECT_TRUE(files_.Stat("/d")->is_dir);
  EXPECT_EQ(files_.Stat("/f")->uid, static_cast<int64_t>(geteuid()));
  chmod((dir_.path() + "/f").c_str(), 0640);
  EXPECT_EQ(files_.Stat("/f")->mode, 0640u);
}

TEST_F(HostTest, Globs) {
  MakeFolder("/conf.d");
  for (const char* name : {"/conf.d/20-b.conf", "/conf.d/10-a.conf", "/conf.d/notes.txt", "/conf.d/.hidden.conf"})
    Put(name, "");
  EXPECT_EQ(files_.Glob("/conf.d/*.conf"), (std::vector<std::string>{"/conf.d/10-a.conf", "/conf.d/20-b.conf"}));
  EXPECT_TRUE(files_.Glob("/none/*").empty());
  EXPECT_EQ(files_.globbed(), (std::vector<std::string>{"/conf.d/*.conf", "/none/*"}));
}

TEST_F(HostTest, AsksTheHostForNames) {
  EXPECT_EQ(files_.UserId("root"), 0);
  EXPECT_EQ(files_.GroupId("root"), 0);
  EXPECT_EQ(files_.PrimaryGroupOf("root"), 0);
  EXPECT_EQ(files_.UserId("no-such-user"), -1);
  EXPECT_EQ(files_.UserId("4711"), 4711);
  EXPECT_EQ(files_.ServicePort("no-such-service"), 0);
  const auto interfaces = files_.InterfaceAddresses();
  EXPECT_NE(std::find(interfaces.begin(), interfaces.end(), *IpAddress::Parse("127.0.0.1")), interfaces.end());
  EXPECT_EQ(files_.HostAddresses("192.0.2.5"), std::vector<IpAddress>{*IpAddress::Parse("192.0.2.5")});
  EXPECT_FALSE(files_.HostName().empty());
}

TEST_F(HostTest, ARootFolderMayHaveUsersOfItsOwn) {
  MakeFolder("/etc");
  Put("/etc/passwd", "vmail:x:5000:5001::/var/mail:/bin/false\n");
  Put("/etc/group", "mail:x:5002:\n");
  EXPECT_EQ(files_.UserId("vmail"), 5000);
  EXPECT_EQ(files_.PrimaryGroupOf("vmail"), 5001);
  EXPECT_EQ(files_.GroupId("mail"), 5002);
  EXPECT_EQ(files_.UserId("root"), -1);
}

TEST_F(HostTest, CountsStartsAndLocksOthersOut) {
  {
    const auto first = StartNode(root_, "/var/lib/postfix");
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(first->start_counter, 1u);
    EXPECT_EQ(StartNode(root_, "/var/lib/postfix").status().code(), StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(StartNode(root_, "/var/lib/postfix")->start_counter, 2u);
  Put("/var/lib/postfix/postern.starts", "41\n");
  EXPECT_EQ(StartNode(root_, "/var/lib/postfix")->start_counter, 42u);
  for (const char* broken : {"", "x\n", "12", "-1\n"}) {
    Put("/var/lib/postfix/postern.starts", broken);
    EXPECT_EQ(StartNode(root_, "/var/lib/postfix").status().code(), StatusCode::kDataLoss) << broken;
  }
}

TEST_F(HostTest, NoticesChangedFiles) {
  MakeFolder("/conf.d");
  MakeFolder("/archive");
  Put("/main.cf", "a = 1\n");
  Put("/archive/cert1", "one");
  Put("/archive/cert2", "two");
  ASSERT_EQ(symlink("archive/cert1", (dir_.path() + "/cert").c_str()), 0);
  ConfigWatch watch(&root_);
  const auto woken = [&] {
    pollfd fd{.fd = watch.fd(), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
  };
  // What a loader does before it watches.
  const auto read_all = [&] {
    HostFiles reader(&root_);
    for (const char* path : {"/main.cf", "/missing", "/cert"}) (void)reader.Read(path);
    (void)reader.Glob("/conf.d/*.conf");
    return reader.states();
  };
  const auto begin = [&] { watch.Watch({"/main.cf", "/missing", "/cert"}, {"/conf.d/*.conf"}, read_all()); };
  begin();
  EXPECT_FALSE(woken());
  EXPECT_FALSE(watch.Changed());
  Put("/other", "");  // in the same folder: wakes, and changes nothing
  EXPECT_TRUE(woken());
  EXPECT_FALSE(watch.Changed());
  const auto expect_change = [&](const char* what, auto change) {
    begin();
    change();
    EXPECT_TRUE(woken()) << what;
    EXPECT_TRUE(watch.Changed()) << what;
    EXPECT_FALSE(woken()) << what;
  };
  expect_change("written in place", [&] { Put("/main.cf", "a = 22\n"); });
  expect_change("a missing file appears", [&] { Put("/missing", ""); });
  expect_change("removed", [&] { unlink((dir_.path() + "/missing").c_str()); });
  expect_change("a new match", [&] { Put("/conf.d/a.conf", ""); });
  expect_change("replaced", [&] {
    Put("/new", "a = 33\n");
    rename((dir_.path() + "/new").c_str(), (dir_.path() + "/main.cf").c_str());
  });
  expect_change("the target of a link", [&] { Put("/archive/cert1", "changed"); });
  expect_change("a link to another target", [&] {
    ASSERT_EQ(symlink("archive/cert2", (dir_.path() + "/cert.new").c_str()), 0);
    rename((dir_.path() + "/cert.new").c_str(), (dir_.path() + "/cert").c_str());
  });
}

TEST_F(HostTest, NoticesFilesThatChangedBetweenReadingAndWatching) {
  MakeFolder("/conf.d");
  for (const char* path : {"/main.cf", "/missing", "/conf.d/a.conf", "/conf.d/b.conf"}) {
    unlink((dir_.path() + "/missing").c_str());
    unlink((dir_.path() + "/conf.d/b.conf").c_str());
    Put("/main.cf", "a = 1\n");
    Put("/conf.d/a.conf", "1");
    HostFiles reader(&root_);
    (void)reader.Read("/main.cf");
    (void)reader.Read("/missing");
    (void)reader.Glob("/conf.d/*.conf");
    ConfigWatch watch(&root_);
    watch.Watch({"/main.cf", "/missing"}, {"/conf.d/*.conf"}, reader.states());
    EXPECT_FALSE(watch.Changed()) << path;
    Put(path, "changed");
    watch.Watch({"/main.cf", "/missing"}, {"/conf.d/*.conf"}, reader.states());
    EXPECT_TRUE(watch.Changed()) << path;
  }
}

TEST(ErrnoStatusTest, CodesAreAsPromised) {
  const std::pair<int, StatusCode> all[] = {{ENOENT, StatusCode::kNotFound},
                                            {EEXIST, StatusCode::kAlreadyExists},
                                            {ENOSPC, StatusCode::kResourceExhausted},
                                            {EDQUOT, StatusCode::kResourceExhausted},
                                            {EACCES, StatusCode::kPermissionDenied},
                                            {EROFS, StatusCode::kPermissionDenied},
                                            {EIO, StatusCode::kUnavailable},
                                            {EMFILE, StatusCode::kUnavailable},
                                            {ENAMETOOLONG, StatusCode::kInvalidArgument}};
  for (const auto& [error, code] : all) EXPECT_EQ(StatusFromErrno(error, "x").code(), code) << error;
  EXPECT_EQ(std::string(Message(StatusFromErrno(ENOENT, "read /a"))), "read /a: No such file or directory");
}

TEST(ClockTest, NeverGoesBack) {
  Clock clock;
  Instant last{};
  for (int i = 0; i < 1000; ++i) {
    const Now now = clock.Read();
    ASSERT_GE(now.mono, last);
    last = now.mono;
    ASSERT_GT(now.wall.seconds(), 1'700'000'000);
  }
}

}  // namespace
}  // namespace postern::host
