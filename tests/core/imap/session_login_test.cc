// Goal: what an IMAP client without a password can do and is told: greeting, capabilities, TLS, logins, limits,
// hand-over. Method: whole sessions in a world of memory, compared with what Dovecot 2.3.19 says.
#include <gtest/gtest.h>

#include "core/base/base64.h"
#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

constexpr std::string_view kBefore = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+";

std::string Plain(std::string_view user, std::string_view password) {
  return EncodeBase64(std::string("\0", 1) + std::string(user) + std::string("\0", 1) + std::string(password));
}

TEST(SessionLogin, GreetsWithCapabilities) {
  ImapWorld world;
  EXPECT_EQ(world.Take(world.Connect()),
            "* OK [CAPABILITY " + std::string(kBefore) + " AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5] Dovecot ready.\r\n");
}

TEST(SessionLogin, PlaintextFromAfarIsRefused) {
  ImapWorld world;
  auto& client = world.Connect({.tls = false});
  EXPECT_EQ(world.Take(client),
            "* OK [CAPABILITY " + std::string(kBefore) + " STARTTLS LOGINDISABLED AUTH=CRAM-MD5] Dovecot ready.\r\n");
  EXPECT_EQ(world.Command(client, "a LOGIN u1 pw"),
            "* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. If "
            "anyone was "
            "listening, the password was exposed.\r\n"
            "a NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n");
  EXPECT_EQ(world.Command(client, "b AUTHENTICATE PLAIN"),
            "b NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n");
  world.Disconnect(client);
  EXPECT_TRUE(world.HasLog("imap-login: Disconnected: Connection closed (tried to use disallowed plaintext auth): "));
}

TEST(SessionLogin, PlaintextFromTheHostItselfIsTaken) {
  ImapWorld world;
  auto& client = world.Connect({.tls = false, .remote = "127.0.0.1", .local = "127.0.0.1"});
  EXPECT_NE(world.Take(client).find(" STARTTLS AUTH=PLAIN"), std::string::npos);
  EXPECT_TRUE(world.Command(client, "a LOGIN u1 pw").starts_with("a OK [CAPABILITY "));
}

TEST(SessionLogin, LoginAnswersWithCapabilities) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  const std::string answer = world.Command(client, "a LOGIN u1 pw");
  EXPECT_TRUE(answer.starts_with("a OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT ")) << answer;
  EXPECT_TRUE(answer.ends_with("] Logged in\r\n")) << answer;
  EXPECT_TRUE(world.HasLog(
      "imap-login: Login: user=<u1>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.25, mpid=100, TLS, session=<"));
}

TEST(SessionLogin, WhoAskedForCapabilitiesGetsThemInALine) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Command(client, "a CAPABILITY"),
            "* CAPABILITY " + std::string(kBefore) +
                " AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5\r\n"
                "a OK Pre-login capabilities listed, post-login capabilities have more.\r\n");
  const std::string answer = world.Command(client, "b LOGIN u1 pw");
  EXPECT_TRUE(answer.starts_with("* CAPABILITY IMAP4rev1 ")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\nb OK Logged in\r\n")) << answer;
}

TEST(SessionLogin, LoginTakesQuotedStringsAndLiterals) {
  ImapWorld world;
  auto& quoted = world.Connect();
  world.Take(quoted);
  EXPECT_TRUE(world.Command(quoted, "a login \"u1\" \"pw\"").starts_with("a OK "));
  auto& literal = world.Connect();
  world.Take(literal);
  EXPECT_EQ(world.Say(literal, "a LOGIN {2}\r\n"), "+ OK\r\n");
  EXPECT_EQ(world.Say(literal, "u1 {2}\r\n"), "+ OK\r\n");
  EXPECT_TRUE(world.Say(literal, "pw\r\n").starts_with("a OK "));
}

TEST(SessionLogin, Authenticate) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Command(client, "a AUTHENTICATE PLAIN"), "+ \r\n");
  EXPECT_EQ(world.Command(client, "*"), "a BAD Authentication aborted by client.\r\n");
  EXPECT_EQ(world.Command(client, "b AUTHENTICATE FOO"), "b NO [ALERT] Unsupported authentication mechanism.\r\n");
  EXPECT_EQ(world.Command(client, "c AUTHENTICATE PLAIN !!!"), "c BAD Invalid base64 data in initial response\r\n");
  EXPECT_EQ(world.Command(client, "d AUTHENTICATE LOGIN"), "+ VXNlcm5hbWU6\r\n");
  EXPECT_EQ(world.Command(client, EncodeBase64("u1")), "+ UGFzc3dvcmQ6\r\n");
  EXPECT_TRUE(world.Command(client, EncodeBase64("pw")).starts_with("d OK [CAPABILITY "));
}

TEST(SessionLogin, AuthenticateWithInitialResponse) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_TRUE(world.Command(client, "a AUTHENTICATE PLAIN " + Plain("u1", "pw")).starts_with("a OK "));
}

TEST(SessionLogin, WrongPasswordIsAnsweredLate) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Command(client, "a LOGIN u1 wrong"), "");
  EXPECT_EQ(world.Command(client, "b NOOP"), "");  // waits its turn
  world.Advance(Milliseconds(1999));
  EXPECT_EQ(world.Take(client), "");
  world.Advance(Milliseconds(1));
  EXPECT_EQ(world.Take(client), "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\nb OK NOOP completed.\r\n");
  EXPECT_TRUE(world.HasLog("auth: passwd-file(u1,192.0.2.1,<"));
  world.Disconnect(client);
  EXPECT_TRUE(
      world.HasLog("imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<u1>, "
                   "method=PLAIN, rip=192.0.2.1, lip=192.0.2.25, TLS, session=<"));
}

TEST(SessionLogin, ThirdBadCommandEndsIt) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Command(client, "a FOO"), "a BAD Error in IMAP command received by server.\r\n");
  EXPECT_EQ(world.Command(client, "b LOGIN u1"), "b BAD Error in IMAP command received by server.\r\n");
  EXPECT_FALSE(client.closed);
  EXPECT_EQ(world.Command(client, "c SELECT inbox"), "* BYE Too many invalid IMAP commands.\r\n");
  EXPECT_TRUE(client.closed);
  EXPECT_TRUE(client.session->ended());
}

TEST(SessionLogin, StartTlsForgetsWhatCameInPlaintext) {
  ImapWorld world;
  auto& client = world.Connect({.tls = false});
  world.Take(client);
  // CVE-2011-0411: the command behind STARTTLS was injected.
  EXPECT_EQ(world.Say(client, "a STARTTLS\r\nb LOGIN u1 pw\r\n"), "a OK Begin TLS negotiation now.\r\n");
  EXPECT_TRUE(client.starting_tls);
  EXPECT_EQ(world.Command(client, "c CAPABILITY"),
            "* CAPABILITY " + std::string(kBefore) +
                " AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5\r\n"
                "c OK Pre-login capabilities listed, post-login capabilities have more.\r\n");
  EXPECT_EQ(world.Command(client, "d STARTTLS"), "d BAD TLS is already active.\r\n");
  // As Dovecot answers mbsync: a CAPABILITY that STARTTLS made necessary does not count as asking for lines.
  EXPECT_TRUE(world.Command(client, "e LOGIN u1 pw").starts_with("e OK [CAPABILITY IMAP4rev1 "));
}

TEST(SessionLogin, CapabilityAskedBeforeStartTlsStillCounts) {
  ImapWorld world;
  auto& client = world.Connect({.tls = false});
  world.Take(client);
  world.Command(client, "a CAPABILITY");
  world.Command(client, "b STARTTLS");
  EXPECT_TRUE(world.Command(client, "c LOGIN u1 pw").ends_with("c OK Logged in\r\n"));
}

TEST(SessionLogin, IdBeforeLoginAndLogout) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Command(client, "a ID (\"name\" \"x\")"), "* ID (\"name\" \"Postern\")\r\na OK ID completed.\r\n");
  EXPECT_EQ(world.Command(client, "b LOGOUT"), "* BYE Logging out\r\nb OK Logout completed.\r\n");
  EXPECT_TRUE(client.closed);
  EXPECT_TRUE(world.HasLog("imap-login: Disconnected: Logged out (no auth attempts in 0 secs): "));
}

TEST(SessionLogin, ThreeMinutesAreGiven) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  world.Advance(Seconds(100));
  world.Command(client, "a NOOP");
  world.Advance(Seconds(179));
  EXPECT_FALSE(client.closed);
  world.Advance(Seconds(1));
  EXPECT_EQ(world.Take(client), "* BYE Disconnected for inactivity.\r\n");
  EXPECT_TRUE(client.closed);
}

TEST(SessionLogin, HandsOverWithTagAndUnreadBytes) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Say(client, "a CAPABILITY\r\nb LOGIN uother pw\r\nc NOOP\r\nd NO").find("b OK"), std::string::npos);
  ASSERT_TRUE(client.handoff);
  EXPECT_TRUE(client.session->ended());
  EXPECT_EQ(client.handoff->to, ShardId{1});
  EXPECT_EQ(client.handoff->login.user, "uother");
  EXPECT_EQ(client.handoff->login.tag, "b");
  EXPECT_EQ(client.handoff->unread, "c NOOP\r\nd NO");
  const Handoff handoff = *client.handoff;
  world.self_ = ShardId{1};
  auto& adopted = world.Adopt(handoff);
  const std::string answer = WithoutTimes(world.Take(adopted));
  EXPECT_TRUE(answer.starts_with("* CAPABILITY IMAP4rev1 ")) << answer;
  EXPECT_TRUE(answer.ends_with("b OK Logged in\r\nc OK NOOP completed.\r\n")) << answer;
  EXPECT_EQ(world.Command(adopted, "OP"), "d OK NOOP completed.\r\n");
}

TEST(SessionLogin, TooManyConnectionsOfOneUserAndAddress) {
  auto config = TestConfig();
  config->imap.max_userip_connections = 1;
  ImapWorld world(config);
  auto& first = world.LogIn();
  auto& second = world.Connect();
  world.Take(second);
  EXPECT_EQ(world.Command(second, "a LOGIN u1 pw"),
            "a NO [LIMIT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=1)\r\n");
  EXPECT_TRUE(second.closed);
  world.Command(first, "x LOGOUT");
  auto& third = world.Connect();
  world.Take(third);
  EXPECT_TRUE(world.Command(third, "a LOGIN u1 pw").starts_with("a OK "));
}

TEST(SessionLogin, UnusableAccount) {
  ImapWorld world;
  auto& client = world.Connect();
  world.Take(client);
  EXPECT_EQ(world.Command(client, "a LOGIN ubroken pw"),
            "a NO [UNAVAILABLE] Internal error occurred. Refer to server log for more information.\r\n");
  EXPECT_TRUE(client.closed);
  EXPECT_TRUE(world.HasLog("imap(ubroken): Error: no userdb"));
}

TEST(SessionLogin, CommandsOfTheStateBeforeAreUnknownAfterLogin) {
  ImapWorld world;
  auto& client = world.LogIn();
  EXPECT_EQ(world.Command(client, "a LOGIN u1 pw"), "a BAD Error in IMAP command LOGIN: Unknown command.\r\n");
  EXPECT_EQ(world.Command(client, "b STARTTLS"), "b BAD Error in IMAP command STARTTLS: Unknown command.\r\n");
}

TEST(SessionLogin, TwentyBadCommandsAreBorneAfterLogin) {
  ImapWorld world;
  auto& client = world.LogIn();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(world.Command(client, "a FOO"), "a BAD Error in IMAP command FOO: Unknown command.\r\n");
  }
  EXPECT_EQ(world.Command(client, "a FOO"), "* BYE Too many invalid IMAP commands.\r\n");
  EXPECT_TRUE(client.closed);
}

// ---- what recordings must not keep ----

std::string Hidden(ImapWorld& world, ImapWorld::Client& client, std::string bytes) {
  world.Say(client, bytes);
  for (const auto& [offset, length] : client.redacted) bytes.replace(offset, length, std::string(length, '#'));
  return bytes;
}

TEST(SessionLogin, PasswordsAreRedacted) {
  ImapWorld world;
  EXPECT_EQ(Hidden(world, world.Connect(), "a LOGIN u1 secret\r\nb NOOP\r\n"), "a LOGIN u1 ######\r\nb NOOP\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a login \"u 1\" \"se\\\"cret\"\r\n"), "a login \"u 1\" \"########\"\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a LOGIN {2+}\r\nu1 {6+}\r\nse\r\net\r\nb NOOP\r\n"),
            "a LOGIN {2+}\r\nu1 {6+}\r\n######\r\nb NOOP\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a AUTHENTICATE PLAIN AHUAcA==\r\n"), "a AUTHENTICATE PLAIN ########\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a AUTHENTICATE PLAIN\r\nAHUAcA==\r\nb NOOP\r\n"),
            "a AUTHENTICATE PLAIN\r\n########\r\nb NOOP\r\n");
}

TEST(SessionLogin, WhatIsNoSecretIsShown) {
  ImapWorld world;
  EXPECT_EQ(Hidden(world, world.Connect(), "a AUTHENTICATE LOGIN\r\ndTE=\r\ncHc=\r\nb NOOP\r\nc CAPABILITY\r\n"),
            "a AUTHENTICATE LOGIN\r\n####\r\n####\r\nb NOOP\r\nc CAPABILITY\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a AUTHENTICATE LOGIN dTE=\r\ncHc=\r\nb NOOP\r\n"),
            "a AUTHENTICATE LOGIN ####\r\n####\r\nb NOOP\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a AUTHENTICATE PLAIN AHUAcA==\r\nb NOOP\r\n"),
            "a AUTHENTICATE PLAIN ########\r\nb NOOP\r\n");
}

TEST(SessionLogin, WhatMayBeASecretIsRedacted) {
  ImapWorld world;
  EXPECT_EQ(Hidden(world, world.Connect(), "a LOGIN u1 my secret\r\n"), "a LOGIN u1 ## ######\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a LOGIN u1 {secret\r\n"), "a LOGIN u1 {######\r\n");
  EXPECT_EQ(Hidden(world, world.Connect(), "a LOGIN u1 {6}secret\r\n"), "a LOGIN u1 {6}######\r\n");
  // A mechanism that may want any number of responses, until there is a command.
  EXPECT_EQ(Hidden(world, world.Connect(), "a AUTHENTICATE X-MINE\r\nAAAA\r\nBBBB\r\nb NOOP\r\nc NOOP\r\n"),
            "a AUTHENTICATE X-MINE\r\n####\r\n####\r\n# NOOP\r\nc NOOP\r\n");
  // The server takes no literal so long: what comes next is a login.
  const std::string hidden = Hidden(world, world.Connect(), "a LOGIN {5000}\r\nb LOGIN u1 secret\r\n");
  EXPECT_EQ(hidden.find("secret"), std::string::npos) << hidden;
}

TEST(SessionLogin, PasswordsAreRedactedInEveryPiece) {
  ImapWorld world;
  const std::string all = "a LOGIN u1 \"secret\"\r\nb AUTHENTICATE PLAIN\r\nAHUAcA==\r\nc NOOP\r\n";
  const std::string want = "a LOGIN u1 \"######\"\r\nb AUTHENTICATE PLAIN\r\n########\r\nc NOOP\r\n";
  for (size_t cut = 1; cut < all.size(); ++cut) {
    auto& client = world.Connect();
    std::string hidden = Hidden(world, client, all.substr(0, cut));
    hidden += Hidden(world, client, all.substr(cut));
    EXPECT_EQ(hidden, want) << cut;
    world.Disconnect(client);
  }
}

}  // namespace
}  // namespace postern::imap
