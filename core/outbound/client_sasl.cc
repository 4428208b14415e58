#include "core/outbound/client_sasl.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.h"
#include "core/routing/address.h"

namespace postern::outbound {
namespace {

struct Mechanism {
  std::string_view name;
  uint8_t properties;  // what it gives, of SaslSecurity
};
// Best first, as Cyrus SASL orders them; with the properties that its plug-ins claim. None of them resists a guessing
// of passwords by who overhears it, none has forward secrecy of its own.
constexpr std::array kMechanisms = {
    Mechanism{"SCRAM-SHA-256", kNoPlaintext | kNoAnonymous | kNoActive | kMutualAuth},
    Mechanism{"SCRAM-SHA-1", kNoPlaintext | kNoAnonymous | kNoActive | kMutualAuth},
    Mechanism{"DIGEST-MD5", kNoPlaintext | kNoAnonymous | kMutualAuth},
    Mechanism{"CRAM-MD5", kNoPlaintext | kNoAnonymous},
    Mechanism{"PLAIN", kNoAnonymous},
    Mechanism{"LOGIN", kNoAnonymous},
};

constexpr std::array<std::pair<std::string_view, uint8_t>, 6> kSecurityNames{{{"noplaintext", kNoPlaintext},
                                                                              {"noactive", kNoActive},
                                                                              {"nodictionary", kNoDictionary},
                                                                              {"noanonymous", kNoAnonymous},
                                                                              {"mutual_auth", kMutualAuth},
                                                                              {"forward_secrecy", kForwardSecrecy}}};

}  // namespace

std::optional<uint8_t> ParseSaslSecurity(std::string_view text) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  uint8_t bits = 0;
  for (size_t at = text.find_first_not_of(kSeparators); at != std::string_view::npos;
       at = text.find_first_not_of(kSeparators)) {
    text.remove_prefix(at);
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    text.remove_prefix(word.size());
    const auto* named = std::find_if(kSecurityNames.begin(), kSecurityNames.end(),
                                     [word](const auto& known) { return EqualsIgnoringCase(known.first, word); });
    if (named == kSecurityNames.end()) return std::nullopt;
    bits |= named->second;
  }
  return bits;
}

std::vector<std::string> FilterMechanisms(const std::vector<std::string>& offered,
                                          const std::vector<std::string>& filter) {
  if (filter.empty()) return offered;
  std::vector<std::string> kept;
  for (const std::string& name : offered) {
    for (std::string_view pattern : filter) {
      bool wanted = true;
      for (; pattern.starts_with('!'); pattern.remove_prefix(1)) wanted = !wanted;
      if (!EqualsIgnoringCase(pattern, name)) continue;
      if (wanted) kept.push_back(name);
      break;
    }
  }
  return kept;
}

std::string ChooseClientMechanism(const std::vector<std::string>& offered, uint8_t security) {
  for (const Mechanism& mechanism : kMechanisms) {
    if ((security & ~mechanism.properties) != 0) continue;
    for (const std::string& name : offered) {
      if (EqualsIgnoringCase(name, mechanism.name)) return std::string(mechanism.name);
    }
  }
  return {};
}

}  // namespace postern::outbound
