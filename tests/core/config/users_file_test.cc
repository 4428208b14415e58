// Dovecot's passwd-file by example.
#include "core/config/users_file.h"

#include <gtest/gtest.h>

#include "core/config/memory_files.h"

namespace postern::config {
namespace {

TEST(UsersFile, AllFieldsAndNoneOfThem) {
  MemoryFiles files;
  files.users["vmail"] = 15000;
  files.groups["mail"] = 8;
  FindingList findings;
  const UserTablePtr users = ParseUsersFile(
      "# comment\n\nalice:{PLAIN}a:vmail:mail:Alice A:/home/alice:/bin/sh:userdb_mail=maildir:~/Maildir nodelay "
      "allow_nets=::1\n"
      "bob:secret\r\ncarol:x[13]:5000:5001::/home/carol\n",
      "/u", files, &findings);
  EXPECT_TRUE(findings.all().empty());
  const UserRecord* alice = users->Find("alice");
  ASSERT_NE(alice, nullptr);
  EXPECT_EQ(alice->password.Reveal(), "{PLAIN}a");
  EXPECT_EQ(alice->uid, 15000);
  EXPECT_EQ(alice->gid, 8);
  EXPECT_EQ(alice->home, "/home/alice");
  EXPECT_EQ(alice->extra_fields, (std::vector<std::pair<std::string, std::string>>{
                                     {"userdb_mail", "maildir:~/Maildir"}, {"nodelay", "yes"}, {"allow_nets", "::1"}}));
  EXPECT_EQ(users->Find("bob")->password.Reveal(), "secret");
  EXPECT_EQ(users->Find("bob")->uid, -1);
  EXPECT_EQ(users->Find("carol")->password.Reveal(), "{CRYPT}x");
  EXPECT_EQ(users->Find("carol")->gid, 5001);
  EXPECT_EQ(users->Find("Alice"), nullptr);
}

TEST(UsersFile, MistakesAreFindings) {
  MemoryFiles files;
  FindingList findings;
  ParseUsersFile("a:x:nobody-here\na:y\n", "/u", files, &findings);
  ASSERT_EQ(findings.all().size(), 2u);
  EXPECT_EQ(findings.all()[0].id, "users-unknown-id");
  EXPECT_EQ(findings.all()[1].id, "users-duplicate");
}

TEST(UsersFile, SampleHasTheMostCommonScheme) {
  MemoryFiles files;
  FindingList findings;
  const UserTablePtr users =
      ParseUsersFile("a:{PLAIN}1\nb:{SHA512-CRYPT}2\nc:{SHA512-CRYPT}3\n", "/u", files, &findings);
  ASSERT_NE(users->Sample(), nullptr);
  EXPECT_EQ(SchemeOf(users->Sample()->password.Reveal(), ""), "SHA512-CRYPT");
  EXPECT_EQ(ParseUsersFile("", "/u", files, &findings)->Sample(), nullptr);
}

TEST(SchemeOf, CutsTheEncodingAndFallsBack) {
  EXPECT_EQ(SchemeOf("{cram-md5.b64}x", "CRYPT"), "CRAM-MD5");
  EXPECT_EQ(SchemeOf("x", "CRYPT"), "CRYPT");
  EXPECT_EQ(SchemeOf("{broken", "CRYPT"), "CRYPT");
}

}  // namespace
}  // namespace postern::config
