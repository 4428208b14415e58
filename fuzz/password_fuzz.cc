// Stored passwords and the small grammars of authentication: schemes, base64 and hexadecimal, SASLprep, the messages of
// SCRAM and DIGEST-MD5, user names.
//
// Input: one character chooses what is read; the rest is the text, for some in lines.
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "core/auth/digest_message.h"
#include "core/auth/sasl.h"
#include "core/auth/saslprep.h"
#include "core/auth/scheme.h"
#include "core/auth/scram_message.h"
#include "core/base/base64.h"
#include "fuzz/fuzz.h"

namespace postern::auth {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

// Schemes are slow on purpose, and a stored password says how slow: what would take long is not asked. Numbers of up to
// three digits, and of crypt(3) the formats that have no cost in letters.
bool IsQuick(std::string_view stored) {
  size_t digits = 0;
  for (const char c : stored) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 3) return false;
  }
  const std::string_view data = SplitStored(stored).data;
  return !data.starts_with("$") || data.starts_with("$1$") || data.starts_with("$5$") || data.starts_with("$6$");
}

// A stored password, a password, a user.
void CheckStored(fuzz::Input& input) {
  const std::string_view stored = input.Line(), password = input.Line(), user = input.Line();
  const StoredParts parts = SplitStored(stored, "PLAIN");
  const SchemeAndEncoding scheme = ParseSchemeName(parts.scheme_name);
  const auto raw = DecodeStored(scheme, parts.data);
  Require(raw.ok() || scheme.scheme == nullptr || !Message(raw.status()).empty(), "what can't be read says why");
  if (raw.ok() && scheme.scheme->raw_bytes != 0)
    Require(raw->size() == scheme.scheme->raw_bytes, "a digest has its length");
  if (!IsQuick(stored)) return;
  const auto matches = VerifyStoredPassword(stored, password, user);
  if (matches.ok() && *matches) Require(password.find('\0') == std::string_view::npos, "no password has a NUL");
  const auto again = VerifyStoredPassword(stored, password, user);
  Require(matches.ok() == again.ok() && (!matches.ok() || *matches == *again), "asked twice, answered the same");
}

// What is generated verifies with this password and with no other. Without PLAIN-TRUNC, which needs a length put before
// it.
void CheckGenerated(fuzz::Input& input) {
  constexpr std::string_view kQuick[] = {"PLAIN",     "SHA",       "SSHA",       "SHA256",   "SSHA256",
                                         "SHA512",    "SSHA512",   "SMD5",       "LDAP-MD5", "PLAIN-MD4",
                                         "PLAIN-MD5", "CRAM-MD5",  "HMAC-MD5",   "MD5",      "DIGEST-MD5",
                                         "CLEARTEXT", "PLAIN.b64", "SHA256.HEX", "SHA1.B64", "MD5-CRYPT"};
  const std::string_view scheme = kQuick[input.Choose(std::size(kQuick))];
  const std::string_view password = input.Line(), user = input.Line(), other = input.Line();
  Entropy entropy{Entropy::Key{}};
  const auto stored = GenerateStored(scheme, password, {.user = user}, entropy);
  if (!stored.ok()) return;
  const auto matches = VerifyStoredPassword(*stored, password, user);
  Require(matches.ok() && *matches, "the password fits", *stored);
  const auto wrong = VerifyStoredPassword(*stored, other, user);
  if (other != password) Require(!wrong.ok() || !*wrong, "another does not", *stored);
}

void CheckBase64(std::string_view text) {
  Require(DecodeBase64(EncodeBase64(text)) == text, "base64 comes back");
  Require(DecodeHex(EncodeHex(text)) == text, "hexadecimal comes back");
  if (const auto bytes = DecodeBase64(text))
    RequireEqual(EncodeBase64(*bytes), text, "base64 has one text for each value");
  if (const auto bytes = DecodeHex(text)) Require(2 * bytes->size() == text.size(), "two digits a byte");
}

void CheckPrepared(std::string_view text) {
  for (const bool query : {false, true}) {
    const auto prepared = SaslPrep(text, query);
    if (!prepared) continue;
    Require(prepared->size() <= 20 * text.size(), "preparing is bounded");
    RequireEqual(SaslPrep(*prepared, query).value_or("(none)"), *prepared, "what is prepared stays");
  }
  (void)SaslPrepOrSame(text);
  (void)ToLatin1(text);
  config::Auth auth;
  auth.username_format = "%Lu";
  auth.default_realm = "example.test";
  const auto user = NormalizeUser(text, auth);
  if (user.ok())
    Require(NormalizeUser(*user, auth).ok() && *NormalizeUser(*user, auth) == *user, "a normalized user stays", *user);
}

void CheckScram(std::string_view text) {
  RequireEqual(DecodeSaslName(EncodeSaslName(text)).value_or("(none)"),
               text.find('\0') == std::string_view::npos ? text : "(none)", "a name comes back");
  if (const auto first = ParseScramClientFirst(text); first.ok()) {
    const auto again =
        ParseScramClientFirst(MakeScramClientFirst(first->user, first->authorization_id, first->nonce).gs2_header +
                              MakeScramClientFirst(first->user, first->authorization_id, first->nonce).bare);
    Require(again.ok(), "a first message is read again", text);
    Require(again->user == first->user && again->nonce == first->nonce &&
                again->authorization_id == first->authorization_id,
            "a first message is read as it was written", text);
    RequireEqual(first->gs2_header + first->bare, text, "all of it is signed");
  }
  if (const auto first = ParseScramServerFirst(text)) {
    const auto again = ParseScramServerFirst(FormatScramServerFirst(*first));
    Require(
        again && again->nonce == first->nonce && again->salt == first->salt && again->iterations == first->iterations,
        "a challenge comes back", text);
  }
  if (const auto last = ParseScramClientFinal(text))
    Require(text.starts_with(last->without_proof), "what is signed is the beginning", text);
  for (const HashKind kind : {HashKind::kSha1, HashKind::kSha256}) {
    const auto credentials = ParseScram(kind, text);
    if (!credentials.ok()) continue;
    const auto again = ParseScram(kind, FormatScram(*credentials));
    Require(again.ok(), "stored credentials come back", text);
    RequireEqual(FormatScram(*again), FormatScram(*credentials), "stored credentials come back");
  }
}

void CheckDigest(std::string_view text) {
  const auto directives = ParseDigestDirectives(text);
  if (!directives) return;
  std::string written;
  for (const auto& [name, value] : *directives) {
    Require(FindDirective(*directives, name) != nullptr, "a directive that is there is found", name);
    written += QuotedDirective(name, value) + ",";
  }
  Require(ParseDigestDirectives(written) == directives, "directives come back", written);
}

void Run(fuzz::Input input) {
  switch (input.Choose(6)) {
    case 0:
      return CheckStored(input);
    case 1:
      return CheckGenerated(input);
    case 2:
      return CheckBase64(input.Rest());
    case 3:
      return CheckPrepared(input.Rest());
    case 4:
      return CheckScram(input.Rest());
    default:
      return CheckDigest(input.Rest());
  }
}

}  // namespace
}  // namespace postern::auth

POSTERN_FUZZ_TARGET(postern::auth::Run)
