// Laws of the configuration room: any text is read without harm, and what is written is read back.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "core/base/ascii.h"
#include "core/config/dovecot_syntax.h"
#include "core/config/memory_files.h"
#include "core/config/postfix_expand.h"
#include "core/config/postfix_syntax.h"
#include "core/config/tables.h"
#include "core/config/users_file.h"
#include "core/config/value.h"
#include "core/config/variables.h"

namespace postern::config {
namespace {

// Text made of the pieces that the grammars turn on.
rc::Gen<std::string> ConfigurationText() {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{"\n",
                                                                 "\n",
                                                                 "\n ",
                                                                 "=",
                                                                 " = ",
                                                                 "a",
                                                                 "smtpd_banner",
                                                                 "mynetworks",
                                                                 "#",
                                                                 " # ",
                                                                 "$",
                                                                 "${",
                                                                 "}",
                                                                 "{",
                                                                 " {\n",
                                                                 "}\n",
                                                                 "?",
                                                                 ":",
                                                                 "$mydomain",
                                                                 "-o ",
                                                                 "smtp inet n - n - - smtpd",
                                                                 "service imap-login",
                                                                 "inet_listener imap",
                                                                 "passdb",
                                                                 "port",
                                                                 "\\\n",
                                                                 "\"",
                                                                 "'",
                                                                 "!include ",
                                                                 "<",
                                                                 "hash:/t",
                                                                 "/x/",
                                                                 "if ",
                                                                 "endif",
                                                                 "1",
                                                                 "yes",
                                                                 "127.0.0.1/8",
                                                                 "%u",
                                                                 "%{",
                                                                 "\xff",
                                                                 "\r\n",
                                                                 "\t"});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string text;
    for (const std::string& each : pieces) text += each;
    return text;
  });
}

rc::Gen<std::string> Name() {
  return rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("abcdefghijklmnop_0123456789"))));
}
// Text without line ends and without white space at its ends.
rc::Gen<std::string> Value() {
  return rc::gen::map(rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab =#$,{}:\"\\/"))),
                      [](const std::string& text) { return std::string(Trim(text)); });
}

RC_GTEST_PROP(Laws, LoadReadsAnythingAndStartsOnlyWithoutErrors, ()) {
  MemoryFiles files;
  files.Add("/etc/postfix/main.cf", *ConfigurationText());
  files.Add("/etc/postfix/master.cf", *ConfigurationText());
  files.Add("/etc/dovecot/dovecot.conf", *ConfigurationText());
  files.Add("/t", *ConfigurationText());
  const Loaded loaded = Load(files, {});
  bool has_error = false;
  uint32_t last_line = 0;
  std::string last_file;
  for (const Finding& finding : loaded.findings) {
    has_error = has_error || finding.severity == FindingSeverity::kError;
    RC_ASSERT(last_file < finding.file || (last_file == finding.file && last_line <= finding.line));
    RC_ASSERT(!finding.what.empty());
    RC_ASSERT(!finding.mend.empty());
    last_file = finding.file;
    last_line = finding.line;
  }
  RC_ASSERT((loaded.config == nullptr) == has_error);
}

RC_GTEST_PROP(Laws, MainCfIsReadBack, ()) {
  MainCf main;
  for (const auto& [name, value] :
       *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(rc::gen::pair(Name(), Value()))) {
    main.assignments.push_back({.name = name, .value = value, .place = {}});
  }
  FindingList findings;
  const MainCf again = ParseMainCf(FormatMainCf(main), "main.cf", &findings);
  RC_ASSERT(again.assignments.size() == main.assignments.size());
  for (size_t i = 0; i < main.assignments.size(); ++i) {
    RC_ASSERT(again.assignments[i].name == main.assignments[i].name);
    RC_ASSERT(again.assignments[i].value == main.assignments[i].value);
    RC_ASSERT(again.assignments[i].place.line == i + 1);
  }
}

RC_GTEST_PROP(Laws, LogicalLinesKeepEveryByteOfTheirParts, ()) {
  const std::string text = *ConfigurationText();
  uint32_t last = 0;
  for (const LogicalLine& line : ReadLogicalLines(text)) {
    RC_ASSERT(line.number > last);
    RC_ASSERT(!line.parts.empty());
    RC_ASSERT(line.parts.front().number == line.number);
    std::string joined;
    for (const PhysicalLine& part : line.parts) joined += part.text;
    RC_ASSERT(joined.compare(0, line.text.size(), line.text) == 0);
    RC_ASSERT(Trim(joined.substr(line.text.size())).empty());
    last = line.parts.back().number;
  }
}

RC_GTEST_PROP(Laws, ExpansionEndsAndLeavesPlainTextAlone, ()) {
  const std::string plain = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab {}():?=%#")));
  RC_ASSERT(ExpandParameters(plain, [](std::string_view) { return std::nullopt; }).text == plain);
  const std::string text = *ConfigurationText();
  const Expansion expansion = ExpandParameters(text, [&text](std::string_view) { return text; });
  RC_ASSERT(expansion.text.size() <= kExpandedBytesMax);
}

RC_GTEST_PROP(Laws, VariablesWithoutPercentAreText, ()) {
  const std::string text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab/@.{}:L09")));
  RC_ASSERT(*ExpandVariables(text, {.user = "u@d"}) == text);
  (void)ExpandVariables(*ConfigurationText() + "%" + text, {.user = "u@d"});
}

RC_GTEST_PROP(Laws, UserAndDomainAreTheWholeName, ()) {
  const std::string user = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab@.")));
  const std::string name(UserName(user)), domain(UserDomain(user));
  RC_ASSERT(name.find('@') == std::string::npos);
  RC_ASSERT(user == (user.find('@') == std::string::npos ? name : name + "@" + domain));
}

RC_GTEST_PROP(Laws, ATableHasWhatItLists, ()) {
  FindingList findings;
  const TablePtr table = MakeTextTable("t", *ConfigurationText(), TableFormat::kMap, "/t", &findings);
  table->ForEach([&table](std::string_view key, std::string_view value) {
    RC_ASSERT(table->Find(key) == std::optional<std::string>(value));
    RC_ASSERT(table->Find(UpperCase(key)) == std::optional<std::string>(value));
  });
}

RC_GTEST_PROP(Laws, AUsersFileHasWhatItLists, ()) {
  MemoryFiles files;
  FindingList findings;
  const UserTablePtr users = ParseUsersFile(*ConfigurationText() + "x:y::::/h\n", "/u", files, &findings);
  users->ForEach(
      [&users](std::string_view name, const UserRecord& record) { RC_ASSERT(users->Find(name) == &record); });
}

RC_GTEST_PROP(Laws, PathsAreNormalOnce, ()) {
  const std::string path = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("/a.")));
  const std::string normal = NormalizePath(path);
  RC_ASSERT(NormalizePath(normal) == normal);
  RC_ASSERT(normal.find("//") == std::string::npos);
}

RC_GTEST_PROP(Laws, EditDistanceIsSymmetricAndZeroForEqual, ()) {
  const std::string a = *Name(), b = *Name();
  RC_ASSERT(EditDistance(a, b, 5) == EditDistance(b, a, 5));
  RC_ASSERT((EditDistance(a, b, 5) == 0) == (a == b));
}

}  // namespace
}  // namespace postern::config
