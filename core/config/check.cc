#include "core/config/check.h"

namespace postern::config {

void CheckConfiguration(HostConfiguration* host) {
  CheckMailboxPaths(host);
  CheckAddresses(host);
  CheckAccess(host);
  CheckRelaying(host);
  CheckAuthentication(host);
  CheckTls(host);
  CheckOutbound(host);
  CheckHabits(host);
}

}  // namespace postern::config
