// The commands of a mail transaction as the client writes them: MAIL and RCPT with the parameters that the server
// offered (SIZE 1870, BODY 6152, SMTPUTF8 6531, DSN 3461 and 6533), in the order in which Postfix writes them.
//
// What goes into a command line is checked here, once: an address with a control character, or one that our own server
// would read differently, is refused, so that no recipient and no header can put a command of its own into the stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/routing/address.h"
#include "core/smtp/command.h"

namespace postern::outbound {

struct JobRecipient {
  routing::Mailbox address;
  std::string original;            // as the client named it: ORCPT where there is none; may be empty
  std::string original_recipient;  // ORCPT, decoded: "rfc822;u1@example.test"; empty: none
  uint8_t notify = smtp::kNotifyDefault;
};

// One message for one server. The bytes follow piece by piece.
struct Job {
  bool null_sender = false;
  routing::Mailbox sender;
  std::vector<JobRecipient> recipients;  // at least one
  std::string envelope_id;               // ENVID, decoded; empty: none
  smtp::Return ret = smtp::Return::kUnspecified;
  // kUnspecified: nothing is known; the message is converted as its own header says where the server lacks 8BITMIME.
  smtp::BodyKind body = smtp::BodyKind::kUnspecified;
  bool smtputf8 = false;      // the sender asked for it
  bool utf8_headers = false;  // with `smtputf8`: a header has need of it; addresses are looked at here
  uint64_t size_bytes = 0;    // with CRLF line ends (RFC 1870 section 3)
  // TLS that fails under kMay lets the driver try again without: false until the message has waited
  // minimal_backoff_time.
  bool plaintext_fallback = false;
  bool keep_open = false;  // another job may follow; else QUIT goes out behind the message
  std::string nexthop;     // for "mail for NEXTHOP loops back to myself"
};

// What EHLO or LHLO offered, as far as it is used.
struct ServerFeatures {
  bool esmtp = false;  // anything may have been offered
  bool pipelining = false, size = false, eight_bit_mime = false, dsn = false, smtputf8 = false, starttls = false,
       auth = false;
  uint64_t size_limit_bytes = 0;  // 0: none known
  std::vector<std::string> mechanisms;
};

// nullopt: such an address cannot be sent.
std::optional<std::string> MailCommand(const Job& job, const ServerFeatures& features, bool announce_size);
std::optional<std::string> RcptCommand(const Job& job, size_t recipient, const ServerFeatures& features);

// Does the message need a server that knows SMTPUTF8 (RFC 6531 section 3.2)?
bool NeedsSmtpUtf8(const Job& job);

}  // namespace postern::outbound
