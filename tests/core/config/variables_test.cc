// % variables by example. The expected texts are homes that Dovecot 2.3.19's userdb returned for this login.
#include "core/config/variables.h"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

std::string Expand(std::string_view text, std::string_view user = "Alice.B@Example.Test") {
  const auto expanded = ExpandVariables(text, {.user = user, .service = "imap", .home = "/home/a", .pid = 7});
  return expanded.ok() ? *expanded : "ERROR " + std::string(Message(expanded.status()));
}

TEST(Variables, NamesShortAndLong) {
  EXPECT_EQ(Expand("/%u|%n|%d"), "/Alice.B@Example.Test|Alice.B|Example.Test");
  EXPECT_EQ(Expand("%{user}|%{username}|%{domain}"), "Alice.B@Example.Test|Alice.B|Example.Test");
  EXPECT_EQ(Expand("%s %h %p %%"), "imap /home/a 7 %");
  EXPECT_EQ(Expand("/home/vmail/%d/%n", "bob"), "/home/vmail//bob");
}

TEST(Variables, CuttingAndPadding) {
  EXPECT_EQ(Expand("%Lu|%Un|%3.1n|%0.3n|%-2n|%-3.2n|%5n|%05n"),
            "alice.b@example.test|ALICE.B|c|Ali|Al|e.|Alice|Alice.B");
  EXPECT_EQ(Expand("%.3u|%-5.2n|%LUu|%L{user}"), "Ali|ic|ALICE.B@EXAMPLE.TEST|alice.b@example.test");
  EXPECT_EQ(Expand("%08Xu", "255"), "000000ff");
  EXPECT_EQ(Expand("%08Xu"), "00000000");
}

TEST(Variables, HashesAndOtherModifiers) {
  EXPECT_EQ(Expand("%Hu|%1Hu|%16Hu|%256Hu|%2.26Hu"), "45bae34|0|4|34|0a");
  EXPECT_EQ(Expand("%Nu|%1.5Nu|%2.256Nu"), "5f8e2aac|4|ac");
  EXPECT_EQ(Expand("%Mu|%1Mu"), "58e284895f8e2aacba0f9bd767fe2362|5");
  EXPECT_EQ(Expand("%Du|%Rn|%Xu"), "Alice,dc=B@Example,dc=Test|B.ecilA|0");
  EXPECT_EQ(Expand("%{md5:user}|%{sha1:user}"),
            "58e284895f8e2aacba0f9bd767fe2362|abbaa22c0d42a284395da44109dfcc79f45aaa64");
}

TEST(Variables, UnknownOnesAreErrorsThatNameThem) {
  EXPECT_EQ(Expand("%z"), "ERROR unknown variable %z");
  EXPECT_EQ(Expand("a %{nosuch} b"), "ERROR unknown variable %{nosuch}");
  EXPECT_EQ(Expand("%$x"), "ERROR unknown variable %$");
  EXPECT_EQ(Expand("end %"), "ERROR unknown variable %");
  EXPECT_EQ(Expand("%{user"), "ERROR unknown variable %{user");
}

TEST(Variables, PartsOfAUser) {
  EXPECT_EQ(UserName("a@b@c"), "a");
  EXPECT_EQ(UserDomain("a@b@c"), "b@c");
  EXPECT_EQ(UserName("a"), "a");
  EXPECT_EQ(UserDomain("a"), "");
}

}  // namespace
}  // namespace postern::config
