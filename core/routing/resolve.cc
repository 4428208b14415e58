#include "core/routing/resolve.h"

#include <charconv>
#include <utility>

#include "core/routing/aliases.h"
#include "core/routing/lookup.h"
#include "core/routing/transport.h"

namespace postern::routing {
namespace {

constexpr LookupForms kMailboxForms{.at_domain = true};

// "/a//b/" -> "/a/b": two writings of one folder are one string.
Path NormalizedPath(std::string_view text) {
  Path path;
  for (const char c : text) {
    if (c != '/' || path.empty() || path.back() != '/') path += c;
  }
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// ".." as a component would leave virtual_mailbox_base.
bool HasParentComponent(std::string_view path) {
  for (size_t start = 0; start <= path.size();) {
    size_t end = path.find('/', start);
    if (end == std::string_view::npos) end = path.size();
    if (path.substr(start, end - start) == "..") return true;
    start = end + 1;
  }
  return false;
}

StatusOr<int64_t> NumberFor(const config::TableList& maps, const Mailbox& mailbox, const config::Routing& routing,
                            std::string_view parameter) {
  const auto found = FindAddress(maps, mailbox, kMailboxForms, routing);
  int64_t number = -1;
  if (found) {
    const char* end = found->value.data() + found->value.size();
    const auto parsed = std::from_chars(found->value.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) number = -1;
  }
  if (number < 0) return Unavailable(std::string(parameter) + " has no number for " + mailbox.Key());
  return number;
}

StatusOr<Target> ResolveVirtualMailbox(const Mailbox& mailbox, const config::Routing& routing) {
  const auto found = FindAddress(routing.virtual_mailbox_maps, mailbox, kMailboxForms, routing);
  if (!found) return NotFound("unknown user: " + mailbox.Key());
  if (found->value.empty() || found->value.back() != '/') {
    return Unavailable("virtual_mailbox_maps names an mbox for " + mailbox.Key() + ": only Maildirs are served");
  }
  if (HasParentComponent(found->value)) return Unavailable("virtual_mailbox_maps leaves virtual_mailbox_base for " + mailbox.Key());
  auto uid = NumberFor(routing.virtual_uid_maps, mailbox, routing, "virtual_uid_maps");
  if (!uid.ok()) return uid.status();
  auto gid = NumberFor(routing.virtual_gid_maps, mailbox, routing, "virtual_gid_maps");
  if (!gid.ok()) return gid.status();
  if (*uid < routing.virtual_minimum_uid) return Unavailable("bad uid " + std::to_string(*uid) + " in virtual_uid_maps");
  return Target(MaildirTarget{.maildir = NormalizedPath(routing.virtual_mailbox_base + "/" + found->value),
                              .owner = {.uid = *uid, .gid = *gid}});
}

}  // namespace

Mailbox Rewrite(const Mailbox& mailbox, Role role, const config::Routing& routing) {
  return Canonical(Complete(mailbox, routing), role, routing);
}

std::optional<Unknown> FindUnknown(const Mailbox& mailbox, const config::Routing& routing) {
  const AddressClass address_class = ClassOf(mailbox.domain, routing);
  if (const auto row = FindTransportRow(mailbox, routing); row && row->name == "error") {
    return Unknown{.table = {}, .address_class = address_class, .transport_text = row->nexthop};
  }
  const LookupForms any{.bare_user = true, .at_domain = true};
  for (const config::TableList* maps :
       {&routing.recipient_canonical_maps, &routing.canonical_maps, &routing.virtual_alias_maps}) {
    if (FindAddress(*maps, mailbox, any, routing)) return std::nullopt;
  }
  switch (address_class) {
    case AddressClass::kLocal: {
      if (routing.local_recipient_maps.empty()) return std::nullopt;
      if (FindAddress(routing.local_recipient_maps, mailbox, any, routing)) return std::nullopt;
      // aliases(5) and passwd have bare names, whatever the domain of the class.
      if (FindAddress(routing.local_recipient_maps, {.local = mailbox.local, .domain = {}}, any, routing)) return std::nullopt;
      return Unknown{.table = "local recipient table", .address_class = address_class, .transport_text = {}};
    }
    case AddressClass::kVirtualAlias:
      return Unknown{.table = "virtual alias table", .address_class = address_class, .transport_text = {}};
    case AddressClass::kVirtualMailbox:
      if (routing.virtual_mailbox_maps.empty()) return std::nullopt;
      if (FindAddress(routing.virtual_mailbox_maps, mailbox, kMailboxForms, routing)) return std::nullopt;
      return Unknown{.table = "virtual mailbox table", .address_class = address_class, .transport_text = {}};
    case AddressClass::kRelay:
      if (routing.relay_recipient_maps.empty()) return std::nullopt;
      if (FindAddress(routing.relay_recipient_maps, mailbox, kMailboxForms, routing)) return std::nullopt;
      return Unknown{.table = "relay recipient table", .address_class = address_class, .transport_text = {}};
    case AddressClass::kDefault:
      return std::nullopt;
  }
  return std::nullopt;
}

StatusOr<Target> ResolveFinal(const Mailbox& mailbox, const Mailbox* sender, const config::Routing& routing) {
  const AddressClass address_class = ClassOf(mailbox.domain, routing);
  if (address_class == AddressClass::kVirtualAlias) return NotFound("User unknown in virtual alias table");
  auto transport = FindTransport(mailbox, sender, routing);
  if (!transport.ok()) return transport.status();
  const std::string_view agent = AgentOf(transport->name, routing);
  if (agent == "virtual") return ResolveVirtualMailbox(mailbox, routing);
  // An LMTP server for virtual mailboxes is ourselves: the mailbox is where Dovecot's userdb puts it.
  if (agent == "lmtp" && address_class == AddressClass::kVirtualMailbox) return Target(UserTarget{.user = mailbox.Key()});
  return Target(QueueTarget{.transport = std::move(transport->name), .nexthop = std::move(transport->nexthop)});
}

StatusOr<Resolution> Resolve(const Mailbox& mailbox, const Mailbox* sender, const config::Routing& routing) {
  auto finals = ExpandAliases(mailbox, routing);
  if (!finals.ok()) return finals.status();
  Resolution resolution;
  for (Mailbox& address : *finals) {
    auto target = ResolveFinal(address, sender, routing);
    if (target.ok()) {
      resolution.destinations.push_back({.address = std::move(address), .target = *std::move(target)});
    } else if (target.status().code() == StatusCode::kNotFound) {
      resolution.unknown.push_back(std::move(address));
    } else {
      return target.status();
    }
  }
  return resolution;
}

}  // namespace postern::routing
