#include "core/auth/scram_message.h"

#include <algorithm>
#include <charconv>

#include "core/base/base64.h"

namespace postern::auth {
namespace {

// Takes "X=value" up to a comma or the end off `*rest`, the comma too. nullopt: another attribute or none.
std::optional<std::string_view> TakeAttribute(char name, std::string_view* rest) {
  if (rest->size() < 2 || (*rest)[0] != name || (*rest)[1] != '=') return std::nullopt;
  const size_t comma = rest->find(',');
  const std::string_view value = rest->substr(2, comma == std::string_view::npos ? comma : comma - 2);
  rest->remove_prefix(comma == std::string_view::npos ? rest->size() : comma + 1);
  return value;
}

// RFC 5802 section 7: printable without comma, and not empty.
bool IsNonce(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != ','; });
}

Status Invalid(std::string_view why) { return InvalidArgument("Invalid initial client message: " + std::string(why)); }

}  // namespace

StatusOr<ScramClientFirst> ParseScramClientFirst(std::string_view message) {
  ScramClientFirst parsed;
  const size_t first = message.find(',');
  if (first == std::string_view::npos) return Invalid("Missing first ',' in GS2 header");
  const std::string_view flag = message.substr(0, first);
  // RFC 5802 section 6: "p" demands a binding to the channel, which we don't announce; "y" says that the client could
  // but believes that we can't, which is right.
  if (flag.starts_with("p=")) return InvalidArgument("Channel binding not supported");
  if (flag != "n" && flag != "y") return Invalid("Invalid GS2 header");
  const size_t second = message.find(',', first + 1);
  if (second == std::string_view::npos) return Invalid("Missing second ',' in GS2 header");
  parsed.gs2_header = message.substr(0, second + 1);
  if (const std::string_view id = message.substr(first + 1, second - first - 1); !id.empty()) {
    const auto decoded = id.starts_with("a=") ? DecodeSaslName(id.substr(2)) : std::nullopt;
    if (!decoded || decoded->empty()) return Invalid("Invalid authzid field");
    parsed.authorization_id = *decoded;
  }

  parsed.bare = message.substr(second + 1);
  std::string_view rest = message.substr(second + 1);
  if (rest.starts_with("m=")) return InvalidArgument("Mandatory extension(s) not supported");
  const auto user = TakeAttribute('n', &rest);
  if (!user) return Invalid("Invalid username field");
  const auto name = DecodeSaslName(*user);
  if (!name || name->empty()) return Invalid("Invalid username field");
  parsed.user = *name;
  const auto nonce = TakeAttribute('r', &rest);  // extensions behind it are ignored, but signed
  if (!nonce || !IsNonce(*nonce)) return Invalid("Invalid client nonce");
  parsed.nonce = *nonce;
  return parsed;
}

ScramClientFirst MakeScramClientFirst(std::string_view user, std::string_view authorization_id,
                                      std::string_view nonce) {
  ScramClientFirst message;
  message.gs2_header = "n,";
  if (!authorization_id.empty()) message.gs2_header += "a=" + EncodeSaslName(authorization_id);
  message.gs2_header += ",";
  message.authorization_id = authorization_id;
  message.user = user;
  message.nonce = nonce;
  message.bare = "n=" + EncodeSaslName(user) + ",r=" + std::string(nonce);
  return message;
}

std::string FormatScramServerFirst(const ScramServerFirst& message) {
  return "r=" + message.nonce + ",s=" + EncodeBase64(message.salt) + ",i=" + std::to_string(message.iterations);
}

std::optional<ScramServerFirst> ParseScramServerFirst(std::string_view message) {
  const auto nonce = TakeAttribute('r', &message);
  const auto salt_text = nonce ? TakeAttribute('s', &message) : std::nullopt;
  const auto iterations_text = salt_text ? TakeAttribute('i', &message) : std::nullopt;
  if (!iterations_text || !IsNonce(*nonce)) return std::nullopt;
  auto salt = DecodeBase64(*salt_text);
  ScramServerFirst parsed;
  const char* const end = iterations_text->data() + iterations_text->size();
  const auto [at, error] = std::from_chars(iterations_text->data(), end, parsed.iterations);
  if (!salt || salt->empty() || error != std::errc() || at != end || parsed.iterations == 0) return std::nullopt;
  parsed.nonce = *nonce;
  parsed.salt = *std::move(salt);
  return parsed;
}

std::optional<ScramClientFinal> ParseScramClientFinal(std::string_view message) {
  const size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return std::nullopt;
  ScramClientFinal parsed;
  parsed.without_proof = message.substr(0, proof_at);
  auto proof = DecodeBase64(message.substr(proof_at + 3));
  std::string_view rest = parsed.without_proof;
  const auto binding = TakeAttribute('c', &rest);
  const auto nonce = binding ? TakeAttribute('r', &rest) : std::nullopt;
  if (!proof || !nonce) return std::nullopt;
  parsed.channel_binding = *binding;
  parsed.nonce = *nonce;
  parsed.proof = *std::move(proof);
  return parsed;
}

std::string FormatScramClientFinalWithoutProof(std::string_view gs2_header, std::string_view nonce) {
  return "c=" + EncodeBase64(gs2_header) + ",r=" + std::string(nonce);
}

std::string ScramAuthMessage(std::string_view client_first_bare, std::string_view server_first,
                             std::string_view client_final_without_proof) {
  std::string message(client_first_bare);
  message += ',';
  message += server_first;
  message += ',';
  return message += client_final_without_proof;
}

bool ScramProofFits(HashKind kind, const ScramCredentials& credentials, std::string_view auth_message,
                    std::string_view proof) {
  const std::string signature = Hmac(kind, credentials.stored_key, auth_message);
  if (proof.size() != signature.size()) return false;
  return EqualInConstantTime(Digest(kind, Xor(proof, signature)), credentials.stored_key);
}

std::string FormatScramServerFinal(HashKind kind, std::string_view server_key, std::string_view auth_message) {
  return "v=" + EncodeBase64(Hmac(kind, server_key, auth_message));
}

std::string EncodeSaslName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '=') {
      out += "=3D";
    } else if (c == ',') {
      out += "=2C";
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> DecodeSaslName(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\0' || name[i] == ',') return std::nullopt;
    if (name[i] != '=') {
      out += name[i];
    } else if (name.substr(i, 3) == "=3D") {
      out += '=', i += 2;
    } else if (name.substr(i, 3) == "=2C") {
      out += ',', i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace postern::auth
