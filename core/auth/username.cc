// auth_default_realm, auth_username_chars, auth_username_translation and auth_username_format, in Dovecot's order.
#include <string>

#include "core/auth/passdb.h"
#include "core/auth/sasl.h"
#include "core/config/variables.h"

namespace postern::auth {
namespace {

constexpr size_t kUserBytesMax = 1024;  // guess: longer than any address (RFC 5321 section 4.5.3.1: 64 + 1 + 255)

Status CheckCharacters(std::string_view user, std::string_view allowed, std::string_view login) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : user) {
    const auto byte = static_cast<uint8_t>(c);
    // Deviation: control characters never pass, also where auth_username_chars is empty: names end up in paths and
    // logs.
    if (byte >= 0x20 && byte != 0x7f && (allowed.empty() || allowed.find(c) != std::string_view::npos)) continue;
    return InvalidArgument(std::string("Username character disallowed by auth_username_chars: 0x") +
                           kDigits[byte >> 4] + kDigits[byte & 15] + " (username: " + Printable(login) + ")");
  }
  return OkStatus();
}

// auth_username_translation: pairs "from to", one after another.
void Translate(std::string_view pairs, std::string* user) {
  for (char& c : *user) {
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
      if (pairs[i] == c) {
        c = pairs[i + 1];
        break;
      }
    }
  }
}

}  // namespace

StatusOr<std::string> NormalizeUser(std::string_view login, const config::Auth& auth) {
  if (login.empty()) return InvalidArgument("Empty username");
  if (login.size() > kUserBytesMax) return InvalidArgument("Username is too long");
  std::string user(login);
  if (!auth.default_realm.empty() && user.find('@') == std::string::npos) user += "@" + auth.default_realm;
  POSTERN_RETURN_IF_ERROR(CheckCharacters(user, auth.username_chars, login));
  Translate(auth.username_translation, &user);
  if (!auth.username_format.empty()) {
    auto expanded = config::ExpandVariables(auth.username_format, {.user = user});
    if (!expanded.ok()) return expanded.status();
    user = *std::move(expanded);
  }
  if (user.empty()) return InvalidArgument("Empty username");
  return user;
}

}  // namespace postern::auth
