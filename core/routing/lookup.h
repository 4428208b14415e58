// How Postfix asks its tables about an address: the whole address first, then with less and less of it.
//   user+extension@domain, user@domain, user+extension, user (where the domain is one of this host's own), @domain
// Which of these apply depends on the table; pattern tables (regexp:, pcre:) are only asked the first.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/config/settings.h"
#include "core/routing/address.h"

namespace postern::routing {

struct LookupForms {
  bool bare_user = false;  // user, for domains that are this host's own
  bool at_domain = false;  // @domain
  bool extension = true;   // the forms without the address extension
};

struct Found {
  std::string value;
  std::string extension;   // "+ext" where the match was made without it; to be carried over to a result
  bool by_domain = false;  // "@domain" matched
};

// Where the local part's extension begins (its delimiter); npos: there is none. Names that are not users have none:
// "mailer-daemon", "double-bounce", and "owner-*", "*-request" where '-' is a delimiter (owner_request_special).
size_t ExtensionStart(std::string_view local, std::string_view delimiters, bool owner_request_special = true);

// Whether `domain` is one that bare user names belong to: myorigin, mydestination, an address of this host.
bool IsOwnDomain(std::string_view domain, const config::Routing& routing);

std::optional<Found> FindAddress(const config::TableList& tables, const Mailbox& mailbox, const LookupForms& forms,
                                 const config::Routing& routing);

}  // namespace postern::routing
