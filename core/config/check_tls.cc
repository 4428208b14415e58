// Certificates and keys; where TLS could be and is not.
#include <algorithm>
#include <set>

#include "core/config/certificate.h"
#include "core/config/check.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

class TlsChecker {
 public:
  explicit TlsChecker(HostConfiguration* host) : host_(host), main_(host->Main()), dovecot_(host->Dovecot()) {}

  void Run() {
    CheckOffered();
    CheckOutbound();
    if (host_->options.public_checks) CheckCertificates();
    CheckSameCertificate();
  }

 private:
  void CheckOffered() {
    const bool has_certificate = main_.IsSet("smtpd_tls_cert_file") || main_.IsSet("smtpd_tls_chain_files") ||
                                 main_.IsSet("smtpd_tls_eccert_file");
    std::set<std::string> reported;
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol != Protocol::kSmtp || listener.tls != nullptr || listener.implicit_tls) continue;
      if (!reported.insert(listener.name).second || listener.smtp->tls_level != TlsLevel::kNone) continue;
      host_->findings.Security("smtp-without-tls",
                               main_.PlaceOf(has_certificate ? "smtpd_tls_cert_file" : "smtpd_tls_security_level"),
                               "service \"" + listener.name + "\" offers no STARTTLS" +
                                   (has_certificate ? ", though a certificate is set" : "") +
                                   ": mail and passwords go over the wire in clear",
                               "set smtpd_tls_security_level = may");
    }
    for (const Listener& listener : host_->config->listeners) {
      const bool is_login = listener.protocol == Protocol::kImap || listener.protocol == Protocol::kPop3;
      if (!is_login || listener.endpoint.address.IsLoopback()) continue;
      if (listener.tls == nullptr && !host_->config->auth.disable_plaintext_auth &&
          reported.insert(listener.name).second) {
        host_->findings.Security("login-in-clear", dovecot_.PlaceOf("ssl"),
                                 "service \"" + listener.name + "\" takes passwords without TLS",
                                 "set ssl = required with ssl_cert and ssl_key");
      } else if (!listener.implicit_tls && !host_->config->auth.disable_plaintext_auth &&
                 !host_->config->imap.ssl_required && reported.insert(listener.name).second) {
        host_->findings.Security("login-in-clear", dovecot_.PlaceOf("disable_plaintext_auth"),
                                 "service \"" + listener.name + "\" takes passwords before TLS is on",
                                 "set disable_plaintext_auth = yes");
      }
    }
  }

  void CheckOutbound() {
    if (host_->config->smtp_client.tls_level != ClientTlsLevel::kNone) return;
    host_->findings.Security("outbound-without-tls", main_.PlaceOf("smtp_tls_security_level"),
                             "mail to other servers goes in clear, even to those that offer TLS",
                             "set smtp_tls_security_level = may");
  }

  Place PlaceOf(const TlsContext& context) const {
    if (context.name == "dovecot") return dovecot_.PlaceOf("ssl_cert");
    for (const std::string_view setting : {"smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_eccert_file"}) {
      if (main_.IsSet(setting)) return main_.PlaceOf(setting);
    }
    return main_.PlaceOf("smtpd_tls_cert_file");
  }

  void CheckCertificates() {
    std::set<std::string> seen;
    for (const Listener& listener : host_->config->listeners) {
      if (listener.tls == nullptr) continue;
      const TlsContext& context = *listener.tls;
      if (context.certificate_pem.empty() || context.key_pem.empty()) continue;  // reported when it was read
      if (!seen.insert(context.name + " " + context.certificate_path + " " + context.key_path).second) continue;
      CheckCertificate(context);
    }
  }

  void CheckCertificate(const TlsContext& context) {
    const Place place = PlaceOf(context);
    const std::string& host_name = host_->config->routing.myhostname;
    const auto facts = ReadCertificate(context.certificate_pem, context.key_pem, host_name);
    if (!facts.ok()) {
      host_->findings.Error("tls-certificate-broken", place,
                            context.certificate_path + " with key " + context.key_path + ": " +
                                std::string(Message(facts.status())) + ", so that there would be no TLS",
                            "put a PEM certificate and an unencrypted PEM key there");
      return;
    }
    if (!facts->key_matches) {
      host_->findings.Error("tls-key-mismatch", place,
                            "the key " + context.key_path + " does not belong to the certificate " +
                                context.certificate_path + ": there would be no TLS",
                            "use the key that the certificate was made for");
    }
    if (facts->self_signed || !facts->names_host) {
      std::string what = "the certificate " + context.certificate_path + " (" + facts->subject + ")";
      what += facts->self_signed ? " is signed by itself" : "";
      what += facts->self_signed && !facts->names_host ? " and" : "";
      what += facts->names_host ? "" : " is not for " + host_name;
      host_->findings.Security("certificate-untrusted", place,
                               what + ": programs will warn, and users learn to accept anything",
                               "get a certificate for " + host_name + " from an authority");
    }
  }

  void CheckSameCertificate() {
    std::string smtp, dovecot;
    for (const Listener& listener : host_->config->listeners) {
      if (listener.tls == nullptr) continue;
      (listener.protocol == Protocol::kSmtp ? smtp : dovecot) = listener.tls->certificate_pem;
    }
    if (smtp.empty() || dovecot.empty() || smtp == dovecot) return;
    host_->findings.Notice("certificates-differ", dovecot_.PlaceOf("ssl_cert"),
                           "SMTP and IMAP show different certificates: some programs accept one for an account only",
                           "use one certificate for both");
  }

  HostConfiguration* host_;
  const PostfixParameters main_;
  const DovecotSettings dovecot_;
};

}  // namespace

void CheckTls(HostConfiguration* host) { TlsChecker(host).Run(); }

}  // namespace postern::config
