// Connections to others: the socket and the beginning of connect(2). Whoever waits for the end of it is the loop.
#pragma once

#include <optional>
#include <string>

#include "adapters/host/unique_fd.h"
#include "core/base/ip.h"
#include "core/base/status.h"

namespace postern::net {

// A socket on its way: it can be written to once the connection stands or has failed.
struct Dialled {
  host::UniqueFd fd;
  Status bound;  // not OK: `from` could not be had ("Cannot assign requested address"); the system chooses the address
};

// Errors are the system's words alone, "Connection refused", as mail programs log them: kNotFound where a unix socket
// or its folder is not there, kDeadlineExceeded where the system gave up waiting, kUnavailable for everything else.
StatusOr<Dialled> Dial(const Endpoint& to, const std::optional<IpAddress>& from);
// `path` as the operating system sees it.
StatusOr<Dialled> DialUnix(const std::string& path);
// What became of it, once it can be written to.
Status DialResult(int fd);
// The same for an errno value.
Status DialError(int error);

}  // namespace postern::net
