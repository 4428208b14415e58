// SASL on the server's side (RFC 4422): one exchange between a client and the users of the configuration, as a value
// with the same shape as a machine. Protocols (SMTP AUTH, IMAP AUTHENTICATE, POP3 AUTH, the Dovecot auth socket) only
// carry its bytes; they do base64, the empty-challenge forms and their own replies.
//
//   Start --(initial response or none)--> [kChallenge <-> Respond]* --> kVerify --Verified--> kSuccess | kFailure
//                                                         |              ^        |
//                                                         |              +--------+ (the next passdb)
//                                                         \-> kSuccess | kFailure
//
// An exchange with another server's users (verifier.h) has kWait in the place of kVerify, and of everything else: the
// next step comes when that server has answered.
//
// kVerify: a password must be compared with a stored one, which may cost much: the session asks its driver
// (Ask{VerifyPassword}) and gives the answer back; with several passdbs it may be asked again. A user who does not
// exist is asked about too, with a stand-in, so that the time does not tell. Everything else is computed here. What a
// mechanism says last (SCRAM's server signature, DIGEST-MD5's rspauth) is sent as a challenge that the client answers
// with an empty response, since SMTP, IMAP and POP3 have no place for data beside their success (RFC 4422 section 5).
// Owner: one session, one exchange. Bounded: a response is at most kResponseBytesMax long.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/entropy.h"
#include "core/base/secret.h"
#include "core/base/status.h"
#include "core/base/time.h"
#include "core/config/settings.h"

namespace postern::auth {

inline constexpr size_t kResponseBytesMax = 12288;  // Postfix's response limit, decoded

// Who asks: decides which mechanisms are offered and what is logged.
struct ClientFacts {
  std::string service;    // "smtp", "imap", "pop3"
  bool no_login = false;  // the password's rightness is asked, not access to a mailbox: `nologin` keeps nobody out
  IpAddress remote, local;
  bool tls = false;
  std::string local_host_name;  // for DIGEST-MD5's digest-uri and CRAM-MD5's challenge
};

enum class FailureReason : uint8_t {
  kUnknownUser,
  kPasswordMismatch,
  kNoUsableScheme,  // the stored scheme can't serve the mechanism
  kMalformed,       // the client's message breaks the mechanism's grammar
  kAborted,
  kUserDisabled,
  kTemporary,
  kAuthorizationDenied,  // another authorization identity than one's own
};

// One line of the auth log; FormatAuthLine (auth_log.h) makes it Dovecot's. Never holds a secret.
struct LogLine {
  std::string source;      // passdb driver or mechanism, "passwd-file", "cram-md5"; empty: the text stands alone
  std::string user;        // as looked up; empty: not known yet
  std::string text;        // "Password mismatch"
  bool is_error = false;   // the administrator has something to mend
  bool is_master = false;  // it is about a master user's passdb
};

struct Step {
  enum class Kind : uint8_t { kChallenge, kVerify, kWait, kSuccess, kFailure } kind = Kind::kFailure;
  std::string challenge;  // kChallenge; kSuccess: additional data, empty mostly (RFC 4422 section 5)
  bool has_success_data = false;
  Secret stored, password;  // kVerify
  std::string verify_user;  // kVerify: the name some schemes are salted with
  FailureReason reason = FailureReason::kMalformed;
  std::string reason_text;  // kFailure: for the user's eyes, one printable line; empty: none
  std::string log_text;     // kFailure: Dovecot's text for its log line, e.g. "Password mismatch"; never a secret
  std::string log_source;   // kFailure: what comes before it, "passwd-file"
  std::vector<LogLine> log_lines;  // kSuccess, kFailure: every line Dovecot would write, in order; the last is log_text
  bool no_delay = false;           // kFailure: the passdb's `nodelay` says to answer at once
};

// The name a login ends with, after auth_username_format and the passdb's `user` field.
struct Identity {
  std::string user;              // "alice@example.test"
  std::string original_user;     // as the client sent it
  std::string authorization_id;  // who the client asked to be, normalized; empty: the same
  std::string master_user;       // who proved to be a master user (passdb { master = yes }), then `user` is another
};

class Exchange {
 public:
  virtual ~Exchange() = default;
  // `initial` null: the client sent none; pointing to an empty view: it sent an empty one ("=").
  virtual Step Start(const std::string_view* initial, Entropy& entropy, WallTime now) = 0;
  virtual Step Respond(std::string_view response, Entropy& entropy) = 0;
  virtual Step Verified(bool matches) = 0;
  // The user named so far (for logs); complete after kSuccess.
  virtual const Identity& identity() const = 0;
  virtual std::string_view mechanism() const = 0;
};

// An exchange with mechanism `name` (any case); null where it is unknown or not among `auth.mechanisms`. `auth` must
// outlive the exchange: sessions hold the configuration it belongs to.
std::unique_ptr<Exchange> MakeExchange(std::string_view name, const config::Auth& auth, const ClientFacts& client);

// Properties as the Dovecot auth protocol announces them (MECH lines).
struct MechanismFacts {
  std::string_view name;
  bool plaintext, dictionary, active, anonymous, forward_secrecy, mutual_auth;
};
const MechanismFacts* FindMechanism(std::string_view name);
// Does one of Postfix's words for properties (postconf(5), smtpd_sasl_security_options: noplaintext, noactive,
// nodictionary, noanonymous, forward_secrecy, mutual_auth) rule the mechanism out?
bool IsRuledOut(const MechanismFacts& mechanism, const std::vector<std::string>& security_options);

// The mechanisms to announce to this client, in configured order. `allow_plaintext`: TLS is on, or plaintext is
// allowed.
std::vector<std::string_view> OfferedMechanisms(const config::Auth& auth, bool allow_plaintext);

// USER/PASS, LOGIN: the same as PLAIN with the parts given.
std::unique_ptr<Exchange> MakePlainExchange(std::string_view user, const Secret& password, const config::Auth& auth,
                                            const ClientFacts& client);

// ---- users ----------------------------------------------------------------------------------------------------------

// Where a user's mail is, as the userdb says: found without a password, after login and for delivery checks.
struct UserFacts {
  std::string user;
  int64_t uid = -1, gid = -1;
  std::string home;
  std::string mail;  // the userdb's own mail_location; empty: the setting's
};
// kNotFound: no such user.
StatusOr<UserFacts> LookupUser(std::string_view user, const config::Auth& auth, std::string_view service);

// auth_username_format and auth_username_chars applied to what a client sent; kInvalidArgument for a forbidden
// character.
StatusOr<std::string> NormalizeUser(std::string_view login, const config::Auth& auth);

// ---- stored passwords (scheme.h has the schemes one by one) ---------------------------------------------------------

// Does `password` match `stored` ("{SCHEME}data")? Pure, may take tens of milliseconds and megabytes: drivers call it
// on a worker. kInvalidArgument: the scheme is unknown or the data is broken.
StatusOr<bool> VerifyStoredPassword(std::string_view stored, std::string_view password, std::string_view user);

}  // namespace postern::auth
