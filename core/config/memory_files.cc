#include "core/config/memory_files.h"

#include "core/config/value.h"

namespace postern::config {
namespace {

// Is `c` in the set that starts after '[' at *at? Leaves *at after the ']'. nullopt: the set is never closed.
std::optional<bool> InSet(std::string_view pattern, size_t* at, char c) {
  size_t i = *at;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
    const char low = pattern[i++];
    char high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      high = pattern[i + 1];
      i += 2;
    }
    if (low <= c && c <= high) found = true;
  }
  if (i >= pattern.size()) return std::nullopt;
  *at = i + 1;
  return found != negated;
}

}  // namespace

bool MatchesGlob(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0;
  size_t star_p = std::string_view::npos, star_n = 0;
  while (n < name.size() || p < pattern.size()) {
    bool matched = false;
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        star_p = p++;
        star_n = n;
        continue;
      }
      if (n < name.size()) {
        size_t after = p + 1;
        if (c == '?') {
          matched = name[n] != '/';
        } else if (c == '[') {
          const auto in_set = InSet(pattern, &after, name[n]);
          matched = in_set ? *in_set && name[n] != '/' : name[n] == '[';
          if (!in_set) after = p + 1;
        } else if (c == '\\' && p + 1 < pattern.size()) {
          matched = pattern[p + 1] == name[n];
          after = p + 2;
        } else {
          matched = c == name[n];
        }
        if (matched) {
          p = after;
          ++n;
        }
      }
    }
    if (matched) continue;
    // Let the last star take one character more; it never takes a slash.
    if (star_p == std::string_view::npos || star_n >= name.size() || name[star_n] == '/') return false;
    p = star_p + 1;
    n = ++star_n;
  }
  return true;
}

StatusOr<std::string> MemoryFiles::Read(std::string_view path) {
  const auto at = files_.find(NormalizePath(path));
  if (at != files_.end()) return at->second.text;
  if (IsFolder(NormalizePath(path))) return InvalidArgument("is a folder");
  return NotFound("no such file");
}

std::vector<std::string> MemoryFiles::Glob(std::string_view pattern) {
  std::vector<std::string> paths;
  const std::string wanted = NormalizePath(pattern);
  for (const auto& [path, file] : files_) {
    if (MatchesGlob(wanted, path)) paths.push_back(path);
  }
  return paths;
}

StatusOr<FileSource::Facts> MemoryFiles::Stat(std::string_view path) {
  const std::string wanted = NormalizePath(path);
  if (const auto at = files_.find(wanted); at != files_.end()) {
    const File& file = at->second;
    return Facts{.size_bytes = file.text.size(),
                 .mtime_seconds = file.mtime_seconds,
                 .mode = file.mode,
                 .uid = file.uid,
                 .gid = file.gid,
                 .is_dir = false};
  }
  if (IsFolder(wanted)) return Facts{.mode = 0755, .is_dir = true};
  return NotFound("no such file");
}

int64_t MemoryFiles::UserId(std::string_view name) {
  const auto at = users.find(name);
  return at == users.end() ? -1 : at->second;
}

int64_t MemoryFiles::GroupId(std::string_view name) {
  const auto at = groups.find(name);
  return at == groups.end() ? -1 : at->second;
}

int64_t MemoryFiles::PrimaryGroupOf(std::string_view user) {
  const auto at = primary_groups.find(user);
  return at == primary_groups.end() ? -1 : at->second;
}

uint16_t MemoryFiles::ServicePort(std::string_view name) {
  const auto at = services.find(name);
  return at == services.end() ? 0 : at->second;
}

std::vector<IpAddress> MemoryFiles::HostAddresses(std::string_view name) {
  const auto at = hosts.find(name);
  return at == hosts.end() ? std::vector<IpAddress>() : at->second;
}

bool MemoryFiles::IsFolder(std::string_view path) const {
  const std::string prefix = path == "/" ? "/" : std::string(path) + "/";
  const auto at = files_.lower_bound(prefix);
  return at != files_.end() && at->first.compare(0, prefix.size(), prefix) == 0;
}

}  // namespace postern::config
