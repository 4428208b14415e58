// Goal: headers of mail that is submitted here get complete addresses and nothing else. Method: examples as RFC 5322
// writes addresses, and what is none.
#include "core/smtp/header_addresses.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

class HeaderAddressesTest : public ::testing::Test {
 protected:
  HeaderAddressesTest() {
    routing_.myorigin = "origin.example";
    routing_.mydomain = "mydomain.example";
    routing_.append_dot_mydomain = true;
  }
  std::string Complete(std::string_view value) const { return WithCompleteAddresses(value, routing_); }

  config::Routing routing_;
};

TEST_F(HeaderAddressesTest, WhatIsMissingIsPutIn) {
  EXPECT_EQ(Complete(" alice\r\n"), " alice@origin.example\r\n");
  EXPECT_EQ(Complete(" alice,bob (him),\r\n\tcarol@host\r\n"),
            " alice@origin.example,bob@origin.example (him),\r\n\tcarol@host.mydomain.example\r\n");
  EXPECT_EQ(Complete(" \"A, B\" <a>, C D <c@x.example>, <d>"),
            " \"A, B\" <a@origin.example>, C D <c@x.example>, <d@origin.example>");
  EXPECT_EQ(Complete(" friends: a, b@x.example;, c"), " friends: a@origin.example, b@x.example;, c@origin.example");
  EXPECT_EQ(Complete(" \"a b\""), " \"a b\"@origin.example");
  EXPECT_EQ(Complete(" (note) a (note, more)"), " (note) a@origin.example (note, more)");
}

TEST_F(HeaderAddressesTest, AllElseStaysAsItWas) {
  for (const std::string_view value :
       {"", " ", "\r\n", " a@x.example\r\n", " John Smith\r\n", " <>", " a@[192.0.2.1]", " \"unclosed", " (unclosed",
        " <unclosed", " <a> <b>", " @x.example:", ",,;;::", " a\\", " (\\", " \"\\", " undisclosed-recipients:;"}) {
    EXPECT_EQ(Complete(value), value);
  }
}

TEST_F(HeaderAddressesTest, NamesAreQuotedAndEncodedWhereTheyMust) {
  EXPECT_EQ(NameAndAddress("", "a@x.example"), "a@x.example");
  EXPECT_EQ(NameAndAddress(" \r\n", "a@x.example"), "a@x.example");
  EXPECT_EQ(NameAndAddress("Alice Miller", "a@x.example"), "Alice Miller <a@x.example>");
  EXPECT_EQ(NameAndAddress("A. \"B\" <c@x>\nBcc: d", "a@x.example"), "\"A. \\\"B\\\" <c@x> Bcc: d\" <a@x.example>");
  EXPECT_EQ(NameAndAddress("J\xc3\xbcrgen", "a@x.example"), "=?utf-8?B?SsO8cmdlbg==?= <a@x.example>");
  const std::string longest = NameAndAddress(std::string(5000, '\xfc'), "a@x.example");
  EXPECT_LT(longest.size(), 998u);
}

TEST_F(HeaderAddressesTest, FieldsOfAddressesAreKnown) {
  EXPECT_TRUE(HoldsAddresses("from"));
  EXPECT_TRUE(HoldsAddresses("Resent-To"));
  EXPECT_FALSE(HoldsAddresses("Subject"));
  EXPECT_FALSE(HoldsAddresses("Message-ID"));
}

}  // namespace
}  // namespace postern::smtp
