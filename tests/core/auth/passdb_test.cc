// Goal: the walk through passdbs decides as Dovecot 2.3.19 does.
// Method: two sections and the same six logins under many settings; the expected answers are what `doveadm auth test`
// said with those settings on the running program.
#include "core/auth/passdb.h"

#include <gtest/gtest.h>

#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

class RulesTest : public ::testing::Test {
 protected:
  RulesTest() {
    first_->Add("both", "{PLAIN}one", {{"f1", "a"}});
    first_->Add("only1", "{PLAIN}one");
    second_->Add("both", "{PLAIN}two", {{"f2", "b"}});
    second_->Add("only2", "{PLAIN}two");
    auth_.passdbs = {PassDbOf(first_), PassDbOf(second_)};
  }
  config::PassDb& one() { return auth_.passdbs[0]; }
  config::PassDb& two() { return auth_.passdbs[1]; }

  // '+' in, '-' refused, for: both/one both/two both/bad only1/one only2/two none/x.
  std::string Answers() {
    std::string answers;
    for (const auto& [user, password] : {std::pair("both", "one"),
                                         {"both", "two"},
                                         {"both", "bad"},
                                         {"only1", "one"},
                                         {"only2", "two"},
                                         {"none", "x"}}) {
      answers += PlainLogin(auth_, user, password).ok() ? '+' : '-';
    }
    return answers;
  }

  std::shared_ptr<FakeUsers> first_ = std::make_shared<FakeUsers>(), second_ = std::make_shared<FakeUsers>();
  config::Auth auth_ = AuthOf(first_);
};

TEST_F(RulesTest, Defaults) { EXPECT_EQ(Answers(), "++-++-"); }

TEST_F(RulesTest, Continue) {
  one().result_success = "continue";
  EXPECT_EQ(Answers(), "++--+-");
  two().result_failure = "return-fail";
  EXPECT_EQ(Answers(), "++--+-");
}

TEST_F(RulesTest, ContinueOk) {
  one().result_success = "continue-ok";
  EXPECT_EQ(Answers(), "++-++-");
  two().result_failure = "return";
  EXPECT_EQ(Answers(), "++-++-");
  two().result_failure = "return-fail";
  EXPECT_EQ(Answers(), "++--+-");
}

TEST_F(RulesTest, ContinueFailChecksThePasswordAgain) {
  one().result_success = "continue-fail";
  EXPECT_EQ(Answers(), "-+--+-");
  // Also where a section before had verified it.
  auto before = std::make_shared<FakeUsers>();
  before->Add("both", "{PLAIN}zero");
  auth_.passdbs.insert(auth_.passdbs.begin(), PassDbOf(before));
  one().result_success = "continue";
  two().result_success = "continue-fail";
  EXPECT_FALSE(PlainLogin(auth_, "both", "zero").ok());
}

TEST_F(RulesTest, ReturnGivesTheStateBefore) {
  one().result_success = "return";
  EXPECT_EQ(Answers(), "-+--+-");
}

TEST_F(RulesTest, ReturnFail) {
  one().result_success = "return-fail";
  EXPECT_EQ(Answers(), "-+--+-");
}

TEST_F(RulesTest, FailureReturns) {
  for (const char* rule : {"return", "return-fail"}) {
    one().result_failure = rule;
    EXPECT_EQ(Answers(), "+--+--") << rule;
  }
}

TEST_F(RulesTest, FailureMadeOk) {
  one().result_failure = "return-ok";
  EXPECT_EQ(Answers(), "++++++");
  one().result_failure = "continue-ok";
  EXPECT_EQ(Answers(), "++++++");
  two().skip = "authenticated";
  EXPECT_EQ(Answers(), "++++++");
}

TEST_F(RulesTest, PassIsContinue) {
  one().pass = true;
  EXPECT_EQ(Answers(), "++--+-");
}

TEST_F(RulesTest, SkipAuthenticated) {
  two().skip = "authenticated";
  EXPECT_EQ(Answers(), "++-++-");
  one().result_success = "continue-ok";
  EXPECT_EQ(Answers(), "++-++-");
  one().result_success = "continue";
  EXPECT_EQ(Answers(), "-+--+-");
}

TEST_F(RulesTest, SkipUnauthenticated) {
  one().result_success = "continue-ok";
  two().skip = "unauthenticated";
  EXPECT_EQ(Answers(), "+--+--");
}

TEST_F(RulesTest, DenyRefusesWhoIsListed) {
  one().deny = true;
  EXPECT_EQ(Answers(), "----+-");
  const Outcome outcome = PlainLogin(auth_, "both", "two");
  EXPECT_EQ(outcome.step.reason, FailureReason::kUserDisabled);
  EXPECT_EQ(outcome.step.log_text, "User found from deny passdb");
  EXPECT_EQ(outcome.step.log_source, "");
}

TEST_F(RulesTest, MechanismsSkipSections) {
  one().mechanisms = {"CRAM-MD5"};
  EXPECT_EQ(Answers(), "-+--+-");
  two().mechanisms = {"CRAM-MD5"};
  const Outcome outcome = PlainLogin(auth_, "both", "two");
  EXPECT_EQ(outcome.step.reason, FailureReason::kTemporary);
  EXPECT_EQ(outcome.step.log_text, "All password databases were skipped");
  EXPECT_EQ(outcome.step.log_source, "plain");
}

TEST_F(RulesTest, EverySectionLogsItsLine) {
  const Outcome outcome = PlainLogin(auth_, "only2", "bad");
  ASSERT_EQ(outcome.step.log_lines.size(), 2u);
  EXPECT_EQ(outcome.step.log_lines[0].text, "unknown user");
  EXPECT_EQ(outcome.step.log_lines[1].text, "Password mismatch");
  EXPECT_EQ(PlainLogin(auth_, "both", "two").step.log_lines.size(), 1u);
}

TEST_F(RulesTest, SkippedCheckVerifiesNothing) {
  one().result_success = "continue-ok";
  EXPECT_EQ(PlainLogin(auth_, "both", "one").asked, 1);
}

class FieldsTest : public RulesTest {};

TEST_F(FieldsTest, UserIsReplacedAndStaysSoForTheNextSection) {
  first_->Add("renamed", "{PLAIN}one", {{"user", "both"}});
  second_->Add("renamed", "{PLAIN}three");
  const Outcome one_password = PlainLogin(auth_, "renamed", "one");
  EXPECT_TRUE(one_password.ok());
  EXPECT_EQ(one_password.identity.user, "both");
  EXPECT_EQ(one_password.identity.original_user, "renamed");
  EXPECT_TRUE(PlainLogin(auth_, "renamed", "two").ok());
  EXPECT_FALSE(PlainLogin(auth_, "renamed", "three").ok());
}

TEST_F(FieldsTest, NameAndDomainAreReplacedApart) {
  first_->Add("dom", "{PLAIN}pw", {{"domain", "zz.example"}});
  first_->Add("name@x.example", "{PLAIN}pw", {{"username", "zz"}});
  EXPECT_EQ(PlainLogin(auth_, "dom", "pw").identity.user, "dom@zz.example");
  EXPECT_EQ(PlainLogin(auth_, "name@x.example", "pw").identity.user, "zz@x.example");
}

TEST_F(FieldsTest, AllowNets) {
  const auto allows = [&](std::string_view nets) {
    first_->Add("nets", "{PLAIN}pw", {{"allow_nets", std::string(nets)}});
    return PlainLogin(auth_, "nets", "pw");  // from 192.0.2.1
  };
  EXPECT_TRUE(allows("192.0.2.1").ok());
  EXPECT_TRUE(allows("10.0.0.0/8,192.0.2.0/24").ok());
  EXPECT_TRUE(allows("192.0.2.99/24").ok());  // bits behind the prefix don't matter
  EXPECT_TRUE(allows("local,192.0.2.1/32").ok());
  EXPECT_FALSE(allows("192.0.2.2").ok());
  EXPECT_FALSE(allows("::/0").ok());
  EXPECT_FALSE(allows("local").ok());
  EXPECT_FALSE(allows("").ok());
  EXPECT_FALSE(allows("192.0.2.0/33").ok());
  const Outcome outcome = allows("foo/8");
  ASSERT_GE(outcome.step.log_lines.size(), 2u);
  EXPECT_EQ(outcome.step.log_lines[0].text, "allow_nets: Invalid network 'foo/8'");
  EXPECT_EQ(outcome.step.log_lines[1].text, "allow_nets check failed: IP 192.0.2.1 not in allowed networks");
}

TEST_F(FieldsTest, AllowNetsOfOneSectionDoesNotBindTheNext) {
  first_->Add("nets", "{PLAIN}pw", {{"allow_nets", "10.0.0.0/8"}});
  second_->Add("nets", "{PLAIN}pw2");
  EXPECT_FALSE(PlainLogin(auth_, "nets", "pw").ok());
  EXPECT_TRUE(PlainLogin(auth_, "nets", "pw2").ok());
}

TEST_F(FieldsTest, NoPassword) {
  first_->Add("any", "", {{"nopassword", ""}});
  first_->Add("both-set", "{PLAIN}pw", {{"nopassword", ""}});
  EXPECT_TRUE(PlainLogin(auth_, "any", "whatever").ok());
  EXPECT_TRUE(PlainLogin(auth_, "both-set", "pw").ok());
  const Outcome outcome = PlainLogin(auth_, "both-set", "bad");
  EXPECT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.step.log_lines[0].text, "nopassword set but password is non-empty");
  EXPECT_TRUE(outcome.step.log_lines[0].is_error);
}

TEST_F(FieldsTest, NoPasswordDoesNotLeakIntoTheNextSection) {
  first_->Add("both", "", {{"nopassword", ""}});
  one().result_success = "continue-fail";
  EXPECT_FALSE(PlainLogin(auth_, "both", "bad").ok());
  EXPECT_TRUE(PlainLogin(auth_, "both", "two").ok());
  second_->Add("both", "");
  EXPECT_FALSE(PlainLogin(auth_, "both", "bad").ok());
}

TEST_F(FieldsTest, AFailedSectionLeavesNoField) {
  first_->Add("both", "{PLAIN}one", {{"nologin", "y"}, {"nodelay", "y"}});
  EXPECT_FALSE(PlainLogin(auth_, "both", "one").ok());
  EXPECT_TRUE(PlainLogin(auth_, "both", "two").ok());
  EXPECT_FALSE(PlainLogin(auth_, "both", "bad").step.no_delay);
  second_->Add("both", "{PLAIN}two", {{"nologin", "y"}, {"nodelay", ""}});
  EXPECT_FALSE(PlainLogin(auth_, "both", "two").ok());
  EXPECT_TRUE(PlainLogin(auth_, "both", "bad").step.no_delay);
}

TEST_F(FieldsTest, EmptyPasswordOpensNothing) {
  first_->Add("empty", "");
  for (const std::string_view scheme : {"CRYPT", "SHA", "PBKDF2", "ARGON2ID", "SCRAM-SHA-256"}) {
    one().default_scheme = scheme;
    EXPECT_FALSE(PlainLogin(auth_, "empty", "").ok()) << scheme;
    EXPECT_FALSE(PlainLogin(auth_, "empty", "x").ok()) << scheme;
  }
}

TEST_F(FieldsTest, NoAuthenticateGoesOn) {
  first_->Add("next", "{PLAIN}pw", {{"noauthenticate", ""}});
  second_->Add("next", "{PLAIN}pw2");
  EXPECT_FALSE(PlainLogin(auth_, "next", "pw").ok());
  EXPECT_TRUE(PlainLogin(auth_, "next", "pw2").ok());
  auth_.passdbs.pop_back();
  const Outcome outcome = PlainLogin(auth_, "next", "pw");
  EXPECT_EQ(outcome.step.reason, FailureReason::kTemporary);
  EXPECT_EQ(outcome.step.log_text, "Last passdb had noauthenticate field, cannot authenticate user");
}

TEST_F(FieldsTest, BrokenRecordsFailAndAreSaid) {
  first_->Add("scheme", "{NOPE}x");
  first_->Add("data", "{SHA}zz");
  auth_.passdbs.pop_back();
  EXPECT_EQ(PlainLogin(auth_, "scheme", "x").step.log_text, "Unknown scheme NOPE");
  EXPECT_EQ(PlainLogin(auth_, "scheme", "x").step.reason, FailureReason::kPasswordMismatch);
  EXPECT_EQ(PlainLogin(auth_, "data", "x").step.log_text,
            "Password data is not valid for scheme SHA: Input isn't valid base64 encoded data");
}

TEST_F(FieldsTest, DefaultsComeBeforeTheLookup) {
  one().default_fields = {{"user", "both"}};
  EXPECT_TRUE(PlainLogin(auth_, "someone", "one").ok());
  EXPECT_EQ(PlainLogin(auth_, "someone", "one").identity.user, "both");
}

TEST_F(FieldsTest, OverridesComeAfterSuccess) {
  one().override_fields = {{"user", "over@example.test"}};
  EXPECT_EQ(PlainLogin(auth_, "both", "one").identity.user, "over@example.test");
  EXPECT_EQ(PlainLogin(auth_, "only2", "two").identity.user, "only2");
}

TEST_F(FieldsTest, VariablesAreExpanded) {
  first_->Add("exp", "{PLAIN}pw", {{"user", "%u-%s@example.test"}});
  EXPECT_EQ(PlainLogin(auth_, "exp", "pw").identity.user, "exp-imap@example.test");
  first_->Add("exp", "{PLAIN}pw", {{"x", "%{nonsense"}});
  auth_.passdbs.pop_back();
  EXPECT_EQ(PlainLogin(auth_, "exp", "pw").step.reason, FailureReason::kTemporary);
}

TEST_F(FieldsTest, UsernameFormatOfTheSection) {
  one().username_format = "%n";
  EXPECT_TRUE(PlainLogin(auth_, "only1@anywhere.example", "one").ok());
  EXPECT_EQ(PlainLogin(auth_, "only1@anywhere.example", "one").identity.user, "only1@anywhere.example");
}

TEST_F(FieldsTest, NologinKeepsOutOfMailboxesOnly) {
  first_->Add("relay", "{PLAIN}pw", {{"nologin", "y"}});
  EXPECT_EQ(PlainLogin(auth_, "relay", "pw").step.reason, FailureReason::kUserDisabled);
  EXPECT_TRUE(PlainLogin(auth_, "relay", "pw", "", Client("smtp")).ok());
}

TEST_F(FieldsTest, StaticPassDb) {
  config::PassDb section;
  section.driver = "static";
  section.static_password = "shared";
  section.default_scheme = "PLAIN";
  auth_.passdbs = {section};
  EXPECT_TRUE(PlainLogin(auth_, "anyone", "shared").ok());
  EXPECT_EQ(PlainLogin(auth_, "anyone", "x").step.log_source, "static");
  auth_.passdbs[0].static_password = "";
  EXPECT_FALSE(PlainLogin(auth_, "anyone", "x").ok());
  auth_.passdbs[0].static_nopassword = true;
  EXPECT_TRUE(PlainLogin(auth_, "anyone", "x").ok());
}

TEST_F(FieldsTest, SectionWithoutUsersIsATemporaryFailure) {
  one().users = nullptr;
  EXPECT_TRUE(PlainLogin(auth_, "only2", "two").ok());
  EXPECT_EQ(PlainLogin(auth_, "only2", "bad").step.reason, FailureReason::kTemporary);
}

class MasterTest : public RulesTest {
 protected:
  MasterTest() {
    masters_->Add("root", "{PLAIN}master-secret");
    config::PassDb section = PassDbOf(masters_);
    section.master = true;
    auth_.passdbs.insert(auth_.passdbs.begin(), section);
  }
  std::shared_ptr<FakeUsers> masters_ = std::make_shared<FakeUsers>();
};

TEST_F(MasterTest, MasterBecomesAnother) {
  const Outcome outcome = PlainLogin(auth_, "root", "master-secret", "both");
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.identity.user, "both");
  EXPECT_EQ(outcome.identity.master_user, "root");
  EXPECT_EQ(outcome.step.log_lines.back().text, "Master user logging in as both");
}

TEST_F(MasterTest, OnlyWithAMastersPassword) {
  EXPECT_FALSE(PlainLogin(auth_, "root", "bad", "both").ok());
  EXPECT_FALSE(PlainLogin(auth_, "only1", "one", "both").ok());
  EXPECT_FALSE(PlainLogin(auth_, "only1", "master-secret", "both").ok());
}

TEST_F(MasterTest, MastersAreNoUsers) { EXPECT_FALSE(PlainLogin(auth_, "root", "master-secret").ok()); }

TEST_F(MasterTest, PassLooksTheUserUp) {
  EXPECT_TRUE(PlainLogin(auth_, "root", "master-secret", "nobody").ok());
  auth_.passdbs[0].pass = true;
  EXPECT_TRUE(PlainLogin(auth_, "root", "master-secret", "both").ok());
  EXPECT_TRUE(PlainLogin(auth_, "root", "master-secret", "only2").ok());
  const Outcome outcome = PlainLogin(auth_, "root", "master-secret", "nobody");
  EXPECT_EQ(outcome.step.reason, FailureReason::kAuthorizationDenied);
  EXPECT_EQ(outcome.step.log_text, "unknown user");
  auth_.passdbs[0].pass = false;
  auth_.passdbs[0].result_success = "continue";
  EXPECT_TRUE(PlainLogin(auth_, "root", "master-secret", "both").ok());
  EXPECT_FALSE(PlainLogin(auth_, "root", "master-secret", "nobody").ok());
  auth_.passdbs[0].result_success = "return-fail";
  EXPECT_EQ(PlainLogin(auth_, "root", "master-secret", "both").step.reason, FailureReason::kAuthorizationDenied);
}

TEST_F(MasterTest, LinesAboutMastersSaySo) {
  const Outcome outcome = PlainLogin(auth_, "root", "bad", "both");
  EXPECT_TRUE(outcome.step.log_lines.back().is_master);
  EXPECT_FALSE(PlainLogin(auth_, "both", "bad").step.log_lines.back().is_master);
}

}  // namespace
}  // namespace postern::auth
