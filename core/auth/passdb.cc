#include "core/auth/passdb.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/auth/scheme.h"
#include "core/base/ascii.h"
#include "core/config/variables.h"

namespace postern::auth {
namespace {

void Replace(FieldList* fields, std::string_view name, std::string value) {
  for (auto& field : *fields) {
    if (field.first == name) {
      field.second = std::move(value);
      return;
    }
  }
  fields->emplace_back(std::string(name), std::move(value));
}

// "10.0.0.0/8" or an address; unlike Network::Parse bits behind the prefix are allowed, as Dovecot does.
std::optional<Network> ParseAllowedNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const int bits_max = address->v6 ? 128 : 32;
  Network network{.address = *address, .prefix_bits = bits_max};
  if (slash == std::string_view::npos) return network;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), network.prefix_bits);
  if (error != std::errc() || end != bits.data() + bits.size() || network.prefix_bits < 0 ||
      network.prefix_bits > bits_max) {
    return std::nullopt;
  }
  return network;
}

}  // namespace

std::string_view DefaultScheme(const config::PassDb& section) {
  if (!section.default_scheme.empty()) return section.default_scheme;
  return section.driver == "static" ? "PLAIN" : "CRYPT";
}

std::string Printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < 0x20 || c == 0x7f) c = '?';  // char is signed: bytes above 0x7f too
  }
  return out;
}

PassDbWalk::PassDbWalk(const config::Auth& auth, const ClientFacts& client, Purpose purpose, std::string_view mechanism)
    : auth_(auth), client_(client), purpose_(purpose), mechanism_(mechanism) {}

PassDbWalk::Turn PassDbWalk::Start(std::string_view user, std::string_view original_user, std::string_view login_user) {
  user_ = user;
  original_user_ = original_user;
  login_user_ = login_user;
  in_masters_ = !login_user_.empty();
  return Advance();
}

PassDbWalk::Turn PassDbWalk::Verified(bool matches) {
  if (section_ == nullptr) return Turn::kDone;
  const config::PassDb& section = *std::exchange(section_, nullptr);
  if (!matches) Say(section.driver, "Password mismatch");
  if (Settle(section, matches ? PassResult::kOk : PassResult::kPasswordMismatch)) return Turn::kDone;
  return Advance();
}

PassDbWalk::Turn PassDbWalk::Advance() {
  while (const config::PassDb* section = NextSection()) {
    tried_any_ = true;
    fields_before_ = fields_;
    last_driver_ = section->driver;
    no_delay_ = false;
    PassResult result = PassResult::kUserUnknown;
    if (!Look(*section, &result)) {
      section_ = section;
      asked_ = true;
      return Turn::kVerify;
    }
    if (Settle(*section, result)) return Turn::kDone;
  }
  FinishWithoutNext();
  return Turn::kDone;
}

const config::PassDb* PassDbWalk::NextSection() {
  while (next_section_ < auth_.passdbs.size()) {
    const config::PassDb& section = auth_.passdbs[next_section_++];
    if (section.master == in_masters_ && !IsSkipped(section)) return &section;
  }
  return nullptr;
}

bool PassDbWalk::IsSkipped(const config::PassDb& section) const {
  if (!section.mechanisms.empty() && purpose_ != Purpose::kExistence &&
      std::none_of(section.mechanisms.begin(), section.mechanisms.end(),
                   [&](const std::string& name) { return EqualsIgnoringCase(name, mechanism_); })) {
    return true;
  }
  if (section.skip == "authenticated") return skip_check_;
  if (section.skip == "unauthenticated") return !skip_check_;
  return false;
}

bool PassDbWalk::Look(const config::PassDb& section, PassResult* result) {
  *result = PassResult::kInternalFailure;
  if (!SetFields(section, section.default_fields)) return true;
  if (section.driver == "static") {
    config::UserRecord record;
    record.password = Secret(section.static_password);
    if (section.static_nopassword) fields_.no_password = true;
    return UseRecord(section, record, result);
  }
  if (section.users == nullptr) {
    Say(section.driver, "No users are loaded", true);
    return true;
  }
  const auto name = config::ExpandVariables(section.username_format.empty() ? "%u" : section.username_format,
                                            {.user = user_, .service = client_.service});
  if (!name.ok()) {
    Say(section.driver, "Failed to expand username_format=" + section.username_format, true);
    return true;
  }
  const config::UserRecord* record = section.users->Find(*name);
  if (record == nullptr) {
    Say(section.driver, "unknown user");
    *result = PassResult::kUserUnknown;
    return true;
  }
  return UseRecord(section, *record, result);
}

bool PassDbWalk::UseRecord(const config::PassDb& section, const config::UserRecord& record, PassResult* result) {
  if (!SetFields(section, record.extra_fields)) return true;
  *result = PassResult::kOk;
  if (section.deny) return true;  // to be found is enough
  if (fields_.no_authenticate) {
    *result = PassResult::kNext;
    return true;
  }
  if (purpose_ == Purpose::kExistence || skip_check_) return true;
  if (fields_.no_password && !record.password.empty()) {
    Say(section.driver, "nopassword set but password is non-empty", true);
  } else if (fields_.no_password && purpose_ == Purpose::kPassword) {
    return true;  // any password
  }

  // What can't be read is no password: the login fails, the administrator is told.
  *result = PassResult::kPasswordMismatch;
  const StoredParts parts = SplitStored(record.password.Reveal(), DefaultScheme(section));
  const SchemeAndEncoding scheme = ParseSchemeName(parts.scheme_name);
  if (scheme.scheme == nullptr) {
    Say(section.driver, "Unknown scheme " + Printable(parts.scheme_name), true);
    return true;
  }
  if (const auto raw = DecodeStored(scheme, parts.data); !raw.ok()) {
    Say(section.driver,
        "Password data is not valid for scheme " + Printable(parts.scheme_name) + ": " +
            std::string(postern::Message(raw.status())),
        true);
    return true;
  }
  if (purpose_ == Purpose::kCredentials) {
    const Scheme* wanted = FindScheme(mechanism_);
    const bool fits =
        IsAliasOf(*scheme.scheme, *FindScheme("PLAIN")) || (wanted != nullptr && IsAliasOf(*scheme.scheme, *wanted));
    if (!fits) {
      Say(section.driver, "Requested " + mechanism_ + " scheme, but we have only " + UpperCase(parts.scheme_name));
      *result = PassResult::kSchemeNotAvailable;
      return true;
    }
  }
  stored_ = Secret("{" + std::string(parts.scheme_name) + "}" + std::string(parts.data));
  if (purpose_ == Purpose::kPassword) return false;
  asked_ = true;
  *result = PassResult::kOk;
  return true;
}

bool PassDbWalk::Settle(const config::PassDb& section, PassResult result) {
  if (section.deny && result != PassResult::kUserUnknown) {
    if (result != PassResult::kInternalFailure) {
      lines_.push_back({.source = "", .user = user_, .text = "User found from deny passdb"});
      result = PassResult::kUserDisabled;
    }
    result_ = result;
    return true;
  }
  if (result == PassResult::kOk && fields_.denied_by_net) result = PassResult::kUserUnknown;
  if (result == PassResult::kOk && !SetFields(section, section.override_fields)) result = PassResult::kInternalFailure;
  // These speak of one section only.
  fields_.no_password = fields_.no_authenticate = fields_.denied_by_net = false;
  last_ = result;
  if (result == PassResult::kInternalFailure) seen_internal_failure_ = true;
  if (result != PassResult::kOk) {
    fields_ = fields_before_;
    if (purpose_ == Purpose::kCredentials && !skip_check_) stored_ = Secret();
  }

  if (in_masters_) return result == PassResult::kOk && BecomeAnother(section);
  std::string_view rule = result == PassResult::kOk                ? std::string_view(section.result_success)
                          : result == PassResult::kInternalFailure ? std::string_view(section.result_internalfail)
                          : result == PassResult::kNext            ? std::string_view("continue")
                                                                   : std::string_view(section.result_failure);
  if (result == PassResult::kOk && section.pass && rule == "return-ok") rule = "continue";
  if (rule == "return-ok") {
    result_ = PassResult::kOk;
    return true;
  }
  if (rule == "return-fail") {
    result_ = result == PassResult::kOk ? PassResult::kPasswordMismatch : result;
    return true;
  }
  if (rule == "return") {  // what earlier sections said
    result_ = success_ ? PassResult::kOk : result == PassResult::kOk ? PassResult::kPasswordMismatch : result;
    return true;
  }
  if (rule == "continue-ok") {
    success_ = skip_check_ = true;
  } else if (rule == "continue-fail") {
    success_ = skip_check_ = false;
  } else if (result == PassResult::kOk) {
    skip_check_ = true;
  }
  return false;
}

bool PassDbWalk::BecomeAnother(const config::PassDb& section) {
  // The master has proved who he is; from here on it is about the user he wants to be.
  lines_.push_back({.source = "", .user = user_, .text = "Master user logging in as " + login_user_});
  master_user_ = user_;
  user_ = login_user_;
  in_masters_ = false;
  skip_check_ = true;
  next_section_ = 0;
  last_ = PassResult::kUserUnknown;
  if (section.pass || section.result_success.starts_with("continue")) return false;  // he must exist in the others
  result_ = section.result_success == "return-ok" ? PassResult::kOk : PassResult::kUserUnknown;
  return true;
}

void PassDbWalk::FinishWithoutNext() {
  result_ = last_;
  if (!tried_any_) {
    Say(LowerCase(mechanism_), "All password databases were skipped", true);
    result_ = PassResult::kInternalFailure;
  } else if (last_ == PassResult::kNext) {
    Say(last_driver_, "Last passdb had noauthenticate field, cannot authenticate user", true);
    result_ = PassResult::kInternalFailure;
  } else if (success_) {
    result_ = PassResult::kOk;
  } else if (seen_internal_failure_) {
    // The section that failed may have had the right password.
    result_ = PassResult::kInternalFailure;
  } else if (last_ == PassResult::kOk) {
    result_ = PassResult::kPasswordMismatch;
  }
}

bool PassDbWalk::SetFields(const config::PassDb& section, const FieldList& fields) {
  for (const auto& [name, value] : fields) {
    if (value.find('%') == std::string::npos) {
      SetField(section.driver, name, value);
      continue;
    }
    const std::string remote = client_.remote.ToString(), local = client_.local.ToString();
    auto expanded = config::ExpandVariables(
        value,
        {.user = user_, .service = client_.service, .remote_ip = remote, .local_ip = local, .mechanism = mechanism_});
    if (!expanded.ok()) {
      Say(section.driver, "Failed to expand extra field " + Printable(name), true);
      return false;
    }
    SetField(section.driver, name, *std::move(expanded));
  }
  return true;
}

void PassDbWalk::SetField(std::string_view source, std::string_view name, std::string value) {
  if (name == "user") {
    user_ = std::move(value);
  } else if (name == "username") {
    const std::string domain(config::UserDomain(user_));
    user_ = std::move(value);
    if (!domain.empty() && user_.find('@') == std::string::npos) user_ += "@" + domain;
  } else if (name == "domain") {
    user_ = std::string(config::UserName(user_)) + "@" + value;
  } else if (name == "allow_nets" || name == "allow_real_nets") {
    CheckNetworks(source, name, value);
  } else if (name == "nopassword") {
    fields_.no_password = true;
  } else if (name == "noauthenticate") {
    fields_.no_authenticate = true;
  } else if (name == "nodelay") {
    no_delay_ = true;
  } else if (name == "password" || name == "original_user" || name == "login_user") {
    return;  // not an administrator's to set here
  } else if (name.starts_with("userdb_")) {
    Replace(&fields_.userdb, name.substr(7), std::move(value));
  } else {
    Replace(&fields_.extra, name, std::move(value));
  }
}

void PassDbWalk::CheckNetworks(std::string_view source, std::string_view name, std::string_view networks) {
  if (purpose_ == Purpose::kExistence) return;
  bool allowed = false;
  while (!networks.empty() && !allowed) {
    const size_t end = networks.find_first_of(", ");
    const std::string_view text = networks.substr(0, end);
    networks.remove_prefix(end == std::string_view::npos ? networks.size() : end + 1);
    if (text.empty() || text == "local") continue;  // "local": clients without an address; ours have one
    const auto network = ParseAllowedNetwork(text);
    if (!network) {
      Say(source, std::string(name) + ": Invalid network '" + Printable(text) + "'");
    } else {
      allowed = network->Contains(client_.remote);
    }
  }
  if (allowed) return;
  Say(source, std::string(name) + " check failed: IP " + client_.remote.ToString() + " not in allowed networks");
  fields_.denied_by_net = true;
}

void PassDbWalk::Say(std::string_view source, std::string text, bool is_error) {
  lines_.push_back({.source = std::string(source),
                    .user = user_,
                    .text = std::move(text),
                    .is_error = is_error,
                    .is_master = in_masters_});
}

}  // namespace postern::auth
