// Addresses there and back, listeners and their errors, the output queue.
#include "adapters/net/address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "adapters/net/listener.h"
#include "adapters/net/output_queue.h"

namespace postern::net {
namespace {

TEST(AddressTest, RoundTripsAndPrints) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "0.0.0.0", "::"}) {
    const Endpoint endpoint{.address = *IpAddress::Parse(text), .port = 2525};
    sockaddr_storage storage{};
    ToSocketAddress(endpoint, &storage);
    EXPECT_EQ(FromSocketAddress(storage), endpoint) << text;
  }
  EXPECT_EQ(ToString({.address = *IpAddress::Parse("192.0.2.1"), .port = 25}), "192.0.2.1:25");
  EXPECT_EQ(ToString({.address = *IpAddress::Parse("::1"), .port = 25}), "[::1]:25");
  sockaddr_storage storage{};
  ToSocketAddress({.address = *IpAddress::Parse("::ffff:192.0.2.7"), .port = 1}, &storage);
  EXPECT_EQ(FromSocketAddress(storage).address.ToString(), "192.0.2.7");
}

TEST(ListenerTest, ATakenPortIsNamed) {
  const Endpoint any{.address = *IpAddress::Parse("127.0.0.1")};
  const auto first = Listen(ListenerId{0}, any, false);
  ASSERT_TRUE(first.ok());
  EXPECT_NE(first->endpoint.port, 0);
  const auto second = Listen(ListenerId{1}, first->endpoint, false);
  EXPECT_EQ(std::string(Message(second.status())),
            "listen on " + ToString(first->endpoint) + ": Address already in use");
}

class UnixListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/postern-net-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  bool Connects(const std::string& path) const {
    const host::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  std::string folder_;
};

TEST_F(UnixListenerTest, HasItsModeAndFoldersAndLeavesNoName) {
  const std::string path = folder_ + "/run/deep/auth";
  auto socket = ListenUnix(ListenerId{3}, {.path = path, .mode = 0620, .uid = getuid(), .gid = getgid()});
  ASSERT_TRUE(socket.ok()) << Message(socket.status());
  struct stat facts {};
  ASSERT_EQ(lstat(path.c_str(), &facts), 0);
  EXPECT_TRUE(S_ISSOCK(facts.st_mode));
  EXPECT_EQ(facts.st_mode & 07777, 0620u);
  EXPECT_TRUE(Connects(path));
  RemoveName(*std::move(socket));
  EXPECT_NE(lstat(path.c_str(), &facts), 0);
}

TEST_F(UnixListenerTest, TakesAStaleNameButNobodyElses) {
  const std::string path = folder_ + "/s";
  {
    const auto gone = ListenUnix(ListenerId{0}, {.path = path});  // closed without RemoveName, as after a crash
    ASSERT_TRUE(gone.ok());
  }
  EXPECT_FALSE(Connects(path));
  auto first = ListenUnix(ListenerId{0}, {.path = path});
  ASSERT_TRUE(first.ok());
  const auto second = ListenUnix(ListenerId{0}, {.path = path});
  EXPECT_EQ(std::string(Message(second.status())), "another program listens on " + path + ": stop it first");
  EXPECT_TRUE(Connects(path));

  std::ofstream(folder_ + "/file") << "precious";
  EXPECT_EQ(ListenUnix(ListenerId{0}, {.path = folder_ + "/file"}).status().code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/file"));

  std::filesystem::remove(path);  // an administrator, and then another server
  auto third = ListenUnix(ListenerId{0}, {.path = path});
  ASSERT_TRUE(third.ok());
  RemoveName(*std::move(first));
  EXPECT_TRUE(Connects(path));
}

TEST_F(UnixListenerTest, ATooLongPathIsNamed) {
  const std::string path = folder_ + "/" + std::string(107 - folder_.size() - 1, 'x');
  EXPECT_TRUE(ListenUnix(ListenerId{0}, {.path = path}).ok());
  const auto socket = ListenUnix(ListenerId{0}, {.path = path + "y"});
  EXPECT_EQ(std::string(Message(socket.status())),
            "listen on " + path + "y: a unix socket's path has at most 107 bytes, this one 108");
}

TEST(OutputQueueTest, EveryCutGivesTheSameBytes) {
  const std::vector<std::string> pieces{"a", "bc", "", "defgh", "ij"};
  for (size_t step = 1; step < 12; ++step) {
    OutputQueue queue;
    Chain first(pieces[0]);
    first.Append(std::make_shared<const std::string>(pieces[1]));
    queue.Append(std::move(first));
    for (size_t i = 2; i < pieces.size(); ++i) queue.Append(Chain(pieces[i]));
    std::string all;
    while (!queue.empty()) {
      iovec parts[2];
      const int count = queue.Fill(parts, 2);
      std::string seen;
      for (int i = 0; i < count; ++i) seen.append(static_cast<char*>(parts[i].iov_base), parts[i].iov_len);
      ASSERT_EQ(seen.substr(0, queue.Front().size()), queue.Front());
      const size_t taken = std::min(step, seen.size());
      all += seen.substr(0, taken);
      queue.Consume(taken);
    }
    EXPECT_EQ(all, "abcdefghij");
    EXPECT_EQ(queue.consumed_bytes(), 10u);
  }
}

}  // namespace
}  // namespace postern::net
