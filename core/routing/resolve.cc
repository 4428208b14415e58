#include "core/routing/resolve.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "core/base/ascii.h"
#include "core/routing/aliases.h"
#include "core/routing/local_aliases.h"
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
  if (!found) return NotFound("unknown user: \"" + mailbox.Key() + "\"");
  if (found->value.empty() || found->value.back() != '/') {
    return Unavailable("virtual_mailbox_maps names an mbox for " + mailbox.Key() + ": only Maildirs are served");
  }
  if (HasParentComponent(found->value))
    return Unavailable("virtual_mailbox_maps leaves virtual_mailbox_base for " + mailbox.Key());
  auto uid = NumberFor(routing.virtual_uid_maps, mailbox, routing, "virtual_uid_maps");
  if (!uid.ok()) return uid.status();
  auto gid = NumberFor(routing.virtual_gid_maps, mailbox, routing, "virtual_gid_maps");
  if (!gid.ok()) return gid.status();
  if (*uid < routing.virtual_minimum_uid)
    return Unavailable("bad uid " + std::to_string(*uid) + " in virtual_uid_maps");
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
      if (FindAddress(routing.local_recipient_maps, {.local = mailbox.local, .domain = {}}, any, routing))
        return std::nullopt;
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
  const std::string_view agent = config::AgentOf(transport->name, routing);
  if (agent == "local") return NotFound("unknown user: \"" + mailbox.local + "\"");
  if (agent == "virtual") return ResolveVirtualMailbox(mailbox, routing);
  // Where the LMTP server is ourselves the mailbox is where Dovecot's userdb puts it.
  const bool is_own_lmtp = agent == "lmtp" && routing.own_lmtp.contains(transport->nexthop);
  if (is_own_lmtp && address_class == AddressClass::kVirtualMailbox) return Target(UserTarget{.user = mailbox.Key()});
  return Target(QueueTarget{.transport = std::move(transport->name), .nexthop = std::move(transport->nexthop)});
}

namespace {

class AliasResolver {
 public:
  AliasResolver(const Mailbox* sender, const config::Routing& routing) : sender_(sender), routing_(routing) {}

  StatusOr<Resolution> Run(const Mailbox& mailbox) {
    open_.push_back({.address = mailbox, .way = {}, .after_virtual = false});
    for (size_t count = 0; !open_.empty(); ++count) {
      if (count == kResolvedMax) return Unavailable("aliases: " + mailbox.Key() + " stands for too many addresses");
      Item item = std::move(open_.back());
      open_.pop_back();
      if (Status status = item.after_virtual ? Settle(std::move(item)) : ExpandVirtual(std::move(item)); !status.ok()) {
        return status;
      }
    }
    const std::vector<Destination>& found = resolution_.destinations;
    resolution_.expanded = found.size() + resolution_.undeliverable.size() != 1 || found.empty() ||
                           !EqualsIgnoringCase(found[0].address.Key(), mailbox.Key());
    return std::move(resolution_);
  }

 private:
  struct Item {
    Mailbox address;
    Way way;
    bool after_virtual = false;  // virtual aliases were followed
  };

  // What comes out is looked at next, in its order.
  void Open(std::vector<Item> items) {
    for (size_t i = items.size(); i > 0; --i) open_.push_back(std::move(items[i - 1]));
  }

  const Mailbox* SenderOf(const Way& way) const { return way.sender ? &*way.sender : sender_; }

  bool IsLocal(const Mailbox& mailbox, const Mailbox* sender) const {
    const auto transport = FindTransport(mailbox, sender, routing_);
    return transport.ok() && config::AgentOf(transport->name, routing_) == "local";
  }

  Status ExpandVirtual(Item item) {
    auto finals = ExpandAliases(item.address, routing_);
    if (!finals.ok()) return finals.status();
    std::vector<Item> items;
    for (Mailbox& address : *finals) items.push_back({std::move(address), item.way, true});
    Open(std::move(items));
    return OkStatus();
  }

  Status Settle(Item item) {
    const bool local = IsLocal(item.address, SenderOf(item.way));
    // What local(8) has passed on once comes back to it: its Delivered-To field would say so.
    if (local && Contains(item.way.passed, item.address)) {
      resolution_.undeliverable.push_back({.address = item.address,
                                           .status = "5.4.6",
                                           .text = "mail forwarding loop for " + item.address.Key(),
                                           .way = std::move(item.way)});
      return OkStatus();
    }
    if (!seen_.insert(LowerCase(item.address.Key())).second) return OkStatus();
    if (local) return ExpandLocal(std::move(item));
    auto target = ResolveFinal(item.address, SenderOf(item.way), routing_);
    if (target.ok()) {
      resolution_.destinations.push_back(
          {.address = std::move(item.address), .target = *std::move(target), .way = std::move(item.way)});
    } else if (target.status().code() == StatusCode::kNotFound) {
      resolution_.undeliverable.push_back({.address = std::move(item.address),
                                           .status = "5.1.1",
                                           .text = std::string(Message(target.status())),
                                           .way = std::move(item.way)});
    } else {
      return target.status();
    }
    return OkStatus();
  }

  static bool Contains(const std::vector<Mailbox>& mailboxes, const Mailbox& mailbox) {
    return std::any_of(mailboxes.begin(), mailboxes.end(),
                       [&mailbox](const Mailbox& other) { return EqualsIgnoringCase(other.Key(), mailbox.Key()); });
  }

  Status ExpandLocal(Item item) {
    const Mailbox* sender = SenderOf(item.way);
    auto expansion = ExpandLocalAliases(
        item.address, [&](const Mailbox& mailbox) { return IsLocal(mailbox, sender); }, routing_);
    if (!expansion.ok()) return expansion.status();
    const auto way_of = [&item](std::optional<Mailbox> owner, const std::vector<Mailbox>& passed, bool passed_on) {
      Way way = item.way;
      if (owner) way.sender = *std::move(owner);
      if (passed_on) way.delivered_to.insert(way.delivered_to.begin(), item.address);
      way.passed.insert(way.passed.end(), passed.begin(), passed.end());
      return way;
    };
    std::vector<Item> items;
    for (LocalMember& member : expansion->members) {
      if (member.program) {
        SettleProgram(*member.program, member.address, way_of(std::move(member.sender), member.passed, true));
        continue;
      }
      // What is passed on is a new message to cleanup(8): canonical maps and virtual aliases apply to it.
      items.push_back({.address = Canonical(member.address, Role::kRecipient, routing_),
                       .way = way_of(std::move(member.sender), member.passed, true),
                       .after_virtual = false});
    }
    Open(std::move(items));
    for (LocalFailure& failure : expansion->failures) {
      resolution_.undeliverable.push_back({.address = std::move(failure.address),
                                           .status = std::move(failure.status),
                                           .text = std::move(failure.text),
                                           .way = way_of(std::move(failure.sender), failure.passed, false)});
    }
    return OkStatus();
  }

  // Each once under each name.
  void SettleProgram(const ProgramTarget& program, const Mailbox& address, Way way) {
    QueueTarget target{.transport = std::string(TransportOf(program)), .nexthop = NexthopOf(program)};
    if (!seen_.insert(LowerCase(address.Key()) + " " + target.transport + target.nexthop).second) return;
    resolution_.destinations.push_back({.address = address, .target = std::move(target), .way = std::move(way)});
  }

  const Mailbox* sender_;
  const config::Routing& routing_;
  std::vector<Item> open_;
  std::set<std::string> seen_;
  Resolution resolution_;
};

}  // namespace

StatusOr<Resolution> Resolve(const Mailbox& mailbox, const Mailbox* sender, const config::Routing& routing) {
  return AliasResolver(sender, routing).Run(mailbox);
}

}  // namespace postern::routing
