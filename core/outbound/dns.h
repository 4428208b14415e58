// Domains as the DNS is asked for them (core/boundary/dns.h).
#pragma once

#include <string>
#include <string_view>

#include "core/boundary/dns.h"

namespace postern::outbound {

// A domain of Unicode labels in its ASCII form (UTS #46, as RFC 5891 section 5 for look-ups); as it is where it has
// none.
std::string AsciiDomain(std::string_view domain);

}  // namespace postern::outbound
