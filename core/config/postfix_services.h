// What listens for SMTP, and how: the inet services of master.cf with command smtpd, each in its own context.
#pragma once

#include <memory>
#include <vector>

#include "core/config/postfix_parameters.h"
#include "core/config/settings.h"

namespace postern::config {

// The typed values of one smtpd service.
SmtpService BuildSmtpService(const PostfixParameters& parameters);

// Appends a listener for every address of every smtpd service. `port_offset` is added to each port.
void AddSmtpListeners(PostfixSource* source, uint16_t port_offset, std::vector<Listener>* listeners);

// The addresses that inet_interfaces stands for, to listen on ("all" is 0.0.0.0 and ::, as inet_protocols allows).
std::vector<IpAddress> ListenAddresses(const PostfixParameters& parameters);
// The addresses that are the host's own: of the interfaces named, and of proxy_interfaces.
std::vector<IpAddress> OwnAddresses(const PostfixParameters& parameters);

// A port number, or a name of known_tcp_ports or of the host's services; 0 with a finding where it is neither.
uint16_t PortOf(const PostfixParameters& parameters, std::string_view text, const Place& place);

// mynetworks' default, from mynetworks_style and the host's addresses, as text.
std::string DefaultMynetworks(const PostfixParameters& parameters);

}  // namespace postern::config
