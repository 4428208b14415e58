#include "core/config/access_verdict.h"

#include <utility>

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

  // Visits the rules with a table that are asked before a rule decides. True: one has decided.
  bool TablesBeforeVerdict(const Restrictions& rules, const std::function<void(const Restriction&)>& visit) const {
    for (const Restriction& rule : rules) {
      if (!rule.restriction_class.empty()) {
        if (TablesBeforeVerdict(rule.restriction_class, visit) && !rule.warn_only) return true;
        continue;
      }
      if (rule.table != nullptr) visit(rule);
      const Outcome outcome = One(rule.name);
      if (outcome == Outcome::kPermit || (outcome == Outcome::kReject && !rule.warn_only)) return true;
    }
    return false;
  }

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

std::vector<std::pair<std::string_view, const Restrictions*>> ListsOf(const SmtpService& service) {
  return {{"smtpd_client_restrictions", &service.client_restrictions},
          {"smtpd_helo_restrictions", &service.helo_restrictions},
          {"smtpd_sender_restrictions", &service.sender_restrictions},
          {"smtpd_relay_restrictions", &service.relay_restrictions},
          {"smtpd_recipient_restrictions", &service.recipient_restrictions},
          {"smtpd_data_restrictions", &service.data_restrictions},
          {"smtpd_end_of_data_restrictions", &service.end_of_data_restrictions}};
}

}  // namespace

AccessVerdict JudgeAccess(const SmtpService& service, ClientKind client, RecipientKind recipient) {
  Judge judge(client, recipient);
  for (const auto& [name, rules] : ListsOf(service)) {
    if (judge.List(*rules) == Outcome::kReject) return {false, judge.decided_by()};
  }
  return {true, judge.decided_by()};
}

std::vector<RuleThatLetsIn> RulesThatLetIn(const SmtpService& service, ClientKind client, RecipientKind recipient,
                                           const std::function<bool(const Restriction&)>& permits) {
  std::vector<RuleThatLetsIn> all;
  for (const auto& [name, rules] : ListsOf(service)) {
    Judge plain(client, recipient);
    if (plain.List(*rules) != Outcome::kReject) continue;
    const size_t before = all.size();
    const auto found = [&, list = name](const Restriction& rule) {
      if (permits(rule)) all.push_back({&rule, list, plain.decided_by()});
    };
    Judge(client, recipient).TablesBeforeVerdict(*rules, found);
    if (all.size() == before) return {};
  }
  return all;
}

bool Permits(const Restrictions& rules, ClientKind client, RecipientKind recipient) {
  return Judge(client, recipient).List(rules) == Outcome::kPermit;
}

}  // namespace postern::config
