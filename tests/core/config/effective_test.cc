// What every setting is worth, against the real programs: effective/*.postconf is what `postconf -x -c` of Postfix 3.7
// printed for the reference configurations on Debian 12, effective/*.doveconf the settings of the root that `doveconf
// -c` of Dovecot 2.3.19 printed. They are kept as text since neither program is installed where the tests run.
#include <gtest/gtest.h>

#include <map>

#include "core/config/host_configuration.h"
#include "core/config/registry.h"
#include "core/config/value.h"
#include "tests/core/config/reference_host.h"

namespace postern::config {
namespace {

// "name = value" by name.
std::map<std::string, std::string> ReadSettings(const std::string& name) {
  std::map<std::string, std::string> settings;
  std::stringstream text(ReadWhole(std::string(POSTERN_SOURCE_DIR) + "/tests/core/config/effective/" + name));
  for (std::string line; std::getline(text, line);) {
    const size_t equals = line.find(" =");
    if (equals == std::string::npos) continue;
    settings[line.substr(0, equals)] = line.size() > equals + 3 ? line.substr(equals + 3) : "";
  }
  return settings;
}

// Of one process, or what names the process.
bool IsOfTheProcess(const std::string& name) {
  return name == "process_name" || name == "process_id" || name == "debugger_command";
}

// postconf prints one blank where a value has several.
std::string OneBlank(const std::string& text) {
  std::string joined;
  for (const std::string& word : SplitWords(text)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

class EffectiveReference : public testing::TestWithParam<std::string> {};

void ExpectPostconf(MemoryFiles files, const std::map<std::string, std::string>& settings) {
  FindingList findings;
  PostfixSource source;
  source.files = &files;
  source.findings = &findings;
  ReadPostfix("/etc/postfix", &source);
  const PostfixParameters main(&source, nullptr);
  for (const auto& [name, value] : settings) {
    if (IsOfTheProcess(name) || !TransportOfParameter(name).empty()) continue;
    if (FindPostfixParameter(name) == nullptr && source.main.Find(name) == nullptr) {
      ADD_FAILURE() << "not known: " << name;
      continue;
    }
    EXPECT_EQ(OneBlank(main.Text(name)), OneBlank(value)) << name;
  }
}

TEST_P(EffectiveReference, PostfixParametersAreWorthWhatPostconfSays) {
  const auto settings = ReadSettings(GetParam() + ".postconf");
  ASSERT_GT(settings.size(), 900u);
  ExpectPostconf(ReferenceHost(GetParam()), settings);
}

// twisted.postconf is what `postconf -n -x -c` said of effective/twisted.
TEST(Effective, OddWaysToWriteMainCf) {
  MemoryFiles files = ReferenceHost("working");
  AddFolder(std::string(POSTERN_SOURCE_DIR) + "/tests/core/config/effective/twisted", "/etc/postfix", &files);
  const auto settings = ReadSettings("twisted.postconf");
  ASSERT_EQ(settings.size(), 22u);
  ExpectPostconf(std::move(files), settings);
}

TEST_P(EffectiveReference, DovecotSettingsAreWorthWhatDoveconfSays) {
  MemoryFiles files = ReferenceHost(GetParam());
  FindingList findings;
  const auto root = ParseDovecot(files, "/etc/dovecot/dovecot.conf", &DovecotDefault, &findings);
  const DovecotSettings dovecot(root.get(), "", &files, &findings);
  const auto settings = ReadSettings(GetParam() + ".doveconf");
  ASSERT_GT(settings.size(), 300u);
  for (auto [name, value] : settings) {
    if (value.size() > 1 && value.front() == '"') value = value.substr(1, value.size() - 2);  // for its outer blanks
    if (name == "ssl_cert") value.erase(0, 1);  // "<": ours is the path alone
    // doveconf hides keys; Debian's protocols.d, which it had read, is no part of the reference configuration.
    if (name == "ssl_key" || name == "protocols") continue;
    if (FindDovecotSetting(name) == nullptr) {
      ADD_FAILURE() << "not known: " << name;
      continue;
    }
    EXPECT_EQ(dovecot.Text(name), value) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Hosts, EffectiveReference, testing::Values("as-written", "working"));

}  // namespace
}  // namespace postern::config
