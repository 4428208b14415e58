// Goal: remote hosts of every behaviour do what they say, and the client's dialogue and the host's books agree: nothing
// is told as sent that the host did not take, nothing as failed that it took, and what it took without being able to
// say so is deferred. Method: a dialogue and a session joined by a queue of timed actions; every behaviour with many
// seeds.
#include "sim/remote/remote_host.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "tests/sim/outgoing_fixture.h"

namespace postern::sim {
namespace {

using outbound::ClientAction;
using outbound::ClientActions;

// One connection from begin to end.
class Joined {
 public:
  Joined(RemoteHost& host, outbound::ClientSettings settings, Instant start)
      : host_(host),
        dialogue_(std::move(settings), {.host = host.name(), .address = "192.0.2.25", .port = 25}),
        entropy_({7}),
        now_(start) {}

  std::vector<RecipientDone> Run(outbound::Job job, std::string message) {
    message_ = std::move(message);
    ClientActions actions;
    dialogue_.Deliver(std::move(job), moment(), &actions);
    dialogue_.OnConnecting(moment());
    if (host_.welcome() == RemoteHost::Welcome::kRefuses) {
      dialogue_.OnConnectFailed("Connection refused", &actions);
    } else if (host_.welcome() == RemoteHost::Welcome::kAccepts) {
      session_ = host_.Accept(now_, 1);
      dialogue_.OnConnected(moment(), &actions);
      RemoteActions said;
      session_->OnConnected(&said);
      Schedule(std::move(said));
    }
    Absorb(std::move(actions));
    for (int steps = 0; !dialogue_.closed(); ++steps) {
      if (steps > 10000) {
        ADD_FAILURE() << "no end";
        break;
      }
      Step();
    }
    return std::move(done_);
  }
  Instant now() const { return now_; }

 private:
  struct Due {
    Instant at;
    RemoteAction action;
  };

  outbound::ClientMoment moment() { return {now_, &entropy_}; }

  void Schedule(RemoteActions actions) {
    for (RemoteAction& action : actions) {
      last_ = std::max(last_, now_) + action.delay + Milliseconds(1);
      due_.push_back({last_, std::move(action)});
    }
  }

  void Step() {
    ClientActions actions;
    const auto deadline = dialogue_.deadline();
    if (due_.empty() || (deadline && *deadline < due_.front().at)) {
      ASSERT_TRUE(deadline) << "nothing will ever happen";
      now_ = *deadline;
      dialogue_.OnDeadline(moment(), &actions);
      return Absorb(std::move(actions));
    }
    const Due due = std::move(due_.front());
    due_.pop_front();
    now_ = std::max(now_, due.at);
    switch (due.action.kind) {
      case RemoteAction::Kind::kSay:
        dialogue_.OnBytes(due.action.text, moment(), &actions);
        for (const size_t index : due.action.settles) host_.ReplyTold(index);
        break;
      case RemoteAction::Kind::kClose:
        dialogue_.OnClosed(&actions);
        break;
      case RemoteAction::Kind::kTlsUp:
        if (!tls_asked_) break;
        session_->OnTls();
        dialogue_.OnTlsReady({.acceptable = true}, moment(), &actions);
        break;
      case RemoteAction::Kind::kTlsBreaks:
        if (tls_asked_) dialogue_.OnTlsFailed(&actions);
        break;
    }
    Absorb(std::move(actions));
  }

  void Absorb(ClientActions actions) {
    std::deque<ClientAction> todo(actions.begin(), actions.end());
    while (!todo.empty()) {
      const ClientAction action = std::move(todo.front());
      todo.pop_front();
      ClientActions more;
      if (const auto* send = std::get_if<outbound::SendBytes>(&action)) {
        RemoteActions said;
        if (session_ != nullptr) session_->OnBytes(send->bytes, now_, &said);
        Schedule(std::move(said));
      } else if (const auto* one = std::get_if<RecipientDone>(&action)) {
        done_.push_back(*one);
      } else if (const auto* need = std::get_if<outbound::NeedMessageBytes>(&action)) {
        const std::string piece = message_.substr(message_at_, std::min<size_t>(need->bytes_max, 37));
        message_at_ += piece.size();
        dialogue_.OnMessageBytes(piece, message_at_ == message_.size(), moment(), &more);
      } else if (std::holds_alternative<outbound::ReadyForJob>(action)) {
        dialogue_.Quit(&more);
      } else if (std::holds_alternative<outbound::BeginTls>(action)) {
        tls_asked_ = true;
      }
      todo.insert(todo.end(), more.begin(), more.end());
    }
  }

  RemoteHost& host_;
  std::unique_ptr<RemoteSession> session_;
  outbound::ClientDialogue dialogue_;
  Entropy entropy_;
  Instant now_, last_;
  std::deque<Due> due_;
  std::string message_;
  size_t message_at_ = 0;
  bool tls_asked_ = false;
  std::vector<RecipientDone> done_;
};

std::vector<RecipientDone> Send(RemoteHost& host, size_t recipients = 4, Instant start = {}) {
  return Joined(host, MakeSettings(host.behaviour().lmtp), start).Run(MakeJob(recipients), std::string(kMessage));
}

TEST(RemoteHost, WhatTheClientSaysAndWhatTheHostTookAgree) {
  for (size_t kind = 0; kind < kRemoteKindCount; ++kind) {
    size_t sent = 0, taken = 0;
    for (uint64_t seed = 0; seed < 400; ++seed) {
      Random random(seed, "behaviour");
      RemoteBehaviour behaviour = DrawBehaviour(random);
      behaviour.kind = static_cast<RemoteKind>(kind);
      behaviour.lmtp = random.Chance(400);
      RemoteHost host("mx.far.example", behaviour, seed);
      const size_t recipients = 1 + random.Below(4);
      const auto done = Send(host, recipients);
      ASSERT_EQ(Disagreement(host, done, recipients), "") << ToString(behaviour.kind) << ", seed " << seed;
      ASSERT_EQ(host.open_connections(), 0u);
      sent += Count(done, Fate::kSent);
      taken += host.taken().size();
    }
    RecordProperty(std::string(ToString(static_cast<RemoteKind>(kind))),
                   std::to_string(sent) + " of " + std::to_string(taken));
  }
}

TEST(RemoteHost, AGoodOneTakesEverything) {
  RemoteHost host("mx.far.example", {}, 1);
  EXPECT_EQ(Count(Send(host), Fate::kSent), 4u);
  ASSERT_EQ(host.taken().size(), 4u);
  EXPECT_EQ(host.taken()[2].sender, "sender@example.org");
  EXPECT_EQ(host.taken()[2].recipient, "u2@far.example");
  EXPECT_TRUE(host.taken()[2].reply_told);
}

TEST(RemoteHost, GreylistsTheFirstTryAlone) {
  RemoteHost host("mx.far.example", {.kind = RemoteKind::kGreylists}, 1);
  EXPECT_EQ(Count(Send(host), Fate::kDeferred), 4u);
  EXPECT_TRUE(host.taken().empty());
  EXPECT_EQ(Count(Send(host), Fate::kSent), 4u);
}

TEST(RemoteHost, RefusesTheSameOnesForGoodEvenWhenHealed) {
  RemoteHost host("mx.far.example", {.kind = RemoteKind::kRefusesSome}, 1);
  for (int i = 0; i < 2; ++i) {
    const auto done = Send(host, 12);
    size_t refused = 0;
    for (const RecipientDone& one : done) {
      const bool refuses = host.Refuses("u" + std::to_string(one.recipient) + "@far.example");
      EXPECT_EQ(one.fate, refuses ? Fate::kFailed : Fate::kSent);
      refused += refuses;
    }
    EXPECT_GT(refused, 0u);
    EXPECT_LT(refused, 12u);
    host.Heal();
  }
}

TEST(RemoteHost, LosesRepliesOfWhatItTook) {
  size_t lost = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RemoteHost host("mx.far.example", {.kind = RemoteKind::kLosesReplies}, seed);
    const auto done = Send(host);
    EXPECT_EQ(host.taken().size(), 4u);
    lost += Count(done, Fate::kDeferred);
    host.Heal();
    EXPECT_EQ(Count(Send(host), Fate::kSent), 4u);
  }
  EXPECT_GT(lost, 0u);
  EXPECT_LT(lost, 80u);
}

TEST(RemoteHost, OverLmtpEachRecipientHasItsReply) {
  bool some_of_one_message = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RemoteHost host("mx.far.example", {.kind = RemoteKind::kLosesReplies, .lmtp = true}, seed);
    const size_t sent = Count(Send(host), Fate::kSent);
    some_of_one_message |= sent > 0 && sent < 4;
  }
  EXPECT_TRUE(some_of_one_message);
}

// Some are refused, or told to come again, at RCPT, others after the dot, each with a reply of its own.
TEST(RemoteHost, OverLmtpSomeAreJudgedAfterTheDot) {
  const auto judged = [](RemoteKind kind, Fate fate) {
    RemoteHost host("mx.far.example", {.kind = kind, .stage = RemoteStage::kEndOfData, .code = 550, .lmtp = true}, 1);
    const auto done = Send(host, 12);
    std::set<bool> after_the_dot;
    for (const RecipientDone& one : done) {
      if (one.fate == fate) after_the_dot.insert(one.text.find("end of DATA") != std::string::npos);
    }
    EXPECT_EQ(host.taken().size(), Count(done, Fate::kSent));
    EXPECT_EQ(done.size(), 12u);
    return after_the_dot;
  };
  EXPECT_EQ(judged(RemoteKind::kRefusesSome, Fate::kFailed), (std::set<bool>{false, true}));
  EXPECT_EQ(judged(RemoteKind::kGreylists, Fate::kDeferred), (std::set<bool>{false, true}));
  EXPECT_EQ(judged(RemoteKind::kAnswersBadly, Fate::kFailed), (std::set<bool>{true}));
}

TEST(RemoteHost, KeepsClientsWaiting) {
  for (const RemoteKind kind : {RemoteKind::kHalfOpen, RemoteKind::kDropsPackets, RemoteKind::kRefusesConnections}) {
    RemoteHost host("mx.far.example", {.kind = kind}, 1);
    EXPECT_EQ(Count(Send(host), Fate::kDeferred), 4u) << ToString(kind);
    EXPECT_TRUE(host.taken().empty());
  }
}

TEST(RemoteHost, TurnsAwayTooManyConnections) {
  RemoteHost host("mx.far.example", {.kind = RemoteKind::kTooManyConnections, .connections_max = 1}, 1);
  const auto other = host.Accept({}, 1);
  EXPECT_EQ(Count(Send(host), Fate::kDeferred), 4u);
  EXPECT_EQ(host.open_connections(), 1u);
  EXPECT_EQ(host.open_connections_seen_max(), 2u);
}

TEST(RemoteHost, AnswersBadlyAtEveryStage) {
  for (const int code : {450, 550}) {
    for (int stage = 0; stage < 6; ++stage) {
      RemoteHost host("mx.far.example",
                      {.kind = RemoteKind::kAnswersBadly, .stage = static_cast<RemoteStage>(stage), .code = code}, 1);
      EXPECT_EQ(Count(Send(host), Fate::kSent), 0u) << stage;
      EXPECT_TRUE(host.taken().empty());
      host.Heal();
      EXPECT_EQ(Count(Send(host), Fate::kSent), 4u) << stage;
    }
  }
}

TEST(RemoteHost, ComplainsAboutWhatNoClientMayDo) {
  const auto complaints_of = [](std::string_view bytes) {
    RemoteHost host("mx.far.example", {.offers_pipelining = false}, 1);
    const auto session = host.Accept({}, 1);
    RemoteActions out;
    session->OnConnected(&out);
    session->OnBytes("EHLO a\r\n", {}, &out);
    session->OnBytes("MAIL FROM:<a@b.example>\r\n", {}, &out);
    session->OnBytes("RCPT TO:<c@far.example>\r\n", {}, &out);
    session->OnBytes("DATA\r\n", {}, &out);
    session->OnBytes(bytes, {}, &out);
    return host.complaints().size();
  };
  EXPECT_EQ(complaints_of("a\r\n.\r\n"), 0u);
  EXPECT_EQ(complaints_of("a\n.\nMAIL FROM:<x@y.example>\r\n.\r\n"), 1u);
  EXPECT_EQ(complaints_of("a\r\n.\r\nSubject: x\r\n"), 1u);
  EXPECT_EQ(complaints_of("a\r\n.\r\nNOOP\r\nNOOP\r\n"), 1u);
  EXPECT_EQ(complaints_of("\xC3\xBC\r\n.\r\n"), 1u);
  EXPECT_EQ(complaints_of(std::string(1000, 'x') + "\r\n.\r\n"), 1u);
}

}  // namespace
}  // namespace postern::sim
