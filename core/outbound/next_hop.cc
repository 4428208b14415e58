#include "core/outbound/next_hop.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "core/base/ascii.h"
#include "core/config/value.h"
#include "core/smtp/onward.h"

namespace postern::outbound {
namespace {

// Postfix's default of known_tcp_ports: names that need no /etc/services. Others are refused: nobody can be asked here.
std::optional<uint16_t> PortOf(std::string_view text) {
  static constexpr std::pair<std::string_view, uint16_t> kKnown[] = {
      {"lmtp", 24}, {"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}};
  for (const auto& [name, port] : kKnown) {
    if (EqualsIgnoringCase(name, text)) return port;
  }
  const auto number = config::ParseUnsigned(text);
  if (!number || *number == 0 || *number > UINT16_MAX) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

Status BadSite(std::string_view what, std::string_view text) {
  return Unavailable(std::string(what) + " in server description: " + std::string(text));
}

// The sites of a list, and behind them the fallback relays.
StatusOr<NetworkHop> ParseNetworkHop(std::string_view nexthop, bool lmtp, const config::SmtpClient& client) {
  NetworkHop hop{.lmtp = lmtp};
  for (const std::string& text : config::SplitWords(nexthop, /*commas=*/true)) {
    auto site = ParseSite(text, client.port);
    if (!site.ok()) return site.status();
    hop.sites.push_back(*std::move(site));
  }
  if (hop.sites.empty()) return Unavailable("null destination: \"" + std::string(nexthop) + "\"");
  hop.fallback_begin = hop.sites.size();
  hop.is_relayhost = !lmtp && hop.sites[0].text == client.relayhost;
  for (const std::string& text : client.fallback_relay) {
    auto site = ParseSite(text, client.port);
    if (!site.ok()) return site.status();
    hop.sites.push_back(*std::move(site));
  }
  return hop;
}

StatusOr<NextHop> ParseLmtpHop(std::string_view nexthop, const config::Config& config) {
  if (nexthop.starts_with("unix:")) {
    return NextHop(SocketHop{.path = config::JoinPath(config.routing.queue_directory, nexthop.substr(5))});
  }
  if (nexthop.starts_with("inet:")) nexthop.remove_prefix(5);
  auto hop = ParseNetworkHop(nexthop, true, config.lmtp_client);
  if (!hop.ok()) return hop.status();
  return NextHop(*std::move(hop));
}

VerdictHop Verdict(VerdictHop::Action action, std::string_view usual, std::string_view nexthop) {
  StatusAndText parts = SplitStatus(nexthop, usual);
  return {.action = action, .status = std::move(parts.status), .text = std::move(parts.text)};
}

// The length of an RFC 3463 status code that `text` begins with, the code ending at white space or the text's end; or
// 0.
size_t StatusBytes(std::string_view text) {
  if (text.size() < 5 || std::string_view("245").find(text[0]) == std::string_view::npos || text[1] != '.') return 0;
  size_t at = 2;
  for (int part = 0; part < 2; ++part) {
    const size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == start || at - start > 3) return 0;
    if (part == 0 && (at == text.size() || text[at++] != '.')) return 0;
  }
  return at == text.size() || config::IsSpace(text[at]) ? at : 0;
}

}  // namespace

StatusOr<NextHop> ParseNextHop(const routing::Transport& transport, const config::Config& config) {
  using Action = VerdictHop::Action;
  if (transport.name == smtp::kExpandedTransport)
    return NextHop(VerdictHop{.action = Action::kDiscard, .status = "2.0.0", .text = "alias expanded"});
  if (routing::IsProgramTransport(transport.name)) {
    auto program = routing::ParseProgramTarget(transport.name, transport.nexthop);
    if (!program) return Unavailable("no command and no file: " + transport.nexthop);
    return NextHop(ProgramHop{*std::move(program)});
  }
  const std::string_view agent = config::AgentOf(transport.name, config.routing);
  if (agent == "smtp") {
    auto hop = ParseNetworkHop(transport.nexthop, false, config.smtp_client);
    if (!hop.ok()) return hop.status();
    return NextHop(*std::move(hop));
  }
  if (agent == "lmtp") return ParseLmtpHop(transport.nexthop, config);
  // error(8) goes by the service's name: only "retry" lets mail wait.
  if (agent == "error" && transport.name == "retry")
    return NextHop(Verdict(Action::kDefer, "4.0.0", transport.nexthop));
  if (agent == "error") return NextHop(Verdict(Action::kBounce, "5.0.0", transport.nexthop));
  if (agent == "discard") return NextHop(Verdict(Action::kDiscard, "2.0.0", transport.nexthop));
  if (agent == "virtual")
    return NextHop(MailboxHop{.agent = MailboxHop::Agent::kVirtual, .nexthop = transport.nexthop});
  if (agent == "local") return NextHop(MailboxHop{.agent = MailboxHop::Agent::kLocal, .nexthop = transport.nexthop});
  return Unavailable("mail transport unavailable: there is no transport \"" + transport.name + "\"");
}

StatusOr<Site> ParseSite(std::string_view text, uint16_t default_port) {
  Site site{.text = std::string(text), .port = default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    site.bracketed = true;
    std::string_view inner = text.substr(1);
    const bool tagged = inner.size() >= 5 && EqualsIgnoringCase(inner.substr(0, 5), "IPv6:");  // RFC 5321 section 4.1.3
    if (tagged) inner.remove_prefix(5);
    const size_t end = inner.find(']');
    if (end == std::string_view::npos) return BadSite("missing \"]\"", text);
    site.host = inner.substr(0, end);
    port = inner.substr(end + 1);
    if (!port.empty() && port.front() != ':') return BadSite("garbage after \"]\"", text);
    if (!port.empty()) port.remove_prefix(1);
    const auto address = IpAddress::Parse(site.host);
    if (tagged && !(address && address->v6)) return BadSite("malformed IPv6 address", text);
  } else if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    site.host = text.substr(0, colon);
    port = text.substr(colon + 1);
  } else {
    site.host = text;
  }
  if (site.host.empty()) return BadSite("missing host information", text);
  if (!site.host.empty() && site.host.back() == '.' && site.host.size() > 1) site.host.pop_back();  // the root's dot
  if (!routing::IsHostName(site.host) && !IpAddress::Parse(site.host)) {
    return BadSite("valid hostname or network address required", text);
  }
  if (port.empty()) return site;
  const auto number = PortOf(port);
  if (!number) return BadSite("bad network port", text);
  site.port = *number;
  return site;
}

StatusAndText SplitStatus(std::string_view text, std::string_view usual) {
  text = config::Trim(text);
  std::string status(usual);
  if (const size_t bytes = StatusBytes(text); bytes > 0) {
    if (text[0] == usual[0]) status = text.substr(0, bytes);
    text = config::Trim(text.substr(bytes));
  }
  return {.status = std::move(status), .text = std::string(text)};
}

}  // namespace postern::outbound
