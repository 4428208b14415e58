#include "sim/replay/right_answer.h"

#include <algorithm>

#include "core/auth/credentials.h"
#include "core/auth/digest_message.h"
#include "core/auth/scram_message.h"
#include "core/base/base64.h"
#include "core/base/hash.h"

namespace postern::sim {
namespace {

constexpr size_t kHexDigest = 32;

void AnswerCram(const AnswerFacts& facts, std::string_view challenge, std::string* message) {
  if (message->size() < kHexDigest) return;
  const std::string digest = auth::CramMd5Response(auth::CramMd5Credentials(facts.password), challenge);
  message->replace(message->size() - kHexDigest, kHexDigest, digest);
}

void AnswerDigest(const AnswerFacts& facts, std::string* message) {
  const auto directives = auth::ParseDigestDirectives(*message);
  if (!directives) return;
  const auto value = [&](std::string_view name) {
    const std::string* const found = auth::FindDirective(*directives, name);
    return found == nullptr ? std::string() : *found;
  };
  auth::DigestFacts digest{.nonce = value("nonce"),
                           .cnonce = value("cnonce"),
                           .digest_uri = value("digest-uri"),
                           .authorization_id = value("authzid")};
  if (const std::string count = value("nc"); !count.empty()) digest.nonce_count = count;
  const std::string credentials = auth::DigestCredentialsFromUtf8(value("username"), value("realm"), facts.password);
  const std::string response = auth::DigestResponse(credentials, digest, /*from_server=*/false);
  const std::string old = "response=" + value("response");
  const size_t at = message->find(old);
  if (at != std::string::npos && old.size() == 9 + response.size()) message->replace(at + 9, response.size(), response);
}

// RFC 5802 section 3.
void AnswerScram(const AnswerFacts& facts, std::string_view challenge, std::string* message) {
  const auto client_first = auth::ParseScramClientFirst(facts.client_first);
  const auto server_first = auth::ParseScramServerFirst(challenge);
  const auto client_final = auth::ParseScramClientFinal(*message);
  if (!client_first.ok() || !server_first || !client_final) return;
  const HashKind kind = client_final->proof.size() == DigestSize(HashKind::kSha1) ? HashKind::kSha1 : HashKind::kSha256;
  const std::string salted =
      Pbkdf2(kind, facts.password, server_first->salt, server_first->iterations, DigestSize(kind));
  const std::string client_key = auth::ScramClientKey(kind, salted);
  const std::string signed_text = auth::ScramAuthMessage(client_first->bare, challenge, client_final->without_proof);
  const std::string proof = EncodeBase64(auth::Xor(client_key, Hmac(kind, Digest(kind, client_key), signed_text)));
  const size_t at = message->rfind(",p=");
  if (at != std::string::npos && at + 3 + proof.size() == message->size())
    message->replace(at + 3, proof.size(), proof);
}

}  // namespace

std::string WithRightAnswer(std::string_view bytes, const AnswerFacts& facts) {
  const size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
  const size_t space = facts.prompt.find(' ');
  auto message = DecodeBase64(bytes.substr(0, end));
  const auto challenge =
      DecodeBase64(space == std::string_view::npos ? std::string_view() : facts.prompt.substr(space + 1));
  if (!message || !challenge) return std::string(bytes);
  if (facts.mechanism == "CRAM-MD5") {
    AnswerCram(facts, *challenge, &*message);
  } else if (facts.mechanism == "DIGEST-MD5") {
    AnswerDigest(facts, &*message);
  } else if (facts.mechanism == "SCRAM") {
    AnswerScram(facts, *challenge, &*message);
  }
  const std::string encoded = EncodeBase64(*message);
  return encoded.size() == end ? encoded + std::string(bytes.substr(end)) : std::string(bytes);
}

std::string FindScramClientFirst(std::string_view bytes) {
  std::string_view line = bytes.substr(0, std::min(bytes.find_first_of("\r\n"), bytes.size()));
  if (const size_t space = line.rfind(' '); space != std::string_view::npos) line.remove_prefix(space + 1);
  const auto message = DecodeBase64(line);
  return message && (message->starts_with("n,") || message->starts_with("y,")) &&
                 auth::ParseScramClientFirst(*message).ok()
             ? *message
             : "";
}

}  // namespace postern::sim
