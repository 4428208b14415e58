// Our way to a foreign auth server, without a world: what goes out, line by line, when, and what sessions are told. The
// lines are those that a real Postfix 3.7 sent to a Dovecot 2.3.19, and the texts its own.
#include "core/auth/foreign_server.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/foreign_auth.h"
#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {
namespace {

constexpr MachineId kMachine{77};
constexpr MachineId kSession{5}, kOtherSession{6};
constexpr std::string_view kGreeting =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-"
    "MD5\tdictionary\tactive\nSPID\t9\nCUID\t1\n"
    "COOKIE\t00\nDONE\n";
const std::vector<std::string> kNoOptions{};

class ForeignServerTest : public ::testing::Test {
 protected:
  ForeignServerTest() { now_.mono.ns = 1'000'000'000; }

  Context At() { return {.now = now_, .entropy = entropy_, .config = config_, .out = out_}; }
  void Give(const Event& event) {
    Context context = At();
    auth_.Step(event, context);
    Settle();
  }
  void Settle() {
    Context context = At();
    for (VerifierAnswer& answer : auth_.Settle(context)) told_.push_back(std::move(answer));
    for (Effect& effect : out_.Take()) {
      if (const auto* send = std::get_if<postern::Send>(&effect)) {
        (send->secret ? secret_ : plain_) += send->bytes.Flatten();
      } else if (auto* connect = std::get_if<Connect>(&effect)) {
        connects_.push_back(*connect);
      } else if (std::holds_alternative<Close>(effect)) {
        ++closed_;
      } else if (const auto* timer = std::get_if<SetTimer>(&effect)) {
        timer_ = timer->at;
        timer_op_ = timer->op;
      } else if (std::holds_alternative<CancelTimer>(effect)) {
        timer_.reset();
      } else if (const auto* redact = std::get_if<Redact>(&effect)) {
        redactions_.push_back({redact->offset_bytes, redact->length_bytes});
      } else if (const auto* note = std::get_if<Note>(&effect)) {
        log_.push_back(note->event.text);
      }
    }
  }
  void Connected(bool ok = true) {
    ASSERT_FALSE(connects_.empty());
    const OpId op = connects_.back().op;
    connects_.clear();
    conn_ = ConnId{static_cast<uint64_t>(conn_) + 1};
    Give(ConnectDone{.op = op, .status = ok ? OkStatus() : Unavailable("Connection refused"), .conn = conn_});
  }
  void Hear(std::string_view bytes) { Give(Received{.conn = conn_, .bytes = bytes}); }
  void Advance(Duration time) {
    const Instant end = now_.mono + time;
    while (timer_ && *timer_ <= end) {
      now_.mono = *timer_;
      timer_.reset();
      Give(TimerFired{timer_op_});
    }
    now_.mono = end;
  }
  void MakeReady() {
    server().AskOffer(kNoOptions, kSession);
    Settle();
    Connected();
    Hear(kGreeting);
    told_.clear();
    plain_.clear();
  }
  ForeignServer& server() { return static_cast<ForeignServer&>(auth_.At(socket_)); }

  std::unique_ptr<Exchange> Begin(std::string_view mechanism, std::optional<std::string_view> initial,
                                  MachineId session = kSession) {
    ClientFacts client = Client("smtp");
    auto exchange = server().Begin(mechanism, kNoOptions, client, session);
    if (exchange == nullptr) return nullptr;
    EXPECT_EQ(exchange->Start(initial ? &*initial : nullptr, entropy_, now_.wall).kind, Step::Kind::kWait);
    Settle();
    return exchange;
  }
  // The only step that was told since the last call.
  Step Told() {
    EXPECT_EQ(told_.size(), 1u);
    if (told_.empty()) return {};
    Step step = std::get<Step>(std::move(told_.back().what));
    told_.clear();
    return step;
  }
  std::string Sent() { return std::exchange(secret_, {}) + std::exchange(plain_, {}); }

  config::SaslSocket socket_{.name = "private/auth", .path = "/var/spool/postfix/private/auth"};
  config::Config config_;
  Entropy entropy_{Entropy::Key{3}};
  Now now_;
  Effects out_;
  ForeignAuth auth_{kMachine, 42};
  ConnId conn_{100};
  std::vector<VerifierAnswer> told_;
  std::string secret_, plain_;
  std::vector<Connect> connects_;
  std::vector<std::pair<uint64_t, uint64_t>> redactions_;
  std::vector<std::string> log_;
  std::optional<Instant> timer_;
  OpId timer_op_;
  int closed_ = 0;
};

constexpr std::string_view kMessage{"\0a\0b", 4};

TEST_F(ForeignServerTest, NobodyAsksUntilSomebodyMust) {
  server();
  Settle();
  EXPECT_TRUE(connects_.empty());
  EXPECT_EQ(server().AskOffer(kNoOptions, kSession), std::nullopt);
  Settle();
  ASSERT_EQ(connects_.size(), 1u);
  EXPECT_EQ(std::get<Path>(connects_[0].to), "/var/spool/postfix/private/auth");
  EXPECT_EQ(connects_[0].patience, Seconds(10));
  Connected();
  EXPECT_TRUE(plain_.starts_with("VERSION\t1\t4\nCPID\t")) << plain_;
  EXPECT_TRUE(told_.empty());
  Hear(kGreeting);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].session, kSession);
  const Offer& offer = std::get<Offer>(told_[0].what);
  EXPECT_TRUE(offer.is_known);
  EXPECT_EQ(offer.mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN", "CRAM-MD5"}));
  EXPECT_EQ(server().AskOffer({"noplaintext"}, kSession)->mechanisms, std::vector<std::string>{"CRAM-MD5"});
}

TEST_F(ForeignServerTest, AsksAsPostfixDoes) {
  MakeReady();
  auto exchange = Begin("plain", kMessage);
  EXPECT_EQ(plain_, "");  // a response is a secret
  EXPECT_EQ(Sent(), "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.25\trip=192.0.2.1\tsecured\tresp=AGEAYg==\n");
  Hear("OK\t1\tuser=alice@example.test\n");
  EXPECT_EQ(Told().kind, Step::Kind::kSuccess);
  EXPECT_EQ(exchange->identity().user, "alice@example.test");
  EXPECT_EQ(exchange->mechanism(), "PLAIN");
  exchange.reset();
  Settle();
  EXPECT_EQ(Sent(), "");
}

TEST_F(ForeignServerTest, CarriesChallenges) {
  MakeReady();
  auto exchange = Begin("LOGIN", std::nullopt);
  EXPECT_EQ(Sent(), "AUTH\t1\tLOGIN\tservice=smtp\tnologin\tlip=192.0.2.25\trip=192.0.2.1\tsecured\n");
  Hear("CONT\t1\tVXNlcm5hbWU6\n");
  const Step step = Told();
  EXPECT_EQ(step.kind, Step::Kind::kChallenge);
  EXPECT_EQ(step.challenge, "Username:");
  EXPECT_EQ(exchange->Respond("alice", entropy_).kind, Step::Kind::kWait);
  Settle();
  EXPECT_EQ(plain_, "");
  EXPECT_EQ(Sent(), "CONT\t1\tYWxpY2U=\n");
  Hear("FAIL\t1\tuser=alice\treason=Come later\n");
  const Step failed = Told();
  EXPECT_EQ(failed.kind, Step::Kind::kFailure);
  EXPECT_EQ(failed.reason, FailureReason::kPasswordMismatch);
  EXPECT_EQ(failed.reason_text, "Come later");
  EXPECT_TRUE(failed.no_delay);
  EXPECT_EQ(exchange->identity().original_user, "alice");
}

TEST_F(ForeignServerTest, FailuresForTheMomentAreToldAsSuch) {
  MakeReady();
  const auto reason = [this](std::string_view code) {
    auto exchange = Begin("PLAIN", kMessage);
    const std::string sent = Sent();
    const size_t id = sent.find("AUTH\t") + 5;
    Hear("FAIL\t" + sent.substr(id, sent.find('\t', id) - id) + "\tuser=a" + std::string(code) + "\n");
    return Told().reason;
  };
  EXPECT_EQ(reason("\tcode=temp_fail"), FailureReason::kTemporary);
  EXPECT_EQ(reason("\ttemp"), FailureReason::kTemporary);
  EXPECT_EQ(reason("\tcode=authz_fail"), FailureReason::kAuthorizationDenied);
  EXPECT_EQ(reason("\tcode=user_disabled"), FailureReason::kUserDisabled);
  EXPECT_EQ(reason("\tcode=pass_expired"), FailureReason::kPasswordMismatch);
  EXPECT_EQ(reason(""), FailureReason::kPasswordMismatch);
}

TEST_F(ForeignServerTest, ManyAreOpenAtOnceAndEachIsToldItsOwn) {
  MakeReady();
  auto first = Begin("PLAIN", kMessage), second = Begin("PLAIN", kMessage, kOtherSession);
  Hear("OK\t2\tuser=second\nFAIL\t1\tuser=first\n");
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[0].session, kOtherSession);
  EXPECT_EQ(std::get<Step>(told_[0].what).kind, Step::Kind::kSuccess);
  EXPECT_EQ(told_[1].session, kSession);
  EXPECT_EQ(std::get<Step>(told_[1].what).kind, Step::Kind::kFailure);
  EXPECT_EQ(second->identity().user, "second");
  EXPECT_EQ(first->identity().user, "");
}

TEST_F(ForeignServerTest, WhoLeavesIsCancelled) {
  MakeReady();
  auto exchange = Begin("PLAIN", kMessage);
  Sent();
  exchange.reset();
  Settle();
  EXPECT_EQ(Sent(), "CANCEL\t1\n");
  Hear("OK\t1\tuser=alice\n");
  EXPECT_TRUE(told_.empty());
}

// The verdict came in the same step in which the session's client left.
TEST_F(ForeignServerTest, WhoHasLeftIsToldNothing) {
  MakeReady();
  auto exchange = Begin("PLAIN", kMessage);
  Context context = At();
  auth_.Step(Received{.conn = conn_, .bytes = "OK\t1\tuser=alice\n"}, context);
  exchange.reset();
  Settle();
  EXPECT_TRUE(told_.empty());
}

TEST_F(ForeignServerTest, AnAnswerHasTenSeconds) {
  MakeReady();
  auto exchange = Begin("PLAIN", kMessage);
  auto other = Begin("PLAIN", kMessage, kOtherSession);
  Advance(Milliseconds(9'999));
  EXPECT_TRUE(told_.empty());
  Hear("OK\t2\tuser=other\n");  // the server lives: the connection stays
  told_.clear();
  Sent();
  Advance(Milliseconds(1));
  const Step step = Told();
  EXPECT_EQ(step.reason, FailureReason::kTemporary);
  EXPECT_EQ(step.reason_text, "Connection lost to authentication server");
  EXPECT_EQ(Sent(), "CANCEL\t1\n");
  EXPECT_EQ(closed_, 0);
  Hear("OK\t1\tuser=alice\n");
  EXPECT_TRUE(told_.empty());
}

TEST_F(ForeignServerTest, AServerThatSaysNothingAtAllIsLeft) {
  MakeReady();
  auto exchange = Begin("PLAIN", kMessage);
  Advance(Seconds(10));
  EXPECT_EQ(Told().reason, FailureReason::kTemporary);
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(log_.back(), "warning: SASL: private/auth: no answer in time");
  auto next = Begin("PLAIN", kMessage);
  EXPECT_EQ(connects_.size(), 1u);  // at once
}

// One who guesses waits for Dovecot's penalty: others keep their connection.
TEST_F(ForeignServerTest, OneThatIsSilentAboutOneIsNotLeftAtOnce) {
  MakeReady();
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (int second = 0; second < 29; ++second) {
    exchanges.push_back(Begin("PLAIN", kMessage));
    Advance(Seconds(1));
  }
  EXPECT_EQ(closed_, 0);
  for (int second = 0; second < 2; ++second) {
    exchanges.push_back(Begin("PLAIN", kMessage));
    Advance(Seconds(1));
  }
  EXPECT_EQ(closed_, 1);  // for half a minute nothing at all
}

TEST_F(ForeignServerTest, ALostConnectionFailsWhoWaitsAndWhoIsAtTurn) {
  MakeReady();
  auto waits = Begin("PLAIN", kMessage);
  auto at_turn = Begin("LOGIN", std::nullopt, kOtherSession);
  Hear("CONT\t2\tVXNlcm5hbWU6\n");
  told_.clear();
  Give(PeerClosed{.conn = conn_});
  const Step step = Told();  // the user who is at turn is told when he has answered
  EXPECT_EQ(step.reason, FailureReason::kTemporary);
  EXPECT_EQ(step.reason_text, "Connection lost to authentication server");
  EXPECT_EQ(at_turn->Respond("alice", entropy_).kind, Step::Kind::kWait);
  Settle();
  EXPECT_EQ(Told().reason, FailureReason::kTemporary);
  EXPECT_TRUE(log_.empty());  // a restart is no news
}

TEST_F(ForeignServerTest, AnOkOutOfTurnLetsNobodyIn) {
  MakeReady();
  auto exchange = Begin("LOGIN", std::nullopt);
  Hear("CONT\t1\tVXNlcm5hbWU6\nOK\t1\tuser=alice\n");
  EXPECT_EQ(Told().kind, Step::Kind::kChallenge);
  exchange->Respond("alice", entropy_);
  Settle();
  const Step step = Told();
  EXPECT_EQ(step.kind, Step::Kind::kFailure);
  EXPECT_EQ(step.reason, FailureReason::kTemporary);
  EXPECT_EQ(exchange->identity().user, "");
}

TEST_F(ForeignServerTest, NobodyThereIsToldAtOnceAndAskedAgainAfterAWhile) {
  server().AskOffer(kNoOptions, kSession);
  Settle();
  Connected(false);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_FALSE(std::get<Offer>(told_[0].what).is_known);
  EXPECT_EQ(log_, std::vector<std::string>{"warning: SASL: Connect to private/auth failed: Connection refused"});
  told_.clear();
  auto exchange = Begin("PLAIN", kMessage);  // in the meantime
  EXPECT_TRUE(connects_.empty());
  const Step step = Told();
  EXPECT_EQ(step.reason, FailureReason::kTemporary);
  EXPECT_EQ(step.reason_text, "Can't connect to authentication server");
  std::vector<Duration> waits;
  for (int i = 0; i < 6; ++i) {
    const Instant before = now_.mono;
    while (connects_.empty()) {
      Advance(Milliseconds(50));
      server().AskOffer(kNoOptions, kSession);
      Settle();
    }
    waits.push_back(now_.mono - before);
    Connected(false);
  }
  EXPECT_EQ(waits, (std::vector<Duration>{Milliseconds(250), Milliseconds(500), Seconds(1), Seconds(2), Seconds(2),
                                          Seconds(2)}));
  Advance(Seconds(2));
  server().AskOffer(kNoOptions, kSession);
  Settle();
  told_.clear();
  Connected();
  Hear(kGreeting);
  EXPECT_TRUE(std::get<Offer>(told_.at(0).what).is_known);
}

TEST_F(ForeignServerTest, WhatWasOfferedIsOfferedWhileItIsAway) {
  MakeReady();
  Give(PeerClosed{.conn = conn_});
  EXPECT_EQ(server().AskOffer(kNoOptions, kSession)->mechanisms.size(), 3u);
  Settle();
  EXPECT_EQ(connects_.size(), 1u);  // for the AUTH that will come
  Connected();
  auto exchange = Begin("CRAM-MD5", std::nullopt);
  Hear("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n");  // it comes back with fewer
  const Step step = Told();
  EXPECT_EQ(step.reason_text, "Invalid authentication mechanism");
  EXPECT_NE(step.reason, FailureReason::kTemporary);
  EXPECT_EQ(Begin("CRAM-MD5", std::nullopt), nullptr);
}

TEST_F(ForeignServerTest, BrokenHandshakesAreLeft) {
  server().AskOffer(kNoOptions, kSession);
  Settle();
  Connected();
  Advance(Seconds(10));
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(log_.back(), "warning: SASL: private/auth: the handshake was not finished in time");
  EXPECT_FALSE(std::get<Offer>(told_.at(0).what).is_known);
  Advance(Seconds(1));
  server().AskOffer(kNoOptions, kSession);
  Settle();
  Connected();
  Hear("VERSION\t1\t2\nSPID\t1\n");
  EXPECT_EQ(closed_, 2);
  EXPECT_NE(log_.back().find("auth-client socket"), std::string::npos) << log_.back();
}

TEST_F(ForeignServerTest, EveryAddressIsTried) {
  socket_ = {.name = "inet:dovecot.example:4000",
             .endpoints = {{*IpAddress::Parse("2001:db8::9"), 4000}, {*IpAddress::Parse("192.0.2.9"), 4000}}};
  server().AskOffer(kNoOptions, kSession);
  Settle();
  EXPECT_EQ(std::get<Endpoint>(connects_.at(0).to).address.ToString(), "2001:db8::9");
  now_.mono = now_.mono + Seconds(4);
  Connected(false);
  EXPECT_TRUE(told_.empty());
  EXPECT_EQ(std::get<Endpoint>(connects_.at(0).to).address.ToString(), "192.0.2.9");
  EXPECT_EQ(connects_.at(0).patience, Seconds(6));
  Connected();
  Hear(kGreeting);
  EXPECT_TRUE(std::get<Offer>(told_.at(0).what).is_known);
}

TEST_F(ForeignServerTest, WhatServersProveThemselvesWithIsMarkedWhereverItIsCut) {
  MakeReady();
  auto exchange = Begin("CRAM-MD5", std::nullopt);
  Hear("NEWS\t1\nCONT\t1\tdj1hYmNk\n");
  EXPECT_EQ(redactions_, (std::vector<std::pair<uint64_t, uint64_t>>{{14, 8}}));
  redactions_.clear();
  Hear("OK\t7\tuser=a\tpa");
  EXPECT_TRUE(redactions_.empty());
  Hear("ss=gehe");
  Hear("im\thost=b\n");
  EXPECT_EQ(redactions_, (std::vector<std::pair<uint64_t, uint64_t>>{{3, 4}, {0, 2}}));
}

TEST_F(ForeignServerTest, AfterShutdownNothingIsAskedOfIt) {
  MakeReady();
  auto exchange = Begin("PLAIN", kMessage);
  told_.clear();
  EXPECT_FALSE(auth_.ended());
  Give(Shutdown{});
  EXPECT_TRUE(auth_.ended());
  EXPECT_EQ(closed_, 1);
  EXPECT_TRUE(log_.empty());
  told_.clear();
  auto late = Begin("PLAIN", kMessage);
  EXPECT_TRUE(connects_.empty());
  EXPECT_EQ(Told().reason, FailureReason::kTemporary);
}

TEST_F(ForeignServerTest, OneThatIsNamedNoMoreEndsWithItsLastRequest) {
  MakeReady();
  auto exchange = Begin("PLAIN", kMessage);
  auth_.Reconfigure(config::Config{});
  Settle();
  EXPECT_EQ(closed_, 0);
  Hear("OK\t1\tuser=alice\n");
  EXPECT_EQ(Told().kind, Step::Kind::kSuccess);
  EXPECT_EQ(closed_, 1);
  EXPECT_TRUE(log_.empty());
}

TEST_F(ForeignServerTest, WhoDoesNotReadGetsNoMore) {
  MakeReady();
  std::vector<std::unique_ptr<Exchange>> exchanges;
  const std::string large(9'000, 'x');
  size_t refused = 0;
  for (int i = 0; i < 200; ++i) {
    exchanges.push_back(Begin("PLAIN", large));
    for (VerifierAnswer& answer : std::exchange(told_, {})) {
      refused += std::get<Step>(answer.what).reason_text == "Can't connect to authentication server";
    }
  }
  EXPECT_GT(refused, 100u);
  EXPECT_LT(secret_.size(), ForeignServer::kUnsentBytesMax + 20'000);
  Give(Drained{.conn = conn_});
  exchanges.push_back(Begin("PLAIN", kMessage));
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace postern::auth
