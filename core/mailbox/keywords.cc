#include "core/mailbox/keywords.h"

#include <charconv>

#include "core/base/ascii.h"
#include "core/mailbox/flags.h"

namespace postern::mailbox {

std::vector<std::string> ParseKeywords(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    unsigned index = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), index);
    const auto digits = static_cast<size_t>(end - line.data());
    if (error != std::errc() || index >= 26 || digits + 1 >= line.size() || line[digits] != ' ') continue;
    if (names.size() <= index) names.resize(index + 1);
    names[index] = line.substr(digits + 1);
  }
  return names;
}

std::string FormatKeywords(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 26; ++i) {
    if (!names[i].empty()) text += std::to_string(i) + " " + names[i] + "\n";
  }
  return text;
}

int FindKeyword(const std::vector<std::string>& names, std::string_view name) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (EqualsIgnoringCase(names[i], name)) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace postern::mailbox
