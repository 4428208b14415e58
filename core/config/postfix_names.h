// Judges the names in main.cf and in -o overrides: which are known, honoured, without effect, or must stop the start.
#pragma once

#include "core/config/postfix_parameters.h"

namespace postern::config {

void CheckPostfixNames(PostfixSource* source);

}  // namespace postern::config
