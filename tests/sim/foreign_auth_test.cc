// Goal: whatever a foreign auth server does, nobody is logged in without its OK, nobody waits for ever, and no password
// is shown; and once it behaves, everybody with a right password gets in. Method: many seeds of a world in which
// clients log in, give up, hang up and come again while the server refuses, stalls, breaks off in the middle of lines,
// talks nonsense and lines of 64 KiB, says OK too early or to others, and our processes die; then it heals.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/base/base64.h"
#include "sim/campaign/setting.h"
#include "sim/remote/auth_host.h"
#include "sim/world/world.h"

namespace postern::sim {
namespace {

constexpr size_t kImplicitTls = 2;  // MakeSetting's listener 465
constexpr std::string_view kSocket = "/var/spool/postfix/private/auth";
// To connect with handshake, then for the answer, and the network in between.
constexpr Duration kAnswerWithin = Seconds(21);

// Logs in by one way again and again until it is told yes or no.
class LoginClient final : public Client {
 public:
  enum class Way : uint8_t { kPlain, kPlainAsked, kLogin, kGivesUp, kHangsUp };

  LoginClient(size_t number, Way way, bool is_right)
      : way_(way),
        user_("user" + std::to_string(number)),
        password_((is_right ? "right-" : "wrong-") + std::to_string(number) + "-secret"),
        is_right_(is_right) {}

  void Begin(World& world) {
    if (is_done() || conn_) return;
    state_ = State::kGreeting;
    input_.clear();
    conn_ = world.Connect(this, kImplicitTls, *IpAddress::Parse("198.51.100.7"));
    if (!conn_) Again(world);
  }
  void OnBytes(World& world, std::string_view bytes) override {
    input_ += bytes;
    for (size_t end; conn_ && (end = input_.find("\r\n")) != std::string::npos;) {
      const std::string line = input_.substr(0, end);
      input_.erase(0, end + 2);
      announced_ = announced_ || line.substr(4).starts_with("AUTH ");
      if (line.size() > 3 && line[3] == '-') continue;
      OnReply(world, std::stoi(line.substr(0, 3)), line.substr(std::min<size_t>(line.size(), 4)));
    }
  }
  void OnClosed(World& world) override {
    conn_.reset();
    asked_at_.reset();
    Again(world);
  }

  bool is_done() const { return verdict_ != 0; }
  int verdict() const { return verdict_; }  // 235 or 535; 0: none yet
  bool is_right() const { return is_right_; }
  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }
  uint32_t deferred_count() const { return deferred_count_; }
  Duration longest() const { return longest_; }
  std::string Message() const { return std::string(1, '\0') + user_ + '\0' + password_; }

 private:
  enum class State : uint8_t { kGreeting, kHello, kAuth, kOver };

  void OnReply(World& world, int code, const std::string& text) {
    const Instant now = world.now().mono;
    if (asked_at_) longest_ = std::max(longest_, now - *asked_at_);
    asked_at_.reset();
    switch (state_) {
      case State::kGreeting:
        return Hello(world);
      case State::kHello:
        // Who is not offered AUTH yet may ask again.
        if (code == 250 && announced_) return Auth(world);
        return world.After(Seconds(1).ns, [this, &world, conn = conn_] {
          if (conn_ && conn_ == conn && state_ == State::kHello) Hello(world);
        });
      case State::kAuth:
        return OnAuthReply(world, code, text);
      case State::kOver:
        return;
    }
  }

  void Hello(World& world) {
    state_ = State::kHello;
    announced_ = false;
    Say(world, "EHLO client.example.net");
  }

  void Auth(World& world) {
    state_ = State::kAuth;
    turn_ = 0;
    if (way_ == Way::kPlain) return Say(world, "AUTH PLAIN " + EncodeBase64(Message()));
    Say(world, way_ == Way::kPlainAsked ? "AUTH PLAIN" : "AUTH LOGIN");
    if (way_ == Way::kHangsUp && attempts_ < 3) {
      ++attempts_;
      state_ = State::kOver;
      world.CloseFromClient(*conn_);
      conn_.reset();
      Again(world);
    }
  }

  void OnAuthReply(World& world, int code, const std::string& text) {
    if (code == 334) {
      if (way_ == Way::kPlainAsked) return Say(world, EncodeBase64(Message()));
      if (way_ == Way::kGivesUp && attempts_ < 3) {
        ++attempts_;
        return Say(world, "*");
      }
      EXPECT_EQ(text, turn_ == 0 ? EncodeBase64("Username:") : EncodeBase64("Password:"));
      return Say(world, EncodeBase64(turn_++ == 0 ? user_ : password_));
    }
    if (code == 235 || code == 535) {
      verdict_ = code;
      state_ = State::kOver;
      Say(world, "QUIT");
      return;
    }
    // 454: another time; 501: it gave up itself; 421: too many errors.
    EXPECT_TRUE(code == 454 || code == 501 || code == 421) << code << " " << text;
    ++deferred_count_;
    if (code != 421) {
      world.After(Seconds(2).ns, [this, &world, conn = conn_] {
        if (conn_ && conn_ == conn && state_ == State::kAuth) Auth(world);
      });
    }
  }

  void Say(World& world, const std::string& line) {
    asked_at_ = world.now().mono;
    world.SendToServer(*conn_, line + "\r\n");
  }
  void Again(World& world) {
    world.After(Seconds(3).ns, [this, &world] { Begin(world); });
  }

  const Way way_;
  const std::string user_, password_;
  const bool is_right_;
  std::optional<ConnId> conn_;
  State state_ = State::kGreeting;
  std::string input_;
  bool announced_ = false;
  int turn_ = 0, verdict_ = 0;
  uint32_t attempts_ = 0, deferred_count_ = 0;
  std::optional<Instant> asked_at_;
  Duration longest_;
};

std::shared_ptr<const config::Config> SettingWithSocket() {
  auto setting = std::make_shared<config::Config>(*MakeSetting(config::MailFsync::kOptimized));
  config::Listener& listener = setting->listeners[kImplicitTls];
  auto service = std::make_shared<config::SmtpService>(*listener.smtp);
  service->sasl_socket = config::SaslSocket{.name = "private/auth", .path = Path(kSocket)};
  listener.smtp = std::move(service);
  return setting;
}

class ForeignAuthWorld {
 public:
  ForeignAuthWorld(uint64_t seed, AuthBehaviour behaviour, Faults faults, size_t clients)
      : random_(seed, "logins"),
        world_(seed, SettingWithSocket(), static_cast<uint16_t>(1 + seed % 2), faults),
        host_(std::make_shared<AuthHost>(behaviour, seed)) {
    world_.AddRemoteHost(Path(kSocket), host_);
    for (size_t i = 0; i < clients; ++i) {
      clients_.push_back(
          std::make_unique<LoginClient>(i, static_cast<LoginClient::Way>(random_.Below(5)), random_.Chance(600)));
    }
    world_.set_observer([this](size_t, Now, const Event&, const std::vector<Effect>& effects) { LookFor(effects); });
    world_.Start();
    for (const auto& client : clients_) {
      world_.After(Milliseconds(random_.Between(0, 20'000)).ns, [this, one = client.get()] { one->Begin(world_); });
    }
  }

  bool Run(int64_t seconds) { return world_.RunUntil(world_.now().mono + Seconds(seconds), 3'000'000); }

  World& world() { return world_; }
  AuthHost& host() { return *host_; }
  Random& random() { return random_; }
  const std::vector<std::unique_ptr<LoginClient>>& clients() const { return clients_; }
  const std::vector<std::string>& shown() const { return shown_; }

  void CheckNobodyWithoutOk() const {
    for (const auto& client : clients_) {
      if (client->verdict() == 235) {
        EXPECT_TRUE(host_->granted().contains(client->password())) << client->password();
        EXPECT_TRUE(client->is_right());
      }
      EXPECT_LE(ToSeconds(client->longest()), ToSeconds(kAnswerWithin)) << client->user();
    }
    EXPECT_EQ(shown_, std::vector<std::string>{});
  }

 private:
  // A password, as it is or in base64, in a log line or in bytes that a recording would keep.
  void LookFor(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      std::string text;
      if (const auto* send = std::get_if<Send>(&effect); send != nullptr && !send->secret) text = send->bytes.Flatten();
      if (const auto* note = std::get_if<Note>(&effect)) text = note->event.text;
      for (const auto& client : clients_) {
        for (const std::string& secret :
             {client->password(), EncodeBase64(client->password()), EncodeBase64(client->Message())}) {
          if (text.find(secret) != std::string::npos) shown_.push_back(text);
        }
      }
    }
  }

  Random random_;
  World world_;
  std::shared_ptr<AuthHost> host_;
  std::vector<std::unique_ptr<LoginClient>> clients_;
  std::vector<std::string> shown_;
};

Faults DrawNetworkFaults(Random& random) {
  Faults faults;
  if (random.Chance(300)) faults.split_reads = 500;
  if (random.Chance(300)) faults.connection_breaks = static_cast<uint32_t>(random.Between(1, 40));
  return faults;
}

TEST(ForeignAuthWorlds, AGoodServerJudgesEveryoneAtOnce) {
  ForeignAuthWorld run(1, {}, {}, 40);
  ASSERT_TRUE(run.Run(60));
  size_t right = 0;
  for (const auto& client : run.clients()) {
    right += client->is_right();
    EXPECT_EQ(client->verdict(), client->is_right() ? 235 : 535) << client->user();
    EXPECT_LE(client->deferred_count(), 3u);  // those that gave up themselves
  }
  EXPECT_EQ(run.host().granted().size(), right);
  EXPECT_GT(run.host().cancelled_count(), 0u);   // what clients left
  EXPECT_LE(run.host().open_connections(), 2u);  // one a shard, for all
  EXPECT_EQ(run.shown(), std::vector<std::string>{});
}

TEST(ForeignAuthWorlds, NobodyGetsInWithoutAnOk) {
  uint64_t right_verdicts = 0, deferred = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random draw(seed, "foreign auth");
    const AuthBehaviour behaviour = DrawAuthBehaviour(draw);
    ForeignAuthWorld run(seed, behaviour, DrawNetworkFaults(draw), 12);
    const bool crashes = draw.Chance(300);
    ASSERT_TRUE(run.Run(60));
    if (crashes) run.world().Crash(draw.Chance(500));
    ASSERT_TRUE(run.Run(60));
    run.CheckNobodyWithoutOk();
    run.host().Heal();
    run.world().set_faults({});
    ASSERT_TRUE(run.Run(240));
    run.CheckNobodyWithoutOk();
    for (const auto& client : run.clients()) {
      // A server that says no to a right password is none of this world's.
      EXPECT_EQ(client->verdict(), client->is_right() ? 235 : 535) << client->user();
      right_verdicts += client->verdict() == 235;
      deferred += client->deferred_count();
    }
    const uint64_t process = run.world().process();
    run.world().StopCleanly();    // and the next one starts when this one is quiet
    run.world().After(1, [] {});  // looked at after an action
    ASSERT_TRUE(run.Run(60));
    EXPECT_GT(run.world().process(), process);
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(right_verdicts, 500u);
  EXPECT_GT(deferred, 500u);  // the worlds were bad ones
}

TEST(ForeignAuthWorlds, TheSameSeedIsTheSameWorld) {
  uint64_t digests[2];
  for (uint64_t& digest : digests) {
    ForeignAuthWorld run(7, {.closes_midway = 200, .stalls = 200, .slow = 300}, {}, 12);
    ASSERT_TRUE(run.Run(120));
    digest = run.world().digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(ForeignAuthWorlds, WhileItIsDownTheServerServesAndAsksNowAndThen) {
  ForeignAuthWorld run(3, {.refuses = 1000}, {}, 20);
  ASSERT_TRUE(run.Run(100));
  for (const auto& client : run.clients()) EXPECT_EQ(client->verdict(), 0);
  const auto is_warning = [](const LogLine& line) {
    return line.event.text == "warning: SASL: Connect to private/auth failed: Connection refused";
  };
  const auto count = std::count_if(run.world().log().begin(), run.world().log().end(), is_warning);
  EXPECT_GT(count, 10);
  EXPECT_LT(count, 2 * 2 * 60);  // at most every other second, on two shards
  run.host().Heal();
  ASSERT_TRUE(run.Run(60));
  for (const auto& client : run.clients()) EXPECT_NE(client->verdict(), 0);
}

// Nothing else is said on the connection for long: it is given up, and the next login finds a new one.
TEST(ForeignAuthWorlds, AServerThatHangsIsLeft) {
  ForeignAuthWorld run(4, {.stalls = 1000}, {}, 8);
  ASSERT_TRUE(run.Run(120));
  for (const auto& client : run.clients()) EXPECT_EQ(client->verdict(), 0);
  const auto& log = run.world().log();
  EXPECT_TRUE(std::any_of(log.begin(), log.end(), [](const LogLine& line) {
    return line.event.text == "warning: SASL: private/auth: no answer in time";
  }));
  run.CheckNobodyWithoutOk();
}

}  // namespace
}  // namespace postern::sim
