// CRAM-MD5 and DIGEST-MD5, message by message: the RFCs' examples, Dovecot's answers to broken responses.
#include <gtest/gtest.h>

#include "core/auth/credentials.h"
#include "core/auth/digest_message.h"
#include "core/auth/sasl_client.h"
#include "core/base/base64.h"
#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

using Kind = Step::Kind;

// RFC 2195 section 2.
TEST(CramMd5, ExampleOfTheRfc) {
  EXPECT_EQ(CramMd5Response(CramMd5Credentials("tanstaaftanstaaf"), "<1896.697170952@postoffice.reston.mci.net>"),
            "b913a602c7eda7a495b4e6e7334d3890");
}

TEST(CramMd5, LongPasswordsAreHashedFirst) {
  const std::string password(65, 'x');
  EXPECT_EQ(CramMd5Response(CramMd5Credentials(password), "c"), EncodeHex(Hmac(HashKind::kMd5, password, "c")));
  const std::string block(64, 'x');
  EXPECT_EQ(CramMd5Response(CramMd5Credentials(block), "c"), EncodeHex(Hmac(HashKind::kMd5, block, "c")));
}

// RFC 2831 section 4.
TEST(DigestMd5, ExampleOfTheRfc) {
  const DigestFacts facts{
      .nonce = "OA6MG9tEQGm2hh", .cnonce = "OA6MHXh6VqTrRk", .digest_uri = "imap/elwood.innosoft.com"};
  const std::string credentials = DigestMd5Credentials("chris", "elwood.innosoft.com", "secret");
  EXPECT_EQ(DigestResponse(credentials, facts, false), "d388dad90d4bbd760a152321f2143af7");
  EXPECT_EQ(DigestResponse(credentials, facts, true), "ea40f60335c427b5527b84dbabcdfffd");
}

TEST(DigestMd5, DirectivesAreParsed) {
  const auto parsed = ParseDigestDirectives(R"(realm="a \"b\" \\c",,  Nonce = x , empty="" ,)");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->size(), 3u);
  EXPECT_EQ(*FindDirective(*parsed, "realm"), R"(a "b" \c)");
  EXPECT_EQ(*FindDirective(*parsed, "nonce"), "x");
  EXPECT_EQ(*FindDirective(*parsed, "empty"), "");
  EXPECT_EQ(QuotedDirective("realm", R"(a "b" \c)"), R"(realm="a \"b\" \\c")");
  for (const std::string_view bad :
       {"realm", "realm=", "=x", "realm=\"x", "realm=\"x\\", "a=b c=d", "a=b\"c\"", "a b=c"}) {
    EXPECT_FALSE(ParseDigestDirectives(bad).has_value()) << bad;
  }
  std::string many;
  for (int i = 0; i < 64; ++i) many += "a=b,";
  EXPECT_TRUE(ParseDigestDirectives(many).has_value());
  EXPECT_FALSE(ParseDigestDirectives(many + "a=b").has_value());
}

TEST(DigestMd5, Latin1WhereItFits) {
  EXPECT_EQ(ToLatin1("p\xC3\xA4ss"), "p\xE4ss");
  EXPECT_EQ(ToLatin1("plain"), std::nullopt);
  EXPECT_EQ(ToLatin1("\xE2\x82\xAC"), std::nullopt);
  EXPECT_EQ(ToLatin1("\xC3"), std::nullopt);
}

class ChallengeTest : public ::testing::Test {
 protected:
  ChallengeTest() {
    users_->Add("alice", "{PLAIN}alice-secret");
    users_->Add("cram", "{CRAM-MD5}d3b327e40131add8092e3cb400c690fb8c4c989cd9d0f4ebd9644e4aa7b64cfa");  // "pw"
    users_->Add("digest", *GenerateStored("DIGEST-MD5", "pw", {.user = "digest"}, entropy_));
    users_->Add("realm@example.test", *GenerateStored("DIGEST-MD5", "pw", {.user = "realm@example.test"}, entropy_));
    users_->Add("argon", "{ARGON2I}x");
  }

  std::string Begin(std::string_view mechanism) {
    exchange_ = MakeExchange(mechanism, auth_, Client());
    return exchange_->Start(nullptr, entropy_, WallTime{1'700'000'000'000'000}).challenge;
  }
  Step Cram(std::string_view user, std::string_view password) {
    const std::string challenge = Begin("CRAM-MD5");
    return exchange_->Respond(std::string(user) + " " + CramMd5Response(CramMd5Credentials(password), challenge),
                              entropy_);
  }

  // A digest-response as a client would make it, with one directive changed ("name" or "name=value"; none: removed).
  Step Digest(std::string_view user, std::string_view realm, std::string_view password, std::string_view change = {},
              std::string_view value = {}) {
    const auto challenge = ParseDigestDirectives(Begin("DIGEST-MD5"));
    DigestDirectives reply = {{"charset", "utf-8"},
                              {"username", std::string(user)},
                              {"realm", std::string(realm)},
                              {"nonce", *FindDirective(*challenge, "nonce")},
                              {"nc", "00000001"},
                              {"cnonce", "OA6MHXh6VqTrRk"},
                              {"digest-uri", "imap/mail.example.test"},
                              {"response", ""},
                              {"qop", "auth"}};
    std::string authorization_id;
    if (change == "authzid") reply.emplace_back("authzid", value), authorization_id = value;
    const DigestFacts facts{.nonce = *FindDirective(*challenge, "nonce"),
                            .cnonce = "OA6MHXh6VqTrRk",
                            .digest_uri = "imap/mail.example.test",
                            .authorization_id = authorization_id};
    reply[7].second = DigestResponse(DigestMd5Credentials(user, realm, password), facts, false);
    std::string text;
    for (const auto& [name, original] : reply) {
      if (name == change && value.empty()) continue;
      text += (text.empty() ? "" : ",") + QuotedDirective(name, name == change ? value : original);
    }
    return exchange_->Respond(text, entropy_);
  }

  std::shared_ptr<FakeUsers> users_ = std::make_shared<FakeUsers>();
  config::Auth auth_ = AuthOf(users_);
  Entropy entropy_ = TestEntropy();
  std::unique_ptr<Exchange> exchange_;
};

TEST_F(ChallengeTest, CramChallengeHasTheShapeOfAMessageId) {
  const std::string challenge = Begin("CRAM-MD5");
  EXPECT_EQ(challenge.size(), 1u + 16 + 1 + 10 + 1 + 17 + 1);
  EXPECT_TRUE(challenge.ends_with(".1700000000@mail.example.test>")) << challenge;
  EXPECT_NE(Begin("CRAM-MD5"), challenge);
}

TEST_F(ChallengeTest, CramFromBothSchemes) {
  EXPECT_EQ(Cram("alice", "alice-secret").kind, Kind::kSuccess);
  EXPECT_EQ(exchange_->identity().user, "alice");
  EXPECT_EQ(Cram("cram", "pw").kind, Kind::kSuccess);
  for (const auto& [user, password] : {std::pair("alice", "pw"), {"cram", "alice-secret"}, {"cram", ""}}) {
    const Step step = Cram(user, password);
    EXPECT_EQ(step.reason, FailureReason::kPasswordMismatch);
    EXPECT_EQ(step.log_source + ": " + step.log_text, "passwd-file: Password mismatch");
  }
}

TEST_F(ChallengeTest, CramRefusals) {
  EXPECT_EQ(Cram("argon", "pw").log_text, "Requested CRAM-MD5 scheme, but we have only ARGON2I");
  EXPECT_EQ(Cram("argon", "pw").reason, FailureReason::kNoUsableScheme);
  EXPECT_EQ(Cram("digest", "pw").log_text, "Requested CRAM-MD5 scheme, but we have only DIGEST-MD5");
  EXPECT_EQ(Cram("nobody", "pw").log_text, "unknown user");
  EXPECT_EQ(Cram("nobody", "-").kind, Kind::kFailure);  // the decoy's password
  for (const std::string_view response : {"", "alice", "nospace"}) {
    Begin("CRAM-MD5");
    EXPECT_EQ(exchange_->Respond(response, entropy_).log_text, "missing digest");
  }
  Begin("CRAM-MD5");
  EXPECT_EQ(exchange_->Respond("alice zz", entropy_).log_text, "Password mismatch");
}

TEST_F(ChallengeTest, CramTakesUpperCaseAndSpacesInNames) {
  auth_.username_chars = "";
  users_->Add("two words", "{PLAIN}pw");
  const std::string challenge = Begin("CRAM-MD5");
  std::string digest = CramMd5Response(CramMd5Credentials("pw"), challenge);
  for (char& c : digest) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(exchange_->Respond("two words " + digest, entropy_).kind, Kind::kSuccess);
}

TEST_F(ChallengeTest, AnAnswerFitsOneChallengeOnly) {
  const std::string old_answer = "alice " + CramMd5Response(CramMd5Credentials("alice-secret"), Begin("CRAM-MD5"));
  Begin("CRAM-MD5");
  EXPECT_EQ(exchange_->Respond(old_answer, entropy_).kind, Kind::kFailure);
}

TEST_F(ChallengeTest, DigestChallengeNamesTheRealms) {
  const std::string challenge = Begin("DIGEST-MD5");
  EXPECT_TRUE(challenge.starts_with("realm=\"\",nonce=\"")) << challenge;
  EXPECT_TRUE(challenge.ends_with("\",qop=\"auth\",charset=utf-8,algorithm=md5-sess")) << challenge;
  auth_.realms = {"a.example", "b.example"};
  EXPECT_TRUE(Begin("DIGEST-MD5").starts_with("realm=\"a.example\",realm=\"b.example\",nonce=\""));
}

TEST_F(ChallengeTest, DigestFromBothSchemes) {
  Step step = Digest("alice", "", "alice-secret");
  ASSERT_EQ(step.kind, Kind::kChallenge);
  EXPECT_TRUE(step.challenge.starts_with("rspauth="));
  EXPECT_EQ(exchange_->Respond("", entropy_).kind, Kind::kSuccess);
  EXPECT_EQ(Digest("digest", "", "pw").kind, Kind::kChallenge);
  EXPECT_EQ(exchange_->Respond("x", entropy_).kind, Kind::kFailure);
  EXPECT_EQ(Digest("realm", "example.test", "pw").kind, Kind::kChallenge);
  EXPECT_EQ(exchange_->Respond("", entropy_).kind, Kind::kSuccess);
  EXPECT_EQ(exchange_->identity().user, "realm@example.test");
  // Hashed for a realm, so it can't serve a client that has none.
  EXPECT_EQ(Digest("realm@example.test", "", "pw").reason, FailureReason::kPasswordMismatch);
}

TEST_F(ChallengeTest, DigestRefusesAsDovecot) {
  const std::tuple<std::string_view, std::string_view, std::string_view> cases[] = {
      {"nc", "00000002", "re-auth not supported currently"},
      {"qop", "auth-int", "Nonallowed QoP requested"},
      {"nonce", "", "Missing nonce parameter"},
      {"nonce", "other", "Invalid nonce"},
      {"cnonce", "", "Missing cnonce parameter"},
      {"username", "", "Missing username parameter"},
      {"charset", "latin1", "Only utf-8 charset is allowed"},
      {"digest-uri", "imap", "Invalid digest-uri"},
      {"response", "00", "Missing response parameter"},
      {"authzid", "other", "login user: Master user login attempted without master passdbs"},
  };
  for (const auto& [name, value, text] : cases) {
    const Step step = Digest("alice", "", "alice-secret", name, value);
    EXPECT_EQ(step.kind, Kind::kFailure) << name;
    EXPECT_EQ(step.log_text, text) << name;
  }
  EXPECT_EQ(Digest("alice", "", "alice-secret", "qop").kind, Kind::kChallenge);
  EXPECT_EQ(Digest("alice", "", "alice-secret", "nc").kind, Kind::kChallenge);
  EXPECT_EQ(Digest("alice", "", "alice-secret", "realm").kind, Kind::kChallenge);
  EXPECT_EQ(Digest("alice", "", "alice-secret", "authzid", "alice").kind, Kind::kChallenge);
  EXPECT_EQ(Digest("alice", "", "bad").log_text, "Password mismatch");
  EXPECT_EQ(Digest("argon", "", "x").log_text, "Requested DIGEST-MD5 scheme, but we have only ARGON2I");
  EXPECT_EQ(Digest("cram", "", "pw").log_text, "Requested DIGEST-MD5 scheme, but we have only CRAM-MD5");
  EXPECT_EQ(Digest("nobody", "", "-").log_text, "unknown user");
  Begin("DIGEST-MD5");
  EXPECT_EQ(exchange_->Respond("", entropy_).log_text, "Client sent no input");
  Begin("DIGEST-MD5");
  EXPECT_EQ(exchange_->Respond("nc=00000001,nc=00000001", entropy_).log_text, "nc must not exist more than once");
}

TEST_F(ChallengeTest, DigestHashesLatin1AndUtf8) {
  users_->Add("umlaut", "{PLAIN}p\xC3\xA4ss");
  EXPECT_EQ(Digest("umlaut", "", "p\xE4ss").kind, Kind::kChallenge);
  EXPECT_EQ(Digest("umlaut", "", "p\xC3\xA4ss").kind, Kind::kChallenge);
  EXPECT_EQ(Digest("umlaut", "", "pass").kind, Kind::kFailure);
}

}  // namespace
}  // namespace postern::auth
