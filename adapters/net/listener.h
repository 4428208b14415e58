// Sockets that connections come in at. One socket per endpoint, shared by the loops of all shards: the kernel wakes one of
// them for a connection (EPOLLEXCLUSIVE), and nobody else on the host can take the same port unseen.
#pragma once

#include <cstddef>

#include "adapters/host/unique_fd.h"
#include "core/base/ip.h"
#include "core/base/status.h"
#include "core/boundary/ids.h"

namespace postern::net {

struct ListenSocket {
  ListenerId id{};
  Endpoint endpoint;  // as bound: with the port that the kernel chose where 0 was asked for
  bool implicit_tls = false;
  host::UniqueFd fd;
};

// Binds and listens; accepted sockets send small writes at once (TCP_NODELAY). The error names address, port and cause.
StatusOr<ListenSocket> Listen(ListenerId id, const Endpoint& endpoint, bool implicit_tls);

}  // namespace postern::net
