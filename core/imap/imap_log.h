// The log lines of an IMAP session in Dovecot's shape, which fail2ban, logwatch and administrators' own scripts read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/boundary/event.h"

namespace postern::imap {

// What imap_logout_format can name.
struct SessionCounters {
  uint64_t in_bytes = 0, out_bytes = 0;  // %i, %o
  uint64_t deleted = 0, expunged = 0, trashed = 0, autoexpunged = 0, appended = 0;
  uint64_t header_count = 0, header_bytes = 0, body_count = 0, body_bytes = 0;
};

// imap_logout_format with its variables replaced; unknown ones become nothing.
std::string ExpandLogoutFormat(std::string_view format, const SessionCounters& counters, std::string_view session_id);

// Who a line before or at login is about: `user=<U>, method=PLAIN, rip=A, lip=B, TLS, session=<S>`.
struct LoginLogFacts {
  std::string_view user;
  std::string_view mechanism;  // "": none yet
  const Peer* peer = nullptr;
  bool tls = false;
  bool secured = false;   // counts as secure without TLS: the client is on this host
  uint32_t mail_pid = 0;  // 0: none
  std::string_view session_id;
};
std::string FormatLoginFacts(const LoginLogFacts& facts);

}  // namespace postern::imap
