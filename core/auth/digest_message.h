// The messages of DIGEST-MD5 (RFC 2831 section 2.1), for both sides, and the digests over them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/status.h"

namespace postern::auth {

// directive=value pairs in order, quoted values decoded, names in lower case.
using DigestDirectives = std::vector<std::pair<std::string, std::string>>;

// RFC 2831 section 7.1: #( directive ), with white space allowed around commas. nullopt: broken, or more than 64.
std::optional<DigestDirectives> ParseDigestDirectives(std::string_view message);
// The value of `name`; null: absent. `*repeated`: it is there more than once.
const std::string* FindDirective(const DigestDirectives& directives, std::string_view name, bool* repeated = nullptr);
// name="value" with what needs it escaped.
std::string QuotedDirective(std::string_view name, std::string_view value);

// What both sides compute from.
struct DigestFacts {
  std::string nonce, cnonce, nonce_count = "00000001", digest_uri, authorization_id;
};
// response-value (section 2.1.2.1) in hexadecimal. `credentials`: MD5(user:realm:password), 16 bytes.
// `from_server`: the response-auth that the server proves itself with (section 2.1.3).
std::string DigestResponse(std::string_view credentials, const DigestFacts& facts, bool from_server);

// RFC 2831 section 2.1.2.1: what is hashed is ISO 8859-1 where every character has one, else the UTF-8 it is. nullopt:
// no conversion to be done.
std::optional<std::string> ToLatin1(std::string_view utf8);
// MD5(user:realm:password) the way RFC 2831 wants non-ASCII text hashed.
std::string DigestCredentialsFromUtf8(std::string_view user, std::string_view realm, std::string_view password);

}  // namespace postern::auth
