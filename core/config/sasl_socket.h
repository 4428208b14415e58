// smtpd_sasl_path: who checks the logins of SMTP clients (smtpd_sasl_type = dovecot).
//
//   a socket that this program makes itself (service auth of its dovecot.conf)   this program, against its passdbs
//   any other                                                                   the Dovecot that listens there
//
// So the reference configuration, where Postfix and Dovecot meet at private/auth, needs no socket at all; and a host
// whose Dovecot stays names that one's socket and starts us with `--dovecot none`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config/host_configuration.h"
#include "core/config/postfix_parameters.h"
#include "core/config/settings.h"

namespace postern::config {

// Where the path leads; nullopt, with a finding, where nowhere: inet: without a port, or a host without an address.
std::optional<SaslSocket> ParseSaslSocket(const PostfixParameters& parameters);

// Takes the sockets away from services whose socket is one of `host->config->listeners`.
void KeepForeignSaslSockets(HostConfiguration* host);

// Of each SMTP service that offers AUTH who checks its logins, and why; a sentence each.
std::vector<std::string> DescribeLogins(const Config& config);

}  // namespace postern::config
