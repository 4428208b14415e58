#include "core/routing/aliases.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/ascii.h"
#include "core/routing/lookup.h"
#include "core/routing/rewrite.h"

namespace postern::routing {
namespace {

std::string FoldedKey(const Mailbox& mailbox) { return LowerCase(mailbox.Key()); }

// One address on the way down, and those its alias named that are still to be followed.
struct Level {
  std::string key;
  std::vector<Mailbox> targets;
  size_t next = 0;
};

// What the tables say of `mailbox`; empty: no alias. Errors as ExpandAliases.
StatusOr<std::vector<Mailbox>> LookUp(const Mailbox& mailbox, const config::Routing& routing) {
  std::vector<Mailbox> targets;
  const auto found = FindAddress(routing.virtual_alias_maps, mailbox, {.bare_user = true, .at_domain = true}, routing);
  if (!found) return targets;
  const std::string extension = routing.propagate_extensions.virtual_alias ? found->extension : "";
  for (const std::string_view word : SplitAddresses(found->value)) {
    auto target = MappedAddress(word, mailbox, extension, routing);
    if (!target) return InvalidArgument("virtual_alias_maps: no address: " + std::string(word));
    if (target->Key().size() > routing.virtual_alias_address_length_limit) {
      return Unavailable("unreasonable virtual_alias_maps address length");
    }
    targets.push_back(*std::move(target));
    if (targets.size() > routing.virtual_alias_expansion_limit)
      return Unavailable("unreasonable virtual_alias_maps map expansion size");
  }
  return targets;
}

}  // namespace

StatusOr<std::vector<Mailbox>> ExpandAliases(const Mailbox& mailbox, const config::Routing& routing) {
  std::vector<Mailbox> finals;
  std::set<std::string> done;  // addresses that are final or fully followed
  std::vector<Level> levels;
  levels.push_back({.key = "", .targets = {mailbox}});
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.next == level.targets.size()) {
      if (!level.key.empty()) done.insert(level.key);
      levels.pop_back();
      continue;
    }
    const Mailbox target = level.targets[level.next++];
    const std::string key = FoldedKey(target);
    if (done.contains(key)) continue;
    const bool self = key == level.key;  // "u2@example.test u2@example.test": ends the recursion
    if (!self) {
      for (const Level& above : levels) {
        if (above.key == key) return Unavailable("virtual_alias_maps loop");
      }
      if (levels.size() > routing.virtual_alias_recursion_limit)
        return Unavailable("unreasonable virtual_alias_maps map nesting");
      auto targets = LookUp(target, routing);
      if (!targets.ok()) return targets.status();
      if (!targets->empty()) {
        levels.push_back({.key = key, .targets = *std::move(targets)});
        continue;
      }
    }
    done.insert(key);
    finals.push_back(target);
    if (finals.size() > routing.virtual_alias_expansion_limit)
      return Unavailable("unreasonable virtual_alias_maps map expansion size");
  }
  return finals;
}

std::vector<std::string_view> SplitAddresses(std::string_view value) {
  std::vector<std::string_view> words;
  size_t start = 0;
  bool quoted = false;
  for (size_t i = 0; i <= value.size(); ++i) {
    const bool end = i == value.size();
    if (!end && value[i] == '\\' && i + 1 < value.size()) {
      ++i;
      continue;
    }
    if (!end && value[i] == '"') quoted = !quoted;
    const bool separator =
        end ||
        (!quoted && (value[i] == ',' || value[i] == ' ' || value[i] == '\t' || value[i] == '\r' || value[i] == '\n'));
    if (!separator) continue;
    if (i > start) words.push_back(value.substr(start, i - start));
    start = i + 1;
  }
  return words;
}

}  // namespace postern::routing
