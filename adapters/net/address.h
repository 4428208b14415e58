// Endpoints of the core and socket addresses of the system, one into the other.
#pragma once

#include <sys/socket.h>

#include <string>

#include "core/base/ip.h"

namespace postern::net {

// Fills `*storage`; returns its length.
socklen_t ToSocketAddress(const Endpoint& endpoint, sockaddr_storage* storage);
// An address that is neither IPv4 nor IPv6 becomes 0.0.0.0:0; an IPv4-mapped one becomes IPv4.
Endpoint FromSocketAddress(const sockaddr_storage& storage);
// "192.0.2.1:25", "[::1]:25".
std::string ToString(const Endpoint& endpoint);

}  // namespace postern::net
