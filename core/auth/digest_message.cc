#include "core/auth/digest_message.h"

#include <algorithm>

#include "core/auth/credentials.h"
#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

constexpr size_t kDirectivesMax = 64;  // guess: RFC 2831 knows 13, and realm may be repeated

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void SkipSpace(std::string_view* rest) {
  while (!rest->empty() && IsSpace(rest->front())) rest->remove_prefix(1);
}

// RFC 2616 section 2.2 token.
bool IsTokenByte(char c) {
  return c > 0x20 && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
}

std::optional<std::string> TakeToken(std::string_view* rest) {
  size_t size = 0;
  while (size < rest->size() && IsTokenByte((*rest)[size])) ++size;
  if (size == 0) return std::nullopt;
  std::string token(rest->substr(0, size));
  rest->remove_prefix(size);
  return token;
}

std::optional<std::string> TakeQuoted(std::string_view* rest) {
  std::string text;
  for (size_t i = 1; i < rest->size(); ++i) {
    char c = (*rest)[i];
    if (c == '"') {
      rest->remove_prefix(i + 1);
      return text;
    }
    if (c == '\\') {
      if (++i == rest->size()) return std::nullopt;
      c = (*rest)[i];
    }
    if (c == '\0') return std::nullopt;
    text += c;
  }
  return std::nullopt;
}

std::string HexMd5(std::initializer_list<std::string_view> parts) { return EncodeHex(Digest(HashKind::kMd5, parts)); }

}  // namespace

std::optional<DigestDirectives> ParseDigestDirectives(std::string_view message) {
  DigestDirectives directives;
  bool separated = true;
  for (;;) {
    SkipSpace(&message);
    if (message.empty()) return directives;
    if (message.front() == ',') {  // empty elements are allowed
      message.remove_prefix(1);
      separated = true;
      continue;
    }
    if (!separated || directives.size() == kDirectivesMax) return std::nullopt;
    separated = false;
    auto name = TakeToken(&message);
    SkipSpace(&message);
    if (!name || message.empty() || message.front() != '=') return std::nullopt;
    message.remove_prefix(1);
    SkipSpace(&message);
    auto value = !message.empty() && message.front() == '"' ? TakeQuoted(&message) : TakeToken(&message);
    if (!value) return std::nullopt;
    directives.emplace_back(LowerCase(*name), *std::move(value));
  }
}

const std::string* FindDirective(const DigestDirectives& directives, std::string_view name, bool* repeated) {
  const std::string* found = nullptr;
  for (const auto& [directive, value] : directives) {
    if (directive != name) continue;
    if (found != nullptr && repeated != nullptr) *repeated = true;
    if (found == nullptr) found = &value;
  }
  return found;
}

std::string QuotedDirective(std::string_view name, std::string_view value) {
  std::string text(name);
  text += "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text += '"';
}

std::string DigestResponse(std::string_view credentials, const DigestFacts& facts, bool from_server) {
  // RFC 2831 section 2.1.2.1: A1 with the authorization identity only where there is one.
  std::string a1(credentials);
  a1 += ":" + facts.nonce + ":" + facts.cnonce;
  if (!facts.authorization_id.empty()) a1 += ":" + facts.authorization_id;
  const std::string ha1 = HexMd5({a1});
  const std::string ha2 = HexMd5({from_server ? ":" : "AUTHENTICATE:", facts.digest_uri});
  return HexMd5({ha1, ":", facts.nonce, ":", facts.nonce_count, ":", facts.cnonce, ":auth:", ha2});
}

std::optional<std::string> ToLatin1(std::string_view utf8) {
  std::string out;
  bool changed = false;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<uint8_t>(utf8[i]);
    if (lead < 0x80) {
      out += utf8[i];
      continue;
    }
    // C2 and C3 lead the characters U+0080 to U+00FF.
    if ((lead != 0xc2 && lead != 0xc3) || i + 1 == utf8.size()) return std::nullopt;
    const auto trail = static_cast<uint8_t>(utf8[++i]);
    if (trail < 0x80 || trail > 0xbf) return std::nullopt;
    out += static_cast<char>((lead & 3) << 6 | (trail & 0x3f));
    changed = true;
  }
  return changed ? std::optional<std::string>(std::move(out)) : std::nullopt;
}

std::string DigestCredentialsFromUtf8(std::string_view user, std::string_view realm, std::string_view password) {
  const auto latin1 = [](std::string_view text) { return ToLatin1(text).value_or(std::string(text)); };
  return DigestMd5Credentials(latin1(user), latin1(realm), latin1(password));
}

}  // namespace postern::auth
