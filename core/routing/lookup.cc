#include "core/routing/lookup.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/routing/address_class.h"

namespace postern::routing {
namespace {

// One key in all tables, in their order; a pattern table is asked whole addresses only.
std::optional<std::string> FindKey(const config::TableList& tables, std::string_view key, bool whole) {
  for (const config::TablePtr& table : tables.tables) {
    if (!whole && table->is_pattern_table()) continue;
    if (auto value = table->Find(key)) return value;
  }
  return std::nullopt;
}

}  // namespace

size_t ExtensionStart(std::string_view local, std::string_view delimiters, bool owner_request_special) {
  if (delimiters.empty()) return std::string_view::npos;
  if (EqualsIgnoringCase(local, "mailer-daemon") || EqualsIgnoringCase(local, "double-bounce"))
    return std::string_view::npos;
  if (owner_request_special && delimiters.find('-') != std::string_view::npos) {
    const bool owner = local.size() >= 6 && EqualsIgnoringCase(local.substr(0, 6), "owner-");
    const bool request = local.size() >= 8 && EqualsIgnoringCase(local.substr(local.size() - 8), "-request");
    if (owner || request) return std::string_view::npos;
  }
  const size_t at = local.find_first_of(delimiters, 1);  // a name can't be empty
  return at;
}

bool IsOwnDomain(std::string_view domain, const config::Routing& routing) {
  return domain.empty() || EqualsIgnoringCase(domain, routing.myorigin) || IsLocalDomain(domain, routing);
}

std::optional<Found> FindAddress(const config::TableList& tables, const Mailbox& mailbox, const LookupForms& forms,
                                 const config::Routing& routing) {
  if (tables.empty()) return std::nullopt;
  const std::string at_domain = mailbox.domain.empty() ? "" : "@" + mailbox.domain;
  const size_t extension_at =
      forms.extension ? ExtensionStart(mailbox.local, routing.recipient_delimiter, routing.local.owner_request_special)
                      : std::string::npos;
  const std::string user = mailbox.local.substr(0, extension_at);
  const std::string extension = extension_at == std::string::npos ? "" : mailbox.local.substr(extension_at);

  if (auto value = FindKey(tables, mailbox.local + at_domain, true)) return Found{*std::move(value), "", false};
  if (!extension.empty()) {
    if (auto value = FindKey(tables, user + at_domain, false)) return Found{*std::move(value), extension, false};
  }
  if (forms.bare_user && IsOwnDomain(mailbox.domain, routing)) {
    if (auto value = FindKey(tables, mailbox.local, false)) return Found{*std::move(value), "", false};
    if (!extension.empty()) {
      if (auto value = FindKey(tables, user, false)) return Found{*std::move(value), extension, false};
    }
  }
  if (forms.at_domain && !at_domain.empty()) {
    if (auto value = FindKey(tables, at_domain, false)) return Found{*std::move(value), "", true};
  }
  return std::nullopt;
}

}  // namespace postern::routing
