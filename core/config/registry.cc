#include "core/config/registry.h"

#include <algorithm>

#include "core/config/registry_tables.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr std::string_view kTransportEndings[] = {
    "_delivery_slot_cost",
    "_delivery_slot_discount",
    "_delivery_slot_loan",
    "_delivery_status_filter",
    "_destination_concurrency_failed_cohort_limit",
    "_destination_concurrency_limit",
    "_destination_concurrency_negative_feedback",
    "_destination_concurrency_positive_feedback",
    "_destination_rate_delay",
    "_destination_recipient_limit",
    "_extra_recipient_limit",
    "_initial_destination_concurrency",
    "_minimum_delivery_slots",
    "_recipient_limit",
    "_recipient_refill_delay",
    "_recipient_refill_limit",
    "_time_limit",
    "_transport_rate_delay",
};

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
  for (const auto& table : {PostfixParametersA(), PostfixParametersM(), PostfixParametersS()}) {
    if (const ParameterFacts* facts = FindIn(table, name)) return facts;
  }
  return nullptr;
}

std::vector<const ParameterFacts*> AllPostfixParameters() {
  std::vector<const ParameterFacts*> all;
  for (const auto& table : {PostfixParametersA(), PostfixParametersM(), PostfixParametersS()}) {
    for (const ParameterFacts& facts : table) all.push_back(&facts);
  }
  return all;
}

bool IsRawParameter(std::string_view name) {
  static constexpr std::string_view kRaw[] = {"default_rbl_reply", "forward_path", "luser_relay", "mailbox_command",
                                              "postscreen_expansion_filter", "postscreen_reject_footer",
                                              "smtpd_expansion_filter", "smtpd_reject_footer"};
  return std::find(std::begin(kRaw), std::end(kRaw), name) != std::end(kRaw);
}

std::string_view TransportOfParameter(std::string_view name) {
  std::string_view transport;
  for (const std::string_view ending : kTransportEndings) {
    if (name.size() <= ending.size() || !name.ends_with(ending)) continue;
    const std::string_view front = name.substr(0, name.size() - ending.size());
    if (transport.empty() || front.size() < transport.size()) transport = front;  // the longest ending
  }
  return transport;
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
  return NearestIn({PostfixParametersA(), PostfixParametersM(), PostfixParametersS()}, name);
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
