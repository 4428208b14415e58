// A configuration for the tests of this room: routing's, with both clients at Postfix's defaults.
#pragma once

#include <string>
#include <string_view>

#include "core/config/settings.h"
#include "tests/core/routing/routing_fixture.h"

namespace postern::outbound {

inline config::Config TestConfig() {
  config::Config config;
  config.routing = routing::TestRouting();
  config.lmtp_client.port = 24;
  return config;
}
inline IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

}  // namespace postern::outbound
