// SCRAM on the client's side (RFC 5802): proves the password and lets the server prove that it knows it too.
#include "core/auth/credentials.h"
#include "core/auth/sasl_client_mechanisms.h"
#include "core/auth/saslprep.h"
#include "core/auth/scram_message.h"
#include "core/base/base64.h"

namespace postern::auth {
namespace {

constexpr size_t kClientNonceBytes = 18;  // 24 characters of base64, which has no comma

class ScramClient final : public ClientExchange {
 public:
  ScramClient(HashKind kind, ClientCredentials credentials) : kind_(kind), credentials_(std::move(credentials)) {}

  std::optional<std::string> Initial(Entropy& entropy) override {
    first_ = MakeScramClientFirst(SaslPrepOrSame(credentials_.user), credentials_.authorization_id,
                                  EncodeBase64(entropy.Bytes(kClientNonceBytes)));
    state_ = State::kFirstSaid;
    return first_.gs2_header + first_.bare;
  }

  StatusOr<std::string> Respond(std::string_view challenge, Entropy&) override {
    switch (state_) {
      case State::kNew:
        return InvalidArgument("SCRAM: the client speaks first");
      case State::kFirstSaid:
        return OnServerFirst(challenge);
      case State::kFinalSaid:
        return OnServerFinal(challenge);
      case State::kComplete:
        return InvalidArgument("SCRAM: a challenge after everything was said");
    }
    return InvalidArgument("SCRAM: unexpected");
  }

  bool complete() const override { return state_ == State::kComplete; }
  std::string_view mechanism() const override { return ScramName(kind_); }

 private:
  enum class State : uint8_t { kNew, kFirstSaid, kFinalSaid, kComplete };

  StatusOr<std::string> OnServerFirst(std::string_view message) {
    const auto server = ParseScramServerFirst(message);
    // RFC 5802 section 5.1: the server adds to the client's nonce.
    if (!server || !server->nonce.starts_with(first_.nonce) || server->nonce == first_.nonce) {
      return InvalidArgument("SCRAM: broken server-first message");
    }
    if (server->iterations > credentials_.iterations_max) return InvalidArgument("SCRAM: too many iterations");
    const std::string salted = Pbkdf2(kind_, SaslPrepOrSame(credentials_.password.Reveal()), server->salt,
                                      server->iterations, DigestSize(kind_));
    std::string reply = FormatScramClientFinalWithoutProof(first_.gs2_header, server->nonce);
    const std::string auth_message = ScramAuthMessage(first_.bare, message, reply);
    const std::string client_key = ScramClientKey(kind_, salted);
    const std::string signature = Hmac(kind_, Digest(kind_, client_key), auth_message);
    expected_final_ = FormatScramServerFinal(kind_, ScramServerKey(kind_, salted), auth_message);
    reply += ",p=" + EncodeBase64(Xor(client_key, signature));
    state_ = State::kFinalSaid;
    return reply;
  }

  StatusOr<std::string> OnServerFinal(std::string_view message) {
    if (message.starts_with("e=")) return PermissionDenied("SCRAM: " + std::string(message.substr(2)));
    if (!EqualInConstantTime(message.substr(0, message.find(',')), expected_final_)) {
      return PermissionDenied("SCRAM: the server doesn't know the password");
    }
    state_ = State::kComplete;
    return std::string();
  }

  const HashKind kind_;
  const ClientCredentials credentials_;
  State state_ = State::kNew;
  ScramClientFirst first_;
  std::string expected_final_;
};

}  // namespace

std::unique_ptr<ClientExchange> MakeScramClient(HashKind kind, ClientCredentials credentials) {
  return std::make_unique<ScramClient>(kind, std::move(credentials));
}

}  // namespace postern::auth
