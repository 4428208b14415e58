// What a server's certificate says, and whom it is signed by: OpenSSL's objects as the core's values.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "adapters/net/tls_client.h"
#include "core/boundary/client_tls.h"

namespace postern::net {

// After the handshake. Null: the server showed no certificate.
std::shared_ptr<const CertificateFacts> FactsOf(SSL* ssl, const TlsClient& client);

}  // namespace postern::net
