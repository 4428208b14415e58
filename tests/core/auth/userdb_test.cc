// LookupUser: where a user's mail is, from static, passwd-file and prefetch sections, with and without the check that
// he exists.
#include <gtest/gtest.h>

#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

class UserDbTest : public ::testing::Test {
 protected:
  UserDbTest() {
    users_->Add("alice@example.test", "{PLAIN}pw");
    config::UserDb section;
    section.driver = "static";
    section.uid = section.gid = "15000";
    section.home = "/home/vmail/%d/%n";
    auth_.userdbs.push_back(section);
  }
  config::UserDb& userdb() { return auth_.userdbs[0]; }

  std::shared_ptr<FakeUsers> users_ = std::make_shared<FakeUsers>();
  config::Auth auth_ = AuthOf(users_);
};

TEST_F(UserDbTest, StaticExpandsItsTemplates) {
  const auto facts = LookupUser("alice@example.test", auth_, "imap");
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->user, "alice@example.test");
  EXPECT_EQ(facts->uid, 15000);
  EXPECT_EQ(facts->gid, 15000);
  EXPECT_EQ(facts->home, "/home/vmail/example.test/alice");
  EXPECT_EQ(facts->mail, "");
}

TEST_F(UserDbTest, StaticAsksThePassDbs) {
  EXPECT_EQ(LookupUser("bob@example.test", auth_, "lmtp").status().code(), StatusCode::kNotFound);
  userdb().allow_all_users = true;
  EXPECT_TRUE(LookupUser("bob@example.test", auth_, "lmtp").ok());
}

TEST_F(UserDbTest, ExistenceNeedsNoPasswordAndNoNetwork) {
  users_->Add("broken@example.test", "{NOPE}x");
  users_->Add("nets@example.test", "{PLAIN}pw", {{"allow_nets", "10.0.0.0/8"}});
  auth_.passdbs[0].mechanisms = {"PLAIN"};
  EXPECT_TRUE(LookupUser("broken@example.test", auth_, "lmtp").ok());
  EXPECT_TRUE(LookupUser("nets@example.test", auth_, "lmtp").ok());
}

TEST_F(UserDbTest, DeniedUsersDoNotExist) {
  auth_.passdbs.insert(auth_.passdbs.begin(), auth_.passdbs[0]);
  auth_.passdbs[0].deny = true;
  EXPECT_EQ(LookupUser("alice@example.test", auth_, "imap").status().code(), StatusCode::kNotFound);
}

TEST_F(UserDbTest, UserFieldOfThePassDbNamesTheHome) {
  users_->Add("al", "{PLAIN}pw", {{"user", "alice@example.test"}});
  EXPECT_EQ(LookupUser("al", auth_, "imap")->home, "/home/vmail/example.test/alice");
  EXPECT_EQ(LookupUser("al", auth_, "imap")->user, "alice@example.test");
}

TEST_F(UserDbTest, StaticFieldsAndOverrides) {
  userdb().fields = {{"mail", "maildir:/srv/%d/%n"}};
  EXPECT_EQ(LookupUser("alice@example.test", auth_, "imap")->mail, "maildir:/srv/example.test/alice");
  userdb().override_fields = {{"home", "/other/%u"}, {"uid", "7"}, {"gid", "nonsense"}};
  const auto facts = LookupUser("alice@example.test", auth_, "imap");
  EXPECT_EQ(facts->home, "/other/alice@example.test");
  EXPECT_EQ(facts->uid, 7);
  EXPECT_EQ(facts->gid, 15000);
}

TEST_F(UserDbTest, PasswdFileGivesItsColumnsAndUserDbFields) {
  config::UserRecord& record = users_->Add(
      "carol@example.test", "{PLAIN}pw", {{"userdb_mail", "maildir:~/%n"}, {"mail", "not this"}, {"userdb_gid", "44"}});
  record.uid = 1001;
  record.gid = 1002;
  record.home = "/home/carol";
  userdb() = config::UserDb{};
  userdb().driver = "passwd-file";
  userdb().username_format = "%u";
  userdb().users = users_;
  userdb().default_fields = {{"home", "/nowhere"}, {"uid", "99"}};
  const auto facts = LookupUser("carol@example.test", auth_, "imap");
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->uid, 1001);
  EXPECT_EQ(facts->gid, 44);
  EXPECT_EQ(facts->home, "/home/carol");
  EXPECT_EQ(facts->mail, "maildir:~/carol");
  EXPECT_EQ(LookupUser("alice@example.test", auth_, "imap")->home, "/nowhere");
  EXPECT_EQ(LookupUser("nobody", auth_, "imap").status().code(), StatusCode::kNotFound);
}

TEST_F(UserDbTest, PrefetchTakesThePassDbsFieldsOrLeavesItToTheNext) {
  users_->Add("pre@example.test", "{PLAIN}pw", {{"userdb_home", "/pre/%n"}, {"userdb_uid", "5"}});
  config::UserDb prefetch;
  prefetch.driver = "prefetch";
  auth_.userdbs.insert(auth_.userdbs.begin(), prefetch);
  const auto facts = LookupUser("pre@example.test", auth_, "imap");
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->home, "/pre/pre");
  EXPECT_EQ(facts->uid, 5);
  EXPECT_EQ(LookupUser("alice@example.test", auth_, "imap")->home, "/home/vmail/example.test/alice");
}

TEST_F(UserDbTest, SecondSectionAnswersForWhomTheFirstDoesNotKnow) {
  auto others = std::make_shared<FakeUsers>();
  others->Add("dave@example.test", "").home = "/home/dave";
  config::UserDb section;
  section.driver = "passwd-file";
  section.users = others;
  auth_.userdbs.push_back(section);
  EXPECT_EQ(LookupUser("dave@example.test", auth_, "imap")->home, "/home/dave");
  EXPECT_EQ(LookupUser("dave@example.test", auth_, "imap")->uid, -1);
}

TEST_F(UserDbTest, MistakesAreUnavailableNotUnknown) {
  userdb().home = "/home/%{nonsense";
  EXPECT_FALSE(LookupUser("alice@example.test", auth_, "imap").ok());
  EXPECT_NE(LookupUser("alice@example.test", auth_, "imap").status().code(), StatusCode::kNotFound);
  auth_.passdbs[0].users = nullptr;
  EXPECT_EQ(LookupUser("alice@example.test", auth_, "imap").status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace postern::auth
