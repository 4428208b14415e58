// Which SASL mechanism a client uses (RFC 4954 section 4, RFC 4422): what the server offers, less what
// smtp_sasl_mechanism_filter and the security options for this connection rule out, the strongest first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.h"

namespace postern::outbound {

// smtp_sasl_security_options, smtp_sasl_tls_security_options, smtp_sasl_tls_verified_security_options, as a set of
// bits.
enum SaslSecurity : uint8_t {
  kNoPlaintext = 1,
  kNoActive = 2,
  kNoDictionary = 4,
  kNoAnonymous = 8,
  kMutualAuth = 16,
  kForwardSecrecy = 32,
};
// Names apart by blanks and commas, any case; nullopt for one that is none.
std::optional<uint8_t> ParseSaslSecurity(std::string_view text);

struct SaslSettings {
  bool enabled = false;  // smtp_sasl_auth_enable
  // What smtp_sasl_password_maps has for this server; no user: we talk to it like strangers.
  std::string user;
  Secret password;
  std::vector<std::string> mechanism_filter;       // names, "!name"; the first that matches decides; empty: all
  uint8_t security = kNoPlaintext | kNoAnonymous;  // each with Postfix's default
  uint8_t tls_security = kNoPlaintext | kNoAnonymous, tls_verified_security = kNoPlaintext | kNoAnonymous;
  bool soft_bounce = true;  // smtp_sasl_auth_soft_bounce: a refused password is our own fault, mail waits
};

// Those of EHLO's words that the filter lets through.
std::vector<std::string> FilterMechanisms(const std::vector<std::string>& offered,
                                          const std::vector<std::string>& filter);

// The best of `offered` that we can do under `security`, in upper case; empty: none.
std::string ChooseClientMechanism(const std::vector<std::string>& offered, uint8_t security);

}  // namespace postern::outbound
