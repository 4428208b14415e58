// The messages of SCRAM (RFC 5802 section 7), for both sides, and the proofs over them. No channel binding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/auth/credentials.h"
#include "core/base/hash.h"
#include "core/base/status.h"

namespace postern::auth {

struct ScramClientFirst {
  std::string gs2_header;        // "n,," or "n,a=other,"
  std::string authorization_id;  // decoded; empty: none
  std::string user;              // decoded
  std::string nonce;
  std::string bare;  // what is signed
};
// Errors: kInvalidArgument, with Dovecot's words.
StatusOr<ScramClientFirst> ParseScramClientFirst(std::string_view message);
// `user` and `authorization_id` not encoded yet.
ScramClientFirst MakeScramClientFirst(std::string_view user, std::string_view authorization_id, std::string_view nonce);

struct ScramServerFirst {
  std::string nonce;  // the client's and the server's
  std::string salt;
  uint32_t iterations = kScramIterations;
};
std::string FormatScramServerFirst(const ScramServerFirst& message);
std::optional<ScramServerFirst> ParseScramServerFirst(std::string_view message);

struct ScramClientFinal {
  std::string_view channel_binding;  // base64 as sent
  std::string_view nonce;
  std::string proof;               // decoded
  std::string_view without_proof;  // what is signed
};
// Views into `message`.
std::optional<ScramClientFinal> ParseScramClientFinal(std::string_view message);
// "c=...,r=..." without proof.
std::string FormatScramClientFinalWithoutProof(std::string_view gs2_header, std::string_view nonce);

// AuthMessage (RFC 5802 section 3).
std::string ScramAuthMessage(std::string_view client_first_bare, std::string_view server_first,
                             std::string_view client_final_without_proof);
// Does `proof` show the key behind `credentials`?
bool ScramProofFits(HashKind kind, const ScramCredentials& credentials, std::string_view auth_message,
                    std::string_view proof);
// "v=..." of the server.
std::string FormatScramServerFinal(HashKind kind, std::string_view server_key, std::string_view auth_message);

// "tls-server,end" as a saslname: "=" and "," encoded.
std::string EncodeSaslName(std::string_view name);
std::optional<std::string> DecodeSaslName(std::string_view name);

}  // namespace postern::auth
