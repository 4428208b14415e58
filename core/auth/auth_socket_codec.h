// The lines of the Dovecot auth client protocol, minors 1.0 to 1.4, as values: what an SMTP server and a Dovecot auth
// server say to each other (doc.dovecot.org: "Dovecot Authentication Protocol"; seen on Dovecot 2.3.19 and
// Postfix 3.7).
//
// A line is a command and its parameters with a TAB between them, ended by LF (a CR before it is dropped, as Dovecot
// does), at most kAuthLineBytesMax long. Inside a parameter 0x01 is the escape byte. Parameters are numbers and words
// in fixed places, then flags and name=value in any order, of which unknown ones mean nothing: they are not kept. Pure
// functions. Texts of errors never repeat anything from the line, since it may hold a password.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/ip.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace postern::auth {

inline constexpr size_t kAuthLineBytesMax = 16384;  // with its LF: Dovecot's limit since 2.1
inline constexpr uint32_t kAuthProtocolMajor = 1;
inline constexpr uint32_t kAuthProtocolMinor = 4;

// From which minor on the client means it so:
inline constexpr uint32_t kMinorWithEmptyResponse = 2;  // "resp=" is an empty response, not a missing one
inline constexpr uint32_t kMinorWithCancelled = 4;      // CANCEL is answered with CANCELLED

// ---- both directions

struct VersionLine {  // VERSION <major> <minor>
  uint32_t major_number = kAuthProtocolMajor, minor_number = kAuthProtocolMinor;
  bool operator==(const VersionLine&) const = default;
};

// ---- from the client

struct ClientProcessLine {  // CPID <pid>
  uint32_t process_id = 0;  // never 0
  bool operator==(const ClientProcessLine&) const = default;
};

struct AuthLine {  // AUTH <id> <mechanism> service=<service> [...] [resp=<base64>]
  enum class Transport : uint8_t { kPlain, kSecured, kTls };

  uint32_t id = 0;  // never 0; the client's, unique among its open requests
  std::string mechanism, service;
  std::optional<IpAddress> local, remote;  // lip, rip: of the connection that the user came by
  uint16_t local_port = 0, remote_port = 0;
  Transport transport = Transport::kPlain;  // secured, secured=tls, transport=
  std::string session, local_name, certificate_user;
  bool no_login = false;    // nologin: there will be no REQUEST by a master
  bool no_penalty = false;  // failures of `remote` are neither counted nor make it wait
  bool debug = false;
  bool final_response_ok = false;  // the client takes the mechanism's last words with OK
  bool valid_client_certificate = false;
  std::optional<Secret> response;  // resp=: still in base64, since it is the user's and may be nonsense
};

struct ContinueLine {  // CONT <id> <base64>
  uint32_t id = 0;
  Secret response;  // still in base64
};

struct CancelLine {  // CANCEL <id>
  uint32_t id = 0;
  bool operator==(const CancelLine&) const = default;
};

using ClientLine = std::variant<VersionLine, ClientProcessLine, AuthLine, ContinueLine, CancelLine>;

// ---- from the server

struct MechanismLine {  // MECH <name> [flags]
  std::string name;
  bool anonymous = false, plaintext = false, dictionary = false, active = false, forward_secrecy = false;
  bool mutual_auth = false, channel_binding = false;
  bool is_private = false;  // private: not to be announced to users
  bool operator==(const MechanismLine&) const = default;
};
struct ServerProcessLine {  // SPID <pid>
  uint32_t process_id = 0;
  bool operator==(const ServerProcessLine&) const = default;
};
struct ConnectionLine {  // CUID <number>: another for each connection to one server process
  uint32_t connection_id = 0;
  bool operator==(const ConnectionLine&) const = default;
};
struct CookieLine {  // COOKIE <32 hexadecimal digits>, for a master's REQUEST
  std::string cookie;
  bool operator==(const CookieLine&) const = default;
};
struct DoneLine {  // DONE
  bool operator==(const DoneLine&) const = default;
};

struct ChallengeLine {  // CONT <id> <base64>
  uint32_t id = 0;
  std::string challenge;  // decoded
  bool operator==(const ChallengeLine&) const = default;
};

struct SuccessLine {  // OK <id> user=<user> [...]
  uint32_t id = 0;
  std::string user;
  std::string original_user;  // as the client wrote it; empty: the same
  std::string master_user;    // auth_user: who logged in as `user`; empty: himself
  std::string reason, host;   // with no_login or proxy
  bool no_login = false;      // nologin: the password is right, but there is no access
  bool proxy = false;         // the user's mail is on `host`
  bool anonymous = false;
  std::optional<std::string> final_response;  // resp=, decoded
  bool operator==(const SuccessLine&) const = default;
};

enum class FailureCode : uint8_t {
  kNone,                 // wrong user or password: the line doesn't say which
  kTemporary,            // code=temp_fail, temp
  kAuthorizationDenied,  // code=authz_fail, authz: the password was right, but he can't be the user he asked to be
  kUserDisabled,         // code=user_disabled, user_disabled
  kPasswordExpired,      // code=pass_expired, pass_expired
  kInvalidBase64,        // code=invalid_base64
};

struct FailureLine {  // FAIL <id> [user=<user>] [code=<code>] [reason=<text>]
  uint32_t id = 0;
  std::string user, original_user;  // empty: not known
  FailureCode code = FailureCode::kNone;
  std::string reason;  // for the user's eyes
  bool operator==(const FailureLine&) const = default;
};

struct CancelledLine {  // CANCELLED <id>, since 1.4
  uint32_t id = 0;
  bool operator==(const CancelledLine&) const = default;
};

using ServerLine = std::variant<VersionLine, MechanismLine, ServerProcessLine, ConnectionLine, CookieLine, DoneLine,
                                ChallengeLine, SuccessLine, FailureLine, CancelledLine>;

// ---- bytes to values and back

// `line` without its LF. Errors: kInvalidArgument: the line breaks the grammar, or its command is unknown.
StatusOr<ClientLine> ParseClientLine(std::string_view line);
// The same for the server's lines. Errors: kNotFound: an unknown command, which a client passes over; kInvalidArgument.
// A `pass` of OK (a proxy's password) is not kept.
StatusOr<ServerLine> ParseServerLine(std::string_view line);

// With the LF. Parsing it gives the same value again.
Secret FormatClientLine(const ClientLine& line);
std::string FormatServerLine(const ServerLine& line);

// Where in a client's `line`, complete or the beginning of one, bytes start that may be secret: responses, and anything
// behind a command that is none. npos: nowhere. What is secret in a line's beginning stays it in the whole line.
size_t SecretBegin(std::string_view line);

// The same in a server's `line`: from where to where. A challenge may be what a server proves itself with, from which
// passwords can be guessed, and OK has a proxy's password in `pass`. Empty: nothing.
struct SecretSpan {
  size_t begin = 0, end = 0;
  bool operator==(const SecretSpan&) const = default;
};
SecretSpan SecretInReply(std::string_view line);

// Tab-escaping: NUL, 0x01, TAB, CR and LF become 0x01 and a character.
std::string EscapeTabs(std::string_view text);
// An escaped character that means nothing stands for itself; an escape byte at the end is dropped. As Dovecot.
std::string UnescapeTabs(std::string_view text);

// Cuts a stream of bytes into lines. Owner: one connection. Holds at most one line; what it held is wiped.
class AuthLineReader {
 public:
  AuthLineReader() = default;
  AuthLineReader(const AuthLineReader&) = delete;
  AuthLineReader& operator=(const AuthLineReader&) = delete;
  ~AuthLineReader() { Forget(); }

  // Takes bytes from `*in` up to and with the next LF; the line without LF and a CR before it, valid until the next
  // call. nullopt: `*in` is used up and more is needed, or the line is too long: then nothing more is taken, ever.
  std::optional<std::string_view> Next(std::string_view* in);
  bool too_long() const { return too_long_; }
  // The beginning of a line that waits for its end.
  std::string_view pending() const { return given_ ? std::string_view() : std::string_view(pending_); }

 private:
  void Forget();

  std::string pending_;
  bool given_ = false;  // pending_ is the line that Next gave last
  bool too_long_ = false;
};

}  // namespace postern::auth
