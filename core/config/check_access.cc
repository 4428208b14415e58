// Who may relay, log in and send, per SMTP listener; whom mynetworks trusts.
#include <algorithm>
#include <map>
#include <set>

#include "core/config/access_verdict.h"
#include "core/config/check.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr uint16_t kSubmissionPort = 587, kSubmissionsPort = 465, kSmtpPort = 25;

// Parts of the names of rules that ask who a sender is.
constexpr std::string_view kChecksOfSenders[] = {"unknown_client_hostname", "unknown_reverse_client_hostname",
                                                 "check_sender_access", "check_client_access"};

bool HasRule(const Restrictions& rules, std::string_view part) {
  return std::any_of(rules.begin(), rules.end(), [part](const Restriction& rule) {
    return rule.name.find(part) != std::string::npos || HasRule(rule.restriction_class, part);
  });
}

bool IsPrivate(const IpAddress& address) {
  const auto& b = address.bytes;
  if (address.v6) return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
  return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
         (b[0] == 169 && b[1] == 254) || (b[0] == 100 && (b[1] & 0xc0) == 64);
}

class AccessChecker {
 public:
  explicit AccessChecker(HostConfiguration* host) : host_(host), main_(host->Main()) {}

  void Run() {
    std::set<const SmtpService*> seen;  // one finding a service, not one an address; never walked
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol != Protocol::kSmtp || !seen.insert(listener.smtp.get()).second) continue;
      CheckService(listener);
    }
    ReportRulesBeforeLogin();
    CheckTrust();
    CheckStanding();
  }

 private:
  // The line of master.cf that opens the service.
  Place PlaceOf(const std::string& service_name) const {
    const MasterService* service = Service(service_name);
    return service == nullptr ? Place{host_->postfix.master.file, 0} : service->place;
  }
  const MasterService* Service(const std::string& name) const {
    for (const MasterService& service : host_->postfix.master.services) {
      if (service.type == "inet" && service.name == name) return &service;
    }
    return nullptr;
  }

  void CheckService(const Listener& listener) {
    const SmtpService& service = *listener.smtp;
    const uint16_t port = static_cast<uint16_t>(listener.endpoint.port - host_->options.port_offset);
    const PostfixParameters parameters(&host_->postfix, Service(service.service_name));
    CheckRelay(service);
    CheckSubmission(service, port);
    if (!service.sasl_auth_enable) return;
    CheckLoginRules(service, parameters, port);
  }

  void CheckRelay(const SmtpService& service) {
    if (JudgeAccess(service, ClientKind::kStranger, RecipientKind::kForeign).accepted) {
      host_->findings.Error("open-relay", PlaceOf(service.service_name),
                            "service \"" + service.service_name +
                                "\" takes mail from anyone to anyone: it would send "
                                "the world's spam",
                            "set smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, "
                            "reject_unauth_destination");
    }
    const AccessVerdict logged_in = JudgeAccess(service, ClientKind::kLoggedIn, RecipientKind::kForeign);
    if (service.sasl_auth_enable && !logged_in.accepted) {
      host_->findings.Warning("relay-refused-after-login", PlaceOf(service.service_name),
                              "service \"" + service.service_name + "\" offers AUTH, and " + logged_in.rule +
                                  " refuses those who logged in as soon as they write to others",
                              "put permit_sasl_authenticated before it, in the relay and the recipient rules");
    }
  }

  // 587 and 465 are for users: strangers' mail belongs to port 25 and its filters.
  void CheckSubmission(const SmtpService& service, uint16_t port) {
    const bool is_submission = port == kSubmissionPort || port == kSubmissionsPort ||
                               service.service_name.find("submission") != std::string::npos ||
                               service.service_name.find("smtps") != std::string::npos;
    if (!is_submission) return;
    if (JudgeAccess(service, ClientKind::kStranger, RecipientKind::kOurs).accepted) {
      host_->findings.Security(
          "submission-open-to-strangers", PlaceOf(service.service_name),
          "service \"" + service.service_name +
              "\" takes mail for our own domains from anyone without a login, past the rules of port 25",
          "add \"-o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\"");
    }
    if (!service.sasl_auth_enable) {
      host_->findings.Warning("submission-without-auth", PlaceOf(service.service_name),
                              "service \"" + service.service_name + "\" offers no AUTH: users cannot send",
                              "add \"-o smtpd_sasl_auth_enable=yes\"");
    }
    if (service.tls_level != TlsLevel::kEncrypt && !service.tls_wrappermode) {
      host_->findings.Security("submission-without-tls", PlaceOf(service.service_name),
                               "service \"" + service.service_name + "\" does not demand TLS",
                               "add \"-o smtpd_tls_security_level=encrypt\"");
    }
  }

  void CheckLoginRules(const SmtpService& service, const PostfixParameters& parameters, uint16_t port) {
    const Place place = PlaceOf(service.service_name);
    const bool may_be_clear =
        !service.tls_wrappermode && service.tls_level != TlsLevel::kEncrypt && !service.tls_auth_only;
    const auto& options = service.sasl_security_options;
    const bool plaintext = std::find(options.begin(), options.end(), "noplaintext") == options.end();
    if (may_be_clear && plaintext) {
      host_->findings.Security(
          "auth-in-clear", place,
          "service \"" + service.service_name +
              "\" takes passwords without TLS; disable_plaintext_auth of Dovecot does not hold for SMTP",
          "set smtpd_tls_security_level = may and smtpd_tls_auth_only = yes");
    }
    if (port == kSmtpPort || service.service_name == "smtp") {
      host_->findings.Security(
          "auth-on-port-25", place,
          "AUTH is offered on port 25, where only other servers need to talk: passwords are guessed "
          "there day and night",
          "set smtpd_sasl_auth_enable = no in main.cf, and "
          "\"-o smtpd_sasl_auth_enable=yes\" for submission and smtps");
    }
    const bool checked = HasRule(service.sender_restrictions, "sender_login_mismatch") ||
                         HasRule(service.recipient_restrictions, "sender_login_mismatch") ||
                         HasRule(service.relay_restrictions, "sender_login_mismatch");
    if (!checked) {
      host_->findings.Security("sender-not-checked", place,
                               "whoever logs in at \"" + service.service_name + "\" may send under anybody's address",
                               "set smtpd_sender_login_maps, and reject_sender_login_mismatch before "
                               "permit_sasl_authenticated");
    } else if (service.sender_login_maps.empty()) {
      host_->findings.Warning("sender-login-maps-empty", place,
                              "service \"" + service.service_name +
                                  "\" checks senders against smtpd_sender_login_maps, which is empty: nobody may send",
                              "set smtpd_sender_login_maps");
    }
    CheckRuleBeforeLogin(service, parameters);
  }

  // Rules for servers that users' programs break: a laptop has no proper host name.
  void CheckRuleBeforeLogin(const SmtpService& service, const PostfixParameters& parameters) {
    const std::pair<std::string_view, const Restrictions*> lists[] = {
        {"smtpd_client_restrictions", &service.client_restrictions},
        {"smtpd_helo_restrictions", &service.helo_restrictions},
        {"smtpd_sender_restrictions", &service.sender_restrictions},
        {"smtpd_recipient_restrictions", &service.recipient_restrictions}};
    for (const auto& [name, rules] : lists) {
      for (const Restriction& rule : *rules) {
        if (rule.name == "permit_sasl_authenticated") break;
        if (!IsForServers(rule.name) || rule.warn_only) continue;
        RuleBeforeLogin& found = before_login_[{ToString(parameters.PlaceOf(name)), rule.name}];
        found.place = parameters.PlaceOf(name);
        found.services += (found.services.empty() ? "" : ", ") + service.service_name;
        break;
      }
    }
  }

  void ReportRulesBeforeLogin() {
    for (const auto& [key, rule] : before_login_) {
      host_->findings.Warning("rule-before-login", rule.place,
                              key.second +
                                  " comes before permit_sasl_authenticated: users whose program says an odd HELO "
                                  "name, or has no host name, cannot send (" +
                                  rule.services + ")",
                              "put permit_sasl_authenticated before it");
    }
  }

  static bool IsForServers(std::string_view name) {
    static constexpr std::string_view kRules[] = {
        "reject_invalid_helo_hostname",   "reject_non_fqdn_helo_hostname",          "reject_unknown_helo_hostname",
        "reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname", "reject_rbl_client"};
    return std::find(std::begin(kRules), std::end(kRules), name) != std::end(kRules);
  }

  bool OnlyLoopback() const {
    return std::all_of(host_->config->listeners.begin(), host_->config->listeners.end(), [](const Listener& listener) {
      return listener.is_unix() || listener.endpoint.address.IsLoopback();
    });
  }

  void CheckTrust() {
    if (OnlyLoopback()) return;
    const MatchList networks = ListOfMain();
    const Place place = main_.PlaceOf("mynetworks");
    for (const MatchPattern& pattern : networks.patterns) {
      if (pattern.negated || pattern.kind == MatchPattern::Kind::kTable) continue;
      if (pattern.kind != MatchPattern::Kind::kNetwork) {
        host_->findings.Security("mynetworks-by-name", place,
                                 "mynetworks trusts the name \"" + pattern.text + "\": who controls its DNS may relay",
                                 "write addresses");
        continue;
      }
      const IpAddress& address = pattern.network.address;
      const std::string text = address.ToString() + "/" + std::to_string(pattern.network.prefix_bits);
      const int host_bits = (address.v6 ? 128 : 32) - pattern.network.prefix_bits;
      if (address.IsLoopback()) continue;
      if (pattern.network.prefix_bits < 8) {
        host_->findings.Error("open-relay", place, "mynetworks trusts " + text + ": nearly everybody may relay",
                              "write your own networks");
      } else if (IsPrivate(address)) {
        host_->findings.Security(
            "mynetworks-private-range", place,
            "mynetworks trusts " + text +
                ": behind a translator or in front of containers, strangers come from such addresses "
                "and may relay",
            "trust 127.0.0.0/8 only, and let programs log in");
      } else if (main_.IsSet("mynetworks")) {
        host_->findings.Security("mynetworks-public", place,
                                 "mynetworks trusts " + text + (host_bits == 0 ? "" : ", a whole public network") +
                                     ": every user and program there relays without a login",
                                 "trust 127.0.0.0/8 only, and let programs log in");
      }
    }
  }

  // What other hosts think of this one, and what this one believes of others.
  void CheckStanding() {
    if (OnlyLoopback()) return;
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol != Protocol::kSmtp || listener.endpoint.port - host_->options.port_offset != kSmtpPort)
        continue;
      const SmtpService& service = *listener.smtp;
      const bool checks =
          std::any_of(std::begin(kChecksOfSenders), std::end(kChecksOfSenders), [&](std::string_view part) {
            return HasRule(service.client_restrictions, part) || HasRule(service.sender_restrictions, part) ||
                   HasRule(service.relay_restrictions, part) || HasRule(service.recipient_restrictions, part);
          });
      if (checks) break;
      host_->findings.Notice(
          "senders-believed", main_.PlaceOf("smtpd_sender_restrictions"),
          "port 25 takes mail from any host and any sender address: nothing asks whether they have a name",
          "set smtpd_sender_restrictions = permit_mynetworks, permit_sasl_authenticated, "
          "reject_non_fqdn_sender, reject_unknown_reverse_client_hostname");
      break;
    }
    if (!host_->config->routing.relayhost.empty()) return;
    host_->findings.Notice(
        "mail-unsigned", main_.PlaceOf("relayhost"),
        "mail leaves without a DKIM signature: large receivers may refuse it or call it spam",
        "publish SPF for " + host_->config->routing.mydomain +
            ", give the host's address its name in the DNS, or set relayhost to a server that signs");
  }

  MatchList ListOfMain() const {
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol == Protocol::kSmtp && listener.smtp) return listener.smtp->mynetworks;
    }
    return {};
  }

  struct RuleBeforeLogin {
    Place place;
    std::string services;
  };

  HostConfiguration* host_;
  const PostfixParameters main_;
  std::map<std::pair<std::string, std::string>, RuleBeforeLogin> before_login_;  // by place and rule
};

}  // namespace

void CheckAccess(HostConfiguration* host) { AccessChecker(host).Run(); }

}  // namespace postern::config
