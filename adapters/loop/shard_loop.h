// The loop of one shard: what happened becomes events, each event is one step, the step's effects are performed. One
// thread, one epoll; nothing in it waits but epoll itself.
//
//   a turn:  epoll_wait -> inbox (other threads) -> timers -> new connections, connections to others, connections that
//   can
//            be read, a step each -> reads and continuations that were asked for -> file plans, all of the turn
//            together -> output, log
//
// Order: the events of one connection come in order; its output leaves in order. What a step asked for is answered in a
// later step, never inside it.
// Owner: the process (cmd/serve.cc). Run() belongs to the loop's thread, Post-like functions may be called from any.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adapters/files/file_reader.h"
#include "adapters/files/plan_executor.h"
#include "adapters/files/watcher.h"
#include "adapters/host/clock.h"
#include "adapters/host/root.h"
#include "adapters/log/log_sink.h"
#include "adapters/loop/timer_heap.h"
#include "adapters/net/connection.h"
#include "adapters/net/listener.h"
#include "adapters/net/tls_server.h"
#include "adapters/workers/inbox.h"
#include "adapters/workers/inquiries.h"
#include "adapters/workers/programs.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"
#include "core/config/settings.h"

namespace postern::loop {

// The one door of a shard (Shard::Step), or a test's machine.
using StepFunction = std::function<void(Now, const Event&, Effects&)>;

// Sees every step: the recorder.
class Observer {
 public:
  virtual ~Observer() = default;
  // After the step, before its effects are performed. Views in `event` are valid during the call.
  virtual void OnStep(Now now, const Event& event, const std::vector<Effect>& effects) = 0;
};

// One for all loops of a process.
struct SharedState {
  std::atomic<uint64_t> last_conn{0};
  std::atomic<size_t> connection_count{0};
  // Connections at the same time, so that descriptors are left for files.
  size_t connections_max = 10'000;
  files::SpareFiles spares;
};

// The TLS of each listener, by ListenerId; null: none.
using TlsByListener = std::vector<std::shared_ptr<const net::TlsServer>>;

class ShardLoop {
 public:
  struct Options {
    ShardId id{};
    StepFunction step;
    std::function<bool()> quiet;  // Shard::quiet, after Shutdown
    Observer* observer = nullptr;
    const host::Root* root = nullptr;
    workers::ThreadPool* file_pool = nullptr;
    workers::Inquiries* inquiries = nullptr;
    workers::Programs* programs = nullptr;  // null: nothing is run
    log::LogSink* log = nullptr;
    SharedState* shared = nullptr;
    bool use_uring = true;
    Duration handshake_patience = Seconds(60);  // for a TLS handshake, from accept or StartTls on
    Duration closing_patience = Seconds(60);    // for a peer that does not take the last of its output
    Duration linger_patience = Seconds(5);
    Duration stop_patience = Seconds(10);  // after Stop(): what is not quiet by then is cut off
  };
  explicit ShardLoop(Options options);
  ~ShardLoop();
  ShardLoop(const ShardLoop&) = delete;
  ShardLoop& operator=(const ShardLoop&) = delete;

  // Before Run(): the other loops, by ShardId, this one among them; and where connections come in. Both outlive the
  // loop.
  void SetPeers(std::vector<ShardLoop*> loops) { loops_ = std::move(loops); }
  void SetListeners(const std::vector<net::ListenSocket>* listeners) { listeners_ = listeners; }

  // From any thread. Sessions keep what they have; new connections and StartTls use the new TLS.
  void Reconfigure(std::shared_ptr<const config::Config> config, std::shared_ptr<const TlsByListener> tls);
  void Stop();

  // Until stopped. False: something was cut off.
  bool Run();

  // After Run(): no file plan was left half done.
  bool files_idle() const { return plans_.idle(); }

  struct Counts {
    uint64_t turns = 0, steps = 0, accepted = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct OpIdHash {
    size_t operator()(const OpId& op) const {
      return std::hash<uint64_t>()(static_cast<uint64_t>(op.machine) * 0x9e3779b97f4a7c15u + op.tag);
    }
  };
  struct ConnIdHash {
    size_t operator()(ConnId conn) const { return std::hash<uint64_t>()(static_cast<uint64_t>(conn)); }
  };
  struct Arrival {  // a connection from another loop
    std::unique_ptr<net::Connection> connection;
    LoginFacts login;
    std::string unread;
  };
  struct Dialling {  // a connection that Connect asked for and that does not stand yet
    OpId op;
    host::UniqueFd fd;
    Endpoint remote;
  };
  using Asked = std::variant<Read, Scan, Stat, ContinueLater>;

  // turns (shard_loop.cc)
  void Turn();
  int WaitMilliseconds() const;
  void OnEpoll(uint64_t data, uint32_t what);
  void FireTimers();
  void ReadConnections();
  void AnswerAsked();
  void RunPlans();
  void FlushAll();
  bool Finished();
  void Step(const Event& event);

  // connections (connections.cc)
  void Accept(const net::ListenSocket& listener);
  void PauseAccepting(const std::string& why);
  void WatchListeners();
  ShardLoop* LeastLoaded();
  void Admit(std::unique_ptr<net::Connection> connection);
  void Adopt(Arrival arrival);
  net::Connection* Find(ConnId conn);
  void ReadFrom(net::Connection* connection);
  void OnHandshakeDone(ConnId conn);
  void Deliver(ConnId conn, std::string_view bytes);
  void OnEnded(net::Connection* connection, const Status& why);
  void FlushOne(net::Connection* connection);
  void AfterDrain(net::Connection* connection);
  void MarkDirty(net::Connection* connection);
  void MarkReady(net::Connection* connection);
  void Destroy(ConnId conn);
  void OnDeadline(ConnId conn);
  void LogHandshakeFailure(const net::Connection& connection, const Status& why);
  std::shared_ptr<const net::TlsServer> TlsOf(ListenerId listener) const;
  StatusOr<std::unique_ptr<net::TlsStream>> ServerStream(ListenerId listener) const;
  StatusOr<std::unique_ptr<net::TlsStream>> ClientStream(const ClientTls& wanted);

  // connections to others (outgoing.cc)
  void FinishDialling();
  void EndDialling(ConnId conn, Status status);
  void EndAllDialling();

  // effects (perform.cc; Connect: outgoing.cc)
  void Perform(Effect effect);
  void Do(Send effect);
  void Do(Close effect);
  void Do(Connect effect);
  void Do(StartTls effect);
  void Do(AwaitDrain effect);
  void Do(PauseReading effect);
  void Do(ResumeReading effect);
  void Do(Handoff effect);
  void Do(SetTimer effect);
  void Do(CancelTimer effect);
  void Do(Commit effect);
  void Do(Read effect);
  void Do(Scan effect);
  void Do(Stat effect);
  void Do(Watch effect);
  void Do(Unwatch effect);
  void Do(Ask effect);
  void Do(Post effect);
  void Do(ContinueLater effect);
  void Do(Redact effect);
  void Do(Note effect);
  void Log(Severity severity, std::string tag, std::string text);

  Options options_;
  workers::Inbox inbox_;
  std::vector<ShardLoop*> loops_;
  const std::vector<net::ListenSocket>* listeners_ = nullptr;
  std::shared_ptr<const config::Config> config_;
  std::shared_ptr<const TlsByListener> tls_;
  net::TlsClients tls_clients_;

  host::Clock clock_;
  host::UniqueFd epoll_;
  net::Scratch scratch_;
  Effects effects_;
  files::PlanExecutor plans_;
  files::FileReader reader_;
  files::Watcher watcher_;

  absl::flat_hash_map<ConnId, std::unique_ptr<net::Connection>, ConnIdHash> connections_;  // looked up, never walked
  std::atomic<size_t> load_{0};  // connections_.size(), for the other loops
  std::map<ConnId, Dialling> dialling_;
  std::vector<ConnId> dialled_;          // of them: came to an end
  std::vector<size_t> listeners_ready_;  // that have connections to be accepted
  std::vector<ConnId> ready_, dirty_, drained_;
  std::deque<Asked> asked_;
  std::vector<PlanDone> plans_done_;
  TimerHeap<OpId, OpIdHash> timers_;
  TimerHeap<ConnId, ConnIdHash> deadlines_;  // connects, handshakes, slow and lingering ends
  std::optional<Instant> accept_again_;      // no descriptors were left: accepting pauses until then
  std::optional<Instant> exhaustion_logged_;
  std::optional<Instant> watch_failure_logged_;
  bool listening_ = false;
  bool inbox_woken_ = false, watcher_woken_ = false;
  bool stopping_ = false;
  Instant stop_by_;
  Counts counts_;
};

}  // namespace postern::loop
