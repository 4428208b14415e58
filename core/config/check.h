// Judges a configuration as a whole: what the files say together, and what will happen because of it. docs/findings.md
// lists every finding. Nothing here touches the network or the clock.
#pragma once

#include "core/config/host_configuration.h"

namespace postern::config {

// Adds the findings of all checks below to host->findings.
void CheckConfiguration(HostConfiguration* host);

// One theme each; check_*.cc.
void CheckMailboxPaths(HostConfiguration* host);  // delivery and reading meet in one place; owners; orphans
void CheckAddresses(HostConfiguration* host);     // classes, aliases, postmaster, sender logins
void CheckAccess(HostConfiguration* host);        // who may relay, log in, send: per listener
void CheckRelaying(HostConfiguration* host);      // tables that let strangers relay; mail that goes no further for now
void CheckAuthentication(HostConfiguration* host);  // mechanisms against stored passwords, sockets, files
void CheckTls(HostConfiguration* host);             // certificates, keys, exposure of passwords
void CheckOutbound(HostConfiguration* host);        // what keeps mail from going out, or from going out safely
void CheckHabits(HostConfiguration* host);          // old syntax, restated defaults, settings that cannot matter

}  // namespace postern::config
