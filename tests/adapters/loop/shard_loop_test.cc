// The loop through real sockets: connections, back-pressure, timers, files, other loops, the end.
#include "adapters/loop/shard_loop.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <map>

#include "tests/adapters/loop/harness.h"

namespace postern::loop {
namespace {

using testing::Client;
using testing::Harness;
using testing::Mailbox;

// Says every byte back; ends with its peer or the process.
struct Echo {
  void operator()(ShardId, Now, const Event& event, Effects& out) {
    if (const auto* accepted = std::get_if<Accepted>(&event)) conns.push_back(accepted->conn);
    if (const auto* received = std::get_if<Received>(&event)) out.SendText(received->conn, received->bytes);
    if (std::holds_alternative<Shutdown>(event)) {
      for (const ConnId conn : conns) out.Put(Close{.conn = conn});
    }
  }
  std::vector<ConnId> conns;
};

std::string Pattern(size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += std::to_string(text.size()) + ",";
  text.resize(bytes);
  return text;
}

TEST(ShardLoopTest, EchoesManyConnectionsOverTwoLoops) {
  std::vector<Echo> echoes(2);
  Harness harness(
      [&](ShardId id, Now now, const Event& e, Effects& out) { echoes[static_cast<size_t>(id)](id, now, e, out); }, 2);
  const Endpoint at = harness.AddListener();
  harness.Start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(std::make_unique<Client>(at));
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) ASSERT_TRUE(clients[i]->Send("hello " + std::to_string(i) + "\n"));
    for (size_t i = 0; i < clients.size(); ++i)
      EXPECT_EQ(clients[i]->ReceiveLine(), "hello " + std::to_string(i) + "\n");
  }
  ASSERT_TRUE(harness.StopAndJoin());
  // New connections go to the loop that has fewer.
  EXPECT_NEAR(static_cast<double>(echoes[0].conns.size()), 50, 3);
  EXPECT_EQ(echoes[0].conns.size() + echoes[1].conns.size(), 100u);
}

TEST(ShardLoopTest, TellsWhoCameAndThatTheyWent) {
  Mailbox<Peer> peers;
  Mailbox<Status> ends;
  Harness harness([&](ShardId, Now, const Event& e, Effects&) {
    if (const auto* accepted = std::get_if<Accepted>(&e)) peers.Put(accepted->peer);
    if (const auto* closed = std::get_if<PeerClosed>(&e)) ends.Put(closed->why);
  });
  harness.AddListener();
  const Endpoint at = harness.AddListener();
  harness.Start();
  {
    Client client(at);
    const auto peer = peers.Take();
    ASSERT_TRUE(peer.has_value());
    EXPECT_EQ(peer->remote.address.ToString(), "127.0.0.1");
    EXPECT_EQ(peer->local, at);
    EXPECT_EQ(peer->listener, ListenerId{1});
  }
  EXPECT_TRUE(ends.Take().value_or(InvalidArgument("none")).ok());
  Client rude(at);
  ASSERT_TRUE(peers.Take().has_value());
  rude.Abort();
  EXPECT_FALSE(ends.Take().value_or(OkStatus()).ok());
}

TEST(ShardLoopTest, AnswersAClientThatClosedItsSide) {
  Harness harness(Echo{});
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  const std::string text = Pattern(300'000);
  std::thread sender([&] {
    client.Send(text);
    client.EndSending();
  });
  EXPECT_EQ(client.Receive(text.size()), text);
  EXPECT_TRUE(client.AtEnd());
  sender.join();
}

// A sender that goes on only when its output has left: never more than a piece waits.
TEST(ShardLoopTest, DrainedPacesASlowReader) {
  constexpr size_t kPieces = 200, kPieceBytes = 64 * 1024;
  std::atomic<size_t> sent{0};
  Harness harness([&](ShardId, Now, const Event& e, Effects& out) {
    ConnId conn{};
    if (const auto* accepted = std::get_if<Accepted>(&e)) conn = accepted->conn;
    if (const auto* drained = std::get_if<Drained>(&e)) conn = drained->conn;
    if (conn == ConnId{}) return;
    if (sent == kPieces) return out.Put(Close{.conn = conn});
    ++sent;
    out.Put(Send{.conn = conn, .bytes = Chain(std::string(kPieceBytes, static_cast<char>('a' + sent % 26)))});
    out.Put(AwaitDrain{conn});
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  ASSERT_EQ(client.Receive(kPieceBytes).size(), kPieceBytes);
  // The socket buffers of both sides are finite: the sender stands still before its end.
  EXPECT_LT(sent, kPieces);
  EXPECT_EQ(client.Receive(kPieces * kPieceBytes).size(), (kPieces - 1) * kPieceBytes);
  EXPECT_TRUE(client.AtEnd());
}

TEST(ShardLoopTest, PausedConnectionsAreNotRead) {
  Mailbox<ConnId> paused;
  Mailbox<std::string> seen;
  ConnId conn{};
  Harness harness([&](ShardId, Now now, const Event& e, Effects& out) {
    if (const auto* accepted = std::get_if<Accepted>(&e)) {
      conn = accepted->conn;
      out.Put(PauseReading{conn});
      out.Put(PauseReading{conn});
      out.Put(SetTimer{.op = {.tag = 1}, .at = now.mono + Milliseconds(50)});
      paused.Put(conn);
    }
    if (std::holds_alternative<TimerFired>(e)) {
      seen.Put("timer");
      out.Put(ResumeReading{conn});
    }
    if (const auto* received = std::get_if<Received>(&e)) seen.Put(std::string(received->bytes));
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  ASSERT_TRUE(paused.Take().has_value());
  client.Send("hello");
  EXPECT_EQ(seen.Take(), "timer");
  EXPECT_EQ(seen.Take(), "hello");
}

TEST(ShardLoopTest, ALastReplyArrivesThoughTheClientStillSends) {
  Harness harness([&](ShardId, Now, const Event& e, Effects& out) {
    const auto* received = std::get_if<Received>(&e);
    if (received == nullptr) return;
    out.SendText(received->conn, "421 go away\r\n");
    out.Put(Close{.conn = received->conn});
    out.SendText(received->conn, "never");
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  for (int i = 0; i < 20; ++i) {
    Client client(at);
    client.Send(Pattern(500'000));
    EXPECT_EQ(client.ReceiveLine(), "421 go away\r\n");
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST(ShardLoopTest, TimersFireInOrderOfTimeUnlessCancelledOrReplaced) {
  Mailbox<uint64_t> fired;
  Harness harness([&](ShardId, Now now, const Event& e, Effects& out) {
    if (std::holds_alternative<Accepted>(e)) {
      const auto at = [&](int64_t ms) { return now.mono + Milliseconds(ms); };
      out.Put(SetTimer{.op = {.tag = 1}, .at = at(30)});
      out.Put(SetTimer{.op = {.tag = 2}, .at = at(10)});
      out.Put(SetTimer{.op = {.tag = 3}, .at = at(5)});
      out.Put(SetTimer{.op = {.tag = 4}, .at = at(1)});
      out.Put(SetTimer{.op = {.tag = 3}, .at = at(20)});
      out.Put(CancelTimer{{.tag = 4}});
      out.Put(CancelTimer{{.tag = 99}});
    }
    if (const auto* timer = std::get_if<TimerFired>(&e)) fired.Put(timer->op.tag);
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  EXPECT_EQ(fired.Take(), 2u);
  EXPECT_EQ(fired.Take(), 3u);
  EXPECT_EQ(fired.Take(), 1u);
}

TEST(ShardLoopTest, DoesFilePlansAndReads) {
  const OpId commit{.tag = 1}, read{.tag = 2}, scan{.tag = 3}, stat{.tag = 4}, watch{.tag = 5};
  Mailbox<std::string> log;
  Harness harness([&](ShardId, Now, const Event& e, Effects& out) {
    if (std::holds_alternative<Accepted>(e)) {
      FilePlan plan;
      plan.stages = {
          {MakeDir{"/m"}}, {Create{.path = "/m/f", .bytes = Chain("hello")}}, {SyncFile{"/m/f"}}, {SyncDir{"/m"}}};
      out.Put(Commit{.op = commit, .plan = plan});
    } else if (const auto* done = std::get_if<PlanDone>(&e)) {
      if (done->op == watch) return;
      log.Put(done->result.ok() ? "planned" : "failed");
      out.Put(Read{.op = read, .path = "/m/f", .offset_bytes = 1});
    } else if (const auto* bytes = std::get_if<ReadDone>(&e)) {
      log.Put("read " + std::string(bytes->bytes));
      out.Put(Scan{.op = scan, .dir = "/m"});
    } else if (const auto* entries = std::get_if<ScanDone>(&e)) {
      log.Put("scanned " + entries->entries.at(0).name);
      out.Put(Stat{.op = stat, .paths = {"/m/f"}});
    } else if (const auto* facts = std::get_if<StatDone>(&e)) {
      log.Put("size " + std::to_string(facts->files.at(0).size_bytes));
      out.Put(Watch{.op = watch, .dirs = {"/m"}});
      FilePlan plan;
      plan.stages = {{Unlink{"/m/f"}}};
      out.Put(Commit{.op = watch, .plan = plan});
    } else if (const auto* changed = std::get_if<DirChanged>(&e)) {
      log.Put(changed->op == watch ? "changed" : "?");
    }
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  for (const char* expected : {"planned", "read ello", "scanned f", "size 5", "changed"})
    EXPECT_EQ(log.Take(), expected);
}

TEST(ShardLoopTest, AnswersQuestions) {
  Mailbox<std::string> log;
  Harness harness([&](ShardId, Now, const Event& e, Effects& out) {
    const auto ask = [&](const char* stored, uint64_t tag) {
      out.Put(Ask{
          .op = {.tag = tag},
          .question = VerifyPassword{.stored = Secret(std::string(stored)), .password = Secret(std::string("pw"))}});
    };
    if (std::holds_alternative<Accepted>(e)) ask("{PLAIN}pw", 1);
    const auto* answer = std::get_if<Answer>(&e);
    if (answer == nullptr) return;
    if (const auto* checked = std::get_if<PasswordChecked>(&answer->reply)) {
      log.Put(std::to_string(answer->op.tag) + (checked->matches       ? " right"
                                                : checked->status.ok() ? " wrong"
                                                                       : " failed"));
      if (answer->op.tag == 1) ask("{PLAIN}other", 2);
      if (answer->op.tag == 2) ask("{WHAT}pw", 3);
      if (answer->op.tag == 3) out.Put(Ask{.op = {.tag = 4}, .question = LookupClientName{}});
    } else {
      log.Put(std::get<ClientName>(answer->reply).name);
    }
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  for (const char* expected : {"1 right", "2 wrong", "3 failed", "client.example"}) EXPECT_EQ(log.Take(), expected);
}

TEST(ShardLoopTest, ContinuationsLetOthersHaveTheirTurn) {
  std::atomic<int> continued{0};
  Harness harness([&](ShardId, Now, const Event& e, Effects& out) {
    const auto* received = std::get_if<Received>(&e);
    if (received != nullptr && received->bytes == "work") out.Put(ContinueLater{MachineOf(received->conn)});
    if (received != nullptr && received->bytes == "ping") out.SendText(received->conn, "pong\n");
    if (const auto* go_on = std::get_if<Continue>(&e)) {
      // Endless work, until the other connection was heard.
      ++continued;
      out.Put(ContinueLater{go_on->machine});
    }
  });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client worker(at), other(at);
  worker.Send("work");
  while (continued < 10) std::this_thread::yield();
  other.Send("ping");
  EXPECT_EQ(other.ReceiveLine(), "pong\n");
}

// "over" moves a connection; what was pipelined behind it, and what comes later, arrives at the new shard in order.
TEST(ShardLoopTest, HandsConnectionsOver) {
  Mailbox<std::string> facts;
  Harness harness(
      [&](ShardId id, Now, const Event& e, Effects& out) {
        const ShardId other{static_cast<uint16_t>(1 - static_cast<uint16_t>(id))};
        if (const auto* received = std::get_if<Received>(&e)) {
          const size_t over = received->bytes.find("over\n");
          if (over == std::string_view::npos) {
            out.SendText(received->conn, std::string(received->bytes));
          } else {
            out.SendText(received->conn, "moving\n");
            out.Put(Handoff{.conn = received->conn,
                            .to = other,
                            .login = {.user = "alice"},
                            .unread = std::string(received->bytes.substr(over + 5))});
            out.SendText(received->conn, "lost\n");  // not mine any more
          }
        }
        if (const auto* adopted = std::get_if<Adopted>(&e)) {
          facts.Put(adopted->login.user);
          out.SendText(adopted->conn, "adopted " + adopted->unread);
        }
      },
      2);
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  for (int i = 0; i < 20; ++i) {
    client.Send("over\nrest\n");
    EXPECT_EQ(client.ReceiveLine(), "moving\n");
    EXPECT_EQ(client.ReceiveLine(), "adopted rest\n");
    EXPECT_EQ(facts.Take(), "alice");
    client.Send("more\n");
    EXPECT_EQ(client.ReceiveLine(), "more\n");
  }
}

TEST(ShardLoopTest, PostsLetters) {
  Mailbox<std::string> letters;
  Harness harness(
      [&](ShardId id, Now, const Event& e, Effects& out) {
        if (std::holds_alternative<Accepted>(e)) {
          for (uint16_t to = 0; to < 3; ++to) {
            out.Put(Post{.to = ShardId{to}, .letter = Arrived{.user = "to " + std::to_string(to)}});
          }
          out.Put(Post{.to = ShardId{99}, .letter = Arrived{}});
        }
        if (const auto* posted = std::get_if<Posted>(&e)) {
          letters.Put(std::get<Arrived>(posted->letter).user + " at " + std::to_string(static_cast<int>(id)));
        }
      },
      3);
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  std::set<std::string> got;
  for (int i = 0; i < 3; ++i) got.insert(letters.Take().value_or("none"));
  EXPECT_EQ(got, (std::set<std::string>{"to 0 at 0", "to 1 at 1", "to 2 at 2"}));
}

TEST(ShardLoopTest, WaitsWithNewConnectionsAtTheLimit) {
  Harness harness([echo = Echo{}](ShardId id, Now now, const Event& e, Effects& out) mutable {
    if (const auto* accepted = std::get_if<Accepted>(&e)) out.SendText(accepted->conn, "welcome\n");
    echo(id, now, e, out);
  });
  const Endpoint at = harness.AddListener();
  harness.shared().connections_max = 2;
  harness.Start();
  auto one = std::make_unique<Client>(at);
  auto two = std::make_unique<Client>(at);
  EXPECT_EQ(one->ReceiveLine(), "welcome\n");
  EXPECT_EQ(two->ReceiveLine(), "welcome\n");
  Client three(at);
  three.Send("hello\n");
  two->Send("still here\n");
  EXPECT_EQ(two->ReceiveLine(), "still here\n");
  char byte = 0;
  EXPECT_EQ(recv(three.fd(), &byte, 1, MSG_DONTWAIT), -1);
  one.reset();
  EXPECT_EQ(three.ReceiveLine(), "welcome\n");
  EXPECT_EQ(three.ReceiveLine(), "hello\n");
}

TEST(ShardLoopTest, OutlivesTheEndOfDescriptors) {
  Harness harness(Echo{});
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client first(at);
  first.Send("a\n");
  EXPECT_EQ(first.ReceiveLine(), "a\n");
  Client second(at);  // its own descriptor is there before the limit falls
  second.Send("b\n");
  EXPECT_EQ(second.ReceiveLine(), "b\n");
  Client third({.address = at.address, .port = 1});  // only to hold a descriptor
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  sockaddr_storage address{};
  const socklen_t length = net::ToSocketAddress(at, &address);
  const host::UniqueFd late(socket(AF_INET, SOCK_STREAM, 0));
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const bool connected = connect(late.get(), reinterpret_cast<sockaddr*>(&address), length) == 0;
  first.Send("c\n");
  const std::string meanwhile = first.ReceiveLine();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(connected);
  EXPECT_EQ(meanwhile, "c\n");
  send(late.get(), "d\n", 2, MSG_NOSIGNAL);
  char answer[2] = "";
  const timeval patience{.tv_sec = 10};
  setsockopt(late.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ssize_t got = 0;
  do {
    got = recv(late.get(), answer, 2, MSG_WAITALL);
  } while (got < 0 && errno == EINTR);
  EXPECT_EQ(got, 2);
}

TEST(ShardLoopTest, CutsOffWhatDoesNotEnd) {
  Harness harness([](ShardId, Now, const Event&, Effects&) {}, 1,
                  [](ShardLoop::Options* options) { options->stop_patience = Milliseconds(50); });
  const Endpoint at = harness.AddListener();
  harness.Start();
  Client client(at);
  EXPECT_TRUE(client.connected());
  while (harness.shared().connection_count == 0) std::this_thread::yield();
  EXPECT_FALSE(harness.StopAndJoin());
  EXPECT_TRUE(client.connected());
  harness.ForgetCut();
}

}  // namespace
}  // namespace postern::loop
