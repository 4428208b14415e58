#include "core/routing/rewrite.h"

#include <utility>

#include "core/routing/address_class.h"
#include "core/routing/lookup.h"

namespace postern::routing {
namespace {

// Turns user%host and site!user into user@host where the address has no domain (or had a local one). False: no change.
bool TakeHostFromLocalPart(Mailbox* mailbox, const config::Routing& routing) {
  if (routing.swap_bangpath) {
    const size_t bang = mailbox->local.find('!');
    if (bang != std::string::npos && bang > 0 && bang + 1 < mailbox->local.size() &&
        IsHostName(std::string_view(mailbox->local).substr(0, bang))) {
      *mailbox = {.local = mailbox->local.substr(bang + 1), .domain = mailbox->local.substr(0, bang)};
      return true;
    }
  }
  if (routing.allow_percent_hack) {
    const size_t percent = mailbox->local.rfind('%');
    if (percent != std::string::npos && percent > 0 &&
        IsHostName(std::string_view(mailbox->local).substr(percent + 1))) {
      *mailbox = {.local = mailbox->local.substr(0, percent), .domain = mailbox->local.substr(percent + 1)};
      return true;
    }
  }
  return false;
}

void AppendDomains(Mailbox* mailbox, const config::Routing& routing) {
  if (mailbox->domain.empty() && routing.append_at_myorigin) mailbox->domain = routing.myorigin;
  if (routing.append_dot_mydomain && !mailbox->domain.empty() && !mailbox->is_literal() &&
      mailbox->domain.find('.') == std::string::npos) {
    mailbox->domain += "." + routing.mydomain;
  }
}

std::optional<Mailbox> CanonicalBy(const config::TableList& tables, const Mailbox& mailbox,
                                   const config::Routing& routing) {
  const auto found = FindAddress(tables, mailbox, {.bare_user = true, .at_domain = true}, routing);
  if (!found) return std::nullopt;
  const std::string extension = routing.propagate_extensions.canonical ? found->extension : "";
  return MappedAddress(found->value, mailbox, extension, routing);
}

}  // namespace

Mailbox Complete(const Mailbox& mailbox, const config::Routing& routing) {
  Mailbox complete = mailbox;
  // Each turn takes one host off the local part: bounded by its length.
  for (;;) {
    if (complete.domain.empty()) {
      if (!TakeHostFromLocalPart(&complete, routing)) break;
    } else if (IsLocalDomain(complete.domain, routing) && TakeHostFromLocalPart(&complete, routing)) {
      continue;
    } else {
      break;
    }
  }
  AppendDomains(&complete, routing);
  return complete;
}

Mailbox Canonical(const Mailbox& mailbox, Role role, const config::Routing& routing) {
  const config::TableList& own =
      role == Role::kSender ? routing.sender_canonical_maps : routing.recipient_canonical_maps;
  Mailbox result = mailbox;
  if (auto mapped = CanonicalBy(own, result, routing)) result = *std::move(mapped);
  if (auto mapped = CanonicalBy(routing.canonical_maps, result, routing)) result = *std::move(mapped);
  return result;
}

bool HasSenderRouting(const Mailbox& mailbox) { return mailbox.local.find_first_of("@%!") != std::string::npos; }

std::optional<Mailbox> MappedAddress(std::string_view value, const Mailbox& from, std::string_view extension,
                                     const config::Routing& routing) {
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (value.size() > 1 && value.front() == '@') {
    Mailbox mapped = from;
    std::string_view domain = value.substr(1);
    if (domain.back() == '.') domain.remove_suffix(1);
    if (!IsHostName(domain) && !IsAddressLiteral(domain)) return std::nullopt;
    mapped.domain = domain;
    return mapped;
  }
  auto mapped = ParseMailbox(value);
  if (!mapped) return std::nullopt;
  if (!extension.empty() && ExtensionStart(mapped->local, routing.recipient_delimiter,
                                           routing.local.owner_request_special) == std::string_view::npos) {
    mapped->local += extension;
  }
  return Complete(*mapped, routing);
}

}  // namespace postern::routing
