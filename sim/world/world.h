// The simulated world: a clock that jumps to the next thing that happens, a network, a disk and processes that die, around
// the same shards that the daemon runs. One seed decides everything: order of ready events, sizes of reads, latencies,
// failures, when the power goes and what survives it.
//
//   scheduled action -> Shard::Step(event) -> effects -> more scheduled actions        (one thread, nothing real)
//
// A crash ends every shard between two steps: what was performed on the disk stays (kill), or only what is durable does
// (power); clients see their connections break; after a while the process starts anew from the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "core/shard/shard.h"
#include "sim/world/disk.h"
#include "sim/world/random.h"

namespace postern::sim {

// How bad this world is; each seed draws its own (swarm testing). Chances are parts in a thousand.
struct Faults {
  uint32_t sync_fails = 0, write_fails = 0, read_fails = 0;  // per operation
  uint32_t disk_full_spells = 0;                              // per simulated minute: ENOSPC for a while
  uint32_t split_reads = 0;                                    // a Received carries one byte to a few
  uint32_t connection_breaks = 0;                              // per Received
  uint32_t letters_lost = 0, letters_repeated = 0;
  uint32_t wall_clock_jumps = 0;                               // per simulated minute
  int64_t disk_latency_ns_max = 2'000'000;
  int64_t network_latency_ns_max = 5'000'000;
};

class World;

// The other end of a connection: a simulated mail program. Owned by the workload; told by the world.
class Client {
 public:
  virtual ~Client() = default;
  virtual void OnBytes(World& world, std::string_view bytes) = 0;
  virtual void OnTlsReady(World&) {}
  virtual void OnClosed(World& world) = 0;
};

struct LogLine {
  LogEvent event;
};

class World {
 public:
  World(uint64_t seed, std::shared_ptr<const config::Config> config, uint16_t shard_count, Faults faults);
  ~World();

  // ---- for clients ----
  // Opens a connection to the listener with this index; OnBytes and OnClosed follow. Refused (nullopt) while the server is
  // down.
  std::optional<ConnId> Connect(Client* client, size_t listener, IpAddress from);
  void SendToServer(ConnId conn, std::string_view bytes);
  // The client's handshake after STARTTLS; OnTlsReady follows when the server agreed.
  void BeginTls(ConnId conn);
  void CloseFromClient(ConnId conn);
  void After(int64_t delay_ns, std::function<void()> action);

  // ---- for the workload ----
  void Start();                 // the first process
  void Crash(bool power_loss);  // and a new process some time later
  void StopCleanly();           // SIGTERM; the process is gone when all shards are quiet
  void set_faults(const Faults& faults) {  // ends a spell of a full disk, too
    faults_ = faults;
    disk_full_until_ns_ = 0;
  }
  bool up() const { return !shards_.empty(); }
  uint64_t crash_count() const { return crash_count_; }
  uint64_t power_loss_count() const { return power_loss_count_; }
  // Runs until nothing is scheduled, `until` or `steps_max` steps. False where steps_max ended it: a livelock.
  bool RunUntil(Instant until, uint64_t steps_max);
  bool idle() const { return actions_.empty(); }

  Now now() const { return now_; }
  Disk& disk() { return disk_; }
  Random& random() { return random_; }
  const std::vector<LogLine>& log() const { return log_; }
  uint64_t event_count() const { return event_count_; }
  // Of all events and effects so far: equal for equal seeds.
  uint64_t digest() const { return digest_.value(); }
  // Everything that a server sent, by connection, for oracles that look for secrets.
  void set_observer(std::function<void(size_t shard, Now, const Event&, const std::vector<Effect>&)> observer) {
    observer_ = std::move(observer);
  }

 private:
  struct Action {
    int64_t at_ns;
    uint64_t order;
    std::function<void()> run;
    bool operator>(const Action& other) const {
      return at_ns != other.at_ns ? at_ns > other.at_ns : order > other.order;
    }
  };
  struct Connection {
    Client* client = nullptr;
    size_t shard = 0;
    Peer peer;
    TlsFacts tls;
    std::string inbound;        // on its way to the shard
    bool inbound_scheduled = false;
    bool paused = false;
    bool server_wants_tls = false, client_wants_tls = false;
    bool server_closed = false, client_closed = false;
    bool moving = false;
    bool told_closed = false;   // the shard got PeerClosed
    int64_t in_at_ns = 0;       // when the last bytes so far reach the server: a stream keeps its order
    int64_t out_at_ns = 0;      // when the last bytes so far reach the client
  };
  struct RunningPlan {
    size_t shard;
    OpId op;
    FilePlan plan;
    size_t stage = 0;
    size_t open_ops = 0;
    PlanResult result;
  };

  void StepShard(size_t shard, const Event& event);
  void Perform(size_t shard, Effect& effect);
  void PerformSend(Send& send);
  void PerformClose(const Close& close);
  void PerformHandoff(Handoff& handoff);
  void PerformAsk(size_t shard, const Ask& ask);
  void RunStage(std::shared_ptr<RunningPlan> plan);
  Status PerformOp(const FileOp& op);
  void DeliverInbound(ConnId conn);
  void ScheduleInbound(ConnId conn);
  void MeetTls(ConnId conn);
  void TellClosed(ConnId conn);
  // The action only runs while the process that asked for it lives.
  void AfterForProcess(int64_t delay_ns, std::function<void()> action);
  int64_t DiskLatency();
  int64_t NetworkLatency();
  // How long what this client does now takes to reach the server: never less than what it did before.
  int64_t InboundLatency(ConnId conn);
  void Disturb();

  uint64_t seed_;
  std::shared_ptr<const config::Config> config_;
  uint16_t shard_count_;
  Faults faults_;
  Random random_, network_, disk_faults_, scheduling_;
  Disk disk_;
  Now now_;
  int64_t wall_offset_us_;
  std::priority_queue<Action, std::vector<Action>, std::greater<>> actions_;
  uint64_t next_order_ = 0;

  std::vector<std::unique_ptr<Shard>> shards_;
  uint64_t process_ = 0;        // counts starts
  uint64_t crash_count_ = 0, power_loss_count_ = 0;
  bool stopping_ = false;
  std::map<ConnId, Connection> connections_;
  uint64_t next_conn_ = 1;
  std::map<std::pair<size_t, OpId>, uint64_t> timers_;  // -> the order number that is valid
  int64_t disk_full_until_ns_ = 0;

  std::vector<LogLine> log_;
  uint64_t event_count_ = 0;
  StableDigest digest_;
  std::function<void(size_t, Now, const Event&, const std::vector<Effect>&)> observer_;
};

}  // namespace postern::sim
