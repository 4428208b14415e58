// Addresses in the header of mail that is submitted here: what a user left out of them is put in, as cleanup(8) does it
// for the rewriting context "local" (append_at_myorigin, append_dot_mydomain; RFC 6409 section 8.1). Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/config/settings.h"

namespace postern::smtp {

// Does this field hold addresses? In any case: "From", "resent-to".
bool HoldsAddresses(std::string_view field_name);

// `value`, an address list with its folding (RFC 5322 section 3.4), with each address completed. All else stays byte by
// byte as it was: names, comments, folding, and whatever can't be read as an address. Linear.
std::string WithCompleteAddresses(std::string_view value, const config::Routing& routing);

// For a From field: `Alice Miller <alice@example.org>`, the name quoted (RFC 5322 section 3.2.4) or, beyond ASCII,
// encoded (RFC 2047) where it must be; the address alone where there is no name. Cut to what a line can hold.
std::string NameAndAddress(std::string_view name, std::string_view address);

}  // namespace postern::smtp
