// The lines of the auth socket, as Dovecot 2.3.19 and Postfix 3.7.11 sent them to each other, and broken ones.
#include "core/auth/auth_socket_codec.h"

#include <gtest/gtest.h>

namespace postern::auth {
namespace {

template <class Line, class Parsed>
Line Get(const StatusOr<Parsed>& parsed) {
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (!parsed.ok() || !std::holds_alternative<Line>(*parsed)) {
    ADD_FAILURE() << "another line";
    return {};
  }
  return std::get<Line>(*parsed);
}

TEST(AuthSocketCodec, WhatPostfixSends) {
  EXPECT_EQ(Get<VersionLine>(ParseClientLine("VERSION\t1\t0")), (VersionLine{1, 0}));
  EXPECT_EQ(Get<ClientProcessLine>(ParseClientLine("CPID\t2718")).process_id, 2718u);

  const auto auth = Get<AuthLine>(ParseClientLine(
      "AUTH\t2\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=198.51.100.7\tsecured\tresp=AGEAYg=="));
  EXPECT_EQ(auth.id, 2u);
  EXPECT_EQ(auth.mechanism, "PLAIN");
  EXPECT_EQ(auth.service, "smtp");
  EXPECT_TRUE(auth.no_login);
  EXPECT_EQ(auth.local->ToString(), "127.0.0.1");
  EXPECT_EQ(auth.remote->ToString(), "198.51.100.7");
  EXPECT_EQ(auth.transport, AuthLine::Transport::kSecured);
  EXPECT_EQ(auth.response->Reveal(), "AGEAYg==");

  const auto without = Get<AuthLine>(ParseClientLine("AUTH\t3\tplain\tservice=smtp\tnologin\tlip=::1\trip=::1"));
  EXPECT_FALSE(without.response.has_value());
  EXPECT_EQ(without.transport, AuthLine::Transport::kPlain);
  EXPECT_EQ(Get<AuthLine>(ParseClientLine("AUTH\t4\tPLAIN\tservice=smtp\tresp==")).response->Reveal(), "=");

  const auto empty = Get<ContinueLine>(ParseClientLine("CONT\t10\t"));
  EXPECT_EQ(empty.id, 10u);
  EXPECT_TRUE(empty.response.empty());
}

TEST(AuthSocketCodec, WhatDovecotsLoginProcessesSend) {
  const auto auth = Get<AuthLine>(ParseClientLine(
      "AUTH\t1\tSCRAM-SHA-256\tservice=imap\tfinal-resp-ok\tsecured=tls\tsession=a\0011b\tlip=192.0.2.25\trip=y"
      "\tlport=993\trport=50000\tlocal_name=mail.example.test\ttls_cipher=x\tclient_id=\"name\"\tunknown=1\t\tdebug"));
  EXPECT_EQ(auth.transport, AuthLine::Transport::kTls);
  EXPECT_TRUE(auth.final_response_ok);
  EXPECT_TRUE(auth.debug);
  EXPECT_EQ(auth.session, "a\001b");
  EXPECT_EQ(auth.local_port, 993);
  EXPECT_EQ(auth.remote_port, 50000);
  EXPECT_EQ(auth.local_name, "mail.example.test");
  EXPECT_FALSE(auth.remote.has_value());  // no address: as if it were not there
  EXPECT_EQ(Get<AuthLine>(ParseClientLine("AUTH\t1\tX\tservice=\ttransport=TLS")).transport, AuthLine::Transport::kTls);
  EXPECT_EQ(Get<AuthLine>(ParseClientLine("AUTH\t1\tX\tservice=\ttransport=insecure")).transport,
            AuthLine::Transport::kPlain);
}

TEST(AuthSocketCodec, WhatDovecotSends) {
  const auto mechanism = Get<MechanismLine>(ParseServerLine("MECH\tDIGEST-MD5\tdictionary\tactive\tmutual-auth"));
  EXPECT_EQ(mechanism.name, "DIGEST-MD5");
  EXPECT_TRUE(mechanism.dictionary && mechanism.active && mechanism.mutual_auth);
  EXPECT_FALSE(mechanism.plaintext || mechanism.anonymous || mechanism.channel_binding || mechanism.is_private);
  EXPECT_EQ(Get<ServerProcessLine>(ParseServerLine("SPID\t2726")).process_id, 2726u);
  EXPECT_EQ(Get<ConnectionLine>(ParseServerLine("CUID\t1")).connection_id, 1u);
  EXPECT_EQ(Get<CookieLine>(ParseServerLine("COOKIE\td0db71cb69407dc7a6c971fb8a112bd3")).cookie,
            "d0db71cb69407dc7a6c971fb8a112bd3");
  EXPECT_EQ(Get<ChallengeLine>(ParseServerLine("CONT\t3\tVXNlcm5hbWU6")), (ChallengeLine{3, "Username:"}));
  EXPECT_EQ(Get<ChallengeLine>(ParseServerLine("CONT\t3\t")), (ChallengeLine{3, ""}));

  EXPECT_EQ(Get<SuccessLine>(ParseServerLine("OK\t1\tuser=alice@example.test")).user, "alice@example.test");
  EXPECT_TRUE(Get<SuccessLine>(ParseServerLine("OK\t17\tuser=bob@example.test\tnologin")).no_login);
  EXPECT_TRUE(Get<SuccessLine>(ParseServerLine("OK\t17\tuser=bob@example.test\tnologin=")).no_login);
  // The passdb's field `user` leaves an empty one behind.
  const auto renamed =
      Get<SuccessLine>(ParseServerLine("OK\t19\tuser=frank2@example.test\t\toriginal_user=frank@example.test"));
  EXPECT_EQ(renamed.user, "frank2@example.test");
  EXPECT_EQ(renamed.original_user, "frank@example.test");
  EXPECT_EQ(Get<SuccessLine>(ParseServerLine("OK\t62\tuser=a\tresp=cnNwYXV0aD0x")).final_response, "rspauth=1");

  const auto refused = Get<FailureLine>(ParseServerLine("FAIL\t1\tuser=a\001tb\001nc\toriginal_user=a"));
  EXPECT_EQ(refused.user, "a\tb\nc");
  EXPECT_EQ(refused.code, FailureCode::kNone);
  const auto base64 = Get<FailureLine>(
      ParseServerLine("FAIL\t22\tcode=invalid_base64\treason=Invalid base64 data in initial response"));
  EXPECT_EQ(base64.code, FailureCode::kInvalidBase64);
  EXPECT_EQ(base64.reason, "Invalid base64 data in initial response");
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t4")), FailureLine{.id = 4});
  EXPECT_EQ(Get<CancelledLine>(ParseServerLine("CANCELLED\t7")).id, 7u);
}

TEST(AuthSocketCodec, FailureCodesOfBothAges) {
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t1\tcode=temp_fail")).code, FailureCode::kTemporary);
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t1\ttemp")).code, FailureCode::kTemporary);
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t1\tauthz")).code, FailureCode::kAuthorizationDenied);
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t1\tuser_disabled")).code, FailureCode::kUserDisabled);
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t1\tpass_expired")).code, FailureCode::kPasswordExpired);
  EXPECT_EQ(Get<FailureLine>(ParseServerLine("FAIL\t1\tcode=of_the_future")).code, FailureCode::kNone);
  EXPECT_EQ(FormatServerLine(FailureLine{.id = 5, .user = "a", .code = FailureCode::kTemporary}),
            "FAIL\t5\tuser=a\ttemp\tcode=temp_fail\n");
}

TEST(AuthSocketCodec, FormatsAsTheOthersDo) {
  EXPECT_EQ(FormatServerLine(MechanismLine{.name = "CRAM-MD5", .dictionary = true, .active = true}),
            "MECH\tCRAM-MD5\tdictionary\tactive\n");
  EXPECT_EQ(FormatServerLine(ChallengeLine{3, ""}), "CONT\t3\t\n");
  AuthLine auth{.id = 2, .mechanism = "PLAIN", .service = "smtp"};
  auth.local = auth.remote = IpAddress::Parse("127.0.0.1");
  auth.no_login = true;
  auth.transport = AuthLine::Transport::kSecured;
  auth.response = Secret(std::string_view("AGEAYg=="));
  EXPECT_EQ(FormatClientLine(auth).Reveal(),
            "AUTH\t2\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\tsecured\tresp=AGEAYg==\n");
}

TEST(AuthSocketCodec, BrokenClientLines) {
  for (const std::string_view line : {"",
                                      "NOOP",
                                      "VERSION",
                                      "VERSION\t1",
                                      "VERSION\t1\tx",
                                      "VERSION\t1\t0\t",
                                      "VERSION\t1\t-1",
                                      "CPID",
                                      "CPID\t",
                                      "CPID\t0",
                                      "CPID\tx",
                                      "CPID\t4294967296",
                                      "AUTH",
                                      "AUTH\t1",
                                      "AUTH\t1\tPLAIN",
                                      "AUTH\t0\tPLAIN\tservice=smtp",
                                      "AUTH\tx\tPLAIN\tservice=smtp",
                                      "AUTH\t4294967296\tPLAIN\tservice=smtp",
                                      "AUTH\t1\t\tservice=smtp",
                                      "AUTH\t1\tPLAIN\tservice=smtp\tresp=AA==\tsecured",
                                      "AUTH\t1\tPLAIN\tresp=AA==",
                                      "CONT",
                                      "CONT\t1",
                                      "CONT\tx\tAAAA",
                                      "CANCEL",
                                      "CANCEL\tx",
                                      "MECH\tPLAIN",
                                      "auth\t1\tPLAIN\tservice=smtp"}) {
    EXPECT_EQ(ParseClientLine(line).status().code(), StatusCode::kInvalidArgument) << line;
  }
  EXPECT_TRUE(ParseClientLine("AUTH\t4294967295\tPLAIN\tservice=smtp").ok());
}

TEST(AuthSocketCodec, BrokenServerLines) {
  for (const std::string_view line : {"VERSION\t1", "MECH", "MECH\t", "SPID\tx", "CUID", "CONT\t1", "CONT\t1\t#",
                                      "CONT\tx\tAAAA", "OK", "OK\tx\tuser=a", "OK\t1\tresp=!", "FAIL", "CANCELLED"}) {
    EXPECT_EQ(ParseServerLine(line).status().code(), StatusCode::kInvalidArgument) << line;
  }
  for (const std::string_view line : {"", "NOTFOUND\t1", "AUTH\t1\tPLAIN\tservice=smtp"}) {
    EXPECT_EQ(ParseServerLine(line).status().code(), StatusCode::kNotFound) << line;
  }
}

TEST(AuthSocketCodec, SecretsBeginWithTheResponse) {
  const auto shown = [](std::string_view line) { return std::string(line.substr(0, SecretBegin(line))); };
  EXPECT_EQ(shown("AUTH\t2\tPLAIN\tservice=smtp\tresp=AGEAYg=="), "AUTH\t2\tPLAIN\tservice=smtp\tresp=");
  EXPECT_EQ(shown("AUTH\t2\tPLAIN\tservice=smtp"), "AUTH\t2\tPLAIN\tservice=smtp");
  EXPECT_EQ(shown("CONT\t2\tAGEAYg=="), "CONT\t2\t");
  EXPECT_EQ(shown("VERSION\t1\t2"), "VERSION\t1\t2");
  EXPECT_EQ(shown("PASS\tverysecret"), "PASS\t");
  EXPECT_EQ(shown("AUTH PLAIN AGEAYg=="), "AUTH PL");
}

TEST(AuthSocketCodec, LinesEndAtTheLimit) {
  std::string longest(kAuthLineBytesMax - 1, 'x');
  longest += '\n';
  AuthLineReader reader;
  std::string_view in = longest;
  const auto line = reader.Next(&in);
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->size(), kAuthLineBytesMax - 1);
  EXPECT_FALSE(reader.too_long());

  AuthLineReader other;
  const std::string longer = "x" + longest;
  in = longer;
  EXPECT_FALSE(other.Next(&in).has_value());
  EXPECT_TRUE(other.too_long());

  AuthLineReader waiting;
  const std::string unended(kAuthLineBytesMax, 'x');
  in = unended;
  EXPECT_FALSE(waiting.Next(&in).has_value());
  EXPECT_TRUE(waiting.too_long());
}

TEST(AuthSocketCodec, ACarriageReturnBeforeTheEndIsDropped) {
  AuthLineReader reader;
  std::string_view in = "CPID\t7\r\nDONE\n";
  EXPECT_EQ(reader.Next(&in), "CPID\t7");
  EXPECT_EQ(reader.Next(&in), "DONE");
  EXPECT_EQ(reader.Next(&in), std::nullopt);
}

TEST(SecretInReply, IsAChallengeOrAProxysPassword) {
  EXPECT_EQ(SecretInReply("CONT\t12\tdj1h"), (SecretSpan{8, 12}));
  EXPECT_EQ(SecretInReply("CONT\t12"), SecretSpan{});
  EXPECT_EQ(SecretInReply("OK\t1\tuser=a\tpass=b\thost=c"), (SecretSpan{17, 18}));
  EXPECT_EQ(SecretInReply("OK\t1\tuser=pass=b"), SecretSpan{});
  EXPECT_EQ(SecretInReply("FAIL\t1\tuser=a"), SecretSpan{});
  EXPECT_EQ(SecretInReply("MECH\tPLAIN"), SecretSpan{});
}

}  // namespace
}  // namespace postern::auth
