#include "adapters/net/certificate_facts.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/net/openssl.h"

namespace postern::net {
namespace {

// Certificates above the leaf that are looked at: each costs the check of the chain below it.
constexpr size_t kChainMax = 10;

struct FreeStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
struct FreeStack {  // not what is in it
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
struct FreeStoreContext {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};
struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

// A name that can be compared: nothing in it that ends a C string early or moves a terminal's cursor.
bool IsPlain(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view BytesOf(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

void AddAlternativeNames(const X509* leaf, CertificateFacts* facts) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      const std::string_view text = BytesOf(name->d.dNSName);
      if (!text.empty() && IsPlain(text)) facts->dns_names.emplace_back(text);
    } else if (name->type == GEN_IPADD) {
      const std::string_view bytes = BytesOf(name->d.iPAddress);
      if (bytes.size() != 4 && bytes.size() != 16) continue;
      IpAddress address{.v6 = bytes.size() == 16};
      std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
      facts->ip_addresses.push_back(address);
    }
  }
}

std::string CommonName(const X509* leaf) {
  const X509_NAME* const subject = X509_get_subject_name(leaf);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  unsigned char* text = nullptr;
  const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
  if (length < 0) return {};
  const std::string name(reinterpret_cast<const char*>(text), static_cast<size_t>(length));
  OPENSSL_free(text);
  const auto is_printable = [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; };
  return std::all_of(name.begin(), name.end(), is_printable) ? name : std::string();
}

template <class Object, class Encode>
std::string DerOf(Object* object, Encode encode) {
  unsigned char* der = nullptr;
  const int length = encode(object, &der);
  if (length < 0) return {};
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

std::string CertificateOf(const X509* certificate) { return DerOf(certificate, &i2d_X509); }
std::string PublicKeyOf(const X509* certificate) { return DerOf(X509_get_X509_PUBKEY(certificate), &i2d_X509_PUBKEY); }

std::string DigestOf(const std::string& bytes, const EVP_MD* digest) {
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), value, &length, digest, nullptr) != 1) return {};
  return {reinterpret_cast<const char*>(value), length};
}

// The chain ends at somebody of `store`: signatures, dates, CA marks, path lengths, purposes, name constraints.
bool Verifies(X509* leaf, STACK_OF(X509) * sent, X509_STORE* store) {
  const std::unique_ptr<X509_STORE_CTX, FreeStoreContext> context(X509_STORE_CTX_new());
  if (context == nullptr || X509_STORE_CTX_init(context.get(), store, leaf, sent) != 1) return false;
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  const bool verified = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return verified;
}

// The same for the first of `chain`, were just `anchor` trusted. OpenSSL is given nothing but the chain: it goes by
// names and would lose its way among others of the same name.
bool VerifiesBelow(const std::vector<X509*>& chain, X509* anchor) {
  const std::unique_ptr<X509_STORE, FreeStore> store(X509_STORE_new());
  if (store == nullptr || X509_STORE_add_cert(store.get(), anchor) != 1) return false;
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  const std::unique_ptr<STACK_OF(X509), FreeStack> links(sk_X509_new_null());
  for (X509* const link : chain) sk_X509_push(links.get(), link);
  return Verifies(chain.front(), links.get(), store.get());
}

bool IsSignedBy(X509* certificate, X509* issuer) {
  const bool is =
      X509_check_issued(issuer, certificate) == X509_V_OK && X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return is;
}

// From what the server sent, in whatever order: the leaf, its issuer, that one's, as far as it goes.
std::vector<X509*> ChainFrom(X509* leaf, STACK_OF(X509) * sent) {
  std::vector<X509*> chain{leaf};
  while (chain.size() <= kChainMax) {
    X509* next = nullptr;
    for (int i = 0; next == nullptr && i < sk_X509_num(sent); ++i) {
      X509* const each = sk_X509_value(sent, i);
      const bool seen =
          std::any_of(chain.begin(), chain.end(), [&](X509* known) { return X509_cmp(known, each) == 0; });
      if (!seen && IsSignedBy(chain.back(), each)) next = each;
    }
    if (next == nullptr) break;
    chain.push_back(next);
  }
  return chain;
}

// A trust anchor that is a bare key: it is that of a certificate sent, or it signed the last of them.
bool AnchoredByKey(const std::vector<X509*>& chain, const TlsClient& client) {
  for (const auto& key : client.trusted_keys()) {
    for (X509* const link : chain) {
      const bool is_anchor = link != chain.front() && EVP_PKEY_eq(X509_get0_pubkey(link), key.get()) == 1;
      const bool is_signed = X509_verify(link, key.get()) == 1;
      ERR_clear_error();
      if ((is_anchor || is_signed) && VerifiesBelow(chain, link)) return true;
    }
  }
  return false;
}

}  // namespace

std::shared_ptr<const CertificateFacts> FactsOf(SSL* ssl, const TlsClient& client) {
  const std::unique_ptr<X509, FreeX509> leaf(SSL_get1_peer_certificate(ssl));
  if (leaf == nullptr) return nullptr;
  STACK_OF(X509)* const sent = SSL_get_peer_cert_chain(ssl);
  auto facts = std::make_shared<CertificateFacts>();
  AddAlternativeNames(leaf.get(), facts.get());
  facts->common_name = CommonName(leaf.get());
  facts->certificate_digest = DigestOf(CertificateOf(leaf.get()), client.digest());
  facts->key_digest = DigestOf(PublicKeyOf(leaf.get()), client.digest());
  facts->chain_trusted = Verifies(leaf.get(), sent, SSL_CTX_get_cert_store(client.context()));
  if (!client.wants_chain() && client.trusted_keys().empty()) return facts;
  const std::vector<X509*> chain = ChainFrom(leaf.get(), sent);
  facts->chain_trusted = facts->chain_trusted || AnchoredByKey(chain, client);
  if (!client.wants_chain()) return facts;
  for (X509* const link : chain) {
    facts->chain.push_back({.certificate = CertificateOf(link),
                            .public_key = PublicKeyOf(link),
                            .would_anchor = link != leaf.get() && VerifiesBelow(chain, link)});
  }
  return facts;
}

}  // namespace postern::net
