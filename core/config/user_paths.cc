#include "core/config/user_paths.h"

#include <set>

#include "core/config/value.h"
#include "core/config/variables.h"

namespace postern::config {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::optional<std::string> Expand(std::string_view text, std::string_view user, std::string_view home) {
  auto expanded = ExpandVariables(text, {.user = user, .service = "imap", .home = home});
  if (!expanded.ok()) return std::nullopt;
  return std::move(*expanded);
}

int64_t IdOf(const std::optional<std::string>& text, int64_t fallback) {
  if (!text) return fallback;
  const auto number = ParseUnsigned(*text);
  return number ? static_cast<int64_t>(*number) : fallback;
}

// A userdb's answer, field by field.
class Answer {
 public:
  Answer(LoginFacts* facts, std::string* location) : facts_(facts), location_(location) {}

  void Set(std::string_view name, std::string_view value) {
    const auto expanded = Expand(value, facts_->user, facts_->home);
    if (!expanded || expanded->empty()) return;
    if (name == "home") facts_->home = *expanded;
    if (name == "mail" || name == "mail_location") *location_ = *expanded;
    if (name == "uid") facts_->uid = IdOf(expanded, facts_->uid);
    if (name == "gid") facts_->gid = IdOf(expanded, facts_->gid);
  }
  void SetAll(const Fields& fields) {
    for (const auto& [name, value] : fields) Set(name, value);
  }
  void SetUserDbFields(const Fields& fields) {
    for (const auto& [name, value] : fields) {
      if (name.starts_with("userdb_")) Set(std::string_view(name).substr(7), value);
    }
  }

 private:
  LoginFacts* facts_;
  std::string* location_;
};

// The passdb section's row for `user`; true also for a static passdb, whose row is null.
bool PassDbKnows(const PassDb& passdb, const std::string& user, const UserRecord** record) {
  *record = nullptr;
  if (passdb.deny || passdb.master) return false;
  if (passdb.driver == "static") return true;
  const auto name = Expand(passdb.username_format.empty() ? "%u" : passdb.username_format, user, "");
  if (!name || passdb.users == nullptr) return false;
  *record = passdb.users->Find(*name);
  return *record != nullptr;
}

bool AskUserDb(const UserDb& userdb, const UserRecord* passdb_record, Answer* answer, const std::string& user) {
  answer->SetAll(userdb.default_fields);
  if (userdb.driver == "static") {
    for (const auto& [name, value] : {std::pair<std::string_view, const std::string&>{"uid", userdb.uid},
                                      {"gid", userdb.gid},
                                      {"home", userdb.home}}) {
      answer->Set(name, value);
    }
    answer->SetAll(userdb.fields);
  } else if (userdb.driver == "prefetch") {
    if (passdb_record == nullptr) return false;
    answer->SetUserDbFields(passdb_record->extra_fields);
  } else {
    const auto name = Expand(userdb.username_format.empty() ? "%u" : userdb.username_format, user, "");
    const UserRecord* record = name && userdb.users != nullptr ? userdb.users->Find(*name) : nullptr;
    if (record == nullptr) return false;
    if (record->uid >= 0) answer->Set("uid", std::to_string(record->uid));
    if (record->gid >= 0) answer->Set("gid", std::to_string(record->gid));
    answer->Set("home", record->home);
    answer->SetAll(userdb.fields);
    answer->SetUserDbFields(record->extra_fields);
  }
  answer->SetAll(userdb.override_fields);
  return true;
}

}  // namespace

std::string InboxPath(std::string_view location, std::string_view user, std::string_view home) {
  if (!location.starts_with("maildir:")) return "";
  location.remove_prefix(8);
  std::string_view path = location.substr(0, location.find(':'));
  for (size_t at = location.find(':'); at != std::string_view::npos; at = location.find(':', at + 1)) {
    const std::string_view option = location.substr(at + 1, location.find(':', at + 1) - at - 1);
    if (option.starts_with("INBOX=")) path = option.substr(6);
  }
  auto expanded = Expand(path, user, home);
  if (!expanded) return "";
  if (expanded->starts_with("~/") || *expanded == "~") expanded->replace(0, 1, home);
  if (!expanded->starts_with("/")) return "";
  return NormalizePath(*expanded);
}

std::optional<LoginFacts> FactsOfLogin(std::string_view login, const Config& config) {
  std::string given(login);
  if (given.find('@') == std::string::npos && !config.auth.default_realm.empty())
    given += "@" + config.auth.default_realm;
  const auto user = Expand(config.auth.username_format.empty() ? "%u" : config.auth.username_format, given, "");
  if (!user || user->empty()) return std::nullopt;
  LoginFacts facts;
  facts.user = *user;
  const UserRecord* record = nullptr;
  bool known = false;
  for (const PassDb& passdb : config.auth.passdbs) {
    if (!PassDbKnows(passdb, facts.user, &record)) continue;
    known = true;
    Fields fields = passdb.default_fields;
    if (record != nullptr) fields.insert(fields.end(), record->extra_fields.begin(), record->extra_fields.end());
    fields.insert(fields.end(), passdb.override_fields.begin(), passdb.override_fields.end());
    for (const auto& [name, value] : fields) {
      if (name == "user") facts.user = Expand(value, facts.user, "").value_or(facts.user);
    }
    break;
  }
  if (!known) return std::nullopt;
  for (const UserDb& userdb : config.auth.userdbs) {
    LoginFacts found{.user = facts.user, .uid = config.storage.mail_uid, .gid = config.storage.mail_gid};
    std::string location;
    Answer answer(&found, &location);
    if (!AskUserDb(userdb, record, &answer, facts.user)) continue;
    if (location.empty()) {
      location = config.storage.mail_location;
      for (const Namespace& ns : config.storage.namespaces) {
        if (ns.inbox && !ns.location.empty()) location = ns.location;
      }
    }
    found.inbox_path = InboxPath(location, found.user, found.home);
    return found;
  }
  return std::nullopt;
}

std::vector<std::string> PossibleLogins(const Config& config, const std::vector<std::string>& addresses) {
  std::vector<std::string> logins;
  std::set<std::string, std::less<>> seen;
  const auto add = [&](std::string_view name) {
    if (!name.empty() && seen.emplace(name).second && FactsOfLogin(name, config)) logins.emplace_back(name);
  };
  std::set<std::string, std::less<>> domains;
  for (const std::string& address : addresses) {
    add(address);
    add(UserName(address));
    domains.emplace(UserDomain(address));
  }
  const bool few_domains = domains.size() <= 16;  // beyond, names without a domain are tried only as they stand
  for (const PassDb& passdb : config.auth.passdbs) {
    if (passdb.users == nullptr) continue;
    passdb.users->ForEach([&](std::string_view name, const UserRecord&) {
      add(name);
      if (name.find('@') != std::string_view::npos || !few_domains) return;
      for (const std::string& domain : domains) add(std::string(name) + "@" + domain);
    });
  }
  return logins;
}

}  // namespace postern::config
