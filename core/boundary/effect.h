// Effects: what the core wants done, as values, and the sink that a step puts them into.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/time.h"
#include "core/boundary/bytes.h"
#include "core/boundary/event.h"
#include "core/boundary/file_plan.h"
#include "core/boundary/ids.h"
#include "core/boundary/log_event.h"

namespace postern {

struct Send {
  ConnId conn{};
  Chain bytes;
  bool secret = false;  // masked in recordings
};
enum class CloseKind : uint8_t {
  kAfterDrain,  // what was sent still leaves first
  kNow,
};
struct Close {
  ConnId conn{};
  CloseKind kind = CloseKind::kAfterDrain;
};
// A connection to somebody else -> ConnectDone, in any case and within `patience`.
struct Connect {
  OpId op;
  std::variant<Endpoint, Path> to;  // a path: a unix stream socket
  std::optional<IpAddress> from;    // our side's address (smtp_bind_address)
  Duration patience;                // 0: as long as the system tries
};
// Begin TLS once what was sent before has left -> TlsReady, or PeerClosed with what failed. Bytes received in plaintext
// and not yet given to the core are thrown away (RFC 3207 section 4.2); those it was given it throws away itself.
struct StartTls {
  ConnId conn{};
  std::shared_ptr<const ClientTls> client;  // null: as server, with the listener's certificate
};
struct AwaitDrain {  // answered once by Drained
  ConnId conn{};
};
// Back-pressure: no Received until ResumeReading. Pausing twice is pausing once.
struct PauseReading {
  ConnId conn{};
};
struct ResumeReading {
  ConnId conn{};
};
// The connection goes to another shard, which gets Adopted. Nothing of it reaches this shard any more.
struct Handoff {
  ConnId conn{};
  ShardId to{};
  LoginFacts login;
  std::string unread;
};

struct SetTimer {  // replaces a timer with the same OpId
  OpId op;
  Instant at;
};
struct CancelTimer {
  OpId op;
};

struct Commit {  // -> PlanDone
  OpId op;
  FilePlan plan;
};
struct Read {  // -> ReadDone
  OpId op;
  Path path;
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = UINT64_MAX;  // capped by the file's end
};
struct Scan {  // -> ScanDone
  OpId op;
  Path dir;
};
struct Stat {  // -> StatDone
  OpId op;
  std::vector<Path> paths;
};
struct Watch {  // -> DirChanged, any number of times until Unwatch
  OpId op;
  std::vector<Path> dirs;
};
struct Unwatch {
  OpId op;
};

struct VerifyPassword {
  Secret stored;  // "{SCHEME}data" as in a users file
  Secret password;
  std::string user;  // some schemes are salted with it
};
struct LookupClientName {
  IpAddress address;
};
// How a mailbox file is locked while it is written to (mailbox_delivery_lock).
struct MailboxLock {
  bool fcntl = true, flock = false, dotlock = true;
  uint32_t attempts = 20;  // deliver_lock_attempts
  Duration delay = Seconds(1), stale = Seconds(500);
};
// A program is run with the rights of `user` alone, in a session of its own, and gets `input`; or a file is appended to
// with these rights (local(8)'s two kinds of targets). It may have run where no answer comes: whoever asks again
// repeats it.
struct RunProgram {
  std::vector<std::string> argv;       // argv[0] a path, or a name that is looked for in the environment's PATH
  std::vector<std::string> otherwise;  // run where that has no such name; empty: nothing is
  // Not empty: instead of a program of the host, `input` is appended to this file and flushed, or all of it is taken
  // back. Ends as programs do, with "STATUS WORDS" (RFC 3463) as output where it fails.
  Path append_to;
  MailboxLock lock;
  FileOwner user;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> inherited;    // names whose values are those of the process
  Chain input;
  uint64_t file_bytes_max = 0;  // of any file it writes; 0: unlimited
  Duration time_limit;
};
struct Ask {  // -> Answer
  OpId op;
  std::variant<VerifyPassword, LookupClientName, DnsQuestion, RunProgram> question;
};

struct Post {
  ShardId to{};
  Letter letter;
};
struct ContinueLater {  // -> Continue, after other ready events had their turn
  MachineId machine{};
};
// The recorder replaces `length_bytes` bytes at `offset_bytes` of the Received event in this step.
struct Redact {
  ConnId conn{};
  uint64_t offset_bytes = 0, length_bytes = 0;
};
struct Note {
  LogEvent event;
};

using Effect =
    std::variant<Send, Close, Connect, StartTls, AwaitDrain, PauseReading, ResumeReading, Handoff, SetTimer,
                 CancelTimer, Commit, Read, Scan, Stat, Watch, Unwatch, Ask, Post, ContinueLater, Redact, Note>;

// The sink of a step. Effects are performed in order, after the step.
class Effects {
 public:
  template <class E>
  void Put(E effect) {
    CloseText();
    all_.emplace_back(std::move(effect));
  }
  // Consecutive texts to one connection leave as one Send.
  void SendText(ConnId conn, std::string_view text) {
    if (!text_.empty() && text_conn_ != conn) CloseText();
    text_conn_ = conn;
    text_.append(text);
  }
  void Log(LogEvent event) { Put(Note{std::move(event)}); }

  // The effects so far, in order; the sink is empty afterwards.
  std::vector<Effect> Take() {
    CloseText();
    return std::exchange(all_, {});
  }
  bool empty() const { return all_.empty() && text_.empty(); }

 private:
  void CloseText() {
    if (text_.empty()) return;
    all_.emplace_back(Send{.conn = text_conn_, .bytes = Chain(std::move(text_))});
    text_.clear();
  }

  std::vector<Effect> all_;
  ConnId text_conn_{};
  std::string text_;  // a Send still growing
};

}  // namespace postern
