#include "core/message/trace.h"

#include "core/message/lexer.h"

namespace postern::message {
namespace {

// Nothing a peer said may end a line.
void AppendSafe(std::string_view text, std::string* out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out->push_back(byte < 32 || byte == 127 ? '?' : c);
  }
}

// Text inside a comment (RFC 5322 section 3.2.2): what would end it is quoted away, as Postfix does.
void AppendCommentText(std::string_view text, std::string* out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out->push_back(byte < 32 || byte == 127 || c == '(' || c == ')' || c == '\\' ? '?' : c);
  }
}

bool IsAddressLiteralV6(std::string_view address) { return address.find(':') != std::string_view::npos; }

void AppendTls(const ReceivedTls& tls, std::string* out) {
  out->append("\t(using ");
  AppendSafe(tls.protocol, out);
  out->append(" with cipher ");
  AppendSafe(tls.cipher, out);
  out->append(" (");
  out->append(std::to_string(tls.used_bits));
  out->append("/");
  out->append(std::to_string(tls.algorithm_bits));
  out->append(" bits)");
  if (!tls.details.empty()) {
    out->append("\r\n\t ");
    AppendSafe(tls.details, out);
  }
  out->append(")\r\n\t(No client certificate requested)\r\n");
}

void AppendBy(const ReceivedFacts& facts, std::string* out) {
  out->append("by ");
  AppendSafe(facts.host, out);
  out->append(" (");
  AppendCommentText(facts.mail_name, out);
}

// `<recipient>`, its local part quoted where RFC 5321 section 4.1.2 wants it.
void AppendPath(std::string_view address, std::string* out) {
  const size_t at = address.rfind('@');
  const std::string_view local = address.substr(0, at);
  bool plain = !local.empty();
  for (const char c : local) plain = plain && (c == '.' || Lexer::IsAtomText(static_cast<unsigned char>(c)));
  if (plain || address.empty() || local.front() == '"') {
    AppendSafe(address, out);
    return;
  }
  out->push_back('"');
  for (const char c : local) {
    if (c == '"' || c == '\\') out->push_back('\\');
    AppendSafe({&c, 1}, out);
  }
  out->push_back('"');
  if (at != std::string_view::npos) AppendSafe(address.substr(at), out);
}

}  // namespace

void AppendReceived(const ReceivedFacts& facts, std::string* out) {
  out->append("Received: ");
  if (facts.user_id) {
    AppendBy(facts, out);
    out->append(", from userid ");
    out->append(std::to_string(*facts.user_id));
    out->append(")\r\n\tid ");
  } else {
    out->append("from ");
    AppendSafe(facts.helo.empty() ? facts.client_name : facts.helo, out);
    out->append(" (");
    AppendCommentText(facts.client_name, out);
    out->append(IsAddressLiteralV6(facts.client_address) ? " [IPv6:" : " [");
    AppendCommentText(facts.client_address, out);
    out->append("])\r\n");
    if (facts.tls) AppendTls(*facts.tls, out);
    if (!facts.authenticated_sender.empty()) {
      out->append("\t(Authenticated sender: ");
      AppendCommentText(facts.authenticated_sender, out);
      out->append(")\r\n");
    }
    out->append("\t");
    AppendBy(facts, out);
    out->append(") with ").append(facts.protocol);
    // RFC 3848 section 2, RFC 6531 section 4.3.
    if (facts.with_tls) out->append("S");
    if (facts.with_auth) out->append("A");
    out->append(" id ");
  }
  AppendSafe(facts.id, out);
  if (!facts.recipient.empty()) {
    out->append("\r\n\tfor <");
    AppendPath(facts.recipient, out);
    out->append(">");
  }
  out->append("; ");
  AppendTraceDate(facts.when, facts.zone_name, out);
  out->append("\r\n");
}

void AppendReturnPath(std::string_view reverse_path, std::string* out) {
  out->append("Return-Path: <");
  AppendPath(reverse_path, out);
  out->append(">\r\n");
}

void AppendDeliveredTo(std::string_view recipient, std::string* out) {
  AppendTraceField("Delivered-To", recipient, out);
}

void AppendXOriginalTo(std::string_view recipient, std::string* out) {
  AppendTraceField("X-Original-To", recipient, out);
}

void AppendTraceField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name).append(": ");
  AppendSafe(value, out);
  out->append("\r\n");
}

}  // namespace postern::message
