// The parameters of mail to other servers as values: smtp_* and lmtp_*.
#pragma once

#include <map>
#include <string>

#include "core/config/postfix_parameters.h"
#include "core/config/settings.h"

namespace postern::config {

enum class ClientProtocol : uint8_t { kSmtp, kLmtp };

// What main.cf says of the SMTP or the LMTP client.
SmtpClient BuildSmtpClient(const PostfixParameters& main, ClientProtocol kind);

// What runs under a transport's name: "smtp-amavis" -> "smtp". From master.cf's unix services; only agents we are.
std::map<std::string, std::string, std::less<>> BuildTransports(const PostfixParameters& main);

}  // namespace postern::config
