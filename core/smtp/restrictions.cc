#include "core/smtp/restrictions.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/log_event.h"
#include "core/smtp/evaluation.h"

namespace postern::smtp {
namespace {

constexpr int kDepthMax = 8;  // restriction classes within classes; Postfix allows more, nobody needs it

// Sorted, for binary search.
constexpr std::array<std::string_view, 34> kSupported{
    "check_client_access",
    "check_etrn_access",
    "check_helo_access",
    "check_recipient_access",
    "check_reverse_client_hostname_access",
    "check_sasl_access",
    "check_sender_access",
    "defer",
    "defer_if_permit",
    "defer_if_reject",
    "defer_unauth_destination",
    "permit",
    "permit_auth_destination",
    "permit_inet_interfaces",
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "reject",
    "reject_authenticated_sender_login_mismatch",
    "reject_invalid_helo_hostname",
    "reject_known_sender_login_mismatch",
    "reject_multi_recipient_bounce",
    "reject_non_fqdn_helo_hostname",
    "reject_non_fqdn_recipient",
    "reject_non_fqdn_sender",
    "reject_plaintext_session",
    "reject_sender_login_mismatch",
    "reject_unauth_destination",
    "reject_unauth_pipelining",
    "reject_unauthenticated_sender_login_mismatch",
    "reject_unknown_client_hostname",
    "reject_unknown_reverse_client_hostname",
    "reject_unlisted_recipient",
    "reject_unlisted_sender",
    "warn_if_reject",
};

}  // namespace

bool SupportedRestriction(std::string_view name) {
  return std::binary_search(kSupported.begin(), kSupported.end(), name);
}

Verdict Evaluate(const Facts& facts) { return Evaluation(facts).Run(); }

std::string_view PhaseName(const Facts& facts) {
  switch (facts.phase) {
    case Phase::kConnect:
      return "CONNECT";
    case Phase::kHelo:
      return facts.helo_verb;
    case Phase::kMail:
      return "MAIL";
    case Phase::kRcpt:
      return "RCPT";
    case Phase::kData:
      return "DATA";
    case Phase::kEndOfMessage:
      return "END-OF-MESSAGE";
    case Phase::kVrfy:
      return "VRFY";
    case Phase::kEtrn:
      return "ETRN";
  }
  return "CONNECT";
}

std::string EnvelopeForLog(const Facts& facts) {
  std::string text;
  if (facts.has_sender) text += "from=<" + EscapeForLog(facts.null_sender ? "" : facts.sender.Quoted()) + "> ";
  if (facts.has_recipient) text += "to=<" + EscapeForLog(facts.recipient.Quoted()) + "> ";
  text += facts.esmtp ? "proto=ESMTP" : "proto=SMTP";
  if (!facts.helo.empty()) text += " helo=<" + EscapeForLog(facts.helo) + ">";
  return text;
}

Verdict Evaluation::Run() {
  const config::SmtpService& service = *facts_.service;
  Outcome outcome = Outcome::kDunno;
  const auto run = [&](List list, const config::Restrictions& restrictions) {
    if (outcome == Outcome::kReject || outcome == Outcome::kNeed) return;
    outcome = RunList(list, restrictions);
    const bool final = list == List::kData || list == List::kEndOfData || list == List::kEtrn;
    if (outcome != Outcome::kReject && outcome != Outcome::kNeed && defer_if_permit_ && final) {
      verdict_.reply = *defer_if_permit_;  // a permission that an earlier temporary fault forbids
      outcome = Outcome::kReject;
    }
  };
  const bool delay = service.delay_reject;
  const bool late = facts_.phase == Phase::kRcpt || facts_.phase == Phase::kVrfy || facts_.phase == Phase::kEtrn;
  if (facts_.phase == Phase::kConnect ? !delay : delay && late) run(List::kClient, service.client_restrictions);
  if ((facts_.phase == Phase::kHelo ? !delay : delay && late) && !facts_.helo.empty())
    run(List::kHelo, service.helo_restrictions);
  if (facts_.phase == Phase::kMail ? !delay : delay && facts_.phase == Phase::kRcpt)
    run(List::kSender, service.sender_restrictions);
  switch (facts_.phase) {
    case Phase::kConnect:
    case Phase::kHelo:
    case Phase::kMail:
      break;
    case Phase::kRcpt:
    case Phase::kVrfy:
      if (outcome != Outcome::kReject && outcome != Outcome::kNeed) outcome = RunRcpt();
      break;
    case Phase::kData:
      run(List::kData, service.data_restrictions);
      break;
    case Phase::kEndOfMessage:
      run(List::kEndOfData, service.end_of_data_restrictions);
      break;
    case Phase::kEtrn:
      run(List::kEtrn, service.etrn_restrictions);
      break;
  }
  // smtpd_reject_unlisted_sender, where no rule has looked already.
  const bool sender_stage = facts_.phase == Phase::kRcpt || (facts_.phase == Phase::kMail && !delay);
  if (sender_stage && service.reject_unlisted_sender && !sender_checked_ && facts_.has_sender && !facts_.null_sender &&
      outcome != Outcome::kReject && outcome != Outcome::kNeed && !verdict_.actions.discard) {
    outcome = RejectUnlisted(facts_.sender, facts_.sender_rewritten, true);
  }
  switch (outcome) {
    case Outcome::kDunno:
      verdict_.kind = Verdict::Kind::kDunno;
      break;
    case Outcome::kPermit:
      verdict_.kind = Verdict::Kind::kPermit;
      break;
    case Outcome::kReject:
      verdict_.kind = Verdict::Kind::kReject;
      break;
    case Outcome::kNeed:
      verdict_.kind = Verdict::Kind::kNeed;
      break;
  }
  verdict_.deferred = std::move(defer_if_permit_);
  return std::move(verdict_);
}

// relay and recipient lists, then what defer_if_permit left, then reject_unlisted_recipient.
Outcome Evaluation::RunRcpt() {
  const config::SmtpService& service = *facts_.service;
  if (facts_.phase == Phase::kVrfy && !facts_.has_recipient) return Outcome::kDunno;
  // RFC 5321 section 4.5.1: <postmaster> without a domain is not judged by these lists.
  if (facts_.recipient.domain.empty() && EqualsIgnoringCase(facts_.recipient.local, "postmaster"))
    return Outcome::kDunno;
  Reset();
  Outcome outcome = Outcome::kDunno;
  for (int turn = 0; turn < 2; ++turn) {
    const bool relay = (turn == 0) == service.relay_before_recipient_restrictions;
    outcome = relay ? RunList(List::kRelay, service.relay_restrictions)
                    : RunList(List::kRecipient, service.recipient_restrictions);
    if (outcome == Outcome::kReject || outcome == Outcome::kNeed || verdict_.actions.discard) break;
  }
  if (outcome == Outcome::kReject || outcome == Outcome::kNeed) return outcome;
  if (defer_if_permit_) {
    verdict_.reply = *defer_if_permit_;
    return Outcome::kReject;
  }
  if (service.reject_unlisted_recipient && !recipient_checked_ && !verdict_.actions.discard) {
    list_ = List::kRecipient;
    return RejectUnlisted(facts_.recipient, facts_.recipient_rewritten, false);
  }
  return outcome;
}

void Evaluation::Reset() { defer_if_reject_ = false; }

Outcome Evaluation::RunList(List list, const config::Restrictions& restrictions) {
  list_ = list;
  if (list != List::kRelay && list != List::kRecipient) Reset();
  return RunRestrictions(restrictions, 0);
}

Outcome Evaluation::RunRestrictions(const config::Restrictions& restrictions, int depth) {
  if (depth > kDepthMax) {
    Note("warning", "restriction classes nest too deep");
    verdict_.reply = ConfigurationError();
    return Outcome::kReject;
  }
  const bool outer = warn_only_;
  for (const config::Restriction& restriction : restrictions) {
    warn_only_ = outer || restriction.warn_only;
    const Outcome outcome = RunRestriction(restriction, depth);
    warn_only_ = outer;
    if (outcome != Outcome::kDunno) return outcome;
    if (verdict_.actions.discard) return Outcome::kPermit;  // DISCARD ends the list like a permission
  }
  return Outcome::kDunno;
}

Outcome Evaluation::RunRestriction(const config::Restriction& restriction, int depth) {
  const std::string_view name = restriction.name;
  if (!restriction.restriction_class.empty()) return RunRestrictions(restriction.restriction_class, depth + 1);
  if (name.starts_with("check_") && name.ends_with("_access")) return CheckAccess(restriction, depth);
  const auto permit_if = [](bool condition) { return condition ? Outcome::kPermit : Outcome::kDunno; };
  const bool real_sender = facts_.has_sender && !facts_.null_sender;

  if (name == "permit") return Outcome::kPermit;
  if (name == "permit_mynetworks")
    return permit_if(facts_.service->mynetworks.MatchesClient(
        facts_.client, facts_.client_name != nullptr ? std::string_view(facts_.client_name->name) : ""));
  if (name == "permit_sasl_authenticated") return permit_if(!facts_.sasl_user.empty());
  if (name == "permit_inet_interfaces") {
    const auto& own = facts_.routing->own_addresses;
    return permit_if(std::find(own.begin(), own.end(), facts_.client) != own.end());
  }
  if (name == "permit_auth_destination") return permit_if(facts_.has_recipient && IsAuthDestination());
  if (name == "reject_unauth_destination")
    return RejectUnauthDestination(facts_.service->relay_domains_reject_code, "5.7.1");
  if (name == "defer_unauth_destination") return RejectUnauthDestination(454, "4.7.1");
  if (name == "reject") return RejectNamed(facts_.service->reject_code, "5.7.1", "Access denied");
  if (name == "defer") return RejectNamed(facts_.service->defer_code, "4.3.2", "Try again later");
  if (name == "defer_if_permit") {
    if (!defer_if_permit_)
      defer_if_permit_ = Reply{
          450, "4.7.0", NameOfReply() + ": " + std::string(ClassOfReply()) + " rejected: defer_if_permit requested"};
    return Outcome::kDunno;
  }
  if (name == "defer_if_reject") {
    defer_if_reject_ = true;
    return Outcome::kDunno;
  }
  if (name == "reject_invalid_helo_hostname") return RejectInvalidHelo();
  if (name == "reject_non_fqdn_helo_hostname") return RejectNonFqdnHelo();
  if (name == "reject_unknown_client_hostname") return RejectUnknownClient(true);
  if (name == "reject_unknown_reverse_client_hostname") return RejectUnknownClient(false);
  if (name == "reject_plaintext_session") return RejectPlaintextSession();
  if (name == "reject_unauth_pipelining") return RejectUnauthPipelining();
  if (name == "reject_multi_recipient_bounce") return RejectMultiRecipientBounce();
  if (name == "reject_non_fqdn_sender") return real_sender ? RejectNonFqdn(facts_.sender, true) : Outcome::kDunno;
  if (name == "reject_non_fqdn_recipient")
    return facts_.has_recipient ? RejectNonFqdn(facts_.recipient, false) : Outcome::kDunno;
  if (name == "reject_unlisted_sender")
    return real_sender ? RejectUnlisted(facts_.sender, facts_.sender_rewritten, true) : Outcome::kDunno;
  if (name == "reject_unlisted_recipient")
    return facts_.has_recipient ? RejectUnlisted(facts_.recipient, facts_.recipient_rewritten, false) : Outcome::kDunno;
  if (name == "reject_sender_login_mismatch") return RejectSenderLoginMismatch(true, true, false);
  if (name == "reject_authenticated_sender_login_mismatch") return RejectSenderLoginMismatch(true, false, false);
  if (name == "reject_known_sender_login_mismatch") return RejectSenderLoginMismatch(true, false, true);
  if (name == "reject_unauthenticated_sender_login_mismatch") return RejectSenderLoginMismatch(false, true, false);
  // The loader lets nothing else through; a rule from a table value may still be nonsense.
  Note("warning", "unknown smtpd restriction: \"" + EscapeForLog(name, 100) + "\"");
  verdict_.reply = ConfigurationError();
  return Outcome::kReject;
}

Outcome Evaluation::Reject(int code, std::string_view enhanced, std::string text) {
  Reply reply{code, std::string(enhanced), std::move(text)};
  if (!reply.enhanced.empty() && code / 100 != reply.enhanced[0] - '0')
    reply.enhanced[0] = static_cast<char>('0' + code / 100);
  if (warn_only_) {
    Note("reject_warning", OneLine(reply));
    return Outcome::kDunno;
  }
  // Deviation: a client that may be a user, but there was nobody to ask, is not refused for good; Postfix does so where
  // another rule that permits (permit_mx_backup) can't be judged.
  if ((defer_if_reject_ || facts_.login_is_undecided) && reply.code >= 500) {
    reply.code -= 100;
    if (!reply.enhanced.empty()) reply.enhanced[0] = '4';
  }
  verdict_.reply = std::move(reply);
  return Outcome::kReject;
}

Outcome Evaluation::RejectNamed(int code, std::string_view enhanced, std::string_view text) {
  return Reject(code, enhanced, NameOfReply() + ": " + std::string(ClassOfReply()) + " rejected: " + std::string(text));
}

void Evaluation::Note(std::string_view kind, std::string text) {
  verdict_.notes.emplace_back(kind, EscapeForLog(text));
}

std::string_view Evaluation::ClassOfReply() const {
  if (!class_override_.empty()) return class_override_;
  switch (list_) {
    case List::kClient:
      return kClientClass;
    case List::kHelo:
      return kHeloClass;
    case List::kSender:
      return kSenderClass;
    case List::kRelay:
    case List::kRecipient:
      return kRecipientClass;
    case List::kData:
      return "Data command";
    case List::kEndOfData:
      return "End-of-data";
    case List::kEtrn:
      return "Etrn command";
  }
  return kClientClass;
}

std::string Evaluation::NameOfReply() const {
  if (!name_override_.empty()) return "<" + name_override_ + ">";
  switch (list_) {
    case List::kClient:
      return "<" + std::string(facts_.name()) + "[" + facts_.client.ToString() + "]>";
    case List::kHelo:
      return "<" + std::string(facts_.helo) + ">";
    case List::kSender:
      return "<" + (facts_.null_sender ? "" : facts_.sender.Key()) + ">";
    case List::kRelay:
    case List::kRecipient:
      return "<" + facts_.recipient.Key() + ">";
    case List::kData:
      return "<DATA>";
    case List::kEndOfData:
      return "<END-OF-MESSAGE>";
    case List::kEtrn:
      return "<" + std::string(facts_.etrn_domain) + ">";
  }
  return "<>";
}

}  // namespace postern::smtp
