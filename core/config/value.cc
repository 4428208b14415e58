#include "core/config/value.h"

#include <algorithm>
#include <charconv>

#include "core/base/ascii.h"

namespace postern::config {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> SplitPostfixList(std::string_view text) {
  const auto separates = [](char c) { return c == ',' || IsSpace(c); };
  std::vector<std::string> elements;
  size_t at = 0;
  while (at < text.size()) {
    if (separates(text[at])) {
      ++at;
      continue;
    }
    const size_t start = at;
    int depth = 0;
    for (; at < text.size() && (depth > 0 || !separates(text[at])); ++at) {
      if (text[at] == '{') ++depth;
      if (text[at] == '}' && depth > 0) --depth;
    }
    std::string_view element = text.substr(start, at - start);
    if (element.front() == '{') {
      element.remove_prefix(1);
      if (!element.empty() && element.back() == '}') element.remove_suffix(1);
      element = Trim(element);
      if (element.empty()) continue;
    }
    elements.emplace_back(element);
  }
  return elements;
}

std::vector<std::string> SplitWords(std::string_view text, bool commas) {
  std::vector<std::string> words;
  size_t at = 0;
  const auto separates = [commas](char c) { return IsSpace(c) || (commas && c == ','); };
  while (at < text.size()) {
    if (separates(text[at])) {
      ++at;
      continue;
    }
    const size_t start = at;
    while (at < text.size() && !separates(text[at])) ++at;
    words.emplace_back(text.substr(start, at - start));
  }
  return words;
}

std::optional<bool> ParsePostfixBool(std::string_view text) {
  if (EqualsIgnoringCase(text, "yes")) return true;
  if (EqualsIgnoringCase(text, "no")) return false;
  return std::nullopt;
}

std::optional<bool> ParseDovecotBool(std::string_view text) {
  if (text == "0" || EqualsIgnoringCase(text, "n") || EqualsIgnoringCase(text, "no")) return false;
  if (text == "1" || EqualsIgnoringCase(text, "y") || EqualsIgnoringCase(text, "yes")) return true;
  return std::nullopt;
}

std::optional<uint64_t> ParseUnsigned(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<uint64_t> ParseOctal(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<Duration> ParsePostfixTime(std::string_view text, char default_unit) {
  text = Trim(text);
  if (text.empty()) return std::nullopt;
  char unit = default_unit;
  if (text.back() < '0' || text.back() > '9') {
    unit = text.back() >= 'A' && text.back() <= 'Z' ? static_cast<char>(text.back() + 32) : text.back();
    text.remove_suffix(1);
  }
  const auto number = ParseUnsigned(text);
  if (!number || *number > 1'000'000'000) return std::nullopt;
  int64_t seconds = 0;
  switch (unit) {
    case 's':
      seconds = 1;
      break;
    case 'm':
      seconds = 60;
      break;
    case 'h':
      seconds = 3600;
      break;
    case 'd':
      seconds = 86400;
      break;
    case 'w':
      seconds = 7 * 86400;
      break;
    default:
      return std::nullopt;
  }
  if (static_cast<int64_t>(*number) > 4'000'000'000 / seconds) return std::nullopt;  // more than a century
  return Seconds(static_cast<int64_t>(*number) * seconds);
}

std::optional<Duration> ParseDovecotTime(std::string_view text) {
  text = Trim(text);
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto number = ParseUnsigned(text.substr(0, digits));
  if (!number || *number > 4'000'000'000) return std::nullopt;
  const std::string unit = LowerCase(Trim(text.substr(digits)));
  if (unit.empty()) return *number == 0 ? std::optional(Seconds(0)) : std::nullopt;
  const auto is_unit = [&unit](std::string_view name, size_t shortest) {
    return unit.size() >= shortest &&
           (unit.size() <= name.size() ? name.substr(0, unit.size()) == unit : unit == std::string(name) + "s");
  };
  const int64_t n = static_cast<int64_t>(*number);
  if (is_unit("msecs", 2) || is_unit("milliseconds", 4)) return Milliseconds(n);
  if (is_unit("seconds", 1) || unit == "secs") return Seconds(n);
  if (is_unit("minutes", 1) || unit == "mins") return Seconds(n * 60);
  if (is_unit("hours", 1)) return n > 1'000'000 ? std::nullopt : std::optional(Seconds(n * 3600));
  if (is_unit("days", 1)) return n > 50'000 ? std::nullopt : std::optional(Seconds(n * 86400));
  if (is_unit("weeks", 1)) return n > 10'000 ? std::nullopt : std::optional(Seconds(n * 7 * 86400));
  return std::nullopt;
}

std::optional<uint64_t> ParseDovecotSize(std::string_view text) {
  text = Trim(text);
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto number = ParseUnsigned(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string unit = UpperCase(Trim(text.substr(digits)));
  uint32_t shift = 0;
  if (unit.empty() || unit == "B") {
    shift = 0;
  } else if (unit == "K" || unit == "KB" || unit == "KI") {
    shift = 10;
  } else if (unit == "M" || unit == "MB" || unit == "MI") {
    shift = 20;
  } else if (unit == "G" || unit == "GB" || unit == "GI") {
    shift = 30;
  } else if (unit == "T" || unit == "TB" || unit == "TI") {
    shift = 40;
  } else {
    return std::nullopt;
  }
  if (*number > (UINT64_MAX >> shift)) return std::nullopt;
  return *number << shift;
}

std::string NormalizePath(std::string_view path) {
  std::string out;
  size_t at = 0;
  while (at < path.size()) {
    if (path[at] == '/') {
      if (out.empty() || out.back() != '/') out += '/';
      ++at;
      continue;
    }
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part != "." || out.empty()) out += part;
    at = end;
  }
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

std::string FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string JoinPath(std::string_view folder, std::string_view path) {
  if (!path.empty() && path.front() == '/') return std::string(path);
  std::string out(folder);
  if (out.empty() || out.back() != '/') out += '/';
  out += path;
  return out;
}

uint32_t EditDistance(std::string_view a, std::string_view b, uint32_t limit) {
  const size_t difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (difference > limit || a.size() > 128 || b.size() > 128) return limit + 1;
  std::vector<uint32_t> row(b.size() + 1), next(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<uint32_t>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = static_cast<uint32_t>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const uint32_t replaced = row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, replaced});
    }
    row.swap(next);
  }
  return std::min(row[b.size()], limit + 1);
}

}  // namespace postern::config
