// BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2, RFC 3501 section 7.4.2) of a parsed message. Appends; literals stand
// inline.
#pragma once

#include <string>

#include "core/message/mime.h"

namespace postern::message {

// With the outer parentheses. `extended`: BODYSTRUCTURE, with extension data.
void AppendBodyStructure(const Part& root, bool extended, std::string* out);

}  // namespace postern::message
