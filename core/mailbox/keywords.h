// dovecot-keywords: the names behind the letters 'a'..'z' of file names, one a line: "<index> <name>".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::mailbox {

// Index -> name; an index without a line has an empty name (its letter is kept, its name unknown).
std::vector<std::string> ParseKeywords(std::string_view text);
// Only the first 26 have a place in the file.
std::string FormatKeywords(const std::vector<std::string>& names);
// The index of `name`, whatever its case; -1: none.
int FindKeyword(const std::vector<std::string>& names, std::string_view name);

}  // namespace postern::mailbox
