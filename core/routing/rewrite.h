// Makes a full address of what a client wrote (trivial-rewrite's work for the envelope): bang paths, the percent hack,
// a missing domain, a short one; then canonical maps. Pure.
//
//   site!user -> user@site    user%host -> user@host    user -> user@myorigin    user@host -> user@host.mydomain
// The first two only where there is no domain, or where the domain is this host's own and so says nothing.
#pragma once

#include "core/config/settings.h"
#include "core/routing/address.h"

namespace postern::routing {

Mailbox Complete(const Mailbox& mailbox, const config::Routing& routing);

// canonical_maps and sender_canonical_maps or recipient_canonical_maps, applied once each, not again to their results.
enum class Role : uint8_t { kSender, kRecipient };
Mailbox Canonical(const Mailbox& mailbox, Role role, const config::Routing& routing);

// A local part that names another place to go on to: "user%other", "user@other", "other!user".
// reject_unauth_destination does not take such a recipient for its domain's own unless allow_untrusted_routing.
bool HasSenderRouting(const Mailbox& mailbox);

// The address that a table gives for `from`: without a domain it gets myorigin; "@domain" keeps the local part; an
// extension that the lookup left over is put back. nullopt: the value is no address.
std::optional<Mailbox> MappedAddress(std::string_view value, const Mailbox& from, std::string_view extension,
                                     const config::Routing& routing);

}  // namespace postern::routing
