// The TLS layer of one connection, of its server or its client (RFC 8446, RFC 5246), over memory: ciphertext goes in
// and out as bytes, and nothing is kept between calls but what a record cut in two needs. Owner: one connection. Not
// thread-safe, but may move between threads between calls.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "adapters/net/tls_client.h"
#include "adapters/net/tls_server.h"
#include "core/base/status.h"
#include "core/boundary/event.h"

namespace postern::net {

class TlsStream {
 public:
  explicit TlsStream(const TlsServer& server);
  // As client; `server_name` is sent to the server unless it is empty.
  TlsStream(std::shared_ptr<const TlsClient> client, const std::string& server_name);
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  struct Progress {
    bool handshake_done = false;  // by this call
    bool end = false;             // the peer said that it sends no more
    size_t plain_bytes = 0;       // decrypted
    Status status;                // not OK: the connection can't go on
  };
  // A record that was cut in two may come out with the bytes that complete it: room beyond the ciphertext's length.
  static constexpr size_t kPlainSlackBytes = 20 * 1024;
  // Takes all of `ciphertext`; decrypts into `plain`, which has room for ciphertext.size() + kPlainSlackBytes bytes,
  // and appends what must be sent to `*out`. A client's stream wants it once before anything came: the client speaks
  // first.
  Progress Receive(std::string_view ciphertext, char* plain, std::string* out);
  // Encrypts `plain`, of which at most 16 KiB are taken as one record; returns the bytes taken, 0 where it can't go on.
  size_t Encrypt(std::string_view plain, std::string* out);
  // Says that nothing more will be sent.
  void Close(std::string* out);

  bool is_client() const { return client_ != nullptr; }
  bool ready() const { return ready_; }
  // Known once ready.
  TlsFacts Facts() const;
  // Of the server, where we are the client and it showed one; null otherwise. Known once ready; costs signature checks.
  std::shared_ptr<const CertificateFacts> Certificate() const;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  friend struct TlsBio;

  void Begin();
  Status Failure(const char* what, int result);

  std::shared_ptr<const TlsClient> client_;  // null: we are the server
  std::unique_ptr<SSL, Free> ssl_;
  std::string_view in_;         // during a call
  std::string* out_ = nullptr;  // during a call
  bool ready_ = false;
};

}  // namespace postern::net
