// SCRAM message by message: the RFCs' own examples, what each side refuses, and what an unknown user looks like.
#include <gtest/gtest.h>

#include "core/auth/credentials.h"
#include "core/auth/sasl_client.h"
#include "core/auth/saslprep.h"
#include "core/auth/scram_message.h"
#include "core/base/base64.h"
#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

using Kind = Step::Kind;

// RFC 5802 section 5 and RFC 7677 section 3.
struct Example {
  HashKind kind;
  std::string_view client_first_bare, server_first, client_final, server_final;
};
constexpr Example kExamples[] = {
    {HashKind::kSha1, "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {HashKind::kSha256, "n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

TEST(ScramMessages, ExamplesOfTheRfcs) {
  for (const Example& example : kExamples) {
    const auto first = ParseScramClientFirst("n,," + std::string(example.client_first_bare));
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first->user, "user");
    EXPECT_EQ(MakeScramClientFirst("user", "", first->nonce).bare, example.client_first_bare);
    const auto server = ParseScramServerFirst(example.server_first);
    ASSERT_TRUE(server.has_value());
    EXPECT_EQ(FormatScramServerFirst(*server), example.server_first);
    const auto final_message = ParseScramClientFinal(example.client_final);
    ASSERT_TRUE(final_message.has_value());
    EXPECT_EQ(FormatScramClientFinalWithoutProof("n,,", server->nonce), final_message->without_proof);
    const ScramCredentials credentials = DeriveScram(example.kind, "pencil", server->salt, server->iterations);
    const std::string auth_message = ScramAuthMessage(first->bare, example.server_first, final_message->without_proof);
    EXPECT_TRUE(ScramProofFits(example.kind, credentials, auth_message, final_message->proof));
    EXPECT_EQ(FormatScramServerFinal(example.kind, credentials.server_key, auth_message), example.server_final);
  }
}

TEST(ScramMessages, NamesAreEncoded) {
  EXPECT_EQ(EncodeSaslName("a=b,c"), "a=3Db=2Cc");
  EXPECT_EQ(DecodeSaslName("a=3Db=2Cc"), "a=b,c");
  EXPECT_EQ(DecodeSaslName("a=b"), std::nullopt);
  EXPECT_EQ(DecodeSaslName("a=2"), std::nullopt);
  EXPECT_EQ(DecodeSaslName("a=2c"), std::nullopt);
}

class ScramTest : public ::testing::Test {
 protected:
  ScramTest() {
    users_->Add("alice@example.test", "{PLAIN}alice-secret");
    users_->Add("stored@example.test", *GenerateStored("SCRAM-SHA-256", "stored-secret", {}, entropy_));
    users_->Add("hashed@example.test", *GenerateStored("SHA512-CRYPT", "x", {}, entropy_));
  }

  Step First(std::string_view message, std::string_view mechanism = "SCRAM-SHA-256") {
    exchange_ = MakeExchange(mechanism, auth_, Client());
    return exchange_->Start(&message, entropy_, {});
  }

  std::string SaltShownTo(std::string_view user) {
    const Step step = First("n,,n=" + std::string(user) + ",r=abc");
    return ParseScramServerFirst(step.challenge).value_or(ScramServerFirst{}).salt;
  }

  std::shared_ptr<FakeUsers> users_ = std::make_shared<FakeUsers>();
  config::Auth auth_ = AuthOf(users_);
  Entropy entropy_ = TestEntropy();
  std::unique_ptr<Exchange> exchange_;
};

TEST_F(ScramTest, RefusesWhatTheGrammarForbids) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "Invalid initial client message: Missing first ',' in GS2 header"},
      {"zz", "Invalid initial client message: Missing first ',' in GS2 header"},
      {"p=tls-unique,,n=alice@example.test,r=abc", "Channel binding not supported"},
      {"x,,n=alice@example.test,r=abc", "Invalid initial client message: Invalid GS2 header"},
      {"n,n=alice@example.test", "Invalid initial client message: Missing second ',' in GS2 header"},
      {"n,b=x,n=alice@example.test,r=abc", "Invalid initial client message: Invalid authzid field"},
      {"n,,m=x,n=alice@example.test,r=abc", "Mandatory extension(s) not supported"},
      {"n,,n=,r=abc", "Invalid initial client message: Invalid username field"},
      {"n,,n=al=ice,r=abc", "Invalid initial client message: Invalid username field"},
      {"n,,r=abc", "Invalid initial client message: Invalid username field"},
      {"n,,n=alice@example.test", "Invalid initial client message: Invalid client nonce"},
      {"n,,n=alice@example.test,r=", "Invalid initial client message: Invalid client nonce"},
      {"n,,n=alice@example.test,r=a b", "Invalid initial client message: Invalid client nonce"},
  };
  for (const auto& [message, text] : cases) {
    const Step step = First(message);
    EXPECT_EQ(step.kind, Kind::kFailure) << message;
    EXPECT_EQ(step.log_text, text) << message;
    EXPECT_EQ(step.log_source, "scram-sha-256");
  }
  EXPECT_EQ(First("n,a=other,n=alice@example.test,r=abc").reason, FailureReason::kAuthorizationDenied);
  EXPECT_EQ(First("n,a=alice@example.test,n=alice@example.test,r=abc").kind, Kind::kChallenge);
  EXPECT_EQ(First("y,,n=alice@example.test,r=abc,ext=1").kind, Kind::kChallenge);
}

TEST_F(ScramTest, ChannelBindingMustRepeatTheHeader) {
  for (const auto& [header, sent, good] : {std::tuple("n,,", "biws", true), std::tuple("y,,", "eSws", true),
                                           std::tuple("y,,", "biws", false), std::tuple("n,,", "eSws", false)}) {
    const Step first = First(std::string(header) + "n=alice@example.test,r=abc");
    const auto server = ParseScramServerFirst(first.challenge);
    ASSERT_TRUE(server.has_value());
    EXPECT_EQ(server->nonce.substr(0, 3), "abc");
    EXPECT_GE(server->nonce.size(), 3u + 24u);
    const std::string salted = Pbkdf2(HashKind::kSha256, "alice-secret", server->salt, server->iterations, 32);
    const std::string key = ScramClientKey(HashKind::kSha256, salted);
    const std::string without_proof = "c=" + std::string(sent) + ",r=" + server->nonce;
    const std::string signature = Hmac(HashKind::kSha256, Digest(HashKind::kSha256, key),
                                       ScramAuthMessage("n=alice@example.test,r=abc", first.challenge, without_proof));
    const Step final_step = exchange_->Respond(without_proof + ",p=" + EncodeBase64(Xor(key, signature)), entropy_);
    EXPECT_EQ(final_step.kind == Kind::kChallenge, good) << header << sent;
    if (!good) EXPECT_EQ(final_step.log_text, "Invalid final client message");
  }
}

TEST_F(ScramTest, FinalMessageMustBeWhole) {
  for (const std::string_view message : {"", "c=biws", "c=biws,r=abc,p=AAAA", "p=AAAA", "c=biws,r=,p=!"}) {
    First("n,,n=alice@example.test,r=abc");
    EXPECT_EQ(exchange_->Respond(message, entropy_).reason, FailureReason::kMalformed) << message;
  }
}

TEST_F(ScramTest, TheServersProofIsAcknowledgedWithNothing) {
  auto client = MakeClientExchange(
      "SCRAM-SHA-256", {.user = "stored@example.test", .password = Secret(std::string_view("stored-secret"))});
  Step step = First(*client->Initial(entropy_));
  step = exchange_->Respond(*client->Respond(step.challenge, entropy_), entropy_);
  ASSERT_EQ(step.kind, Kind::kChallenge);
  EXPECT_TRUE(step.challenge.starts_with("v="));
  EXPECT_EQ(*client->Respond(step.challenge, entropy_), "");
  EXPECT_TRUE(client->complete());
  EXPECT_EQ(exchange_->Respond("more", entropy_).kind, Kind::kFailure);
}

TEST_F(ScramTest, UnknownUsersLookLikeKnownOnes) {
  const std::string salt = SaltShownTo("carol@example.test");
  EXPECT_EQ(salt.size(), 16u);
  EXPECT_EQ(SaltShownTo("carol@example.test"), salt);  // the same each time
  EXPECT_EQ(SaltShownTo("CAROL@example.test"), salt);
  EXPECT_NE(SaltShownTo("dave@example.test"), salt);
  EXPECT_EQ(SaltShownTo("alice@example.test"), SaltShownTo("alice@example.test"));
  EXPECT_EQ(SaltShownTo("hashed@example.test").size(), 16u);
  auth_.decoy_key = Secret(std::string_view("another"));
  EXPECT_NE(SaltShownTo("carol@example.test"), salt);
}

TEST_F(ScramTest, DecoysNeverShowTheSampleUsersSalt) {
  auto users = std::make_shared<FakeUsers>();
  users->Add("only@example.test", *GenerateStored("SCRAM-SHA-256", "only-secret", {}, entropy_));
  auth_ = AuthOf(users);
  EXPECT_NE(SaltShownTo("carol@example.test"), SaltShownTo("only@example.test"));
}

TEST_F(ScramTest, UnknownUserFailsOnlyAtTheEndWithAnyPassword) {
  // Also with the password of the user whose record the decoy is made of.
  for (const std::string_view password : {"alice-secret", "stored-secret", "-", ""}) {
    for (const std::string_view user : {"carol@example.test", "hashed@example.test"}) {
      auto client = MakeClientExchange("SCRAM-SHA-256",
                                       {.user = std::string(user), .password = Secret(std::string_view(password))});
      Step step = First(*client->Initial(entropy_));
      ASSERT_EQ(step.kind, Kind::kChallenge);
      step = exchange_->Respond(*client->Respond(step.challenge, entropy_), entropy_);
      EXPECT_EQ(step.kind, Kind::kFailure);
      EXPECT_EQ(step.reason, user.starts_with("carol") ? FailureReason::kUnknownUser : FailureReason::kNoUsableScheme);
    }
  }
}

// A rule can make a success of a section that gave no credentials; then nothing can be proved.
TEST_F(ScramTest, ASuccessWithoutCredentialsIsNone) {
  auto users = std::make_shared<FakeUsers>();
  users->Add("only@example.test", "{PLAIN}only-secret");
  auth_ = AuthOf(users);
  auth_.passdbs[0].result_failure = "return-ok";
  for (const std::string_view mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "DIGEST-MD5"}) {
    for (const std::string_view password : {"only-secret", "-", ""}) {
      auto client = MakeClientExchange(mechanism, {.user = "carol@example.test", .password = Secret(password)});
      exchange_ = MakeExchange(mechanism, auth_, Client());
      const auto initial = client->Initial(entropy_);
      const std::string_view view = initial ? std::string_view(*initial) : std::string_view();
      Step step = exchange_->Start(initial ? &view : nullptr, entropy_, {});
      ASSERT_EQ(step.kind, Kind::kChallenge);
      step = exchange_->Respond(*client->Respond(step.challenge, entropy_), entropy_);
      EXPECT_EQ(step.reason, FailureReason::kPasswordMismatch) << mechanism;
      EXPECT_EQ(step.kind, Kind::kFailure) << mechanism << password;
    }
  }
}

TEST_F(ScramTest, WrongSchemeIsSaidInDovecotsWords) {
  auto client = MakeClientExchange("SCRAM-SHA-256", {.user = "hashed@example.test"});
  Step step = First(*client->Initial(entropy_));
  step = exchange_->Respond(*client->Respond(step.challenge, entropy_), entropy_);
  EXPECT_EQ(step.log_text, "Requested SCRAM-SHA-256 scheme, but we have only SHA512-CRYPT");
  EXPECT_EQ(step.log_source, "passwd-file");
}

TEST_F(ScramTest, PasswordsAreCompatibleAfterPreparation) {
  users_->Add("nfkc@example.test",
              "{PLAIN}\xE2\x85\xA8");  // ROMAN NUMERAL NINE, "IX" after SASLprep (RFC 4013 section 3)
  auto client =
      MakeClientExchange("SCRAM-SHA-1", {.user = "nfkc@example.test", .password = Secret(std::string_view("IX"))});
  Step step = First(*client->Initial(entropy_), "SCRAM-SHA-1");
  step = exchange_->Respond(*client->Respond(step.challenge, entropy_), entropy_);
  EXPECT_EQ(step.kind, Kind::kChallenge);
}

TEST_F(ScramTest, ClientRefusesServersThatDontKnowThePassword) {
  auto client = MakeClientExchange(
      "SCRAM-SHA-256", {.user = "alice@example.test", .password = Secret(std::string_view("alice-secret"))});
  Step step = First(*client->Initial(entropy_));
  client->Respond(step.challenge, entropy_).value();
  EXPECT_FALSE(client->complete());
  EXPECT_EQ(client->Respond("v=AAAA", entropy_).status().code(), StatusCode::kPermissionDenied);
  EXPECT_FALSE(client->complete());
}

TEST_F(ScramTest, ClientRefusesBadServers) {
  for (const std::string_view message : {"", "r=abc", "r=other,s=AAAA,i=4096", "i=4096,r=x,s=AAAA"}) {
    auto client = MakeClientExchange("SCRAM-SHA-256", {.user = "a"});
    client->Initial(entropy_);
    EXPECT_FALSE(client->Respond(message, entropy_).ok()) << message;
  }
  auto client = MakeClientExchange("SCRAM-SHA-256", {.user = "a"});
  const std::string first = *client->Initial(entropy_);
  const std::string nonce = first.substr(first.find("r=") + 2);
  EXPECT_FALSE(client->Respond("r=" + nonce + ",s=AAAA,i=4096", entropy_).ok());  // nothing added to the nonce
  EXPECT_FALSE(client->Respond("r=" + nonce + "x,s=AAAA,i=600001", entropy_).ok());
  EXPECT_TRUE(client->Respond("r=" + nonce + "x,s=AAAA,i=4096", entropy_).ok());
}

// RFC 4013 section 3.
TEST(SaslPrepTest, ExamplesOfTheRfc) {
  EXPECT_EQ(SaslPrep("I\xC2\xADX"), "IX");
  EXPECT_EQ(SaslPrep("user"), "user");
  EXPECT_EQ(SaslPrep("USER"), "USER");
  EXPECT_EQ(SaslPrep("\xC2\xAA"), "a");
  EXPECT_EQ(SaslPrep("\xE2\x85\xA8"), "IX");
  EXPECT_EQ(SaslPrep("\x07"), std::nullopt);
  EXPECT_EQ(SaslPrep("\xD8\xA7\x31"), std::nullopt);
  EXPECT_EQ(SaslPrep("\xC2\xA0x"), " x");
  EXPECT_EQ(SaslPrep("\xFF"), std::nullopt);
  EXPECT_EQ(SaslPrep(""), "");
  EXPECT_EQ(SaslPrep(std::string(kSaslPrepBytesMax + 1, 'x')), std::nullopt);
  // The character with the longest compatibility decomposition: 18 characters.
  EXPECT_TRUE(SaslPrep("\xEF\xB7\xBA").has_value());
}

}  // namespace
}  // namespace postern::auth
