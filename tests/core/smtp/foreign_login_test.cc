// A session whose logins another server checks: what it announces and answers while that one is asked, and when it
// can't be. Method: a verifier that waits until the test tells it the next thing.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/base64.h"
#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

constexpr uint16_t kPort = 587;
constexpr std::string_view kStranger = "198.51.100.7";

class WaitingVerifier final : public auth::Verifier {
 public:
  std::optional<auth::Offer> AskOffer(const std::vector<std::string>& options, MachineId) override {
    asked_with = options;
    return known;
  }
  std::unique_ptr<auth::Exchange> Begin(std::string_view mechanism, const std::vector<std::string>&,
                                        const auth::ClientFacts& client, MachineId) override {
    facts = client;
    ++open;
    return std::make_unique<Waiting>(this, std::string(mechanism));
  }

  std::optional<auth::Offer> known;
  std::vector<std::string> asked_with, heard;  // heard: responses
  auth::ClientFacts facts;
  int open = 0;
  auth::Identity identity;

 private:
  class Waiting final : public auth::Exchange {
   public:
    Waiting(WaitingVerifier* owner, std::string mechanism) : owner_(owner), mechanism_(std::move(mechanism)) {}
    ~Waiting() override { --owner_->open; }
    auth::Step Start(const std::string_view* initial, Entropy&, WallTime) override {
      if (initial != nullptr) owner_->heard.emplace_back(*initial);
      return Wait();
    }
    auth::Step Respond(std::string_view response, Entropy&) override {
      owner_->heard.emplace_back(response);
      return Wait();
    }
    auth::Step Verified(bool) override { return {}; }
    const auth::Identity& identity() const override { return owner_->identity; }
    std::string_view mechanism() const override { return mechanism_; }

   private:
    static auth::Step Wait() {
      auth::Step step;
      step.kind = auth::Step::Kind::kWait;
      return step;
    }
    WaitingVerifier* const owner_;
    const std::string mechanism_;
  };
};

auth::Step StepOf(auth::Step::Kind kind) {
  auth::Step step;
  step.kind = kind;
  return step;
}
auth::Step Refusal(auth::FailureReason reason, std::string_view text) {
  auth::Step step = StepOf(auth::Step::Kind::kFailure);
  step.reason = reason;
  step.reason_text = text;
  step.no_delay = true;
  return step;
}

class ForeignLogin : public ::testing::Test {
 protected:
  ForeignLogin() {
    std::string errors;
    auto whole = LoadHost(ReferenceHost(), &errors);
    EXPECT_EQ(errors, "");
    auto changed = std::make_shared<config::Config>(*whole);
    for (config::Listener& listener : changed->listeners) {
      if (listener.smtp == nullptr || listener.endpoint.port != kPort) continue;
      auto service = std::make_shared<config::SmtpService>(*listener.smtp);
      service->sasl_socket = config::SaslSocket{.name = "private/other", .path = "/var/spool/postfix/private/other"};
      listener.smtp = std::move(service);
    }
    config_ = std::move(changed);
  }
  void Begin() {
    harness_ = std::make_unique<Harness>(config_, kPort, kStranger, true, &verifier_);
    harness_->Line("EHLO client.example.net");
    harness_->Line("STARTTLS");
    harness_->BeginTls();
    harness_->Replies();
  }
  std::string Ehlo() { return harness_->Ask("EHLO client.example.net"); }
  void Ready() {
    verifier_.known = auth::Offer{.mechanisms = {"PLAIN", "LOGIN"}};
    Begin();
    Ehlo();
  }

  std::shared_ptr<const config::Config> config_;
  WaitingVerifier verifier_;
  std::unique_ptr<Harness> harness_;
};

TEST_F(ForeignLogin, EhloWaitsUntilTheMechanismsAreKnown) {
  Begin();
  harness_->Line("EHLO client.example.net");
  harness_->Line("NOOP");
  EXPECT_EQ(harness_->Replies(), "");
  EXPECT_EQ(verifier_.asked_with, std::vector<std::string>{"noanonymous"});
  harness_->Tell(auth::Offer{.mechanisms = {"PLAIN", "SCRAM-SHA-256"}});
  const std::string replies = harness_->Replies();
  EXPECT_NE(replies.find("250-AUTH PLAIN SCRAM-SHA-256\r\n"), std::string::npos) << replies;
  EXPECT_TRUE(replies.ends_with("250 2.0.0 Ok\r\n")) << replies;  // NOOP's, behind it
}

TEST_F(ForeignLogin, BeforeTlsNobodyIsAsked) {
  harness_ = std::make_unique<Harness>(config_, kPort, kStranger, true, &verifier_);
  harness_->Replies();
  const std::string reply = Ehlo();
  EXPECT_NE(reply.find("250-STARTTLS"), std::string::npos);
  EXPECT_EQ(reply.find("AUTH"), std::string::npos);
}

TEST_F(ForeignLogin, TheVerdictComesLater) {
  Ready();
  const std::string_view message("\0alice\0pw", 9);
  EXPECT_EQ(harness_->Ask("AUTH PLAIN " + EncodeBase64(message)), "");
  EXPECT_EQ(verifier_.heard, std::vector<std::string>{std::string(message)});
  EXPECT_EQ(verifier_.facts.service, "smtp");
  EXPECT_TRUE(verifier_.facts.tls);
  EXPECT_TRUE(verifier_.facts.no_login);
  EXPECT_EQ(verifier_.facts.remote.ToString(), kStranger);
  verifier_.identity.user = "alice@example.test";
  harness_->Tell(StepOf(auth::Step::Kind::kSuccess));
  EXPECT_EQ(harness_->Replies(), "235 2.7.0 Authentication successful\r\n");
  EXPECT_EQ(verifier_.open, 0);
  EXPECT_TRUE(
      harness_->Ask("AUTH PLAIN " + EncodeBase64(message)).starts_with("503 5.5.1 Error: already authenticated"));
}

TEST_F(ForeignLogin, RefusalsHaveTheServersReason) {
  Ready();
  harness_->Line("AUTH LOGIN");
  auth::Step challenge = StepOf(auth::Step::Kind::kChallenge);
  challenge.challenge = "Username:";
  harness_->Tell(challenge);
  EXPECT_EQ(harness_->Replies(), "334 VXNlcm5hbWU6\r\n");
  harness_->Line("YWxpY2U=");
  verifier_.identity.original_user = "alice";
  harness_->Tell(Refusal(auth::FailureReason::kUserDisabled, "Paid nothing"));
  EXPECT_EQ(harness_->Replies(), "535 5.7.8 Error: authentication failed: Paid nothing\r\n");
  EXPECT_TRUE(harness_->Logged("SASL LOGIN authentication failed: Paid nothing, sasl_username=alice"))
      << harness_->LogText();
}

TEST_F(ForeignLogin, WhoGivesUpOrGoesLeavesNothingOpen) {
  Ready();
  harness_->Line("AUTH LOGIN");
  harness_->Tell(StepOf(auth::Step::Kind::kChallenge));
  EXPECT_EQ(verifier_.open, 1);
  harness_->Replies();
  EXPECT_EQ(harness_->Ask("*"), "501 5.7.0 Authentication aborted\r\n");
  EXPECT_EQ(verifier_.open, 0);
  harness_->Line("AUTH PLAIN AGEAYg==");
  EXPECT_EQ(verifier_.open, 1);
  harness_->Give(PeerClosed{.conn = ConnId{5}});
  EXPECT_EQ(verifier_.open, 0);
  EXPECT_TRUE(harness_->session().ended());
  harness_->Tell(StepOf(auth::Step::Kind::kSuccess));  // too late
  EXPECT_EQ(harness_->Replies(), "");
}

// Nobody can be asked: no AUTH, and what would be refused for good is refused for now, until a login succeeds.
TEST_F(ForeignLogin, WhoMayBeAUserIsNotRefusedForGood) {
  Begin();
  harness_->Line("EHLO client.example.net");
  harness_->Tell(auth::Offer{.is_known = false});
  EXPECT_EQ(harness_->Replies().find("AUTH"), std::string::npos);
  harness_->Line("AUTH PLAIN AGEAYg==");
  harness_->Tell(Refusal(auth::FailureReason::kTemporary, "Can't connect to authentication server"));
  EXPECT_EQ(harness_->Replies(),
            "454 4.7.0 Temporary authentication failure: Can't connect to authentication server\r\n");
  harness_->Ask("MAIL FROM:<x@example.net>");
  EXPECT_TRUE(harness_->Ask("RCPT TO:<y@example.org>").starts_with("4"));
  harness_->Ask("RSET");
  harness_->Line("AUTH PLAIN AGEAYg==");
  harness_->Tell(Refusal(auth::FailureReason::kPasswordMismatch, ""));
  EXPECT_EQ(harness_->Replies(), "535 5.7.8 Error: authentication failed: (reason unavailable)\r\n");
}

TEST_F(ForeignLogin, AWrongPasswordIsRefusedForGood) {
  Ready();
  harness_->Line("AUTH PLAIN AGEAYg==");
  harness_->Tell(Refusal(auth::FailureReason::kPasswordMismatch, ""));
  harness_->Replies();
  harness_->Ask("MAIL FROM:<x@example.net>");
  EXPECT_TRUE(harness_->Ask("RCPT TO:<y@example.org>").starts_with("5"));
}

// Without anybody to ask, a service whose logins another checks lets nobody in.
TEST_F(ForeignLogin, NoVerifierMeansNoLogin) {
  harness_ = std::make_unique<Harness>(config_, kPort, kStranger);
  harness_->Line("EHLO client.example.net");
  harness_->Line("STARTTLS");
  harness_->BeginTls();
  harness_->Replies();
  EXPECT_EQ(Ehlo().find("AUTH"), std::string::npos);
  EXPECT_TRUE(harness_->Ask("AUTH PLAIN AGEAYg==").starts_with("503 5.5.1 Error: authentication not enabled"));
}

}  // namespace
}  // namespace postern::smtp
