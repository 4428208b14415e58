// Finds the TLSA records of one host (RFC 7672 section 2.2), question by question.
//
//   address secure ----> TLSA at the name its aliases led to --- none, and it was an alias ---> TLSA at the name itself
//   address not secure, an alias ----> is the alias itself signed? (CNAME) --- yes ---> TLSA at the name itself
//   address not secure, no alias ----> none: nothing to ask (unless smtp_tls_force_insecure_host_tlsa_lookup)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/outbound/dns.h"
#include "core/outbound/host_choice.h"

namespace postern::outbound {

// What is known of a host's TLSA records.
struct TlsaFacts {
  enum class Kind : uint8_t {
    kNone,   // surely none, or none that is signed
    kError,  // a lookup failed: whether there are any is not known, so nothing may be sent (RFC 7672 section 2.1.2)
    kFound,
  };
  Kind kind = Kind::kNone;
  std::vector<TlsaRecord> records;
  std::string base_domain;  // the name that SNI says and certificates are matched with
};

class TlsaLookup {
 public:
  TlsaLookup(const HostAddress& host, uint16_t port, bool force);

  // What is to be asked next; nullopt: done.
  const std::optional<DnsQuestion>& question() const { return question_; }
  void Answer(const DnsReply& reply);
  // Once there is no question.
  const TlsaFacts& facts() const { return facts_; }

 private:
  void AskAt(const std::string& name);

  std::string query_name_, canonical_name_;
  uint16_t port_;
  std::optional<DnsQuestion> question_;
  TlsaFacts facts_;
};

}  // namespace postern::outbound
