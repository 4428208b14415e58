// docs/postfix-parameters.md: what becomes of every parameter of Postfix 3.7, out of the registry.
#pragma once

#include <string>

namespace postern::config {

// Markdown; `postern check --parameters` prints it, a test compares the committed file with it.
std::string ParametersDocument();

}  // namespace postern::config
