// The grammars of main.cf and master.cf by example: what Postfix 3.7's postconf says to the same text.
#include "core/config/postfix_syntax.h"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

std::vector<std::string> Ids(const FindingList& findings) {
  std::vector<std::string> ids;
  for (const Finding& finding : findings.Sorted()) ids.push_back(std::to_string(finding.line) + " " + finding.id);
  return ids;
}

TEST(MainCf, ContinuationSkipsCommentsAndBlankLines) {
  FindingList findings;
  const MainCf main =
      ParseMainCf("myhostname = a.b.c\n  more\n# comment\n\n  again # no comment\nnext=1\n", "main.cf", &findings);
  ASSERT_EQ(main.assignments.size(), 2u);
  EXPECT_EQ(main.assignments[0].value, "a.b.c  more  again # no comment");
  EXPECT_EQ(main.assignments[0].place.line, 1u);
  EXPECT_EQ(main.Find("next")->place.line, 6u);
  EXPECT_TRUE(findings.all().empty());
}

TEST(MainCf, TheLastAssignmentCountsAndOnlyAChangeIsAWarning) {
  FindingList findings;
  const MainCf main = ParseMainCf("a = 1\nb = 2\na = 3\nb = 2\n", "main.cf", &findings);
  EXPECT_EQ(main.Find("a")->value, "3");
  EXPECT_EQ(Ids(findings), (std::vector<std::string>{"3 main-cf-overridden", "4 main-cf-repeated"}));
}

TEST(MainCf, MistakesAreAllReported) {
  FindingList findings;
  const MainCf main = ParseMainCf("  lost = 1\nfoo\n= 2\ngood = 3\n", "main.cf", &findings);
  EXPECT_EQ(Ids(findings),
            (std::vector<std::string>{"1 main-cf-leading-space", "2 main-cf-syntax", "3 main-cf-syntax"}));
  EXPECT_EQ(main.Find("good")->value, "3");
}

TEST(MainCf, ALeadingBlankBeforeTheFirstCommentIsHarmless) {
  FindingList findings;
  ParseMainCf(" # Compatibility level\ncompatibility_level = 2\n", "main.cf", &findings);
  EXPECT_TRUE(findings.all().empty());
}

TEST(MasterCf, ReadsFieldsAndBothFormsOfOverride) {
  FindingList findings;
  const MasterCf master = ParseMasterCf(
      "# comment\nsubmission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n"
      "  -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }\n  -ofoo=bar -v\n",
      "master.cf", &findings);
  ASSERT_EQ(master.services.size(), 1u);
  const MasterService& service = master.services[0];
  EXPECT_EQ(service.name, "submission");
  EXPECT_EQ(service.chroot, "y");
  EXPECT_EQ(service.command, "smtpd");
  EXPECT_EQ(service.FindOverride("syslog_name")->value, "postfix/submission");
  EXPECT_EQ(service.FindOverride("syslog_name")->place.line, 3u);
  EXPECT_EQ(service.FindOverride("smtpd_recipient_restrictions")->value, "permit_sasl_authenticated, reject");
  EXPECT_EQ(service.FindOverride("foo")->value, "bar");
  EXPECT_TRUE(findings.all().empty());
}

TEST(MasterCf, WhatIsWrittenIsReadAgain) {
  const std::string text =
      "smtp inet n - y - - { smtpd x }\n"
      "  -o { a = {b} c }\n  -o d=e}\n  -o f={g h}\n  -o i=\n";
  FindingList findings;
  const MasterCf master = ParseMasterCf(text, "master.cf", &findings);
  const MasterCf again = ParseMasterCf(FormatMasterCf(master), "master.cf", &findings);
  EXPECT_TRUE(findings.all().empty());
  ASSERT_EQ(again.services.size(), 1u);
  EXPECT_EQ(again.services[0].command, "smtpd x");
  ASSERT_EQ(again.services[0].overrides.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(again.services[0].overrides[i].value, master.services[0].overrides[i].value);
}

TEST(MasterCf, TextBehindABraceIsAMistake) {
  FindingList findings;
  ParseMasterCf("smtp inet n - y - - smtpd\n  -o { a = b }c\n", "master.cf", &findings);
  EXPECT_EQ(Ids(findings), (std::vector<std::string>{"2 master-cf-text-after-brace"}));
}

TEST(MasterCf, AServiceHiddenByABlankIsFoundAndReadOn) {
  FindingList findings;
  const MasterCf master = ParseMasterCf(
      "smtp inet n - y - - smtpd\n submission inet n - y - - smtpd\n  -o a=b\nsmtps inet n - y - - smtpd\n",
      "master.cf", &findings);
  EXPECT_EQ(Ids(findings), (std::vector<std::string>{"2 master-cf-hidden-service"}));
  ASSERT_EQ(master.services.size(), 3u);
  EXPECT_EQ(master.services[0].overrides.size(), 0u);
  EXPECT_EQ(master.services[1].FindOverride("a")->value, "b");
}

TEST(MasterCf, APipeServicesArgumentsAreNotTakenForAHiddenService) {
  FindingList findings;
  const MasterCf master = ParseMasterCf(
      "maildrop unix - n n - - pipe\n  flags=DRhu user=vmail argv=/usr/bin/maildrop -d ${recipient} -o x y z\n",
      "master.cf", &findings);
  EXPECT_TRUE(findings.all().empty());
  EXPECT_TRUE(master.services[0].overrides.empty());
}

TEST(MasterCf, MistakesAreAllReported) {
  FindingList findings;
  ParseMasterCf(
      "smtp inet n - y - smtpd\nx unixx n - y - - smtpd\ny inet n - y - - smtpd -o a = b\nz inet n - y - - smtpd -o\n",
      "master.cf", &findings);
  EXPECT_EQ(Ids(findings), (std::vector<std::string>{"1 master-cf-field-count", "2 master-cf-service-type",
                                                     "3 master-cf-option-syntax", "4 master-cf-option-incomplete"}));
}

TEST(MasterCf, TheLastDefinitionOfAServiceCounts) {
  FindingList findings;
  const MasterCf master =
      ParseMasterCf("a unix - - n - - smtp\na inet n - n - - smtpd\na unix - - n - 7 lmtp\n", "master.cf", &findings);
  ASSERT_EQ(master.services.size(), 2u);
  EXPECT_EQ(master.services[0].command, "lmtp");
  EXPECT_EQ(Ids(findings), (std::vector<std::string>{"3 master-cf-duplicate-service"}));
}

}  // namespace
}  // namespace postern::config
