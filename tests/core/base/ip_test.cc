// Addresses and networks: what parses, the canonical text, what contains what.
#include "core/base/ip.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

std::string Canonical(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  return address ? address->ToString() : "none";
}

TEST(Ip, Version4) {
  EXPECT_EQ(Canonical("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Canonical("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(Canonical("255.255.255.255"), "255.255.255.255");
  for (const std::string_view bad :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.-4", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..2.3", "1.2.3.",
        "a.b.c.d", "1.2.3.4x", "0x1.2.3.4", "1.2.3.0004"}) {
    EXPECT_EQ(Canonical(bad), "none") << bad;
  }
}

// RFC 5952 section 4.
TEST(Ip, Version6IsCanonical) {
  EXPECT_EQ(Canonical("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(Canonical("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // 4.2.2: a single group is not shortened
  EXPECT_EQ(Canonical("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");           // 4.2.3: the longest run
  EXPECT_EQ(Canonical("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");     // 4.2.3: the first of equals
  EXPECT_EQ(Canonical("::"), "::");
  EXPECT_EQ(Canonical("::1"), "::1");
  EXPECT_EQ(Canonical("1::"), "1::");
  EXPECT_EQ(Canonical("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
  EXPECT_EQ(Canonical("::ffff:192.0.2.1"), "::ffff:c000:201");
  EXPECT_EQ(Canonical("1:2:3:4:5:6:192.0.2.1"), "1:2:3:4:5:6:c000:201");
  for (const std::string_view bad :
       {":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "1:", ":1", "::1%eth0", "[::1]",
        "1:2:3:4:5:6:7:192.0.2.1", "::192.0.2", "1:2:3:4:5:6:7:8::"}) {
    EXPECT_EQ(Canonical(bad), "none") << bad;
  }
}

TEST(Ip, Loopback) {
  EXPECT_TRUE(IpAddress::Parse("127.0.0.1")->IsLoopback());
  EXPECT_TRUE(IpAddress::Parse("127.255.0.9")->IsLoopback());
  EXPECT_TRUE(IpAddress::Parse("::1")->IsLoopback());
  EXPECT_FALSE(IpAddress::Parse("128.0.0.1")->IsLoopback());
  EXPECT_FALSE(IpAddress::Parse("::2")->IsLoopback());
  EXPECT_FALSE(IpAddress::Parse("::")->IsLoopback());
}

bool Contains(std::string_view network, std::string_view address) {
  return Network::Parse(network)->Contains(*IpAddress::Parse(address));
}

TEST(Ip, Networks) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("192.0.2.128/25", "192.0.2.255"));
  EXPECT_FALSE(Contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(Contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(Contains("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(Contains("[2001:db8::]/32", "2001:db8:ffff::1"));
  EXPECT_TRUE(Contains("::1/128", "::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::"));
  for (const std::string_view bad : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "/8",
                                     "::/129", "2001:db8::1/32", "[10.0.0.0", "host/8"}) {
    EXPECT_FALSE(Network::Parse(bad).has_value()) << bad;
  }
}

TEST(Ip, Order) {
  EXPECT_EQ(*IpAddress::Parse("::1"), *IpAddress::Parse("0:0:0:0:0:0:0:1"));
  EXPECT_NE(*IpAddress::Parse("::"), *IpAddress::Parse("0.0.0.0"));
  EXPECT_LT(*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("10.0.0.2"));
}

}  // namespace
}  // namespace postern
