#include "core/config/tls_versions.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// As numbers of the wire, RFC 8446 section 4.2.1; the two SSL ones are known so that they can be excluded.
constexpr std::array<std::string_view, 6> kVersions = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
constexpr std::array<std::string_view, 6> kNumbers = {"0x0200", "0x0300", "0x0301", "0x0302", "0x0303", "0x0304"};

std::optional<size_t> VersionIndex(std::string_view name) {
  for (size_t i = 0; i < kVersions.size(); ++i) {
    if (EqualsIgnoringCase(kVersions[i], name) || EqualsIgnoringCase(kNumbers[i], name)) return i;
  }
  return std::nullopt;
}

}  // namespace

std::string_view TlsVersions::lowest() const {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (allowed[i]) return kNames[i];
  }
  return {};
}

std::string_view TlsVersions::highest() const {
  for (size_t i = kNames.size(); i > 0; --i) {
    if (allowed[i - 1]) return kNames[i - 1];
  }
  return {};
}

std::optional<TlsVersions> ParseTlsVersions(std::string_view text, std::string* unknown) {
  std::array<bool, kVersions.size()> excluded{}, included{};
  size_t floor = 2, ceiling = kVersions.size() - 1;  // SSL itself is gone from the library
  bool any_included = false;
  std::string words(text);
  std::replace(words.begin(), words.end(), ':', ' ');
  for (const std::string& word : SplitPostfixList(words)) {
    std::string_view name = word;
    const bool at_least = name.starts_with(">="), at_most = name.starts_with("<="), negated = name.starts_with('!');
    name.remove_prefix(at_least || at_most ? 2 : negated ? 1 : 0);
    const auto index = VersionIndex(name);
    if (!index) {
      *unknown = word;
      return std::nullopt;
    }
    if (at_least) {
      floor = std::max(floor, *index);
    } else if (at_most) {
      ceiling = *index;
    } else if (negated) {
      excluded[*index] = true;
    } else {
      included[*index] = any_included = true;
    }
  }
  TlsVersions versions;
  for (size_t i = floor; i <= ceiling; ++i) versions.allowed[i - 2] = !excluded[i] && (!any_included || included[i]);
  return versions;
}

}  // namespace postern::config
