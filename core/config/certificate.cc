#include "core/config/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

namespace postern::config {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

Bio Open(std::string_view pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

// Never asks anybody for a pass phrase.
int NoPassPhrase(char*, int, int, void*) { return 0; }

std::string SubjectOf(X509* certificate) {
  const Bio out(BIO_new(BIO_s_mem()));
  if (out == nullptr) return "";
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : std::string();
}

}  // namespace

StatusOr<CertificateFacts> ReadCertificate(std::string_view certificate_pem, std::string_view key_pem,
                                           const std::string& host_name) {
  constexpr size_t kPemBytesMax = 1024 * 1024;
  if (certificate_pem.size() > kPemBytesMax || key_pem.size() > kPemBytesMax) {
    return InvalidArgument("the file is too large");
  }
  const Bio certificate_bio = Open(certificate_pem), key_bio = Open(key_pem);
  if (certificate_bio == nullptr || key_bio == nullptr) return ResourceExhausted("no memory");
  const Certificate certificate(PEM_read_bio_X509(certificate_bio.get(), nullptr, &NoPassPhrase, nullptr));
  if (certificate == nullptr) {
    ERR_clear_error();
    return InvalidArgument("there is no certificate in it");
  }
  CertificateFacts facts;
  facts.subject = SubjectOf(certificate.get());
  facts.chain_count = 1;
  while (const Certificate more{PEM_read_bio_X509(certificate_bio.get(), nullptr, &NoPassPhrase, nullptr)}) {
    ++facts.chain_count;
  }
  ERR_clear_error();
  facts.self_signed =
      X509_NAME_cmp(X509_get_issuer_name(certificate.get()), X509_get_subject_name(certificate.get())) == 0;
  facts.names_host = X509_check_host(certificate.get(), host_name.data(), host_name.size(), 0, nullptr) == 1;
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, &NoPassPhrase, nullptr));
  if (key == nullptr) {
    ERR_clear_error();
    return InvalidArgument("there is no private key that can be read");
  }
  facts.key_matches = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return facts;
}

}  // namespace postern::config
