#include "core/routing/address.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/base/ip.h"

namespace postern::routing {
namespace {

constexpr size_t kLabelBytesMax = 63;    // RFC 1035 section 2.3.4
constexpr size_t kDomainBytesMax = 255;  // RFC 5321 section 4.5.3.1.2

bool IsSpace(char c) { return c == ' ' || c == '\t'; }
bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
// What can't stand in a local part outside quotes; '@' is looked at by its place.
bool IsSpecial(char c) {
  return IsSpace(c) || IsControl(c) || c == '<' || c == '>' || c == '(' || c == ')' || c == ',' || c == ';' || c == '"';
}
bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
// RFC 5322 section 3.2.3: what a dot-atom is made of.
bool IsAtomText(char c) {
  return IsAlnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// The length of `text` up to the first of `stops` outside quotes; npos where quotes stay open.
size_t Extent(std::string_view text, std::string_view stops) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (++i == text.size()) return std::string_view::npos;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && stops.find(text[i]) != std::string_view::npos) {
      return i;
    }
  }
  return quoted ? std::string_view::npos : text.size();
}

// The position of the last '@' outside quotes.
size_t LastAt(std::string_view text) {
  size_t found = std::string_view::npos;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '@' && !quoted)
      found = i;
  }
  return found;
}

// RFC 5321 section 4.1.2: Local-part, its quotes and backslashes undone; dots may stand anywhere (Postfix).
std::optional<std::string> ParseLocalPart(std::string_view text) {
  std::string local;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      quoted = !quoted;
      continue;
    }
    if (c == '\\') {
      if (++i == text.size()) return std::nullopt;
      c = text[i];
    } else if (!quoted && IsSpecial(c)) {
      return std::nullopt;
    }
    if (IsControl(c)) return std::nullopt;
    local += c;
  }
  if (quoted) return std::nullopt;
  return local;
}

bool IsDotAtom(std::string_view local) {
  if (local.empty() || local.front() == '.' || local.back() == '.') return false;
  for (size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '.' ? local[i - 1] == '.' : !IsAtomText(local[i])) return false;
  }
  return true;
}

}  // namespace

std::string Mailbox::Key() const { return domain.empty() ? local : local + "@" + domain; }

std::string Mailbox::Quoted() const {
  std::string text;
  if (IsDotAtom(local)) {
    text = local;
  } else {
    text = "\"";
    for (const char c : local) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  if (!domain.empty()) text += "@" + domain;
  return text;
}

std::optional<EnvelopePath> TakePath(std::string_view* text, PathForm form) {
  while (!text->empty() && IsSpace(text->front())) text->remove_prefix(1);
  std::string_view inner;
  if (!text->empty() && text->front() == '<') {
    const size_t end = Extent(text->substr(1), ">");
    if (end == std::string_view::npos || end + 1 >= text->size()) return std::nullopt;
    inner = text->substr(1, end);
    text->remove_prefix(end + 2);
    if (!text->empty() && !IsSpace(text->front())) return std::nullopt;
  } else {
    if (form == PathForm::kStrict || text->empty()) return std::nullopt;
    const size_t end = Extent(*text, " \t");
    if (end == std::string_view::npos) return std::nullopt;
    inner = text->substr(0, end);
    text->remove_prefix(end);
  }
  inner = Trim(inner);
  EnvelopePath path;
  if (inner.empty()) {
    path.null = true;
    return path;
  }
  // RFC 5321 section 4.1.1.3: source routes are accepted and ignored.
  if (inner.front() == '@') {
    const size_t colon = inner.rfind(':');
    const size_t literal = inner.rfind('[');
    const size_t route_end = literal != std::string_view::npos && colon != std::string_view::npos && colon > literal
                                 ? inner.rfind(':', literal)
                                 : colon;
    if (route_end != std::string_view::npos) {
      inner = Trim(inner.substr(route_end + 1));
      path.source_routed = true;
    }
  }
  auto mailbox = ParseMailbox(inner);
  if (!mailbox) return std::nullopt;
  path.mailbox = *std::move(mailbox);
  path.internationalized =
      std::any_of(inner.begin(), inner.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (path.internationalized && !IsUtf8(inner)) return std::nullopt;  // RFC 6531 section 3.3
  return path;
}

std::optional<Mailbox> ParseMailbox(std::string_view text) {
  if (text.empty() || text.size() > kAddressBytesMax) return std::nullopt;
  Mailbox mailbox;
  const size_t at = LastAt(text);
  std::string_view local = text;
  if (at != std::string_view::npos) {
    local = text.substr(0, at);
    std::string_view domain = Trim(text.substr(at + 1));
    if (IsAddressLiteral(domain)) {
      mailbox.domain = domain;
    } else {
      if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
      if (!IsHostName(domain)) return std::nullopt;
      mailbox.domain = domain;
    }
  }
  auto parsed = ParseLocalPart(Trim(local));
  if (!parsed || (parsed->empty() && local.find('"') == std::string_view::npos)) return std::nullopt;
  mailbox.local = *std::move(parsed);
  return mailbox;
}

bool IsHostName(std::string_view name) {
  if (name.empty() || name.size() > kDomainBytesMax) return false;
  size_t label_bytes = 0;
  bool only_digits = true;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '.') {
      if (label_bytes == 0 || name[i - 1] == '-') return false;
      label_bytes = 0;
      continue;
    }
    if (c == '-' ? label_bytes == 0 : !(IsAlnum(c) || c == '_')) return false;
    if (c < '0' || c > '9') only_digits = false;
    if (++label_bytes > kLabelBytesMax) return false;
  }
  return label_bytes > 0 && name.back() != '-' && !only_digits;
}

bool IsAddressLiteral(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  constexpr std::string_view kIpv6 = "IPv6:";  // RFC 5321 section 4.1.3
  if (inner.size() > kIpv6.size() && EqualsIgnoringCase(inner.substr(0, kIpv6.size()), kIpv6)) {
    const auto address = IpAddress::Parse(inner.substr(kIpv6.size()));
    return address && address->v6;
  }
  const auto address = IpAddress::Parse(inner);
  return address && !address->v6;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80                   ? 1
                          : lead >= 0xc2 && lead < 0xe0 ? 2
                          : lead >= 0xe0 && lead < 0xf0 ? 3
                          : lead >= 0xf0 && lead < 0xf5 ? 4
                                                        : 0;
    if (length == 0 || length > text.size() - i) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    if (length == 3) {  // RFC 3629 section 3: no overlong forms, no surrogates
      const auto second = static_cast<unsigned char>(text[i + 1]);
      if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0)) return false;
    } else if (length == 4) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90)) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace postern::routing
