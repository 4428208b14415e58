#include "core/config/registry.h"

#include <algorithm>

#include "core/config/registry_tables.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

using Type = ParameterType;
using Effect = SettingEffect;

// clang-format off
constexpr ParameterFacts kTransportParameters[] = {
    {"TRANSPORT_delivery_slot_cost", "$default_delivery_slot_cost", Type::kNumber, '\0', Effect::kHonoured,
     "deliveries of a mailing for which one small message may overtake it"},
    {"TRANSPORT_delivery_slot_discount", "$default_delivery_slot_discount", Type::kNumber, '\0', Effect::kHonoured,
     "percent of delivery_slot_cost that may be owed"},
    {"TRANSPORT_delivery_slot_loan", "$default_delivery_slot_loan", Type::kNumber, '\0', Effect::kHonoured,
     "overtakings that may be owed"},
    {"TRANSPORT_delivery_status_filter", "$default_delivery_status_filter", Type::kTables, '\0', Effect::kChangesMail,
     "a table that turns bounces into delays and back"},
    {"TRANSPORT_destination_concurrency_failed_cohort_limit", "$default_destination_concurrency_failed_cohort_limit",
     Type::kNumber, '\0', Effect::kHonoured, "failed pseudo-cohorts until a destination is dead; 0: never"},
    {"TRANSPORT_destination_concurrency_limit", "$default_destination_concurrency_limit", Type::kNumber, '\0',
     Effect::kHonoured, "deliveries to one destination at a time"},
    {"TRANSPORT_destination_concurrency_negative_feedback", "$default_destination_concurrency_negative_feedback",
     Type::kText, '\0', Effect::kHonoured, "how much a failure narrows the window of a destination"},
    {"TRANSPORT_destination_concurrency_positive_feedback", "$default_destination_concurrency_positive_feedback",
     Type::kText, '\0', Effect::kHonoured, "how much a success widens the window of a destination"},
    {"TRANSPORT_destination_rate_delay", "$default_destination_rate_delay", Type::kTime, 's', Effect::kHonoured,
     "pause between deliveries to one destination"},
    {"TRANSPORT_destination_recipient_limit", "$default_destination_recipient_limit", Type::kNumber, '\0',
     Effect::kHonoured, "recipients of one delivery"},
    {"TRANSPORT_extra_recipient_limit", "$default_extra_recipient_limit", Type::kNumber, '\0', Effect::kNoEffect,
     "qmgr_message_recipient_limit bounds the recipients in memory, of all transports together"},
    {"TRANSPORT_initial_destination_concurrency", "$initial_destination_concurrency", Type::kNumber, '\0',
     Effect::kHonoured, "deliveries to a destination of which nothing is known yet"},
    {"TRANSPORT_minimum_delivery_slots", "$default_minimum_delivery_slots", Type::kNumber, '\0', Effect::kHonoured,
     "times delivery_slot_cost: from so many deliveries on a message is a mailing"},
    {"TRANSPORT_recipient_limit", "$default_recipient_limit", Type::kNumber, '\0', Effect::kNoEffect,
     "qmgr_message_recipient_limit bounds the recipients in memory, of all transports together"},
    {"TRANSPORT_recipient_refill_delay", "$default_recipient_refill_delay", Type::kTime, 's', Effect::kNoEffect,
     "recipients are read as soon as there is room for them"},
    {"TRANSPORT_recipient_refill_limit", "$default_recipient_refill_limit", Type::kNumber, '\0', Effect::kNoEffect,
     "default_recipient_refill_limit holds for all transports"},
    {"TRANSPORT_time_limit", "$command_time_limit", Type::kTime, 's', Effect::kNoEffect,
     "of pipe(8), which is not here: mail for such a transport waits"},
    {"TRANSPORT_transport_rate_delay", "$default_transport_rate_delay", Type::kTime, 's', Effect::kHarmless,
     "pause between deliveries of the whole transport; destination_rate_delay is there"},
};

constexpr ParameterFacts kOwnParameters[] = {
    {"postern_records_size", "67108864", Type::kNumber, '\0', Effect::kHonoured,
     "bytes of disk for the records that `postern trace` reads, the oldest go first; 0: none are kept"},
};
// clang-format on

std::string_view EndingOf(const ParameterFacts& facts) { return facts.name.substr(facts.name.find('_')); }

// Those of the transports that every master.cf has, each under a name of its own. local(8) has two defaults of its own.
struct NamedTransports {
  std::vector<std::string> names;
  std::vector<ParameterFacts> facts;

  NamedTransports() {
    static constexpr std::string_view kTransports[] = {"error", "lmtp", "local", "relay", "retry", "smtp", "virtual"};
    names.reserve(std::size(kTransports) * std::size(kTransportParameters));  // facts point into it
    for (const std::string_view transport : kTransports) {
      for (const ParameterFacts& general : kTransportParameters) {
        const std::string_view ending = EndingOf(general);
        const bool delivers = transport != "error" && transport != "retry" && transport != "relay";
        if (ending == "_time_limit" || (ending == "_delivery_status_filter" && !delivers)) continue;
        names.push_back(std::string(transport) + std::string(ending));
        ParameterFacts own = general;
        own.name = names.back();
        if (own.name == "local_destination_concurrency_limit") own.default_value = "2";
        if (own.name == "local_destination_recipient_limit") own.default_value = "1";
        facts.push_back(own);
      }
    }
  }
};
const NamedTransports& TheNamedTransports() {
  static const NamedTransports named;
  return named;
}

using Argument = RestrictionFacts::Argument;

// clang-format off
constexpr RestrictionFacts kRestrictions[] = {
    {"check_ccert_access", Argument::kTable, false, ""},
    {"check_client_a_access", Argument::kTable, false, ""},
    {"check_client_access", Argument::kTable, true, ""},
    {"check_client_mx_access", Argument::kTable, false, ""},
    {"check_client_ns_access", Argument::kTable, false, ""},
    {"check_etrn_access", Argument::kTable, true, ""},
    {"check_helo_a_access", Argument::kTable, false, ""},
    {"check_helo_access", Argument::kTable, true, ""},
    {"check_helo_mx_access", Argument::kTable, false, ""},
    {"check_helo_ns_access", Argument::kTable, false, ""},
    {"check_policy_service", Argument::kText, false, ""},
    {"check_recipient_a_access", Argument::kTable, false, ""},
    {"check_recipient_access", Argument::kTable, true, ""},
    {"check_recipient_maps", Argument::kNone, true, "reject_unlisted_recipient"},
    {"check_recipient_mx_access", Argument::kTable, false, ""},
    {"check_recipient_ns_access", Argument::kTable, false, ""},
    {"check_relay_domains", Argument::kNone, true, "reject_unauth_destination"},
    {"check_reverse_client_hostname_a_access", Argument::kTable, false, ""},
    {"check_reverse_client_hostname_access", Argument::kTable, true, ""},
    {"check_reverse_client_hostname_mx_access", Argument::kTable, false, ""},
    {"check_reverse_client_hostname_ns_access", Argument::kTable, false, ""},
    {"check_sasl_access", Argument::kTable, true, ""},
    {"check_sender_a_access", Argument::kTable, false, ""},
    {"check_sender_access", Argument::kTable, true, ""},
    {"check_sender_mx_access", Argument::kTable, false, ""},
    {"check_sender_ns_access", Argument::kTable, false, ""},
    {"defer", Argument::kNone, true, ""},
    {"defer_if_permit", Argument::kNone, true, ""},
    {"defer_if_reject", Argument::kNone, true, ""},
    {"defer_unauth_destination", Argument::kNone, true, ""},
    {"permit", Argument::kNone, true, ""},
    {"permit_auth_destination", Argument::kNone, true, ""},
    {"permit_dnswl_client", Argument::kText, false, ""},
    {"permit_inet_interfaces", Argument::kNone, true, ""},
    {"permit_mx_backup", Argument::kNone, false, ""},
    {"permit_mynetworks", Argument::kNone, true, ""},
    {"permit_naked_ip_address", Argument::kNone, false, ""},
    {"permit_rhswl_client", Argument::kText, false, ""},
    {"permit_sasl_authenticated", Argument::kNone, true, ""},
    {"permit_tls_all_clientcerts", Argument::kNone, false, ""},
    {"permit_tls_clientcerts", Argument::kNone, false, ""},
    {"reject", Argument::kNone, true, ""},
    {"reject_authenticated_sender_login_mismatch", Argument::kNone, true, ""},
    {"reject_invalid_helo_hostname", Argument::kNone, true, ""},
    {"reject_invalid_hostname", Argument::kNone, true, "reject_invalid_helo_hostname"},
    {"reject_known_sender_login_mismatch", Argument::kNone, true, ""},
    {"reject_maps_rbl", Argument::kNone, false, ""},
    {"reject_multi_recipient_bounce", Argument::kNone, true, ""},
    {"reject_non_fqdn_helo_hostname", Argument::kNone, true, ""},
    {"reject_non_fqdn_hostname", Argument::kNone, true, "reject_non_fqdn_helo_hostname"},
    {"reject_non_fqdn_recipient", Argument::kNone, true, ""},
    {"reject_non_fqdn_sender", Argument::kNone, true, ""},
    {"reject_plaintext_session", Argument::kNone, true, ""},
    {"reject_rbl", Argument::kText, false, "reject_rbl_client"},
    {"reject_rbl_client", Argument::kText, false, ""},
    {"reject_rhsbl_client", Argument::kText, false, ""},
    {"reject_rhsbl_helo", Argument::kText, false, ""},
    {"reject_rhsbl_recipient", Argument::kText, false, ""},
    {"reject_rhsbl_reverse_client", Argument::kText, false, ""},
    {"reject_rhsbl_sender", Argument::kText, false, ""},
    {"reject_sender_login_mismatch", Argument::kNone, true, ""},
    {"reject_unauth_destination", Argument::kNone, true, ""},
    {"reject_unauth_pipelining", Argument::kNone, true, ""},
    {"reject_unauthenticated_sender_login_mismatch", Argument::kNone, true, ""},
    {"reject_unknown_address", Argument::kNone, false, "reject_unknown_sender_domain"},
    {"reject_unknown_client", Argument::kNone, true, "reject_unknown_client_hostname"},
    {"reject_unknown_client_hostname", Argument::kNone, true, ""},
    {"reject_unknown_forward_client_hostname", Argument::kNone, false, ""},
    {"reject_unknown_helo_hostname", Argument::kNone, false, ""},
    {"reject_unknown_hostname", Argument::kNone, false, "reject_unknown_helo_hostname"},
    {"reject_unknown_recipient_domain", Argument::kNone, false, ""},
    {"reject_unknown_reverse_client_hostname", Argument::kNone, true, ""},
    {"reject_unknown_sender_domain", Argument::kNone, false, ""},
    {"reject_unlisted_recipient", Argument::kNone, true, ""},
    {"reject_unlisted_sender", Argument::kNone, true, ""},
    {"reject_unverified_recipient", Argument::kNone, false, ""},
    {"reject_unverified_sender", Argument::kNone, false, ""},
    {"sleep", Argument::kText, false, ""},
    {"warn_if_reject", Argument::kNone, true, ""},
};
// clang-format on

const ParameterFacts* FindIn(std::span<const ParameterFacts> table, std::string_view name) {
  const auto at =
      std::lower_bound(table.begin(), table.end(), name,
                       [](const ParameterFacts& facts, std::string_view wanted) { return facts.name < wanted; });
  return at != table.end() && at->name == name ? &*at : nullptr;
}

std::string_view NearestIn(std::initializer_list<std::span<const ParameterFacts>> tables, std::string_view name) {
  std::string_view nearest;
  uint32_t best = 3;
  for (const auto& table : tables) {
    for (const ParameterFacts& facts : table) {
      const uint32_t distance = EditDistance(facts.name, name, 2);
      if (distance < best) {
        best = distance;
        nearest = facts.name;
      }
    }
  }
  return nearest;
}

}  // namespace

const ParameterFacts* FindPostfixParameter(std::string_view name) {
  for (const auto& table : {PostfixParametersA(), PostfixParametersM(), PostfixParametersS(), OwnParameters()}) {
    if (const ParameterFacts* facts = FindIn(table, name)) return facts;
  }
  return FindIn(TheNamedTransports().facts, name);
}

std::vector<const ParameterFacts*> AllPostfixParameters() {
  std::vector<const ParameterFacts*> all;
  for (const auto& table : {PostfixParametersA(), PostfixParametersM(), PostfixParametersS()}) {
    for (const ParameterFacts& facts : table) all.push_back(&facts);
  }
  for (const ParameterFacts& facts : TheNamedTransports().facts) all.push_back(&facts);
  std::sort(all.begin(), all.end(), [](const ParameterFacts* a, const ParameterFacts* b) { return a->name < b->name; });
  return all;
}

bool IsRawParameter(std::string_view name) {
  static constexpr std::string_view kRaw[] = {"default_rbl_reply",
                                              "forward_path",
                                              "luser_relay",
                                              "mailbox_command",
                                              "postscreen_expansion_filter",
                                              "postscreen_reject_footer",
                                              "smtpd_expansion_filter",
                                              "smtpd_reject_footer"};
  return std::find(std::begin(kRaw), std::end(kRaw), name) != std::end(kRaw);
}

const ParameterFacts* FindTransportParameter(std::string_view name) {
  const ParameterFacts* found = nullptr;
  for (const ParameterFacts& facts : kTransportParameters) {
    const std::string_view ending = EndingOf(facts);
    if (name.size() <= ending.size() || !name.ends_with(ending)) continue;
    if (found == nullptr || ending.size() > EndingOf(*found).size()) found = &facts;
  }
  return found;
}

std::span<const ParameterFacts> OwnParameters() { return kOwnParameters; }

std::span<const ParameterFacts> TransportParameters() { return kTransportParameters; }

std::string_view TransportOfParameter(std::string_view name) {
  const ParameterFacts* facts = FindTransportParameter(name);
  return facts == nullptr ? std::string_view() : name.substr(0, name.size() - EndingOf(*facts).size());
}

const ParameterFacts* FindDovecotSetting(std::string_view key) { return FindIn(DovecotSettingsTable(), key); }

bool KnowsDovecotKey(std::string_view section_type, std::string_view key) {
  for (const SectionKeys& section : DovecotSectionsTable()) {
    if (section.type != section_type) continue;
    for (const std::string& known : SplitWords(section.keys)) {
      if (known == key) return true;
    }
    return false;
  }
  return true;
}

std::string_view DovecotDefault(std::string_view key) {
  const ParameterFacts* facts = FindDovecotSetting(key);
  return facts == nullptr ? std::string_view() : facts->default_value;
}

std::string_view NearestPostfixParameter(std::string_view name) {
  return NearestIn({PostfixParametersA(), PostfixParametersM(), PostfixParametersS(), TheNamedTransports().facts},
                   name);
}

std::string_view NearestDovecotSetting(std::string_view key) { return NearestIn({DovecotSettingsTable()}, key); }

std::span<const RestrictionFacts> AllRestrictions() { return kRestrictions; }

const RestrictionFacts* FindRestriction(std::string_view name) {
  for (const RestrictionFacts& facts : kRestrictions) {
    if (facts.name == name) return &facts;
  }
  return nullptr;
}

}  // namespace postern::config
