// The right-hand side of an alias (aliases(5)), taken apart: addresses, commands, files, lists of more of them.
//
//   value    = element *( "," element )           also ";", and an end of line in a list's file
//   element  = "|command" | "/file" | ":include:/file" | phrase "<" address ">" | name ":" element   (a group, RFC
//   5322)
//            | address *( blank address )
//
// Double quotes make one word of what they hold; a backslash takes its meaning from the next character; "(comments)"
// are nothing. Views in, owned texts out. Linear, no recursion; a quote that is never closed reaches to the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

struct AliasTarget {
  enum class Kind : uint8_t { kAddress, kCommand, kFile, kInclude } kind = Kind::kAddress;
  // kAddress: as routing::ParseMailbox takes it; kCommand: without '|'; kFile and kInclude: the path, as written.
  std::string text;
  bool operator==(const AliasTarget&) const = default;
};

std::vector<AliasTarget> ParseAliasTargets(std::string_view value);

// A list that :include: names: lines as in aliases(5), with comments and continuation lines, each a right-hand side.
std::vector<AliasTarget> ParseAliasList(std::string_view text);

}  // namespace postern::config
