#include "core/routing/transport.h"

#include <utility>

#include "core/base/ascii.h"
#include "core/routing/lookup.h"

namespace postern::routing {
namespace {

// What a sender_dependent_*_maps says for `sender`; nullopt for none and for DUNNO.
std::optional<std::string> FindForSender(const config::TableList& maps, const Mailbox* sender,
                                         std::string_view null_sender_key, const config::Routing& routing) {
  if (maps.empty()) return std::nullopt;
  std::optional<std::string> value;
  if (sender == nullptr) {
    value = maps.Find(null_sender_key);
  } else if (auto found = FindAddress(maps, *sender, {.bare_user = true, .at_domain = true}, routing)) {
    value = std::move(found->value);
  }
  if (value && EqualsIgnoringCase(*value, "DUNNO")) return std::nullopt;
  return value;
}

struct ClassTransport {
  std::string value;           // "transport" or "transport:nexthop", as a parameter says it
  std::string_view parameter;  // which
  std::string nexthop;         // where `value` gives none
};

ClassTransport TransportOfClass(const Mailbox& recipient, const Mailbox* sender, const config::Routing& routing) {
  const AddressClass address_class = ClassOf(recipient.domain, routing);
  ClassTransport result{.value = {}, .parameter = {}, .nexthop = recipient.domain};
  switch (address_class) {
    case AddressClass::kLocal:
      result.value = routing.local_transport.empty() ? "local:" + routing.myhostname : routing.local_transport;
      result.parameter = "local_transport";
      return result;
    case AddressClass::kVirtualAlias:
      return {.value = "error:5.1.1 User unknown in virtual alias table",
              .parameter = "virtual_alias_domains",
              .nexthop = {}};
    case AddressClass::kVirtualMailbox:
      result.value = routing.virtual_transport;
      result.parameter = "virtual_transport";
      return result;
    case AddressClass::kRelay:
      result.value = routing.relay_transport;
      result.parameter = "relay_transport";
      break;
    case AddressClass::kDefault: {
      auto value = FindForSender(routing.sender_dependent_default_transport_maps, sender,
                                 routing.null_sender_transport_key, routing);
      result.parameter = value ? "sender_dependent_default_transport_maps" : "default_transport";
      result.value = value ? *std::move(value) : routing.default_transport;
      break;
    }
  }
  if (auto relay =
          FindForSender(routing.sender_dependent_relayhost_maps, sender, routing.null_sender_relayhost_key, routing)) {
    if (relay->empty()) return {.value = {}, .parameter = "sender_dependent_relayhost_maps", .nexthop = {}};
    result.nexthop = *std::move(relay);
  } else if (!routing.relayhost.empty()) {
    result.nexthop = routing.relayhost;
  }
  return result;
}

// ":nexthop" keeps the transport; "transport" forgets the next hop there was, a relay host among it.
void Override(const config::TransportRow& row, const Mailbox& recipient, Transport* transport) {
  if (!row.name.empty()) {
    transport->name = row.name;
    const bool text = row.name == "error" || row.name == "retry";  // to these a domain says nothing
    transport->nexthop = text ? "Address is undeliverable" : recipient.domain;
  }
  if (!row.nexthop.empty()) transport->nexthop = row.nexthop;
}

}  // namespace

StatusOr<Transport> FindTransport(const Mailbox& recipient, const Mailbox* sender, const config::Routing& routing) {
  ClassTransport of_class = TransportOfClass(recipient, sender, routing);
  config::TransportRow parts = config::SplitTransport(of_class.value);
  // An empty answer of a table is a failed look-up to Postfix.
  if (parts.empty_answer && of_class.parameter.starts_with("sender_dependent_")) {
    return Unavailable(std::string(of_class.parameter) + " lookup failure");
  }
  if (parts.name.empty()) {
    return Unavailable("parameter " + std::string(of_class.parameter) + ": null transport is not allowed");
  }
  Transport transport{.name = std::move(parts.name),
                      .nexthop = parts.nexthop.empty() ? std::move(of_class.nexthop) : std::move(parts.nexthop)};
  if (ClassOf(recipient.domain, routing) == AddressClass::kVirtualAlias) return transport;
  if (const auto row = FindTransportRow(recipient, routing)) {
    if (row->empty_answer) return Unavailable("transport_maps lookup failure");
    Override(*row, recipient, &transport);
  }
  return transport;
}

std::optional<config::TransportRow> FindTransportRow(const Mailbox& recipient, const config::Routing& routing) {
  const config::TableList& maps = routing.transport_maps;
  if (maps.empty()) return std::nullopt;
  if (const auto found = FindAddress(maps, recipient, {}, routing)) return config::SplitTransport(found->value);
  return config::FindTransportOfDomain(recipient.domain, routing);
}

}  // namespace postern::routing
