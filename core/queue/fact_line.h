// Pieces of the spool's text files: facts of one line each, their fields parted by single blanks, texts as one word.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace postern::queue {

// A text as one word, as xtext (RFC 3461 section 4): what is not printable ASCII, '+' and '=' as "+XX"; "-" for the
// empty one ("+2D" for a dash alone), so that every word is at least a byte long.
std::string Word(std::string_view text);
// nullopt where it is none.
std::optional<std::string> Unword(std::string_view word);

// Takes what stands before the first blank, and the blank.
std::string_view TakeField(std::string_view* line);

// All of `text` or false; neither sign nor blanks around it.
template <class N>
bool ParseNumber(std::string_view text, N* number, int base = 10) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *number, base);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace postern::queue
