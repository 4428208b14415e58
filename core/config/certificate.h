// What a PEM file says about itself: the few facts that findings need. No clock: whether it is expired is the driver's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace postern::config {

struct CertificateFacts {
  std::string subject;       // "CN = mail.example.test"
  bool self_signed = false;  // issuer and subject are one
  bool names_host = false;   // valid for the host that was asked for (RFC 6125)
  bool key_matches = false;  // the private key belongs to it
  uint32_t chain_count = 0;  // certificates in the file
};

// kInvalidArgument: no certificate, or no usable private key (an encrypted one is none). No message shows key material.
StatusOr<CertificateFacts> ReadCertificate(std::string_view certificate_pem, std::string_view key_pem,
                                           const std::string& host_name);

}  // namespace postern::config
