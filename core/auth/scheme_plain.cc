// PLAIN (CLEAR, CLEARTEXT) and PLAIN-TRUNC: the password itself.
#include "core/auth/scheme_families.h"
#include "core/base/hash.h"

namespace postern::auth {

StatusOr<bool> VerifyPlain(std::string_view password, std::string_view, std::string_view raw) {
  return EqualInConstantTime(password, raw);
}

StatusOr<std::string> GeneratePlain(std::string_view password, const GenerateOptions&, Entropy&) {
  return std::string(password);
}

// "LENGTH-password": the password, cut to LENGTH characters if it was longer. What is exactly LENGTH long may have been
// cut, so a longer password with this start is right too.
StatusOr<bool> VerifyPlainTrunc(std::string_view password, std::string_view, std::string_view raw) {
  size_t length = 0, at = 0;
  for (; at < raw.size() && raw[at] >= '0' && raw[at] <= '9' && at < 9; ++at) {
    length = length * 10 + static_cast<size_t>(raw[at] - '0');
  }
  if (at == raw.size() || raw[at] != '-') return InvalidArgument("PLAIN-TRUNC missing length: prefix");
  const std::string_view kept = raw.substr(at + 1);
  // Deviation: Dovecot takes any password where LENGTH is 0 and nothing is kept.
  if (kept.size() == length && length > 0 && password.size() >= length) {
    return EqualInConstantTime(password.substr(0, length), kept);
  }
  return EqualInConstantTime(password, kept);
}

// Without a length, as doveadm writes it; an administrator puts one before.
StatusOr<std::string> GeneratePlainTrunc(std::string_view password, const GenerateOptions&, Entropy&) {
  return std::string(password);
}

}  // namespace postern::auth
