// SCRAM-SHA-1 (RFC 5802) and SCRAM-SHA-256 (RFC 7677), without channel binding. From {SCRAM-*} or {PLAIN}.
//
//   kFirst --client-first: server-first--> kFinal --client-final: v=...--> kAcknowledge --empty--> success
//
// A user who does not exist gets a salt that follows from his name and auth.decoy_key, and is refused only where a
// wrong password is. Users with {PLAIN} get their salts the same way, so that the two look alike.
#include "core/auth/exchange_base.h"
#include "core/auth/saslprep.h"
#include "core/auth/scheme.h"
#include "core/auth/scram_message.h"
#include "core/base/base64.h"

namespace postern::auth {
namespace {

constexpr size_t kScramSaltBytes = 16;
constexpr size_t kServerNonceBytes = 24;  // 32 characters of base64

class ScramExchange final : public ExchangeBase {
 public:
  ScramExchange(HashKind kind, const config::Auth& auth, const ClientFacts& client)
      : ExchangeBase(ScramName(kind), auth, client),
        kind_(kind),
        walk_(auth, client, PassDbWalk::Purpose::kCredentials, ScramName(kind)) {}

 private:
  enum class State : uint8_t { kFirst, kFinal, kAcknowledge };

  // What the server knows: keys, or a password to derive them from when the client's proof has come.
  struct Known {
    bool is_user = false;
    ScramCredentials credentials;
    Secret password;  // where not empty, the keys are still to be derived
  };

  Step OnStart(const std::string_view* initial, Entropy& entropy, WallTime) override {
    return initial == nullptr ? Challenge("") : OnResponse(*initial, entropy);
  }

  Step OnResponse(std::string_view response, Entropy& entropy) override {
    switch (state_) {
      case State::kFirst:
        return OnFirst(response, entropy);
      case State::kFinal:
        return OnFinal(response);
      case State::kAcknowledge:
        if (!response.empty()) return Fail(FailureReason::kMalformed, "Invalid final client message");
        return Succeed(walk_);
    }
    return Fail(FailureReason::kMalformed, "Invalid final client message");
  }

  Step OnFirst(std::string_view message, Entropy& entropy) {
    auto first = ParseScramClientFirst(message);
    if (!first.ok()) return Fail(FailureReason::kMalformed, std::string(postern::Message(first.status())));
    first_ = *std::move(first);
    // RFC 5802 section 5.1: the name is prepared, also where the client forgot.
    if (auto failure = SetUser(SaslPrepOrSame(first_.user))) return *std::move(failure);
    if (auto failure = SetAuthorization(first_.authorization_id)) return *std::move(failure);

    walk_.Start(identity_.user, identity_.original_user);
    const bool found = walk_.result() == PassResult::kOk && !walk_.stored().empty();
    known_ = found ? KnownFrom(walk_.stored(), entropy) : KnownFrom(DecoyStored(auth_), entropy);
    if (!found) {
      // The decoy is another user's: its salt would say so, and its password must not open anything.
      known_.is_user = false;
      known_.credentials.salt = SaltFor(known_.credentials.salt.size(), entropy);
    }
    nonce_ = first_.nonce + EncodeBase64(entropy.Bytes(kServerNonceBytes));
    server_first_ = FormatScramServerFirst(
        {.nonce = nonce_, .salt = known_.credentials.salt, .iterations = known_.credentials.iterations});
    state_ = State::kFinal;
    return Challenge(server_first_);
  }

  Known KnownFrom(const Secret& stored, Entropy& entropy) const {
    Known known;
    const StoredParts parts = SplitStored(stored.Reveal());
    const SchemeAndEncoding scheme = ParseSchemeName(parts.scheme_name);
    const auto raw = DecodeStored(scheme, parts.data);
    known.credentials.salt = SaltFor(kScramSaltBytes, entropy);
    if (!raw.ok()) return known;
    if (IsAliasOf(*scheme.scheme, *FindScheme("PLAIN"))) {
      known.is_user = true;
      known.password = Secret(*raw);
    } else if (IsAliasOf(*scheme.scheme, *FindScheme(mechanism_))) {
      if (auto credentials = ParseScram(kind_, *raw); credentials.ok()) {
        known.is_user = true;
        known.credentials = *std::move(credentials);
      }
    }
    return known;
  }

  std::string SaltFor(size_t bytes, Entropy& entropy) const {
    std::string salt = entropy.Bytes(bytes);
    if (auth_.decoy_key.empty()) return salt;
    const std::string fixed =
        Hmac(HashKind::kSha256, auth_.decoy_key.Reveal(), std::string(mechanism_) + " " + identity_.user);
    return bytes <= fixed.size() ? fixed.substr(0, bytes) : Pbkdf2(HashKind::kSha256, fixed, "salt", 1, bytes);
  }

  Step OnFinal(std::string_view message) {
    const auto final_message = ParseScramClientFinal(message);
    // RFC 5802 section 5.1: "c" repeats the header, so that nobody in between can have changed it.
    if (!final_message || final_message->channel_binding != EncodeBase64(first_.gs2_header) ||
        final_message->nonce != nonce_) {
      return Fail(FailureReason::kMalformed, "Invalid final client message");
    }
    const std::string auth_message = ScramAuthMessage(first_.bare, server_first_, final_message->without_proof);
    const bool fits = ProofFits(auth_message, final_message->proof);
    if (walk_.result() != PassResult::kOk) return FailAs(walk_);
    if (!known_.is_user || !fits) return FailMismatch(walk_);
    state_ = State::kAcknowledge;
    return Challenge(FormatScramServerFinal(kind_, known_.credentials.server_key, auth_message));
  }

  bool ProofFits(std::string_view auth_message, std::string_view proof) {
    ScramCredentials& credentials = known_.credentials;
    if (!known_.password.empty()) {
      const std::string_view password = known_.password.Reveal();
      const std::string prepared = SaslPrepOrSame(password);
      credentials = DeriveScram(kind_, prepared, credentials.salt, credentials.iterations);
      if (ScramProofFits(kind_, credentials, auth_message, proof)) return true;
      if (prepared == password) return false;
      // Clients that don't prepare prove the password as it is typed.
      credentials = DeriveScram(kind_, password, credentials.salt, credentials.iterations);
    }
    return ScramProofFits(kind_, credentials, auth_message, proof);
  }

  const HashKind kind_;
  PassDbWalk walk_;
  State state_ = State::kFirst;
  ScramClientFirst first_;
  Known known_;
  std::string nonce_, server_first_;
};

}  // namespace

std::unique_ptr<Exchange> MakeScramSha1(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<ScramExchange>(HashKind::kSha1, auth, client);
}
std::unique_ptr<Exchange> MakeScramSha256(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<ScramExchange>(HashKind::kSha256, auth, client);
}

}  // namespace postern::auth
