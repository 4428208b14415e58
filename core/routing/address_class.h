// Postfix's five address classes: each domain is in exactly one, and the class says which table knows its recipients
// and which transport delivers to it (ADDRESS_CLASS_README's facts).
#pragma once

#include <cstdint>
#include <string_view>

#include "core/config/settings.h"

namespace postern::routing {

enum class AddressClass : uint8_t {
  kLocal,           // mydestination, [addresses of this host]
  kVirtualAlias,    // virtual_alias_domains: every address is an alias
  kVirtualMailbox,  // virtual_mailbox_domains
  kRelay,           // relay_domains
  kDefault,         // the rest of the world
};

AddressClass ClassOf(std::string_view domain, const config::Routing& routing);
// mydestination, or a literal that is an address of this host; also no domain at all.
bool IsLocalDomain(std::string_view domain, const config::Routing& routing);

}  // namespace postern::routing
