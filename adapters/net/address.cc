#include "adapters/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace postern::net {
namespace {

// RFC 4291 section 2.5.5.2: the prefix of IPv4-mapped addresses.
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

socklen_t ToSocketAddress(const Endpoint& endpoint, sockaddr_storage* storage) {
  std::memset(storage, 0, sizeof *storage);
  if (endpoint.address.v6) {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::memcpy(&v6->sin6_addr, endpoint.address.bytes.data(), 16);
    return sizeof *v6;
  }
  auto* const v4 = reinterpret_cast<sockaddr_in*>(storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(endpoint.port);
  std::memcpy(&v4->sin_addr, endpoint.address.bytes.data(), 4);
  return sizeof *v4;
}

Endpoint FromSocketAddress(const sockaddr_storage& storage) {
  Endpoint endpoint;
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    endpoint.port = ntohs(v6.sin6_port);
    const uint8_t* const bytes = v6.sin6_addr.s6_addr;
    if (std::equal(std::begin(kMappedPrefix), std::end(kMappedPrefix), bytes)) {
      std::copy_n(bytes + 12, 4, endpoint.address.bytes.begin());
    } else {
      endpoint.address.v6 = true;
      std::copy_n(bytes, 16, endpoint.address.bytes.begin());
    }
  } else if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    endpoint.port = ntohs(v4.sin_port);
    std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, 4);
  }
  return endpoint;
}

std::string ToString(const Endpoint& endpoint) {
  const std::string address = endpoint.address.ToString();
  return (endpoint.address.v6 ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port);
}

}  // namespace postern::net
