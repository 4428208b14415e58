// What a client connection is told about itself and its server: the parameters of main.cf under Postfix's names,
// already resolved for this destination.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/config/smtp_client.h"
#include "core/outbound/client_sasl.h"

namespace postern::outbound {

// How much of TLS this destination is to have (smtp_tls_security_level, smtp_tls_policy_maps).
enum class TlsUse : uint8_t {
  kNone,
  kMay,   // where it is offered
  kMust,  // encrypt and above: whoever did the handshake judges the certificate, too (TlsVerdict)
};

using config::ClientTimeouts;

struct ClientSettings {
  bool lmtp = false;
  std::string helo_name;    // smtp_helo_name, lmtp_lhlo_name
  std::string my_hostname;  // myhostname, to know ourselves by
  bool always_send_ehlo = true, never_send_ehlo = false;
  bool skip_5xx_greeting = true;
  bool skip_quit_response = true;
  bool pix_disable_esmtp = true;                   // smtp_pix_workarounds = disable_esmtp
  std::vector<std::string> discard_ehlo_keywords;  // smtp_discard_ehlo_keywords and what the maps say for this address
  TlsUse tls = TlsUse::kNone;
  bool tls_wrappermode = false;  // smtps: TLS from the first byte on
  std::string tls_server_name;   // handed back with BeginTls: SNI; empty: none
  SaslSettings sasl;
  bool mime_output_conversion = true;  // not disable_mime_output_conversion
  size_t line_length_limit = 998;      // smtp_line_length_limit
  uint32_t mime_nesting_limit = 100;
  // smtp_per_request_deadline: a timeout is for a whole reply, not for the next byte of it.
  bool per_request_deadline = false;
  Duration reuse_time_limit = Seconds(300);  // smtp_connection_reuse_time_limit
  uint32_t reuse_count_limit = 0;            // smtp_connection_reuse_count_limit; 0: none
  ClientTimeouts timeouts;
};

// Whom we talk to. Names are for logs and notices, nothing is looked up.
struct ClientServer {
  std::string host;          // "mx.example.net"; of a unix socket our own name
  std::string address;       // "192.0.2.1", "2001:db8::1", "private/lmtp"
  uint16_t port = 0;         // 0: a unix socket
  bool detect_loop = false;  // a server with our own name is ourselves: true on the port for mail between hosts
  bool best_mx = false;      // of the best preference: a loop is then final

  std::string Name() const { return host + "[" + address + "]"; }  // "mx.example.net[192.0.2.1]"
  std::string Relay() const { return port == 0 ? Name() : Name() + ":" + std::to_string(port); }  // relay= of the log
};

}  // namespace postern::outbound
