// Postfix's $name language (postconf(5)): lazy, recursive, at the moment of use.
//
//   $name $(name) ${name}          the value, expanded in turn; nothing for an unknown name
//   ${name?text} ${name:text}      text where the value is not empty; is empty (else nothing)
//   ${name?{a}:{b}}                a or b
//   ${{x} op {y}?{a}:{b}}          op: == != < <= > >=, numbers as numbers; "<level" and friends compare
//                                  compatibility levels (major.minor.patch); without ? or : it is "true" or nothing
//   $$                             one dollar
//
// Bounds: nesting of kExpandDepthMax, output of kExpandedBytesMax, work of kExpandWorkMax. Beyond one of them expansion
// ends at once, the value is cut and one problem is reported: parameters that name each other many times ("billion
// laughs") cost milliseconds and no memory. Names that refer to themselves are a problem, too.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

inline constexpr size_t kExpandDepthMax = 50;
inline constexpr size_t kExpandedBytesMax = 256 * 1024;  // of the value and of all texts on the way to it together
inline constexpr size_t kExpandWorkMax = 1024 * 1024;    // bytes read, and a few for each reference

// The unexpanded value of a parameter; nullopt where there is no such parameter.
using ParameterLookup = std::function<std::optional<std::string>(std::string_view name)>;

struct Expansion {
  std::string text;
  std::vector<std::string> problems;   // syntax errors, loops and what grows too large: Postfix would stop
  std::vector<std::string> undefined;  // names that nothing defines, once each
};

Expansion ExpandParameters(std::string_view text, const ParameterLookup& lookup);

// The names `text` refers to, also inside conditional parts, without expanding: for "who uses this parameter".
std::vector<std::string> ReferencedParameters(std::string_view text);

// "3.6" against "3.10.1": negative, zero, positive as the first is the lower; nullopt where one is no level.
std::optional<int> CompareLevels(std::string_view a, std::string_view b);

}  // namespace postern::config
