#include "core/auth/auth_log.h"

#include "core/auth/passdb.h"
#include "core/base/ascii.h"

namespace postern::auth {
namespace {

constexpr size_t kPostfixFieldMax = 100;  // Postfix cuts both fields there

}  // namespace

std::string FormatAuthLine(const LogLine& line, const IpAddress& remote, std::string_view session) {
  std::string text = line.is_error ? "auth: Error: " : "auth: ";
  if (!line.source.empty()) {
    text += line.source;
    text += '(';
    text += line.user.empty() ? "?" : Printable(line.user);
    text += ',';
    text += remote.ToString();
    if (line.is_master) text += ",master";
    if (!session.empty()) {
      text += ",<";
      text += session;
      text += '>';
    }
    text += "): ";
  }
  return text += Printable(line.text);
}

std::string FormatSaslFailure(std::string_view client, std::string_view mechanism, std::string_view user) {
  std::string text = "warning: ";
  text += client;
  text += ": SASL ";
  text += UpperCase(Printable(mechanism.substr(0, kPostfixFieldMax)));
  text += " authentication failed: (reason unavailable), sasl_username=";
  return text += user.empty() ? "(unavailable)" : Printable(user.substr(0, kPostfixFieldMax));
}

}  // namespace postern::auth
