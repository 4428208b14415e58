// ID (RFC 2971), ENABLE (RFC 5161) and NAMESPACE (RFC 2342).
#include <algorithm>

#include "core/imap/session.h"

namespace postern::imap {
namespace {

// imap_id_send: "name * version * support-url https://..."; '*' is our own value.
std::string FormatIdParameters(std::string_view setting) {
  std::string list;
  size_t at = 0;
  const auto next_word = [&] {
    at = std::min(setting.find_first_not_of(' ', at), setting.size());
    const size_t end = std::min(setting.find(' ', at), setting.size());
    const std::string_view word = setting.substr(at, end - at);
    at = end;
    return word;
  };
  while (true) {
    const std::string_view key = next_word();
    if (key.empty()) break;
    const std::string_view value = next_word();
    if (value == "*" && key != "name") continue;  // the rest is nobody's business
    list += list.empty() ? "(" : " ";
    AppendString(key, &list);
    list += ' ';
    AppendString(value == "*" ? "Postern" : value, &list);
  }
  return list.empty() ? "NIL" : list + ")";
}

}  // namespace

void ImapSession::HandleId(const IdCommand&, Context& context) {
  Write("* ID " + FormatIdParameters(config_->imap.id_send) + "\r\n", context);
  if (visitor_ != nullptr) return SendTagged(Condition::kOk, "", "ID completed.", context);
  Finish({.text = "ID completed."}, context);
}

void ImapSession::HandleEnable(const EnableCommand& command, Context& context) {
  std::string enabled;
  for (const std::string& name : command.capabilities) {
    if (name == "CONDSTORE") {
      enabled += " CONDSTORE";
      EnableCondstore(/*tell_highest=*/true, context);
    } else if (name == "QRESYNC") {
      // RFC 7162 section 3.2.3: QRESYNC includes CONDSTORE.
      enabled += " QRESYNC";
      qresync_ = true;
      EnableCondstore(/*tell_highest=*/true, context);
    }
  }
  if (!enabled.empty()) Write("* ENABLED" + enabled + "\r\n", context);
  Finish({.text = "Enabled."}, context);
}

void ImapSession::EnableCondstore(bool tell_highest, Context& context) {
  if (condstore_) return;
  condstore_ = true;
  if (Selection* selected = selection(); selected != nullptr && tell_highest) {
    Write("* OK [HIGHESTMODSEQ " + std::to_string(selected->view.state().highestmodseq) + "] Highest\r\n", context);
  }
}

void ImapSession::HandleNamespace(Context& context) {
  const config::Namespace& own = space();
  std::string line = "* NAMESPACE ((";
  AppendString(own.prefix, &line);
  line += ' ';
  AppendString(std::string_view(own.separator == '\0' ? "." : &own.separator, 1), &line);
  line += ")) NIL NIL\r\n";
  Write(line, context);
  Finish({.text = "Namespace completed."}, context);
}

}  // namespace postern::imap
