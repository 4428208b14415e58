// What main.cf says about addresses, classes, delivery and the queue.
#pragma once

#include "core/config/postfix_parameters.h"
#include "core/config/settings.h"

namespace postern::config {

Routing BuildRouting(const PostfixParameters& main);

}  // namespace postern::config
