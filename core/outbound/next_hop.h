// What the two words of a route (a transport's name and its next hop) ask for: hosts of the network, a socket, a
// verdict at once, or a mailbox of this host. Which words a recipient has says core/routing/transport.h.
//
//   smtp, relay     "domain[, domain ...]", each by its MX; "host:port", "[host]:port"; then smtp_fallback_relay
//   lmtp            "unix:path"; "inet:host[:port]" or "host[:port]", never by MX; then lmtp_fallback_relay
//   error, retry    "[5.1.1 ]words": all recipients bounce, or wait
//   discard         "[2.0.0 ]words": all recipients count as delivered
//   virtual, local  a mailbox of this host
//   (command), (file)  what an alias names (core/routing/program_target.h)
//   (expanded)      an alias that was expanded: counts as delivered, for the notice (smtp::kExpandedTransport)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/status.h"
#include "core/boundary/file_plan.h"
#include "core/config/settings.h"
#include "core/routing/program_target.h"
#include "core/routing/transport.h"

namespace postern::outbound {

// A host or domain of the network, as a next hop writes it.
struct Site {
  std::string text;  // as written, with brackets and port: what policies and passwords are looked up by
  std::string host;  // a name, or an address without brackets and "IPv6:"
  uint16_t port = 0;
  bool bracketed = false;  // "[...]": no MX
  bool operator==(const Site&) const = default;
};

struct NetworkHop {
  bool lmtp = false;
  std::vector<Site> sites;    // at least one; in the order in which they are tried
  size_t fallback_begin = 0;  // sites from here on are fallback relays
  bool is_relayhost = false;  // main.cf's relayhost itself: what is wrong with it is no fault of the recipient's
  bool operator==(const NetworkHop&) const = default;
};
struct SocketHop {
  Path path;  // of LMTP's unix socket; relative ones are below queue_directory
  bool operator==(const SocketHop&) const = default;
};
struct VerdictHop {
  enum class Action : uint8_t { kBounce, kDefer, kDiscard } action = Action::kBounce;
  std::string status;  // RFC 3463, of the class that the action has: 5, 4, 2
  std::string text;    // for the log and the notice; may be empty
  bool operator==(const VerdictHop&) const = default;
};
struct MailboxHop {
  enum class Agent : uint8_t { kVirtual, kLocal } agent = Agent::kVirtual;
  std::string nexthop;
  bool operator==(const MailboxHop&) const = default;
};
struct ProgramHop {
  routing::ProgramTarget program;
  bool operator==(const ProgramHop&) const = default;
};
using NextHop = std::variant<NetworkHop, SocketHop, VerdictHop, MailboxHop, ProgramHop>;

// kUnavailable: no such transport, or a next hop that cannot be read ("missing "]" in server description: ..."): the
// message waits until that is mended, as with Postfix.
StatusOr<NextHop> ParseNextHop(const routing::Transport& transport, const config::Config& config);

// "host", "host:port", "[host]", "[host]:port"; ports by number or by a name of known_tcp_ports.
StatusOr<Site> ParseSite(std::string_view text, uint16_t default_port);

// "[4.7.1 ]words" in its parts; `usual` where there is no code. A code of another class than `usual` is put aside with
// it.
struct StatusAndText {
  std::string status, text;
};
StatusAndText SplitStatus(std::string_view text, std::string_view usual);

}  // namespace postern::outbound
