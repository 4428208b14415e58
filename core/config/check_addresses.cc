// Domains and their classes, aliases, the addresses every domain owes, sender logins.
#include <algorithm>
#include <map>
#include <set>

#include "core/base/ascii.h"
#include "core/config/check.h"
#include "core/config/transport_maps.h"
#include "core/config/user_paths.h"
#include "core/config/value.h"
#include "core/config/variables.h"

namespace postern::config {
namespace {

constexpr size_t kAliasRowsMax = 1'000'000;

// Names of domains that a list spells out, itself or as rows of a table without "@".
std::set<std::string> DomainsOf(const MatchList& list) {
  std::set<std::string> domains;
  for (const MatchPattern& pattern : list.patterns) {
    if (pattern.negated) continue;
    if (pattern.kind == MatchPattern::Kind::kName) domains.insert(pattern.text);
    if (pattern.kind == MatchPattern::Kind::kTable && pattern.table) {
      pattern.table->ForEach([&domains](std::string_view key, std::string_view) {
        if (key.find('@') == std::string_view::npos && key.find('.') != std::string_view::npos) domains.emplace(key);
      });
    }
  }
  return domains;
}

class AddressChecker {
 public:
  explicit AddressChecker(HostConfiguration* host)
      : host_(host), routing_(host->config->routing), main_(host->Main()) {}

  void Run() {
    CheckOverlap();
    CheckOwnName();
    CheckOwedAddresses();
    CheckRoot();
    CheckAliasLoops();
    CheckAliasTargets();
    CheckDeadAliases();
    CheckSenderLogins();
    CheckLocalDelivery();
    CheckTransports();
  }

 private:
  bool IsOurs(std::string_view domain) const {
    return routing_.mydestination.MatchesName(domain) || routing_.virtual_mailbox_domains.MatchesName(domain) ||
           routing_.virtual_alias_domains.MatchesName(domain) || routing_.relay_domains.MatchesName(domain, true);
  }

  void CheckOverlap() {
    const std::pair<std::string_view, const MatchList*> classes[] = {
        {"mydestination", &routing_.mydestination},
        {"virtual_alias_domains", &routing_.virtual_alias_domains},
        {"virtual_mailbox_domains", &routing_.virtual_mailbox_domains},
        {"relay_domains", &routing_.relay_domains}};
    for (size_t i = 0; i < std::size(classes); ++i) {
      for (const std::string& domain : DomainsOf(*classes[i].second)) {
        for (size_t j = i + 1; j < std::size(classes); ++j) {
          if (!classes[j].second->MatchesName(domain)) continue;
          host_->findings.Warning("domain-in-two-classes", main_.PlaceOf(classes[j].first),
                                  domain + " is in " + std::string(classes[i].first) + " and in " +
                                      std::string(classes[j].first) + ": the first decides, the second does nothing",
                                  "remove it from one of the two");
        }
      }
    }
  }

  void CheckOwnName() {
    if (IsOurs(routing_.myhostname)) return;
    host_->findings.Warning("myhostname-in-no-class", main_.PlaceOf("myhostname"),
                            "mail for user@" + routing_.myhostname +
                                " belongs to no class: it is taken for foreign, and comes back to this host",
                            "set virtual_alias_domains = " +
                                (main_.IsSet("virtual_alias_domains") ? "..." : std::string("$virtual_alias_maps")) +
                                ", $myhostname: its names are then refused unless virtual_alias_maps has them");
  }

  // An address that aliases or mailboxes know.
  bool IsKnown(const std::string& address) const {
    const std::string domain = "@" + std::string(UserDomain(address));
    for (const TableList* tables : {&routing_.virtual_alias_maps, &routing_.virtual_mailbox_maps}) {
      if (tables->Find(address) || tables->Find(domain)) return true;
    }
    return false;
  }

  // RFC 5321 section 4.5.1: postmaster. RFC 2142 section 4: abuse.
  void CheckOwedAddresses() {
    for (const MatchList* list : {&routing_.virtual_mailbox_domains, &routing_.virtual_alias_domains}) {
      const std::string_view name =
          list == &routing_.virtual_mailbox_domains ? "virtual_mailbox_domains" : "virtual_alias_domains";
      size_t reported = 0;
      for (const std::string& domain : DomainsOf(*list)) {
        if (reported >= kReportedMax) break;
        if (!IsKnown("postmaster@" + domain)) {
          ++reported;
          host_->findings.Warning("postmaster-unreachable", main_.PlaceOf(name),
                                  "postmaster@" + domain +
                                      " is unknown: mail for it is refused, though every mail domain "
                                      "owes this address",
                                  "add postmaster@" + domain + " to virtual_alias_maps");
        }
        if (!IsKnown("abuse@" + domain)) {
          host_->findings.Notice("abuse-unreachable", main_.PlaceOf(name), "abuse@" + domain + " is unknown",
                                 "add abuse@" + domain + " to virtual_alias_maps");
        }
      }
    }
  }

  // What programs of this host write to "root" goes to root@$myorigin.
  void CheckRoot() {
    const std::string& domain = routing_.myorigin;
    if (!routing_.virtual_mailbox_domains.MatchesName(domain) && !routing_.virtual_alias_domains.MatchesName(domain))
      return;
    if (IsKnown("root@" + domain)) return;
    host_->findings.Notice("root-unreachable", main_.PlaceOf("myorigin"),
                           "root@" + domain + " is unknown: what programs of this host report to root is refused",
                           "add root@" + domain + " to virtual_alias_maps");
  }

  std::vector<std::string> TargetsOf(const std::string& address) const {
    auto value = routing_.virtual_alias_maps.Find(address);
    if (!value) value = routing_.virtual_alias_maps.Find("@" + std::string(UserDomain(address)));
    if (!value) return {};
    std::vector<std::string> targets;
    for (const std::string& target : SplitPostfixList(*value)) targets.push_back(LowerCase(target));
    return targets;
  }

  std::vector<std::string> AliasKeys() const {
    std::vector<std::string> keys;
    for (const TablePtr& table : routing_.virtual_alias_maps.tables) {
      table->ForEach([&keys](std::string_view key, std::string_view) {
        if (keys.size() < kAliasRowsMax) keys.emplace_back(key);
      });
    }
    return keys;
  }

  // A walk with an explicit stack: an address met again on its own path is a loop. An alias of itself is none: it means
  // "deliver here, too".
  void CheckAliasLoops() {
    std::set<std::string> done;
    for (const std::string& start : AliasKeys()) {
      std::vector<std::pair<std::string, std::vector<std::string>>> path;
      std::set<std::string> on_path;
      const auto enter = [&](const std::string& address) {
        path.emplace_back(address, TargetsOf(address));
        on_path.insert(address);
      };
      if (done.count(start) == 0) enter(start);
      while (!path.empty()) {
        auto& [address, targets] = path.back();
        if (targets.empty()) {
          done.insert(address);
          on_path.erase(address);
          path.pop_back();
          continue;
        }
        const std::string next = targets.back();
        targets.pop_back();
        if (next == address || done.count(next) != 0) continue;
        if (on_path.count(next) != 0) {
          ReportLoop(address, next);
        } else {
          enter(next);
        }
      }
    }
  }

  void ReportLoop(const std::string& from, const std::string& to) {
    host_->findings.Warning(
        "alias-loop", main_.PlaceOf("virtual_alias_maps"),
        "the aliases " + to + " and " + from + " lead to each other: mail for them is not delivered",
        "let one of them end at a mailbox");
  }

  void CheckAliasTargets() {
    std::set<std::string> remote;
    for (const std::string& key : AliasKeys()) {
      if (key.starts_with('@')) {
        host_->findings.Notice("alias-catch-all", main_.PlaceOf("virtual_alias_maps"),
                               key + " takes mail for every name of its domain: misspelled addresses are never refused",
                               "list the names that exist");
      }
      for (const std::string& target : TargetsOf(key)) {
        const std::string domain(UserDomain(target));
        if (!domain.empty() && !IsOurs(domain) && remote.size() < kReportedMax) remote.insert(key);
      }
    }
    for (const std::string& key : remote) {
      host_->findings.Notice("alias-forwards-outside", main_.PlaceOf("virtual_alias_maps"),
                             key +
                                 " is forwarded to another host: its mail may be refused there, since the sender's "
                                 "domain does not name this host",
                             "let the reader fetch the mail here");
    }
  }

  void CheckDeadAliases() {
    if (!main_.IsSet("alias_maps") || !routing_.mydestination.empty() || main_.Text("alias_maps").empty()) return;
    host_->findings.Warning("alias-maps-dead", main_.PlaceOf("alias_maps"),
                            "alias_maps serves the domains of mydestination only, which is empty: none of its aliases "
                            "(root, postmaster ...) works",
                            "put the aliases into virtual_alias_maps, with their domain");
  }

  bool AnyRule(const Restrictions& rules, std::string_view ending) const {
    return std::any_of(rules.begin(), rules.end(), [&](const Restriction& rule) {
      return rule.name.ends_with(ending) || AnyRule(rule.restriction_class, ending);
    });
  }

  void CheckSenderLogins() {
    std::set<std::string> owners;
    bool used = false, enumerable = true;
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol != Protocol::kSmtp || listener.smtp == nullptr) continue;
      const SmtpService& service = *listener.smtp;
      if (!AnyRule(service.sender_restrictions, "sender_login_mismatch") &&
          !AnyRule(service.recipient_restrictions, "sender_login_mismatch") &&
          !AnyRule(service.relay_restrictions, "sender_login_mismatch")) {
        continue;
      }
      used = true;
      for (const TablePtr& table : service.sender_login_maps.tables) {
        if (!table->lists_all_keys()) enumerable = false;
        table->ForEach([&owners](std::string_view, std::string_view value) {
          for (const std::string& owner : SplitPostfixList(value)) owners.insert(LowerCase(owner));
        });
      }
    }
    if (!used || !enumerable) return;
    size_t reported = 0;
    for (const PassDb& passdb : host_->config->auth.passdbs) {
      if (passdb.users == nullptr || passdb.deny) continue;
      passdb.users->ForEach([&](std::string_view name, const UserRecord&) {
        const auto facts = FactsOfLogin(name, *host_->config);
        if (!facts || owners.count(LowerCase(facts->user)) != 0 || ++reported > kReportedMax) return;
        host_->findings.Warning("sender-login-without-address", main_.PlaceOf("smtpd_sender_login_maps"),
                                "\"" + facts->user +
                                    "\" owns no sender address in smtpd_sender_login_maps: it can send "
                                    "nothing",
                                "add a row \"ADDRESS " + facts->user + "\"");
      });
    }
  }

  // Of local(8) there are aliases(5): no mailboxes of system users, no .forward, no pipes.
  void CheckLocalDelivery() {
    const std::string transport = SplitTransport(routing_.local_transport).name;
    if (routing_.mydestination.empty() || (transport != "local" && !transport.empty())) return;
    host_->findings.Notice("local-users-without-mailbox", main_.PlaceOf("mydestination"),
                           "users of this system have no mailbox here: of the domains in mydestination only names that "
                           "alias_maps leads to an address get mail, all others are refused",
                           "write \"NAME: ADDRESS\" into the aliases file for everybody who is to get mail");
    if (routing_.alias_maps.Find("postmaster")) return;
    host_->findings.Warning("postmaster-unreachable", main_.PlaceOf("mydestination"),
                            "alias_maps has no postmaster: mail for it is refused, though every mail domain owes this "
                            "address",
                            "add \"postmaster: ADDRESS\" to the aliases file");
  }

  // Transports that we have: smtp and relay (the SMTP client), lmtp, virtual, local, error, retry, discard.
  void CheckTransports() {
    const std::pair<std::string_view, const std::string*> transports[] = {
        {"virtual_transport", &routing_.virtual_transport},
        {"default_transport", &routing_.default_transport},
        {"relay_transport", &routing_.relay_transport},
        {"local_transport", &routing_.local_transport}};
    for (const auto& [parameter, value] : transports) {
      if (!AgentOf(SplitTransport(*value).name, routing_).empty()) continue;
      if (parameter == "local_transport" && routing_.mydestination.empty()) continue;
      host_->findings.Error(
          "transport-unsupported", main_.PlaceOf(parameter),
          std::string(parameter) + " is \"" + *value +
              "\": there is no such way to deliver, its mail "
              "would wait for ever",
          parameter == "virtual_transport"
              ? "write virtual_transport = virtual, with "
                "virtual_mailbox_maps"
              : "use the default, \"" + std::string(FindPostfixParameter(parameter)->default_value) + "\"");
    }
    size_t reported = 0;
    for (const TablePtr& table : routing_.transport_maps.tables) {
      table->ForEach([&](std::string_view key, std::string_view value) {
        const std::string name = SplitTransport(value).name;
        if (name.empty() || !AgentOf(name, routing_).empty() || ++reported > kReportedMax) return;
        host_->findings.Error("transport-unsupported", main_.PlaceOf("transport_maps"),
                              "transport_maps sends " + std::string(key) + " to \"" + std::string(value) +
                                  "\": there is no such way to deliver, its mail would wait for ever",
                              "use smtp, relay, lmtp, virtual, error or discard");
      });
    }
  }

  HostConfiguration* host_;
  const Routing& routing_;
  const PostfixParameters main_;
};

}  // namespace

void CheckAddresses(HostConfiguration* host) { AddressChecker(host).Run(); }

}  // namespace postern::config
