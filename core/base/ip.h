// IP addresses, networks and endpoints as values, without a system header.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // the first four for IPv4

  // Dotted quad, or RFC 4291 section 2.2 text; brackets and zones are not part of it. nullopt otherwise.
  static std::optional<IpAddress> Parse(std::string_view text);
  // "192.0.2.1"; IPv6 in the canonical form of RFC 5952.
  std::string ToString() const;
  bool IsLoopback() const;  // 127.0.0.0/8, ::1
  auto operator<=>(const IpAddress&) const = default;
};

struct Network {
  IpAddress address;
  int prefix_bits = 32;

  // "ADDRESS/BITS" or "ADDRESS"; IPv6 also as "[ADDRESS]/BITS" (Postfix). Bits after the prefix must be zero, as
  // Postfix demands: kInvalid otherwise.
  static std::optional<Network> Parse(std::string_view text);
  bool Contains(const IpAddress& address) const;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace postern
