// Which delivery agent takes a recipient, and where to (trivial-rewrite(8)'s resolve): a transport's name, a next hop.
//
//   class            transport, next hop
//   local            local_transport, the domain
//   virtual alias    error, "5.1.1 User unknown in virtual alias table"
//   virtual mailbox  virtual_transport, the domain
//   relay            relay_transport, the relay host or the domain
//   default          sender_dependent_default_transport_maps or default_transport, the relay host or the domain
//
// transport_maps (transport(5)) overrides both, but for virtual aliases.
// The relay host is what sender_dependent_relayhost_maps says, or relayhost. A parameter's own "transport:nexthop" is
// stronger than a relay host, a row of transport_maps is stronger than all. What the next hop's text means is the
// transport's affair (core/outbound/next_hop.h): a host, a socket, the words of a bounce.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/config/settings.h"
#include "core/config/transport_maps.h"
#include "core/routing/address.h"
#include "core/routing/address_class.h"

namespace postern::routing {

struct Transport {
  std::string name;     // "smtp"; never empty
  std::string nexthop;  // never empty; in the case it was written in
  bool operator==(const Transport&) const = default;
};

// `recipient` is final (after aliases) and has a domain. `sender` null: the null reverse-path.
// kUnavailable: a parameter or table names none; mail waits until that is mended.
StatusOr<Transport> FindTransport(const Mailbox& recipient, const Mailbox* sender, const config::Routing& routing);

// The row of transport_maps for `recipient`: for its address, its domain or one above that, or "*".
std::optional<config::TransportRow> FindTransportRow(const Mailbox& recipient, const config::Routing& routing);

}  // namespace postern::routing
