#include "core/config/check.h"

namespace postern::config {

void CheckConfiguration(HostConfiguration* host) {
  (void)host;
}

}  // namespace postern::config
