// What happens to a recipient: whether it exists, and where its mail goes. Pure and synchronous on the configuration's
// tables, so that RCPT, the end of DATA, the queue and `postern explain` all say the same.
//
//   RCPT TO:<x> -> Complete -> Canonical -> Known? --no--> "User unknown in ... table"
//                                             |
//                  +--> virtual aliases <-----+
//                  |       |
//                  |       +-- of another class ---> Maildir | user's mailbox | queue
//                  |       +-- of the local class -> aliases(5) -- no alias --> undeliverable
//                  +---------- canonical <---------------+
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/status.h"
#include "core/boundary/file_plan.h"
#include "core/config/settings.h"
#include "core/routing/address.h"
#include "core/routing/address_class.h"
#include "core/routing/rewrite.h"

namespace postern::routing {

// A virtual(8) mailbox: the Maildir that virtual_mailbox_maps names, and whose files it holds.
struct MaildirTarget {
  Path maildir;  // without a final '/'
  FileOwner owner;
  bool operator==(const MaildirTarget&) const = default;
};
// A mailbox that Dovecot's userdb locates (virtual_transport = lmtp:..., and there we listen): `user` is the whole
// address.
struct UserTarget {
  std::string user;
  bool operator==(const UserTarget&) const = default;
};
// Everything else waits in the queue for the transport that takes it.
struct QueueTarget {
  std::string
      transport;  // "smtp", "relay", "local", what transport_maps or a *_transport parameter names, a program's word
  std::string nexthop;  // a host, a socket, a bounce's words: as the transport reads it (core/outbound/next_hop.h)
  bool operator==(const QueueTarget&) const = default;
};
using Target = std::variant<MaildirTarget, UserTarget, QueueTarget>;

// How an address was come to from the one that the client named.
struct Way {
  // owner-NAME of the list NAME that it is on: the reverse-path of its copy. nullopt: the message's own.
  std::optional<Mailbox> sender;
  // Names of the local class whose aliases were followed, newest first: the Delivered-To fields of its copy, as
  // local(8) puts one on what it passes on.
  std::vector<Mailbox> delivered_to;
  // All of them: a message that has one of these in a Delivered-To field already has been here (5.4.6).
  std::vector<Mailbox> passed;
};

struct Destination {
  Mailbox address;
  Target target;
  Way way;
};

// An address that an alias names and that nothing leads to.
struct Undeliverable {
  Mailbox address;
  std::string status;  // RFC 3463: 5.1.1, 5.3.5, 5.4.6, 5.7.1
  std::string text;
  Way way;
};

// Why a recipient (or sender) is not known. `table` as Postfix says it: "virtual mailbox table".
struct Unknown {
  std::string_view table;
  AddressClass address_class = AddressClass::kDefault;
  std::string transport_text;  // transport_maps says error: with this text, instead
};

// `mailbox` as Complete() and Canonical() leave it.
Mailbox Rewrite(const Mailbox& mailbox, Role role, const config::Routing& routing);

// nullopt: the tables know the address, or its class has no table that could.
std::optional<Unknown> FindUnknown(const Mailbox& mailbox, const config::Routing& routing);

// Where one final address (after aliases) goes. Errors: kNotFound where no mailbox is there, with Postfix's words;
// kInvalidArgument or kUnavailable where the tables say something unusable (an mbox, a forbidden uid).
// `sender` decides about relay hosts and transports that depend on it; null: the null reverse-path.
StatusOr<Target> ResolveFinal(const Mailbox& mailbox, const Mailbox* sender, const config::Routing& routing);

inline constexpr size_t kResolvedMax = 20000;  // addresses looked at for one recipient, aliases and all

// All aliases followed, each final address once and resolved, in the order in which aliases name them.
// kUnavailable: more than kResolvedMax, or as ResolveFinal and the aliases' own.
struct Resolution {
  std::vector<Destination> destinations;
  std::vector<Undeliverable> undeliverable;
  // Something other than the address itself came out, or more: RFC 3461 section 5.2.7.
  bool expanded = false;
};
StatusOr<Resolution> Resolve(const Mailbox& mailbox, const Mailbox* sender, const config::Routing& routing);

}  // namespace postern::routing
