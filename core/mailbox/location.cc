#include "core/mailbox/location.h"

#include "core/config/variables.h"

namespace postern::mailbox {

std::string NormalizePath(std::string_view path) {
  std::string normal;
  for (const char c : path) {
    if (c != '/' || normal.empty() || normal.back() != '/') normal += c;
  }
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

StatusOr<AccountFacts> LocateAccount(std::string_view user, std::string_view home, std::string_view mail, int64_t uid,
                                     int64_t gid, const config::Storage& storage) {
  const std::string_view setting = mail.empty() ? std::string_view(storage.mail_location) : mail;
  auto expanded = config::ExpandVariables(setting, {.user = user, .home = home});
  if (!expanded.ok()) return expanded.status();
  std::string_view rest = *expanded;
  constexpr std::string_view kMaildir = "maildir:";
  if (!rest.starts_with(kMaildir))
    return InvalidArgument("mail_location " + *expanded + " is no Maildir: only maildir: is served");
  rest.remove_prefix(kMaildir.size());
  AccountFacts facts{.user = std::string(user), .owner = {.uid = uid, .gid = gid}};
  if (uid < 0) facts.owner.uid = storage.mail_uid;
  if (gid < 0) facts.owner.gid = storage.mail_gid;
  bool first = true;
  while (first || !rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    std::string path(first ? part : part.substr(std::min(part.size(), part.find('=') + 1)));
    if (path == "~" || path.starts_with("~/")) path = std::string(home) + path.substr(1);
    if (first) {
      facts.maildir = NormalizePath(path);
    } else if (part.starts_with("CONTROL=")) {
      facts.control_dir = NormalizePath(path);
    } else if (!part.starts_with("INDEX=") && !part.starts_with("VOLATILEDIR=") && part != "LAYOUT=maildir++") {
      return InvalidArgument("mail_location " + *expanded + ": " + std::string(part) + " is not supported");
    }
    first = false;
  }
  if (facts.maildir.empty() || facts.maildir[0] != '/')
    return InvalidArgument("mail_location " + *expanded + " is no absolute path");
  if (facts.control_dir.empty()) facts.control_dir = facts.maildir;
  return facts;
}

}  // namespace postern::mailbox
