#include "cmd/pw.h"

#include <istream>
#include <ostream>
#include <string_view>

#include "core/auth/sasl.h"
#include "core/auth/scheme.h"

namespace postern {
namespace {

constexpr int kFailed = 75;  // doveadm's

int Fatal(std::ostream& err, std::string_view message) {
  err << "Fatal: " << message << '\n';
  return kFailed;
}

std::optional<std::string> ReadPassword(std::istream& in) {
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// Twice, until both are the same. nullopt: the input ended.
// Deviation: doveadm then hashes the empty password.
std::optional<std::string> ReadNewPassword(std::istream& in, std::ostream& err) {
  for (;;) {
    auto password = ReadPassword(in);
    const auto again = password ? ReadPassword(in) : std::nullopt;
    if (!again) return std::nullopt;
    if (*password == *again) return password;
    err << "Error: Passwords don't match!\n";
  }
}

int List(std::ostream& out) {
  for (const auth::Scheme& scheme : auth::AllSchemes()) out << scheme.name << ' ';
  out << '\n';
  return 0;
}

int Test(std::string_view hash, std::string_view password, std::string_view user, std::ostream& out,
         std::ostream& err) {
  const auth::StoredParts parts = auth::SplitStored(hash);
  if (parts.scheme_name.empty() && !hash.starts_with("{}")) return Fatal(err, "Missing {scheme} prefix from hash");
  const auto raw = auth::DecodeStored(auth::ParseSchemeName(parts.scheme_name), parts.data);
  if (!raw.ok()) {
    return Fatal(err, "reverse decode check failed: " + std::string(postern::Message(raw.status())));
  }
  const auto matches = auth::VerifyStoredPassword(hash, password, user);
  if (!matches.ok()) {
    const std::string_view why = postern::Message(matches.status());
    if (why.starts_with("digest_md5_generate")) return Fatal(err, why);
    return Fatal(err, "reverse password verification check failed: " + std::string(why));
  }
  if (!*matches) return Fatal(err, "reverse password verification check failed: Password mismatch");
  out << hash << " (verified)\n";
  return 0;
}

}  // namespace

int RunPw(const PwOptions& options, std::istream& in, std::ostream& out, std::ostream& err, Entropy& entropy) {
  if (options.list) return List(out);
  std::optional<std::string> password = options.password;
  if (options.test_hash) {
    if (!password) password = ReadPassword(in);
    if (!password) return Fatal(err, "No password was given");
    return Test(*options.test_hash, *password, options.user, out, err);
  }
  // An unknown scheme is said before a password is asked for.
  if (auth::ParseSchemeName(options.scheme).scheme != nullptr && !password) {
    password = ReadNewPassword(in, err);
    if (!password) return Fatal(err, "No password was given");
  }
  const auto stored = auth::GenerateStored(options.scheme, password.value_or(""),
                                           {.user = options.user, .rounds = options.rounds}, entropy);
  if (!stored.ok()) return Fatal(err, postern::Message(stored.status()));
  if (options.verify) return Test(*stored, *password, options.user, out, err);
  out << *stored << '\n';
  return 0;
}

}  // namespace postern
