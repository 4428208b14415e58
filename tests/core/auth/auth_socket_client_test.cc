// Our side towards a foreign auth socket: the server's lines are those that Dovecot 2.3.19 sent, shortened; what later
// minors add is as its protocol document says.
#include "core/auth/auth_socket_client.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace postern::auth {
namespace {

using Challenge = AuthSocketClient::Challenge;
using Event = AuthSocketClient::Event;
using Failure = AuthSocketClient::Failure;
using Ready = AuthSocketClient::Ready;
using State = AuthSocketClient::State;
using Success = AuthSocketClient::Success;
using Events = std::vector<Event>;

constexpr std::string_view kHello =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\n"
    "MECH\tDIGEST-MD5\tdictionary\tactive\tmutual-auth\nMECH\tSCRAM-SHA-1\tmutual-auth\n"
    "MECH\tSCRAM-SHA-256\tmutual-auth\nMECH\tANONYMOUS\tanonymous\nSPID\t2726\nCUID\t1\n"
    "COOKIE\td0db71cb69407dc7a6c971fb8a112bd3\nDONE\n";

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() { EXPECT_EQ(client_.Feed(kHello).events, Events{Ready{}}); }

  uint32_t Begin(std::string_view mechanism, const Secret* initial, std::string* sent = nullptr) {
    AuthLine facts{.mechanism = std::string(mechanism), .service = "smtp"};
    facts.local = IpAddress::Parse("127.0.0.1");
    facts.remote = IpAddress::Parse("198.51.100.7");
    facts.no_login = true;
    facts.transport = AuthLine::Transport::kSecured;
    const auto begun = client_.Begin(std::move(facts), initial);
    EXPECT_TRUE(begun.ok()) << begun.status();
    if (sent != nullptr) *sent = begun->send.Reveal();
    return begun->id;
  }

  AuthSocketClient client_{{.process_id = 2718}};
};

TEST(AuthSocketClient, SpeaksFirst) {
  EXPECT_EQ(AuthSocketClient({.process_id = 2718}).Start(), "VERSION\t1\t4\nCPID\t2718\n");
}

TEST_F(ClientTest, AnnouncesWhatTheOptionsAllow) {
  using Names = std::vector<std::string>;
  // The same as Postfix's EHLO, with these options, before TLS and under it.
  EXPECT_EQ(Announceable(client_.mechanisms(), {}),
            (Names{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "ANONYMOUS"}));
  EXPECT_EQ(Announceable(client_.mechanisms(), {"noplaintext", "noanonymous"}),
            (Names{"CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}));
  EXPECT_EQ(Announceable(client_.mechanisms(), {"noanonymous"}),
            (Names{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}));
  EXPECT_EQ(Announceable(client_.mechanisms(), {"nodictionary"}),
            (Names{"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "ANONYMOUS"}));
  EXPECT_EQ(Announceable(client_.mechanisms(), {"noactive"}),
            (Names{"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "ANONYMOUS"}));
  EXPECT_EQ(Announceable(client_.mechanisms(), {"mutual_auth"}), (Names{"DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}));
  EXPECT_EQ(Announceable(client_.mechanisms(), {"forward_secrecy"}), Names{});
}

TEST(AuthSocketClient, AnnouncesNoPrivateMechanismsAndNoChannelBinding) {
  AuthSocketClient client({.mechanisms_max = 5});
  client.Feed(
      "VERSION\t1\t4\nMECH\tAPOP\tprivate\tplaintext\nMECH\tSCRAM-SHA-256-PLUS\tmutual-auth\tchannel-binding\n"
      "MECH\tbad name\nMECH\tOAUTHBEARER\tplaintext\nMECH\tXOAUTH2\nMECH\tONE-TOO-MANY\nDONE\n");
  EXPECT_EQ(Announceable(client.mechanisms(), {}), (std::vector<std::string>{"OAUTHBEARER", "XOAUTH2"}));
}

TEST_F(ClientTest, PlainWithAnInitialResponse) {
  std::string sent;
  const Secret initial(std::string_view("\0a\0b", 4));
  EXPECT_EQ(Begin("PLAIN", &initial, &sent), 1u);
  EXPECT_EQ(sent, "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=198.51.100.7\tsecured\tresp=AGEAYg==\n");
  EXPECT_EQ(client_.Feed("OK\t1\tuser=alice@example.test\n").events,
            Events{(Success{.id = 1, .user = "alice@example.test"})});
  EXPECT_EQ(client_.open_requests(), 0u);
}

TEST_F(ClientTest, AnEmptyInitialResponseIsAnEqualsSign) {
  std::string sent;
  const Secret initial;
  Begin("PLAIN", &initial, &sent);
  EXPECT_EQ(sent.substr(sent.size() - 8), "\tresp==\n");
  Begin("PLAIN", nullptr, &sent);
  EXPECT_EQ(sent.find("resp"), std::string::npos);
}

TEST_F(ClientTest, LoginInTwoSteps) {
  const uint32_t id = Begin("LOGIN", nullptr);
  EXPECT_EQ(client_.Feed("CONT\t1\tVXNlcm5hbWU6\n").events, Events{(Challenge{id, "Username:"})});
  EXPECT_EQ(client_.Continue(id, Secret(std::string_view("alice@example.test")))->Reveal(),
            "CONT\t1\tYWxpY2VAZXhhbXBsZS50ZXN0\n");
  EXPECT_EQ(client_.Feed("CONT\t1\tUGFzc3dvcmQ6\n").events, Events{(Challenge{id, "Password:"})});
  EXPECT_EQ(client_.Continue(id, Secret(std::string_view("wrong")))->Reveal(), "CONT\t1\td3Jvbmc=\n");
  EXPECT_EQ(client_.Feed("FAIL\t1\tuser=alice@example.test\n").events,
            Events{(Failure{.id = 1, .user = "alice@example.test"})});
}

// The server's proof is a challenge that SMTP's client answers with an empty line.
TEST_F(ClientTest, ScramEndsWithAnEmptyResponse) {
  const Secret initial(std::string_view("n,,n=alice@example.test,r=abcdefgh"));
  const uint32_t id = Begin("SCRAM-SHA-256", &initial);
  client_.Feed("CONT\t1\tcj1hYmNk\n");
  ASSERT_TRUE(client_.Continue(id, Secret(std::string_view("c=biws,r=abcd,p=AAAA"))).ok());
  EXPECT_EQ(client_.Feed("CONT\t1\tdj1mMmJT\n").events, Events{(Challenge{id, "v=f2bS"})});
  EXPECT_EQ(client_.Continue(id, Secret())->Reveal(), "CONT\t1\t\n");
  EXPECT_EQ(client_.Feed("OK\t1\tuser=alice@example.test\n").events,
            Events{(Success{.id = 1, .user = "alice@example.test"})});
}

TEST_F(ClientTest, AnswersAreMatchedByTheirIds) {
  EXPECT_EQ(Begin("CRAM-MD5", nullptr), 1u);
  EXPECT_EQ(Begin("CRAM-MD5", nullptr), 2u);
  EXPECT_EQ(client_.Feed("CONT\t2\tYg==\nCONT\t99\tYg==\nCONT\t1\tYQ==\n").events,
            (Events{Challenge{2, "b"}, Challenge{1, "a"}}));
  client_.Continue(1, Secret()).IgnoreError();
  client_.Continue(2, Secret()).IgnoreError();
  EXPECT_EQ(client_.Feed("OK\t2\tuser=b\nOK\t2\tuser=b\nOK\t99\tuser=c\nFAIL\t1\tuser=a\n").events,
            (Events{Success{.id = 2, .user = "b"}, Failure{.id = 1, .user = "a"}}));
}

TEST_F(ClientTest, OkIsNotAlwaysYes) {
  const auto verdict = [this](std::string_view fields) {
    const uint32_t id = Begin("PLAIN", nullptr);
    const auto events = client_.Feed("OK\t" + std::to_string(id) + std::string(fields) + "\n").events;
    const auto* failure = events.empty() ? nullptr : std::get_if<Failure>(&events[0]);
    return failure == nullptr ? std::optional<FailureCode>() : failure->code;
  };
  EXPECT_EQ(verdict("\tuser=a"), std::nullopt);
  EXPECT_EQ(verdict("\tuser=a\t\toriginal_user=b"), std::nullopt);
  EXPECT_EQ(verdict("\tuser=a\tnologin"), std::nullopt);  // no mailbox: he may send
  EXPECT_EQ(verdict("\tuser=a\tproxy\thost=b"), std::nullopt);
  EXPECT_EQ(verdict(""), FailureCode::kTemporary);
  EXPECT_EQ(verdict("\tuser="), FailureCode::kTemporary);
  EXPECT_EQ(verdict("\tuser=a\001nb"), FailureCode::kTemporary);
}

TEST_F(ClientTest, ReasonsAreMadeFitForAReply) {
  Begin("PLAIN", nullptr);
  const auto events =
      client_.Feed("FAIL\t1\tcode=temp_fail\treason=Try\001r\001n250 later " + std::string(500, 'x') + "\n").events;
  ASSERT_EQ(events.size(), 1u);
  const auto& failure = std::get<Failure>(events[0]);
  EXPECT_EQ(failure.code, FailureCode::kTemporary);
  EXPECT_EQ(failure.reason, "Try??250 later " + std::string(185, 'x'));
}

TEST_F(ClientTest, CancelledOnesAreHeardOfNoMore) {
  const uint32_t id = Begin("LOGIN", nullptr);
  client_.Feed("CONT\t1\tVXNlcm5hbWU6\n");
  EXPECT_EQ(client_.Cancel(id), "CANCEL\t1\n");
  EXPECT_EQ(client_.Cancel(id), "");
  const auto output = client_.Feed("CANCELLED\t1\nFAIL\t1\tuser=a\nOK\t1\tuser=a\n");
  EXPECT_TRUE(output.events.empty());
  EXPECT_FALSE(output.close);
  EXPECT_EQ(client_.Continue(id, Secret()).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Begin("LOGIN", nullptr), 2u);
}

TEST_F(ClientTest, ContinueNeedsAChallenge) {
  const uint32_t id = Begin("LOGIN", nullptr);
  EXPECT_EQ(client_.Continue(id, Secret()).status().code(), StatusCode::kFailedPrecondition);
  client_.Feed("CONT\t1\tVXNlcm5hbWU6\n");
  EXPECT_TRUE(client_.Continue(id, Secret()).ok());
  EXPECT_EQ(client_.Continue(id, Secret()).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ClientTest, LinesThatAreTooLongAreNotSent) {
  const Secret large(std::string(12288, 'x'));
  EXPECT_EQ(client_.Begin({.mechanism = "PLAIN", .service = "smtp"}, &large).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(client_.open_requests(), 0u);
  const uint32_t id = Begin("LOGIN", nullptr);
  client_.Feed("CONT\t" + std::to_string(id) + "\t\n");
  EXPECT_EQ(client_.Continue(id, large).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(client_.Continue(id, Secret(std::string(12000, 'x'))).ok());
}

TEST_F(ClientTest, ALostConnectionFailsAllForTheMoment) {
  Begin("LOGIN", nullptr);
  Begin("LOGIN", nullptr);
  const auto output = client_.Lost("closed by the server");
  EXPECT_EQ(output.events,
            (Events{Failure{.id = 1, .code = FailureCode::kTemporary, .reason = std::string(kConnectionLost)},
                    Failure{.id = 2, .code = FailureCode::kTemporary, .reason = std::string(kConnectionLost)}}));
  EXPECT_TRUE(output.close);
  EXPECT_EQ(client_.state(), State::kBroken);
  EXPECT_TRUE(client_.Lost("again").events.empty());
  EXPECT_EQ(client_.Begin({.mechanism = "PLAIN", .service = "smtp"}, nullptr).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(ClientTest, BrokenServersAreLeft) {
  Begin("LOGIN", nullptr);
  const auto output = client_.Feed("CONT\t1\tYQ==\nCONT\t1\tYQ==\nOK\t1\tuser=a\n");
  EXPECT_EQ(output.events,
            (Events{Challenge{1, "a"},
                    Failure{.id = 1, .code = FailureCode::kTemporary, .reason = std::string(kConnectionLost)}}));
  EXPECT_EQ(output.close_reason, "the server sent two challenges for one request");
}

TEST_F(ClientTest, WhatItDoesNotKnowIsPassedOver) {
  Begin("PLAIN", nullptr);
  EXPECT_EQ(client_.Feed("NEWS\t1\tx\nMECH\tLATE\nOK\t1\tuser=a\tnew=b\n").events,
            Events{(Success{.id = 1, .user = "a"})});
  EXPECT_EQ(Announceable(client_.mechanisms(), {}).back(), "ANONYMOUS");
}

TEST(AuthSocketClient, HandshakesThatAreNone) {
  const auto reason = [](std::string_view hello) {
    AuthSocketClient client({});
    const auto output = client.Feed(hello);
    EXPECT_EQ(output.close, client.state() == State::kBroken);
    return output.close_reason;
  };
  EXPECT_EQ(reason("VERSION\t2\t0\n"), "the server speaks another major version");
  EXPECT_EQ(reason("MECH\tPLAIN\n"), "the server's first line is not VERSION");
  EXPECT_EQ(reason("VERSION\t1\t1\nSPID\t2726\n"),  // what Dovecot's auth-master says
            "the server names no mechanisms: is this the auth-client socket, not auth-master or auth-userdb?");
  EXPECT_EQ(reason("VERSION\t1\t4\nDONE\n"), "the server names no mechanisms");
  EXPECT_EQ(reason("220 mail.example.test ESMTP\n"), "");  // passed over; the owner's patience ends it
  EXPECT_EQ(reason(std::string(20000, 'x')), "a line is longer than 16384 bytes");
}

}  // namespace
}  // namespace postern::auth
