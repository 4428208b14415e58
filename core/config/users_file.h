// Dovecot's passwd-file: "user:password:uid:gid:gecos:home:shell:extra fields" a line (passwd-file(5) of Dovecot).
// Only user and password are needed; the rest may be missing. Extra fields are words "key=value" or "key".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/config/finding_list.h"
#include "core/config/settings.h"

namespace postern::config {

// The users of `text`, the content of `file`. uid and gid may be numbers, or names that `files` knows. A second row of
// a user replaces the first, as in Dovecot, with a finding; no finding shows a password.
UserTablePtr ParseUsersFile(std::string_view text, const std::string& file, FileSource& files, FindingList* findings);

// The "{SCHEME}" of a stored password in upper case without encoding suffix ("CRAM-MD5"); `default_scheme` without one.
std::string SchemeOf(std::string_view stored, std::string_view default_scheme);

}  // namespace postern::config
