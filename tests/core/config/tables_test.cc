// Lookup tables by example: what postmap and postmap -q of Postfix 3.7 say.
#include "core/config/tables.h"

#include <gtest/gtest.h>

#include "core/config/memory_files.h"

namespace postern::config {
namespace {

class Tables : public testing::Test {
 protected:
  TablePtr Open(std::string_view specification, TableFormat format = TableFormat::kMap) {
    return OpenTable(specification, {.format = format, .place = {"main.cf", 7}, .wanted_by = "some_maps"}, files_,
                     &findings_);
  }
  std::string Ask(std::string_view specification, std::string_view key) {
    const TablePtr table = Open(specification);
    return table == nullptr ? "NO TABLE" : table->Find(key).value_or("-");
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const Finding& finding : findings_.Sorted()) ids.push_back(std::to_string(finding.line) + " " + finding.id);
    return ids;
  }

  MemoryFiles files_;
  FindingList findings_;
};

TEST_F(Tables, TextTablesFoldKeysAndKeepTheFirstRow) {
  files_.Add(
      "/t",
      "# c\nAlice@Example.test  alice/Maildir/ \nbob one\n  two\nalice@example.test other\nempty\n\"a b\" quoted\n");
  EXPECT_EQ(Ask("texthash:/t", "ALICE@example.TEST"), "alice/Maildir/");
  EXPECT_EQ(Ask("texthash:/t", "bob"), "one  two");
  EXPECT_EQ(Ask("texthash:/t", "\"a b\""), "quoted") << "the quotes are part of the key";
  EXPECT_EQ(Ask("texthash:/t", "a b"), "-");
  EXPECT_EQ(Ask("texthash:/t", "empty"), "-");
  EXPECT_EQ(Ids(), (std::vector<std::string>{"5 table-duplicate-key", "6 table-row-skipped"}));
}

TEST_F(Tables, AllBuiltTypesReadTheSource) {
  files_.Add("/t", "k v\n");
  for (const std::string_view type : {"hash", "btree", "lmdb", "cdb", "dbm", "proxy:hash"}) {
    EXPECT_EQ(Ask(std::string(type) + ":/t", "k"), "v") << type;
  }
}

TEST_F(Tables, ABuiltFileThatIsOldOrMissingIsANotice) {
  files_.Add("/new", MemoryFiles::File{.text = "k v\n", .mtime_seconds = 100});
  files_.Add("/new.db", MemoryFiles::File{.text = "", .mtime_seconds = 100});
  files_.Add("/old", MemoryFiles::File{.text = "k v\n", .mtime_seconds = 100});
  files_.Add("/old.db", MemoryFiles::File{.text = "", .mtime_seconds = 99});
  files_.Add("/none", "k v\n");
  Open("hash:/new");
  EXPECT_TRUE(Ids().empty());
  Open("hash:/old");
  Open("hash:/none");
  EXPECT_EQ(Ids(), (std::vector<std::string>{"7 table-stale", "7 table-not-built"}));
  EXPECT_FALSE(findings_.has_errors());
}

TEST_F(Tables, Aliases) {
  files_.Add("/a", "postmaster: root\n\"odd name\" : a@b, c@d\nno colon\n");
  const TablePtr table = Open("texthash:/a", TableFormat::kAliases);
  EXPECT_EQ(table->Find("Postmaster").value_or("-"), "root");
  EXPECT_EQ(table->Find("odd name").value_or("-"), "a@b, c@d");
  EXPECT_EQ(Ids(), std::vector<std::string>{"3 table-row-skipped"});
}

TEST_F(Tables, AliasesAreWrittenAsPostaliasWritesThem) {
  files_.Add("/a", "list: a@b,\n   c@d ,, \"x, y\"@e\nodd: a\\,b, c\\\n");
  const TablePtr table = Open("texthash:/a", TableFormat::kAliases);
  EXPECT_EQ(table->Find("list").value_or("-"), "a@b, c@d, \"x, y\"@e");
  EXPECT_EQ(table->Find("odd").value_or("-"), "a\\,b, c\\");
}

TEST_F(Tables, StaticAndInline) {
  EXPECT_EQ(Ask("static:15000", "anything"), "15000");
  EXPECT_EQ(Ask("static:{a b}", "anything"), "a b");
  EXPECT_EQ(Ask("inline:{ a=1, {B = two words} }", "b"), "two words");
  EXPECT_EQ(Ask("inline:{ a=1, {B = two words} }", "c"), "-");
}

TEST_F(Tables, RegularExpressions) {
  files_.Add(
      "/r",
      "if /@example/\n/^(.*)\\+([^@]*)@(.*)$/ $1@$3 tag=${2}\n!/^a/ not-a $$\nendif\n/^UPPER$/i exact\n/$/ rest\n");
  EXPECT_EQ(Ask("pcre:/r", "joe+x@example.test"), "joe@example.test tag=x");
  EXPECT_EQ(Ask("pcre:/r", "bob@example.test"), "not-a $");
  EXPECT_EQ(Ask("pcre:/r", "al@example.test"), "rest");
  EXPECT_EQ(Ask("pcre:/r", "UPPER"), "exact");
  EXPECT_EQ(Ask("pcre:/r", "upper"), "rest") << "the flag i turns ignoring case off";
  EXPECT_EQ(Ask("regexp:{ {/^X[[:digit:]]+$/ digits} }", "x12"), "digits");
  EXPECT_TRUE(Open("pcre:/r")->is_pattern_table());
  EXPECT_TRUE(Ids().empty());
}

TEST_F(Tables, APatternThatEatsTimeEnds) {
  files_.Add("/r", "/^(a+)+$/ x\n");
  EXPECT_EQ(Ask("pcre:/r", std::string(64, 'a') + "b"), "-");
}

TEST_F(Tables, BrokenPatternRowsAreErrors) {
  files_.Add("/r", "/(/ x\nabc x\n/a/q x\n/a x\n");
  Open("pcre:/r");
  EXPECT_EQ(Ids(), (std::vector<std::string>{"1 table-row", "2 table-row", "3 table-row", "4 table-row"}));
  EXPECT_TRUE(findings_.has_errors());
}

TEST_F(Tables, Cidr) {
  files_.Add("/c",
             "192.0.2.1 one\nif 192.0.2.0/24\n!192.0.2.0/25 upper half\nendif\n192.0.2.0/24 net\n2001:db8::/32 "
             "six\n10.0.0.1/8 bad\n");
  EXPECT_EQ(Ask("cidr:/c", "192.0.2.1"), "one");
  EXPECT_EQ(Ask("cidr:/c", "192.0.2.2"), "net");
  EXPECT_EQ(Ask("cidr:/c", "192.0.2.200"), "upper half");
  EXPECT_EQ(Ask("cidr:/c", "2001:db8::5"), "six");
  EXPECT_EQ(Ask("cidr:/c", "198.51.100.1"), "-");
  EXPECT_EQ(Ids(), std::vector<std::string>{"7 table-row"});
}

TEST_F(Tables, SeveralTogether) {
  EXPECT_EQ(Ask("unionmap:{static:a, inline:{k=b}}", "k"), "a,b");
  EXPECT_EQ(Ask("unionmap:{static:a, inline:{k=b}}", "x"), "a");
  EXPECT_EQ(Ask("pipemap:{inline:{k=l}, inline:{l=end}}", "k"), "end");
  EXPECT_EQ(Ask("pipemap:{inline:{k=l}, inline:{x=end}}", "k"), "-");
}

TEST_F(Tables, WhatIsNotSupportedIsRefused) {
  for (const std::string_view type :
       {"mysql:/x", "ldap:/x", "socketmap:unix:/x:y", "fail:x", "nosuch:/x", "randmap:{a}"}) {
    FindingList findings;
    EXPECT_EQ(OpenTable(type, {.place = {"main.cf", 1}, .wanted_by = "some_maps"}, files_, &findings), nullptr) << type;
    ASSERT_EQ(findings.all().size(), 1u) << type;
    EXPECT_EQ(findings.all()[0].id, "table-type-unsupported");
  }
  EXPECT_EQ(Ask("hash:/missing", "k"), "NO TABLE");
  EXPECT_EQ(Ids(), std::vector<std::string>{"7 table-unreadable"});
  FindingList quiet;
  EXPECT_EQ(OpenTable("nis:x", {.optional = true}, files_, &quiet), nullptr);
  EXPECT_TRUE(quiet.all().empty());
}

TEST_F(Tables, SystemUsers) {
  files_.Add("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  EXPECT_EQ(Ask("proxy:unix:passwd.byname", "root"), "root:x:0:0:root:/root:/bin/sh");
  EXPECT_EQ(Ask("proxy:unix:passwd.byname", "nobody"), "-");
}

}  // namespace
}  // namespace postern::config
