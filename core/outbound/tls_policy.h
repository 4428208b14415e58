// How TLS is to be spoken with one server: from the configuration, the destination and its TLSA records to a policy
// (TLS_README's client part; RFC 7672 for DANE). What its certificate is worth then says certificate_match.h.
//
//   none         clear text
//   may          TLS where it is offered
//   encrypt      TLS or no mail
//   fingerprint  the certificate's or its key's digest is a known one
//   dane         by TLSA records: where there are none, may; where none is usable, encrypt
//   dane-only    by TLSA records or no mail
//   verify       the chain is trusted, a name matches: by default the host's
//   secure       the same, by default the next hop's name, or one below it
//
// smtp_tls_policy_maps is asked for the destination as it is written ("[host]:587"), a plain domain's parents as
// ".parent". smtp_tls_per_site is not known: it stops the start (it asked the MX host's name, which anyone may forge).
// Whatever is wrong with a policy is a refusal: never a weaker policy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config/settings.h"
#include "core/config/tls_versions.h"
#include "core/outbound/tlsa_lookup.h"

namespace postern::outbound {

struct TlsDestination {
  std::string text;     // Site::text, or a unix socket's path
  std::string nexthop;  // Site::host; of a unix socket myhostname
  std::string host;     // HostAddress::host
  uint16_t port = 0;    // 0: a unix socket
  bool lmtp = false;
  // Of HostList: whether the host was found by MX records, and whose they are.
  bool by_mx = false, mx_secure = false;
  std::string mx_name, mx_canonical_name;
};

struct TlsPolicy {
  using Level = config::ClientTlsLevel;
  Level level = Level::kNone;
  bool half_dane = false;  // kDane for a host of an insecure MX: enforced, never called verified
  config::TlsVersions versions;
  std::string cipher_grade;     // "medium"
  std::string exclude_ciphers;  // OpenSSL names, blanks between
  std::string server_name;      // SNI; empty: none is sent
  bool connection_reuse = false;
  std::vector<std::string> match_names;         // verify, secure, dane: in ASCII; ".example.com": any name below it
  std::vector<std::string> fingerprints;        // fingerprint: digests, raw bytes
  std::vector<TlsaRecord> tlsa;                 // dane: the usable ones
  std::vector<std::string> trust_anchor_files;  // verify, secure: instead of the CAs; empty: those

  bool wanted() const { return level != Level::kNone; }
  bool required() const { return level >= Level::kEncrypt; }
  bool must_match() const { return level >= Level::kFingerprint; }
};

struct TlsRefusal {
  std::string status;  // "4.7.5": as if the host could not be reached; the next one is tried
  std::string text;
};

struct TlsChoice {
  std::variant<TlsPolicy, TlsRefusal> result;
  std::vector<std::string> warnings;  // for the log
};

// Is the level such that TLSA records must be looked up first?
bool NeedsTlsa(const TlsDestination& destination, const config::SmtpClient& client);

// `tlsa` null where NeedsTlsa() says no.
TlsChoice ChooseTlsPolicy(const TlsDestination& destination, const config::SmtpClient& client, const TlsaFacts* tlsa);

// After a failed handshake: may the same address be tried without TLS? Only where TLS was never required, the message
// has waited at least minimal_backoff_time already, and no login is meant for this server.
bool MayFallBackToPlaintext(const TlsPolicy& policy, bool waited_long_enough, bool has_login);

}  // namespace postern::outbound
