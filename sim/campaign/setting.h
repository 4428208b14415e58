// The configuration of a simulated host: two domains, four users, every listener, passwords in {PLAIN} so that a run
// spends its time on the protocols. Built directly, not read from files: config/ has tests of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/settings.h"

namespace postern::sim {

enum ListenerIndex : size_t { kSmtp = 0, kSubmission = 1, kSmtps = 2, kImaps = 3, kImap = 4, kPop3s = 5, kPop3 = 6 };

// "alice@example.test" ...; each has the password "canary-secret-of-" + its name, which must be seen nowhere.
const std::vector<std::string>& UserNames();
std::string PasswordOf(std::string_view user);
std::string MaildirOf(std::string_view user);

std::shared_ptr<const config::Config> MakeSetting(config::MailFsync fsync);
// A lookup table with these rows.
config::TablePtr MakeTable(std::string name, std::map<std::string, std::string, std::less<>> rows);

}  // namespace postern::sim
