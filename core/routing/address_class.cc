#include "core/routing/address_class.h"

#include <algorithm>

#include "core/routing/address.h"

namespace postern::routing {
namespace {

bool IsOwnLiteral(std::string_view domain, const config::Routing& routing) {
  if (!IsAddressLiteral(domain)) return false;
  std::string_view inner = domain.substr(1, domain.size() - 2);
  if (const size_t colon = inner.find(':'); colon == 4) inner.remove_prefix(5);  // "IPv6:"
  const auto address = IpAddress::Parse(inner);
  return address &&
         std::find(routing.own_addresses.begin(), routing.own_addresses.end(), *address) != routing.own_addresses.end();
}

}  // namespace

bool IsLocalDomain(std::string_view domain, const config::Routing& routing) {
  if (domain.empty()) return true;
  if (domain.front() == '[') return IsOwnLiteral(domain, routing);
  return routing.mydestination.MatchesName(domain);
}

AddressClass ClassOf(std::string_view domain, const config::Routing& routing) {
  if (IsLocalDomain(domain, routing)) return AddressClass::kLocal;
  if (routing.virtual_alias_domains.MatchesName(domain)) return AddressClass::kVirtualAlias;
  if (routing.virtual_mailbox_domains.MatchesName(domain)) return AddressClass::kVirtualMailbox;
  // parent_domain_matches_subdomains names relay_domains by default.
  if (routing.relay_domains.MatchesName(domain, true)) return AddressClass::kRelay;
  return AddressClass::kDefault;
}

}  // namespace postern::routing
