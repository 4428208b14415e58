// Goal: real clients are told by us what Postfix and Dovecot told them. Method: every recorded session is played to a
// shard in the simulated world over the mailboxes it began with; what differs beyond what the recordings' README allows
// must stand in the reviewed list with a reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "sim/replay/compare.h"
#include "sim/replay/reviewed.h"
#include "sim/replay/session_files.h"
#include "sim/replay/session_player.h"

namespace postern::sim {
namespace {

namespace fs = std::filesystem;

fs::path Recordings() {
  const char* shared = std::getenv("POSTERN_SHARED");
  return fs::path(shared != nullptr ? shared : POSTERN_SOURCE_DIR "/../shared") / "recordings";
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(Recordings(), error)) {
    if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

const std::vector<ReviewedDifference>& Reviewed() {
  static const std::vector<ReviewedDifference> kReviewed = [] {
    std::ifstream file(POSTERN_SOURCE_DIR "/tests/replay/reviewed.json");
    std::stringstream json;
    json << file.rdbuf();
    auto reviewed = ParseReviewed(json.str());
    EXPECT_TRUE(reviewed.ok()) << reviewed.status();
    return reviewed.ok() ? *std::move(reviewed) : std::vector<ReviewedDifference>();
  }();
  return kReviewed;
}

std::vector<Difference> Differences(const std::string& name, const PlayOptions& options) {
  const auto session = ReadRecordedSession((Recordings() / (name + ".jsonl")).string());
  EXPECT_TRUE(session.ok()) << session.status();
  if (!session.ok()) return {};
  const auto played = PlaySession(*session, options);
  EXPECT_TRUE(played.ok()) << played.status();
  return played.ok() ? CompareSession(session->recording.protocol, *played) : std::vector<Difference>();
}

void ExpectOnlyReviewed(const std::string& name, const PlayOptions& options) {
  for (const Difference& difference : Differences(name, options)) {
    if (FindReviewed(Reviewed(), name, difference) != nullptr) continue;
    ADD_FAILURE() << name << ", turn " << difference.turn << ": " << difference.command << "\nrecorded:\n"
                  << difference.recorded << "ours:\n"
                  << difference.ours;
  }
}

class ReplaySessions : public testing::TestWithParam<std::string> {};

TEST_P(ReplaySessions, DifferOnlyWhereReviewed) { ExpectOnlyReviewed(GetParam(), {}); }

// However the bytes come, and wherever the account is.
TEST_P(ReplaySessions, DifferNoMoreInPiecesAndOverShards) {
  for (uint64_t seed = 2; seed < 5; ++seed) {
    SCOPED_TRACE(seed);
    ExpectOnlyReviewed(GetParam(), {.seed = seed, .shard_count = 3, .split_reads = true});
  }
}

TEST(ReviewedList, AllSessionsAreThere) { EXPECT_EQ(Names().size(), 54u); }

TEST(ReviewedList, HasNoEntryThatFitsNothing) {
  std::set<const ReviewedDifference*> used;
  for (const std::string& name : Names()) {
    for (const Difference& difference : Differences(name, {})) used.insert(FindReviewed(Reviewed(), name, difference));
  }
  for (const ReviewedDifference& each : Reviewed()) {
    EXPECT_TRUE(used.contains(&each)) << "delete from tests/replay/reviewed.json: " << each.recorded << each.ours
                                      << each.reason;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReplaySessions, testing::ValuesIn(Names()), [](const auto& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace postern::sim
