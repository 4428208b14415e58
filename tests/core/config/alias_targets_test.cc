// Goal: an alias's right-hand side means what it means to Postfix's local(8). Method: the rows of an aliases file that
// a running Postfix 3.7.11 was given, with the recipients that its log showed.
#include "core/config/alias_targets.h"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

std::string Show(const std::vector<AliasTarget>& targets) {
  std::string all;
  for (const AliasTarget& target : targets) {
    static constexpr const char* kNames[] = {"", "command ", "file ", "list "};
    all += (all.empty() ? "" : " + ") + std::string(kNames[static_cast<size_t>(target.kind)]) + target.text;
  }
  return all;
}
std::string Targets(std::string_view value) { return Show(ParseAliasTargets(value)); }

TEST(AliasTargets, AreWhatPostfixFindsInARow) {
  EXPECT_EQ(Targets("root"), "root");
  EXPECT_EQ(Targets("u1@example.test, far@far.example,u3@far.example"),
            "u1@example.test + far@far.example + u3@far.example");
  EXPECT_EQ(Targets("u1@example.test u2@example.test"), "u1@example.test + u2@example.test");
  EXPECT_EQ(Targets("John Doe <u1@example.test>, \"x, y\" <u2@example.test>"), "u1@example.test + u2@example.test");
  EXPECT_EQ(Targets("people: u1@example.test, u2@example.test;"), "u1@example.test + u2@example.test");
  EXPECT_EQ(Targets("@hop.example:u9@far.example"), "u9@far.example");
  EXPECT_EQ(Targets("\\root"), "root");
  EXPECT_EQ(Targets("a@b.test (the one, \\) there), c@d.test"), "a@b.test + c@d.test");
  EXPECT_EQ(Targets("\"a b\"@far.example"), "\"a b\"@far.example");
  EXPECT_EQ(Targets("<\"a>b\"@far.example>"), "\"a>b\"@far.example");
}

TEST(AliasTargets, TellCommandsFilesAndLists) {
  EXPECT_EQ(Targets("\"|/bin/cat -x, -y\", u@x.test"), "command /bin/cat -x, -y + u@x.test");
  EXPECT_EQ(Targets("|/bin/cat -x, u@x.test"), "command /bin/cat -x + u@x.test");
  EXPECT_EQ(Targets("/var/mail/archive"), "file /var/mail/archive");
  EXPECT_EQ(Targets("\"/var/mail/an archive\""), "file /var/mail/an archive");
  EXPECT_EQ(Targets(":include:/etc/lists/members"), "list /etc/lists/members");
  EXPECT_EQ(Targets("\":Include:/etc/lists/a b\", x"), "list /etc/lists/a b + x");
}

TEST(AliasTargets, SurviveWhatIsBroken) {
  for (const std::string_view text :
       {"", ",", "\"", "<", "(", "\\", "a:", ":include:", "\"|", "((a)", "<a", "a\"", "@a:"}) {
    ParseAliasTargets(text);
  }
  EXPECT_EQ(Targets("\"never closed, a"), "\"never closed, a\"");
  EXPECT_EQ(Targets(" , ,, a , ;"), "a");
}

TEST(AliasList, HasCommentsAndContinuationLines) {
  EXPECT_EQ(Show(ParseAliasList(
                "# the members\nu1@example.test\n\nu2@example.test,\n   far@far.example\n  # no more\r\nx@y.test\r\n")),
            "u1@example.test + u2@example.test + far@far.example + x@y.test");
  EXPECT_EQ(Show(ParseAliasList("\"|/bin/cat\", u1@example.test\n")), "command /bin/cat + u1@example.test");
  EXPECT_EQ(Show(ParseAliasList("")), "");
}

}  // namespace
}  // namespace postern::config
