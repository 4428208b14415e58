#include "adapters/net/tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "adapters/net/openssl.h"

namespace postern::net {
namespace {

constexpr std::array<int, 4> kVersions{TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
constexpr std::array<uint64_t, 4> kWithout{SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2, SSL_OP_NO_TLSv1_3};

// TlsClients that a loop keeps, and for how long: a policy map may know many, a host's setting is one.
constexpr size_t kKeptMax = 64;
constexpr Duration kKept = Seconds(600);

// Postfix's lists (tls_high_cipherlist and so on, at their defaults). Anonymous suites come first where nothing has to
// be verified: they save the server the proof that nobody looks at. Empty: no such grade.
std::string_view CiphersOf(std::string_view grade) {
  if (grade == "high") return "aNULL:-aNULL:HIGH:@STRENGTH";
  if (grade == "medium") return "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH";
  if (grade == "low") return "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH";
  if (grade == "export") return "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH";
  if (grade == "null") return "eNULL:!aNULL";
  return {};
}

Status UseCiphers(SSL_CTX* context, const ClientTls& wanted) {
  std::string list(CiphersOf(wanted.cipher_grade));
  if (list.empty()) {
    return InvalidArgument("TLS cipher grade \"" + wanted.cipher_grade +
                           "\" is none of high, medium, low, export, null");
  }
  constexpr std::string_view kBetween = ", \t\r\n:";
  for (size_t at = 0; (at = wanted.exclude_ciphers.find_first_not_of(kBetween, at)) != std::string::npos;) {
    const size_t end = std::min(wanted.exclude_ciphers.find_first_of(kBetween, at), wanted.exclude_ciphers.size());
    list += ":!" + wanted.exclude_ciphers.substr(at, end - at);
    at = end;
  }
  if (SSL_CTX_set_cipher_list(context, list.c_str()) == 1) return OkStatus();
  return InvalidArgument("TLS ciphers \"" + list + "\": " + OpenSslError());
}

Status UseVersions(SSL_CTX* context, const std::array<bool, 4>& versions) {
  int lowest = 0, highest = 0;
  uint64_t without = 0;
  for (size_t i = 0; i < versions.size(); ++i) {
    if (!versions[i]) {
      without |= kWithout[i];
      continue;
    }
    if (lowest == 0) lowest = kVersions[i];
    highest = kVersions[i];
  }
  if (lowest == 0) return InvalidArgument("no version of TLS is allowed");
  // Said in full: openssl.cnf of the host has ideas of its own.
  SSL_CTX_set_min_proto_version(context, lowest);
  SSL_CTX_set_max_proto_version(context, highest);
  SSL_CTX_set_options(context, without);
  return OkStatus();
}

// SSL_get_peer_cert_chain() is judged later, whatever it is.
int AcceptAny(X509_STORE_CTX*, void*) { return 1; }

}  // namespace

StatusOr<std::shared_ptr<const TlsClient>> TlsClient::Make(const ClientTls& wanted, const host::Root& root) {
  ERR_clear_error();
  auto client = std::shared_ptr<TlsClient>(new TlsClient);
  client->context_.reset(SSL_CTX_new(TLS_client_method()));
  if (client->context() == nullptr) return Unavailable("no TLS: " + OpenSslError());
  SSL_CTX* const context = client->context();
  // As Postfix: what is too weak says the grade, and weak TLS is more than none where TLS is a matter of chance.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &AcceptAny, nullptr);
  client->wants_chain_ = wanted.wants_chain;
  client->digest_ = EVP_get_digestbyname(wanted.fingerprint_digest.c_str());
  if (client->digest_ == nullptr) {
    return InvalidArgument("fingerprint digest \"" + wanted.fingerprint_digest + "\" is not known to OpenSSL");
  }
  POSTERN_RETURN_IF_ERROR(UseVersions(context, wanted.versions));
  POSTERN_RETURN_IF_ERROR(UseCiphers(context, wanted));
  POSTERN_RETURN_IF_ERROR(client->Load(wanted, root));
  ERR_clear_error();
  return std::shared_ptr<const TlsClient>(std::move(client));
}

Status TlsClient::Load(const ClientTls& wanted, const host::Root& root) {
  SSL_CTX* const context = context_.get();
  if (!wanted.trust_anchor_files.empty()) {
    for (const std::string& path : wanted.trust_anchor_files)
      POSTERN_RETURN_IF_ERROR(LoadTrustAnchors(root.Whole(path)));
    // An anchor need not be a root: it is trusted for what it is.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
  } else {
    const std::string file = root.Whole(wanted.ca_file), folder = root.Whole(wanted.ca_path);
    if (!wanted.ca_file.empty() && SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
      return InvalidArgument("CA certificates " + file + ": " + OpenSslError());
    }
    // OpenSSL looks into the folder later, and then says nothing.
    if (!wanted.ca_path.empty() && access(folder.c_str(), R_OK | X_OK) != 0) {
      return InvalidArgument("CA certificates " + folder + ": " + std::generic_category().message(errno));
    }
    if (!wanted.ca_path.empty() && SSL_CTX_load_verify_dir(context, folder.c_str()) != 1) {
      return InvalidArgument("CA certificates " + folder + ": " + OpenSslError());
    }
  }
  if (wanted.certificate_file.empty()) return OkStatus();
  SSL_CTX_set_default_passwd_cb(context, &NoPassPhrase);
  const std::string certificate = root.Whole(wanted.certificate_file);
  const std::string key = root.Whole(wanted.key_file.empty() ? wanted.certificate_file : wanted.key_file);
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return InvalidArgument("certificate " + certificate + ": " + OpenSslError());
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return InvalidArgument("private key " + key + ": " + OpenSslError());
  }
  return OkStatus();
}

// Certificates and public keys, PEM, in any order.
Status TlsClient::LoadTrustAnchors(const std::string& path) {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new_file(path.c_str(), "r"));
  if (bio == nullptr) return InvalidArgument("trust anchors " + path + ": " + OpenSslError());
  size_t count = 0;
  while (true) {
    char *name = nullptr, *header = nullptr;
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) break;
    const std::string kind = name;
    const unsigned char* at = data;
    bool used = false;
    if (kind == PEM_STRING_X509 || kind == PEM_STRING_X509_OLD) {
      const std::unique_ptr<X509, FreeX509> certificate(d2i_X509(nullptr, &at, length));
      used =
          certificate != nullptr && X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), certificate.get()) == 1;
    } else if (kind == PEM_STRING_PUBLIC) {
      trusted_keys_.emplace_back(d2i_PUBKEY(nullptr, &at, length));
      used = trusted_keys_.back() != nullptr;
    }
    OPENSSL_free(name), OPENSSL_free(header), OPENSSL_free(data);
    if (!used)
      return InvalidArgument("trust anchors " + path + ": \"" + kind + "\" that can't be used: " + OpenSslError());
    ++count;
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return InvalidArgument("trust anchors " + path + ": " + OpenSslError());
  ERR_clear_error();
  return count > 0 ? OkStatus() : InvalidArgument("trust anchors " + path + ": no certificate and no public key in it");
}

StatusOr<std::shared_ptr<const TlsClient>> TlsClients::Get(const ClientTls& wanted, Instant now) {
  ClientTls key = wanted;
  key.server_name.clear();
  if (const auto found = kept_.find(key); found != kept_.end() && now < found->second.until)
    return found->second.client;
  auto made = TlsClient::Make(key, *root_);
  if (!made.ok()) return made;
  if (kept_.size() >= kKeptMax) kept_.clear();  // connections hold on to theirs
  kept_[std::move(key)] = {.client = *made, .until = now + kKept};
  return made;
}

}  // namespace postern::net
