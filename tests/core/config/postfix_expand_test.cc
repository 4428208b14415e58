// $name expansion by example. Each expected text is what `postconf -x` of Postfix 3.7 prints for the same value.
#include "core/config/postfix_expand.h"

#include <gtest/gtest.h>

#include <map>

namespace postern::config {
namespace {

Expansion Expand(std::string_view text) {
  static const std::map<std::string, std::string, std::less<>> kParameters = {{"mydomain", "localdomain"},
                                                                              {"myhostname", "mail.$mydomain"},
                                                                              {"empty", ""},
                                                                              {"level", "3.10"},
                                                                              {"loop", "a $loop"},
                                                                              {"one", "$two"},
                                                                              {"two", "$one"}};
  return ExpandParameters(text, [](std::string_view name) -> std::optional<std::string> {
    const auto at = kParameters.find(name);
    return at == kParameters.end() ? std::nullopt : std::optional(at->second);
  });
}

TEST(Expand, NamesInAllThreeWritings) {
  EXPECT_EQ(Expand("$myhostname ${mydomain} $(mydomain) ${ mydomain }").text,
            "mail.localdomain localdomain localdomain localdomain");
  EXPECT_EQ(Expand("$mydomain.x $mydomain)").text, "localdomain.x localdomain)");
  EXPECT_EQ(Expand("$$x 5$$").text, "$x 5$");
}

TEST(Expand, Conditions) {
  EXPECT_EQ(Expand("${mydomain?yes $mydomain}|${empty?no}|${empty:dflt}|${mydomain:x}").text, "yes localdomain||dflt|");
  EXPECT_EQ(Expand("${mydomain?{a}:{b}}${empty?{a}:{b}}").text, "ab");
  EXPECT_EQ(Expand("${mydomain ? {a} : {b}}${mydomain? {a} }|${mydomain?  a }|").text, "aa|  a |");
}

TEST(Expand, Comparisons) {
  EXPECT_EQ(Expand("${{1} < {2} ? {lt} : {ge}} ${{10}>{9}?{num}:{str}} ${{b} > {a10}?{y}:{n}}").text, "lt num y");
  EXPECT_EQ(Expand("${{$mydomain} == {localdomain}?{eq}} ${{a}!={a}?{ne}:{eq}} ${{a} == {b}:{x}}").text, "eq eq x");
  EXPECT_EQ(Expand("${{$level} >=level {3.9}?{newer}:{older}} ${{1}<level{2}}|${{a}=={b}}|").text, "newer true||");
}

TEST(Expand, UnknownNamesAreEmptyAndTold) {
  const Expansion expansion = Expand("a $nope b ${nope} ${other?x}");
  EXPECT_EQ(expansion.text, "a  b  ");
  EXPECT_EQ(expansion.undefined, std::vector<std::string>{"nope"});
  EXPECT_TRUE(expansion.problems.empty());
}

TEST(Expand, WhatPostfixRefusesIsAProblem) {
  for (const std::string_view text : {"${mydomain", "a $ b", "${}", "$loop", "$one", "${mydomain?{a}x}",
                                      "${mydomain:{a}:{b}}", "${{a} ~ {b}?{c}}", "${{a} <level {2}?{c}}"}) {
    EXPECT_EQ(Expand(text).problems.size(), 1u) << text;
  }
}

// Parameters a0 ... a39 that each name the next one twice, `leaf` at the end: 2^40 copies of it.
Expansion ExpandDoubling(std::string_view leaf, size_t* lookups) {
  return ExpandParameters("$a0", [=](std::string_view name) -> std::optional<std::string> {
    ++*lookups;
    const int n = std::stoi(std::string(name.substr(1)));
    if (n == 40) return std::string(leaf);
    const std::string next = "$a" + std::to_string(n + 1);
    return next + next;
  });
}

TEST(Expand, ManyTimesTheSameNameIsNoLoopButIsBounded) {
  EXPECT_TRUE(Expand("$mydomain $mydomain $myhostname").problems.empty());
  size_t lookups = 0;
  const Expansion bomb = ExpandDoubling("xx", &lookups);
  EXPECT_LE(bomb.text.size(), kExpandedBytesMax);
  EXPECT_EQ(bomb.problems.size(), 1u);
  EXPECT_LE(lookups, kExpandWorkMax / 16 + 1) << "it ends at the bound instead of reading on";
}

TEST(Expand, NamesThatComeOutEmptyAreBoundedByTheirNumber) {
  size_t lookups = 0;
  const Expansion bomb = ExpandDoubling("", &lookups);
  EXPECT_TRUE(bomb.text.empty());
  EXPECT_EQ(bomb.problems.size(), 1u);
  EXPECT_LE(lookups, kExpandWorkMax / 16 + 1);
}

TEST(Expand, LongValuesManyTimesAreBoundedByTheirBytes) {
  const std::string longest(100'000, 'x');
  const Expansion expansion = ExpandParameters("$a$a$a$a", [&](std::string_view) { return std::optional(longest); });
  EXPECT_LE(expansion.text.size(), kExpandedBytesMax);
  EXPECT_EQ(expansion.problems.size(), 1u);
}

TEST(Expand, ReferencedNamesIncludeThoseInConditions) {
  EXPECT_EQ(ReferencedParameters("$a ${b?$c} ${d:{$e}} ${{$f}=={x}?{$g}:{$h}} $$i"),
            (std::vector<std::string>{"a", "b", "c", "d", "e", "f", "g", "h"}));
}

TEST(CompareLevels, ComparesNumbersNotText) {
  EXPECT_LT(*CompareLevels("3.9", "3.10"), 0);
  EXPECT_EQ(*CompareLevels("2", "2.0.0"), 0);
  EXPECT_GT(*CompareLevels("3", "2.9.9"), 0);
  EXPECT_FALSE(CompareLevels("", "1").has_value());
  EXPECT_FALSE(CompareLevels("1.", "1").has_value());
  EXPECT_FALSE(CompareLevels("1.2.3.4", "1").has_value());
}

}  // namespace
}  // namespace postern::config
