// Goal: World lays a network between the server and remote hosts: connecting in every way, TLS, what breaks on the way,
// crashes; questions of the DNS; folders that are watched. Method: a client's dialogue beside the shard, which takes
// its events and performs its effects as if the shard had wanted them.
#include <gtest/gtest.h>

#include <deque>

#include "sim/campaign/setting.h"
#include "sim/world/world.h"
#include "tests/sim/outgoing_fixture.h"

namespace postern::sim {
namespace {

const IpAddress kAddress = *IpAddress::Parse("203.0.113.25");
constexpr MachineId kMachine{4242};
constexpr OpId kConnect{kMachine, 1}, kTimer{kMachine, 2}, kQuestion{kMachine, 3}, kWatch{kMachine, 4},
    kPlan{kMachine, 5};

class WorldRemote : public ::testing::Test {
 protected:
  void Begin(uint64_t seed, RemoteBehaviour behaviour, Faults faults = {}) {
    world_ = std::make_unique<World>(seed, MakeSetting(config::MailFsync::kOptimized), uint16_t{1}, faults);
    world_->Start();
    host_ = std::make_shared<RemoteHost>("mx.far.example", behaviour, seed);
    world_->AddRemoteHost(kAddress, host_);
    world_->set_taker([this](const Event& event) { return Takes(event); });
    entropy_ = std::make_unique<Entropy>(Entropy::Key{7});
    done_.clear();
    other_.clear();
    message_at_ = 0;
    conn_.reset();
    armed_.reset();
  }

  void Connect(std::variant<Endpoint, Path> to = Endpoint{kAddress, 25}) {
    dialogue_ = std::make_unique<outbound::ClientDialogue>(
        MakeSettings(host_->behaviour().lmtp),
        outbound::ClientServer{.host = "mx.far.example", .address = "203.0.113.25", .port = 25});
    outbound::ClientActions actions;
    dialogue_->Deliver(MakeJob(kRecipients), moment(), &actions);
    dialogue_->OnConnecting(moment());
    world_->PerformFor(0, postern::Connect{.op = kConnect, .to = std::move(to), .patience = Seconds(30)});
    Absorb(std::move(actions));
  }
  void Run(int64_t seconds = 50'000) {
    ASSERT_TRUE(world_->RunUntil(world_->now().mono + Seconds(seconds), 1'000'000));
  }

  static constexpr size_t kRecipients = 3;
  std::unique_ptr<World> world_;
  std::shared_ptr<RemoteHost> host_;
  std::unique_ptr<outbound::ClientDialogue> dialogue_;
  std::unique_ptr<Entropy> entropy_;
  std::vector<RecipientDone> done_;
  std::vector<Event> other_;  // Answer, DirChanged, PlanDone of ours; ConnectDone
  bool tls_ = false;
  std::optional<ConnId> conn_;

 private:
  outbound::ClientMoment moment() { return {world_->now().mono, entropy_.get()}; }

  bool Takes(const Event& event) {
    OnEvent(event);
    return std::holds_alternative<ConnectDone>(event);  // the shard knows no such machine: it would hang up
  }

  void OnEvent(const Event& event) {
    if (const auto* answer = std::get_if<Answer>(&event)) {
      if (answer->op == kQuestion) other_.push_back(event);
    } else if (const auto* changed = std::get_if<DirChanged>(&event)) {
      if (changed->op == kWatch) other_.push_back(event);
    }
    if (dialogue_ == nullptr || dialogue_->closed()) return;
    outbound::ClientActions actions;
    if (const auto* connected = std::get_if<ConnectDone>(&event)) {
      other_.push_back(event);
      if (connected->status.ok()) {
        conn_ = connected->conn;
        dialogue_->OnConnected(moment(), &actions);
      } else {
        dialogue_->OnConnectFailed(Message(connected->status), &actions);
      }
    } else if (const auto* received = std::get_if<Received>(&event)) {
      if (received->conn == conn_) dialogue_->OnBytes(received->bytes, moment(), &actions);
    } else if (const auto* ready = std::get_if<TlsReady>(&event)) {
      if (ready->conn == conn_) {
        EXPECT_NE(ready->certificate, nullptr);
        tls_ = true;
        dialogue_->OnTlsReady({.acceptable = true}, moment(), &actions);
      }
    } else if (const auto* closed = std::get_if<PeerClosed>(&event)) {
      if (closed->conn == conn_) dialogue_->OnClosed(&actions);
    } else if (const auto* fired = std::get_if<TimerFired>(&event)) {
      if (fired->op == kTimer) {
        armed_.reset();
        dialogue_->OnDeadline(moment(), &actions);
      }
    }
    Absorb(std::move(actions));
  }

  void Absorb(outbound::ClientActions actions) {
    std::deque<outbound::ClientAction> todo(actions.begin(), actions.end());
    while (!todo.empty()) {
      const outbound::ClientAction action = std::move(todo.front());
      todo.pop_front();
      outbound::ClientActions more;
      if (const auto* send = std::get_if<outbound::SendBytes>(&action)) {
        world_->PerformFor(0, Send{.conn = *conn_, .bytes = Chain(send->bytes)});
      } else if (const auto* one = std::get_if<RecipientDone>(&action)) {
        done_.push_back(*one);
      } else if (std::holds_alternative<outbound::NeedMessageBytes>(action)) {
        dialogue_->OnMessageBytes(kMessage, true, moment(), &more);
      } else if (std::holds_alternative<outbound::BeginTls>(action)) {
        world_->PerformFor(0, StartTls{.conn = *conn_, .client = std::make_shared<const ClientTls>()});
      } else if (const auto* close = std::get_if<outbound::CloseConnection>(&action)) {
        const CloseKind kind = close->at_once ? CloseKind::kNow : CloseKind::kAfterDrain;
        if (conn_) world_->PerformFor(0, Close{.conn = *conn_, .kind = kind});
      } else if (std::holds_alternative<outbound::ReadyForJob>(action)) {
        dialogue_->Quit(&more);
      }
      todo.insert(todo.end(), more.begin(), more.end());
    }
    if (const auto deadline = dialogue_->deadline(); deadline && deadline != armed_) {
      armed_ = deadline;
      world_->PerformFor(0, SetTimer{.op = kTimer, .at = *deadline});
    }
  }

  size_t message_at_ = 0;
  std::optional<Instant> armed_;
};

TEST_F(WorldRemote, BooksAndOutcomesAgreeWhateverTheHostAndTheNetworkDo) {
  for (size_t kind = 0; kind < kRemoteKindCount; ++kind) {
    bool any_sent = false;
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Random random(seed, "behaviour");
      RemoteBehaviour behaviour = DrawBehaviour(random);
      behaviour.kind = static_cast<RemoteKind>(kind);
      Faults faults{.split_reads = seed % 3 == 0 ? 500u : 0u, .connection_breaks = seed % 4 == 0 ? 60u : 0u};
      Begin(seed, behaviour, faults);
      Connect();
      Run();
      ASSERT_TRUE(dialogue_->closed()) << ToString(behaviour.kind) << ", seed " << seed;
      ASSERT_EQ(Disagreement(*host_, done_, kRecipients), "") << ToString(behaviour.kind) << ", seed " << seed;
      ASSERT_EQ(host_->open_connections(), 0u) << ToString(behaviour.kind) << ", seed " << seed;
      any_sent |= Count(done_, Fate::kSent) > 0;
    }
    const auto named = static_cast<RemoteKind>(kind);
    const bool never = named == RemoteKind::kHalfOpen || named == RemoteKind::kRefusesConnections ||
                       named == RemoteKind::kDropsPackets || named == RemoteKind::kGreylists ||
                       named == RemoteKind::kTalksEarly || named == RemoteKind::kAnswersBadly;
    EXPECT_EQ(any_sent, !never) << ToString(named);
  }
}

TEST_F(WorldRemote, EqualSeedsAreEqualWorlds) {
  uint64_t digests[2];
  for (uint64_t& digest : digests) {
    Begin(5, {.kind = RemoteKind::kSlow}, {.split_reads = 500});
    Connect();
    Run();
    digest = world_->digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST_F(WorldRemote, TlsComesUpWithTheHostsCertificate) {
  Begin(1, {});
  world_->SetCertificate(kAddress, {.dns_names = {"mx.far.example"}, .chain_trusted = true});
  Connect();
  Run();
  EXPECT_TRUE(tls_);
  EXPECT_EQ(Count(done_, Fate::kSent), kRecipients);
}

TEST_F(WorldRemote, ConnectingFailsInItsWays) {
  const auto status_of = [this] { return std::get<ConnectDone>(other_.at(0)).status; };
  Begin(1, {.kind = RemoteKind::kRefusesConnections});
  Connect();
  Run(1);
  EXPECT_EQ(status_of(), Unavailable("Connection refused"));

  Begin(1, {.kind = RemoteKind::kDropsPackets});
  Connect();
  Run(29);
  EXPECT_TRUE(other_.empty());
  Run(2);
  EXPECT_TRUE(other_.empty() || status_of().code() == StatusCode::kDeadlineExceeded);

  Begin(1, {});
  Connect(Path("/var/spool/postfix/private/lmtp"));
  Run(1);
  EXPECT_EQ(status_of().code(), StatusCode::kNotFound);

  Begin(1, {.lmtp = true});
  world_->AddRemoteHost(Path("/var/spool/postfix/private/lmtp"), host_);
  Connect(Path("/var/spool/postfix/private/lmtp"));
  Run();
  EXPECT_EQ(Count(done_, Fate::kSent), kRecipients);
}

TEST_F(WorldRemote, ACrashEndsConnectionsForTheHost) {
  Begin(1, {.kind = RemoteKind::kHalfOpen});
  Connect();
  Run(1);
  EXPECT_EQ(host_->open_connections(), 1u);
  world_->Crash(/*power_loss=*/false);
  Run(60);
  EXPECT_EQ(host_->open_connections(), 0u);
}

TEST_F(WorldRemote, TheDnsAnswersFromTheZones) {
  Begin(1, {});
  world_->zones().AddDomain("far.example", ZoneKind::kOneMx, {kAddress}, "mail.example.test");
  world_->PerformFor(0, Ask{.op = kQuestion, .question = DnsQuestion{.name = "far.example", .type = RecordType::kMx}});
  Run(1);
  ASSERT_EQ(other_.size(), 1u);
  EXPECT_EQ(std::get<DnsReply>(std::get<Answer>(other_[0]).reply).mx, (std::vector<MxRecord>{{10, "mx0.far.example"}}));
}

TEST_F(WorldRemote, WhoWatchesAFolderIsTold) {
  Begin(1, {});
  world_->Plant("/spool/requests/old", "");
  world_->PerformFor(0, Watch{.op = kWatch, .dirs = {"/spool/requests"}});
  Run(1);
  EXPECT_EQ(other_.size(), 0u);
  world_->Plant("/spool/requests/flush", "");
  Run(1);
  EXPECT_EQ(other_.size(), 1u);
  world_->PerformFor(0, Commit{.op = kPlan, .plan = {.stages = {{Unlink{"/spool/requests/flush"}}}}});
  Run(1);
  EXPECT_EQ(other_.size(), 2u);
  world_->Plant("/spool/other/flush", "");
  world_->PerformFor(0, Unwatch{kWatch});
  world_->Plant("/spool/requests/flush", "");
  Run(1);
  EXPECT_EQ(other_.size(), 2u);
}

}  // namespace
}  // namespace postern::sim
