// The DNS of the simulated world: a table of names, and what goes wrong with each. It answers as a validating resolver
// does (core/boundary/dns.h): aliases are followed, and bogus signatures are kTryAgain like any other SERVFAIL.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ascii.h"
#include "core/base/ip.h"
#include "core/base/time.h"
#include "core/boundary/dns.h"
#include "sim/world/random.h"

namespace postern::sim {

// Ways in which a domain's DNS is right or wrong.
enum class ZoneKind : uint8_t {
  kOneMx,
  kSeveralMx,         // by preference, two of them equal
  kNoMx,              // an address alone (RFC 5321 section 5.1)
  kNullMx,            // RFC 7505: refused for good
  kMxWithoutAddress,  // refused for good
  kNoSuchDomain,      // refused for good
  kNoData,            // the name is there, and nothing of use: refused for good
  kAlias,             // the domain is a CNAME of a good one
  kAliasLoop,
  kOurselves,  // the best MX is our own name: mail would loop
  kServfail,   // until it is healed
  kFlaky,      // SERVFAIL or a time-out now and then
  kBogus,      // signed, and not by whom it should be: until it is healed
  kSlow,       // each answer takes up to a minute
};
inline constexpr size_t kZoneKindCount = 14;
std::string_view ToString(ZoneKind kind);  // "null MX"

class Zones {
 public:
  explicit Zones(uint64_t seed) : random_(seed, "remote zones") {}

  void AddMx(std::string_view name, uint16_t preference, std::string host);
  void AddAddress(std::string_view name, IpAddress address);
  void AddAlias(std::string_view name, std::string target);
  // The name is there: what it has no records of is kNoData.
  void AddName(std::string_view name) { names_[LowerCase(name)]; }
  // What every question about the name comes to, until Heal(); kFound: nothing is wrong.
  void Break(std::string_view name, DnsReply::Outcome outcome, uint32_t chance_in_thousand = 1000);
  void SlowDown(std::string_view name, Duration longest);

  // `domain` with hosts at `addresses` (at least one), as `kind` says. `our_name`: for kOurselves.
  void AddDomain(const std::string& domain, ZoneKind kind, const std::vector<IpAddress>& addresses,
                 const std::string& our_name);

  // Nothing is broken or slow any more. What is wrong for good stays.
  void Heal();
  DnsReply Look(const DnsQuestion& question);
  // How long the answer about `name` takes, beyond the network's latency.
  Duration DelayOf(std::string_view name);

 private:
  struct Name {
    std::vector<MxRecord> mx;
    std::vector<IpAddress> addresses;
    std::string alias;
    DnsReply::Outcome broken = DnsReply::Outcome::kFound;
    uint32_t broken_chance = 0;
    Duration slowest;
  };

  Random random_;
  std::map<std::string, Name> names_;
};

}  // namespace postern::sim
