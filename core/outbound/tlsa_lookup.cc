#include "core/outbound/tlsa_lookup.h"

#include "core/base/ascii.h"

namespace postern::outbound {

using Outcome = DnsReply::Outcome;

TlsaLookup::TlsaLookup(const HostAddress& host, uint16_t port, bool force)
    : query_name_(host.query_name), canonical_name_(host.canonical_name), port_(port) {
  const bool is_alias = !EqualsIgnoringCase(query_name_, canonical_name_);
  if (!routing::IsHostName(query_name_)) return;  // an address has no TLSA records
  if (host.secure) {
    AskAt(canonical_name_);
  } else if (force) {
    AskAt(query_name_);
  } else if (is_alias) {
    question_ = {.name = query_name_, .type = RecordType::kCname, .dnssec = true};
  }
}

void TlsaLookup::AskAt(const std::string& name) {
  facts_.base_domain = name;
  question_ = {.name = "_" + std::to_string(port_) + "._tcp." + name, .type = RecordType::kTlsa, .dnssec = true};
}

void TlsaLookup::Answer(const DnsReply& reply) {
  if (!question_) return;
  const RecordType asked = question_->type;
  question_.reset();
  const bool absent =
      reply.outcome == Outcome::kNotFound || reply.outcome == Outcome::kNoData || reply.outcome == Outcome::kLoop;
  if (asked == RecordType::kCname) {
    if (reply.outcome != Outcome::kFound) {
      facts_.kind = TlsaFacts::Kind::kError;  // it was an alias a moment ago
    } else if (reply.secure) {
      AskAt(query_name_);
    }
    return;
  }
  if (reply.outcome != Outcome::kFound && !absent) {
    facts_.kind = TlsaFacts::Kind::kError;
  } else if (!absent && reply.secure && !reply.tlsa.empty()) {
    facts_.kind = TlsaFacts::Kind::kFound;
    facts_.records = reply.tlsa;
  } else if (!EqualsIgnoringCase(facts_.base_domain, query_name_)) {
    AskAt(query_name_);
  }
}

}  // namespace postern::outbound
