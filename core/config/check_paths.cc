// Does mail arrive where its reader looks? For every row of virtual_mailbox_maps the path that delivery writes to must
// be the path that its user reads, unless nothing writes to it: where the address goes to another transport than
// virtual(8) its row only says that the address exists. What is written to must be
//
//   a login is the address itself       what that login reads
//   a login is the name before the "@"  the same, unless the login has another row with its name, and this path is
//                                       read by somebody else
//   neither                             read by somebody
//
// Where it is not so, mail would be taken, answered 250, and be seen by nobody, or by another: that stops the start.
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

struct Row {
  std::string address;  // "alice@example.test", "@example.test"
  std::string value;
  std::string path;  // normalised; empty where the value is no Maildir
};

class PathChecker {
 public:
  explicit PathChecker(HostConfiguration* host)
      : host_(host),
        routing_(host->config->routing),
        main_(host->Main()),
        maps_place_(main_.PlaceOf("virtual_mailbox_maps")),
        location_place_(host->Dovecot().PlaceOf("mail_location")) {}

  void Run() {
    if (!ReadTransports()) return;
    ReadRows();
    std::vector<std::string> addresses = by_lmtp_;
    for (const Row& row : rows_) {
      if (!row.address.starts_with('@')) addresses.push_back(row.address);
    }
    for (const std::string& login : PossibleLogins(*host_->config, addresses)) {
      const auto facts = FactsOfLogin(login, *host_->config);
      if (!facts) continue;
      readers_[facts->inbox_path].push_back(*facts);
      logins_.emplace_back(login, *facts);
    }
    for (const auto& [login, facts] : logins_) {
      owners_.emplace(login, &facts);
      owners_.emplace(facts.user, &facts);
    }
    CheckRows();
    CheckShared();
    CheckPatternTables();
    CheckLogins();
    CheckOwners();
    CheckNumbers();
  }

 private:
  // False: virtual(8) delivers nothing.
  bool ReadTransports() {
    bool used = IsVirtual(routing_.virtual_transport);
    for (const TablePtr& table : routing_.transport_maps.tables) {
      if (!table->lists_all_keys()) has_transport_patterns_ = true;
      table->ForEachValue([&](std::string_view value) { used = used || IsVirtual(value); });
      table->ForEach([this](std::string_view key, std::string_view value) {
        if (key.find('@') == std::string_view::npos || !IsVirtual(value)) return;
        const std::string_view user = UserName(key);
        const std::string domain = "@" + std::string(UserDomain(key));
        kept_names_.emplace(std::string(user.substr(0, user.find_first_of(routing_.recipient_delimiter, 1))) + domain);
        kept_names_.emplace(domain);
      });
    }
    return used;
  }

  bool IsVirtual(std::string_view transport) const {
    return AgentOf(SplitTransport(transport).name, routing_) == "virtual";
  }

  // The row of transport_maps that decides where an address, or "@domain", goes; nullopt: its class does.
  std::optional<TransportRow> FindDecidingRow(const std::string& address) const {
    const auto value = address.starts_with('@') ? std::nullopt : routing_.transport_maps.Find(address);
    const auto row = value ? SplitTransport(*value) : FindTransportOfDomain(UserDomain(address), routing_);
    // ":nexthop" leaves the transport as it is; an empty answer says nothing.
    return row && !row->name.empty() ? row : std::nullopt;
  }

  enum class Route : uint8_t { kToMaildir, kToOwnLmtp, kElsewhere };
  Route RouteOf(const std::string& address) const {
    const TransportRow row = FindDecidingRow(address).value_or(SplitTransport(routing_.virtual_transport));
    const std::string_view agent = AgentOf(row.name, routing_);
    if (agent == "virtual") return Route::kToMaildir;
    // Names that transport_maps gives to virtual(8) one by one: what "@domain" or "user" of "user+more" stands for.
    if (kept_names_.contains(address) || (address.starts_with('@') && has_transport_patterns_))
      return Route::kToMaildir;
    return agent == "lmtp" && routing_.own_lmtp.contains(row.nexthop) ? Route::kToOwnLmtp : Route::kElsewhere;
  }

  std::string DeliveryPath(std::string_view value) const {
    return NormalizePath(routing_.virtual_mailbox_base + "/" + std::string(value));
  }

  void ReadRows() {
    for (const TablePtr& table : routing_.virtual_mailbox_maps.tables) {
      if (!table->lists_all_keys()) has_patterns_ = true;
      table->ForEach([this](std::string_view key, std::string_view value) {
        if (key.find('@') == std::string_view::npos) return;  // a domain's row: "example.test anything"
        if (!seen_.emplace(key).second) return;               // an earlier table answers for it
        const Route route = RouteOf(std::string(key));
        if (route == Route::kToOwnLmtp) by_lmtp_.emplace_back(key);
        if (route != Route::kToMaildir) return;
        rows_.push_back(
            {std::string(key), std::string(value), value.ends_with('/') ? DeliveryPath(value) : std::string()});
      });
    }
    for (const Row& row : rows_) named_paths_.emplace(UserName(row.address), row.path);
  }

  const LoginFacts* Owner(std::string_view name) const {
    const auto at = owners_.find(name);
    return at == owners_.end() ? nullptr : at->second;
  }

  // What is wrong with a row; the login of its user goes to *owner where there is one.
  enum class Meeting : uint8_t { kGood, kReadByNobody, kReadByAnother };
  Meeting Meet(const Row& row, const LoginFacts** owner) const {
    const bool is_read = !row.path.empty() && readers_.contains(row.path);
    *owner = Owner(row.address);
    bool must_be_owner = *owner != nullptr;
    if (*owner == nullptr) {
      *owner = Owner(UserName(row.address));
      // The name alone says little where domains share it: has the login a mailbox of its name elsewhere?
      must_be_owner =
          *owner != nullptr && !named_paths_.contains({std::string(UserName(row.address)), (*owner)->inbox_path});
    }
    if (must_be_owner && (*owner)->inbox_path == row.path) return Meeting::kGood;
    if (!is_read) return Meeting::kReadByNobody;
    return must_be_owner ? Meeting::kReadByAnother : Meeting::kGood;
  }

  // virtual(5): an alias is followed before the mailbox is looked for; without itself among its targets the mailbox
  // gets nothing, whether it is read or not.
  bool IsAliasedAway(const Row& row) const {
    auto targets = routing_.virtual_alias_maps.Find(row.address);
    const bool of_domain = !targets;
    if (!targets) targets = routing_.virtual_alias_maps.Find("@" + std::string(UserDomain(row.address)));
    if (!targets) return false;
    for (const std::string& target : SplitPostfixList(*targets)) {
      if (EqualsIgnoringCase(target, row.address)) return false;
      if (of_domain && target.starts_with('@') && EqualsIgnoringCase(target.substr(1), UserDomain(row.address)))
        return false;
    }
    return true;
  }

  // Its domain is of the class, or transport_maps leads to virtual(8) from another.
  bool IsReached(const Row& row) const {
    return routing_.virtual_mailbox_domains.MatchesName(UserDomain(row.address)) || FindDecidingRow(row.address);
  }

  void CheckRows() {
    size_t unread = 0, unowned = 0, shadowed = 0, accidental = 0;
    std::string example;
    for (const Row& row : rows_) {
      if (!IsReached(row)) {
        Few(&unowned, [&] {
          host_->findings.Warning("mailbox-domain-not-ours", maps_place_,
                                  row.address +
                                      " has a mailbox, but its domain is not in virtual_mailbox_domains: no "
                                      "mail reaches it",
                                  "add the domain to virtual_mailbox_domains, or remove the row");
        });
        continue;
      }
      if (IsAliasedAway(row)) {
        Few(&shadowed, [&] { ReportShadowed(row); });
        continue;
      }
      if (row.path.empty()) {
        host_->findings.Error(
            "mailbox-not-maildir", maps_place_,
            row.address + " is to be delivered to the file " + row.value + ", not to a Maildir: that is not supported",
            "end the value with \"/\" to make it a Maildir");
        continue;
      }
      if (!host_->has_dovecot()) continue;  // who reads it is another program's affair
      const LoginFacts* owner = nullptr;
      const Meeting meeting = Meet(row, &owner);
      if (meeting == Meeting::kReadByNobody) {
        Few(&unread, [&] { ReportUnread(row, owner); });
      } else if (meeting == Meeting::kReadByAnother) {
        Few(&unread, [&] { ReportReadByAnother(row, *owner); });
      } else if (AllWithoutDomain(readers_.at(row.path)) &&
                 row.path.find(UserDomain(row.address)) == std::string::npos) {
        ++accidental;
        example = row.address;
      }
    }
    if (accidental > 0 && LocationUsesDomain()) ReportAccidental(accidental, example);
  }

  static bool AllWithoutDomain(const std::vector<LoginFacts>& readers) {
    return std::all_of(readers.begin(), readers.end(),
                       [](const LoginFacts& facts) { return UserDomain(facts.user).empty(); });
  }

  bool LocationUsesDomain() const {
    const std::string& location = host_->config->storage.mail_location;
    return location.find("%d") != std::string::npos || location.find("%Ld") != std::string::npos ||
           location.find("%{domain}") != std::string::npos || location.find("%u") != std::string::npos ||
           location.find("%Lu") != std::string::npos;
  }

  std::string Reads(const LoginFacts& owner) const {
    if (owner.inbox_path.empty())
      return "where \"" + owner.user + "\" reads cannot be said (mail_location, " + ToString(location_place_) + ")";
    return "\"" + owner.user + "\" reads " + owner.inbox_path + " (mail_location, " + ToString(location_place_) + ")";
  }

  // What to write so that delivery follows reading.
  std::string MendOf(const Row& row, const LoginFacts& owner) const {
    const std::string base = NormalizePath(routing_.virtual_mailbox_base);
    if (base.empty() || !owner.inbox_path.starts_with(base + "/")) return "make the two paths one";
    return "write \"" + row.address + " " + owner.inbox_path.substr(base.size() + 1) + "/\"";
  }

  void ReportUnread(const Row& row, const LoginFacts* owner) {
    const std::string delivered = "mail for " + row.address + " is delivered to " + row.path + ", and ";
    if (owner != nullptr) {
      host_->findings.Error("mailbox-path-unread", maps_place_, delivered + Reads(*owner) + ": it would never be seen",
                            MendOf(row, *owner));
      return;
    }
    host_->findings.Error("mailbox-path-unread", maps_place_,
                          delivered + "no login reads it: nobody has the name \"" + row.address + "\" or \"" +
                              std::string(UserName(row.address)) + "\"",
                          "add the user to the users file, remove the row, or let the address be an alias");
  }

  void ReportReadByAnother(const Row& row, const LoginFacts& owner) {
    host_->findings.Error("mailbox-read-by-another", maps_place_,
                          "mail for " + row.address + " is delivered to " + row.path + ", which \"" +
                              readers_.at(row.path).front().user + "\" reads, while " + Reads(owner) +
                              ": one would read the other's mail",
                          MendOf(row, owner));
  }

  void ReportShadowed(const Row& row) {
    host_->findings.Warning(
        "mailbox-shadowed", main_.PlaceOf("virtual_alias_maps"),
        row.address + " has a mailbox, and an alias takes all its mail elsewhere: the mailbox gets nothing",
        "remove the row of virtual_mailbox_maps, or add \"" + row.address + " " + row.address +
            "\" to virtual_alias_maps");
  }

  void ReportAccidental(size_t count, const std::string& example) {
    host_->findings.Warning(
        "mailbox-path-by-accident", maps_place_,
        std::to_string(count) + " mailboxes (" + example +
            " ...) are found only because logins have no domain, so that %d is empty in mail_location (" +
            ToString(location_place_) + "): a login with its domain would read another folder",
        "log in as user@domain: put the domain into the users file and into the mailbox paths");
  }

  // One mailbox for two people whose names are equal before the "@".
  void CheckShared() {
    std::map<std::string, const Row*> first;
    size_t reported = 0;
    for (const Row& row : rows_) {
      if (row.path.empty()) continue;
      const auto [at, added] = first.emplace(row.path, &row);
      if (added) continue;
      const Row& other = *at->second;
      Few(&reported, [&] {
        if (UserDomain(other.address) != UserDomain(row.address)) {
          host_->findings.Error("mailbox-shared-between-domains", maps_place_,
                                row.address + " and " + other.address + " share the mailbox " + row.path +
                                    ": each would read the other's mail",
                                "put the domain into the path; where they are one person, make one address an alias "
                                "(virtual_alias_maps)");
        } else {
          host_->findings.Notice("mailbox-shared", maps_place_,
                                 row.address + " and " + other.address + " share the mailbox " + row.path,
                                 "make one of them an alias (virtual_alias_maps)");
        }
      });
    }
  }

  // Tables that cannot be listed are asked: for each login that is an address of ours, and for names that nobody has.
  void CheckPatternTables() {
    if (!has_patterns_ || !host_->has_dovecot()) return;
    size_t unread = 0;
    std::set<std::string> domains;
    for (const MatchPattern& pattern : routing_.virtual_mailbox_domains.patterns) {
      if (pattern.kind == MatchPattern::Kind::kName && !pattern.negated) domains.insert(pattern.text);
    }
    for (const auto& [login, facts] : logins_) {
      if (!routing_.virtual_mailbox_domains.MatchesName(UserDomain(login))) continue;
      domains.emplace(UserDomain(login));
      const auto value = routing_.virtual_mailbox_maps.Find(login);
      if (!value || seen_.contains(login) || RouteOf(login) != Route::kToMaildir) continue;
      const Row row{login, *value, DeliveryPath(*value)};
      if (row.path != facts.inbox_path) Few(&unread, [&, &owner = facts] { ReportUnread(row, &owner); });
    }
    for (const std::string& domain : domains) {
      if (CheckStranger(domain, &unread)) return;  // one is enough: it is the pattern, not the domain
    }
  }

  // A pattern that has an answer for everybody fills folders that nobody reads.
  bool CheckStranger(const std::string& domain, size_t* unread) {
    for (const std::string_view name : {"nobody-of-that-name", "nobody", "no.body"}) {
      const std::string address = std::string(name) + "@" + domain;
      const auto value = routing_.virtual_mailbox_maps.Find(address);
      if (!value || RouteOf(address) != Route::kToMaildir) continue;
      if (owners_.contains(address) || owners_.contains(name) || readers_.contains(DeliveryPath(*value))) continue;
      Few(unread, [&] {
        host_->findings.Error("mailbox-path-unread", maps_place_,
                              "virtual_mailbox_maps has an answer for names that nobody has: mail for " + address +
                                  " is delivered to " + DeliveryPath(*value) + ", which no login reads",
                              "list the addresses in a hash: or texthash: table");
      });
      return true;
    }
    return false;
  }

  // Accounts that no address leads to.
  void CheckLogins() {
    if (has_patterns_ || rows_.empty()) return;
    std::set<std::string_view> reached;
    for (const Row& row : rows_) reached.insert(row.path);
    for (const std::string& address : by_lmtp_) {
      if (const LoginFacts* owner = Owner(address)) reached.insert(owner->inbox_path);
    }
    size_t reported = 0;
    for (const auto& [login, facts] : logins_) {
      if (reached.contains(facts.inbox_path)) continue;
      Few(&reported, [&, &who = login, &path = facts.inbox_path] {
        host_->findings.Warning("login-without-mailbox", maps_place_,
                                "\"" + who + "\" can log in and reads " + path + ", where no address is delivered",
                                "add a row for its address, or remove the user");
      });
    }
  }

  void CheckOwners() {
    size_t reported = 0;
    const Storage& storage = host_->config->storage;
    for (const auto& [login, facts] : logins_) {
      if (reported > 0) return;  // one is enough: it is the settings, not the users
      if (facts.uid < 0 || facts.gid < 0) {
        ++reported;
        host_->findings.Error("mailbox-without-owner", location_place_,
                              "the userdb gives \"" + login + "\" no uid and gid: the login would fail",
                              "set uid= and gid= in the userdb, or mail_uid and mail_gid");
      } else if (facts.uid < storage.first_valid_uid ||
                 (storage.last_valid_uid > 0 && facts.uid > storage.last_valid_uid) ||
                 facts.gid < storage.first_valid_gid) {
        ++reported;
        host_->findings.Error("mailbox-owner-not-valid", location_place_,
                              "uid " + std::to_string(facts.uid) + " gid " + std::to_string(facts.gid) + " of \"" +
                                  login +
                                  "\" is outside first_valid_uid, last_valid_uid and first_valid_gid: the login "
                                  "would be refused",
                              "lower first_valid_uid");
      }
    }
  }

  std::optional<int64_t> NumberFor(const TableList& tables, const std::string& address) const {
    auto text = tables.Find(address);
    if (!text) text = tables.Find("@" + std::string(UserDomain(address)));
    const auto number = text ? ParseUnsigned(*text) : std::nullopt;
    if (!number || *number > UINT32_MAX) return std::nullopt;
    return static_cast<int64_t>(*number);
  }

  // As whom a row is delivered: by virtual_uid_maps and virtual_gid_maps.
  void CheckNumbers() {
    for (const Row& row : rows_) {
      if (row.path.empty() || !IsReached(row)) continue;
      if (CheckNumbersOf(row)) return;  // one is enough: it is the settings, not the users
    }
  }

  bool CheckNumbersOf(const Row& row) {
    for (const auto& [parameter, tables] :
         {std::pair<std::string, const TableList*>{"virtual_uid_maps", &routing_.virtual_uid_maps},
          {"virtual_gid_maps", &routing_.virtual_gid_maps}}) {
      if (NumberFor(*tables, row.address)) continue;
      host_->findings.Error(
          "mailbox-without-uid", main_.PlaceOf(parameter),
          parameter + " has no number for " + row.address + ": its mail would wait, and come back in the end",
          "write " + parameter + " = static:NUMBER, the number of the user that owns the mailboxes");
      return true;
    }
    const int64_t uid = *NumberFor(routing_.virtual_uid_maps, row.address);
    if (uid < routing_.virtual_minimum_uid) {
      host_->findings.Error("mailbox-uid-below-minimum", main_.PlaceOf("virtual_uid_maps"),
                            "uid " + std::to_string(uid) + " of " + row.address +
                                " is below virtual_minimum_uid: nothing would be delivered",
                            "lower virtual_minimum_uid, or give the mailboxes another owner");
      return true;
    }
    const auto reader = readers_.find(row.path);
    if (reader == readers_.end() || reader->second.front().uid < 0 || reader->second.front().uid == uid) return false;
    host_->findings.Warning("mailbox-owner-differs", main_.PlaceOf("virtual_uid_maps"),
                            "mail is delivered as uid " + std::to_string(uid) + " and read as uid " +
                                std::to_string(reader->second.front().uid) + ": the reader may lack the right to it",
                            "write the same number into virtual_uid_maps and the userdb");
    return true;
  }

  template <class Report>
  void Few(size_t* count, const Report& report) {
    if (++*count <= kReportedMax) report();
  }

  HostConfiguration* host_;
  const Routing& routing_;
  const PostfixParameters main_;
  const Place maps_place_, location_place_;
  std::vector<Row> rows_;
  std::set<std::string, std::less<>> seen_;                    // addresses of rows_
  std::set<std::pair<std::string, std::string>> named_paths_;  // (name before the "@", path) of rows_
  std::map<std::string, std::vector<LoginFacts>> readers_;     // by path
  std::vector<std::pair<std::string, LoginFacts>> logins_;
  std::map<std::string, const LoginFacts*, std::less<>> owners_;  // by login and by user name; into logins_
  std::vector<std::string> by_lmtp_;                              // addresses whose mailbox the userdb finds
  std::set<std::string> kept_names_;  // "user@domain", "@domain" with rows of transport_maps that lead to virtual(8)
  bool has_patterns_ = false, has_transport_patterns_ = false;
};

}  // namespace

void CheckMailboxPaths(HostConfiguration* host) { PathChecker(host).Run(); }

}  // namespace postern::config
