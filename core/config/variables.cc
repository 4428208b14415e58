// The expansion follows Dovecot 2.3.19, seen running: width and offset cut ("%3.1n", "%-3.2n" from the end), a leading
// zero pads, and the hashes H and N take the width as their modulus and the offset as their number of digits.
#include "core/config/variables.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "core/base/ascii.h"
#include "core/base/hash.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr size_t kVariableBytesMax = 64 * 1024;  // an expanded value; a login is far shorter

struct Format {
  bool from_end = false;  // a negative offset
  bool zero_pad = false;
  uint32_t offset = 0, width = 0;
};

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

// H and N: the number, below the width where one is given, in hexadecimal with as many digits as the offset says.
std::string FormatHash(uint64_t value, Format* format) {
  if (format->width != 0) value %= format->width;
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value & 0xffffffff, 16).ptr;
  std::string out(text, end);
  if (out.size() < format->offset) out.insert(0, std::min<size_t>(format->offset, 16) - out.size(), '0');
  *format = Format();
  return out;
}

uint32_t OldHash(std::string_view text) {
  uint32_t hash = 0;
  for (const char c : text) {
    hash = (hash << 4) + static_cast<uint32_t>(static_cast<int8_t>(c));
    if (const uint32_t high = hash & 0xf0000000) hash = (hash ^ (high >> 24)) ^ high;
  }
  return hash;
}

uint64_t NewHash(std::string_view text) {
  const std::string digest = Digest(HashKind::kMd5, text);
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(digest[i]);
  return value;
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string DomainComponents(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '.') {
      out += ",dc=";
    } else {
      out += c;
    }
  }
  return out;
}

// nullopt: no such modifier.
std::optional<std::string> Modify(char modifier, std::string value, Format* format) {
  switch (modifier) {
    case 'L':
      return LowerCase(value);
    case 'U':
      return UpperCase(value);
    case 'E':
      return Escape(value);
    case 'X': {
      uint64_t number = 0;
      std::from_chars(value.data(), value.data() + value.size(), number);  // what is no number counts as 0
      char text[24];
      return std::string(text, std::to_chars(text, text + sizeof text, number, 16).ptr);
    }
    case 'R':
      return std::string(value.rbegin(), value.rend());
    case 'H':
      return FormatHash(OldHash(value), format);
    case 'N':
      return FormatHash(NewHash(value), format);
    case 'M':
      return Hex(Digest(HashKind::kMd5, value));
    case 'D':
      return DomainComponents(value);
    case 'T':
      while (!value.empty() && IsSpace(value.back())) value.pop_back();
      return value;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> OneLetter(char letter, const Variables& values) {
  switch (letter) {
    case 'u':
      return std::string(values.user);
    case 'n':
      return std::string(UserName(values.user));
    case 'd':
      return std::string(UserDomain(values.user));
    case 's':
      return std::string(values.service);
    case 'h':
      return std::string(values.home);
    case 'r':
      return std::string(values.remote_ip);
    case 'l':
      return std::string(values.local_ip);
    case 'p':
      return std::to_string(values.pid);
    case 'm':
      return std::string(values.mechanism);
    case 'w':
      return std::string();  // the password: never given out
    default:
      return std::nullopt;
  }
}

std::optional<std::string> LongName(std::string_view name, const Variables& values) {
  if (name.size() == 1) return OneLetter(name[0], values);
  if (name == "user" || name == "auth_user" || name == "orig_user" || name == "login_user") {
    return std::string(values.user);
  }
  if (name == "username" || name == "auth_username" || name == "orig_username" || name == "login_username") {
    return std::string(UserName(values.user));
  }
  if (name == "domain" || name == "auth_domain" || name == "orig_domain" || name == "login_domain") {
    return std::string(UserDomain(values.user));
  }
  if (name == "domain_first") {
    const size_t at = values.user.find('@');
    if (at == std::string_view::npos) return std::string();
    return std::string(values.user.substr(at + 1, values.user.find('@', at + 1) - at - 1));
  }
  if (name == "domain_last") {
    const size_t at = values.user.rfind('@');
    return at == std::string_view::npos ? std::string() : std::string(values.user.substr(at + 1));
  }
  if (name == "service") return std::string(values.service);
  if (name == "home") return std::string(values.home);
  if (name == "rip" || name == "real_rip") return std::string(values.remote_ip);
  if (name == "lip" || name == "real_lip") return std::string(values.local_ip);
  if (name == "pid") return std::to_string(values.pid);
  if (name == "session") return std::string(values.session);
  if (name == "mech") return std::string(values.mechanism);
  if (name == "password_scheme") return std::string(values.password_scheme);
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  static constexpr std::pair<std::string_view, HashKind> kHashes[] = {{"md4", HashKind::kMd4},
                                                                      {"md5", HashKind::kMd5},
                                                                      {"sha1", HashKind::kSha1},
                                                                      {"sha256", HashKind::kSha256},
                                                                      {"sha512", HashKind::kSha512}};
  for (const auto& [hash, kind] : kHashes) {
    if (name.substr(0, colon) != hash || name.substr(colon + 1).find(':') != std::string_view::npos) continue;
    const auto value = LongName(name.substr(colon + 1), values);
    return value ? std::optional(Hex(Digest(kind, *value))) : std::nullopt;
  }
  return std::nullopt;
}

std::string Cut(std::string value, const Format& format) {
  if (format.from_end) {
    if (value.size() > format.offset && format.offset > 0) value.erase(0, value.size() - format.offset);
  } else if (format.offset > 0) {
    value.erase(0, std::min<size_t>(format.offset, value.size()));
  }
  if (format.zero_pad) {
    if (value.size() < format.width) value.insert(0, std::min(format.width, 1024u) - value.size(), '0');
  } else if (format.width > 0 && value.size() > format.width) {
    value.resize(format.width);
  }
  return value;
}

uint32_t TakeNumber(std::string_view text, size_t* at) {
  uint32_t number = 0;
  for (; *at < text.size() && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
    number = std::min(number * 10 + static_cast<uint32_t>(text[*at] - '0'), 100'000u);
  }
  return number;
}

Format TakeFormat(std::string_view text, size_t* at) {
  Format format;
  const bool negative = *at < text.size() && text[*at] == '-';
  if (negative) ++*at;
  format.zero_pad = *at < text.size() && text[*at] == '0';
  format.width = TakeNumber(text, at);
  if (*at < text.size() && text[*at] == '.') {
    ++*at;
    format.offset = format.width;
    format.zero_pad = false;
    format.from_end = negative;
    format.width = TakeNumber(text, at);
  }
  return format;
}

}  // namespace

std::string_view UserName(std::string_view user) { return user.substr(0, user.find('@')); }

std::string_view UserDomain(std::string_view user) {
  const size_t at = user.find('@');
  return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

StatusOr<std::string> ExpandVariables(std::string_view text, const Variables& values) {
  return ExpandVariablesWith(text, [&](std::string_view name) { return LongName(name, values); });
}

StatusOr<std::string> ExpandVariablesWith(std::string_view text, const VariableLookup& lookup) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      const size_t next = std::min(text.find('%', at), text.size());
      out += text.substr(at, next - at);
      at = next;
      continue;
    }
    const size_t start = at++;
    Format format = TakeFormat(text, &at);
    std::string modifiers;
    while (at < text.size() && std::string_view("LUEXRHNMDT").find(text[at]) != std::string_view::npos) {
      modifiers += text[at++];
    }
    std::optional<std::string> value;
    if (at < text.size() && text[at] == '%') {
      value = "%";
      ++at;
    } else if (at < text.size() && text[at] == '{') {
      const size_t end = text.find('}', at);
      if (end != std::string_view::npos) value = lookup(text.substr(at + 1, end - at - 1));
      at = end == std::string_view::npos ? text.size() : end + 1;
    } else if (at < text.size()) {
      value = lookup(text.substr(at++, 1));
    }
    if (!value) return InvalidArgument("unknown variable " + std::string(text.substr(start, at - start)));
    for (const char modifier : modifiers) value = Modify(modifier, std::move(*value), &format);
    out += Cut(std::move(*value), format);
    if (out.size() > kVariableBytesMax) return InvalidArgument("the expanded value is too long");
  }
  return out;
}

}  // namespace postern::config
