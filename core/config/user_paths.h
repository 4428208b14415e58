// Which mailbox does a login read? Answers from the settings alone, without a password, as the passdb and userdb walk
// would at login: for proving that delivery and reading meet.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/settings.h"

namespace postern::config {

struct LoginFacts {
  std::string user;  // after auth_username_format, default realm and the passdb's `user` field
  // Absolute, slashes normalised; empty where mail_location is no Maildir or needs more than the name.
  std::string inbox_path;
  std::string home;
  int64_t uid = -1, gid = -1;
};

// nullopt: no passdb or no userdb knows the login.
std::optional<LoginFacts> FactsOfLogin(std::string_view login, const Config& config);

// Where the INBOX of `user` is by "maildir:PATH[:INBOX=PATH...]"; empty where it cannot be said.
std::string InboxPath(std::string_view location, std::string_view user, std::string_view home);

// The names that can log in: the rows of all users files, and of `addresses` and their local parts those that the
// passdbs know. Without repetition.
std::vector<std::string> PossibleLogins(const Config& config, const std::vector<std::string>& addresses);

}  // namespace postern::config
