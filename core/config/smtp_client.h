// How mail goes to other servers: the smtp_* parameters of main.cf, and the lmtp_* ones of the same names, as values.
// Included by settings.h; made by BuildSmtpClient (postfix_client.h). Names are Postfix's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/config/table.h"

namespace postern::config {

// smtp_tls_security_level and the first word of a policy. In order of strength as postconf(5) compares them: from
// kEncrypt on TLS must be had, from kFingerprint on the certificate must match.
enum class ClientTlsLevel : uint8_t { kNone, kMay, kEncrypt, kFingerprint, kDane, kDaneOnly, kVerify, kSecure };

struct ClientTls {
  TableList policy_maps;                                         // smtp_tls_policy_maps
  std::string ciphers = "medium", mandatory_ciphers = "medium";  // grades
  std::string protocols = ">=TLSv1", mandatory_protocols = ">=TLSv1";
  std::string exclude_ciphers, mandatory_exclude_ciphers;
  std::vector<std::string> verify_cert_match{"hostname"};
  std::vector<std::string> secure_cert_match{"nexthop", "dot-nexthop"};
  std::vector<std::string> fingerprint_cert_match;  // hex, colons allowed
  std::string fingerprint_digest = "sha256";
  std::string servername;                       // smtp_tls_servername: SNI where DANE does not say; empty: none
  std::string ca_file, ca_path;                 // smtp_tls_CAfile, smtp_tls_CApath; both empty: nobody is trusted
  std::string certificate_file, key_file;       // our own, where a server asks for one; empty: none
  std::vector<std::string> trust_anchor_files;  // smtp_tls_trust_anchor_file
  ClientTlsLevel dane_insecure_mx_policy = ClientTlsLevel::kMay;  // may, encrypt or dane; the default follows the level
  bool force_insecure_host_tlsa_lookup = false;
  bool connection_reuse = false;  // smtp_tls_connection_reuse
  bool wrappermode = false;
};

struct ClientSasl {
  bool enabled = false;                       // smtp_sasl_auth_enable
  TableList password_maps;                    // smtp_sasl_password_maps; values hold secrets
  bool sender_dependent = false;              // smtp_sender_dependent_authentication; never of LMTP
  std::vector<std::string> mechanism_filter;  // names, "!name"; empty: all
  std::string security_options = "noplaintext, noanonymous";
  std::string tls_security_options = "noplaintext, noanonymous";
  std::string tls_verified_security_options = "noplaintext, noanonymous";
  bool auth_soft_bounce = true;
};

// smtp_*_timeout, lmtp_*_timeout. 0: no limit.
struct ClientTimeouts {
  Duration connect = Seconds(30);  // LMTP: 0
  Duration helo = Seconds(300);    // smtp_helo_timeout, lmtp_lhlo_timeout
  Duration starttls = Seconds(300);
  Duration mail = Seconds(300);
  Duration rcpt = Seconds(300);
  Duration data_init = Seconds(120);
  Duration data_xfer = Seconds(180);
  Duration data_done = Seconds(600);
  Duration rset = Seconds(20);
  Duration quit = Seconds(300);
  Duration idle = Seconds(2);  // smtp_connection_cache_time_limit
};

struct SmtpClient {
  std::string helo_name;  // smtp_helo_name, lmtp_lhlo_name
  uint16_t port = 25;     // smtp_tcp_port, of servers without a port of their own; no port offset is added
  ClientTlsLevel tls_level = ClientTlsLevel::kNone;
  ClientTls tls;
  ClientSasl sasl;

  // Finding hosts.
  enum class DnsSupport : uint8_t { kDisabled, kEnabled, kDnssec } dns_support = DnsSupport::kEnabled;
  bool lookup_dns = true, lookup_native = false;  // smtp_host_lookup
  bool ignore_mx_lookup_error = false;
  bool defer_if_no_mx_address_found = false;
  bool cname_overrides_servername = false;
  bool ipv4 = true, ipv6 = true;  // inet_protocols
  enum class AddressPreference : uint8_t { kAny, kIpv4, kIpv6 } address_preference = AddressPreference::kAny;
  bool balance_inet_protocols = true;
  bool randomize_addresses = true;
  uint32_t mx_address_limit = 5, mx_session_limit = 2;  // 0: none

  // The dialogue.
  bool always_send_ehlo = true, never_send_ehlo = false;  // of SMTP alone
  bool skip_5xx_greeting = true;
  bool skip_quit_response = true;
  std::vector<std::string> pix_workarounds;        // smtp_pix_workarounds, lower case
  TableList pix_workaround_maps;                   // by the server's address
  std::vector<std::string> discard_ehlo_keywords;  // lower case; smtp_discard_ehlo_keywords, lmtp_discard_lhlo_keywords
  TableList discard_ehlo_keyword_address_maps;
  bool disable_mime_output_conversion = false;
  uint32_t line_length_limit = 998;  // smtp_line_length_limit; 0: none
  uint32_t mime_nesting_limit = 100;
  bool per_request_deadline = false;
  Duration connection_reuse_time_limit = Seconds(300);
  uint32_t connection_reuse_count_limit = 0;  // 0: none
  ClientTimeouts timeouts;

  std::vector<std::string> fallback_relay;  // smtp_fallback_relay, each "host", "[host]:port"
  std::string best_mx_transport;            // best_mx_transport, of SMTP alone; empty: bounce
  std::string relayhost;                    // main.cf's: its failures are never the sender's fault
};

}  // namespace postern::config
