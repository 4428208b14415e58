#include "adapters/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
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

// Takes away what a server that is gone left. OK, too, where there is nothing.
Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) {
    return errno == ENOENT ? OkStatus() : host::StatusFromErrno(errno, "look at " + path);
  }
  if (!S_ISSOCK(facts.st_mode)) return AlreadyExists(path + " is there already, and is no socket: remove it");
  const host::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return host::StatusFromErrno(errno, "socket");
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno != ECONNREFUSED) {
    return AlreadyExists("another program listens on " + path + ": stop it first");
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return host::StatusFromErrno(errno, "remove " + path);
  return OkStatus();
}

}  // namespace

StatusOr<ListenSocket> ListenUnix(ListenerId id, const UnixAddress& wanted) {
  const std::string what = "listen on " + wanted.path;
  sockaddr_un address{.sun_family = AF_UNIX};
  if (wanted.path.size() >= sizeof address.sun_path) {
    return InvalidArgument(what + ": a unix socket's path has at most " + std::to_string(sizeof address.sun_path - 1) +
                           " bytes, this one " + std::to_string(wanted.path.size()));
  }
  std::memcpy(address.sun_path, wanted.path.data(), wanted.path.size());
  const std::filesystem::path folder = std::filesystem::path(wanted.path).parent_path();
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    const mode_t before = umask(022);
    std::filesystem::create_directories(folder, error);
    umask(before);
    if (error) return host::StatusFromErrno(error.value(), "make the folder " + folder.string());
  }
  if (const Status status = RemoveStale(wanted.path, address); !status.ok()) return status;
  host::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return host::StatusFromErrno(errno, what);
  const mode_t before = umask(0777);  // nobody connects before owner and mode are right
  const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int why = errno;
  umask(before);
  if (bound != 0) return host::StatusFromErrno(why, what);
  const auto id_or_own = [](int64_t number) {
    return number < 0 ? static_cast<uid_t>(-1) : static_cast<uid_t>(number);
  };
  const bool keeps_owner = wanted.uid < 0 && wanted.gid < 0;
  // Only root gives files away; anybody else keeps the socket, which opens it to fewer.
  if ((!keeps_owner && lchown(wanted.path.c_str(), id_or_own(wanted.uid), id_or_own(wanted.gid)) != 0 &&
       (errno != EPERM || geteuid() == 0)) ||
      chmod(wanted.path.c_str(), static_cast<mode_t>(wanted.mode)) != 0 || listen(fd.get(), kBacklog) != 0) {
    const Status status = host::StatusFromErrno(errno, what);
    unlink(wanted.path.c_str());
    return status;
  }
  return ListenSocket{.id = id, .fd = std::move(fd), .path = wanted.path};
}

void RemoveName(ListenSocket socket) {
  if (socket.path.empty()) return;
  socket.fd = host::UniqueFd();
  sockaddr_un address{.sun_family = AF_UNIX};
  std::memcpy(address.sun_path, socket.path.data(), socket.path.size());
  (void)RemoveStale(socket.path, address);  // not one that another server has put there meanwhile
}

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
  return ListenSocket{
      .id = id, .endpoint = FromSocketAddress(address), .implicit_tls = implicit_tls, .fd = std::move(fd)};
}

}  // namespace postern::net
