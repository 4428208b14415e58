// Who decides about an SMTP client's login, as its session sees it: this program with the users of its configuration
// (OwnVerifier), or a Dovecot behind a socket (foreign_auth.h). One interface: a session does not know which.
//
//   AskOffer --> what to announce | later          Begin --> an Exchange (sasl.h), whose steps may be kWait
//
// What can't be said at once comes through VerifierClient, as a step of its own: no call ever calls back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/auth/sasl.h"
#include "core/boundary/machine.h"

namespace postern::auth {

struct Offer {
  bool is_known = true;                 // false: nobody could be asked; there may be mechanisms later
  std::vector<std::string> mechanisms;  // in the order to announce
};

struct VerifierAnswer {
  MachineId session{};
  std::variant<Offer, Step> what;  // Offer: of AskOffer; Step: of its exchange, which said kWait
};

class VerifierClient {
 public:
  virtual ~VerifierClient() = default;
  virtual void OnVerifierAnswer(VerifierAnswer answer, Context& context) = 0;
};

class Verifier {
 public:
  virtual ~Verifier() = default;
  // What to announce where `security_options` (smtpd_sasl_security_options, or smtpd_sasl_tls_security_options) rule
  // some out. nullopt: a VerifierAnswer follows, within ten seconds.
  virtual std::optional<Offer> AskOffer(const std::vector<std::string>& security_options, MachineId session) = 0;
  // Null where the mechanism (any case) is not offered. The exchange must not outlive the verifier.
  virtual std::unique_ptr<Exchange> Begin(std::string_view mechanism, const std::vector<std::string>& security_options,
                                          const ClientFacts& client, MachineId session) = 0;
};

// The users of the configuration.
class OwnVerifier final : public Verifier {
 public:
  // `auth` must outlive it and its exchanges.
  explicit OwnVerifier(const config::Auth& auth) : auth_(auth) {}

  std::optional<Offer> AskOffer(const std::vector<std::string>& security_options, MachineId session) override;
  std::unique_ptr<Exchange> Begin(std::string_view mechanism, const std::vector<std::string>& security_options,
                                  const ClientFacts& client, MachineId session) override;

 private:
  std::vector<std::string> Mechanisms(const std::vector<std::string>& security_options) const;

  const config::Auth& auth_;
};

}  // namespace postern::auth
