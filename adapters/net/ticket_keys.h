// Keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by the TLS contexts of all shards: a client
// resumes wherever it comes in. A key seals for twelve hours and opens for as long again; then what it sealed is safe
// from anybody who takes the host's memory later. Keys live in memory only. Called from every loop's thread.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

namespace postern::net {

class TicketKeys {
 public:
  TicketKeys();

  // Makes `context` use these keys; the keys outlive the context.
  void Install(SSL_CTX* context);
  // A new key from now on, as after twelve hours.
  void Rotate();

 private:
  struct Key {
    unsigned char name[16];
    unsigned char cipher_key[32];
    unsigned char mac_key[32];
    int64_t made_seconds;
  };
  static int Callback(SSL* ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, int sealing);
  // The key to seal with, or the one called `name`; false: there is none.
  bool Find(const unsigned char* name, bool sealing, Key* key, bool* is_newest);
  void AddKey(int64_t now_seconds);

  std::mutex mutex_;
  std::deque<Key> keys_;  // guarded by mutex_; newest first
};

}  // namespace postern::net
