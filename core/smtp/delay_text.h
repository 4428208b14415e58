// Times as Postfix's log writes them.
#pragma once

#include <string>

#include "core/base/time.h"

namespace postern::smtp {

// Two significant digits, at most two decimals: "0.05", "1.1", "12" (delay= and delays=).
std::string DelayText(Duration duration);

}  // namespace postern::smtp
