// TLS as a client (RFC 3207, RFC 8314): an SSL_CTX for what a policy asks of a handshake. The handshake never fails for
// the server's certificate: what it shows is told as facts (certificate_facts.h), and the core judges.
// Files are read when a TlsClient is made. One that can't be read or used is an error, never a handshake that trusts
// nobody without saying so.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/host/root.h"
#include "adapters/net/openssl.h"
#include "core/base/status.h"
#include "core/base/time.h"
#include "core/boundary/client_tls.h"

namespace postern::net {

// Immutable; shared by the connections of one loop.
class TlsClient {
 public:
  // `wanted.server_name` is not looked at: it is the connection's. Paths are below `root`. kInvalidArgument: what can't
  // be used, with the file's name.
  static StatusOr<std::shared_ptr<const TlsClient>> Make(const ClientTls& wanted, const host::Root& root);

  SSL_CTX* context() const { return context_.get(); }
  const EVP_MD* digest() const { return digest_; }
  bool wants_chain() const { return wants_chain_; }
  // Trust anchors that are bare keys (Postfix's tafile knows them): whose signatures are believed.
  const std::vector<std::unique_ptr<EVP_PKEY, FreeKey>>& trusted_keys() const { return trusted_keys_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  TlsClient() = default;
  Status Load(const ClientTls& wanted, const host::Root& root);
  Status LoadTrustAnchors(const std::string& path);

  std::unique_ptr<SSL_CTX, Free> context_;
  const EVP_MD* digest_ = nullptr;
  bool wants_chain_ = false;
  std::vector<std::unique_ptr<EVP_PKEY, FreeKey>> trusted_keys_;
};

// The TLS clients of one loop. They are kept for a while, since reading a host's list of CAs takes long, and not for
// longer, since its files change.
class TlsClients {
 public:
  explicit TlsClients(const host::Root* root) : root_(root) {}

  StatusOr<std::shared_ptr<const TlsClient>> Get(const ClientTls& wanted, Instant now);
  void Forget() { kept_.clear(); }
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::shared_ptr<const TlsClient> client;
    Instant until;
  };
  const host::Root* root_;
  std::map<ClientTls, Kept> kept_;
};

}  // namespace postern::net
