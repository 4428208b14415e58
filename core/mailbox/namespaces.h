// What clients call mailboxes, and what storage calls them: namespace prefix, separator and the one INBOX (RFC 3501
// section 5.1). Storage names have '.' between levels, as Maildir++ has.
#pragma once

#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/config/settings.h"

namespace postern::mailbox {

// The namespace mailboxes are served in: the one with inbox = yes, else the first, else Dovecot's default.
const config::Namespace& PersonalNamespace(const config::Storage& storage);

// The storage name of what a client wrote. kInvalidArgument: a name that can't be, with Dovecot's text.
StatusOr<std::string> StorageName(std::string_view client_name, const config::Namespace& space);
// The reverse.
std::string ClientName(std::string_view storage_name, const config::Namespace& space);

}  // namespace postern::mailbox
