#include "core/auth/verifier.h"

#include <algorithm>

#include "core/base/ascii.h"

namespace postern::auth {

std::vector<std::string> OwnVerifier::Mechanisms(const std::vector<std::string>& security_options) const {
  std::vector<std::string> names;
  for (const std::string_view name : OfferedMechanisms(auth_, true)) {
    const MechanismFacts* facts = FindMechanism(name);
    if (facts != nullptr && !IsRuledOut(*facts, security_options)) names.emplace_back(name);
  }
  return names;
}

std::optional<Offer> OwnVerifier::AskOffer(const std::vector<std::string>& security_options, MachineId) {
  return Offer{.mechanisms = Mechanisms(security_options)};
}

std::unique_ptr<Exchange> OwnVerifier::Begin(std::string_view mechanism,
                                             const std::vector<std::string>& security_options,
                                             const ClientFacts& client, MachineId) {
  const auto offered = Mechanisms(security_options);
  const auto is_wanted = [&](const std::string& name) { return EqualsIgnoringCase(name, mechanism); };
  return std::any_of(offered.begin(), offered.end(), is_wanted) ? MakeExchange(mechanism, auth_, client) : nullptr;
}

}  // namespace postern::auth
