// The grammar of dovecot.conf by example; what doveconf of Dovecot 2.3.19 makes of the same text.
#include "core/config/dovecot_syntax.h"

#include <gtest/gtest.h>

#include "core/config/memory_files.h"
#include "core/config/registry.h"

namespace postern::config {
namespace {

class DovecotSyntax : public testing::Test {
 protected:
  std::string Parse(std::string text) {
    files_.Add("/etc/dovecot/dovecot.conf", std::move(text));
    root_ = ParseDovecot(files_, "/etc/dovecot/dovecot.conf", &DovecotDefault, &findings_);
    return FormatDovecot(*root_);
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const Finding& finding : findings_.Sorted()) ids.push_back(std::to_string(finding.line) + " " + finding.id);
    return ids;
  }

  MemoryFiles files_;
  FindingList findings_;
  std::unique_ptr<DovecotSection> root_;
};

TEST_F(DovecotSyntax, ValuesQuotesAndComments) {
  EXPECT_EQ(Parse("mail_home\t=\t/x\t\n  mail_uid=5 # c\nmail_gid = \"q # z\"\n# all\na = 'it''s'\nb = \"x\\\"y\"\n"),
            "mail_home = /x\nmail_uid = 5\nmail_gid = q # z\na = it''s\nb = x\"y\n");
  EXPECT_TRUE(Ids().empty());
}

TEST_F(DovecotSyntax, AHashInsideAWordStartsACommentAndIsReported) {
  EXPECT_EQ(Parse("mail_home = a#b\n"), "mail_home = a\n");
  EXPECT_EQ(Ids(), std::vector<std::string>{"1 dovecot-syntax-ambiguous-hash"});
}

TEST_F(DovecotSyntax, ABackslashJoinsLines) {
  EXPECT_EQ(Parse("mail_home = /a \\\n   /b\nmail_uid = 1\n"), "mail_home = /a /b\nmail_uid = 1\n");
}

TEST_F(DovecotSyntax, DollarWordsAreValuesSoFar) {
  EXPECT_EQ(Parse("protocols = imap\nprotocols = $protocols pop3\nmail_fsync = $mail_fsync\nx = $nothing $$ %$: %s\n"),
            "protocols = imap\nprotocols = imap pop3\nmail_fsync = optimized\nx = $nothing $$ %$: %s\n");
}

TEST_F(DovecotSyntax, SameSectionsAreOneAndDatabasesAddUp) {
  EXPECT_EQ(Parse("namespace inbox {\n inbox = yes\n}\nnamespace inbox {\n separator = /\n}\n"
                  "passdb {\n driver = a\n}\npassdb {\n driver = b\n}\nplugin {\n x=1\n}\nplugin {\n y=2\n}\n"),
            "namespace/inbox/inbox = yes\nnamespace/inbox/separator = /\npassdb/driver = a\npassdb/driver = b\n"
            "plugin/x = 1\nplugin/y = 2\n");
}

TEST_F(DovecotSyntax, IncludesAreSortedAndRelativeToTheirFile) {
  files_.Add("/etc/dovecot/conf.d/20.conf", "b = 2\n");
  files_.Add("/etc/dovecot/conf.d/10.conf", "a = 1\n!include more.ext\n");
  files_.Add("/etc/dovecot/conf.d/more.ext", "m = <key.pem\n");
  files_.Add("/etc/dovecot/conf.d/30.conf.ext", "never = 1\n");
  EXPECT_EQ(Parse("!include conf.d/*.conf\n!include_try local.conf\nz = 3\n"),
            "a = 1\nm = </etc/dovecot/conf.d/key.pem\nb = 2\nz = 3\n");
  EXPECT_TRUE(Ids().empty());
}

TEST_F(DovecotSyntax, AnIncludeThatMatchesNothingIsAnError) {
  Parse("!include nope*.conf\n");
  EXPECT_EQ(Ids(), std::vector<std::string>{"1 dovecot-include-missing"});
}

TEST_F(DovecotSyntax, IncludesInACircleEnd) {
  files_.Add("/etc/dovecot/a.conf", "!include a.conf\n");
  Parse("!include a.conf\n");
  EXPECT_EQ(Ids(), std::vector<std::string>{"1 dovecot-include-depth"});
}

TEST_F(DovecotSyntax, AnUnclosedSectionIsMendedWhereTheNextOneShowsIt) {
  EXPECT_EQ(
      Parse("service imap-login {\n inet_listener imap {\n  port = 0\n }\nservice pop3-login {\n inet_listener pop3 {\n"
            "  port = 0\n }\n}\n"),
      "service/imap-login/inet_listener/imap/port = 0\nservice/pop3-login/inet_listener/pop3/port = 0\n");
  EXPECT_EQ(Ids(), std::vector<std::string>{"1 dovecot-syntax-unclosed-section"});
}

TEST_F(DovecotSyntax, AnUnclosedListenerBeforeAnotherIsFound) {
  EXPECT_EQ(
      Parse("service imap-login {\n inet_listener imap {\n  port = 0\n inet_listener imaps {\n  port = 1\n }\n}\n"),
      "service/imap-login/inet_listener/imap/port = 0\nservice/imap-login/inet_listener/imaps/port = 1\n");
  EXPECT_EQ(Ids(), std::vector<std::string>{"2 dovecot-syntax-unclosed-section"});
}

TEST_F(DovecotSyntax, AListenerOutsideItsServiceTakesTheStrayBraceWithIt) {
  EXPECT_EQ(Parse("unix_listener /x/auth {\n mode = 0666\n}\n}\nz = 1\n"),
            "z = 1\nservice/auth/unix_listener//x/auth/mode = 0666\n");
  EXPECT_EQ(Ids(), std::vector<std::string>{"1 dovecot-syntax-listener-outside-service"});
}

TEST_F(DovecotSyntax, MistakesAreAllReported) {
  Parse("}\nservice auth{\n}\nimap_capability\nservice x { y\nservice imap {\n mailbox a {\n }\n");
  EXPECT_EQ(Ids(),
            (std::vector<std::string>{"1 dovecot-syntax-unexpected-close", "2 dovecot-syntax",
                                      "3 dovecot-syntax-unexpected-close", "4 dovecot-syntax", "5 dovecot-syntax",
                                      "6 dovecot-syntax-unclosed-section", "7 dovecot-syntax-unknown-section"}));
}

TEST_F(DovecotSyntax, ValuesThatDoubleAreBounded) {
  std::string text = "a = 0123456789\n";
  for (int i = 0; i < 40; ++i) text += "a = $a $a\n";
  EXPECT_LE(Parse(text).size(), 2 * kDovecotExpandedBytesMax + text.size());
  ASSERT_FALSE(Ids().empty());
  EXPECT_TRUE(Ids().front().ends_with(" dovecot-expansion"));
}

TEST_F(DovecotSyntax, SectionsFarTooDeepEndSomewhere) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "plugin x" + std::to_string(i) + " {\n";
  Parse(text);
  EXPECT_FALSE(Ids().empty());
}

}  // namespace
}  // namespace postern::config
