// virtual_alias_maps: one recipient becomes those its aliases name, recursively (virtual(5)).
//
// An alias that names its own address ends there (it delivers, as is usual for "copy to"). A chain that comes back to
// an earlier address of itself, or is deeper than virtual_alias_recursion_limit, or gives more than
// virtual_alias_expansion_limit addresses, is the administrator's mistake: the recipient is deferred, as Postfix does,
// and the message is delivered to nobody of it. An address reached twice counts once. No recursion on the stack; work
// is bounded by the two limits.
#pragma once

#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/config/settings.h"
#include "core/routing/address.h"

namespace postern::routing {

// The final addresses, in the order in which the tables name them; {mailbox} itself where no alias applies.
// kUnavailable: a limit or loop, kInvalidArgument: a table names something that is no address.
StatusOr<std::vector<Mailbox>> ExpandAliases(const Mailbox& mailbox, const config::Routing& routing);

// The addresses of an alias's right-hand side: separated by commas and white space, quoted strings kept whole.
std::vector<std::string_view> SplitAddresses(std::string_view value);

}  // namespace postern::routing
