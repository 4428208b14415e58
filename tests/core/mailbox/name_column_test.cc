// Goal: the column behaves as a vector of strings would, whatever is done to it.
#include "core/mailbox/name_column.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::mailbox {
namespace {

TEST(NameColumn, BehavesAsAVectorOfStrings) {
  NameColumn column;
  std::vector<std::string> model;
  uint64_t chance = 1;
  const auto draw = [&](uint64_t bound) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (chance >> 33) % bound;
  };
  for (int turn = 0; turn < 60'000; ++turn) {
    const std::string name(draw(200), static_cast<char>('a' + draw(26)));
    if (model.empty() || draw(3) == 0) {
      column.push_back(name);
      model.push_back(name);
    } else if (draw(200) == 0) {
      std::vector<uint8_t> removed;
      std::vector<std::string> left;
      for (const std::string& kept : model) {
        removed.push_back(draw(4) == 0);
        if (!removed.back()) left.push_back(kept);
      }
      column.Remove(removed);
      model = std::move(left);
    } else {
      const size_t row = draw(model.size());
      column.Set(row, name);
      model[row] = name;
    }
    ASSERT_EQ(column.size(), model.size());
    if (!model.empty()) {
      const size_t row = draw(model.size());
      ASSERT_EQ(column[row], model[row]);
    }
  }
  for (size_t row = 0; row < model.size(); ++row) ASSERT_EQ(column[row], model[row]);
  column.clear();
  EXPECT_EQ(column.size(), 0u);
}

}  // namespace
}  // namespace postern::mailbox
