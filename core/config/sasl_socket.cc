#include "core/config/sasl_socket.h"

#include <algorithm>
#include <map>
#include <memory>

#include "core/base/ascii.h"
#include "core/config/postfix_services.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// "host:port", "[address]:port"; without a host: this one (inet_connect(3) of Postfix).
std::optional<SaslSocket> ParseInetSocket(const PostfixParameters& p, std::string_view text, SaslSocket socket) {
  const Place place = p.PlaceOf("smtpd_sasl_path");
  const size_t colon = text.rfind(':');
  std::string_view host = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  const std::string_view port_text = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "localhost";
  const uint16_t port = PortOf(p, port_text, place);
  if (port == 0) return std::nullopt;
  std::vector<IpAddress> addresses;
  if (const auto address = IpAddress::Parse(host)) {
    addresses = {*address};
  } else {
    addresses = p.source().files->HostAddresses(host);
  }
  if (addresses.empty() && EqualsIgnoringCase(host, "localhost")) {
    addresses = {*IpAddress::Parse("127.0.0.1"), *IpAddress::Parse("::1")};
  }
  if (addresses.empty()) {
    p.findings().Error("sasl-path-unknown-host", place,
                       "\"" + std::string(host) + "\" in smtpd_sasl_path has no address: nobody could log in",
                       "write the address of the host whose Dovecot is to be asked");
    return std::nullopt;
  }
  for (const IpAddress& address : addresses) socket.endpoints.push_back({address, port});
  return socket;
}

bool IsOwn(const SaslSocket& socket, const Listener& listener, uint16_t port_offset, FileSource& files) {
  if (listener.protocol != Protocol::kAuth) return false;
  if (listener.is_unix()) return listener.path == socket.path;
  const std::vector<IpAddress> interfaces = files.InterfaceAddresses();
  const IpAddress& here = listener.endpoint.address;
  const bool here_is_all = here == IpAddress{.v6 = here.v6};
  return std::any_of(socket.endpoints.begin(), socket.endpoints.end(), [&](const Endpoint& to) {
    if (static_cast<uint16_t>(to.port + port_offset) != listener.endpoint.port) return false;
    if (to.address == here) return true;
    const bool is_of_host =
        to.address.IsLoopback() || std::find(interfaces.begin(), interfaces.end(), to.address) != interfaces.end();
    return here_is_all && is_of_host && to.address.v6 == here.v6;
  });
}

}  // namespace

std::optional<SaslSocket> ParseSaslSocket(const PostfixParameters& p) {
  SaslSocket socket{.name = p.Text("smtpd_sasl_path")};
  std::string_view text = socket.name;
  if (text.starts_with("inet:")) return ParseInetSocket(p, socket.name.substr(5), socket);
  if (text.starts_with("unix:")) text.remove_prefix(5);
  socket.path = NormalizePath(JoinPath(p.Text("queue_directory"), text));
  return socket;
}

void KeepForeignSaslSockets(HostConfiguration* host) {
  std::vector<Listener>& listeners = host->config->listeners;
  std::map<const SmtpService*, std::shared_ptr<const SmtpService>> without_socket;
  for (Listener& smtp : listeners) {
    if (smtp.protocol != Protocol::kSmtp || smtp.smtp == nullptr || !smtp.smtp->sasl_socket) continue;
    const bool is_own = std::any_of(listeners.begin(), listeners.end(), [&](const Listener& listener) {
      return IsOwn(*smtp.smtp->sasl_socket, listener, host->options.port_offset, host->files());
    });
    if (!is_own) continue;
    auto& changed = without_socket[smtp.smtp.get()];
    if (changed == nullptr) {
      auto service = std::make_shared<SmtpService>(*smtp.smtp);
      service->sasl_socket.reset();
      changed = std::move(service);
    }
    smtp.smtp = changed;
  }
}

std::vector<std::string> DescribeLogins(const Config& config) {
  std::vector<std::string> sentences;
  for (const Listener& listener : config.listeners) {
    if (listener.protocol != Protocol::kSmtp || listener.smtp == nullptr || !listener.smtp->sasl_auth_enable) continue;
    const SmtpService& service = *listener.smtp;
    std::string sentence = "logins of service " + service.service_name + " are checked ";
    if (!service.sasl_socket) {
      sentence += "here, against the passdbs of dovecot.conf, since smtpd_sasl_path (" + service.sasl_path +
                  ") is a socket of its own service auth";
    } else {
      sentence += "by the Dovecot that listens at " +
                  (service.sasl_socket->path.empty() ? service.sasl_path : service.sasl_socket->path) +
                  " (smtpd_sasl_path), since no service auth here makes that socket";
    }
    if (std::find(sentences.begin(), sentences.end(), sentence) == sentences.end()) sentences.push_back(sentence);
  }
  return sentences;
}

}  // namespace postern::config
