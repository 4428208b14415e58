// What the core asks the DNS, and what comes back, as values. Who asks, caches and times out is the driver's affair.
//
// A reply speaks of the whole search: aliases (CNAME) were followed, `canonical_name` is where they led.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ip.h"

namespace postern {

enum class RecordType : uint8_t {
  kMx,
  kA,
  kAaaa,
  kCname,  // only whether it is secure matters
  kTlsa,
  kNative,  // addresses as the host's own files and services tell them (smtp_host_lookup = native)
};
std::string_view ToString(RecordType type);  // "MX"

struct DnsQuestion {
  std::string name;  // in ASCII, lower case or not, no final dot
  RecordType type = RecordType::kA;
  bool dnssec = false;  // is it of interest whether the reply is secure?
  auto operator<=>(const DnsQuestion&) const = default;
};

struct MxRecord {
  uint16_t preference = 0;
  std::string host;  // empty: the root, "no mail here" (RFC 7505 section 3)
  bool operator==(const MxRecord&) const = default;
};

// RFC 6698 section 2.1.
struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching_type = 0;
  std::string data;  // bytes
  bool operator==(const TlsaRecord&) const = default;
};

struct DnsReply {
  // kNotFound and kNoData are said by a name server; kTryAgain is all that another try may mend: SERVFAIL (bogus
  // signatures among it), REFUSED, NOTIMP, time-outs, no name server at all. kFailed: FORMERR. kLoop: too many aliases.
  enum class Outcome : uint8_t { kFound, kNotFound, kNoData, kTryAgain, kFailed, kMalformed, kLoop };
  Outcome outcome = Outcome::kTryAgain;
  bool secure = false;         // DNSSEC-validated, the whole chain of aliases too
  std::string canonical_name;  // empty: no alias, the name itself
  std::vector<MxRecord> mx;
  std::vector<IpAddress> addresses;
  std::vector<TlsaRecord> tlsa;
};

}  // namespace postern
