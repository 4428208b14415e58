#include "sim/replay/compare.h"

#include <algorithm>

namespace postern::sim {

std::vector<Difference> CompareSession(config::Protocol protocol, const Played& played) {
  switch (protocol) {
    case config::Protocol::kSmtp:
    case config::Protocol::kLmtp:
      return CompareSmtp(played.turns);
    case config::Protocol::kImap:
      return CompareImap(played.turns);
    case config::Protocol::kPop3:
      return ComparePop3(played.turns);
    case config::Protocol::kAuth:
      break;  // nobody has recorded one
  }
  return {};
}

std::string CommandOf(const Turn& turn) {
  if (turn.client.empty()) return "(greeting)";
  return turn.client.substr(0, turn.client.find("\r\n"));
}

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\r\n"), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return lines;
}

}  // namespace postern::sim
