// Sockets that connections come in at, of the network or of this host. One socket per endpoint, shared by the loops of
// all shards: the kernel wakes one of them for a connection (EPOLLEXCLUSIVE), and nobody else on the host can take the
// same port unseen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

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
  std::string path;  // of a unix socket, as the operating system sees it; empty otherwise
};

// Binds and listens; accepted sockets send small writes at once (TCP_NODELAY). The error names address, port and cause.
StatusOr<ListenSocket> Listen(ListenerId id, const Endpoint& endpoint, bool implicit_tls);

struct UnixAddress {
  std::string path;  // as the operating system sees it: below the root folder
  uint32_t mode = 0600;
  int64_t uid = -1, gid = -1;  // -1: the server's own
};
// The same for a unix socket. Missing folders above it are made (0755). A socket that a server which is gone left
// behind is taken away first; one that somebody listens on, or any other file, is not: kAlreadyExists. The socket
// appears under its name with its final owner and mode, never with a wider one; a server that is not root keeps it its
// own. kInvalidArgument: the path is too long for a socket.
StatusOr<ListenSocket> ListenUnix(ListenerId id, const UnixAddress& address);
// Closes a unix socket and takes its name away, unless another server has it by now. Others are just closed.
void RemoveName(ListenSocket socket);

}  // namespace postern::net
