// Rules about the client, its greeting and its manners.
#include "core/smtp/evaluation.h"

namespace postern::smtp {

Outcome Evaluation::RejectInvalidHelo() {
  const std::string_view helo = facts_.helo;
  if (helo.empty()) return Outcome::kDunno;
  const NameScope scope(this, std::string(helo), kHeloClass);
  const int code = facts_.service->invalid_hostname_reject_code;
  if (helo.front() == '[') {
    return routing::IsAddressLiteral(helo) ? Outcome::kDunno : RejectNamed(code, "5.5.2", "invalid ip address");
  }
  // A bare address is no host name, but Postfix lets it pass here.
  if (routing::IsHostName(helo) || IpAddress::Parse(helo)) return Outcome::kDunno;
  return RejectNamed(code, "5.5.2", "Invalid name");
}

Outcome Evaluation::RejectNonFqdnHelo() {
  const std::string_view helo = facts_.helo;
  if (helo.empty()) return Outcome::kDunno;
  const NameScope scope(this, std::string(helo), kHeloClass);
  const bool good = helo.front() == '[' ? routing::IsAddressLiteral(helo)
                                        : routing::IsHostName(helo) && helo.find('.') != std::string_view::npos;
  return good ? Outcome::kDunno
              : RejectNamed(facts_.service->non_fqdn_reject_code, "5.5.2", "need fully-qualified hostname");
}

Outcome Evaluation::RejectUnknownClient(bool forward) {
  if (facts_.client_name == nullptr) return Outcome::kNeed;
  const bool known = forward ? !facts_.client_name->name.empty() : !facts_.client_name->reverse.empty();
  if (known) return Outcome::kDunno;
  const int code = facts_.client_name->temporary ? 450 : facts_.service->unknown_client_reject_code;
  return Reject(code, "4.7.25",
                std::string("Client host rejected: cannot find your ") + (forward ? "" : "reverse ") + "hostname, [" +
                    facts_.client.ToString() + "]");
}

Outcome Evaluation::RejectPlaintextSession() {
  if (facts_.tls) return Outcome::kDunno;
  return Reject(facts_.service->plaintext_reject_code, "4.7.1", "Session encryption is required");
}

Outcome Evaluation::RejectUnauthPipelining() {
  // RFC 2920 section 3.1: after DATA, and without EHLO, the client waits.
  if (!facts_.input_waiting) return Outcome::kDunno;
  return RejectNamed(503, "5.5.0", "Improper use of SMTP command pipelining");
}

Outcome Evaluation::RejectMultiRecipientBounce() {
  if (!facts_.has_sender || !facts_.null_sender) return Outcome::kDunno;
  const uint32_t others = facts_.phase == Phase::kRcpt ? 0 : 1;
  if (facts_.recipient_count <= others) return Outcome::kDunno;
  return RejectNamed(facts_.service->multi_recipient_bounce_reject_code, "5.5.3", "Multi-recipient bounce");
}

}  // namespace postern::smtp
