// What transport_maps (transport(5)) and the *_transport parameters say, as far as it needs no address to be
// understood: core/routing/transport.h asks for addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/config/settings.h"

namespace postern::config {

// "transport:nexthop"; either part may be empty.
struct TransportRow {
  std::string name, nexthop;
  bool empty_answer = false;  // not even ":": Postfix takes that for a look-up that failed
};
TransportRow SplitTransport(std::string_view value);

// The row of transport_maps for a domain: its own, one of those above it, or "*". Pattern tables are asked for "*"
// only: a part of an address says nothing to them.
std::optional<TransportRow> FindTransportOfDomain(std::string_view domain, const Routing& routing);

// The agent that runs under a transport's name: smtp lmtp error discard virtual local. By master.cf, or by the names
// that every master.cf has ("relay" is smtp, "retry" is error). Empty: there is none.
std::string_view AgentOf(std::string_view transport, const Routing& routing);

}  // namespace postern::config
