// The walk through the userdb sections: where a user's mail is. The first section that knows the user answers.
#include <charconv>
#include <optional>

#include "core/auth/passdb.h"
#include "core/auth/sasl.h"
#include "core/config/variables.h"

namespace postern::auth {
namespace {

std::optional<int64_t> ParseId(std::string_view text) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0) return std::nullopt;
  return id;
}

class UserDbLookup {
 public:
  UserDbLookup(std::string_view user, const config::Auth& auth, std::string_view service)
      : user_(user), auth_(auth), service_(service) {}

  // Whether `section` knows the user; then facts() are filled.
  StatusOr<bool> Ask(const config::UserDb& section) {
    facts_ = UserFacts{.user = user_};
    POSTERN_RETURN_IF_ERROR(SetFields(section.default_fields));
    auto known = AskDriver(section);
    if (!known.ok() || !*known) return known;
    POSTERN_RETURN_IF_ERROR(SetFields(section.override_fields));
    return true;
  }
  const UserFacts& facts() const { return facts_; }

 private:
  StatusOr<bool> AskDriver(const config::UserDb& section) {
    if (section.driver == "static") return AskStatic(section);
    if (section.driver == "prefetch") return AskPrefetch();
    if (section.users == nullptr) return Unavailable("userdb " + section.driver + ": no users are loaded");
    return AskUsers(section);
  }

  StatusOr<bool> AskStatic(const config::UserDb& section) {
    if (!section.allow_all_users) {
      const auto exists = AskPassDbs(nullptr);
      if (!exists.ok() || !*exists) return exists;
    }
    POSTERN_RETURN_IF_ERROR(SetFields({{"uid", section.uid}, {"gid", section.gid}, {"home", section.home}}));
    POSTERN_RETURN_IF_ERROR(SetFields(section.fields));
    return true;
  }

  StatusOr<bool> AskUsers(const config::UserDb& section) {
    const auto name = Expand(section.username_format.empty() ? "%u" : section.username_format);
    if (!name.ok()) return name.status();
    const config::UserRecord* record = section.users->Find(*name);
    if (record == nullptr) return false;
    if (record->uid >= 0) facts_.uid = record->uid;
    if (record->gid >= 0) facts_.gid = record->gid;
    if (!record->home.empty()) facts_.home = record->home;
    FieldList fields = section.fields;
    for (const auto& [field, value] : record->extra_fields) {
      if (field.starts_with("userdb_")) fields.emplace_back(field.substr(7), value);
    }
    POSTERN_RETURN_IF_ERROR(SetFields(fields));
    return true;
  }

  // Dovecot's prefetch takes what the passdb gave at login; here it is looked up when it is needed.
  StatusOr<bool> AskPrefetch() {
    FieldList fields;
    auto exists = AskPassDbs(&fields);
    if (!exists.ok() || !*exists || fields.empty()) return exists.ok() ? StatusOr<bool>(false) : exists;
    for (auto& [name, value] : fields) SetField(name, std::move(value));
    return true;
  }

  StatusOr<bool> AskPassDbs(FieldList* userdb_fields) {
    ClientFacts nobody;
    nobody.service = service_;
    PassDbWalk walk(auth_, nobody, PassDbWalk::Purpose::kExistence, "");
    walk.Start(user_, user_);
    if (walk.result() == PassResult::kInternalFailure) return Unavailable("passdb lookup failed");
    if (walk.result() != PassResult::kOk) return false;
    facts_.user = walk.user();
    if (userdb_fields != nullptr) *userdb_fields = walk.userdb_fields();
    return true;
  }

  Status SetFields(const FieldList& fields) {
    for (const auto& [name, value] : fields) {
      auto expanded = Expand(value);
      if (!expanded.ok()) return expanded.status();
      SetField(name, *std::move(expanded));
    }
    return OkStatus();
  }

  void SetField(std::string_view name, std::string value) {
    if (name == "uid") {
      if (const auto id = ParseId(value)) facts_.uid = *id;
    } else if (name == "gid") {
      if (const auto id = ParseId(value)) facts_.gid = *id;
    } else if (name == "home") {
      if (!value.empty()) facts_.home = std::move(value);
    } else if (name == "mail" || name == "mail_location") {
      facts_.mail = std::move(value);
    } else if (name == "user") {
      facts_.user = std::move(value);
    }
  }

  StatusOr<std::string> Expand(std::string_view text) const {
    if (text.find('%') == std::string_view::npos) return std::string(text);
    return config::ExpandVariables(text, {.user = facts_.user, .service = service_, .home = facts_.home});
  }

  const std::string user_;
  const config::Auth& auth_;
  const std::string service_;
  UserFacts facts_;
};

}  // namespace

StatusOr<UserFacts> LookupUser(std::string_view user, const config::Auth& auth, std::string_view service) {
  UserDbLookup lookup(user, auth, service);
  for (const config::UserDb& section : auth.userdbs) {
    const auto known = lookup.Ask(section);
    if (!known.ok()) return known.status();
    if (*known) return lookup.facts();
  }
  return NotFound("unknown user");
}

}  // namespace postern::auth
