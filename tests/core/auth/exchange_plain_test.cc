// PLAIN, LOGIN and given passwords, message by message, with the texts Dovecot 2.3 logs (seen on the running program).
#include <gtest/gtest.h>

#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

using Kind = Step::Kind;

class PlainTest : public ::testing::Test {
 protected:
  PlainTest() {
    users_->Add("alice@example.test", "{PLAIN}alice-secret");
    users_->Add(
        "bob@example.test",
        "{SHA512-CRYPT}$6$ZfAj5fMvX2jb36qW$yQ9JP3ZkfYe08u2mATg5Ibp8wnDbMAkeuAWAAG3LbdKS3iZs/Rfl8g8BnyTRF3skfXaV."
        "819q2fr4igy3gNsB1");  // made by doveadm from "pass word"
  }

  Step StartWith(Exchange& exchange, std::string_view initial) {
    return AnswerVerifies(exchange, exchange.Start(&initial, entropy_, {}));
  }

  std::shared_ptr<FakeUsers> users_ = std::make_shared<FakeUsers>();
  config::Auth auth_ = AuthOf(users_);
  Entropy entropy_ = TestEntropy();
};

TEST_F(PlainTest, RightPasswordGetsIn) {
  const Outcome outcome = PlainLogin(auth_, "alice@example.test", "alice-secret");
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.identity.user, "alice@example.test");
  EXPECT_FALSE(outcome.step.has_success_data);
}

TEST_F(PlainTest, HashedPasswordGetsIn) {
  EXPECT_TRUE(PlainLogin(auth_, "bob@example.test", "pass word").ok());
  EXPECT_FALSE(PlainLogin(auth_, "bob@example.test", "pass  word").ok());
}

TEST_F(PlainTest, WrongPasswordIsSaidInDovecotsWords) {
  const Outcome outcome = PlainLogin(auth_, "alice@example.test", "wrong");
  EXPECT_EQ(outcome.step.kind, Kind::kFailure);
  EXPECT_EQ(outcome.step.reason, FailureReason::kPasswordMismatch);
  EXPECT_EQ(outcome.step.log_source, "passwd-file");
  EXPECT_EQ(outcome.step.log_text, "Password mismatch");
}

TEST_F(PlainTest, UnknownUserCostsWhatAKnownOneDoes) {
  const Outcome outcome = PlainLogin(auth_, "carol@example.test", "alice-secret");
  EXPECT_EQ(outcome.step.reason, FailureReason::kUnknownUser);
  EXPECT_EQ(outcome.step.log_text, "unknown user");
  EXPECT_EQ(outcome.asked, 1);
}

TEST_F(PlainTest, UserNamesAreFoldedByTheFormat) {
  const Outcome outcome = PlainLogin(auth_, "ALICE@Example.Test", "alice-secret");
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.identity.user, "alice@example.test");
  EXPECT_EQ(outcome.identity.original_user, "ALICE@Example.Test");
}

TEST_F(PlainTest, PasswordsAreNeverFolded) {
  EXPECT_FALSE(PlainLogin(auth_, "alice@example.test", "Alice-secret").ok());
}

TEST_F(PlainTest, ForbiddenCharactersAreRefused) {
  const Outcome outcome = PlainLogin(auth_, "al ice", "x");
  EXPECT_EQ(outcome.step.kind, Kind::kFailure);
  EXPECT_EQ(outcome.step.log_text, "Username character disallowed by auth_username_chars: 0x20 (username: al ice)");
  EXPECT_EQ(outcome.step.log_source, "plain");
  EXPECT_EQ(PlainLogin(auth_, "a\x01z", "x").step.log_text,
            "Username character disallowed by auth_username_chars: 0x01 (username: a?z)");
  EXPECT_EQ(PlainLogin(auth_, "", "x").step.log_text, "Empty username");
}

TEST_F(PlainTest, ControlCharactersNeverPass) {
  auth_.username_chars = "";
  EXPECT_FALSE(NormalizeUser("a\nb", auth_).ok());
  EXPECT_FALSE(NormalizeUser(std::string_view("a\0b", 3), auth_).ok());
  EXPECT_TRUE(NormalizeUser("a b", auth_).ok());
}

TEST_F(PlainTest, DefaultRealmIsAdded) {
  auth_.default_realm = "example.test";
  EXPECT_TRUE(PlainLogin(auth_, "alice", "alice-secret").ok());
}

TEST_F(PlainTest, TranslationComesAfterTheCharacterCheck) {
  auth_.username_translation = "-@";
  EXPECT_TRUE(PlainLogin(auth_, "alice-example.test", "alice-secret").ok());
  auth_.username_translation = "#@";
  EXPECT_FALSE(PlainLogin(auth_, "alice#example.test", "alice-secret").ok());
}

// RFC 4616 section 2.
TEST_F(PlainTest, GrammarIsExact) {
  for (const std::string_view bad :
       {std::string_view("\0alice@example.test", 19), std::string_view("alice@example.test\0alice-secret", 31),
        std::string_view(""), std::string_view("\0alice@example.test\0alice-secret\0", 33)}) {
    auto exchange = MakeExchange("plain", auth_, Client());
    const Step step = StartWith(*exchange, bad);
    EXPECT_EQ(step.kind, Kind::kFailure);
    EXPECT_EQ(step.reason, FailureReason::kMalformed);
    EXPECT_EQ(step.log_text, "invalid input");
  }
}

TEST_F(PlainTest, WithoutInitialResponseAnEmptyChallengeIsSent) {
  auto exchange = MakeExchange("PLAIN", auth_, Client());
  Step step = exchange->Start(nullptr, entropy_, {});
  ASSERT_EQ(step.kind, Kind::kChallenge);
  EXPECT_EQ(step.challenge, "");
  step = AnswerVerifies(*exchange,
                        exchange->Respond(std::string_view("\0alice@example.test\0alice-secret", 32), entropy_));
  EXPECT_EQ(step.kind, Kind::kSuccess);
}

TEST_F(PlainTest, AuthorizationIdentityMustBeOnesOwn) {
  EXPECT_TRUE(PlainLogin(auth_, "alice@example.test", "alice-secret", "Alice@example.test").ok());
  const Outcome outcome = PlainLogin(auth_, "alice@example.test", "alice-secret", "bob@example.test");
  EXPECT_EQ(outcome.step.reason, FailureReason::kAuthorizationDenied);
  EXPECT_EQ(outcome.step.log_text, "login user: Master user login attempted without master passdbs");
}

TEST_F(PlainTest, OversizedResponseFails) {
  EXPECT_EQ(PlainLogin(auth_, "alice@example.test", std::string(kResponseBytesMax, 'x')).step.reason,
            FailureReason::kMalformed);
}

TEST_F(PlainTest, NothingGoesOnAfterTheEnd) {
  auto exchange = MakeExchange("PLAIN", auth_, Client());
  EXPECT_EQ(StartWith(*exchange, "nonsense").kind, Kind::kFailure);
  EXPECT_EQ(exchange->Respond(std::string_view("\0alice@example.test\0alice-secret", 32), entropy_).kind,
            Kind::kFailure);
  EXPECT_EQ(exchange->Verified(true).kind, Kind::kFailure);
}

TEST_F(PlainTest, NulInPasswordDoesNotCutIt) {
  auto exchange = MakePlainExchange("bob@example.test", Secret(std::string_view("pass word\0x", 11)), auth_, Client());
  EXPECT_EQ(AnswerVerifies(*exchange, exchange->Start(nullptr, entropy_, {})).kind, Kind::kFailure);
}

TEST_F(PlainTest, GivenPasswordIsPlainWithoutMessages) {
  auto exchange = MakePlainExchange("alice@example.test", Secret(std::string_view("alice-secret")), auth_, Client());
  EXPECT_EQ(exchange->Start(nullptr, entropy_, {}).kind, Kind::kVerify);
  EXPECT_EQ(exchange->Verified(true).kind, Kind::kSuccess);
}

TEST_F(PlainTest, LoginPromptsExactly) {
  auto exchange = MakeExchange("LOGIN", auth_, Client());
  EXPECT_EQ(exchange->Start(nullptr, entropy_, {}).challenge, "Username:");
  EXPECT_EQ(exchange->Respond("alice@example.test", entropy_).challenge, "Password:");
  EXPECT_EQ(AnswerVerifies(*exchange, exchange->Respond("alice-secret", entropy_)).kind, Kind::kSuccess);
}

TEST_F(PlainTest, LoginTakesTheNameAsInitialResponse) {
  auto exchange = MakeExchange("LOGIN", auth_, Client());
  EXPECT_EQ(StartWith(*exchange, "alice@example.test").challenge, "Password:");
  EXPECT_EQ(AnswerVerifies(*exchange, exchange->Respond("alice-secret", entropy_)).kind, Kind::kSuccess);
  exchange = MakeExchange("LOGIN", auth_, Client());
  EXPECT_EQ(StartWith(*exchange, "").challenge, "Username:");
}

TEST_F(PlainTest, LoginWithWrongPasswordFails) {
  auto exchange = MakeExchange("LOGIN", auth_, Client());
  exchange->Start(nullptr, entropy_, {});
  exchange->Respond("alice@example.test", entropy_);
  EXPECT_EQ(AnswerVerifies(*exchange, exchange->Respond("", entropy_)).reason, FailureReason::kPasswordMismatch);
}

TEST_F(PlainTest, OnlyConfiguredMechanismsExist) {
  auth_.mechanisms = {"PLAIN", "XOAUTH2", "plain", "CRAM-MD5"};
  EXPECT_EQ(MakeExchange("LOGIN", auth_, Client()), nullptr);
  EXPECT_EQ(MakeExchange("XOAUTH2", auth_, Client()), nullptr);
  EXPECT_EQ(OfferedMechanisms(auth_, true), (std::vector<std::string_view>{"PLAIN", "CRAM-MD5"}));
  EXPECT_EQ(OfferedMechanisms(auth_, false), (std::vector<std::string_view>{"CRAM-MD5"}));
}

}  // namespace
}  // namespace postern::auth
