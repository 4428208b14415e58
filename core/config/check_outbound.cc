// Settings of mail that goes out which keep it from going out, or from going out as safely as they seem to say.
#include "core/base/ascii.h"
#include "core/config/check.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

class OutboundChecker {
 public:
  explicit OutboundChecker(HostConfiguration* host)
      : host_(host), main_(host->Main()), client_(host->config->smtp_client) {}

  void Run() {
    CheckTrust();
    CheckLogin();
    CheckTimes();
  }

 private:
  void CheckTrust() {
    const ClientTlsLevel level = client_.tls_level;
    const bool by_authority = level == ClientTlsLevel::kVerify || level == ClientTlsLevel::kSecure;
    if (by_authority && client_.tls.ca_file.empty() && client_.tls.ca_path.empty() &&
        client_.tls.trust_anchor_files.empty()) {
      host_->findings.Warning(
          "outbound-nobody-trusted", main_.PlaceOf("smtp_tls_security_level"),
          "other servers' certificates must be vouched for, and nobody is trusted to: no mail would "
          "go out",
          "set smtp_tls_CAfile or smtp_tls_CApath, such as /etc/ssl/certs/ca-certificates.crt");
    }
    const bool by_dns = level == ClientTlsLevel::kDane || level == ClientTlsLevel::kDaneOnly;
    if (by_dns && client_.dns_support != SmtpClient::DnsSupport::kDnssec) {
      host_->findings.Security(
          "outbound-dane-without-dnssec", main_.PlaceOf("smtp_tls_security_level"),
          "smtp_tls_security_level goes by TLSA records, which only count with DNSSEC, and that is "
          "not asked for",
          "set smtp_dns_support_level = dnssec");
    }
  }

  void CheckLogin() {
    if (!client_.sasl.enabled) return;
    if (client_.sasl.password_maps.empty()) {
      host_->findings.Warning("outbound-login-without-passwords", main_.PlaceOf("smtp_sasl_auth_enable"),
                              "smtp_sasl_auth_enable is set and no password is known: nobody is logged in to",
                              "set smtp_sasl_password_maps");
      return;
    }
    for (const std::string& option : SplitWords(client_.sasl.tls_security_options, /*commas=*/true)) {
      if (!EqualsIgnoringCase(option, "noplaintext")) continue;
      host_->findings.Warning("outbound-login-not-plain", main_.PlaceOf("smtp_sasl_tls_security_options"),
                              "no password goes out as it is, not over TLS either: servers that offer PLAIN and LOGIN "
                              "alone, as most do, take no mail from us",
                              "set smtp_sasl_tls_security_options = noanonymous");
      return;
    }
  }

  void CheckTimes() {
    const QueueSettings& queue = host_->config->queue;
    if (queue.delay_warning_time.ns == 0 || queue.delay_warning_time < queue.maximal_queue_lifetime) return;
    host_->findings.Notice("delay-warning-too-late", main_.PlaceOf("delay_warning_time"),
                           "mail is returned before delay_warning_time is over: nobody is warned",
                           "make delay_warning_time shorter than maximal_queue_lifetime");
  }

  HostConfiguration* host_;
  const PostfixParameters main_;
  const SmtpClient& client_;
};

}  // namespace

void CheckOutbound(HostConfiguration* host) { OutboundChecker(host).Run(); }

}  // namespace postern::config
