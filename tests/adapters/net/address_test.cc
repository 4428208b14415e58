// Addresses there and back, listeners and their errors, the output queue.
#include "adapters/net/address.h"

#include <gtest/gtest.h>

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
  EXPECT_EQ(std::string(Message(second.status())), "listen on " + ToString(first->endpoint) + ": Address already in use");
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
