// Mail for other hosts: access tables that let strangers relay.
//
// A table's answer "OK" ends its list (access(5)). Before the rule that refuses foreign recipients it says "relay for
// this client". What a client says of itself (sender, HELO, the name of its address in its own DNS) anybody can say.
#include <algorithm>
#include <optional>
#include <set>

#include "core/base/ascii.h"
#include "core/config/access_verdict.h"
#include "core/config/check.h"
#include "core/config/postfix_syntax.h"
#include "core/config/registry.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr size_t kRowsReportedMax = 5;  // of one table

// Who is let in by a row.
enum class Meets : uint8_t {
  kNobody,       // it does not permit, or permits what is allowed anyway
  kSomeClients,  // those with an address or a name that they cannot choose
  kSomeDomain,   // everybody, to one foreign domain or address
  kEverybody,
};

// What a pattern table is asked, instead of looking into its patterns: strangers who have nothing in common, and
// recipients elsewhere.
constexpr std::string_view kAnyClients[] = {"203.0.113.77", "198.18.5.141"};
constexpr std::string_view kAnyClientNames[] = {"host77.elsewhere.invalid", "mx.other.invalid"};
constexpr std::string_view kAnyRecipients[] = {"somebody@elsewhere.invalid", "postmaster@elsewhere.invalid",
                                               "abuse@elsewhere.invalid", "info@elsewhere.invalid"};

// access(5): does the value permit a stranger's mail to a foreign recipient?
bool Permits(std::string_view value) {
  const std::string word = LowerCase(value.substr(0, value.find_first_of(" \t,")));
  if (word == "ok" || word == "relay") return true;
  if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos) {
    return word.size() != 3 || (word[0] != '4' && word[0] != '5');
  }
  Restrictions rules;
  for (const std::string& name : SplitPostfixList(value)) {
    if (FindRestriction(LowerCase(name)) == nullptr) return false;  // an action with a text, or a mistake of its own
    rules.push_back({.name = LowerCase(name)});
  }
  return Permits(rules, ClientKind::kStranger, RecipientKind::kForeign);
}

bool PermitsKey(const Table& table, std::string_view key) {
  const auto value = table.Find(key);
  return value && Permits(*value);
}

// What a pattern table answers to a stranger: of the clients all, of the recipients one. Null: to none.
const std::string_view* PermittedStranger(const Restriction& rule) {
  const auto permits = [&rule](std::string_view key) { return PermitsKey(*rule.table, key); };
  if (rule.name == "check_recipient_access") {
    const auto* const at = std::find_if(std::begin(kAnyRecipients), std::end(kAnyRecipients), permits);
    return at == std::end(kAnyRecipients) ? nullptr : at;
  }
  if (std::all_of(std::begin(kAnyClients), std::end(kAnyClients), permits)) return kAnyClients;
  if (std::all_of(std::begin(kAnyClientNames), std::end(kAnyClientNames), permits)) return kAnyClientNames;
  return nullptr;
}

class RelayChecker {
 public:
  explicit RelayChecker(HostConfiguration* host) : host_(host), main_(host->Main()) {}

  void Run() {
    std::set<const SmtpService*> seen;  // never walked
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol != Protocol::kSmtp || !seen.insert(listener.smtp.get()).second) continue;
      CheckTables(*listener.smtp);
    }
  }

 private:
  // ---- tables ----

  void CheckTables(const SmtpService& service) {
    const auto rules = RulesThatLetIn(service, ClientKind::kStranger, RecipientKind::kForeign,
                                      [this](const Restriction& rule) { return LetsAnyRelay(rule); });
    for (const RuleThatLetsIn& found : rules) {
      const std::string_view* const stranger = IsAsked(*found.rule) ? PermittedStranger(*found.rule) : nullptr;
      if (stranger != nullptr) {
        Report(service, found, OnlyPermittingRow(*found.rule), *stranger, *found.rule->table->Find(*stranger),
               Meets::kEverybody);
        continue;
      }
      size_t reported = 0;
      found.rule->table->ForEachRow([&](const TableRow& row) {
        const Meets meets = Judge(*found.rule, row);
        if (meets == Meets::kNobody || ++reported > kRowsReportedMax) return;
        Report(service, found, {std::string(row.file), row.line}, row.key, row.value, meets);
      });
    }
  }

  // Which pattern a stranger meets is found out by asking.
  static bool IsAsked(const Restriction& rule) {
    return rule.table->is_pattern_table() &&
           (rule.name == "check_client_access" || rule.name == "check_recipient_access");
  }

  // Where the row stands that answered, if only one can have.
  static Place OnlyPermittingRow(const Restriction& rule) {
    std::vector<Place> places;
    rule.table->ForEachRow([&places](const TableRow& row) {
      if (Permits(row.value)) places.push_back({std::string(row.file), row.line});
    });
    return places.size() == 1 ? places.front() : Place{};
  }

  bool LetsAnyRelay(const Restriction& rule) const {
    bool any = IsAsked(rule) && PermittedStranger(rule) != nullptr;
    rule.table->ForEachRow([&](const TableRow& row) { any = any || Judge(rule, row) != Meets::kNobody; });
    return any;
  }

  Meets Judge(const Restriction& rule, const TableRow& row) const {
    if (!Permits(row.value)) return Meets::kNobody;
    if (rule.name == "check_sender_access" || rule.name == "check_helo_access" ||
        rule.name == "check_reverse_client_hostname_access") {
      return Meets::kEverybody;
    }
    if (rule.name == "check_client_access") return JudgeClient(*rule.table, row.key);
    if (rule.name == "check_recipient_access") return JudgeRecipient(*rule.table, row.key);
    return Meets::kNobody;  // check_sasl_access is for those who logged in
  }

  static Meets JudgeClient(const Table& table, std::string_view key) {
    // A client without a name is not asked for by "unknown".
    if (LoopbackOnly(key) || key == "localhost" || key == "unknown") return Meets::kNobody;
    if (table.is_pattern_table()) return Meets::kSomeClients;
    const bool top_level =
        key.find_first_of(".:") == std::string_view::npos && !ParseUnsigned(key);  // "com": all below it
    return top_level ? Meets::kEverybody : Meets::kSomeClients;
  }

  static bool LoopbackOnly(std::string_view key) {
    if (const auto network = Network::Parse(key)) return network->address.IsLoopback();
    return key == "127" || key.starts_with("127.");
  }

  Meets JudgeRecipient(const Table& table, std::string_view key) const {
    if (table.is_pattern_table()) return Meets::kNobody;
    if (key.ends_with('@')) return Meets::kEverybody;                // that name in every domain
    const std::string_view domain = key.substr(key.rfind('@') + 1);  // npos + 1 is 0
    if (IsOurs(domain)) return Meets::kNobody;
    return domain.find('.') == std::string_view::npos ? Meets::kEverybody : Meets::kSomeDomain;
  }

  bool IsOurs(std::string_view domain) const {
    const Routing& routing = host_->config->routing;
    return routing.mydestination.MatchesName(domain) || routing.relay_domains.MatchesName(domain, true) ||
           routing.virtual_alias_domains.MatchesName(domain) || routing.virtual_mailbox_domains.MatchesName(domain);
  }

  // `key`: what is answered so; empty: everything.
  void Report(const SmtpService& service, const RuleThatLetsIn& found, Place place, std::string_view key,
              std::string_view value, Meets meets) {
    const Restriction& rule = *found.rule;
    // Rows that stand in main.cf have no line of their own.
    if (place.line == 0 || place.file == host_->postfix.main.file) place = ListPlace(service, found.list);
    const std::string what = rule.name + " " + rule.argument + " in " + std::string(found.list) + " answers " +
                             (key.empty() ? "everything" : "\"" + std::string(key) + "\"") + " with \"" +
                             std::string(value.substr(0, 80)) + "\" before " + found.refusing + ": ";
    const std::string mend = "write DUNNO, or put " + found.refusing + " before " + rule.name;
    switch (meets) {
      case Meets::kNobody:
        return;
      case Meets::kEverybody:
        host_->findings.Error("open-relay", place, what + "strangers who come with that may send to anyone", mend);
        return;
      case Meets::kSomeClients:
        host_->findings.Security("access-table-relays", place,
                                 what + "those clients may send to anyone without a login", mend);
        return;
      case Meets::kSomeDomain:
        host_->findings.Security("access-table-relays", place, what + "anyone may send there through this host",
                                 "put the domain into relay_domains if it is meant, and " + mend);
        return;
    }
  }

  // Where the list is written: in main.cf, or with the service that overrides it.
  Place ListPlace(const SmtpService& service, std::string_view list) {
    for (const MasterService& each : host_->postfix.master.services) {
      if (each.type == "inet" && each.name == service.service_name) {
        return PostfixParameters(&host_->postfix, &each).PlaceOf(list);
      }
    }
    return main_.PlaceOf(list);
  }

  HostConfiguration* host_;
  const PostfixParameters main_;
};

}  // namespace

void CheckRelaying(HostConfiguration* host) { RelayChecker(host).Run(); }

}  // namespace postern::config
