// Goal: what a courier does to its connection. Method: a courier to a unix socket, given the events of a server that
// speaks so far and no further.
#include "core/outbound/courier.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {
namespace {

constexpr ConnId kConn{7};
constexpr uint64_t kFirstTag = 1000;

class CourierTest : public testing::Test {
 protected:
  std::vector<Effect> Give(const Event& event) {
    courier_.OnEvent(event, context_);
    return out_.Take();
  }
  // Until the message is asked for: the last effects.
  std::vector<Effect> Begin(size_t message_bytes) {
    auto cargo = std::make_shared<Cargo>();
    cargo->envelope.sender = *routing::ParseMailbox("sender@example.org");
    cargo->envelope.recipients.push_back({.address = *routing::ParseMailbox("u@example.test")});
    cargo->message_bytes = message_bytes;
    cargo->bytes = std::make_shared<const std::string>(message_bytes, 'x');
    courier_.Begin({.cargo = cargo, .recipients = {0}}, context_);
    OpId connecting{};
    for (const Effect& effect : out_.Take()) {
      if (const auto* connect = std::get_if<Connect>(&effect)) connecting = connect->op;
    }
    Give(ConnectDone{.op = connecting, .conn = kConn});
    std::vector<Effect> effects;
    for (const char* line :
         {"220 mx LMTP\r\n", "250 mx\r\n", "250 2.1.0 Ok\r\n", "250 2.1.5 Ok\r\n", "354 End with a dot\r\n"})
      effects = Give(Received{kConn, line});
    return effects;
  }
  template <class T>
  static const T* Find(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const T* found = std::get_if<T>(&effect)) return found;
    }
    return nullptr;
  }

  const std::shared_ptr<const config::Config> config_ = std::make_shared<const config::Config>(TestConfig());
  Entropy entropy_{{7}};
  Effects out_;
  Context context_{.now = {.mono = Instant{Seconds(1).ns}}, .entropy = entropy_, .config = *config_, .out = out_};
  Courier courier_{MachineId{1}, kFirstTag, SocketHop{.path = "/lmtp"}, config_, 0};
};

TEST_F(CourierTest, WhatNobodyReadsIsThrownAwayAtTheDeadline) {
  const auto effects = Begin(5'000'000);
  EXPECT_NE(Find<AwaitDrain>(effects), nullptr);
  context_.now.mono = context_.now.mono + config_->lmtp_client.timeouts.data_xfer;
  const auto last = Give(TimerFired{{MachineId{1}, kFirstTag}});
  const Close* const close = Find<Close>(last);
  ASSERT_NE(close, nullptr);
  EXPECT_EQ(close->conn, kConn);
  EXPECT_EQ(close->kind, CloseKind::kNow);
  const auto result = courier_.TakeResult();
  ASSERT_TRUE(result);
  ASSERT_EQ(result->carried.size(), 1u);
  EXPECT_EQ(result->carried[0].done.text,
            "conversation with mail.example.test[/lmtp] timed out while sending message body");
}

TEST_F(CourierTest, WhatIsSaidLastLeaves) {
  Begin(10);
  const auto last = Give(Received{kConn, "250 2.0.0 Ok\r\n"});
  const Close* const close = Find<Close>(last);
  ASSERT_NE(close, nullptr);
  EXPECT_EQ(close->kind, CloseKind::kAfterDrain);
  ASSERT_TRUE(courier_.TakeResult());
  EXPECT_TRUE(courier_.ended());
}

// A destination's limit counts connections: whoever got it from the host before must not free the place of the one that
// still says RSET.
TEST_F(CourierTest, ALoadIsDoneOnlyWhenItsLastConnectionIs) {
  auto hop = ParseNextHop({.name = "lmtp", .nexthop = "inet:[192.0.2.1], [192.0.2.2]"}, *config_);
  ASSERT_TRUE(hop.ok());
  Courier courier(MachineId{1}, kFirstTag, *std::move(hop), config_, 0);
  auto cargo = std::make_shared<Cargo>();
  cargo->envelope.sender = *routing::ParseMailbox("sender@example.org");
  for (const char* address : {"u0@example.test", "u1@example.test"})
    cargo->envelope.recipients.push_back({.address = *routing::ParseMailbox(address)});
  cargo->message_bytes = 10;
  cargo->bytes = std::make_shared<const std::string>(10, 'x');
  std::vector<Effect> effects;
  const auto give = [&](const Event& event) {
    courier.OnEvent(event, context_);
    effects = out_.Take();
  };
  const auto talk = [&](ConnId conn, const std::vector<const char*>& lines) {
    const Connect* const connect = Find<Connect>(effects);
    ASSERT_NE(connect, nullptr);
    give(ConnectDone{.op = connect->op, .conn = conn});
    for (const char* line : lines) give(Received{conn, line});
  };
  courier.Begin({.cargo = cargo, .recipients = {0, 1}}, context_);
  effects = out_.Take();
  talk(ConnId{7}, {"220 mx LMTP\r\n", "250 mx\r\n", "250 2.1.0 Ok\r\n", "250 2.1.5 Ok\r\n", "451 4.7.1 later\r\n",
                   "354 End with a dot\r\n", "250 2.0.0 Ok\r\n"});
  // Who has it is told before the next host is asked.
  const std::vector<Carried> settled = courier.TakeSettled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].recipient, 0u);
  EXPECT_EQ(settled[0].done.fate, Fate::kSent);
  talk(ConnId{8}, {"220 mx LMTP\r\n", "250 mx\r\n", "555 5.5.4 no\r\n"});
  EXPECT_EQ(courier.conn(), ConnId{8});
  EXPECT_FALSE(courier.TakeResult());
  give(Received{ConnId{8}, "250 2.0.0 Ok\r\n"});
  EXPECT_TRUE(courier.ended());
  const auto result = courier.TakeResult();
  ASSERT_TRUE(result);
  ASSERT_EQ(result->carried.size(), 1u);
  EXPECT_EQ(result->carried[0].recipient, 1u);
  EXPECT_EQ(result->carried[0].done.fate, Fate::kFailed);
  EXPECT_EQ(result->verdict, queue::Verdict::kOk);
}

}  // namespace
}  // namespace postern::outbound
