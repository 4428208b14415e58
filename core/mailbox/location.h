// mail_location: where a user's Maildir is (field notes of Dovecot 2.3's "maildir:PATH[:KEY=VALUE...]").
#pragma once

#include <string_view>

#include "core/base/status.h"
#include "core/config/settings.h"
#include "core/mailbox/account.h"

namespace postern::mailbox {

// The account of `user`, whose userdb says `home`, `mail` (its own mail_location; empty: the setting's), uid and gid
// (-1: none). Errors: kInvalidArgument where the location is no Maildir or its variables are unknown.
StatusOr<AccountFacts> LocateAccount(std::string_view user, std::string_view home, std::string_view mail, int64_t uid,
                                     int64_t gid, const config::Storage& storage);

// `path` with runs of '/' made one, and none at the end: two writings of one path are one string.
std::string NormalizePath(std::string_view path);

}  // namespace postern::mailbox
