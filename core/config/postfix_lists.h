// Match lists and access rules of main.cf as values (postconf(5), access rules of smtpd).
#pragma once

#include <string_view>

#include "core/config/postfix_parameters.h"
#include "core/config/settings.h"

namespace postern::config {

enum class ListKind : uint8_t {
  kDomains,  // mydestination, virtual_mailbox_domains
  kClients,  // mynetworks: addresses, networks, host names
};

// The list that parameter `name` holds. "/file" elements are read and put in place; what cannot be read is a finding.
MatchList BuildMatchList(const PostfixParameters& parameters, std::string_view name, ListKind kind);

// The same for a text that is no parameter's value; findings go to the place of `name`.
MatchList ParseMatchList(const PostfixParameters& parameters, std::string_view name, std::string_view text,
                         ListKind kind);

// The rules of "smtpd_recipient_restrictions" and its like. A rule that Postfix does not know, or that we cannot judge,
// is an error: it protects something.
Restrictions BuildRestrictions(const PostfixParameters& parameters, std::string_view name);

}  // namespace postern::config
