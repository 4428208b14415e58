// check_*_access: tables of access(5), what they are asked and what their values mean.
//
//   a client    its host name, its parent domains, its address, the networks the address is in (192.0.2, 192.0 ...)
//   a name      it, its parent domains (without a leading dot: smtpd_access_maps is in
//   parent_domain_matches_subdomains) an address  user+extension@domain, user@domain, the domain and its parents,
//   user+extension@, user@; "<>" for none
// Pattern tables are asked whole names and addresses only.
#include "core/base/ascii.h"
#include "core/boundary/log_event.h"
#include "core/routing/aliases.h"
#include "core/routing/lookup.h"
#include "core/smtp/command.h"
#include "core/smtp/evaluation.h"

namespace postern::smtp {
namespace {

constexpr std::string_view kNullAddressKey = "<>";  // smtpd_null_access_lookup_key

std::string_view TrimLeft(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

bool IsDigits(std::string_view text) {
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return !text.empty();
}

// "5.7.1 " in front of a text: taken off it. Only where its class fits the code.
std::string TakeEnhanced(std::string_view* text, char first_digit) {
  const size_t end = text->find(' ');
  const std::string_view word = text->substr(0, end);
  int dots = 0;
  for (const char c : word) {
    if (c == '.')
      ++dots;
    else if (c < '0' || c > '9')
      return {};
  }
  if (dots != 2 || word.size() < 5 || word.size() > 9 || word[0] != first_digit || word[1] != '.' || word.back() == '.')
    return {};
  *text = end == std::string_view::npos ? std::string_view() : TrimLeft(text->substr(end));
  return std::string(word);
}

}  // namespace

Outcome Evaluation::CheckAccess(const config::Restriction& restriction, int depth) {
  if (restriction.table == nullptr) {
    Note("warning", restriction.name + " without a table");
    verdict_.reply = ConfigurationError();
    return Outcome::kReject;
  }
  const config::Table& table = *restriction.table;
  const std::string_view name = restriction.name;
  if (name == "check_client_access") {
    const NameScope scope(this, std::string(facts_.name()) + "[" + facts_.client.ToString() + "]", kClientClass);
    return CheckClientAccess(table, facts_.name(), depth);
  }
  if (name == "check_reverse_client_hostname_access") {
    if (facts_.client_name == nullptr) return Outcome::kNeed;
    const std::string reverse = facts_.client_name->reverse.empty() ? "unknown" : facts_.client_name->reverse;
    const NameScope scope(this, reverse, "Unverified Client host");
    return CheckClientAccess(table, reverse, depth);
  }
  if (name == "check_helo_access") {
    if (facts_.helo.empty()) return Outcome::kDunno;
    const NameScope scope(this, std::string(facts_.helo), kHeloClass);
    return CheckDomainAccess(table, facts_.helo, depth);
  }
  if (name == "check_sender_access") {
    if (!facts_.has_sender) return Outcome::kDunno;
    const NameScope scope(this, facts_.null_sender ? "" : facts_.sender.Key(), kSenderClass);
    return CheckAddressAccess(table, facts_.sender_rewritten, facts_.null_sender, depth);
  }
  if (name == "check_recipient_access") {
    if (!facts_.has_recipient) return Outcome::kDunno;
    const NameScope scope(this, facts_.recipient.Key(), kRecipientClass);
    return CheckAddressAccess(table, facts_.recipient_rewritten, false, depth);
  }
  if (name == "check_etrn_access") {
    if (facts_.etrn_domain.empty()) return Outcome::kDunno;
    const NameScope scope(this, std::string(facts_.etrn_domain), "Etrn command");
    return CheckDomainAccess(table, facts_.etrn_domain, depth);
  }
  if (name == "check_sasl_access") {
    if (facts_.sasl_user.empty()) return Outcome::kDunno;
    const NameScope scope(this, std::string(facts_.sasl_user), "SASL login name");
    if (const auto value = table.Find(facts_.sasl_user)) return TableResult(table, *value, facts_.sasl_user, depth);
    return Outcome::kDunno;
  }
  Note("warning", "unknown smtpd restriction: \"" + restriction.name + "\"");
  verdict_.reply = ConfigurationError();
  return Outcome::kReject;
}

Outcome Evaluation::CheckClientAccess(const config::Table& table, std::string_view name, int depth) {
  if (name != "unknown") {
    if (const Outcome outcome = CheckDomainAccess(table, name, depth); outcome != Outcome::kDunno) return outcome;
  }
  const std::string address = facts_.client.ToString();
  std::string_view key = address;
  const char separator = facts_.client.v6 ? ':' : '.';
  for (;;) {
    if (const auto value = table.Find(key)) return TableResult(table, *value, key, depth);
    const size_t cut = key.rfind(separator);
    if (table.is_pattern_table() || cut == std::string_view::npos || cut == 0) return Outcome::kDunno;
    key = key.substr(0, cut);
    while (!key.empty() && key.back() == separator) key.remove_suffix(1);
  }
}

Outcome Evaluation::CheckDomainAccess(const config::Table& table, std::string_view domain, int depth) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  for (;;) {
    if (domain.empty()) return Outcome::kDunno;
    if (const auto value = table.Find(domain)) return TableResult(table, *value, domain, depth);
    const size_t dot = domain.find('.');
    if (table.is_pattern_table() || dot == std::string_view::npos || domain.front() == '[') return Outcome::kDunno;
    domain.remove_prefix(dot + 1);
  }
}

Outcome Evaluation::CheckAddressAccess(const config::Table& table, const routing::Mailbox& mailbox, bool null_address,
                                       int depth) {
  if (null_address) {
    const auto value = table.Find(kNullAddressKey);
    return value ? TableResult(table, *value, kNullAddressKey, depth) : Outcome::kDunno;
  }
  const std::string key = mailbox.Key();
  if (const auto value = table.Find(key)) return TableResult(table, *value, key, depth);
  if (table.is_pattern_table()) return Outcome::kDunno;
  const size_t extension = routing::ExtensionStart(mailbox.local, facts_.routing->recipient_delimiter);
  const std::string user = mailbox.local.substr(0, extension);
  if (extension != std::string::npos) {
    const std::string shorter = user + "@" + mailbox.domain;
    if (const auto value = table.Find(shorter)) return TableResult(table, *value, shorter, depth);
  }
  if (const Outcome outcome = CheckDomainAccess(table, mailbox.domain, depth); outcome != Outcome::kDunno)
    return outcome;
  if (const auto value = table.Find(mailbox.local + "@")) return TableResult(table, *value, mailbox.local, depth);
  if (extension != std::string::npos) {
    if (const auto value = table.Find(user + "@")) return TableResult(table, *value, user, depth);
  }
  return Outcome::kDunno;
}

// access(5), the right-hand side.
Outcome Evaluation::TableResult(const config::Table& table, std::string_view value, std::string_view key, int depth) {
  std::string_view rest = value;
  const std::string_view word = TakeWord(&rest);
  const std::string_view text = TrimLeft(rest);
  const auto is = [&word](std::string_view other) { return EqualsIgnoringCase(word, other); };
  const auto note_action = [&](std::string_view kind, std::string_view what) {
    Note(kind, NameOfReply() + ": " + std::string(ClassOfReply()) + " " + std::string(what));
  };
  if (word.size() == 3 && IsDigits(word) && (word[0] == '4' || word[0] == '5')) {
    return TableReject(text, (word[0] - '0') * 100 + (word[1] - '0') * 10 + (word[2] - '0'), word[0]);
  }
  if (is("REJECT")) return TableReject(text, facts_.service->access_map_reject_code, '5');
  if (is("DEFER")) return TableReject(text, facts_.service->defer_code, '4');
  if (is("DUNNO")) return Outcome::kDunno;
  if (is("OK") || is("RELAY") || IsDigits(word)) return Outcome::kPermit;
  if (is("DEFER_IF_REJECT")) {
    defer_if_reject_ = true;
    return Outcome::kDunno;
  }
  if (is("DEFER_IF_PERMIT")) {
    std::string_view shown = text;
    std::string enhanced = TakeEnhanced(&shown, '4');
    if (enhanced.empty()) enhanced = "4.7.1";
    if (shown.empty()) shown = "Service unavailable";
    if (!defer_if_permit_) {
      defer_if_permit_ =
          Reply{450, enhanced, NameOfReply() + ": " + std::string(ClassOfReply()) + " rejected: " + std::string(shown)};
    }
    return Outcome::kDunno;
  }
  if (is("WARN") || is("INFO")) {
    Note(is("WARN") ? "warn" : "info", std::string(text));
    return Outcome::kDunno;
  }
  if (is("HOLD")) {
    verdict_.actions.hold = true;
    note_action("hold", text.empty() ? "triggers HOLD action" : text);
    return Outcome::kDunno;
  }
  if (is("DISCARD")) {
    verdict_.actions.discard = true;
    note_action("discard", text.empty() ? "triggers DISCARD action" : text);
    return Outcome::kPermit;
  }
  if (is("PREPEND") && !text.empty()) {
    verdict_.actions.prepend.emplace_back(EscapeForLog(text));
    return Outcome::kDunno;
  }
  if (is("REDIRECT") || is("BCC")) {
    const auto address = routing::ParseMailbox(text);
    if (address && address->has_domain()) {
      if (is("BCC")) {
        verdict_.actions.bcc.emplace_back(text);
        note_action("bcc", "triggers BCC " + std::string(text));
      } else {
        verdict_.actions.redirect = text;
        note_action("redirect", "triggers REDIRECT " + std::string(text));
      }
      return Outcome::kDunno;
    }
  }
  // What else may stand there is a list of rules. FILTER has nobody yet to filter: it must not be skipped.
  config::Restrictions restrictions;
  for (const std::string_view name : routing::SplitAddresses(value)) {
    if (!SupportedRestriction(name) || name.starts_with("check_") || name == "warn_if_reject") {
      Note("warning", "access table " + table.name() + ": value \"" + std::string(value) + "\" for \"" +
                          std::string(key) + "\" is not usable");
      verdict_.reply = ConfigurationError();
      return Outcome::kReject;
    }
    restrictions.push_back({.name = std::string(name)});
  }
  return RunRestrictions(restrictions, depth + 1);
}

Outcome Evaluation::TableReject(std::string_view text, int code, char first_digit) {
  std::string enhanced = TakeEnhanced(&text, first_digit);
  if (enhanced.empty()) enhanced = std::string(1, first_digit) + ".7.1";
  return RejectNamed(code, enhanced, text.empty() ? "Access denied" : text);
}

}  // namespace postern::smtp
