// The languages of the configuration one by one: main.cf, master.cf, $expansion, dovecot.conf, tables, users files,
// small words. What is read must be read again from what is written; limits must hold.
//
// Input: one character chooses the language, the rest is its text (for some, parts).
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/dovecot_syntax.h"
#include "core/config/memory_files.h"
#include "core/config/postfix_expand.h"
#include "core/config/postfix_syntax.h"
#include "core/config/tables.h"
#include "core/config/users_file.h"
#include "core/config/value.h"
#include "core/config/variables.h"
#include "fuzz/fuzz.h"

namespace postern::config {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

void CheckMainCf(std::string_view text) {
  FindingList findings;
  const MainCf main = ParseMainCf(text, "main.cf", &findings);
  const std::string written = FormatMainCf(main);
  const MainCf again = ParseMainCf(written, "main.cf", &findings);
  Require(main.assignments.size() == again.assignments.size(), "what is written is read again", written);
  for (size_t i = 0; i < main.assignments.size(); ++i) {
    RequireEqual(main.assignments[i].name, again.assignments[i].name, "a name is read as it was written");
    RequireEqual(main.assignments[i].value, again.assignments[i].value, "a value is read as it was written");
  }
}

void CheckMasterCf(std::string_view text) {
  FindingList findings;
  const MasterCf master = ParseMasterCf(text, "master.cf", &findings);
  if (findings.has_errors()) return;  // an unclosed brace, say: there is no other way to write that
  const std::string written = FormatMasterCf(master);
  const MasterCf again = ParseMasterCf(written, "master.cf", &findings);
  RequireEqual(written, FormatMasterCf(again), "what is written is read again");
  Require(master.services.size() == again.services.size(), "as many services", written);
  for (size_t i = 0; i < master.services.size(); ++i) {
    const auto& before = master.services[i].overrides;
    const auto& after = again.services[i].overrides;
    Require(before.size() == after.size(), "as many overrides", written);
    for (size_t k = 0; k < before.size(); ++k)
      RequireEqual(before[k].value, after[k].value, "an override is read as it was written");
  }
}

// Parameters in the first part, a text that refers to them in the second.
void CheckExpansion(fuzz::Input& input) {
  FindingList findings;
  const MainCf main = ParseMainCf(input.Part(), "main.cf", &findings);
  const std::string_view text = input.Rest();
  const auto lookup = [&main](std::string_view name) -> std::optional<std::string> {
    const Assignment* assignment = main.Find(name);
    return assignment == nullptr ? std::nullopt : std::optional(assignment->value);
  };
  const Expansion expansion = ExpandParameters(text, lookup);
  Require(expansion.text.size() <= kExpandedBytesMax, "an expansion is bounded");
  const std::vector<std::string> names = ReferencedParameters(text);
  Require(names.size() <= text.size(), "no more references than bytes");
  if (text.find('$') == std::string_view::npos)
    RequireEqual(expansion.text, text, "a text without $ stands for itself");
  const auto there = CompareLevels(text.substr(0, text.find(' ')), "3.6"),
             back = CompareLevels("3.6", text.substr(0, text.find(' ')));
  Require(there.has_value() == back.has_value() && there.value_or(0) == -back.value_or(0), "levels compare both ways");
  (void)ExpandVariables(text, {.user = "u@d", .service = "imap", .remote_ip = "::1", .home = "/home"});
}

void CheckDovecot(fuzz::Input& input) {
  MemoryFiles files;
  for (const char* path : {"/d/dovecot.conf", "/d/conf.d/a.conf", "/d/conf.d/b.conf"})
    files.Add(path, std::string(input.Part()));
  FindingList findings, findings_again;
  const auto root = ParseDovecot(files, "/d/dovecot.conf", nullptr, &findings);
  const auto again = ParseDovecot(files, "/d/dovecot.conf", nullptr, &findings_again);
  RequireEqual(FormatDovecot(*root), FormatDovecot(*again), "the same files are the same settings");
  Require(findings.all().size() == findings_again.all().size(), "the same files have the same findings");
}

// The table's type and what follows, the file it may name, and a key a line.
void CheckTable(fuzz::Input& input) {
  const std::string specification(input.Line());
  MemoryFiles files;
  files.Add("/t", std::string(input.Part()));
  files.Add("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  FindingList findings;
  const TablePtr table = OpenTable(specification, {.place = {}, .wanted_by = "fuzz"}, files, &findings);
  if (table == nullptr) {
    Require(findings.has_errors(), "a table that is not there is an error", specification);
    return;
  }
  const bool plain = specification.starts_with("hash:") || specification.starts_with("texthash:");
  std::set<std::string, std::less<>> keys;
  table->ForEach([&](std::string_view key, std::string_view value) {
    if (!plain) return;
    Require(keys.emplace(key).second, "a key is visited once", key);
    const auto found = table->Find(key);
    Require(found.has_value(), "a key that is visited is found", key);
    RequireEqual(*found, value, "a key has the value it is visited with");
  });
  for (int i = 0; i < 4 && !input.empty(); ++i) (void)table->Find(input.Line().substr(0, 200));
}

void CheckUsers(std::string_view text) {
  MemoryFiles files;
  FindingList findings;
  const UserTablePtr users = ParseUsersFile(text, "users", files, &findings);
  users->ForEach([&](std::string_view name, const UserRecord& record) {
    Require(users->Find(name) == &record, "a user who is visited is found", name);
  });
  Require(findings.all().empty() || users != nullptr, "findings about users");
  (void)SchemeOf(text, "PLAIN");
}

void CheckWords(fuzz::Input& input) {
  const std::string_view a = input.Line(), b = input.Line();
  size_t bytes = 0;
  for (const std::string& element : SplitPostfixList(a)) bytes += element.size();
  for (const std::string& word : SplitWords(b, true)) bytes += word.size();
  Require(bytes <= a.size() + b.size(), "the words of a list are no longer than the list");
  Require(EditDistance(a, b, 3) == EditDistance(b, a, 3), "an edit distance is the same both ways");
  Require(EditDistance(a, a, 3) == (a.size() > 128 ? 4u : 0u), "an edit distance to itself");
  const std::string path = NormalizePath(a);
  RequireEqual(NormalizePath(path), path, "a normalised path stays");
  (void)MatchesGlob(a, b);
  for (const std::string_view text : {a, b}) {
    if (const auto number = ParseUnsigned(text))
      Require(ParseUnsigned(std::to_string(*number)) == number, "numbers come back");
    (void)ParseOctal(text);
    for (const char unit : {'s', 'm', 'h', 'd', 'w', 'x'}) (void)ParsePostfixTime(text, unit);
    if (const auto time = ParseDovecotTime(text)) Require(time->ns >= 0, "a time is not negative", text);
    (void)ParseDovecotSize(text);
    (void)ParsePostfixBool(text);
    (void)ParseDovecotBool(text);
  }
}

void Run(fuzz::Input input) {
  switch (input.Choose(7)) {
    case 0:
      return CheckMainCf(input.Rest());
    case 1:
      return CheckMasterCf(input.Rest());
    case 2:
      return CheckExpansion(input);
    case 3:
      return CheckDovecot(input);
    case 4:
      return CheckTable(input);
    case 5:
      return CheckUsers(input.Rest());
    default:
      return CheckWords(input);
  }
}

}  // namespace
}  // namespace postern::config

POSTERN_FUZZ_TARGET(postern::config::Run)
