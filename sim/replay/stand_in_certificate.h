// A self-signed certificate with its key, made anew for each run: a replayed configuration names files that only the
// recorded host has, and the core wants TLS to be there. Nobody ever sees it: the simulated network has no TLS of its
// own.
#pragma once

#include <string>

namespace postern::sim {

// Certificate and key in one PEM text; "" where OpenSSL fails.
std::string MakeStandInCertificate(const std::string& host_name);

}  // namespace postern::sim
