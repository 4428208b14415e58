#include "adapters/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "adapters/host/errno_status.h"
#include "adapters/net/address.h"

namespace postern::net {
namespace {

// Connections that wait to be accepted; the kernel caps it at net.core.somaxconn.
constexpr int kBacklog = 4096;

void SetOption(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof on);
}

}  // namespace

StatusOr<ListenSocket> Listen(ListenerId id, const Endpoint& endpoint, bool implicit_tls) {
  const std::string what = "listen on " + ToString(endpoint);
  const int family = endpoint.address.v6 ? AF_INET6 : AF_INET;
  host::UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return host::StatusFromErrno(errno, what);
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  SetOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE);
  SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY);  // accepted sockets inherit these
  if (endpoint.address.v6) SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  sockaddr_storage address{};
  const socklen_t length = ToSocketAddress(endpoint, &address);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd.get(), kBacklog) != 0) {
    return host::StatusFromErrno(errno, what);
  }
  socklen_t bound_length = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &bound_length);
  return ListenSocket{.id = id, .endpoint = FromSocketAddress(address), .implicit_tls = implicit_tls, .fd = std::move(fd)};
}

}  // namespace postern::net
