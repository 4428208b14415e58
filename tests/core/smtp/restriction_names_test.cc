// The loader lets exactly those access rules through that sessions judge: one more would answer every client with a
// temporary error, or pass in silence.
#include <gtest/gtest.h>

#include "core/config/registry.h"
#include "core/smtp/restrictions.h"

namespace postern::smtp {
namespace {

TEST(RestrictionNames, TheLoaderKnowsWhatSessionsJudge) {
  size_t supported = 0;
  for (const config::RestrictionFacts& facts : config::AllRestrictions()) {
    const std::string_view name = facts.present_name.empty() ? facts.name : facts.present_name;
    EXPECT_EQ(facts.supported, SupportedRestriction(name)) << facts.name;
    if (facts.supported) ++supported;
  }
  EXPECT_GE(supported, 30u);
}

}  // namespace
}  // namespace postern::smtp
