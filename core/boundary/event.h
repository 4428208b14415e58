// Events: what happened outside the core, as values. Every driver (daemon, simulator, replay, fuzzer) makes these and
// nothing else. Views are borrowed: valid until the step that got them returns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/ip.h"
#include "core/base/secret.h"
#include "core/base/status.h"
#include "core/boundary/client_tls.h"
#include "core/boundary/dns.h"
#include "core/boundary/file_plan.h"
#include "core/boundary/ids.h"

namespace postern {

namespace config {
struct Config;
}

struct TlsFacts {
  std::string protocol;  // "TLSv1.3"; empty: no TLS
  std::string cipher;    // "TLS_AES_256_GCM_SHA384"
  int secret_bits = 0, algorithm_bits = 0;
  // As Postfix says it: "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256". TLS 1.3 only,
  // before it the cipher's name says as much; no signature where the session was resumed.
  std::string details;
  std::string server_name;  // SNI, lower case, without a trailing dot (Outlook sends one)
  bool resumed = false;
  bool active() const { return !protocol.empty(); }
};

// Who is at the other end, and where it came in.
struct Peer {
  Endpoint remote, local;
  ListenerId listener{};
};

// ---- connections ----
// A connection was accepted; on a listener with implicit TLS: after its handshake.
struct Accepted {
  ConnId conn{};
  Peer peer;
  TlsFacts tls;
};
struct Received {
  ConnId conn{};
  std::string_view bytes;
};
// What was sent before AwaitDrain has left for the peer: there is room for more.
struct Drained {
  ConnId conn{};
};
// The handshake that StartTls asked for is done. Plaintext that had arrived behind the command was thrown away.
struct TlsReady {
  ConnId conn{};
  TlsFacts facts;
  std::shared_ptr<const CertificateFacts> certificate;  // of the server, where we are the client; null: it showed none
};
// The peer closed its side, the connection broke, or the handshake failed. No further event of this connection comes.
struct PeerClosed {
  ConnId conn{};
  Status why;  // OK: an orderly end
};
// Facts of a login that a connection takes along to its account's shard. A value: nothing tied to a descriptor.
struct LoginFacts {
  std::string user;       // the login name after normalisation, e.g. "alice@example.test"
  std::string mechanism;  // "PLAIN"
  std::string tag;        // IMAP: the tag of the command still to be answered; empty otherwise
  std::string session_id;
  std::string state;  // protocol's own, e.g. IMAP: client sent ID, CAPABILITY asked
};
// The connection that Connect asked for stands (OK), or why it does not: kUnavailable, kDeadlineExceeded, kNotFound (no
// such socket), with the system's words ("Connection refused"). Its events go to the machine that asked.
struct ConnectDone {
  OpId op;
  Status status;
  ConnId conn{};   // of an OK
  Endpoint local;  // ours; of a unix socket empty
};
// A connection arrived from another shard, logged in; `unread` are bytes its client sent behind the login.
struct Adopted {
  ConnId conn{};
  Peer peer;
  TlsFacts tls;
  LoginFacts login;
  std::string unread;
};

// ---- answers to what the core asked for ----
struct TimerFired {
  OpId op;
};
struct PlanDone {
  OpId op;
  PlanResult result;
};
struct ReadDone {
  OpId op;
  Status status;
  std::string_view bytes;   // from the offset asked for; shorter than asked for only at the end of the file
  uint64_t file_bytes = 0;  // the file's whole size
  int64_t mtime_seconds = 0;
  uint64_t inode = 0;
};
struct DirEntry {
  std::string name;
  bool is_dir = false;
};
struct ScanDone {
  OpId op;
  Status status;                  // kNotFound: no such folder
  std::vector<DirEntry> entries;  // in no order, without "." and ".."
  int64_t mtime_ns = 0;           // of the folder, read before its entries
};
struct FileFacts {
  Status status;  // kNotFound: no such file
  bool is_dir = false;
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  uint64_t inode = 0;
  uint32_t uid = 0;  // who owns it
};
struct StatDone {
  OpId op;
  std::vector<FileFacts> files;  // one for each path asked about, in order
};
// Something below a watched folder changed (not by our own plans, or also by them: a hint, never a fact).
struct DirChanged {
  OpId op;
};

struct PasswordChecked {
  bool matches = false;
  Status status;  // not OK: the check itself failed (an unknown scheme, say)
};
struct ClientName {
  std::string name;        // forward-confirmed host name; empty: "unknown"
  std::string reverse;     // what the PTR said, confirmed or not
  bool temporary = false;  // the lookup may succeed later
};
// What became of a program that RunProgram asked for.
struct ProgramEnded {
  enum class How : uint8_t {
    kNotStarted,  // `output` says why, as system errors are said
    kExited,      // `number`: its exit status
    kKilled,      // `number`: the signal
    kTimedOut,    // killed with its children
  } how = How::kNotStarted;
  int32_t number = 0;
  std::string output;  // the beginning of what it wrote to stdout and stderr, as it wrote it
  bool operator==(const ProgramEnded&) const = default;
};
inline constexpr size_t kProgramOutputBytesMax = 4096;
struct Answer {
  OpId op;
  std::variant<PasswordChecked, ClientName, DnsReply, ProgramEnded> reply;
};

// ---- between shards and of the process ----
// New mail in a mailbox's new/: a letter, safe to lose, repeat and delay (the owner finds it at its next scan).
struct Arrived {
  std::string user;  // whose account; empty where only the path is known
  Path mailbox_dir;  // the Maildir folder that got it
};
// A message lies in the queue's incoming/: for the shard that delivers. As safe to lose as Arrived.
struct Queued {
  std::string id;
};
// What waits for this domain is to be tried now (ETRN, RFC 1985).
struct FlushSite {
  std::string domain;
};
using Letter = std::variant<Arrived, Queued, FlushSite>;
struct Posted {
  ShardId from{};
  Letter letter;
};
// The configuration, its tables or users were read anew. Sessions keep what they began with where that must not change.
struct ConfigChanged {
  std::shared_ptr<const config::Config> config;
};
// A machine asked to go on later, to keep its steps short.
struct Continue {
  MachineId machine{};
};
// The process was asked to stop: sessions say goodbye, open plans are finished.
struct Shutdown {};

using Event =
    std::variant<Accepted, Received, Drained, TlsReady, PeerClosed, ConnectDone, Adopted, TimerFired, PlanDone,
                 ReadDone, ScanDone, StatDone, DirChanged, Answer, Posted, ConfigChanged, Continue, Shutdown>;

}  // namespace postern
