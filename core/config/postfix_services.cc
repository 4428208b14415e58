#include "core/config/postfix_services.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/base/ascii.h"
#include "core/config/postfix_lists.h"
#include "core/config/postfix_local.h"
#include "core/config/postfix_tls.h"
#include "core/config/sasl_socket.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

void FillLimits(const PostfixParameters& p, SmtpService* service) {
  service->recipient_limit = static_cast<uint32_t>(p.Number("smtpd_recipient_limit", UINT32_MAX));
  service->recipient_overshoot_limit = static_cast<uint32_t>(p.Number("smtpd_recipient_overshoot_limit", UINT32_MAX));
  service->message_size_limit = p.Number("message_size_limit");
  service->header_size_limit = static_cast<uint32_t>(p.Number("header_size_limit", UINT32_MAX));
  service->line_length_limit = static_cast<uint32_t>(p.Number("line_length_limit", UINT32_MAX));
  service->hopcount_limit = static_cast<uint32_t>(p.Number("hopcount_limit", UINT32_MAX));
  service->soft_error_limit = static_cast<uint32_t>(p.Number("smtpd_soft_error_limit", UINT32_MAX));
  service->hard_error_limit = static_cast<uint32_t>(p.Number("smtpd_hard_error_limit", UINT32_MAX));
  service->junk_command_limit = static_cast<uint32_t>(p.Number("smtpd_junk_command_limit", UINT32_MAX));
  service->error_sleep_time = p.Time("smtpd_error_sleep_time");
  service->timeout = p.Time("smtpd_timeout");
  service->starttls_timeout = p.Time("smtpd_starttls_timeout");
  service->client_connection_count_limit =
      static_cast<uint32_t>(p.Number("smtpd_client_connection_count_limit", UINT32_MAX));
}

void FillReplyCodes(const PostfixParameters& p, SmtpService* service) {
  const std::pair<std::string_view, int*> codes[] = {
      {"access_map_reject_code", &service->access_map_reject_code},
      {"maps_rbl_reject_code", &service->maps_rbl_reject_code},
      {"relay_domains_reject_code", &service->relay_domains_reject_code},
      {"invalid_hostname_reject_code", &service->invalid_hostname_reject_code},
      {"non_fqdn_reject_code", &service->non_fqdn_reject_code},
      {"unknown_client_reject_code", &service->unknown_client_reject_code},
      {"unknown_hostname_reject_code", &service->unknown_hostname_reject_code},
      {"unknown_address_reject_code", &service->unknown_address_reject_code},
      {"reject_code", &service->reject_code},
      {"defer_code", &service->defer_code},
      {"plaintext_reject_code", &service->plaintext_reject_code},
      {"unknown_local_recipient_reject_code", &service->unknown_local_recipient_reject_code},
      {"unknown_relay_recipient_reject_code", &service->unknown_relay_recipient_reject_code},
      {"unknown_virtual_alias_reject_code", &service->unknown_virtual_alias_reject_code},
      {"unknown_virtual_mailbox_reject_code", &service->unknown_virtual_mailbox_reject_code},
      {"multi_recipient_bounce_reject_code", &service->multi_recipient_bounce_reject_code},
      {"unverified_sender_reject_code", &service->unverified_sender_reject_code},
      {"unverified_recipient_reject_code", &service->unverified_recipient_reject_code},
  };
  for (const auto& [name, code] : codes) *code = p.ReplyCode(name);
}

void FillRestrictions(const PostfixParameters& p, SmtpService* service) {
  service->client_restrictions = BuildRestrictions(p, "smtpd_client_restrictions");
  service->helo_restrictions = BuildRestrictions(p, "smtpd_helo_restrictions");
  service->sender_restrictions = BuildRestrictions(p, "smtpd_sender_restrictions");
  service->relay_restrictions = BuildRestrictions(p, "smtpd_relay_restrictions");
  service->recipient_restrictions = BuildRestrictions(p, "smtpd_recipient_restrictions");
  service->data_restrictions = BuildRestrictions(p, "smtpd_data_restrictions");
  service->end_of_data_restrictions = BuildRestrictions(p, "smtpd_end_of_data_restrictions");
  service->etrn_restrictions = BuildRestrictions(p, "smtpd_etrn_restrictions");
  service->relay_before_recipient_restrictions = p.Bool("smtpd_relay_before_recipient_restrictions");
}

void FillSasl(const PostfixParameters& p, SmtpService* service) {
  service->sasl_auth_enable = p.Bool("smtpd_sasl_auth_enable");
  service->broken_sasl_auth_clients = p.Bool("broken_sasl_auth_clients");
  service->sasl_authenticated_header = p.Bool("smtpd_sasl_authenticated_header");
  service->tls_received_header = p.Bool("smtpd_tls_received_header");
  service->sasl_security_options = p.LowerList("smtpd_sasl_security_options");
  service->sasl_tls_security_options = p.LowerList("smtpd_sasl_tls_security_options");
  service->sasl_exceptions_networks = BuildMatchList(p, "smtpd_sasl_exceptions_networks", ListKind::kClients);
  service->sasl_service = p.Text("smtpd_sasl_service");
  service->sasl_path = p.Text("smtpd_sasl_path");
  if (service->sasl_auth_enable) service->sasl_socket = ParseSaslSocket(p);  // sasl_socket.h: our own are taken away
  service->sender_login_maps = p.Tables("smtpd_sender_login_maps");
  service->local_header_clients = BuildLocalClients(p);
}

SmtpService::BareNewline BareNewlineOf(const PostfixParameters& p) {
  const std::string value = LowerCase(p.Text("smtpd_forbid_bare_newline"));
  if (value == "reject") return SmtpService::BareNewline::kReject;
  if (value != "no" && value != "yes" && value != "normalize" && value != "note") {
    p.findings().Error("postfix-bad-value", p.PlaceOf("smtpd_forbid_bare_newline"),
                       "smtpd_forbid_bare_newline is \"" + value + "\", which is none of its values",
                       "write normalize or reject");
  }
  return SmtpService::BareNewline::kNormalize;  // "no" as well: a bare newline never ends a message here
}

bool AllowsProtocol(const PostfixParameters& p, bool v6) {
  bool allowed = false;
  for (const std::string& word : p.LowerList("inet_protocols")) {
    if (word == "all" || word == (v6 ? "ipv6" : "ipv4")) allowed = true;
    if (word != "all" && word != "ipv6" && word != "ipv4") {
      p.findings().Error("postfix-bad-value", p.PlaceOf("inet_protocols"),
                         "inet_protocols contains \"" + word + "\": Postfix would not start",
                         "write all, ipv4 or ipv6");
    }
  }
  return allowed;
}

// The addresses of one word of inet_interfaces; nullopt for a name without an address.
std::optional<std::vector<IpAddress>> AddressesOf(const PostfixParameters& p, std::string_view word) {
  if (word.starts_with('[') && word.ends_with(']')) word = word.substr(1, word.size() - 2);
  if (const auto address = IpAddress::Parse(word)) return std::vector{*address};
  std::vector<IpAddress> addresses = p.source().files->HostAddresses(word);
  if (addresses.empty() && EqualsIgnoringCase(word, "localhost")) {
    addresses = {*IpAddress::Parse("127.0.0.1"), *IpAddress::Parse("::1")};
  }
  if (addresses.empty()) return std::nullopt;
  return addresses;
}

// "[host:]port", the host perhaps in brackets. An empty host: inet_interfaces decide.
void SplitServiceName(std::string_view name, std::string_view* host, std::string_view* port) {
  const size_t colon = name.rfind(':');
  *host = colon == std::string_view::npos ? std::string_view() : name.substr(0, colon);
  *port = colon == std::string_view::npos ? name : name.substr(colon + 1);
}

class ListenerBuilder {
 public:
  ListenerBuilder(PostfixSource* source, uint16_t port_offset, std::vector<Listener>* listeners)
      : source_(source), port_offset_(port_offset), listeners_(listeners) {}

  void AddService(const MasterService& service) {
    const PostfixParameters listening(source_, &service);
    const PostfixParameters values(source_, SmtpdOf(service));
    std::string_view host, port_text;
    SplitServiceName(service.name, &host, &port_text);
    const uint16_t port = PortOf(listening, port_text, service.place);
    if (port == 0) return;
    const auto smtp = std::make_shared<SmtpService>(BuildSmtpService(values));
    smtp->service_name = service.name;
    Listener listener{
        .protocol = Protocol::kSmtp, .implicit_tls = smtp->tls_wrappermode, .smtp = smtp, .name = service.name};
    if (smtp->tls_level != TlsLevel::kNone || smtp->tls_wrappermode) listener.tls = BuildSmtpTls(values, &contexts_);
    for (const IpAddress& address : Addresses(listening, host, service)) {
      listener.endpoint = {address, static_cast<uint16_t>(port + port_offset_)};
      listeners_->push_back(listener);
    }
  }

 private:
  // Behind postscreen stands the smtpd of type pass, with its own overrides.
  const MasterService* SmtpdOf(const MasterService& service) const {
    if (service.command != "postscreen") return &service;
    for (const MasterService& other : source_->master.services) {
      if (other.type == "pass" && other.command == "smtpd") return &other;
    }
    return &service;
  }

  static std::vector<IpAddress> Addresses(const PostfixParameters& p, std::string_view host,
                                          const MasterService& service) {
    if (host.empty()) return ListenAddresses(p);
    std::vector<IpAddress> allowed;
    const auto addresses = AddressesOf(p, host);
    if (!addresses) {
      p.findings().Error("master-cf-unknown-host", service.place,
                         "\"" + std::string(host) + "\" of service \"" + service.name + "\" has no address",
                         "write an address of this host");
      return allowed;
    }
    for (const IpAddress& address : *addresses) {
      if (addresses->size() == 1 || AllowsProtocol(p, address.v6)) allowed.push_back(address);
    }
    return allowed;
  }

  PostfixSource* source_;
  const uint16_t port_offset_;
  std::vector<Listener>* listeners_;
  TlsContextCache contexts_;
};

}  // namespace

SmtpService BuildSmtpService(const PostfixParameters& p) {
  SmtpService service;
  service.service_name = p.service() == nullptr ? "smtp" : p.service()->name;
  service.syslog_name = p.Text("syslog_name");
  service.banner = p.Text("smtpd_banner");
  service.helo_required = p.Bool("smtpd_helo_required");
  service.disable_vrfy = p.Bool("disable_vrfy_command");
  service.strict_rfc821_envelopes = p.Bool("strict_rfc821_envelopes");
  service.smtputf8 = p.Bool("smtputf8_enable");
  service.delay_reject = p.Bool("smtpd_delay_reject");
  service.reject_unlisted_recipient = p.Bool("smtpd_reject_unlisted_recipient");
  service.reject_unlisted_sender = p.Bool("smtpd_reject_unlisted_sender");
  service.discard_ehlo_keywords = p.LowerList("smtpd_discard_ehlo_keywords");
  service.tls_level = SmtpTlsLevel(p);
  service.tls_wrappermode = p.Bool("smtpd_tls_wrappermode");
  if (service.tls_wrappermode) service.tls_level = TlsLevel::kEncrypt;
  service.tls_auth_only = p.Bool("smtpd_tls_auth_only");
  service.forbid_bare_newline = BareNewlineOf(p);
  if (p.IsSet("smtpd_forbid_unauth_pipelining")) {
    service.forbid_unauth_pipelining = p.Bool("smtpd_forbid_unauth_pipelining");
  }
  for (const std::string& command : p.List("smtpd_forbidden_commands")) {
    // The pattern of the default list, regexp:{{/^[^A-Z]/ Bogus}}, is what sessions do on their own.
    if (command.find(':') == std::string::npos) service.forbidden_commands.push_back(UpperCase(command));
  }
  service.peername_lookup = p.Bool("smtpd_peername_lookup");
  FillSasl(p, &service);
  FillLimits(p, &service);
  FillReplyCodes(p, &service);
  FillRestrictions(p, &service);
  service.mynetworks = BuildMatchList(p, "mynetworks", ListKind::kClients);
  return service;
}

void AddSmtpListeners(PostfixSource* source, uint16_t port_offset, std::vector<Listener>* listeners) {
  ListenerBuilder builder(source, port_offset, listeners);
  for (const MasterService& service : source->master.services) {
    if (service.type != "inet") continue;
    if (service.command == "smtpd" || service.command == "postscreen") {
      builder.AddService(service);
    } else if (service.command == "qmqpd") {
      source->findings->Error("master-cf-service-unsupported", service.place,
                              "service \"" + service.name + "\" (" + service.command + ") is not supported",
                              "remove it, or put \"#\" before it");
    } else {
      source->findings->Notice("master-cf-service-unsupported", service.place,
                               "service \"" + service.name + "\" (" + service.command + ") will not be there",
                               "run it on its own where it is needed");
    }
  }
}

std::vector<IpAddress> ListenAddresses(const PostfixParameters& p) {
  const bool v4 = AllowsProtocol(p, false), v6 = AllowsProtocol(p, true);
  std::vector<IpAddress> addresses;
  const auto add = [&](const IpAddress& address) {
    if (!(address.v6 ? v6 : v4)) return;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  };
  for (const std::string& word : p.LowerList("inet_interfaces")) {
    if (word == "all") {
      add(*IpAddress::Parse("0.0.0.0"));
      add(*IpAddress::Parse("::"));
    } else if (word == "loopback-only") {
      add(*IpAddress::Parse("127.0.0.1"));
      add(*IpAddress::Parse("::1"));
    } else if (const auto found = AddressesOf(p, word)) {
      for (const IpAddress& address : *found) add(address);
    } else {
      p.findings().Error("postfix-unknown-interface", p.PlaceOf("inet_interfaces"),
                         "\"" + word + "\" in inet_interfaces has no address: Postfix would not start",
                         "write all, loopback-only, or addresses of this host");
    }
  }
  return addresses;
}

std::vector<IpAddress> OwnAddresses(const PostfixParameters& p) {
  std::vector<IpAddress> own;
  const auto add = [&own](const IpAddress& address) {
    if (std::find(own.begin(), own.end(), address) == own.end()) own.push_back(address);
  };
  for (const std::string& word : p.LowerList("inet_interfaces")) {
    if (word == "all") {
      for (const IpAddress& address : p.source().files->InterfaceAddresses()) add(address);
    } else if (word == "loopback-only") {
      add(*IpAddress::Parse("127.0.0.1"));
      add(*IpAddress::Parse("::1"));
    } else if (const auto found = AddressesOf(p, word)) {
      for (const IpAddress& address : *found) add(address);
    }
  }
  for (const std::string& word : p.LowerList("proxy_interfaces")) {
    if (const auto found = AddressesOf(p, word)) {
      for (const IpAddress& address : *found) add(address);
    }
  }
  std::erase_if(own, [&p](const IpAddress& address) { return !AllowsProtocol(p, address.v6); });
  return own;
}

uint16_t PortOf(const PostfixParameters& p, std::string_view text, const Place& place) {
  std::string wanted = LowerCase(text);
  // known_tcp_ports = smtp=25, smtps=submissions=465: names that need no /etc/services.
  for (const std::string& entry : p.LowerList("known_tcp_ports")) {
    const size_t equals = entry.rfind('=');
    if (equals == std::string::npos) continue;
    const std::string names = "=" + entry.substr(0, equals) + "=";
    if (names.find("=" + wanted + "=") != std::string::npos) wanted = entry.substr(equals + 1);
  }
  if (const auto number = ParseUnsigned(wanted); number && *number > 0 && *number <= UINT16_MAX) {
    return static_cast<uint16_t>(*number);
  }
  if (const uint16_t port = p.source().files->ServicePort(wanted)) return port;
  p.findings().Error("unknown-port", place, "\"" + std::string(text) + "\" is no port and no service of this host",
                     "write the port's number");
  return 0;
}

std::string DefaultMynetworks(const PostfixParameters& p) {
  const std::string style = LowerCase(p.Text("mynetworks_style"));
  const auto own = OwnAddresses(p);
  std::string text;
  const auto add = [&text](std::string network) { text += (text.empty() ? "" : ", ") + network; };
  if (style != "host" && style != "subnet" && style != "class") {
    p.findings().Error("postfix-mynetworks-style", p.PlaceOf("mynetworks_style"),
                       "mynetworks_style is \"" + style +
                           "\", which is none of its three values, and mynetworks is not set: "
                           "Postfix would not start",
                       "set mynetworks, or write host, subnet or class");
  } else if (style != "host") {
    p.findings().Notice("postfix-mynetworks-narrowed", p.PlaceOf("mynetworks_style"),
                        "mynetworks is not set and mynetworks_style is " + style +
                            ": only the host's own addresses are trusted, not its neighbours",
                        "set mynetworks to the networks you trust");
  }
  if (AllowsProtocol(p, false)) add("127.0.0.0/8");
  if (AllowsProtocol(p, true)) add("[::1]/128");
  for (const IpAddress& address : own) {
    if (address.IsLoopback()) continue;
    add(address.v6 ? "[" + address.ToString() + "]/128" : address.ToString() + "/32");
  }
  return text;
}

}  // namespace postern::config
