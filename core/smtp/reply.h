// A reply of the SMTP server (RFC 5321 section 4.2) with its enhanced status code (RFC 2034, RFC 3463): a value,
// written as Postfix 3.7 writes it, because people's tools read these texts.
#pragma once

#include <string>
#include <string_view>

namespace postern::smtp {

struct Reply {
  int code = 250;
  std::string enhanced;  // "5.1.1"; empty: none
  std::string text;      // lines separated by '\n'

  bool is_error() const { return code >= 400; }
  bool is_permanent_error() const { return code >= 500; }
  // RFC 5321 section 3.8 and Postfix: these two end the session.
  bool closes() const { return code == 421 || code == 521; }
  bool operator==(const Reply&) const = default;
};

// Appends all lines with CRLF; control characters become '?', so that no peer's text can forge a reply.
void AppendReply(const Reply& reply, std::string* out);
// "550 5.1.1 text", for logs.
std::string OneLine(const Reply& reply);

inline Reply Ok() { return {250, "2.0.0", "Ok"}; }
inline Reply Bye() { return {221, "2.0.0", "Bye"}; }
inline Reply NeedHello() { return {503, "5.5.1", "Error: send HELO/EHLO first"}; }
inline Reply NeedMail() { return {503, "5.5.1", "Error: need MAIL command"}; }
inline Reply NeedRcpt() { return {503, "5.5.1", "Error: need RCPT command"}; }
inline Reply NoValidRecipients() { return {554, "5.5.1", "Error: no valid recipients"}; }
inline Reply NestedMail() { return {503, "5.5.1", "Error: nested MAIL command"}; }
inline Reply NotRecognized() { return {500, "5.5.2", "Error: command not recognized"}; }
inline Reply BadSyntax() { return {500, "5.5.2", "Error: bad syntax"}; }
inline Reply BadUtf8() { return {500, "5.5.2", "Error: bad UTF-8 syntax"}; }
inline Reply DsnDisabled() { return {501, "5.7.1", "DSN support is disabled"}; }
inline Reply LineTooLong() { return {500, "5.5.2", "Error: line too long"}; }
inline Reply Syntax(std::string_view usage) { return {501, "5.5.4", "Syntax: " + std::string(usage)}; }
inline Reply BadSenderSyntax() { return {501, "5.1.7", "Bad sender address syntax"}; }
inline Reply BadRecipientSyntax() { return {501, "5.1.3", "Bad recipient address syntax"}; }
inline Reply MustStartTls() { return {530, "5.7.0", "Must issue a STARTTLS command first"}; }
inline Reply Synchronization() { return {554, "5.5.0", "Error: SMTP protocol synchronization"}; }
inline Reply BrokenRules() { return {221, "2.7.0", "Error: I can break rules, too. Goodbye."}; }
inline Reply TooManyRecipients() { return {452, "4.5.3", "Error: too many recipients"}; }
inline Reply SizeExceedsLimit() { return {552, "5.3.4", "Message size exceeds fixed limit"}; }
inline Reply MessageTooBig() { return {552, "5.3.4", "Error: message file too big"}; }
inline Reply TooManyHops() { return {554, "5.4.0", "Error: too many hops"}; }
inline Reply BareLineFeed() { return {550, "5.5.2", "Error: bare <LF> received"}; }
inline Reply WriteError() { return {451, "4.3.0", "Error: queue file write error"}; }
inline Reply NoStorage() { return {452, "4.3.1", "Insufficient system storage"}; }
inline Reply ConfigurationError() { return {451, "4.3.5", "Server configuration error"}; }

}  // namespace postern::smtp
