#include "core/mailbox/pop3_uidl.h"

#include <optional>
#include <utility>

#include "core/config/variables.h"

namespace postern::mailbox {

std::string FormatPop3Uidl(std::string_view format, const MailboxState& mailbox, uint32_t uid) {
  if (std::string own = mailbox.Pop3UidlOf(uid); !own.empty()) return own;
  auto text = config::ExpandVariablesWith(format, [&](std::string_view name) -> std::optional<std::string> {
    if (name == "u") return std::to_string(uid);
    if (name == "v") return std::to_string(mailbox.uidvalidity);
    if (name == "f") return mailbox.BaseNameOf(uid);
    if (name == "g") return mailbox.GuidOf(uid);
    return std::nullopt;
  });
  // A format with another variable is refused when the configuration is read.
  return text.ok() ? *std::move(text) : std::to_string(uid) + "." + std::to_string(mailbox.uidvalidity);
}

}  // namespace postern::mailbox
