#include "adapters/net/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <string>
#include <string_view>

#include "adapters/net/openssl.h"

namespace postern::net {
namespace {

// TLS 1.2: forward secrecy and authenticated encryption first, then what mail programs of ten years ago can do.
constexpr char kDefaultCiphers[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:DHE+AES:RSA+AESGCM:RSA+AES:"
    "!aNULL:!eNULL:!PSK:!SRP:!MD5:!RC4:!3DES:!DSS";
// What no list of an administrator brings in. Opportunistic anonymous suites protect from nobody who matters.
constexpr char kNeverCiphers[] = ":!aNULL:!eNULL:!EXPORT:!LOW:!PSK:!SRP:!MD5:!RC4:!3DES:!DES";
// How long a session may be resumed.
constexpr long kSessionSeconds = 7200;

std::unique_ptr<BIO, FreeBio> BioOf(std::string_view pem) {
  return std::unique_ptr<BIO, FreeBio>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Status UseCertificate(SSL_CTX* context, const config::TlsContext& settings) {
  const auto bio = BioOf(settings.certificate_pem);
  const std::unique_ptr<X509, FreeX509> own(PEM_read_bio_X509_AUX(bio.get(), nullptr, NoPassPhrase, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return InvalidArgument("certificate " + settings.certificate_path + ": " + OpenSslError());
  }
  while (true) {
    const std::unique_ptr<X509, FreeX509> issuer(PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr));
    if (issuer == nullptr) break;
    SSL_CTX_add1_chain_cert(context, issuer.get());
  }
  ERR_clear_error();  // the end of the file
  const auto key_bio = BioOf(settings.key_pem.empty() ? settings.certificate_pem : settings.key_pem);
  const std::unique_ptr<EVP_PKEY, FreeKey> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, NoPassPhrase, nullptr));
  const std::string& key_path = settings.key_path.empty() ? settings.certificate_path : settings.key_path;
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return InvalidArgument("private key " + key_path + ": " + OpenSslError());
  }
  return OkStatus();
}

// The name that a client asks for is noted, and any is answered (there is one certificate per listener).
int OnServerName(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

}  // namespace

StatusOr<std::shared_ptr<const TlsServer>> TlsServer::Make(const config::TlsContext& settings, TicketKeys* keys) {
  auto server = std::shared_ptr<TlsServer>(new TlsServer);
  server->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = server->context_.get();
  if (context == nullptr) return Unavailable("TLS " + settings.name + ": " + OpenSslError());

  SSL_CTX_set_min_proto_version(context, settings.min_protocol == "TLSv1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                     SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_PRIORITIZE_CHACHA;
  if (!settings.session_tickets) options |= SSL_OP_NO_TICKET;
  SSL_CTX_set_options(context, options);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_dh_auto(context, 1);

  const std::string ciphers = settings.ciphers.empty() ? kDefaultCiphers : settings.ciphers + kNeverCiphers;
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return InvalidArgument("TLS cipher list of " + settings.name + ": " + OpenSslError());
  }
  POSTERN_RETURN_IF_ERROR(UseCertificate(context, settings));

  // Sessions live in the client's ticket, not in our memory. One ticket is enough: mail programs don't open several
  // connections with one session, and each ticket costs the handshake a message.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, settings.session_tickets ? 1 : 0);
  SSL_CTX_set_timeout(context, kSessionSeconds);
  const std::string id = "postern " + settings.name.substr(0, SSL_MAX_SSL_SESSION_ID_LENGTH - 8);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(id.data()),
                                 static_cast<unsigned>(id.size()));
  keys->Install(context);
  SSL_CTX_set_tlsext_servername_callback(context, &OnServerName);
  return std::shared_ptr<const TlsServer>(std::move(server));
}

}  // namespace postern::net
