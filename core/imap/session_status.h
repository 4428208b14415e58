// What STATUS and LIST RETURN (STATUS ...) share.
#pragma once

#include <string>
#include <string_view>

#include "core/imap/command.h"
#include "core/mailbox/account.h"

namespace postern::imap {

// The items that can be told; others are refused.
inline constexpr StatusItems kStatusItemsKnown = kStatusMessages | kStatusRecent | kStatusUidNext | kStatusUidValidity |
                                                 kStatusUnseen | kStatusHighestModSeq | kStatusSize;
// `* STATUS name (MESSAGES 1 ...)` CRLF, in Dovecot's order whatever the client's was. Appends.
void AppendStatus(std::string_view client_name, StatusItems items, const mailbox::StatusResult& result,
                  std::string* out);
// The name of the first item of `items` that is not known; "" when all are.
std::string_view UnknownStatusItem(StatusItems items);

}  // namespace postern::imap
