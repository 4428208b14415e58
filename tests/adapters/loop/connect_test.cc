// Connections to others through real sockets: they stand, are refused, take too long, end with the process.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "tests/adapters/loop/harness.h"

namespace postern::loop {
namespace {

using testing::Harness;
using testing::Mailbox;

const OpId kOp{.machine = MachineId{77}, .tag = 5};

// A socket of the test's own that others connect to.
class Target {
 public:
  Target() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    socklen_t length = net::ToSocketAddress({.address = *IpAddress::Parse("127.0.0.1")}, &address);
    bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length);
    length = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    at = net::FromSocketAddress(address);
  }
  explicit Target(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    Listen(5);
  }
  void Listen(int backlog) { listen(fd_.get(), backlog); }
  // From here on the kernel drops what knocks.
  void FillUp() {
    Listen(0);
    for (int i = 0; i < 4; ++i) {
      fillers_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_storage address{};
      const socklen_t length = net::ToSocketAddress(at, &address);
      (void)connect(fillers_.back().get(), reinterpret_cast<sockaddr*>(&address), length);
    }
  }
  host::UniqueFd Accept() { return host::UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  std::string Read(int fd, size_t count) {
    std::string bytes(count, '\0');
    const ssize_t got = recv(fd, bytes.data(), count, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }

  Endpoint at;

 private:
  host::UniqueFd fd_;
  std::vector<host::UniqueFd> fillers_;
};

// Connects once the configuration came, which is the loop's first event.
class Caller {
 public:
  Mailbox<ConnectDone> done;
  Mailbox<std::string> received;
  Mailbox<Status> ends;
  std::function<void(ConnId, Effects&)> on_connected;

  explicit Caller(Connect connect, std::function<void(ShardLoop::Options*)> adjust = {})
      : connect_(std::move(connect)), harness_(std::make_unique<Harness>(toy(), 1, std::move(adjust))) {}

  void Start() {
    harness_->Start();
    harness_->loop(0).Reconfigure(nullptr, nullptr);
  }
  Harness& harness() { return *harness_; }

 private:
  testing::Toy toy() {
    return [this](ShardId, Now, const Event& e, Effects& out) {
      EXPECT_FALSE(std::exchange(inside_, true)) << "a step inside a step";
      if (std::holds_alternative<ConfigChanged>(e)) out.Put(connect_);
      if (const auto* told = std::get_if<ConnectDone>(&e)) {
        conn_ = told->conn;
        if (told->status.ok() && on_connected) on_connected(told->conn, out);
        done.Put(*told);
      }
      if (const auto* bytes = std::get_if<Received>(&e)) received.Put(std::string(bytes->bytes));
      if (const auto* closed = std::get_if<PeerClosed>(&e)) ends.Put(closed->why);
      if (std::holds_alternative<Shutdown>(e)) out.Put(Close{.conn = conn_, .kind = CloseKind::kNow});
      inside_ = false;
    };
  }

  Connect connect_;
  ConnId conn_{};
  bool inside_ = false;
  std::unique_ptr<Harness> harness_;
};

TEST(ConnectTest, StandsAndSpeaks) {
  Target target;
  target.Listen(5);
  Caller caller({.op = kOp, .to = target.at, .patience = Seconds(30)});
  caller.on_connected = [](ConnId conn, Effects& out) { out.SendText(conn, "EHLO us\r\n"); };
  caller.Start();
  const auto done = caller.done.Take();
  ASSERT_TRUE(done && done->status.ok());
  EXPECT_EQ(done->op, kOp);
  EXPECT_EQ(done->conn, ConnId{1});
  EXPECT_EQ(done->local.address.ToString(), "127.0.0.1");
  EXPECT_NE(done->local.port, 0);
  EXPECT_EQ(caller.harness().shared().connection_count, 1u);
  host::UniqueFd peer = target.Accept();
  EXPECT_EQ(target.Read(peer.get(), 9), "EHLO us\r\n");
  ASSERT_EQ(send(peer.get(), "250 ok\r\n", 8, MSG_NOSIGNAL), 8);
  EXPECT_EQ(caller.received.Take(), "250 ok\r\n");
  peer.Reset();
  EXPECT_TRUE(caller.ends.Take().value_or(InvalidArgument("none")).ok());
}

// A server that greets before the client has noticed that it is connected.
TEST(ConnectTest, WhatTheServerSaidAtOnceIsRead) {
  for (int round = 0; round < 20; ++round) {
    Target target;
    target.Listen(5);
    Caller caller({.op = kOp, .to = target.at});
    std::thread greeter([&] {
      const host::UniqueFd peer = target.Accept();
      (void)send(peer.get(), "220 hello\r\n", 11, MSG_NOSIGNAL);
    });
    caller.Start();
    EXPECT_TRUE(caller.done.Take().has_value());
    EXPECT_EQ(caller.received.Take(), "220 hello\r\n");
    EXPECT_TRUE(caller.ends.Take().has_value());
    greeter.join();
  }
}

TEST(ConnectTest, ComesFromTheAddressAskedFor) {
  Target target;
  target.Listen(5);
  Caller caller({.op = kOp, .to = target.at, .from = *IpAddress::Parse("127.0.0.9")});
  caller.Start();
  const auto done = caller.done.Take();
  ASSERT_TRUE(done && done->status.ok());
  EXPECT_EQ(done->local.address.ToString(), "127.0.0.9");
}

TEST(ConnectTest, AnAddressThatIsNotOursStopsNoMail) {
  Target target;
  target.Listen(5);
  Caller caller({.op = kOp, .to = target.at, .from = *IpAddress::Parse("192.0.2.1")});
  caller.Start();
  const auto done = caller.done.Take();
  ASSERT_TRUE(done && done->status.ok());
  EXPECT_EQ(done->local.address.ToString(), "127.0.0.1");
}

TEST(ConnectTest, IsRefused) {
  const Target target;  // bound, not listening
  Caller caller({.op = kOp, .to = target.at, .patience = Seconds(30)});
  caller.Start();
  const auto done = caller.done.Take();
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->op, kOp);
  EXPECT_EQ(done->status, Unavailable("Connection refused"));
  EXPECT_EQ(caller.harness().shared().connection_count, 0u);
}

TEST(ConnectTest, HasItsPatience) {
  Target target;
  target.FillUp();
  Caller caller({.op = kOp, .to = target.at, .patience = Milliseconds(30)});
  caller.Start();
  const auto done = caller.done.Take();
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->status, Error(StatusCode::kDeadlineExceeded, "Connection timed out"));
  EXPECT_EQ(caller.harness().shared().connection_count, 0u);
}

TEST(ConnectTest, EndsWithTheProcess) {
  Target target;
  target.FillUp();
  Caller caller({.op = kOp, .to = target.at});
  caller.Start();
  EXPECT_TRUE(caller.harness().StopAndJoin());
  const auto done = caller.done.Take();
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->status, Unavailable("the server is stopping"));
  EXPECT_EQ(caller.harness().shared().connection_count, 0u);
}

TEST(ConnectTest, ReachesAUnixSocketBelowTheRoot) {
  Caller caller({.op = kOp, .to = Path("/lmtp")});
  Target target(caller.harness().folder() + "/lmtp");
  caller.Start();
  const auto done = caller.done.Take();
  ASSERT_TRUE(done && done->status.ok()) << Message(done->status);
  EXPECT_EQ(done->local, Endpoint{});
  const host::UniqueFd peer = target.Accept();
  ASSERT_EQ(send(peer.get(), "220 lmtp\r\n", 10, MSG_NOSIGNAL), 10);
  EXPECT_EQ(caller.received.Take(), "220 lmtp\r\n");
}

TEST(ConnectTest, SaysThatThereIsNoSuchSocket) {
  for (const auto& [path, why] :
       std::vector<std::pair<Path, Status>>{{"/no/such", NotFound("No such file or directory")},
                                            {"/" + std::string(200, 'x'), Unavailable("File name too long")}}) {
    Caller caller({.op = kOp, .to = path});
    caller.Start();
    EXPECT_EQ(caller.done.Take().value_or(ConnectDone{}).status, why);
  }
  Caller climber({.op = kOp, .to = Path("/../etc/x")});
  climber.Start();
  EXPECT_EQ(climber.done.Take().value_or(ConnectDone{}).status.code(), StatusCode::kUnavailable);
}

// Effects of one step are performed in order, and none of them is answered before all are.
class OrderSink : public log::LogSink {
 public:
  explicit OrderSink(Mailbox<std::string>* order) : order_(order) {}
  void Add(const Now&, const LogEvent& event) override { order_->Put(event.text); }
  void Flush() override {}

 private:
  Mailbox<std::string>* order_;
};

TEST(ConnectTest, IsNeverAnsweredInsideTheStepThatAsked) {
  const Target refuses;  // some refusals are known at once
  for (const auto& to : {std::variant<Endpoint, Path>(refuses.at), std::variant<Endpoint, Path>(Path("/none"))}) {
    Mailbox<std::string> order;
    OrderSink sink(&order);
    Harness harness(
        [&](ShardId, Now, const Event& e, Effects& out) {
          if (std::holds_alternative<ConfigChanged>(e)) {
            out.Put(Connect{.op = kOp, .to = to});
            out.Log({.text = "the step's end"});
          }
          if (std::holds_alternative<ConnectDone>(e)) order.Put("the answer");
        },
        1, [&](ShardLoop::Options* options) { options->log = &sink; });
    harness.Start();
    harness.loop(0).Reconfigure(nullptr, nullptr);
    EXPECT_EQ(order.Take(), "the step's end");
    EXPECT_EQ(order.Take(), "the answer");
  }
}

TEST(ConnectTest, LeavesDescriptorsForOthers) {
  Target target;
  target.Listen(5);
  Caller caller({.op = kOp, .to = target.at});
  caller.harness().shared().connections_max = 0;
  caller.Start();
  EXPECT_EQ(caller.done.Take().value_or(ConnectDone{}).status, Unavailable("too many connections"));
}

}  // namespace
}  // namespace postern::loop
