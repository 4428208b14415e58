// The table of penalties: Dovecot's delays, what resets them, and that memory stays bounded.
#include "core/auth/penalty.h"

#include <gtest/gtest.h>

namespace postern::auth {
namespace {

IpAddress Address(std::string_view text) { return *IpAddress::Parse(text); }
Instant At(int64_t seconds) { return Instant{} + Seconds(seconds); }

TEST(Penalty, GrowsTwoFourEightFifteen) {
  PenaltyTable table;
  const IpAddress client = Address("192.0.2.1");
  EXPECT_EQ(table.DelayBefore(client, At(0)), Seconds(0));
  int64_t expected[] = {2, 4, 8, 15, 15, 15};
  for (uint64_t i = 0; i < 6; ++i) {
    table.OnFailure(client, i, At(100));
    EXPECT_EQ(table.DelayBefore(client, At(100)), Seconds(expected[i])) << i;
  }
}

TEST(Penalty, CountsFromTheFailure) {
  PenaltyTable table;
  const IpAddress client = Address("192.0.2.1");
  table.OnFailure(client, 1, At(100));
  table.OnFailure(client, 2, At(100));
  EXPECT_EQ(table.DelayBefore(client, At(103)), Seconds(1));
  EXPECT_EQ(table.DelayBefore(client, At(104)), Seconds(0));
  table.OnFailure(client, 3, At(200));  // waiting did not make it less
  EXPECT_EQ(table.DelayBefore(client, At(200)), Seconds(8));
}

TEST(Penalty, SuccessAndAnHourForget) {
  PenaltyTable table;
  const IpAddress client = Address("192.0.2.1");
  table.OnFailure(client, 1, At(0));
  table.OnSuccess(client);
  EXPECT_EQ(table.DelayBefore(client, At(0)), Seconds(0));
  EXPECT_EQ(table.size(), 0u);
  table.OnFailure(client, 1, At(0));
  table.OnFailure(Address("192.0.2.2"), 1, At(3599));
  EXPECT_EQ(table.size(), 2u);
  table.OnFailure(Address("192.0.2.3"), 1, At(3600));
  EXPECT_EQ(table.size(), 2u);
  table.OnFailure(client, 1, At(3600));
  EXPECT_EQ(table.DelayBefore(client, At(3600)), Seconds(2));
}

TEST(Penalty, TheSameWrongPasswordAddsNothing) {
  PenaltyTable table;
  const IpAddress client = Address("192.0.2.1");
  for (int i = 0; i < 100; ++i) table.OnFailure(client, 7, At(i));
  EXPECT_EQ(table.DelayBefore(client, At(0)), Seconds(2));
  for (uint64_t i = 8; i < 18; ++i) table.OnFailure(client, i, At(50));
  table.OnFailure(client, 7, At(60));  // ten others are between: it counts again
  EXPECT_EQ(table.DelayBefore(client, At(60)), Seconds(15));
}

TEST(Penalty, NeighboursAreApartAndIpv6GoesByNetwork) {
  PenaltyTable table;
  table.OnFailure(Address("192.0.2.1"), 1, At(0));
  EXPECT_EQ(table.DelayBefore(Address("192.0.2.2"), At(0)), Seconds(0));
  table.OnFailure(Address("2001:db8:1::1"), 1, At(0));
  EXPECT_EQ(table.DelayBefore(Address("2001:db8:1:ffff::9"), At(0)), Seconds(2));
  EXPECT_EQ(table.DelayBefore(Address("2001:db8:2::1"), At(0)), Seconds(0));
  // An IPv6 network whose first bytes look like an IPv4 address is another client.
  table.OnFailure(Address("c000:201::"), 1, At(0));
  EXPECT_EQ(table.size(), 3u);
}

TEST(Penalty, TheTableIsBounded) {
  PenaltyTable table(100);
  for (int i = 0; i < 1000; ++i) {
    IpAddress address = Address("10.0.0.0");
    address.bytes[2] = static_cast<uint8_t>(i >> 8);
    address.bytes[3] = static_cast<uint8_t>(i);
    table.OnFailure(address, 1, At(i));
    ASSERT_LE(table.size(), 100u);
  }
  EXPECT_EQ(table.DelayBefore(Address("10.0.0.0"), At(0)), Seconds(0));      // forgotten first
  EXPECT_EQ(table.DelayBefore(Address("10.0.3.231"), At(999)), Seconds(2));  // the last one
  PenaltyTable nothing(0);
  nothing.OnFailure(Address("10.0.0.1"), 1, At(0));
  EXPECT_EQ(nothing.size(), 0u);
}

}  // namespace
}  // namespace postern::auth
