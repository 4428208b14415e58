#include "core/imap/imap_log.h"

#include "core/boundary/log_event.h"

namespace postern::imap {
namespace {

std::string CounterText(std::string_view name, const SessionCounters& counters, std::string_view session_id) {
  if (name == "i" || name == "input") return std::to_string(counters.in_bytes);
  if (name == "o" || name == "output") return std::to_string(counters.out_bytes);
  if (name == "deleted") return std::to_string(counters.deleted);
  if (name == "expunged") return std::to_string(counters.expunged);
  if (name == "trashed") return std::to_string(counters.trashed);
  if (name == "autoexpunged") return std::to_string(counters.autoexpunged);
  if (name == "appended") return std::to_string(counters.appended);
  if (name == "fetch_hdr_count") return std::to_string(counters.header_count);
  if (name == "fetch_hdr_bytes") return std::to_string(counters.header_bytes);
  if (name == "fetch_body_count") return std::to_string(counters.body_count);
  if (name == "fetch_body_bytes") return std::to_string(counters.body_bytes);
  if (name == "session") return std::string(session_id);
  return "";
}

}  // namespace

std::string ExpandLogoutFormat(std::string_view format, const SessionCounters& counters, std::string_view session_id) {
  std::string text;
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%' || at + 1 == format.size()) {
      text += format[at];
      continue;
    }
    ++at;
    if (format[at] == '%') {
      text += '%';
    } else if (format[at] == '{') {
      const size_t end = format.find('}', at);
      if (end == std::string_view::npos) return text;
      text += CounterText(format.substr(at + 1, end - at - 1), counters, session_id);
      at = end;
    } else {
      text += CounterText(format.substr(at, 1), counters, session_id);
    }
  }
  return text;
}

std::string FormatLoginFacts(const LoginLogFacts& facts) {
  std::string text = "user=<" + EscapeForLog(facts.user) + ">";
  if (!facts.mechanism.empty()) text += ", method=" + EscapeForLog(facts.mechanism);
  text += ", rip=" + facts.peer->remote.address.ToString();
  text += ", lip=" + facts.peer->local.address.ToString();
  if (facts.mail_pid != 0) text += ", mpid=" + std::to_string(facts.mail_pid);
  if (facts.tls) {
    text += ", TLS";
  } else if (facts.secured) {
    text += ", secured";
  }
  return text + ", session=<" + EscapeForLog(facts.session_id) + ">";
}

}  // namespace postern::imap
