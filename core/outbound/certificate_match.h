// What a server's certificate is worth under a TLS policy. The facts come from whoever did the handshake; here is only
// comparing: names (RFC 6125 section 6.4), digests, TLSA records (RFC 6698, RFC 7671, RFC 7672).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/client_tls.h"
#include "core/outbound/dns.h"
#include "core/outbound/tls_policy.h"

namespace postern::outbound {

struct TlsVerdict {
  bool acceptable = false;  // mail may be sent
  bool matched = false;     // what the level asks of a certificate is there
  // How the log names the connection: "Anonymous", "Untrusted", "Trusted", "Verified".
  std::string_view summary;
  std::string status, text;  // where not acceptable
};

// `certificate` null: the server showed none.
TlsVerdict JudgeCertificate(const TlsPolicy& policy, const CertificateFacts* certificate);

// Does a certificate's name stand for `reference` ("mail.example.com", or ".example.com": any name below)? "*" is a
// whole leftmost label, of a name with at least two more (RFC 6125 section 6.4.3; no "f*.example.com").
bool NameMatches(std::string_view certificate_name, std::string_view reference);

// The records that say something to SMTP: usages DANE-TA(2) and DANE-EE(3) alone (RFC 7672 section 3.1.3), known
// selectors and matching types, digests of the right length; of several digests of one kind only the strongest (RFC
// 7671 section 9).
std::vector<TlsaRecord> UsableRecords(const std::vector<TlsaRecord>& records);

}  // namespace postern::outbound
