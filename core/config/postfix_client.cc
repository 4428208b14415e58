#include "core/config/postfix_client.h"

#include <algorithm>
#include <array>

#include "core/base/ascii.h"
#include "core/config/postfix_lists.h"
#include "core/config/postfix_services.h"
#include "core/config/postfix_tls.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// Reads "smtp_NAME" or "lmtp_NAME".
class Client {
 public:
  Client(const PostfixParameters& p, ClientProtocol kind)
      : p_(p), prefix_(kind == ClientProtocol::kSmtp ? "smtp_" : "lmtp_") {}

  std::string Name(std::string_view name) const { return prefix_ + std::string(name); }
  std::string Text(std::string_view name) const { return p_.Text(Name(name)); }
  bool Bool(std::string_view name) const { return p_.Bool(Name(name)); }
  uint32_t Number(std::string_view name) const { return static_cast<uint32_t>(p_.Number(Name(name), UINT32_MAX)); }
  std::vector<std::string> List(std::string_view name) const { return p_.List(Name(name)); }
  TableList Tables(std::string_view name) const { return p_.Tables(Name(name)); }
  void BadValue(std::string_view name, std::string_view wanted) const {
    p_.findings().Error("postfix-bad-value", p_.PlaceOf(Name(name)),
                        Name(name) + " is \"" + Text(name) + "\": Postfix would not start",
                        "write " + std::string(wanted));
  }

 private:
  const PostfixParameters& p_;
  std::string prefix_;
};

// ":" parts patterns, too: "nexthop:dot-nexthop".
std::vector<std::string> MatchPatterns(const Client& client, std::string_view name) {
  std::string text = client.Text(name);
  std::replace(text.begin(), text.end(), ':', ' ');
  return SplitPostfixList(text);
}

void FillTls(const PostfixParameters& p, const Client& client, ClientProtocol kind, SmtpClient* out) {
  ClientTls& tls = out->tls;
  tls.policy_maps = client.Tables("tls_policy_maps");
  tls.ciphers = client.Text("tls_ciphers");
  tls.mandatory_ciphers = client.Text("tls_mandatory_ciphers");
  tls.protocols = client.Text("tls_protocols");
  tls.mandatory_protocols = client.Text("tls_mandatory_protocols");
  tls.exclude_ciphers = client.Text("tls_exclude_ciphers");
  tls.mandatory_exclude_ciphers = client.Text("tls_mandatory_exclude_ciphers");
  tls.verify_cert_match = MatchPatterns(client, "tls_verify_cert_match");
  tls.secure_cert_match = MatchPatterns(client, "tls_secure_cert_match");
  tls.fingerprint_cert_match = client.List("tls_fingerprint_cert_match");
  tls.fingerprint_digest = LowerCase(client.Text("tls_fingerprint_digest"));
  tls.servername = client.Text("tls_servername");
  tls.ca_file = client.Text("tls_CAfile");
  tls.ca_path = client.Text("tls_CApath");
  tls.certificate_file = client.Text("tls_cert_file");
  tls.key_file = client.Text("tls_key_file");
  tls.trust_anchor_files = client.List("tls_trust_anchor_file");
  tls.force_insecure_host_tlsa_lookup = client.Bool("tls_force_insecure_host_tlsa_lookup");
  tls.connection_reuse = client.Bool("tls_connection_reuse");
  tls.wrappermode = client.Bool("tls_wrappermode");
  if (kind == ClientProtocol::kSmtp) {
    const auto level = ParseClientTlsLevel(Trim(client.Text("tls_dane_insecure_mx_policy")));
    if (level == ClientTlsLevel::kMay || level == ClientTlsLevel::kEncrypt || level == ClientTlsLevel::kDane) {
      tls.dane_insecure_mx_policy = *level;
    } else {
      client.BadValue("tls_dane_insecure_mx_policy", "may, encrypt or dane");
    }
  }
  out->tls_level = ClientTlsLevelOf(p, client.Name(""));
}

void FillHostLookup(const PostfixParameters& p, const Client& client, SmtpClient* out) {
  const std::string support = LowerCase(client.Text("dns_support_level"));
  if (support == "dnssec") {
    out->dns_support = SmtpClient::DnsSupport::kDnssec;
  } else if (support == "disabled" || (support.empty() && p.Bool("disable_dns_lookups"))) {
    out->dns_support = SmtpClient::DnsSupport::kDisabled;
  } else if (!support.empty() && support != "enabled") {
    client.BadValue("dns_support_level", "enabled, disabled or dnssec");
  }
  out->lookup_dns = out->lookup_native = false;
  for (const std::string& word : client.List("host_lookup")) {
    if (EqualsIgnoringCase(word, "dns")) {
      out->lookup_dns = true;
    } else if (EqualsIgnoringCase(word, "native")) {
      out->lookup_native = true;
    } else {
      client.BadValue("host_lookup", "dns, native or both");
    }
  }
  if (out->dns_support == SmtpClient::DnsSupport::kDisabled) out->lookup_dns = false, out->lookup_native = true;
}

void FillHosts(const PostfixParameters& p, const Client& client, SmtpClient* out) {
  FillHostLookup(p, client, out);
  out->ignore_mx_lookup_error = p.Bool("ignore_mx_lookup_error");
  out->defer_if_no_mx_address_found = client.Bool("defer_if_no_mx_address_found");
  out->cname_overrides_servername = client.Bool("cname_overrides_servername");
  const std::vector<std::string> families = p.LowerList("inet_protocols");
  const auto has = [&families](std::string_view name) {
    return std::find(families.begin(), families.end(), name) != families.end();
  };
  out->ipv4 = has("all") || has("ipv4");
  out->ipv6 = has("all") || has("ipv6");
  const std::string preference = LowerCase(client.Text("address_preference"));
  if (preference == "ipv4") {
    out->address_preference = SmtpClient::AddressPreference::kIpv4;
  } else if (preference == "ipv6") {
    out->address_preference = SmtpClient::AddressPreference::kIpv6;
  } else if (preference != "any") {
    client.BadValue("address_preference", "any, ipv4 or ipv6");
  }
  out->balance_inet_protocols = client.Bool("balance_inet_protocols");
  out->randomize_addresses = client.Bool("randomize_addresses");
  out->mx_address_limit = client.Number("mx_address_limit");
  out->mx_session_limit = client.Number("mx_session_limit");
  out->fallback_relay = client.List("fallback_relay");
}

void FillDialogue(const PostfixParameters& p, const Client& client, ClientProtocol kind, SmtpClient* out) {
  const bool smtp = kind == ClientProtocol::kSmtp;
  if (smtp) {
    out->always_send_ehlo = client.Bool("always_send_ehlo");
    out->never_send_ehlo = client.Bool("never_send_ehlo");
  }
  out->skip_5xx_greeting = client.Bool("skip_5xx_greeting");
  out->skip_quit_response = client.Bool("skip_quit_response");
  out->pix_workarounds = p.LowerList(client.Name("pix_workarounds"));
  out->pix_workaround_maps = client.Tables("pix_workaround_maps");
  out->discard_ehlo_keywords = p.LowerList(client.Name(smtp ? "discard_ehlo_keywords" : "discard_lhlo_keywords"));
  out->discard_ehlo_keyword_address_maps =
      client.Tables(smtp ? "discard_ehlo_keyword_address_maps" : "discard_lhlo_keyword_address_maps");
  out->disable_mime_output_conversion = p.Bool("disable_mime_output_conversion");
  out->line_length_limit = client.Number("line_length_limit");
  out->mime_nesting_limit = static_cast<uint32_t>(p.Number("mime_nesting_limit", UINT32_MAX));
  out->per_request_deadline = client.Bool("per_request_deadline");
  out->connection_reuse_time_limit = p.Time(client.Name("connection_reuse_time_limit"));
  out->connection_reuse_count_limit = client.Number("connection_reuse_count_limit");
  const std::pair<std::string_view, Duration*> times[] = {{"connect_timeout", &out->timeouts.connect},
                                                          {smtp ? "helo_timeout" : "lhlo_timeout", &out->timeouts.helo},
                                                          {"starttls_timeout", &out->timeouts.starttls},
                                                          {"mail_timeout", &out->timeouts.mail},
                                                          {"rcpt_timeout", &out->timeouts.rcpt},
                                                          {"data_init_timeout", &out->timeouts.data_init},
                                                          {"data_xfer_timeout", &out->timeouts.data_xfer},
                                                          {"data_done_timeout", &out->timeouts.data_done},
                                                          {"rset_timeout", &out->timeouts.rset},
                                                          {"quit_timeout", &out->timeouts.quit},
                                                          {"connection_cache_time_limit", &out->timeouts.idle}};
  for (const auto& [name, time] : times) *time = p.Time(client.Name(name));
}

void FillSasl(const Client& client, ClientProtocol kind, ClientSasl* sasl) {
  sasl->enabled = client.Bool("sasl_auth_enable");
  // Where no login is made the table may be a left-over that nobody can read: not opened.
  if (sasl->enabled) sasl->password_maps = client.Tables("sasl_password_maps");
  if (kind == ClientProtocol::kSmtp) sasl->sender_dependent = client.Bool("sender_dependent_authentication");
  sasl->mechanism_filter = client.List("sasl_mechanism_filter");
  sasl->security_options = client.Text("sasl_security_options");
  sasl->tls_security_options = client.Text("sasl_tls_security_options");
  sasl->tls_verified_security_options = client.Text("sasl_tls_verified_security_options");
  sasl->auth_soft_bounce = client.Bool("sasl_auth_soft_bounce");
}

}  // namespace

SmtpClient BuildSmtpClient(const PostfixParameters& p, ClientProtocol kind) {
  const Client client(p, kind);
  SmtpClient out;
  out.helo_name = client.Text(kind == ClientProtocol::kSmtp ? "helo_name" : "lhlo_name");
  out.port = kind == ClientProtocol::kSmtp ? 25 : 24;
  if (const uint16_t port = PortOf(p, client.Text("tcp_port"), p.PlaceOf(client.Name("tcp_port")))) out.port = port;
  FillTls(p, client, kind, &out);
  FillHosts(p, client, &out);
  FillDialogue(p, client, kind, &out);
  FillSasl(client, kind, &out.sasl);
  if (kind == ClientProtocol::kSmtp) {
    out.best_mx_transport = p.Text("best_mx_transport");
    out.relayhost = p.Text("relayhost");
  }
  return out;
}

std::map<std::string, std::string, std::less<>> BuildTransports(const PostfixParameters& p) {
  static constexpr std::array<std::string_view, 6> kAgents = {"smtp", "lmtp", "error", "discard", "virtual", "local"};
  std::map<std::string, std::string, std::less<>> transports;
  for (const MasterService& service : p.source().master.services) {
    if (service.type != "unix") continue;
    if (std::find(kAgents.begin(), kAgents.end(), service.command) == kAgents.end()) continue;
    transports.emplace(service.name, service.command);
  }
  return transports;
}

}  // namespace postern::config
