// The lines about logins that other programs read: Dovecot's `auth:` lines (fail2ban, logwatch) and Postfix's warning.
// Pure formatting; nothing here knows a password.
#pragma once

#include <string>
#include <string_view>

#include "core/auth/sasl.h"
#include "core/base/ip.h"

namespace postern::auth {

// "auth: passwd-file(alice,192.0.2.1,<SESSION>): Password mismatch"; "auth: Error: ..." where the administrator has
// something to mend; without the parentheses where `line` has no source. `session`: without angle brackets; empty: left
// out, as for clients of the auth socket that name none.
std::string FormatAuthLine(const LogLine& line, const IpAddress& remote, std::string_view session);

// Postfix's: "warning: CLIENT: SASL PLAIN authentication failed: (reason unavailable), sasl_username=USER".
// `client`: "name[address]". `mechanism` as the client or the registry writes it. `user` empty: not known.
std::string FormatSaslFailure(std::string_view client, std::string_view mechanism, std::string_view user);

}  // namespace postern::auth
