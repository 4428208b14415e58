// What a service's access rules say to a client of a kind, as far as the settings alone decide it: for findings about
// open relays and unprotected submission, and for showing an administrator a table of verdicts.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/settings.h"

namespace postern::config {

enum class ClientKind : uint8_t {
  kStranger,  // not in mynetworks, not logged in
  kLoggedIn,  // by SASL, from anywhere
  kTrusted,   // in mynetworks
};
enum class RecipientKind : uint8_t { kOurs, kForeign };

struct AccessVerdict {
  bool accepted = false;
  std::string rule;  // the rule that refused, or the one that permitted last; empty: the end of all lists
};

// Rules that look into tables or ask the network are taken to say nothing: the verdict is for a well-behaved client
// that no table names.
AccessVerdict JudgeAccess(const SmtpService& service, ClientKind client, RecipientKind recipient);

// A rule with a table that permits, in a list that would have refused.
struct RuleThatLetsIn {
  const Restriction* rule = nullptr;
  std::string_view list;  // "smtpd_relay_restrictions"
  std::string refusing;   // the rule that would have refused behind it
};

// The rules by which a client whom JudgeAccess refuses is accepted all the same, where every rule permits of which
// `permits` says that it may. Empty: it is refused even so, or needs none of them.
std::vector<RuleThatLetsIn> RulesThatLetIn(const SmtpService& service, ClientKind client, RecipientKind recipient,
                                           const std::function<bool(const Restriction&)>& permits);

// What a list of rules without tables says alone, such as the value of an access table: does it permit?
bool Permits(const Restrictions& rules, ClientKind client, RecipientKind recipient);

}  // namespace postern::config
