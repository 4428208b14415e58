// What OpenSSL's C interface needs here and there: owners of its objects, and its errors as text.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>

namespace postern::net {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// The oldest error as text, what it began with; the queue is empty afterwards.
std::string OpenSslError();

// A callback for keys under a pass phrase, which can't be used: there is nobody to ask.
inline int NoPassPhrase(char*, int, int, void*) { return 0; }

}  // namespace postern::net
