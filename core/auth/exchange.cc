// Which mechanisms there are, and their exchanges.
#include <algorithm>
#include <array>

#include "core/auth/exchange_base.h"
#include "core/base/ascii.h"

namespace postern::auth {
namespace {

struct Mechanism {
  MechanismFacts facts;
  std::unique_ptr<Exchange> (*make)(const config::Auth& auth, const ClientFacts& client);
};

// The facts as Dovecot 2.3's MECH lines have them.
constexpr std::array kMechanisms = {
    Mechanism{{.name = "PLAIN", .plaintext = true}, MakePlain},
    Mechanism{{.name = "LOGIN", .plaintext = true}, MakeLogin},
    Mechanism{{.name = "CRAM-MD5", .dictionary = true, .active = true}, MakeCramMd5},
    Mechanism{{.name = "DIGEST-MD5", .dictionary = true, .active = true, .mutual_auth = true}, MakeDigestMd5},
    Mechanism{{.name = "SCRAM-SHA-1", .mutual_auth = true}, MakeScramSha1},
    Mechanism{{.name = "SCRAM-SHA-256", .mutual_auth = true}, MakeScramSha256},
    Mechanism{{.name = "ANONYMOUS", .anonymous = true}, MakeAnonymous},
};

const Mechanism* Find(std::string_view name) {
  const auto found = std::find_if(kMechanisms.begin(), kMechanisms.end(),
                                  [&](const Mechanism& m) { return EqualsIgnoringCase(m.facts.name, name); });
  return found == kMechanisms.end() ? nullptr : &*found;
}

}  // namespace

const MechanismFacts* FindMechanism(std::string_view name) {
  const Mechanism* mechanism = Find(name);
  return mechanism == nullptr ? nullptr : &mechanism->facts;
}

bool IsRuledOut(const MechanismFacts& mechanism, const std::vector<std::string>& security_options) {
  return std::any_of(security_options.begin(), security_options.end(), [&](const std::string& option) {
    return (option == "noplaintext" && mechanism.plaintext) || (option == "noactive" && mechanism.active) ||
           (option == "nodictionary" && mechanism.dictionary) || (option == "noanonymous" && mechanism.anonymous) ||
           (option == "forward_secrecy" && !mechanism.forward_secrecy) ||
           (option == "mutual_auth" && !mechanism.mutual_auth);
  });
}

std::vector<std::string_view> OfferedMechanisms(const config::Auth& auth, bool allow_plaintext) {
  std::vector<std::string_view> names;
  for (const std::string& name : auth.mechanisms) {
    const MechanismFacts* facts = FindMechanism(name);
    if (facts == nullptr || (facts->plaintext && !allow_plaintext)) continue;
    if (std::find(names.begin(), names.end(), facts->name) == names.end()) names.push_back(facts->name);
  }
  return names;
}

std::unique_ptr<Exchange> MakeExchange(std::string_view name, const config::Auth& auth, const ClientFacts& client) {
  const Mechanism* mechanism = Find(name);
  const auto is_wanted = [&](const std::string& configured) { return EqualsIgnoringCase(configured, name); };
  if (mechanism == nullptr || std::none_of(auth.mechanisms.begin(), auth.mechanisms.end(), is_wanted)) return nullptr;
  return mechanism->make(auth, client);
}

}  // namespace postern::auth
