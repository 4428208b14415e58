// Does mail arrive where its reader looks? For every row of virtual_mailbox_maps the path that delivery writes to must be
// one that a login reads. Where it is not, mail would be taken, answered 250, and never be seen: that stops the start.
#include <algorithm>
#include <map>

#include "core/config/check.h"
#include "core/config/user_paths.h"
#include "core/config/value.h"
#include "core/config/variables.h"

namespace postern::config {
namespace {

constexpr size_t kReportedMax = 20;  // of one kind: a list of ten thousand users is no help

struct Row {
  std::string address;  // "alice@example.test", "@example.test"
  std::string value;
  std::string path;     // normalised; empty where the value is no Maildir
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
    ReadRows();
    std::vector<std::string> addresses;
    for (const Row& row : rows_) {
      if (!row.address.starts_with('@')) addresses.push_back(row.address);
    }
    for (const std::string& login : PossibleLogins(*host_->config, addresses)) {
      const auto facts = FactsOfLogin(login, *host_->config);
      if (!facts) continue;
      readers_[facts->inbox_path].push_back(*facts);
      logins_.emplace_back(login, *facts);
    }
    CheckRows();
    CheckShared();
    CheckPatternTables();
    CheckLogins();
    CheckOwners();
  }

 private:
  std::string DeliveryPath(std::string_view value) const {
    return NormalizePath(routing_.virtual_mailbox_base + "/" + std::string(value));
  }

  void ReadRows() {
    for (const TablePtr& table : routing_.virtual_mailbox_maps.tables) {
      if (table->is_pattern_table()) has_patterns_ = true;
      table->ForEach([this](std::string_view key, std::string_view value) {
        if (key.find('@') == std::string_view::npos) return;  // a domain's row: "example.test anything"
        rows_.push_back({std::string(key), std::string(value),
                         value.ends_with('/') ? DeliveryPath(value) : std::string()});
      });
    }
  }

  // A login whose name is the address, or the part before its "@".
  const LoginFacts* OwnerOf(const std::string& address) const {
    for (const auto& [login, facts] : logins_) {
      if (login == address || facts.user == address) return &facts;
    }
    for (const auto& [login, facts] : logins_) {
      if (login == UserName(address)) return &facts;
    }
    return nullptr;
  }

  void CheckRows() {
    size_t unread = 0, unowned = 0, accidental = 0;
    std::string example;
    for (const Row& row : rows_) {
      if (!routing_.virtual_mailbox_domains.MatchesName(UserDomain(row.address))) {
        Few(&unowned, [&] {
          host_->findings.Warning("mailbox-domain-not-ours", maps_place_,
                                  row.address + " has a mailbox, but its domain is not in virtual_mailbox_domains: no "
                                  "mail reaches it",
                                  "add the domain to virtual_mailbox_domains, or remove the row");
        });
        continue;
      }
      if (row.path.empty()) {
        host_->findings.Error("mailbox-not-maildir", maps_place_,
                              row.address + " is to be delivered to the file " + row.value +
                                  ", not to a Maildir: that is not supported",
                              "end the value with \"/\" to make it a Maildir");
        continue;
      }
      const auto reader = readers_.find(row.path);
      if (reader == readers_.end()) {
        Few(&unread, [&] { ReportUnread(row); });
      } else if (AllWithoutDomain(reader->second) && row.path.find(UserDomain(row.address)) == std::string::npos) {
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

  void ReportUnread(const Row& row) {
    const LoginFacts* owner = OwnerOf(row.address);
    std::string what = "mail for " + row.address + " is delivered to " + row.path + ", and ";
    std::string mend;
    if (owner != nullptr) {
      what += "\"" + owner->user + "\" reads " + owner->inbox_path + " (mail_location, " + ToString(location_place_) +
              "): it would never be seen";
      const std::string base = NormalizePath(routing_.virtual_mailbox_base);
      mend = "make the two paths one";
      if (!base.empty() && owner->inbox_path.starts_with(base + "/")) {
        mend = "write \"" + row.address + " " + owner->inbox_path.substr(base.size() + 1) + "/\"";
      }
    } else {
      what += "no login reads it: nobody has the name \"" + row.address + "\" or \"" +
              std::string(UserName(row.address)) + "\"";
      mend = "add the user to the users file, remove the row, or let the address be an alias";
    }
    host_->findings.Error("mailbox-path-unread", maps_place_, what, mend);
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

  // Tables without rows are asked for each login that is an address of ours.
  void CheckPatternTables() {
    if (!has_patterns_) return;
    size_t unread = 0;
    for (const auto& [login, facts] : logins_) {
      if (!routing_.virtual_mailbox_domains.MatchesName(UserDomain(login))) continue;
      const auto value = routing_.virtual_mailbox_maps.Find(login);
      if (!value || DeliveryPath(*value) == facts.inbox_path) continue;
      Few(&unread, [&, &who = login, &what = facts] {
        host_->findings.Error("mailbox-path-unread", maps_place_,
                              "mail for " + who + " is delivered to " + DeliveryPath(*value) + ", and \"" + what.user +
                                  "\" reads " + what.inbox_path + ": it would never be seen",
                              "make the two paths one");
      });
    }
  }

  // Accounts that no address leads to.
  void CheckLogins() {
    size_t reported = 0;
    for (const auto& [login, facts] : logins_) {
      const bool reached = std::any_of(rows_.begin(), rows_.end(),
                                       [&, &path = facts.inbox_path](const Row& row) { return row.path == path; });
      if (reached || has_patterns_ || rows_.empty()) continue;
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
                                  login + "\" is outside first_valid_uid, last_valid_uid and first_valid_gid: the login "
                                  "would be refused",
                              "lower first_valid_uid");
      } else if (const auto delivered = DeliveryUid(login); delivered >= 0 && delivered != facts.uid) {
        ++reported;
        host_->findings.Warning("mailbox-owner-differs", main_.PlaceOf("virtual_uid_maps"),
                                "mail is delivered as uid " + std::to_string(delivered) + " and read as uid " +
                                    std::to_string(facts.uid) + ": the reader may lack the right to it",
                                "write the same number into virtual_uid_maps and the userdb");
      }
    }
  }

  int64_t DeliveryUid(const std::string& login) {
    const auto text = routing_.virtual_uid_maps.Find(login);
    const auto number = text ? ParseUnsigned(*text) : std::nullopt;
    if (!number) return -1;
    if (static_cast<int64_t>(*number) < routing_.virtual_minimum_uid) {
      host_->findings.Error("mailbox-uid-below-minimum", main_.PlaceOf("virtual_uid_maps"),
                            "uid " + *text + " is below virtual_minimum_uid: nothing would be delivered",
                            "lower virtual_minimum_uid, or give the mailboxes another owner");
    }
    return static_cast<int64_t>(*number);
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
  std::map<std::string, std::vector<LoginFacts>> readers_;  // by path
  std::vector<std::pair<std::string, LoginFacts>> logins_;
  bool has_patterns_ = false;
};

}  // namespace

void CheckMailboxPaths(HostConfiguration* host) {
  if (host->config->routing.virtual_transport != "virtual") return;
  PathChecker(host).Run();
}

}  // namespace postern::config
