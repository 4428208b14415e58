// Rules about sender and recipient addresses: relaying, existence, ownership.
#include "core/base/ascii.h"
#include "core/routing/aliases.h"
#include "core/routing/lookup.h"
#include "core/routing/resolve.h"
#include "core/smtp/evaluation.h"

namespace postern::smtp {
namespace {

int UnlistedCode(routing::AddressClass address_class, const config::SmtpService& service) {
  switch (address_class) {
    case routing::AddressClass::kLocal:
      return service.unknown_local_recipient_reject_code;
    case routing::AddressClass::kVirtualAlias:
      return service.unknown_virtual_alias_reject_code;
    case routing::AddressClass::kVirtualMailbox:
      return service.unknown_virtual_mailbox_reject_code;
    case routing::AddressClass::kRelay:
      return service.unknown_relay_recipient_reject_code;
    case routing::AddressClass::kDefault:
      return 550;
  }
  return 550;
}

}  // namespace

// One of this host's own domains, or one it relays for; and no routing by the sender inside the local part, by which
// mail could be sent on from the next host.
bool Evaluation::IsAuthDestination() const {
  if (routing::HasSenderRouting(facts_.recipient_rewritten) && !facts_.routing->allow_untrusted_routing) return false;
  return routing::ClassOf(facts_.recipient_rewritten.domain, *facts_.routing) != routing::AddressClass::kDefault;
}

Outcome Evaluation::RejectUnauthDestination(int code, std::string_view enhanced) {
  if (!facts_.has_recipient || IsAuthDestination()) return Outcome::kDunno;
  return Reject(code, enhanced, "<" + facts_.recipient.Key() + ">: Relay access denied");
}

Outcome Evaluation::RejectNonFqdn(const routing::Mailbox& mailbox, bool sender) {
  const bool good = mailbox.is_literal() || mailbox.domain.find('.') != std::string::npos;
  if (good) return Outcome::kDunno;
  const NameScope scope(this, mailbox.Key(), sender ? kSenderClass : kRecipientClass);
  return RejectNamed(facts_.service->non_fqdn_reject_code, "5.5.2", "need fully-qualified address");
}

Outcome Evaluation::RejectUnlisted(const routing::Mailbox& mailbox, const routing::Mailbox& rewritten, bool sender) {
  (sender ? sender_checked_ : recipient_checked_) = true;
  const auto unknown = routing::FindUnknown(rewritten, *facts_.routing);
  if (!unknown) return Outcome::kDunno;
  const NameScope scope(this, mailbox.Key(), sender ? kSenderClass : kRecipientClass);
  if (unknown->table.empty()) {  // transport_maps: error:5.1.2 text
    std::string_view text = unknown->transport_text;
    return RejectNamed(550, sender ? "5.1.0" : "5.1.1", text.empty() ? "User unknown" : text);
  }
  const bool alias = unknown->address_class == routing::AddressClass::kVirtualAlias;
  return RejectNamed(UnlistedCode(unknown->address_class, *facts_.service),
                     sender ? (alias ? "5.1.7" : "5.1.0") : "5.1.1", "User unknown in " + std::string(unknown->table));
}

Outcome Evaluation::RejectSenderLoginMismatch(bool when_logged_in, bool when_not, bool only_known) {
  if (!facts_.has_sender || facts_.null_sender) return Outcome::kDunno;
  const bool logged_in = !facts_.sasl_user.empty();
  if (logged_in ? !when_logged_in : !when_not) return Outcome::kDunno;
  const auto owners = routing::FindAddress(facts_.service->sender_login_maps, facts_.sender_rewritten,
                                           {.bare_user = true, .at_domain = true}, *facts_.routing);
  const std::string start = "<" + facts_.sender.Key() + ">: Sender address rejected: ";
  if (!logged_in) return owners ? Reject(553, "5.7.1", start + "not logged in") : Outcome::kDunno;
  if (owners) {
    for (const std::string_view owner : routing::SplitAddresses(owners->value)) {
      if (EqualsIgnoringCase(owner, facts_.sasl_user)) return Outcome::kDunno;
    }
  } else if (only_known) {
    return Outcome::kDunno;
  }
  return Reject(553, "5.7.1", start + "not owned by user " + std::string(facts_.sasl_user));
}

}  // namespace postern::smtp
