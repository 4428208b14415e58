// TLS as a client: what the core wants of a handshake, and what the server's certificate told, as values. What the
// certificate is worth judges the core (core/outbound/certificate_match.h); the driver only tells.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/ip.h"

namespace postern {

struct ClientTls {
  std::string server_name;                      // SNI; empty: none is sent
  std::array<bool, 4> versions{};               // TLSv1, TLSv1.1, TLSv1.2, TLSv1.3
  std::string cipher_grade;                     // "high", "medium", "low", "export", "null" of Postfix
  std::string exclude_ciphers;                  // OpenSSL names and classes, blanks or commas between
  std::string fingerprint_digest;               // "sha256": what CertificateFacts' digests are made by
  std::string ca_file, ca_path;                 // whose issuers are trusted; both empty: nobody
  std::vector<std::string> trust_anchor_files;  // instead of them, where not empty
  std::string certificate_file, key_file;       // our own, where the server asks for one; empty: none
  bool wants_chain = false;                     // CertificateFacts::chain is needed (DANE)
  auto operator<=>(const ClientTls&) const = default;
};

struct CertificateFacts {
  std::vector<std::string> dns_names;   // subjectAltName dNSName; such with NUL bytes left out
  std::vector<IpAddress> ip_addresses;  // subjectAltName iPAddress
  std::string common_name;              // the subject's last; counts only where there is no dNSName
  bool chain_trusted = false;           // the chain ends at a CA or trust anchor of the policy, in date, for servers
  std::string certificate_digest, key_digest;  // of the leaf, raw, by smtp_tls_fingerprint_digest
  // The chain as sent, leaf first, each certificate signed by the next. DER.
  struct Link {
    std::string certificate, public_key;  // the whole; its SubjectPublicKeyInfo
    // From the leaf to here all signatures are right, all are in date, all above the leaf are CAs: were this one
    // trusted, the leaf would be. Without meaning for the leaf itself.
    bool would_anchor = false;
  };
  std::vector<Link> chain;
};

}  // namespace postern
