// Dovecot's % variables (2.2/2.3): "%u", "%Lu", "%3.1n", "%08Xu", "%{user}" and modifiers L U E X R H N M D T.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace postern::config {

// What the variables stand for; missing ones are empty. %n and %d are derived from `user`.
struct Variables {
  std::string_view user, service, remote_ip, local_ip, home, password_scheme, session, mechanism;
  uint32_t pid = 0;
};

// The part of `user` before '@' (all of it without one), and the part after (empty without one).
std::string_view UserName(std::string_view user);
std::string_view UserDomain(std::string_view user);

// `text` with every variable replaced. kInvalidArgument: an unknown variable or modifier; the message names it.
StatusOr<std::string> ExpandVariables(std::string_view text, const Variables& values);

// The same grammar with other variables: `lookup` has the value of "u" for "%u" and of "uid" for "%{uid}"; nullopt:
// unknown.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;
StatusOr<std::string> ExpandVariablesWith(std::string_view text, const VariableLookup& lookup);

}  // namespace postern::config
