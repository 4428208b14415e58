// A secret is copied and moved whole, leaves nothing where it was moved from, and can't be printed.
#include "core/base/secret.h"

#include <gtest/gtest.h>

#include <ostream>
#include <type_traits>

namespace postern {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!Printable<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string> && !std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);

TEST(Secret, CopiesAndMoves) {
  for (const std::string& bytes : {std::string("short"), std::string(1000, 'x'), std::string()}) {
    Secret secret{std::string_view(bytes)};
    Secret copy = secret;
    EXPECT_EQ(copy.Reveal(), bytes);
    Secret moved = std::move(secret);
    EXPECT_EQ(moved.Reveal(), bytes);
    EXPECT_TRUE(secret.empty());  // NOLINT: what is left is the point
    secret = copy;
    EXPECT_EQ(secret.Reveal(), bytes);
    Secret target(std::string_view("before"));
    target = std::move(secret);
    EXPECT_EQ(target.Reveal(), bytes);
    EXPECT_TRUE(secret.empty());  // NOLINT
  }
}

TEST(Secret, SurvivesSelfAssignment) {
  Secret secret(std::string_view("x"));
  Secret& same = secret;
  secret = same;
  EXPECT_EQ(secret.Reveal(), "x");
  secret = std::move(same);
  EXPECT_EQ(secret.Reveal(), "x");
}

}  // namespace
}  // namespace postern
