// DIGEST-MD5 (RFC 2831) with quality of protection "auth". From {DIGEST-MD5} or {PLAIN}. Historic (RFC 6331).
//
//   kResponse --digest-response: rspauth=...--> kAcknowledge --empty--> success
//
// Every authentication is an initial one: a client that wants a subsequent one starts over.
#include <algorithm>

#include "core/auth/credentials.h"
#include "core/auth/digest_message.h"
#include "core/auth/exchange_base.h"
#include "core/auth/scheme.h"
#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

constexpr size_t kDigestNonceBytes = 16;  // RFC 2831 section 2.1.1: at least 64 bits

class DigestMd5Exchange final : public ExchangeBase {
 public:
  DigestMd5Exchange(const config::Auth& auth, const ClientFacts& client)
      : ExchangeBase("DIGEST-MD5", auth, client), walk_(auth, client, PassDbWalk::Purpose::kCredentials, mechanism_) {}

 private:
  // An initial response would be subsequent authentication: the challenge starts over (section 2.2.2).
  Step OnStart(const std::string_view*, Entropy& entropy, WallTime) override {
    facts_.nonce = EncodeBase64(entropy.Bytes(kDigestNonceBytes));
    std::string challenge;
    for (const std::string& realm : auth_.realms) challenge += QuotedDirective("realm", realm) + ",";
    // As Dovecot: without one some clients take the host's name, which no stored digest has.
    if (auth_.realms.empty()) challenge = "realm=\"\",";
    challenge += QuotedDirective("nonce", facts_.nonce) + ",qop=\"auth\",charset=utf-8,algorithm=md5-sess";
    return Challenge(std::move(challenge));
  }

  Step OnResponse(std::string_view response, Entropy&) override {
    if (acknowledging_) {
      if (!response.empty()) return Fail(FailureReason::kMalformed, "Invalid final response");
      return Succeed(walk_);
    }
    if (response.empty()) return Fail(FailureReason::kMalformed, "Client sent no input");
    if (auto failure = Read(response)) return *std::move(failure);
    if (auto failure = SetUser(LoginName())) return *std::move(failure);
    if (auto failure = SetAuthorization(facts_.authorization_id)) return *std::move(failure);

    walk_.Start(identity_.user, identity_.original_user);
    const bool found = walk_.result() == PassResult::kOk && !walk_.stored().empty();
    const std::string* credentials = nullptr;
    const std::vector<std::string> candidates =
        CandidatesFrom(found ? walk_.stored() : Secret(std::string_view("{PLAIN}-")));
    for (const std::string& candidate : candidates) {
      if (EqualInConstantTime(DigestResponse(candidate, facts_, /*from_server=*/false), response_)) {
        credentials = &candidate;
      }
    }
    if (walk_.result() != PassResult::kOk) return FailAs(walk_);
    if (!found || credentials == nullptr) return FailMismatch(walk_);
    acknowledging_ = true;
    return Challenge("rspauth=" + DigestResponse(*credentials, facts_, /*from_server=*/true));
  }

  // Takes the directives of section 2.1.2; a Step where they are not what they must be.
  std::optional<Step> Read(std::string_view response) {
    const auto malformed = [&](std::string text) { return Fail(FailureReason::kMalformed, std::move(text)); };
    const auto directives = ParseDigestDirectives(response);
    if (!directives) return malformed("Invalid response");
    for (const std::string_view once : {"username", "realm", "nonce", "cnonce", "nc", "qop", "digest-uri", "response",
                                        "maxbuf", "charset", "cipher", "authzid"}) {
      bool repeated = false;
      FindDirective(*directives, once, &repeated);
      if (repeated) return malformed(std::string(once) + " must not exist more than once");
    }
    const auto value = [&](std::string_view name) { return FindDirective(*directives, name); };

    if (value("nonce") == nullptr) return malformed("Missing nonce parameter");
    if (!EqualInConstantTime(*value("nonce"), facts_.nonce)) return malformed("Invalid nonce");
    if (value("cnonce") == nullptr || value("cnonce")->empty()) return malformed("Missing cnonce parameter");
    if (value("username") == nullptr) return malformed("Missing username parameter");
    if (value("nc") != nullptr && *value("nc") != facts_.nonce_count)
      return malformed("re-auth not supported currently");
    if (value("qop") != nullptr && *value("qop") != "auth") return malformed("Nonallowed QoP requested");
    if (value("charset") != nullptr && LowerCase(*value("charset")) != "utf-8") {
      return malformed("Only utf-8 charset is allowed");
    }
    // Deviation: the service and host in digest-uri are not compared with ours (as in Dovecot): aliases of the host and
    // proxies before it are common, and the nonce is ours in any case.
    if (value("digest-uri") == nullptr || value("digest-uri")->find('/') == std::string::npos) {
      return malformed("Invalid digest-uri");
    }
    if (value("response") == nullptr || value("response")->size() != 32) return malformed("Missing response parameter");
    user_ = *value("username");
    if (value("realm") != nullptr) realm_ = *value("realm");
    facts_.cnonce = *value("cnonce");
    facts_.digest_uri = *value("digest-uri");
    if (value("authzid") != nullptr) facts_.authorization_id = *value("authzid");
    response_ = LowerCase(*value("response"));
    return std::nullopt;
  }

  // "user@realm", the form that users files have, unless the name has a domain of its own.
  std::string LoginName() const {
    if (realm_.empty() || user_.find('@') != std::string::npos) return user_;
    return user_ + "@" + realm_;
  }

  std::vector<std::string> CandidatesFrom(const Secret& stored) const {
    const StoredParts parts = SplitStored(stored.Reveal());
    const SchemeAndEncoding scheme = ParseSchemeName(parts.scheme_name);
    auto raw = DecodeStored(scheme, parts.data);
    if (!raw.ok()) return {};  // not reached: the walk has decoded it before
    if (!IsAliasOf(*scheme.scheme, *FindScheme("PLAIN"))) return {*std::move(raw)};
    std::vector<std::string> candidates{DigestCredentialsFromUtf8(user_, realm_, *raw)};
    // Many clients hash UTF-8 whatever the RFC says.
    if (auto direct = DigestMd5Credentials(user_, realm_, *raw); direct != candidates[0]) {
      candidates.push_back(std::move(direct));
    }
    return candidates;
  }

  PassDbWalk walk_;
  DigestFacts facts_;
  std::string user_, realm_, response_;
  bool acknowledging_ = false;
};

}  // namespace

std::unique_ptr<Exchange> MakeDigestMd5(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<DigestMd5Exchange>(auth, client);
}

}  // namespace postern::auth
