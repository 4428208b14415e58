// TLS of Postfix's side as values: level, certificate, key, versions, ciphers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/config/postfix_parameters.h"
#include "core/config/settings.h"

namespace postern::config {

// smtpd_tls_security_level, or what smtpd_use_tls and smtpd_enforce_tls say where it is empty.
TlsLevel SmtpTlsLevel(const PostfixParameters& parameters);
// "none" ... "secure", any case; nullopt for other words.
std::optional<ClientTlsLevel> ParseClientTlsLevel(std::string_view name);
// smtp_tls_security_level, or what the older parameters say; of LMTP with `front` "lmtp_".
ClientTlsLevel ClientTlsLevelOf(const PostfixParameters& parameters, std::string_view front);

using TlsContextCache = std::map<std::string, std::shared_ptr<const TlsContext>>;

// The certificate a service shows; null with a finding where it has none. Services with equal values share one.
std::shared_ptr<const TlsContext> BuildSmtpTls(const PostfixParameters& parameters, TlsContextCache* cache);

// The file `path`, named by `setting` at `place`; empty with an error where it cannot be read.
std::string ReadPem(FileSource& files, const std::string& path, std::string_view setting, const Place& place,
                    FindingList* findings);

}  // namespace postern::config
