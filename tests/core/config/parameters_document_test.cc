// Goal: docs/postfix-parameters.md says what the code does, of every parameter that Postfix 3.7 has. Method: the
// committed file against the generator; names against `postconf -d` of 3.7.11 with Debian's master.cf
// (tests/reference/postfix-3.7-parameters.txt).
#include "core/config/parameters_document.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "core/config/registry.h"

namespace postern::config {
namespace {

std::string ReadWhole(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
const std::filesystem::path kRoot = POSTERN_SOURCE_DIR;

TEST(ParametersDocument, IsWhatTheRegistrySays) {
  EXPECT_EQ(ReadWhole(kRoot / "docs/postfix-parameters.md"), ParametersDocument())
      << "postern check --parameters > docs/postfix-parameters.md";
}

TEST(ParametersDocument, HasEveryParameterOfPostfix) {
  // Debian's services of pipe(8): names of transports that only a master.cf makes.
  static constexpr std::string_view kPipes[] = {"bsmtp", "ifmail", "maildrop", "mailman", "scalemail-backend", "uucp"};
  const std::string document = ParametersDocument();
  std::istringstream names(ReadWhole(kRoot / "tests/reference/postfix-3.7-parameters.txt"));
  size_t count = 0;
  for (std::string name; std::getline(names, name); ++count) {
    if (FindPostfixParameter(name) == nullptr) {
      const ParameterFacts* facts = FindTransportParameter(name);
      ASSERT_NE(facts, nullptr) << name;
      const std::string_view transport = TransportOfParameter(name);
      EXPECT_NE(std::find(std::begin(kPipes), std::end(kPipes), transport), std::end(kPipes)) << name;
      name = facts->name;
    }
    EXPECT_NE(document.find("| `" + name + "` | "), std::string::npos) << name;
  }
  EXPECT_EQ(count, 1043u);
}

TEST(ParametersDocument, ExplainsEachInWordsOfItsOwn) {
  for (const ParameterFacts* facts : AllPostfixParameters()) {
    EXPECT_FALSE(facts->meaning.empty()) << facts->name;
    std::string name(facts->name);
    std::replace(name.begin(), name.end(), '_', ' ');
    EXPECT_NE(facts->meaning, name);  // that would say nothing
    EXPECT_FALSE(facts->meaning.starts_with("part of") && !facts->meaning.starts_with("part of tests before"))
        << facts->name << ": " << facts->meaning;
  }
}

}  // namespace
}  // namespace postern::config
