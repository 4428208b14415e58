// CRAM-MD5 (RFC 2195): one challenge, one response "user HMAC-MD5". From {CRAM-MD5} or {PLAIN}.
#include "core/auth/credentials.h"
#include "core/auth/exchange_base.h"
#include "core/auth/scheme.h"
#include "core/base/ascii.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

class CramMd5Exchange final : public ExchangeBase {
 public:
  CramMd5Exchange(const config::Auth& auth, const ClientFacts& client) : ExchangeBase("CRAM-MD5", auth, client) {}

 private:
  // RFC 2195 section 2: the shape of a Message-ID with random digits, a time stamp and our name. A client that speaks
  // first has nothing to say; what it sent is not looked at.
  Step OnStart(const std::string_view*, Entropy& entropy, WallTime now) override {
    challenge_ = "<";
    for (int i = 0; i < 16; ++i) challenge_ += static_cast<char>('0' + entropy.Below(10));
    challenge_ += "." + std::to_string(now.seconds()) + "@" + client_.local_host_name + ">";
    return Challenge(challenge_);
  }

  Step OnResponse(std::string_view response, Entropy&) override {
    // A user name may have spaces, so the last one separates.
    const size_t space = response.rfind(' ');
    if (space == std::string_view::npos) return Fail(FailureReason::kMalformed, "missing digest");
    const std::string digest = LowerCase(response.substr(space + 1));
    if (auto failure = SetUser(response.substr(0, space))) return *std::move(failure);

    PassDbWalk walk(auth_, client_, PassDbWalk::Purpose::kCredentials, mechanism_);
    walk.Start(identity_.user, identity_.original_user);
    const bool found = walk.result() == PassResult::kOk && !walk.stored().empty();
    const Secret stored = found ? walk.stored() : Secret(std::string_view("{PLAIN}-"));
    const bool matches = EqualInConstantTime(CramMd5Response(CredentialsFrom(stored), challenge_), digest);
    if (walk.result() != PassResult::kOk) return FailAs(walk);
    if (!found || !matches) return FailMismatch(walk);
    return Succeed(walk);
  }

  // `stored`: what the walk accepted, {CRAM-MD5} or {PLAIN}.
  static std::string CredentialsFrom(const Secret& stored) {
    const StoredParts parts = SplitStored(stored.Reveal());
    const SchemeAndEncoding scheme = ParseSchemeName(parts.scheme_name);
    auto raw = DecodeStored(scheme, parts.data);
    if (!raw.ok()) return CramMd5Credentials("");  // not reached: the walk has decoded it before
    return IsAliasOf(*scheme.scheme, *FindScheme("PLAIN")) ? CramMd5Credentials(*raw) : *std::move(raw);
  }

  std::string challenge_;
};

}  // namespace

std::unique_ptr<Exchange> MakeCramMd5(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<CramMd5Exchange>(auth, client);
}

}  // namespace postern::auth
