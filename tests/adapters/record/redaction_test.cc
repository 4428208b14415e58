// Goal: no secret reaches a recording, and what decides the core's way does. Method: each shape of a login by example,
// as the core marks it; then every mark on every cut of a response keeps its length and never shows the password.
#include "adapters/record/redaction.h"

#include <gtest/gtest.h>

#include "adapters/record/recording_files.h"
#include "core/base/base64.h"

namespace postern::record {
namespace {

constexpr std::string_view kPassword = "canary-pw";

Redacted Hide(const std::string& bytes, size_t begin, std::string_view prompt = "") {
  return RedactReceived(bytes, {Redact{.offset_bytes = begin, .length_bytes = bytes.size() - begin}}, prompt);
}
std::string Prompt(std::string_view text) { return "334 " + EncodeBase64(text); }
std::string Answer(std::string_view text) { return EncodeBase64(text) + "\r\n"; }

TEST(Redaction, PlainKeepsWhoItWas) {
  const std::string message = std::string("\0alice\0", 7) + std::string(kPassword);
  const std::string hidden = std::string("\0alice\0", 7) + "xxxxxxxxx";
  EXPECT_EQ(Hide("AUTH PLAIN " + Answer(message), 11).bytes, "AUTH PLAIN " + Answer(hidden));
  EXPECT_EQ(Hide("AUTH PLAIN " + Answer(message), 10).bytes,
            "AUTH PLAIN " + Answer(hidden));  // the space is marked, too
  EXPECT_EQ(Hide("a AUTHENTICATE PLAIN " + Answer(message), 21).bytes, "a AUTHENTICATE PLAIN " + Answer(hidden));
  EXPECT_EQ(Hide(Answer(message), 0, "334 ").bytes, Answer(hidden));
  EXPECT_EQ(Hide(Answer(message), 0, "+ ").bytes, Answer(hidden));
}

TEST(Redaction, TheLineEndMayComeLater) {
  const std::string message = std::string("\0alice\0", 7) + std::string(kPassword);
  const std::string answer = EncodeBase64(message);
  EXPECT_EQ(Hide(answer, 0, "+ ").bytes, EncodeBase64(std::string("\0alice\0", 7) + "xxxxxxxxx"));
  EXPECT_EQ(Hide(EncodeBase64("alice 0123456789abcdef0123456789abcdef"), 0, Prompt("<1.2@host>")).answered, "CRAM-MD5");
  EXPECT_EQ(Hide("\r\n", 0, "").bytes, "\r\n");
}

TEST(Redaction, LoginKeepsTheNameOnly) {
  EXPECT_EQ(Hide(Answer("alice"), 0, Prompt("Username:")).bytes, Answer("alice"));
  EXPECT_EQ(Hide("AUTH LOGIN " + Answer("alice"), 11).bytes, "AUTH LOGIN " + Answer("alice"));
  EXPECT_EQ(Hide(Answer(kPassword), 0, Prompt("Password:")).bytes, "xxxxxxxxxxxx\r\n");
  // What is a PLAIN response is no name.
  EXPECT_EQ(Hide("AHUAcHc=\r\n", 0, Prompt("Username:")).bytes,
            "xxxxxxx"
            "x\r\n");
  // The second line behind a prompt does not answer it.
  EXPECT_EQ(Hide(Answer("alice") + Answer(kPassword), 0, Prompt("Username:")).bytes,
            Answer("alice") + "xxxxxxxxxxxx\r\n");
}

TEST(Redaction, ChallengesKeepTheirShape) {
  const Redacted cram = Hide(Answer("al ice 0123456789abcdef0123456789abcdef"), 0, Prompt("<1.2@host>"));
  EXPECT_EQ(cram.bytes, Answer("al ice 00000000000000000000000000000000"));
  EXPECT_EQ(cram.answered, "CRAM-MD5");
  const Redacted digest =
      Hide(Answer("username=\"alice\",response=0123456789abcdef0123456789abcdef,nc=1"), 0, Prompt("nonce=\"x\""));
  EXPECT_EQ(digest.bytes, Answer("username=\"alice\",response=00000000000000000000000000000000,nc=1"));
  EXPECT_EQ(digest.answered, "DIGEST-MD5");
  const Redacted first = Hide("AUTH SCRAM-SHA-256 " + Answer("n,,n=alice,r=abc"), 19);
  EXPECT_EQ(first.bytes, "AUTH SCRAM-SHA-256 " + Answer("n,,n=alice,r=abc"));
  EXPECT_EQ(first.answered, "");
  const Redacted last = Hide(Answer("c=biws,r=abcdef,p=SGVsbG8="), 0, Prompt("r=abcdef,s=x,i=4096"));
  EXPECT_EQ(last.bytes, Answer("c=biws,r=abcdef,p=AAAAAAA="));
  EXPECT_EQ(last.answered, "SCRAM");
}

// Of an auth server that we ask: what it proves itself with, and the password that it has for a proxy.
TEST(Redaction, AnotherServersProofsAreHidden) {
  const auto hidden = [](const std::string& challenge) {
    const std::string line = "OK\t3\tuser=a\nCONT\t7\t" + EncodeBase64(challenge) + "\n";
    const std::string bytes =
        RedactReceived(line, {Redact{.offset_bytes = 19, .length_bytes = line.size() - 20}}, "").bytes;
    return DecodeBase64(bytes.substr(19, bytes.size() - 20)).value_or("no base64");
  };
  EXPECT_EQ(hidden("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_EQ(hidden("rspauth=ea40f60335c427b5527b84dbabcdfffd"), "rspauth=" + std::string(32, 'A'));
  EXPECT_EQ(hidden("r=abcdef,s=QSXCR+Q6sek8bf92,i=4096"), "r=abcdef,s=AAAAAAAAAAAAAAAA,i=4096");
  EXPECT_EQ(hidden("Password:"), "Password:");
  EXPECT_EQ(hidden("<1.2@host>"), "<1.2@host>");
  EXPECT_EQ(RedactReceived("OK\t1\tuser=a\tpass=geheim\n", {Redact{.offset_bytes = 17, .length_bytes = 6}}, "").bytes,
            "OK\t1\tuser=a\tpass=xxxxxx\n");
}

TEST(Redaction, CommandsKeepTheirGrammar) {
  EXPECT_EQ(RedactReceived("PASS canary-pw\r\n", {Redact{.offset_bytes = 5, .length_bytes = 9}}, "+OK").bytes,
            "PASS xxxxxxxxx\r\n");
  EXPECT_EQ(RedactReceived("a LOGIN u \"cana\\\"ry\"\r\n", {Redact{.offset_bytes = 11, .length_bytes = 8}}, "").bytes,
            "a LOGIN u \"xxxx\\\"xx\"\r\n");
  EXPECT_EQ(Hide("*\r\n", 0, Prompt("Password:")).bytes, "*\r\n");
  EXPECT_EQ(Hide("\r\n", 0, Prompt("rspauth=x")).bytes, "\r\n");
  // A mark beyond the bytes is cut.
  EXPECT_EQ(
      RedactReceived("abc",
                     {Redact{.offset_bytes = 1, .length_bytes = 99}, Redact{.offset_bytes = 9, .length_bytes = 1}}, "")
          .bytes,
      "axx");
}

// Whatever is marked, wherever the bytes were cut: as long as before, and no piece of base64 that shows the password.
TEST(Redaction, NoCutShowsThePassword) {
  const std::string plain = Answer(std::string("\0alice\0", 7) + std::string(kPassword)), login = Answer(kPassword);
  const std::vector<std::string> prompts{"",
                                         "334 ",
                                         "+ ",
                                         Prompt("Username:"),
                                         Prompt("Password:"),
                                         Prompt("<1.2@host>"),
                                         Prompt("nonce=\"x\""),
                                         Prompt("r=x,s=y,i=1"),
                                         "+OK",
                                         "250 ok"};
  for (const std::string& prompt : prompts) {
    for (const std::string& whole : {plain, login}) {
      if (&prompt == &prompts[3]) continue;  // a password where the name was asked for looks like a name
      for (size_t cut = 0; cut <= whole.size(); ++cut) {
        for (const std::string& piece : {whole.substr(0, cut), whole.substr(cut)}) {
          const std::string hidden = Hide(piece, 0, prompt).bytes;
          ASSERT_EQ(hidden.size(), piece.size());
          for (size_t skip = 0; skip < 4 && skip < hidden.size(); ++skip) {
            const std::string_view word =
                std::string_view(hidden).substr(skip, (hidden.find_first_of("\r\n") - skip) / 4 * 4);
            const auto message = DecodeBase64(word.substr(0, word.size() / 4 * 4));
            if (message)
              EXPECT_EQ(message->find(kPassword.substr(2, 5)), std::string::npos) << prompt << " | " << piece;
          }
        }
      }
    }
  }
}

TEST(Redaction, UsersFileFitsTheStandIn) {
  EXPECT_EQ(RedactUsersFile(
                "# users\nalice:{PLAIN}canary:1:2::/home::userdb_mail=maildir:~/M pass=canary\nbob:canary\n", "PLAIN"),
            "# users\nalice:{PLAIN}stand-in:1:2::/home::userdb_mail=maildir:~/M pass=stand-in\nbob:{PLAIN}stand-in\n");
  EXPECT_EQ(RedactUsersFile("u:{SHA512-CRYPT}$6$salt$abc/D.1:\n", "CRYPT"), "u:{SHA512-CRYPT}$6$salt$aaaaaaa:\n");
  EXPECT_EQ(RedactUsersFile("u:x:1:1\n", "CRYPT"), "u:x:1:1\n");
  EXPECT_EQ(RedactUsersFile("u:canary\n", "MADE-UP"), "u:aaaaaa\n");
}

TEST(Redaction, SettingsLoseTheirPasswords) {
  EXPECT_EQ(RedactSettings("doveadm_password = canary\n"), "doveadm_password = stand-in\n");
  EXPECT_EQ(RedactSettings("  args = password=canary user=%u\n"), "  args = password=stand-in user=%u\n");
  EXPECT_EQ(RedactSettings("smtp_sasl_password_maps = hash:/etc/postfix/sasl\n"),
            "smtp_sasl_password_maps = hash:/etc/postfix/sasl\n");
  EXPECT_EQ(RedactSettings("default_pass_scheme = CRYPT"), "default_pass_scheme = CRYPT");
}

}  // namespace
}  // namespace postern::record
