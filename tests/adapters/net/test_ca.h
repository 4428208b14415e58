// Certificates for tests that are signed by one another, made in memory.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "core/config/settings.h"
#include "tests/adapters/net/certificate.h"

namespace postern::testing {

struct CertificateWish {
  std::string common_name;
  std::string alternative_names;  // as in openssl.cnf: "DNS:a.example,IP:127.0.0.1"
  bool is_ca = false;
  long from_seconds = -3600, until_seconds = 86400;  // from now on
  std::string raw_dns_name;                          // one more dNSName, with bytes that openssl.cnf can't say
};

// A certificate with its key.
class Issued {
 public:
  // `issuer` null: signed by itself.
  Issued(const CertificateWish& wish, const Issued* issuer) : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static long serial = 0;
    X509_set_version(certificate_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), wish.from_seconds);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), wish.until_seconds);
    X509_set_pubkey(certificate_, key_);
    X509_NAME* const name = X509_get_subject_name(certificate_);
    const auto* const common_name = reinterpret_cast<const unsigned char*>(wish.common_name.c_str());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
    X509_set_issuer_name(certificate_, X509_get_subject_name(issuer == nullptr ? certificate_ : issuer->certificate_));
    if (wish.is_ca) Extend(NID_basic_constraints, "critical,CA:TRUE");
    if (!wish.alternative_names.empty()) Extend(NID_subject_alt_name, wish.alternative_names);
    if (!wish.raw_dns_name.empty()) ExtendRaw(wish.raw_dns_name);
    X509_sign(certificate_, issuer == nullptr ? key_ : issuer->key_, EVP_sha256());
  }
  ~Issued() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  Issued(const Issued&) = delete;
  Issued& operator=(const Issued&) = delete;

  std::string CertificatePem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate_);
    return TakePem(bio);
  }
  std::string KeyPem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key_, nullptr, nullptr, 0, nullptr, nullptr);
    return TakePem(bio);
  }
  std::string PublicKeyPem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key_);
    return TakePem(bio);
  }
  std::string CertificateDer() const { return Take(i2d_X509, certificate_); }
  std::string PublicKeyDer() const { return Take(i2d_PUBKEY, key_); }

  // What a server is to show: this, and those above it.
  config::TlsContext Settings(const std::vector<const Issued*>& above = {}) const {
    config::TlsContext settings{.certificate_path = "/cert.pem", .key_path = "/key.pem", .name = "test"};
    settings.certificate_pem = CertificatePem();
    for (const Issued* each : above) settings.certificate_pem += each->CertificatePem();
    settings.key_pem = KeyPem();
    return settings;
  }

 private:
  template <class Encode, class Object>
  static std::string Take(Encode encode, Object* object) {
    unsigned char* der = nullptr;
    const int length = encode(object, &der);
    const std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(length));
    OPENSSL_free(der);
    return bytes;
  }
  void Extend(int kind, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate_, extension, -1);
    X509_EXTENSION_free(extension);
  }
  void ExtendRaw(const std::string& dns_name) {
    GENERAL_NAMES* const names = GENERAL_NAMES_new();
    for (const std::string& each : {dns_name, std::string("plain.example")}) {
      GENERAL_NAME* const name = GENERAL_NAME_new();
      ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, each.data(), static_cast<int>(each.size()));
      GENERAL_NAME_set0_value(name, GEN_DNS, text);
      sk_GENERAL_NAME_push(names, name);
    }
    X509_add1_ext_i2d(certificate_, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
    GENERAL_NAMES_free(names);
  }

  EVP_PKEY* key_;
  X509* certificate_;
};

}  // namespace postern::testing
