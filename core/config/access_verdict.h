// What a service's access rules say to a client of a kind, as far as the settings alone decide it: for findings about open
// relays and unprotected submission, and for showing an administrator a table of verdicts.
#pragma once

#include <string>

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

// Rules that look into tables or ask the network are taken to say nothing: the verdict is for a well-behaved client that no
// table names.
AccessVerdict JudgeAccess(const SmtpService& service, ClientKind client, RecipientKind recipient);

}  // namespace postern::config
