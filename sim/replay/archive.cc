#include "sim/replay/archive.h"

#include <algorithm>
#include <optional>

namespace postern::sim {
namespace {

constexpr size_t kBlock = 512;
// Where a field is in a header block.
struct Field {
  size_t at, length;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kMtime{136, 12}, kChecksum{148, 8}, kType{156, 1}, kLink{157, 100},
    kPrefix{345, 155};

std::string_view Text(std::string_view header, Field field) {
  const std::string_view text = header.substr(field.at, field.length);
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

std::optional<uint64_t> Octal(std::string_view header, Field field) {
  uint64_t value = 0;
  bool any = false;
  for (const char c : Text(header, field)) {
    if (c == ' ') continue;
    if (c < '0' || c > '7' || value > UINT64_MAX >> 3) return std::nullopt;
    value = value << 3 | static_cast<uint64_t>(c - '0');
    any = true;
  }
  return any ? std::optional(value) : std::nullopt;
}

bool ChecksumHolds(std::string_view header) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.length;
    sum += own ? ' ' : static_cast<uint8_t>(header[i]);
  }
  return Octal(header, kChecksum) == sum;
}

// nullopt for a path that leaves the archive.
std::optional<std::string> CleanPath(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path == ".") path = "";
  if (path.starts_with('/') || path == ".." || path.starts_with("../") || path.ends_with("/..") ||
      path.find("/../") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(path);
}

}  // namespace

StatusOr<std::vector<ArchivedFile>> ParseTar(std::string_view bytes) {
  std::vector<ArchivedFile> files;
  std::string long_name, long_link;  // GNU's members before one whose names are long
  while (bytes.size() >= kBlock) {
    const std::string_view header = bytes.substr(0, kBlock);
    bytes.remove_prefix(kBlock);
    if (header.find_first_not_of('\0') == std::string_view::npos) return files;  // the end
    const auto size = Octal(header, kSize), mtime = Octal(header, kMtime);
    if (!ChecksumHolds(header) || !size || !mtime) return DataLoss("a broken header");
    if (*size > bytes.size()) return DataLoss("the end is missing");
    const std::string_view content = bytes.substr(0, *size);
    bytes.remove_prefix(std::min<uint64_t>((*size + kBlock - 1) / kBlock * kBlock, bytes.size()));
    const char type = header[kType.at];
    if (type == 'L' || type == 'K') {
      (type == 'L' ? long_name : long_link) =
          std::string(content.substr(0, std::min(content.find('\0'), content.size())));
      continue;
    }
    std::string name = std::exchange(long_name, ""), link = std::exchange(long_link, "");
    if (name.empty()) {
      const std::string_view prefix =
          header.substr(257, 5) == "ustar" && header[262] == '\0' ? Text(header, kPrefix) : "";
      if (!prefix.empty()) name = std::string(prefix) + "/";
      name += Text(header, kName);
    }
    if (link.empty()) link = Text(header, kLink);
    const auto path = CleanPath(name), target = CleanPath(link);
    if (!path || !target) return InvalidArgument("\"" + name + "\" lies outside");
    ArchivedFile file{.path = *path, .is_dir = type == '5', .mtime_seconds = static_cast<int64_t>(*mtime)};
    if (type == '1') {
      const auto same =
          std::find_if(files.begin(), files.end(), [&](const ArchivedFile& f) { return f.path == *target; });
      if (same == files.end()) return DataLoss("\"" + name + "\" is a link to nothing");
      file.bytes = same->bytes;
    } else if (type == '0' || type == '\0') {
      file.bytes = std::string(content);
    } else if (type != '5') {
      return InvalidArgument("\"" + name + "\" is neither file nor folder");
    }
    if (!file.path.empty()) files.push_back(std::move(file));
  }
  return DataLoss("the end is missing");
}

}  // namespace postern::sim
