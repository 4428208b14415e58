#include "core/queue/fact_line.h"

#include <algorithm>
#include <cstdint>

namespace postern::queue {

std::string Word(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  if (text.empty()) return "-";
  if (text == "-") return "+2D";
  std::string word;
  for (const char c : text) {
    if (c > 32 && c < 127 && c != '+' && c != '=') {
      word += c;
    } else {
      word += '+';
      word += kHex[static_cast<uint8_t>(c) >> 4];
      word += kHex[static_cast<uint8_t>(c) & 15];
    }
  }
  return word;
}

std::optional<std::string> Unword(std::string_view word) {
  if (word.empty()) return std::nullopt;
  if (word == "-") return "";
  std::string text;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '+') {
      text += word[i];
      continue;
    }
    uint8_t byte = 0;
    if (word.size() - i < 3 || !ParseNumber(word.substr(i + 1, 2), &byte, 16)) return std::nullopt;
    text += static_cast<char>(byte);
    i += 2;
  }
  return text;
}

std::string_view TakeField(std::string_view* line) {
  const size_t end = std::min(line->find(' '), line->size());
  const std::string_view field = line->substr(0, end);
  line->remove_prefix(end == line->size() ? end : end + 1);
  return field;
}

}  // namespace postern::queue
