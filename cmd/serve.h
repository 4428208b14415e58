// `postern serve`: the daemon. Reads the configuration, refuses to start on its errors, binds every listener, runs one
// loop a shard, reads the configuration anew when it changes, and ends in order on SIGTERM.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace postern {

struct ServeOptions {
  std::string postfix_dir = "/etc/postfix";
  std::string dovecot_file = "/etc/dovecot/dovecot.conf";
  std::string root;          // --root: the folder that every absolute path of the configuration is below; empty: "/"
  uint16_t port_offset = 0;  // added to every port
  uint16_t shards = 0;       // 0: one a processor
  std::string log;  // "stderr", "syslog" or a file; empty: as the configuration says, or stderr if it is a terminal
  std::string log_json;                // a file for JSON lines; empty: none
  std::vector<std::string> resolvers;  // name servers, "ADDRESS[@PORT]"; empty: those of etc/resolv.conf
  std::string record;                  // a folder for recordings (docs/replay.md), made when missing; empty: none
};

// Returns the exit status: 0 once stopped in order; 78 (EX_CONFIG) for a configuration with errors; 1 for everything
// else, told on standard error. Sets the process's umask, signal mask and descriptor limit.
int RunServe(const ServeOptions& options);

}  // namespace postern
