#include "adapters/net/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <ctime>

namespace postern::net {
namespace {

constexpr int64_t kSealingSeconds = 12 * 3600;

int64_t MonotonicSeconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

int ContextIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

}  // namespace

TicketKeys::TicketKeys() { AddKey(MonotonicSeconds()); }

void TicketKeys::Install(SSL_CTX* context) {
  SSL_CTX_set_ex_data(context, ContextIndex(), this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &TicketKeys::Callback);
}

void TicketKeys::Rotate() {
  const std::lock_guard lock(mutex_);
  AddKey(MonotonicSeconds());
}

void TicketKeys::AddKey(int64_t now_seconds) {
  Key key{.made_seconds = now_seconds};
  RAND_bytes(key.name, sizeof key.name);
  RAND_priv_bytes(key.cipher_key, sizeof key.cipher_key);
  RAND_priv_bytes(key.mac_key, sizeof key.mac_key);
  keys_.push_front(key);
  while (keys_.size() > 2) keys_.pop_back();
}

bool TicketKeys::Find(const unsigned char* name, bool sealing, Key* key, bool* is_newest) {
  const std::lock_guard lock(mutex_);
  const int64_t now = MonotonicSeconds();
  if (now - keys_.front().made_seconds >= kSealingSeconds) AddKey(now);
  if (sealing) {
    *key = keys_.front();
    return true;
  }
  const auto found = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const Key& each) { return std::memcmp(each.name, name, sizeof each.name) == 0; });
  if (found == keys_.end() || now - found->made_seconds >= 2 * kSealingSeconds) return false;
  *key = *found;
  *is_newest = found == keys_.begin();
  return true;
}

int TicketKeys::Callback(SSL* ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac, int sealing) {
  auto* const keys = static_cast<TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ContextIndex()));
  Key key{};
  bool is_newest = true;
  if (keys == nullptr || !keys->Find(name, sealing != 0, &key, &is_newest)) return 0;  // a full handshake instead
  if (sealing != 0) {
    std::memcpy(name, key.name, sizeof key.name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  }
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac_key, sizeof key.mac_key),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  const bool ready =
      EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher_key, iv, sealing != 0 ? 1 : 0) == 1;
  OPENSSL_cleanse(&key, sizeof key);
  if (!ready) return -1;
  return is_newest ? 1 : 2;  // 2: renew the ticket with the newest key
}

}  // namespace postern::net
