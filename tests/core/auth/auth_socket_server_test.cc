// What our auth socket answers, line by line: the client's lines are those that Postfix 3.7.11 sent (and a probe, for
// what Postfix never does), the expected ones those that Dovecot 2.3.19 answered, except where it says so.
#include "core/auth/auth_socket_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/core/auth/auth_socket_fixture.h"

namespace postern::auth {
namespace {

using State = AuthSocketServer::State;

TEST(AuthSocketServer, ShakesHands) {
  ServerRun run({.process_id = 2726, .connection_id = 4});
  const std::string& hello = run.hello();
  const std::string mechanisms =
      "VERSION\t1\t4\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\n"
      "MECH\tDIGEST-MD5\tdictionary\tactive\tmutual-auth\nMECH\tSCRAM-SHA-1\tmutual-auth\n"
      "MECH\tSCRAM-SHA-256\tmutual-auth\nSPID\t2726\nCUID\t4\nCOOKIE\t";
  EXPECT_EQ(hello.substr(0, mechanisms.size()), mechanisms);
  EXPECT_EQ(hello.size(), mechanisms.size() + 32 + std::string_view("\nDONE\n").size());
  EXPECT_EQ(run.server().state(), State::kServing);
}

TEST(AuthSocketServer, WhatPostfixAsksInOneConnection) {
  ServerRun run;
  EXPECT_EQ(run.Feed("AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1"
                     "\tresp=AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZS1zZWNyZXQ=\n"),
            "OK\t1\tuser=alice@example.test\n");
  EXPECT_EQ(run.Feed("AUTH\t3\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\n"), "CONT\t3\t\n");
  EXPECT_EQ(run.Feed("CONT\t3\tAGFsaWNlQGV4YW1wbGUudGVzdABhbGljZS1zZWNyZXQ=\n"), "OK\t3\tuser=alice@example.test\n");
  // "AUTH PLAIN =" of RFC 4954.
  EXPECT_EQ(run.Feed("AUTH\t4\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\tresp==\n"), "");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t4\n");
  EXPECT_EQ(run.Wait(Seconds(8)), "");
  EXPECT_EQ(run.Feed("AUTH\t5\tLOGIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\n"),
            "CONT\t5\tVXNlcm5hbWU6\n");
  EXPECT_EQ(run.Feed("CONT\t5\tYWxpY2VAZXhhbXBsZS50ZXN0\n"), "CONT\t5\tUGFzc3dvcmQ6\n");
  EXPECT_EQ(run.Feed("CONT\t5\td3Jvbmc=\n"), "");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t5\tuser=alice@example.test\n");
  EXPECT_FALSE(run.closed());
}

// The client said "*" to Postfix, or hung up: Postfix says nothing here and goes on with the next.
TEST(AuthSocketServer, PostfixLeavesRequestsBehind) {
  ServerRun run;
  EXPECT_EQ(run.Feed("AUTH\t6\tLOGIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\n"),
            "CONT\t6\tVXNlcm5hbWU6\n");
  EXPECT_EQ(run.Plain(7, kAlice, kAlicePassword), "OK\t7\tuser=alice@example.test\n");
  EXPECT_EQ(run.server().open_requests(), 1u);
  EXPECT_EQ(run.Wait(Seconds(149)), "");
  EXPECT_EQ(run.server().open_requests(), 1u);
  EXPECT_EQ(run.Wait(Seconds(1)), "");
  EXPECT_EQ(run.server().open_requests(), 0u);
  EXPECT_EQ(run.Feed("CONT\t6\tYWxpY2U=\n"), "FAIL\t6\treason=Authentication request timed out\n");
}

TEST(AuthSocketServer, NamesAreGivenAsThePassdbsHaveThem) {
  ServerRun run;
  EXPECT_EQ(run.Plain(1, "ALICE@Example.Test", kAlicePassword),
            "OK\t1\tuser=alice@example.test\toriginal_user=ALICE@Example.Test\n");
  EXPECT_EQ(run.Plain(2, "frank@example.test", "frank-secret"),
            "OK\t2\tuser=frank2@example.test\toriginal_user=frank@example.test\n");
  // Deviation: Dovecot adds `nologin`, which Postfix passes over; our exchanges don't tell.
  EXPECT_EQ(run.Plain(3, "bob@example.test", "bob-secret"), "OK\t3\tuser=bob@example.test\n");
}

TEST(AuthSocketServer, AMasterUserIsNamed) {
  ServerRun run;
  auto masters = std::make_shared<FakeUsers>();
  masters->Add("root", "{PLAIN}root-secret");
  config::PassDb section = PassDbOf(masters);
  section.master = true;
  run.auth().passdbs.insert(run.auth().passdbs.begin(), section);
  const auto as = [&](std::string_view id, std::string_view other) {
    return run.Feed("AUTH\t" + std::string(id) +
                    "\tPLAIN\tservice=smtp\tresp=" + EncodeBase64(PlainMessage("root", "root-secret", other)) + "\n");
  };
  EXPECT_EQ(as("1", kAlice), "OK\t1\tuser=alice@example.test\toriginal_user=root\tauth_user=root\n");
  // `pass` wants him to exist: the password is right, but nobody is called so.
  run.auth().passdbs.front().pass = true;
  EXPECT_EQ(as("2", "nobody@example.test"), "");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t2\tuser=nobody@example.test\toriginal_user=root\tauthz\tcode=authz_fail\n");
}

TEST(AuthSocketServer, AnotherIdentityIsRefusedWithoutACode) {
  ServerRun run;
  run.Feed("AUTH\t21\tPLAIN\tservice=smtp\tresp=" +
           EncodeBase64(PlainMessage(kAlice, kAlicePassword, "bob@example.test")) + "\n");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t21\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, FailuresOfEveryKind) {
  ServerRun run;
  const auto after_delay = [&](uint32_t id, std::string_view user, std::string_view password) {
    const std::string remote = "192.0.2." + std::to_string(id);
    EXPECT_EQ(run.Plain(id, user, password, remote), "");
    return run.Wait(Seconds(2));
  };
  EXPECT_EQ(after_delay(1, kAlice, "wrong"), "FAIL\t1\tuser=alice@example.test\n");
  EXPECT_EQ(after_delay(2, "nobody@example.test", "x"), "FAIL\t2\tuser=nobody@example.test\n");
  EXPECT_EQ(after_delay(3, "gina@example.test", "gina-secret"), "FAIL\t3\tuser=gina@example.test\n");
  // Deviation: Dovecot repeats such a name as original_user.
  EXPECT_EQ(after_delay(4, "a\tb\nc", "x"), "FAIL\t4\tuser=a\001tb\001nc\n");
  EXPECT_EQ(after_delay(5, "", "x"), "FAIL\t5\n");
  EXPECT_EQ(run.log(), (std::vector<std::string>{
                           "passwd-file: Password mismatch", "passwd-file: unknown user",
                           "passwd-file: allow_nets check failed: IP 192.0.2.3 not in allowed networks",
                           "plain: Username character disallowed by auth_username_chars: 0x09 (username: a?b?c)",
                           "plain: Empty username"}));
}

TEST(AuthSocketServer, NodelayAndOwnTroubleAnswerAtOnce) {
  ServerRun run;
  EXPECT_EQ(run.Plain(1, "dora@example.test", "wrong"), "FAIL\t1\tuser=dora@example.test\n");
  // The passdb can't be read: nobody guessed anything.
  auto users = std::exchange(run.auth().passdbs.front().users, nullptr);
  EXPECT_EQ(run.Plain(3, kAlice, kAlicePassword, "192.0.2.3"),
            "FAIL\t3\tuser=alice@example.test\ttemp\tcode=temp_fail\n");
  EXPECT_EQ(run.penalty().size(), 1u);
  run.auth().passdbs.front().users = users;
  run.auth().failure_delay = {};
  EXPECT_EQ(run.Plain(2, kAlice, "wrong", "192.0.2.2"), "FAIL\t2\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, ADisabledUserIsSaidToBe) {
  ServerRun run;
  config::PassDb deny = PassDbOf(SocketUsers());
  deny.deny = true;
  run.auth().passdbs.insert(run.auth().passdbs.begin(), deny);
  run.Plain(1, kAlice, kAlicePassword);
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t1\tuser=alice@example.test\tuser_disabled\tcode=user_disabled\n");
}

TEST(AuthSocketServer, NonsenseInBase64FailsAtOnce) {
  ServerRun run;
  EXPECT_EQ(run.Feed("AUTH\t22\tPLAIN\tservice=smtp\tresp=*\n"),
            "FAIL\t22\tcode=invalid_base64\treason=Invalid base64 data in initial response\n");
  EXPECT_EQ(run.Feed("AUTH\t23\tPLAIN\tservice=smtp\n"), "CONT\t23\t\n");
  EXPECT_EQ(run.Feed("CONT\t23\t*\n"),
            "FAIL\t23\tcode=invalid_base64\treason=Invalid base64 data in continued response\n");
  // A parameter behind the response would be the user's, passed on unseen.
  EXPECT_EQ(run.Feed("AUTH\t24\tPLAIN\tservice=smtp\n"), "CONT\t24\t\n");
  EXPECT_EQ(run.Feed("CONT\t24\tAGEAYg==\tx=y\n"),
            "FAIL\t24\tcode=invalid_base64\treason=Invalid base64 data in continued response\n");
  EXPECT_EQ(run.server().open_requests(), 0u);
}

TEST(AuthSocketServer, AnEmptyRespMeansWhatTheClientsMinorSays) {
  ServerRun old({}, 1), since({}, 2);
  EXPECT_EQ(old.Feed("AUTH\t26\tPLAIN\tservice=smtp\tresp=\n"), "CONT\t26\t\n");
  EXPECT_EQ(since.Feed("AUTH\t26\tPLAIN\tservice=smtp\tresp=\n"), "");
  EXPECT_EQ(since.Wait(Seconds(2)), "FAIL\t26\n");
}

// Deviation: Dovecot 2.3 hangs up on everyone.
TEST(AuthSocketServer, AnUnknownMechanismFails) {
  ServerRun run;
  EXPECT_EQ(run.Feed("AUTH\t1\tGSSAPI\tservice=smtp\n"), "FAIL\t1\treason=Unsupported authentication mechanism\n");
  EXPECT_EQ(run.Plain(2, kAlice, kAlicePassword), "OK\t2\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, AnswersComeWhenTheyAreReady) {
  ServerRun run;
  EXPECT_EQ(run.FeedOnly(ServerRun::PlainLine(1, kAlice, "wrong", "192.0.2.1") +
                         ServerRun::PlainLine(2, kAlice, kAlicePassword, "192.0.2.2") +
                         ServerRun::PlainLine(3, "dora@example.test", "wrong", "192.0.2.3")),
            "");
  ASSERT_EQ(run.questions().size(), 3u);
  EXPECT_EQ(run.Answer(run.questions()[1].token, true), "OK\t2\tuser=alice@example.test\n");
  EXPECT_EQ(run.Answer(run.questions()[2].token, false), "FAIL\t3\tuser=dora@example.test\n");
  EXPECT_EQ(run.Answer(run.questions()[0].token, false), "");
  EXPECT_EQ(run.server().NextInstant(), Instant{} + Seconds(2));
  EXPECT_EQ(run.Wait(Milliseconds(1999)), "");
  EXPECT_EQ(run.Wait(Milliseconds(1)), "FAIL\t1\tuser=alice@example.test\n");
  EXPECT_EQ(run.server().NextInstant(), std::nullopt);
}

TEST(AuthSocketServer, AnAnswerCountsOnce) {
  ServerRun run;
  run.FeedOnly(ServerRun::PlainLine(1, kAlice, "wrong"));
  const uint64_t token = run.questions().at(0).token;
  EXPECT_EQ(run.Answer(token, false), "");
  EXPECT_EQ(run.Answer(token, true), "");
  EXPECT_EQ(run.Answer(token + 1, true), "");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t1\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, WhoeverGuessedWaits) {
  ServerRun run;
  run.Plain(1, kAlice, "wrong");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t1\tuser=alice@example.test\n");
  run.Plain(2, kAlice, "other");
  run.Wait(Seconds(2));
  // Two failures: four seconds from the second one, which was two ago.
  EXPECT_EQ(run.Plain(3, kAlice, kAlicePassword), "");
  EXPECT_TRUE(run.questions().empty());
  EXPECT_EQ(run.Plain(4, kAlice, kAlicePassword, "192.0.2.99"), "OK\t4\tuser=alice@example.test\n");
  EXPECT_EQ(run.Wait(Milliseconds(1999)), "");
  EXPECT_EQ(run.Wait(Milliseconds(1)), "OK\t3\tuser=alice@example.test\n");
  // And now all is forgotten: the next failure counts as the first.
  run.Plain(5, kAlice, "third");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t5\tuser=alice@example.test\n");
  EXPECT_EQ(run.Plain(6, kAlice, kAlicePassword), "OK\t6\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, ChallengesWaitToo) {
  ServerRun run;
  run.Plain(1, kAlice, "wrong");
  EXPECT_EQ(run.Feed("AUTH\t2\tLOGIN\tservice=smtp\trip=192.0.2.1\n"), "");
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t1\tuser=alice@example.test\nCONT\t2\tVXNlcm5hbWU6\n");
}

TEST(AuthSocketServer, TheSameWrongPasswordAgainAddsNothing) {
  ServerRun run;
  run.Plain(1, kAlice, "wrong");
  run.Wait(Seconds(10));
  run.Plain(2, kAlice, "wrong");
  run.Wait(Seconds(2));
  EXPECT_EQ(run.Plain(3, kAlice, kAlicePassword), "OK\t3\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, ThePenaltyCanBeLeftOut) {
  ServerRun run;
  const std::string line =
      "PLAIN\tservice=smtp\trip=192.0.2.1\tno-penalty\tresp=" + EncodeBase64(PlainMessage(kAlice, "wrong")) + "\n";
  run.Feed("AUTH\t1\t" + line);
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t1\tuser=alice@example.test\n");
  EXPECT_EQ(run.penalty().size(), 0u);
  run.Plain(2, kAlice, "wrong");
  EXPECT_EQ(run.penalty().size(), 1u);
  run.Feed("AUTH\t3\t" + line);
  EXPECT_EQ(run.Wait(Seconds(2)), "FAIL\t2\tuser=alice@example.test\nFAIL\t3\tuser=alice@example.test\n");
}

TEST(AuthSocketServer, SpeakingOutOfTurn) {
  ServerRun run;
  // A password is being compared.
  run.FeedOnly(ServerRun::PlainLine(24, kAlice, "wrong"));
  EXPECT_EQ(run.FeedOnly("CONT\t24\tAAAA\n"), "FAIL\t24\treason=Unexpected continuation\n");
  EXPECT_EQ(run.server().open_requests(), 1u);
  EXPECT_EQ(run.Answer(run.questions().at(0).token, false), "");
  EXPECT_EQ(run.server().open_requests(), 0u);
  EXPECT_EQ(run.penalty().size(), 1u);  // a guess it was
  // The failure is decided. Deviation: Dovecot answers twice.
  ServerRun other;
  other.Plain(25, kAlice, "wrong");
  EXPECT_EQ(other.Feed("CONT\t25\tAAAA\n"), "");
  EXPECT_EQ(other.Wait(Seconds(2)), "FAIL\t25\tuser=alice@example.test\n");
  EXPECT_EQ(other.Feed("CONT\t99\tAAAA\n"), "FAIL\t99\treason=Authentication request timed out\n");
}

TEST(AuthSocketServer, CancelledRequestsAreHeardOfNoMore) {
  ServerRun run({}, 2);
  run.Feed("AUTH\t1\tLOGIN\tservice=smtp\n");
  EXPECT_EQ(run.Feed("CANCEL\t1\n"), "");
  EXPECT_EQ(run.server().open_requests(), 0u);
  EXPECT_EQ(run.Feed("CANCEL\t99\n"), "");
  // The id is free again.
  EXPECT_EQ(run.Feed("AUTH\t1\tLOGIN\tservice=smtp\n"), "CONT\t1\tVXNlcm5hbWU6\n");
}

TEST(AuthSocketServer, CancelDoesNotMakeGuessingCheaper) {
  ServerRun run({.open_requests_max = 2}, 4);
  run.Plain(1, kAlice, "wrong", "192.0.2.1");
  run.FeedOnly(ServerRun::PlainLine(2, kAlice, "wrong", "192.0.2.2"));
  EXPECT_EQ(run.Feed("CANCEL\t1\n"), "CANCELLED\t1\n");
  EXPECT_EQ(run.FeedOnly("CANCEL\t2\n"), "CANCELLED\t2\n");
  EXPECT_EQ(run.server().open_requests(), 2u);
  EXPECT_EQ(run.FeedOnly(ServerRun::PlainLine(1, kAlice, "third", "192.0.2.3")),
            "FAIL\t1\ttemp\tcode=temp_fail\treason=Too many authentications at once\n");
  EXPECT_EQ(run.Wait(Seconds(2)), "");
  EXPECT_EQ(run.server().open_requests(), 0u);
}

TEST(AuthSocketServer, AFullHouseForgetsTheOldestThatWaitsForItsClient) {
  ServerRun run({.open_requests_max = 3});
  run.FeedOnly(ServerRun::PlainLine(1, kAlice, "wrong"));
  run.FeedOnly("AUTH\t2\tLOGIN\tservice=smtp\nAUTH\t3\tLOGIN\tservice=smtp\n");
  EXPECT_EQ(run.FeedOnly("AUTH\t4\tLOGIN\tservice=smtp\n"), "CONT\t4\tVXNlcm5hbWU6\n");
  EXPECT_EQ(run.server().open_requests(), 3u);
  EXPECT_EQ(run.FeedOnly("CONT\t2\tYQ==\n"), "FAIL\t2\treason=Authentication request timed out\n");
  EXPECT_EQ(run.FeedOnly("CONT\t3\tYQ==\n"), "CONT\t3\tUGFzc3dvcmQ6\n");
}

TEST(AuthSocketServer, BrokenClientsAreLeft) {
  const auto reason = [](std::string_view bytes) {
    ServerRun run;
    run.Feed(bytes);
    EXPECT_EQ(run.server().state(), State::kClosed) << bytes;
    EXPECT_EQ(run.Feed(ServerRun::PlainLine(9, kAlice, kAlicePassword)), "");
    return run.close_reason();
  };
  EXPECT_EQ(reason("CPID\t5\n"), "a line of the handshake after it");
  EXPECT_EQ(reason("VERSION\t1\t0\n"), "a line of the handshake after it");
  EXPECT_EQ(reason("NOOP\t1\n"), "auth socket: unknown command");
  EXPECT_EQ(reason("\n"), "auth socket: unknown command");
  EXPECT_EQ(reason("AUTH\t1\tLOGIN\tservice=smtp\nAUTH\t1\tLOGIN\tservice=smtp\n"),
            "AUTH has the id of an open request");
  EXPECT_EQ(reason("AUTH\t1\tPLAIN\tservice=smtp\tresp=AA==\tsecured\n"),
            "auth socket: broken AUTH: parameters after resp");
  EXPECT_EQ(reason(std::string(kAuthLineBytesMax, 'x')), "a line is longer than 16384 bytes");
}

TEST(AuthSocketServer, TheHandshakeHasItsOrder) {
  const auto reason = [](std::string_view bytes) {
    const config::Auth auth = AuthOf(SocketUsers());
    AuthSocketServer server(auth, {});
    Entropy entropy = TestEntropy();
    PenaltyTable penalty;
    const AuthSocketServer::Context context{.now = {}, .entropy = entropy, .penalty = penalty};
    server.Start(context);
    const auto output = server.Feed(bytes, context);
    EXPECT_EQ(output.send, "");
    return output.close_reason;
  };
  EXPECT_EQ(reason("VERSION\t1\t9\nCPID\t1\n"), "");
  EXPECT_EQ(reason("VERSION\t2\t0\nCPID\t1\n"), "the client speaks another major version");
  EXPECT_EQ(reason(ServerRun::PlainLine(1, kAlice, kAlicePassword)), "the client's first line is not VERSION");
  EXPECT_EQ(reason("CPID\t1\n"), "the client's first line is not VERSION");
  EXPECT_EQ(reason("VERSION\t1\t0\n" + ServerRun::PlainLine(1, kAlice, kAlicePassword)),
            "the client's second line is not CPID");
  EXPECT_EQ(reason("VERSION\t1\t0\nCPID\t0\n"), "auth socket: broken CPID: the number is none, or too small");
}

TEST(AuthSocketServer, TheRecorderLearnsWhatIsSecret) {
  ServerRun run;
  const std::string line = ServerRun::PlainLine(1, kAlice, kAlicePassword);
  const size_t begin = line.find("resp=") + 5;
  run.FeedOnly("CANCEL\t7\n" + line);
  ASSERT_EQ(run.secrets().size(), 1u);
  EXPECT_EQ(run.secrets()[0].offset_bytes, 9 + begin);
  EXPECT_EQ(run.secrets()[0].length_bytes, line.size() - begin);
}

class EveryMechanism : public ::testing::TestWithParam<const char*> {
 protected:
  AuthSocketClient::Event Login(std::string_view user, std::string_view password, bool final_response_ok = false) {
    Entropy entropy = TestEntropy(7);
    auto exchange = MakeClientExchange(
        GetParam(),
        {.user = std::string(user), .password = Secret(password), .service = "smtp", .host_name = "mail.example.test"});
    AuthLine facts{.service = "smtp", .remote = IpAddress::Parse("192.0.2.1")};
    facts.final_response_ok = final_response_ok;
    AuthSocketClient client({});
    client.Feed(run_.hello());
    return Converse(client, run_, *exchange, entropy, std::move(facts));
  }
  ServerRun run_;
};

TEST_P(EveryMechanism, TheRightPasswordGetsIn) {
  const auto event = Login(kAlice, kAlicePassword);
  ASSERT_TRUE(std::holds_alternative<AuthSocketClient::Success>(event));
  EXPECT_EQ(std::get<AuthSocketClient::Success>(event).user, kAlice);
}

TEST_P(EveryMechanism, AWrongOneDoesNot) {
  const auto event = Login(kAlice, "wrong");
  ASSERT_TRUE(std::holds_alternative<AuthSocketClient::Failure>(event));
  EXPECT_EQ(std::get<AuthSocketClient::Failure>(event).user, kAlice);
  EXPECT_EQ(run_.penalty().size(), 1u);
}

TEST_P(EveryMechanism, NorDoesAStranger) {
  const auto event = Login("nobody@example.test", kAlicePassword);
  ASSERT_TRUE(std::holds_alternative<AuthSocketClient::Failure>(event));
  EXPECT_EQ(std::get<AuthSocketClient::Failure>(event).code, FailureCode::kNone);
}

INSTANTIATE_TEST_SUITE_P(AuthSocketServer, EveryMechanism,
                         ::testing::Values("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"));

}  // namespace
}  // namespace postern::auth
