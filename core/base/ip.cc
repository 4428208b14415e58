#include "core/base/ip.h"

#include <charconv>
#include <cstdio>
#include <vector>

namespace postern {
namespace {

bool ParseQuad(std::string_view text, uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const size_t digits = static_cast<size_t>(end - text.data());
    if (error != std::errc() || digits > 3 || value > 255 || (digits > 1 && text[0] == '0')) return false;
    out[i] = static_cast<uint8_t>(value);
    text.remove_prefix(digits);
    if (i < 3) {
      if (text.empty() || text[0] != '.') return false;
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

// The groups between colons of one side of "::"; a trailing dotted quad makes two groups.
bool ParseGroups(std::string_view text, std::vector<uint16_t>* groups) {
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      uint8_t quad[4];
      if (!ParseQuad(group, quad)) return false;
      groups->push_back(static_cast<uint16_t>(quad[0] << 8 | quad[1]));
      groups->push_back(static_cast<uint16_t>(quad[2] << 8 | quad[3]));
      return true;
    }
    unsigned value = 0;
    const auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), value, 16);
    if (error != std::errc() || end != group.data() + group.size() || group.size() > 4) return false;
    groups->push_back(static_cast<uint16_t>(value));
    if (colon == std::string_view::npos) return true;
    text.remove_prefix(colon + 1);
    if (text.empty()) return false;  // a lone colon at the end
  }
  return true;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress address;
  if (text.find(':') == std::string_view::npos) {
    if (!ParseQuad(text, address.bytes.data())) return std::nullopt;
    return address;
  }
  address.v6 = true;
  const size_t gap = text.find("::");
  std::vector<uint16_t> head, tail;
  if (gap == std::string_view::npos) {
    if (!ParseGroups(text, &head) || head.size() != 8) return std::nullopt;
  } else {
    if (!ParseGroups(text.substr(0, gap), &head) || !ParseGroups(text.substr(gap + 2), &tail)) return std::nullopt;
    if (head.size() + tail.size() > 7) return std::nullopt;
    head.resize(8 - tail.size());
    head.insert(head.end(), tail.begin(), tail.end());
  }
  for (size_t i = 0; i < 8; ++i) {
    address.bytes[2 * i] = static_cast<uint8_t>(head[i] >> 8);
    address.bytes[2 * i + 1] = static_cast<uint8_t>(head[i]);
  }
  return address;
}

std::string IpAddress::ToString() const {
  char text[48];
  if (!v6) {
    std::snprintf(text, sizeof text, "%d.%d.%d.%d", bytes[0], bytes[1], bytes[2], bytes[3]);
    return text;
  }
  // RFC 5952 section 4.2: the longest run of two or more zero groups is shortened, the first of equals.
  uint16_t groups[8];
  for (int i = 0; i < 8; ++i) groups[i] = static_cast<uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  int best = -1, best_count = 1;
  for (int i = 0; i < 8;) {
    int run = 0;
    while (i + run < 8 && groups[i + run] == 0) ++run;
    if (run > best_count) best = i, best_count = run;
    i += run > 0 ? run : 1;
  }
  std::string out;
  for (int i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_count - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    std::snprintf(text, sizeof text, "%x", groups[i]);
    out += text;
  }
  return out;
}

bool IpAddress::IsLoopback() const {
  if (!v6) return bytes[0] == 127;
  for (int i = 0; i < 15; ++i) {
    if (bytes[i] != 0) return false;
  }
  return bytes[15] == 1;
}

std::optional<Network> Network::Parse(std::string_view text) {
  std::string_view address_text = text, bits_text;
  if (const size_t slash = text.rfind('/'); slash != std::string_view::npos) {
    address_text = text.substr(0, slash);
    bits_text = text.substr(slash + 1);
    if (bits_text.empty()) return std::nullopt;
  }
  if (address_text.size() > 2 && address_text.front() == '[' && address_text.back() == ']') {
    address_text = address_text.substr(1, address_text.size() - 2);
  }
  const auto address = IpAddress::Parse(address_text);
  if (!address) return std::nullopt;
  Network network{.address = *address, .prefix_bits = address->v6 ? 128 : 32};
  if (!bits_text.empty()) {
    const auto [end, error] =
        std::from_chars(bits_text.data(), bits_text.data() + bits_text.size(), network.prefix_bits);
    if (error != std::errc() || end != bits_text.data() + bits_text.size() || network.prefix_bits < 0 ||
        network.prefix_bits > (address->v6 ? 128 : 32)) {
      return std::nullopt;
    }
  }
  for (int bit = network.prefix_bits; bit < (address->v6 ? 128 : 32); ++bit) {
    if (address->bytes[bit / 8] >> (7 - bit % 8) & 1) return std::nullopt;
  }
  return network;
}

bool Network::Contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  for (int bit = 0; bit < prefix_bits;) {
    if (prefix_bits - bit >= 8) {
      if (address.bytes[bit / 8] != other.bytes[bit / 8]) return false;
      bit += 8;
    } else {
      const uint8_t mask = static_cast<uint8_t>(0xff << (8 - (prefix_bits - bit)));
      return (address.bytes[bit / 8] & mask) == (other.bytes[bit / 8] & mask);
    }
  }
  return true;
}

}  // namespace postern
