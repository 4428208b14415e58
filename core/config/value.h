// The small words of both configuration languages: white space, lists, yes and no, numbers with units.
// Pure functions on views; what they return lives as long as what they were given, unless it is a std::string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace postern::config {

// ASCII white space: blank, tab, CR, LF, vertical tab, form feed.
bool IsSpace(char c);
std::string_view Trim(std::string_view text);

// Postfix lists: elements between commas and white space; "{...}" holds an element with blanks together, its outer
// braces are removed. An unclosed brace takes the rest.
std::vector<std::string> SplitPostfixList(std::string_view text);
// Words between blanks and tabs (Dovecot's lists; also commas where `commas`).
std::vector<std::string> SplitWords(std::string_view text, bool commas = false);

// "yes" or "no", any case, and nothing else (Postfix).
std::optional<bool> ParsePostfixBool(std::string_view text);
// Dovecot: "yes"/"no" by first letter y or n, as its parser does; nullopt for anything else.
std::optional<bool> ParseDovecotBool(std::string_view text);
// Decimal digits with nothing after them, not negative.
std::optional<uint64_t> ParseUnsigned(std::string_view text);
std::optional<uint64_t> ParseOctal(std::string_view text);  // "0666"
// A Postfix time: "5d", "300s", "300" in units of `default_unit` (s m h d w).
std::optional<Duration> ParsePostfixTime(std::string_view text, char default_unit);
// A Dovecot time: "2 secs", "2s", "1 hours", "500 ms"; a bare number needs no unit only where it is 0 ("0").
std::optional<Duration> ParseDovecotTime(std::string_view text);
// A Dovecot size in bytes: "64 k", "10 M", "256", "1G", "5 B".
std::optional<uint64_t> ParseDovecotSize(std::string_view text);

// A path with "//" and "/./" folded and no slash at its end ("/" alone stays). ".." is kept as it is.
std::string NormalizePath(std::string_view path);
// The folder part of a path, without its last slash; "/" for a file in the root, "." without one.
std::string FolderOf(std::string_view path);
// `path` as seen from `folder`: itself where absolute.
std::string JoinPath(std::string_view folder, std::string_view path);

// How many single-character edits lie between two short names, at most `limit` + 1: for "did you mean".
uint32_t EditDistance(std::string_view a, std::string_view b, uint32_t limit);

}  // namespace postern::config
