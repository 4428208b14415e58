#include "core/routing/local_aliases.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/ascii.h"
#include "core/routing/lookup.h"
#include "core/routing/rewrite.h"

namespace postern::routing {
namespace {

using config::AliasTarget;

// An alias or a list on the way down, and those of its targets that are still to be followed.
struct LocalLevel {
  std::string key;    // the alias's name, or ":include:" and the path
  std::string alias;  // the name of the alias that this belongs to
  std::vector<AliasTarget> targets;
  size_t next = 0;
  bool in_list = false;     // of a list that is included
  bool of_pattern = false;  // what matched may be part of the targets: a sender's words
  std::string unmatched;    // "+ext" of the name that the alias was found without
  std::string extension;    // what of it goes on to the targets
  std::optional<Mailbox> sender;
  std::vector<Mailbox> passed;
};

class LocalExpander {
 public:
  LocalExpander(const std::function<bool(const Mailbox&)>& is_local, const config::Routing& routing)
      : is_local_(is_local), routing_(routing) {}

  StatusOr<LocalExpansion> Run(const Mailbox& mailbox) {
    FollowName(mailbox, nullptr);
    while (!levels_.empty()) {
      if (result_.members.size() + result_.failures.size() > kAliasMembersMax) {
        return Unavailable("aliases: " + mailbox.Key() + " stands for too many addresses");
      }
      LocalLevel& level = levels_.back();
      if (level.next == level.targets.size()) {
        done_.insert(level.key);
        levels_.pop_back();
        continue;
      }
      const AliasTarget target = level.targets[level.next++];
      Follow(target);
    }
    return std::move(result_);
  }

 private:
  void Follow(const AliasTarget& target) {
    const LocalLevel& level = levels_.back();
    switch (target.kind) {
      case AliasTarget::Kind::kCommand:
      case AliasTarget::Kind::kFile:
        return FollowProgram(target);
      case AliasTarget::Kind::kInclude:
        return FollowList(target.text);
      case AliasTarget::Kind::kAddress:
        break;
    }
    auto mailbox = MappedAddress(target.text, level.passed.back(), level.extension, routing_);
    if (!mailbox) return Fail(level.passed.back(), "5.3.5", "mail system configuration error");
    if (is_local_(*mailbox)) return FollowName(*mailbox, &level);
    result_.members.push_back(
        {.address = *std::move(mailbox), .program = {}, .sender = level.sender, .passed = level.passed});
  }

  void FollowProgram(const AliasTarget& target) {
    const LocalLevel& level = levels_.back();
    // Postfix fills in no "$1" of a pattern table where a command may come of it.
    if (level.of_pattern || !routing_.local.programs.Allows(target, level.in_list)) {
      const bool command = target.kind == AliasTarget::Kind::kCommand;
      return Fail(level.passed.back(), "5.7.1",
                  command ? "mail to command is restricted" : "mail to file is restricted");
    }
    result_.members.push_back({.address = level.passed.back(),
                               .program = ProgramTarget{.target = target, .in_list = level.in_list},
                               .sender = level.sender,
                               .passed = level.passed});
  }

  void FollowList(const std::string& path) {
    const LocalLevel& level = levels_.back();
    const auto list = routing_.local.alias_lists.find(path);
    if (list == routing_.local.alias_lists.end()) {
      return Fail(level.passed.back(), "5.3.5", "mail system configuration error");
    }
    LocalLevel inner{.key = ":include:" + path, .alias = level.alias, .targets = *list->second};
    inner.in_list = true;
    inner.of_pattern = level.of_pattern;
    inner.unmatched = level.unmatched;
    if (routing_.propagate_extensions.include) inner.extension = level.unmatched;
    inner.sender = level.sender;
    inner.passed = level.passed;
    Enter(std::move(inner), path);
  }

  // `above` null: the recipient itself.
  void FollowName(const Mailbox& mailbox, const LocalLevel* above) {
    const std::string local = LowerCase(mailbox.local);
    const size_t extension_at =
        ExtensionStart(local, routing_.recipient_delimiter, routing_.local.owner_request_special);
    LocalLevel level;
    if (above != nullptr) {
      level.sender = above->sender;
      level.passed = above->passed;
    }
    level.passed.push_back(mailbox);
    for (const size_t end : {std::string::npos, extension_at}) {
      const std::string name = local.substr(0, end);
      // An alias that names itself means the user of that name.
      if (above != nullptr && name == above->alias) continue;
      if (const auto value = Find(name, end == std::string::npos, &level.of_pattern)) {
        level.key = level.alias = name;
        level.targets = config::ParseAliasTargets(*value);
        if (end != std::string::npos) level.unmatched = mailbox.local.substr(end);
        if (routing_.propagate_extensions.alias) level.extension = level.unmatched;
        SetSender(&level);
        return Enter(std::move(level), name);
      }
      if (extension_at == std::string::npos) break;
    }
    result_.failures.push_back({.address = mailbox,
                                .status = "5.1.1",
                                .text = "unknown user: \"" + local.substr(0, extension_at) + "\"",
                                .sender = std::move(level.sender),
                                .passed = std::move(level.passed)});
  }

  // Pattern tables are asked the whole name only.
  std::optional<std::string> Find(const std::string& name, bool whole, bool* of_pattern = nullptr) const {
    for (const config::TablePtr& table : routing_.alias_maps.tables) {
      if (!whole && table->is_pattern_table()) continue;
      auto value = table->Find(name);
      if (value && of_pattern != nullptr) *of_pattern = table->is_pattern_table();
      if (value) return value;
    }
    return std::nullopt;
  }

  // owner-NAME gets the errors of the list NAME.
  void SetSender(LocalLevel* level) const {
    const std::string owner = "owner-" + level->alias;
    const auto value = Find(owner, true);
    if (!value) {
      if (routing_.local.reset_owner_alias) level->sender.reset();
      return;
    }
    level->sender = Complete({.local = owner, .domain = {}}, routing_);
    if (!routing_.local.expand_owner_alias) return;
    for (const AliasTarget& target : config::ParseAliasTargets(*value)) {
      if (target.kind != AliasTarget::Kind::kAddress) continue;
      if (auto mailbox = MappedAddress(target.text, *level->sender, "", routing_)) level->sender = *std::move(mailbox);
      return;
    }
  }

  void Enter(LocalLevel level, const std::string& name) {
    if (done_.contains(level.key)) return;
    bool loop = levels_.size() > kAliasNestingMax;
    for (const LocalLevel& above : levels_) loop |= above.key == level.key;
    if (loop) {
      result_.failures.push_back({.address = level.passed.back(),
                                  .status = "5.4.6",
                                  .text = "alias database loop for " + name,
                                  .sender = std::move(level.sender),
                                  .passed = std::move(level.passed)});
      return;
    }
    levels_.push_back(std::move(level));
  }

  void Fail(const Mailbox& address, std::string_view status, std::string_view text) {
    const LocalLevel& level = levels_.back();
    result_.failures.push_back({.address = address,
                                .status = std::string(status),
                                .text = std::string(text),
                                .sender = level.sender,
                                .passed = level.passed});
  }

  const std::function<bool(const Mailbox&)>& is_local_;
  const config::Routing& routing_;
  std::vector<LocalLevel> levels_;
  std::set<std::string> done_;  // aliases and lists that were fully followed
  LocalExpansion result_;
};

}  // namespace

StatusOr<LocalExpansion> ExpandLocalAliases(const Mailbox& mailbox, const std::function<bool(const Mailbox&)>& is_local,
                                            const config::Routing& routing) {
  return LocalExpander(is_local, routing).Run(mailbox);
}

}  // namespace postern::routing
