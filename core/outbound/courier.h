// A courier carries deliveries of one destination: it finds the hosts, connects, speaks with them, and says what became
// of every recipient. It keeps its connection for the next delivery where that may go the same way.
//
//             Begin            hosts known        policy, login known         connected          all settled
//   kIdle --------> kLookup ------------> kPolicy ----------------> kConnecting ------> kTalking ----+
//     ^  Begin        ^  ^                   | no TLS policy: next       |  refused: next  |         |
//     |   +-----------|--+-------------------+---------------------------+-----------------+         |
//     |   |           | recipients are left that another host may take                               |
//     |   v           +------------------------------------------------------------------------------+
//     +- kTalking (a kept connection)                          nobody is left --> kIdle, or ended
//
// Owner: QueueManager, which gives it the events of its connection and the answers to its questions, performs nothing,
// and asks it after each of them whether the delivery is done. Pure: what it wants done goes out as effects.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/outbound/client.h"
#include "core/outbound/host_walk.h"
#include "core/outbound/next_hop.h"
#include "core/outbound/tls_policy.h"
#include "core/queue/queue_file.h"
#include "core/queue/schedule.h"

namespace postern::outbound {

// A message as couriers need it. Shared by all deliveries of it; what changes is the manager's.
struct Cargo {
  queue::Envelope envelope;
  Path path;                      // the queue file
  uint64_t message_at_bytes = 0;  // where the message begins in it
  uint64_t message_bytes = 0;     // LF line ends
  SharedBytes bytes;              // of the whole file; null: to be read piece by piece
  uint64_t crlf_bytes = 0;        // with CRLF line ends; an estimate where `bytes` is null
  bool utf8_headers = false;
  uint64_t file_bytes() const { return message_at_bytes + message_bytes + queue::kTrailerBytes; }
};

// What became of a recipient in this delivery: kSent, kFailed, or kDeferred for good this time.
struct Carried {
  uint32_t recipient = 0;  // of the envelope
  RecipientDone done;
};

class Courier {
 public:
  struct Load {
    queue::DeliveryId delivery{};
    std::shared_ptr<const Cargo> cargo;
    std::vector<uint32_t> recipients;  // of the envelope
    bool waited_long_enough = false;   // minimal_backoff_time: TLS that fails may be left out
    bool keep_open = false;            // more waits for the same destination
  };
  // Its operations' tags are `first_tag` and the kTagsCount - 1 above.
  static constexpr uint64_t kTagsCount = 1 << 16;
  Courier(MachineId machine, uint64_t first_tag, NextHop hop, std::shared_ptr<const config::Config> config,
          uint32_t log_pid)
      : machine_(machine), first_tag_(first_tag), hop_(std::move(hop)), config_(std::move(config)), log_pid_(log_pid) {}

  // Only while idle().
  void Begin(Load load, Context& context);
  // Answers to its own questions (their tag is in range), events of its connection, ConnectDone, ReadDone, TimerFired.
  void OnEvent(const Event& event, Context& context);
  // No more loads: says good-bye.
  void Retire(Context& context);

  bool idle() const { return !load_ && dialogue_ != nullptr && dialogue_->ready(); }
  // Neither a load nor a connection.
  bool ended() const { return !load_ && !conn_ && !connecting_; }
  // Whose end is known while the load goes on at another host, each once: that may take minutes, and a process that
  // dies meanwhile without having written them down sends them their mail again.
  std::vector<Carried> TakeSettled() { return std::exchange(settled_, {}); }
  // After the load is settled: once, with all of its recipients that TakeSettled() has not given.
  struct Result {
    Load load;
    std::vector<Carried> carried;
    queue::Verdict verdict = queue::Verdict::kOk;
    queue::UnreachableReason reason;
    Instant began;
  };
  // Where nobody got it by this connection, not before that is free for another load, or over: until then it counts as
  // one of those that the destination's limit allows.
  std::optional<Result> TakeResult() {
    if (result_ && !job_sent_ && conn_ && !idle()) return std::nullopt;
    return std::exchange(result_, std::nullopt);
  }
  std::optional<ConnId> conn() const { return conn_; }
  // The destination has answered and takes mail. Meaningful while it has a load.
  bool reached() const { return conn_ && dialogue_ != nullptr && dialogue_->in_session(); }
  Instant began() const { return began_; }  // the load
  std::optional<queue::DeliveryId> delivery() const { return load_ ? std::optional(load_->delivery) : std::nullopt; }

 private:
  void Advance(Context& context);
  void OnEnd(const HostWalk::End& end);
  void Ask(const DnsQuestion& question, Context& context);
  void BeginTry(const HostWalk::Try& attempt, Context& context);
  void ChoosePolicy(Context& context);
  void Connect(const TlsPolicy& policy, Context& context);
  void BeginJob(Context& context);
  Job MakeJob() const;
  void LogTls(const TlsFacts& facts, const TlsVerdict& verdict, Context& context) const;
  void Perform(Context& context);
  void OnRecipientDone(RecipientDone done);
  void AfterJob(Context& context);
  void Log(Context& context, Severity severity, std::string text);
  void GiveMessageBytes(Context& context);
  void ReadPiece(Context& context);
  void ArmTimer(Context& context);
  void Settle(uint32_t recipient, RecipientDone done);
  void SettleRest(std::string status, std::string text, bool blames_host);
  void Finish();
  void DropConnection(Context& context, CloseKind kind);
  ClientMoment Moment(Context& context) const { return {.now = context.now.mono, .entropy = &context.entropy}; }
  const config::SmtpClient& client() const { return lmtp() ? config_->lmtp_client : config_->smtp_client; }
  bool lmtp() const;
  const routing::Mailbox* sender() const {
    return load_->cargo->envelope.null_sender ? nullptr : &load_->cargo->envelope.sender;
  }
  OpId Op(uint64_t sequence) const { return {machine_, first_tag_ + sequence}; }
  uint64_t NextSequence();

  static constexpr uint64_t kTimer = 0, kFirstQuestion = 16;

  const MachineId machine_;
  const uint64_t first_tag_;
  const NextHop hop_;
  const std::shared_ptr<const config::Config> config_;
  const uint32_t log_pid_;
  uint64_t next_sequence_ = kFirstQuestion;

  std::optional<Load> load_;
  std::vector<uint32_t> left_;              // recipients not settled
  std::vector<Carried> settled_, carried_;  // by the hosts before this one, and by this one
  std::optional<Result> result_;
  std::optional<HostWalk> walk_;  // of a NetworkHop
  std::map<uint64_t, DnsQuestion> questions_;

  // The host that is tried.
  std::optional<HostWalk::Try> attempt_;
  std::optional<TlsaLookup> tlsa_;
  TlsDestination destination_;
  TlsPolicy policy_;
  bool has_login_ = false;
  bool reused_ = false;  // the job went to a kept connection

  // The connection.
  std::unique_ptr<ClientDialogue> dialogue_;
  ClientActions actions_;
  std::optional<ConnId> conn_;
  bool connecting_ = false;
  uint64_t connect_sequence_ = 0;
  bool tls_pending_ = false;
  std::optional<Instant> armed_;

  // The job under way.
  std::vector<uint32_t> job_recipients_;
  std::vector<std::pair<uint32_t, RecipientDone>> deferred_;
  size_t open_ = 0;  // recipients of the job without an answer
  bool job_began_ = false, job_sent_ = false, any_untried_ = false, any_plaintext_retry_ = false;
  uint64_t message_sent_bytes_ = 0;  // given to the dialogue
  size_t wanted_bytes_ = 0;          // NeedMessageBytes not answered
  uint64_t undrained_bytes_ = 0;
  bool awaiting_drain_ = false;
  uint64_t read_sequence_ = 0;  // 0: none is under way
  bool any_sent_ = false, any_answered_ = false;
  queue::UnreachableReason last_reason_;
  Instant began_;
};

}  // namespace postern::outbound
