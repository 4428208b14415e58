#include "sim/replay/reviewed.h"

#include <nlohmann/json.hpp>

#include "core/config/memory_files.h"

namespace postern::sim {
namespace {

bool Take(const nlohmann::json& entry, const char* key, std::string* out) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_string()) return false;
  *out = found->get<std::string>();
  return true;
}

}  // namespace

StatusOr<std::vector<ReviewedDifference>> ParseReviewed(std::string_view json) {
  const nlohmann::json entries = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!entries.is_array()) return InvalidArgument("the reviewed list is no JSON array");
  std::vector<ReviewedDifference> reviewed;
  for (const nlohmann::json& entry : entries) {
    ReviewedDifference each;
    if (!entry.is_object() || !Take(entry, "sessions", &each.sessions) || !Take(entry, "command", &each.command) ||
        !Take(entry, "recorded", &each.recorded) || !Take(entry, "ours", &each.ours) ||
        !Take(entry, "reason", &each.reason)) {
      return InvalidArgument("reviewed entry " + std::to_string(reviewed.size() + 1) +
                             ": sessions, command, recorded, ours and reason are texts");
    }
    if (each.reason.empty())
      return InvalidArgument("reviewed entry " + std::to_string(reviewed.size() + 1) + " has no reason");
    reviewed.push_back(std::move(each));
  }
  return reviewed;
}

const ReviewedDifference* FindReviewed(const std::vector<ReviewedDifference>& reviewed, std::string_view session,
                                       const Difference& difference) {
  for (const ReviewedDifference& each : reviewed) {
    if (config::MatchesGlob(each.sessions, session) && config::MatchesGlob(each.command, difference.command) &&
        each.recorded == difference.recorded && each.ours == difference.ours) {
      return &each;
    }
  }
  return nullptr;
}

}  // namespace postern::sim
