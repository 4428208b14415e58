// pop3_uidl_format: what a POP3 client knows a message by. It must be what the server before us said, or every client
// fetches all mail again.
#pragma once

#include <string>
#include <string_view>

#include "core/mailbox/mailbox_state.h"

namespace postern::mailbox {

// %u UID, %v UIDVALIDITY, %f file name base, %g GUID; "%08Xu" is eight digits of lower-case hexadecimal, as Dovecot
// prints. A P item of the message's uidlist record goes before the format.
std::string FormatPop3Uidl(std::string_view format, const MailboxState& mailbox, uint32_t uid);

}  // namespace postern::mailbox
