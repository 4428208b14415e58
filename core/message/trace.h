// The fields a mail system adds on the way (RFC 5321 section 4.4): Received, Return-Path, Delivered-To, X-Original-To,
// written as Postfix 3.7 writes them, because filters and people read them. Lines end with CRLF. Pure formatting: every
// fact comes from the caller. Line ends and other control characters in a peer's text become "?", so that no peer
// can add a field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/message/date.h"

namespace postern::message {

struct ReceivedTls {
  std::string protocol;  // "TLSv1.3"
  std::string cipher;    // "TLS_AES_256_GCM_SHA384"
  int used_bits = 0;
  int algorithm_bits = 0;
  std::string details;  // "key-exchange X25519 ..."; "" before TLS 1.3
};

struct ReceivedFacts {
  std::string helo;                  // what the client called itself; "" where it did not: client_name
  std::string client_name;           // its reverse name, or "unknown"
  std::string client_address;        // "192.0.2.1", or "2001:db8::1" (written with "IPv6:")
  std::optional<ReceivedTls> tls;    // with smtpd_tls_received_header
  std::string authenticated_sender;  // with smtpd_sasl_authenticated_header; "" for none
  std::string host;                  // myhostname
  std::string mail_name = "Postfix";
  std::string protocol = "ESMTP";  // RFC 3848 without its letters: "SMTP", "ESMTP", "LMTP", "UTF8SMTP"
  bool with_tls = false;           // adds S
  bool with_auth = false;          // adds A
  std::string id;                  // queue id
  std::string recipient;           // the only recipient; "" where there are several
  DateTime when;
  std::string zone_name;  // "CET"
  // Local submission ("Received: by HOST (NAME, from userid 1000) id ..."): instead of all about the client.
  std::optional<uint32_t> user_id;
};

void AppendReceived(const ReceivedFacts& facts, std::string* out);
// `reverse_path` without angle brackets; "" is the null path.
void AppendReturnPath(std::string_view reverse_path, std::string* out);
void AppendDeliveredTo(std::string_view recipient, std::string* out);
void AppendXOriginalTo(std::string_view recipient, std::string* out);
// `name: value`, made safe.
void AppendTraceField(std::string_view name, std::string_view value, std::string* out);

}  // namespace postern::message
