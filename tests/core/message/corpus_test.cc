// Goal: no real message breaks a law. Method: the public corpora beside the checkout, 1,900 messages, each parsed,
// formatted, decoded and searched. That the answers are Dovecot's is compared with the running server.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/message/line_ends.h"
#include "tests/core/message/part_laws.h"

namespace postern::message {
namespace {

std::filesystem::path Shared() {
  const char* const given = std::getenv("POSTERN_SHARED");
  return given ? std::filesystem::path(given) : std::filesystem::path(POSTERN_SOURCE_DIR).parent_path() / "shared";
}

TEST(Corpus, EveryMessageKeepsTheLaws) {
  const std::filesystem::path corpora = Shared() / "truth" / "corpora" / "mime";
  if (!std::filesystem::exists(corpora)) GTEST_SKIP() << corpora << " is not there";
  const std::filesystem::path unpacked = std::filesystem::path(testing::TempDir()) / "postern-message-corpus";
  std::filesystem::remove_all(unpacked);
  std::filesystem::create_directories(unpacked);
  for (const auto& entry : std::filesystem::directory_iterator(corpora)) {
    if (entry.path().extension() != ".xz") continue;
    const std::string command = "tar -xJf '" + entry.path().string() + "' -C '" + unpacked.string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(unpacked)) {
    if (!entry.is_regular_file()) continue;
    std::ostringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string message = ToCrlf(bytes.str());
    EXPECT_EQ(CrlfSize(bytes.str()), message.size()) << entry.path();
    EXPECT_EQ(BrokenLaw(message), "") << entry.path();
    ++count;
  }
  std::filesystem::remove_all(unpacked);
  EXPECT_GE(count, 1500);
}

}  // namespace
}  // namespace postern::message
