// With which name and password to log in at a server (smtp_sasl_password_maps), if at all.
//
// Keys, in order: with smtp_sender_dependent_authentication the sender ("user+ext@domain", "user@domain", a bare "user"
// of our own domains, "@domain"; never the null one, never for LMTP); the host's name; the destination as it is written
// ("[relay.example]:587"). The value is "user:password"; without a colon the password is empty. A table that cannot be
// asked is none: those are refused when the configuration is read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/secret.h"
#include "core/config/settings.h"
#include "core/routing/address.h"

namespace postern::outbound {

struct SaslLogin {
  std::string user;
  Secret password;
};

struct SaslPeer {
  std::string host;         // HostAddress::host
  std::string destination;  // Site::text, of the fallback relay where it is one
  bool lmtp = false;
};

// nullopt: none is meant for this server, speak without a login. `sender` null: the null reverse-path.
std::optional<SaslLogin> FindSaslLogin(const SaslPeer& peer, const routing::Mailbox* sender,
                                       const config::Config& config);

// A connection that was made for one sender's login must not serve another's: two senders may share it only where this
// is equal. Empty where the login does not depend on the sender. Not a secret.
std::string LoginScope(const SaslPeer& peer, const routing::Mailbox* sender, const config::Config& config);

}  // namespace postern::outbound
