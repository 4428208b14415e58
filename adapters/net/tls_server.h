// One certificate with its TLS settings, ready to serve: an SSL_CTX, shared by all connections of all shards that use
// it. TLS 1.2 and 1.3 only, no anonymous, export, RC4, DES, MD5 or pre-shared-key suites, no compression, no
// renegotiation. Immutable: a changed certificate is a new object, sessions keep theirs until they end.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "adapters/net/ticket_keys.h"
#include "core/base/status.h"
#include "core/config/settings.h"

namespace postern::net {

class TlsServer {
 public:
  // kInvalidArgument: the certificate, the key or the cipher list can't be used, or key and certificate don't belong
  // together; the message names the file. `keys` outlive the object and every connection made with it.
  static StatusOr<std::shared_ptr<const TlsServer>> Make(const config::TlsContext& settings, TicketKeys* keys);

  SSL_CTX* context() const { return context_.get(); }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  TlsServer() = default;

  std::unique_ptr<SSL_CTX, Free> context_;
};

}  // namespace postern::net
