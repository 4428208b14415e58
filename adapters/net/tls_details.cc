#include "adapters/net/tls_details.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <memory>

#include "adapters/net/openssl.h"

namespace postern::net {
namespace {

std::string CurveOf(EVP_PKEY* key) {
  char name[64];
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &length) != 1) return {};
  return {name, length};
}

// " (prime256v1)", " (2048 bits)"
std::string SizeOf(EVP_PKEY* key) {
  const std::string curve = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC ? CurveOf(key) : std::string();
  return curve.empty() ? " (" + std::to_string(EVP_PKEY_get_bits(key)) + " bits)" : " (" + curve + ")";
}

std::string KeyExchangeOf(SSL* ssl) {
  EVP_PKEY* peers = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &peers) != 1) return {};
  const std::unique_ptr<EVP_PKEY, FreeKey> key(peers);
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_EC:
      return "ECDHE" + SizeOf(key.get());
    case EVP_PKEY_DH:
      return "DHE" + SizeOf(key.get());
    default:
      return OBJ_nid2sn(EVP_PKEY_get_base_id(key.get()));
  }
}

std::string SignatureOf(SSL* ssl) {
  X509* const certificate = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
  EVP_PKEY* const key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  if (key == nullptr || SSL_session_reused(ssl) == 1) return {};
  std::string text;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      text = "RSA-PSS" + SizeOf(key);
      break;  // TLS 1.3 has no other (RFC 8446 section 4.2.3)
    case EVP_PKEY_EC:
      text = "ECDSA" + SizeOf(key);
      break;
    default:
      text = OBJ_nid2sn(EVP_PKEY_get_base_id(key));
      break;
  }
  int digest = NID_undef;
  const int known = SSL_is_server(ssl) ? SSL_get_signature_nid(ssl, &digest) : SSL_get_peer_signature_nid(ssl, &digest);
  if (known == 1 && digest != NID_undef) text += std::string(" server-digest ") + OBJ_nid2sn(digest);
  return text;
}

}  // namespace

std::string TlsDetails(SSL* ssl) {
  if (SSL_version(ssl) < TLS1_3_VERSION) return {};
  std::string text;
  if (const std::string key = KeyExchangeOf(ssl); !key.empty()) text = "key-exchange " + key;
  if (const std::string signature = SignatureOf(ssl); !signature.empty()) {
    text += (text.empty() ? "server-signature " : " server-signature ") + signature;
  }
  return text;
}

}  // namespace postern::net
