#include "adapters/net/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "adapters/net/address.h"

namespace postern::net {
namespace {

// The connection stands already, or will later.
bool IsUnderWay(int result) { return result == 0 || errno == EINPROGRESS || errno == EINTR; }

// Our address; the port is chosen by the system at connect(2), which has many more to choose from than bind(2).
Status Bind(int fd, const IpAddress& from) {
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_storage address{};
  const socklen_t length = ToSocketAddress({.address = from}, &address);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0 ? OkStatus() : DialError(errno);
}

}  // namespace

Status DialError(int error) {
  char buffer[128];
  const char* const text = strerror_r(error, buffer, sizeof buffer);  // the GNU form: returns the text
  if (error == ENOENT || error == ENOTDIR) return NotFound(text);
  return Error(error == ETIMEDOUT ? StatusCode::kDeadlineExceeded : StatusCode::kUnavailable, text);
}

StatusOr<Dialled> Dial(const Endpoint& to, const std::optional<IpAddress>& from) {
  const int family = to.address.v6 ? AF_INET6 : AF_INET;
  Dialled dialled{.fd = host::UniqueFd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  const int fd = dialled.fd.get();
  if (!dialled.fd.valid()) return DialError(errno);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (from) dialled.bound = Bind(fd, *from);
  sockaddr_storage address{};
  const socklen_t length = ToSocketAddress(to, &address);
  if (!IsUnderWay(connect(fd, reinterpret_cast<const sockaddr*>(&address), length))) return DialError(errno);
  return dialled;
}

StatusOr<Dialled> DialUnix(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  if (path.size() >= sizeof address.sun_path) return DialError(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  Dialled dialled{.fd = host::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  if (!dialled.fd.valid()) return DialError(errno);
  if (!IsUnderWay(connect(dialled.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address))) {
    return DialError(errno);
  }
  return dialled;
}

Status DialResult(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  return error == 0 ? OkStatus() : DialError(error);
}

}  // namespace postern::net
