#include "core/config/access_verdict.h"

namespace postern::config {
namespace {

enum class Outcome : uint8_t { kNothing, kPermit, kReject };

class Judge {
 public:
  Judge(ClientKind client, RecipientKind recipient) : client_(client), recipient_(recipient) {}

  Outcome List(const Restrictions& rules) {
    for (const Restriction& rule : rules) {
      const Outcome outcome = rule.restriction_class.empty() ? One(rule.name) : List(rule.restriction_class);
      if (outcome == Outcome::kNothing || (outcome == Outcome::kReject && rule.warn_only)) continue;
      if (rule.restriction_class.empty()) decided_by_ = rule.name;
      return outcome;
    }
    return Outcome::kNothing;
  }
  const std::string& decided_by() const { return decided_by_; }

 private:
  Outcome One(const std::string& name) const {
    const bool foreign = recipient_ == RecipientKind::kForeign;
    if (name == "permit") return Outcome::kPermit;
    if (name == "reject" || name == "defer") return Outcome::kReject;
    if (name == "permit_mynetworks" || name == "permit_inet_interfaces") {
      return client_ == ClientKind::kTrusted ? Outcome::kPermit : Outcome::kNothing;
    }
    if (name == "permit_sasl_authenticated") {
      return client_ == ClientKind::kLoggedIn ? Outcome::kPermit : Outcome::kNothing;
    }
    if (name == "reject_unauth_destination" || name == "defer_unauth_destination") {
      return foreign ? Outcome::kReject : Outcome::kNothing;
    }
    if (name == "permit_auth_destination") return foreign ? Outcome::kNothing : Outcome::kPermit;
    return Outcome::kNothing;
  }

  const ClientKind client_;
  const RecipientKind recipient_;
  std::string decided_by_;
};

}  // namespace

AccessVerdict JudgeAccess(const SmtpService& service, ClientKind client, RecipientKind recipient) {
  Judge judge(client, recipient);
  for (const Restrictions* rules :
       {&service.client_restrictions, &service.helo_restrictions, &service.sender_restrictions,
        &service.relay_restrictions, &service.recipient_restrictions, &service.data_restrictions,
        &service.end_of_data_restrictions}) {
    if (judge.List(*rules) == Outcome::kReject) return {false, judge.decided_by()};
  }
  return {true, judge.decided_by()};
}

}  // namespace postern::config
