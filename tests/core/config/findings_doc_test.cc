// docs/findings.md lists every id that the code can say, and no other.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace {

std::string ReadWhole(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::set<std::string> AllMatches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) found.insert((*at)[1]);
  return found;
}

TEST(FindingsDocument, ListsExactlyWhatTheCodeSays) {
  const std::filesystem::path root = POSTERN_SOURCE_DIR;
  std::set<std::string> said;
  for (const auto& entry : std::filesystem::directory_iterator(root / "core/config")) {
    if (entry.path().extension() != ".cc") continue;
    said.merge(AllMatches(ReadWhole(entry.path()), R"(\b(?:Error|Warning|Security|Notice)\(\s*"([a-z0-9.-]+)\")"));
  }
  // The one that another room says, for it knows what a template may hold.
  said.merge(AllMatches(ReadWhole(root / "core/notice/settings_from_config.cc"), R"re(\.id = "([a-z-]+)")re"));
  const std::set<std::string> listed =
      AllMatches(ReadWhole(root / "docs/findings.md"), "`([a-z][a-z0-9]*(?:-[a-z0-9.]+)+)`");
  std::vector<std::string> unlisted, unsaid;
  std::set_difference(said.begin(), said.end(), listed.begin(), listed.end(), std::back_inserter(unlisted));
  std::set_difference(listed.begin(), listed.end(), said.begin(), said.end(), std::back_inserter(unsaid));
  EXPECT_GT(said.size(), 100u);
  EXPECT_EQ(unlisted, std::vector<std::string>{});
  EXPECT_EQ(unsaid, std::vector<std::string>{});
}

}  // namespace
