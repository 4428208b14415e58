// DIGEST-MD5 on the client's side (RFC 2831), quality of protection "auth".
#include "core/auth/credentials.h"
#include "core/auth/digest_message.h"
#include "core/auth/sasl_client_mechanisms.h"
#include "core/base/base64.h"

namespace postern::auth {
namespace {

constexpr size_t kCnonceBytes = 16;

class DigestMd5Client final : public ClientExchange {
 public:
  explicit DigestMd5Client(ClientCredentials credentials) : credentials_(std::move(credentials)) {}

  std::optional<std::string> Initial(Entropy&) override { return std::nullopt; }

  StatusOr<std::string> Respond(std::string_view challenge, Entropy& entropy) override {
    switch (state_) {
      case State::kNew:
        return OnChallenge(challenge, entropy);
      case State::kSaid:
        return OnResponseAuth(challenge);
      case State::kComplete:
        return InvalidArgument("DIGEST-MD5: a challenge after everything was said");
    }
    return InvalidArgument("DIGEST-MD5: unexpected");
  }

  bool complete() const override { return state_ == State::kComplete; }
  std::string_view mechanism() const override { return "DIGEST-MD5"; }

 private:
  enum class State : uint8_t { kNew, kSaid, kComplete };

  StatusOr<std::string> OnChallenge(std::string_view challenge, Entropy& entropy) {
    const auto directives = ParseDigestDirectives(challenge);
    const std::string* nonce = directives ? FindDirective(*directives, "nonce") : nullptr;
    const std::string* algorithm = directives ? FindDirective(*directives, "algorithm") : nullptr;
    if (nonce == nullptr || nonce->empty() || algorithm == nullptr || *algorithm != "md5-sess") {
      return InvalidArgument("DIGEST-MD5: broken challenge");
    }
    const std::string* qop = FindDirective(*directives, "qop");
    if (qop != nullptr && ("," + *qop + ",").find(",auth,") == std::string::npos) {
      return InvalidArgument("DIGEST-MD5: the server doesn't offer qop auth");
    }
    // Section 2.1.1: with several realms the client chooses; the first is as good as any.
    const std::string* realm = FindDirective(*directives, "realm");
    const std::string realm_text = realm == nullptr ? std::string() : *realm;
    facts_ = {.nonce = *nonce,
              .cnonce = EncodeBase64(entropy.Bytes(kCnonceBytes)),
              .digest_uri = credentials_.service + "/" + credentials_.host_name,
              .authorization_id = credentials_.authorization_id};
    key_ = DigestCredentialsFromUtf8(credentials_.user, realm_text, credentials_.password.Reveal());
    std::string reply = "charset=utf-8," + QuotedDirective("username", credentials_.user);
    if (realm != nullptr) reply += "," + QuotedDirective("realm", realm_text);
    reply += "," + QuotedDirective("nonce", facts_.nonce) + ",nc=" + facts_.nonce_count + "," +
             QuotedDirective("cnonce", facts_.cnonce) + "," + QuotedDirective("digest-uri", facts_.digest_uri) +
             ",response=" + DigestResponse(key_, facts_, /*from_server=*/false) + ",qop=auth";
    if (!facts_.authorization_id.empty()) reply += "," + QuotedDirective("authzid", facts_.authorization_id);
    state_ = State::kSaid;
    return reply;
  }

  StatusOr<std::string> OnResponseAuth(std::string_view challenge) {
    const auto directives = ParseDigestDirectives(challenge);
    const std::string* proof = directives ? FindDirective(*directives, "rspauth") : nullptr;
    if (proof == nullptr) return InvalidArgument("DIGEST-MD5: broken response-auth");
    if (!EqualInConstantTime(*proof, DigestResponse(key_, facts_, /*from_server=*/true))) {
      return PermissionDenied("DIGEST-MD5: the server doesn't know the password");
    }
    state_ = State::kComplete;
    return std::string();
  }

  const ClientCredentials credentials_;
  State state_ = State::kNew;
  DigestFacts facts_;
  std::string key_;
};

}  // namespace

std::unique_ptr<ClientExchange> MakeDigestMd5Client(ClientCredentials credentials) {
  return std::make_unique<DigestMd5Client>(std::move(credentials));
}

}  // namespace postern::auth
