// A list of TLS versions as Postfix writes it: ">=TLSv1.2", "!SSLv2, !SSLv3, !TLSv1", "TLSv1.2:TLSv1.3", "<=0x0303".
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace postern::config {

struct TlsVersions {
  static constexpr std::array<std::string_view, 4> kNames = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
  std::array<bool, 4> allowed{};  // by kNames; what is older is never spoken
  // The name of the lowest or highest version allowed; empty where none is.
  std::string_view lowest() const;
  std::string_view highest() const;
  bool operator==(const TlsVersions&) const = default;
};

// nullopt where a word names no version; `*unknown` is then that word.
std::optional<TlsVersions> ParseTlsVersions(std::string_view text, std::string* unknown);

}  // namespace postern::config
