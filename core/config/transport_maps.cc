#include "core/config/transport_maps.h"

#include <utility>

namespace postern::config {
namespace {

// One key in all tables, in their order. A part of an address is not asked of pattern tables.
std::optional<std::string> FindDomainKey(const TableList& tables, std::string_view key) {
  for (const TablePtr& table : tables.tables) {
    if (table->is_pattern_table()) continue;
    if (auto value = table->Find(key)) return value;
  }
  return std::nullopt;
}

}  // namespace

TransportRow SplitTransport(std::string_view value) {
  const size_t colon = value.find(':');
  if (colon == std::string_view::npos) return {.name = std::string(value), .empty_answer = value.empty()};
  return {.name = std::string(value.substr(0, colon)), .nexthop = std::string(value.substr(colon + 1))};
}

std::optional<TransportRow> FindTransportOfDomain(std::string_view domain, const Routing& routing) {
  const TableList& maps = routing.transport_maps;
  // "domain", then ".parent" and so on; or "parent", where domains stand for all below them. At most a name's labels.
  for (size_t at = 0; at < domain.size();) {
    if (const auto value = FindDomainKey(maps, domain.substr(at))) return SplitTransport(*value);
    const size_t dot = domain.find('.', at + 1);
    if (dot == std::string_view::npos) break;
    at = routing.transport_maps_match_subdomains ? dot + 1 : dot;
  }
  if (const auto value = maps.Find("*")) return SplitTransport(*value);
  return std::nullopt;
}

std::string_view AgentOf(std::string_view transport, const Routing& routing) {
  if (const auto at = routing.transports.find(transport); at != routing.transports.end()) return at->second;
  static constexpr std::pair<std::string_view, std::string_view> kUsual[] = {
      {"smtp", "smtp"},   {"relay", "smtp"},      {"lmtp", "lmtp"},       {"error", "error"},
      {"retry", "error"}, {"discard", "discard"}, {"virtual", "virtual"}, {"local", "local"}};
  for (const auto& [name, agent] : kUsual) {
    if (name == transport) return agent;
  }
  return {};
}

}  // namespace postern::config
