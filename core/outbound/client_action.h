// What a client connection is told and what it wants done: the values of ClientDialogue (client.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/entropy.h"
#include "core/base/time.h"

namespace postern::outbound {

// Of the message, at a time.
inline constexpr size_t kMessagePieceBytesMax = 65536;

// ---- what comes out -----------------------------------------------------------------------------------------------

enum class Fate : uint8_t {
  kSent,
  kDeferred,  // another host may be tried now, or the same one later
  kFailed,    // for good
  kUntried,   // a reused connection was dead before the transaction began: a fresh one to the same host is due
};
enum class ClientStage : uint8_t { kConnect, kHelo, kTls, kAuth, kMail, kRcpt, kData, kEndOfData };
std::string_view StageName(ClientStage stage);  // "rcpt"

// What became of one recipient: with Postfix's words, for its log line and for a notice.
struct RecipientDone {
  size_t recipient = 0;  // index in the job
  Fate fate = Fate::kDeferred;
  ClientStage stage = ClientStage::kConnect;
  // The host as such is to blame, not the message: its other mail may wait, too.
  bool blames_host = false;
  // Opportunistic TLS broke: the same host may be tried without it (Job::plaintext_fallback).
  bool retry_in_plaintext = false;
  bool dsn_offered = false;      // of kSent: success is the server's to report (RFC 3461 section 5.2.1)
  int code = 0;                  // of the reply; 0: there was none
  std::string status;            // RFC 3463
  std::string relay;             // "mx.example.net[192.0.2.1]:25"; "none": there was no session
  std::string remote_mta;        // the host; empty: we say so ourselves
  std::string reply;             // its reply in one line; empty: none
  std::string text;              // "host mx.example.net[192.0.2.1] said: 550 ... (in reply to RCPT TO command)"
  std::optional<Instant> began;  // when MAIL was sent; nullopt: it never was
  bool operator==(const RecipientDone&) const = default;
};

struct SendBytes {
  std::string bytes;
  bool secret = false;  // holds a password's proof: for no recording, no log
  bool operator==(const SendBytes&) const = default;
};
struct BeginTls {  // answered by OnTlsReady or OnTlsFailed
  std::string server_name;
  bool operator==(const BeginTls&) const = default;
};
struct CloseConnection {  // nothing comes after it
  // A deadline has passed: what still waits to be sent is thrown away. Else it leaves first.
  bool at_once = false;
  bool operator==(const CloseConnection&) const = default;
};
struct NeedMessageBytes {  // answered by OnMessageBytes once what was sent before has left
  size_t bytes_max = kMessagePieceBytesMax;
  bool operator==(const NeedMessageBytes&) const = default;
};
struct ReadyForJob {  // Deliver may be called again
  bool operator==(const ReadyForJob&) const = default;
};
struct ClientNote {  // for the log
  bool warning = false;
  std::string text;
  bool operator==(const ClientNote&) const = default;
};
using ClientAction =
    std::variant<SendBytes, BeginTls, CloseConnection, NeedMessageBytes, RecipientDone, ReadyForJob, ClientNote>;
using ClientActions = std::vector<ClientAction>;

// ---- what goes in -------------------------------------------------------------------------------------------------

// What a step is told besides. `entropy`: for SASL.
struct ClientMoment {
  Instant now;
  Entropy* entropy = nullptr;
};

}  // namespace postern::outbound
