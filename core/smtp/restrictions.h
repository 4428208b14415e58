// smtpd_*_restrictions (SMTPD_ACCESS_README): lists of rules, read from left to right at each stage of a session, until
// one permits or rejects. Pure functions over the facts of a session; a fact that is not there yet is asked for
// (kNeed), and the session evaluates again when it has it.
//
//   stage      lists, in order (smtpd_delay_reject = yes: those of CONNECT, HELO and MAIL wait for RCPT or ETRN)
//   CONNECT    client
//   HELO       helo
//   MAIL       sender
//   RCPT       [client, helo, sender,] relay and recipient (in the order of smtpd_relay_before_recipient_restrictions),
//              then what an earlier defer_if_permit left, then reject_unlisted_recipient
//   DATA       data        END-OF-MESSAGE  end_of_data        ETRN  [client, helo,] etrn
//
// A permit ends its own list only. Rules that need DNS, a policy service or client certificates are not here:
// SupportedRestriction() is false for them and the configuration that names them does not start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/event.h"
#include "core/config/settings.h"
#include "core/routing/address.h"
#include "core/smtp/reply.h"

namespace postern::smtp {

// By the names of an smtpd_*_restrictions list, without arguments; deprecated aliases are the loader's.
bool SupportedRestriction(std::string_view name);

enum class Phase : uint8_t { kConnect, kHelo, kMail, kRcpt, kData, kEndOfMessage, kVrfy, kEtrn };

// What rules may ask about. Views are borrowed for one evaluation.
struct Facts {
  const config::SmtpService* service = nullptr;
  const config::Routing* routing = nullptr;
  Phase phase = Phase::kConnect;
  IpAddress client;
  const ClientName* client_name = nullptr;  // null: not looked up yet
  std::string_view helo;                    // empty: none said
  std::string_view helo_verb = "HELO";      // as sent: for log lines
  bool esmtp = false;
  bool has_sender = false, null_sender = false;
  routing::Mailbox sender;  // as the client wrote it
  routing::Mailbox sender_rewritten;
  bool has_recipient = false;
  routing::Mailbox recipient, recipient_rewritten;
  std::string_view sasl_user;       // empty: not logged in
  bool login_is_undecided = false;  // because whoever checks logins could not be asked
  bool tls = false;
  bool input_waiting = false;    // the client has sent more where it should have waited for an answer
  uint32_t recipient_count = 0;  // accepted so far
  std::string_view etrn_domain;
  std::optional<Reply> deferred;  // Verdict::deferred of the stage before

  std::string_view name() const {
    return client_name == nullptr || client_name->name.empty() ? "unknown" : std::string_view(client_name->name);
  }
};

// What rules ask for besides a verdict (access(5)); they apply to the whole message.
struct Actions {
  bool hold = false, discard = false;
  std::vector<std::string> prepend;
  std::string redirect;  // one address instead of all recipients
  std::vector<std::string> bcc;
};

struct Verdict {
  enum class Kind : uint8_t { kDunno, kPermit, kReject, kNeed } kind = Kind::kDunno;
  Reply reply;  // kReject
  Actions actions;
  std::optional<Reply> deferred;  // defer_if_permit: what a permission at RCPT or later turns into
  // For the log: {"reject_warning", "504 5.5.2 <x>: Helo command rejected: ..."}, and {"warning", text} for faults of
  // ours.
  std::vector<std::pair<std::string, std::string>> notes;
  bool rejects() const { return kind == Kind::kReject; }
};

Verdict Evaluate(const Facts& facts);

// "from=<s> to=<r> proto=ESMTP helo=<h>", what every such log line ends with.
std::string EnvelopeForLog(const Facts& facts);
std::string_view PhaseName(const Facts& facts);

}  // namespace postern::smtp
