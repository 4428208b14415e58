// The auth socket's machine by example: what it asks of the world, and what becomes of slow and silent clients.
#include "core/auth/auth_socket_session.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/core/auth/auth_socket_fixture.h"

namespace postern::auth {
namespace {

constexpr ConnId kConn{7};

// One session with its shard's part; time moves when it is told to. Timers fire in Wait.
class SessionRun {
 public:
  SessionRun() {
    shared_.config = ConfigOf(SocketUsers());
    shared_.process_id = 4711;
    auto context = At();
    session_ = std::make_unique<AuthSocketSession>(kConn, &shared_, context);
    Collect();
  }

  static std::shared_ptr<const config::Config> ConfigOf(std::shared_ptr<FakeUsers> users) {
    auto config = std::make_shared<config::Config>();
    config->auth = AuthOf(std::move(users));
    config->routing.myhostname = "mail.example.test";
    return config;
  }

  void Step(const Event& event) {
    auto context = At();
    session_->Step(event, context);
    Collect();
  }
  std::string Feed(std::string_view bytes, bool verify = true) {
    Step(Received{.conn = kConn, .bytes = bytes});
    if (verify) Verify();
    return TakeSent();
  }
  void Verify() {
    for (const auto& [op, question] : std::exchange(questions_, {})) {
      const auto matches = VerifyStoredPassword(question.stored.Reveal(), question.password.Reveal(), question.user);
      Step(Answer{.op = op, .reply = PasswordChecked{.matches = matches.ok() && *matches}});
    }
  }
  std::string Wait(Duration duration) {
    now_.mono = now_.mono + duration;
    for (const auto& [op, at] : std::map(timers_)) {
      if (at > now_.mono) continue;
      timers_.erase(op);
      Step(TimerFired{op});
    }
    return TakeSent();
  }
  std::string TakeSent() { return std::exchange(sent_, {}); }
  void Handshake() { Feed("VERSION\t1\t0\nCPID\t42\n"); }

  AuthSocketShared& shared() { return shared_; }
  bool ended() const { return session_->ended(); }
  bool closed() const { return closed_; }
  bool paused() const { return paused_; }
  size_t questions() const { return questions_.size(); }
  const std::vector<std::string>& log() const { return log_; }
  const std::vector<Redact>& redacted() const { return redacted_; }
  const std::map<OpId, Instant>& timers() const { return timers_; }

 private:
  Context At() { return {.now = now_, .entropy = entropy_, .config = *shared_.config, .out = effects_}; }
  void Collect() {
    for (Effect& effect : effects_.Take()) {
      if (auto* send = std::get_if<Send>(&effect)) {
        sent_ += send->bytes.Flatten();
      } else if (auto* ask = std::get_if<Ask>(&effect)) {
        questions_.emplace_back(ask->op, std::get<VerifyPassword>(std::move(ask->question)));
      } else if (const auto* set = std::get_if<SetTimer>(&effect)) {
        timers_[set->op] = set->at;
      } else if (const auto* cancel = std::get_if<CancelTimer>(&effect)) {
        timers_.erase(cancel->op);
      } else if (const auto* note = std::get_if<Note>(&effect)) {
        log_.push_back(note->event.text);
      } else if (const auto* redact = std::get_if<Redact>(&effect)) {
        redacted_.push_back(*redact);
      } else if (std::holds_alternative<PauseReading>(effect)) {
        paused_ = true;
      } else if (std::holds_alternative<ResumeReading>(effect)) {
        paused_ = false;
      } else if (std::holds_alternative<Close>(effect)) {
        closed_ = true;
      }
    }
  }

  AuthSocketShared shared_;
  Entropy entropy_ = TestEntropy();
  Now now_;
  Effects effects_;
  std::unique_ptr<AuthSocketSession> session_;
  std::string sent_;
  std::vector<std::pair<OpId, VerifyPassword>> questions_;
  std::map<OpId, Instant> timers_;
  std::vector<std::string> log_;
  std::vector<Redact> redacted_;
  bool closed_ = false, paused_ = false;
};

TEST(AuthSocketSession, APasswordIsAskedAboutAndAnswered) {
  SessionRun run;
  const std::string hello = run.TakeSent();
  EXPECT_TRUE(hello.starts_with("VERSION\t1\t4\nMECH\tPLAIN\tplaintext\n")) << hello;
  EXPECT_NE(hello.find("SPID\t4711\nCUID\t8\n"), std::string::npos) << hello;
  run.Handshake();
  const std::string line = ServerRun::PlainLine(1, kAlice, kAlicePassword);
  EXPECT_EQ(run.Feed(line, /*verify=*/false), "");
  EXPECT_EQ(run.questions(), 1u);
  ASSERT_EQ(run.redacted().size(), 1u);
  EXPECT_EQ(run.redacted()[0].offset_bytes, line.find("resp=") + 5);
  run.Verify();
  EXPECT_EQ(run.TakeSent(), "OK\t1\tuser=alice@example.test\n");
  EXPECT_EQ(run.timers().size(), 0u);  // it may be silent for ever
}

TEST(AuthSocketSession, AWrongPasswordIsAnsweredLateAndLogged) {
  SessionRun run;
  run.Handshake();
  EXPECT_EQ(run.Feed(ServerRun::PlainLine(1, kAlice, "wrong")), "");
  ASSERT_EQ(run.timers().size(), 1u);
  EXPECT_EQ(run.Wait(Milliseconds(1999)), "");
  EXPECT_EQ(run.Wait(Milliseconds(1)), "FAIL\t1\tuser=alice@example.test\n");
  EXPECT_EQ(run.log(), std::vector<std::string>{"auth: passwd-file(alice@example.test,192.0.2.1): Password mismatch"});
  EXPECT_EQ(run.timers().size(), 0u);
}

TEST(AuthSocketSession, GuessesOnOneConnectionSlowAnotherDown) {
  SessionRun run;
  run.Handshake();
  run.Feed(ServerRun::PlainLine(1, kAlice, "wrong"));
  run.Wait(Seconds(2));
  EXPECT_GT(run.shared().penalty.DelayBefore(*IpAddress::Parse("192.0.2.1"), Instant{}), Duration{});
}

TEST(AuthSocketSession, AHandshakeHasItsTime) {
  SessionRun run;
  run.Feed("VERSION\t1\t0\n");
  run.Wait(Milliseconds(59'999));
  EXPECT_FALSE(run.ended());
  run.Wait(Milliseconds(1));
  EXPECT_TRUE(run.ended() && run.closed());
  EXPECT_EQ(run.log().size(), 1u);
}

TEST(AuthSocketSession, ABrokenLineEndsItWithoutRepeatingIt) {
  SessionRun run;
  run.Handshake();
  run.Feed("secret-word\n");
  EXPECT_TRUE(run.ended() && run.closed());
  ASSERT_EQ(run.log().size(), 1u);
  EXPECT_EQ(run.log()[0].find("secret-word"), std::string::npos);
  EXPECT_TRUE(run.log()[0].starts_with("auth: Error: auth client: disconnected: ")) << run.log()[0];
}

TEST(AuthSocketSession, WhoDoesNotReadIsNotRead) {
  SessionRun run;
  run.Handshake();
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += "CONT\t9\t\n";  // each is answered with FAIL
  run.Feed(lines);
  EXPECT_TRUE(run.paused());
  run.Step(Drained{.conn = kConn});
  EXPECT_FALSE(run.paused());
}

TEST(AuthSocketSession, NewUsersCountAtOnceAndOpenRequestsKeepTheirs) {
  SessionRun run;
  run.Handshake();
  run.Feed("AUTH\t1\tPLAIN\tservice=smtp\tnologin\n");
  auto users = SocketUsers();
  users->Add("new@example.test", "{PLAIN}new-secret");
  users->Add(kAlice, "{PLAIN}changed");
  run.shared().config = SessionRun::ConfigOf(users);
  EXPECT_EQ(run.Feed(ServerRun::PlainLine(2, "new@example.test", "new-secret")), "OK\t2\tuser=new@example.test\n");
  EXPECT_EQ(run.Feed("CONT\t1\t" + EncodeBase64(PlainMessage(kAlice, kAlicePassword)) + "\n"),
            "OK\t1\tuser=alice@example.test\n");
  run.Feed(ServerRun::PlainLine(3, kAlice, kAlicePassword));
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t3\tuser=alice@example.test\n");
}

TEST(AuthSocketSession, EndsWithItsPeerAndWithTheServer) {
  for (const Event& event : {Event(PeerClosed{.conn = kConn}), Event(Shutdown{})}) {
    SessionRun run;
    run.Handshake();
    run.Feed(ServerRun::PlainLine(1, kAlice, kAlicePassword), /*verify=*/false);
    run.Step(event);
    EXPECT_TRUE(run.ended() && run.closed());
    EXPECT_EQ(run.timers().size(), 0u);
    run.Verify();  // the answer comes too late and does no harm
    EXPECT_EQ(run.TakeSent(), "");
  }
}

}  // namespace
}  // namespace postern::auth
