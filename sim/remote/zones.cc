#include "sim/remote/zones.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.h"

namespace postern::sim {
namespace {

constexpr int kAliasesMax = 10;
constexpr std::array<std::string_view, kZoneKindCount> kZoneKindNames{
    "one MX",         "several MX", "no MX", "null MX",    "MX without address",
    "no such domain", "no data",    "alias", "alias loop", "ourselves",
    "SERVFAIL",       "flaky",      "bogus", "slow"};

bool IsOfType(const IpAddress& address, RecordType type) {
  return type == RecordType::kNative || address.v6 == (type == RecordType::kAaaa);
}

}  // namespace

std::string_view ToString(ZoneKind kind) { return kZoneKindNames[static_cast<size_t>(kind)]; }

void Zones::AddMx(std::string_view name, uint16_t preference, std::string host) {
  names_[LowerCase(name)].mx.push_back({preference, std::move(host)});
}

void Zones::AddAddress(std::string_view name, IpAddress address) {
  names_[LowerCase(name)].addresses.push_back(address);
}

void Zones::AddAlias(std::string_view name, std::string target) { names_[LowerCase(name)].alias = std::move(target); }

void Zones::Break(std::string_view name, DnsReply::Outcome outcome, uint32_t chance_in_thousand) {
  Name& entry = names_[LowerCase(name)];
  entry.broken = outcome;
  entry.broken_chance = chance_in_thousand;
}

void Zones::SlowDown(std::string_view name, Duration longest) { names_[LowerCase(name)].slowest = longest; }

void Zones::AddDomain(const std::string& domain, ZoneKind kind, const std::vector<IpAddress>& addresses,
                      const std::string& our_name) {
  const auto add_host = [&](size_t index, uint16_t preference) {
    const std::string host = "mx" + std::to_string(index) + "." + domain;
    AddAddress(host, addresses[index % addresses.size()]);
    AddMx(domain, preference, host);
  };
  switch (kind) {
    case ZoneKind::kOneMx:
      return add_host(0, 10);
    case ZoneKind::kSeveralMx:
      add_host(0, 10);
      add_host(1, 20);
      return add_host(2, 20);
    case ZoneKind::kNoMx:
      return AddAddress(domain, addresses.front());
    case ZoneKind::kNullMx:
      return AddMx(domain, 0, "");
    case ZoneKind::kMxWithoutAddress:
      AddName("mx0." + domain);
      return AddMx(domain, 10, "mx0." + domain);
    case ZoneKind::kNoSuchDomain:
      return;
    case ZoneKind::kNoData:
      return AddName(domain);
    case ZoneKind::kAlias:
      AddAlias(domain, "real." + domain);
      AddMx("real." + domain, 10, "mx0." + domain);
      return AddAddress("mx0." + domain, addresses.front());
    case ZoneKind::kAliasLoop:
      AddAlias(domain, "a." + domain);
      return AddAlias("a." + domain, domain);
    case ZoneKind::kOurselves:
      return AddMx(domain, 10, our_name);
    case ZoneKind::kServfail:
    case ZoneKind::kBogus:
      add_host(0, 10);
      return Break(domain, DnsReply::Outcome::kTryAgain);
    case ZoneKind::kFlaky:
      add_host(0, 10);
      Break(domain, DnsReply::Outcome::kTryAgain, 400);
      return Break("mx0." + domain, DnsReply::Outcome::kTryAgain, 400);
    case ZoneKind::kSlow:
      add_host(0, 10);
      SlowDown(domain, Seconds(60));
      return SlowDown("mx0." + domain, Seconds(60));
  }
}

void Zones::Heal() {
  for (auto& [name, entry] : names_) {
    entry.broken = DnsReply::Outcome::kFound;
    entry.broken_chance = 0;
    entry.slowest = {};
  }
}

Duration Zones::DelayOf(std::string_view name) {
  const auto found = names_.find(LowerCase(name));
  if (found == names_.end() || found->second.slowest.ns == 0) return {};
  return {static_cast<int64_t>(random_.Below(static_cast<uint64_t>(found->second.slowest.ns)))};
}

DnsReply Zones::Look(const DnsQuestion& question) {
  using Outcome = DnsReply::Outcome;
  DnsReply reply;
  std::string name = LowerCase(question.name);
  auto found = names_.find(name);
  for (int aliases = 0; found != names_.end(); ++aliases) {
    if (found->second.broken != Outcome::kFound && random_.Chance(found->second.broken_chance)) {
      reply.outcome = found->second.broken;
      return reply;
    }
    if (found->second.alias.empty() || question.type == RecordType::kCname) break;
    if (aliases == kAliasesMax) {
      reply.outcome = Outcome::kLoop;
      return reply;
    }
    name = LowerCase(found->second.alias);
    reply.canonical_name = name;
    found = names_.find(name);
  }
  if (found == names_.end()) {
    reply.outcome = Outcome::kNotFound;
    return reply;
  }
  const Name& entry = found->second;
  bool any = false;
  switch (question.type) {
    case RecordType::kMx:
      reply.mx = entry.mx;
      any = !reply.mx.empty();
      break;
    case RecordType::kA:
    case RecordType::kAaaa:
    case RecordType::kNative:
      std::copy_if(entry.addresses.begin(), entry.addresses.end(), std::back_inserter(reply.addresses),
                   [&](const IpAddress& address) { return IsOfType(address, question.type); });
      any = !reply.addresses.empty();
      break;
    case RecordType::kCname:
      reply.canonical_name = entry.alias;
      any = !entry.alias.empty();
      break;
    case RecordType::kTlsa:
      break;
  }
  reply.outcome = any ? Outcome::kFound : Outcome::kNoData;
  return reply;
}

}  // namespace postern::sim
