#include "core/notice/text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "core/base/ascii.h"
#include "core/routing/address.h"

namespace postern::notice {
namespace {

constexpr std::string_view kIndent = "    ";

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The octets of the character that `text` begins with; 0 where it is not UTF-8.
size_t CharacterBytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return bytes <= text.size() && routing::IsUtf8(text.substr(0, bytes)) ? bytes : 0;
}

// `text` is one whole character.
uint32_t CodePoint(std::string_view text) {
  if (text.size() == 1) return static_cast<unsigned char>(text[0]);
  uint32_t point = static_cast<unsigned char>(text[0]) & (0xffu >> (text.size() + 1));
  for (const char c : text.substr(1)) point = point << 6 | (static_cast<unsigned char>(c) & 0x3fu);
  return point;
}

void AppendCodePoint(uint32_t point, std::string* out) {
  if (point < 0x80) {
    out->push_back(static_cast<char>(point));
    return;
  }
  const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  const uint32_t lead = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;
  out->push_back(static_cast<char>(lead | point >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out->push_back(static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3f)));
}

// RFC 6533 section 3, EmbeddedUnicodeChar.
void AppendEmbedded(uint32_t point, std::string* out) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, point, 16);
  out->append("\\x{");
  if (point < 0x10) out->push_back('0');
  for (const char* at = digits; at != end.ptr; ++at)
    out->push_back(*at >= 'a' ? static_cast<char>(*at - 'a' + 'A') : *at);
  out->push_back('}');
}

// `address`, valid UTF-8, in 7 bits. `embed_ascii`: also what QCHAR leaves out; not where it is embedded already.
std::string ToSevenBit(std::string_view address, bool embed_ascii) {
  constexpr std::string_view kNotQchar = " \\+=";
  std::string text;
  while (!address.empty()) {
    const size_t bytes = std::max<size_t>(CharacterBytes(address), 1);
    if (bytes > 1 || (embed_ascii && kNotQchar.find(address[0]) != std::string_view::npos)) {
      AppendEmbedded(CodePoint(address.substr(0, bytes)), &text);
    } else {
      text += address[0];
    }
    address.remove_prefix(bytes);
  }
  return text;
}

// Undoes EmbeddedUnicodeChar; nullopt where a backslash begins none, or one for what must not be shown.
std::optional<std::string> FromEmbedded(std::string_view text) {
  std::string address;
  while (!text.empty()) {
    const size_t backslash = std::min(text.find('\\'), text.size());
    address.append(text.substr(0, backslash));
    text.remove_prefix(backslash);
    if (text.empty()) break;
    const size_t close = text.find('}');
    if (!text.starts_with("\\x{") || close == std::string_view::npos || close < 5 || close > 9) return std::nullopt;
    uint32_t point = 0;
    const auto parsed = std::from_chars(text.data() + 3, text.data() + close, point, 16);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + close) return std::nullopt;
    if (point < 0x20 || point == 0x7f || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return std::nullopt;
    AppendCodePoint(point, &address);
    text.remove_prefix(close + 1);
  }
  return address;
}

// Where the next line of `text` ends: at the last blank within `room`, else behind its first word.
size_t LineEnd(std::string_view text, size_t room) {
  if (text.size() <= room) return text.size();
  size_t end = room;
  while (end > 0 && !IsBlank(text[end])) --end;
  if (end == 0) end = std::min(text.find_first_of(" \t", room), text.size());
  if (end <= kWordBytesMax) return end;
  end = kWordBytesMax;
  while (end > kWordBytesMax - 4 && IsContinuation(text[end])) --end;
  return end;
}

}  // namespace

bool IsAscii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

std::string Told(std::string_view text, Repertoire repertoire) {
  std::string told;
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    const bool line_end = text[0] == '\r' || text[0] == '\n';
    const bool shown =
        bytes == 1 ? !IsControl(text[0]) || IsBlank(text[0]) : bytes > 1 && repertoire == Repertoire::kUtf8;
    if (told.size() + std::max<size_t>(bytes, 1) > kToldBytesMax) break;
    if (line_end) {
      if (!told.empty() && told.back() != ' ') told += ' ';
    } else if (shown) {
      told.append(text.substr(0, bytes));
    } else {
      told += '?';
    }
    text.remove_prefix(shown ? bytes : 1);
  }
  return told;
}

void AppendFolded(std::string_view text, std::string* out, FoldForm form) {
  for (bool first = true; first || !text.empty(); first = false) {
    const size_t end = LineEnd(text, first ? form.line_bytes_max : form.line_bytes_max - kIndent.size());
    std::string_view line = text.substr(0, end);
    while (!line.empty() && IsBlank(line.back())) line.remove_suffix(1);
    out->append(form.margin);
    if (!first) out->append(kIndent);
    out->append(line).push_back('\n');
    text.remove_prefix(end);
    while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  }
}

std::string TypedAddress(std::string_view quoted, Repertoire repertoire) {
  if (IsAscii(quoted) || !routing::IsUtf8(quoted)) return "rfc822; " + Told(quoted, Repertoire::kAscii);
  if (repertoire == Repertoire::kUtf8) return "utf-8; " + Told(quoted, repertoire);
  return "utf-8; " + Told(ToSevenBit(quoted, true), repertoire);
}

std::string OriginalRecipient(std::string_view orcpt, Repertoire repertoire) {
  const size_t semicolon = std::min(orcpt.find(';'), orcpt.size());
  const std::string_view type = orcpt.substr(0, semicolon);
  std::string_view address = orcpt.substr(std::min(semicolon + 1, orcpt.size()));
  while (!address.empty() && IsBlank(address.front())) address.remove_prefix(1);
  const bool utf8_type = EqualsIgnoringCase(type, "utf-8");
  const bool typed = utf8_type || EqualsIgnoringCase(type, "rfc822");
  if (!typed || (!utf8_type && IsAscii(address)) || !routing::IsUtf8(address)) return Told(orcpt, repertoire);
  std::string value;
  if (repertoire == Repertoire::kUtf8) {
    value = utf8_type ? FromEmbedded(address).value_or(std::string(address)) : std::string(address);
  } else {
    value = ToSevenBit(address, !utf8_type);
  }
  return Told("utf-8;" + value, repertoire);
}

}  // namespace postern::notice
