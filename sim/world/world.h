// The simulated world: a clock that jumps to the next thing that happens, a network, a disk and processes that die,
// around the same shards that the daemon runs. One seed decides everything: order of ready events, sizes of reads,
// latencies, failures, when the power goes and what survives it.
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
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/shard/shard.h"
#include "sim/remote/host_programs.h"
#include "sim/remote/remote_party.h"
#include "sim/remote/zones.h"
#include "sim/world/disk.h"
#include "sim/world/random.h"

namespace postern::sim {

// How bad this world is; each seed draws its own (swarm testing). Chances are parts in a thousand.
struct Faults {
  uint32_t sync_fails = 0, write_fails = 0, read_fails = 0;  // per operation
  uint32_t disk_full_spells = 0;                             // per simulated minute: ENOSPC for a while
  uint32_t split_reads = 0;                                  // a Received carries one byte to a few
  uint32_t connection_breaks = 0;                            // per Received
  uint32_t letters_lost = 0, letters_repeated = 0;
  uint32_t wall_clock_jumps = 0;  // per simulated minute
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
  // The server has read so many more bytes of what was sent to it.
  virtual void OnRead(size_t) {}
};

struct LogLine {
  LogEvent event;
};

class World {
 public:
  World(uint64_t seed, std::shared_ptr<const config::Config> config, uint16_t shard_count, Faults faults);
  ~World();

  // ---- for clients ----
  // Opens a connection to the listener with this index; OnBytes and OnClosed follow. Refused (nullopt) while the server
  // is down.
  std::optional<ConnId> Connect(Client* client, size_t listener, IpAddress from);
  void SendToServer(ConnId conn, std::string_view bytes);
  // The client's handshake after STARTTLS; OnTlsReady follows when the server agreed.
  void BeginTls(ConnId conn);
  void CloseFromClient(ConnId conn);
  void After(int64_t delay_ns, std::function<void()> action);

  // ---- whom the server connects to ----
  // At every port of the address. Nobody at an address: "Connection refused".
  void AddRemoteHost(IpAddress address, std::shared_ptr<RemoteParty> host) { remote_hosts_[address] = std::move(host); }
  void AddRemoteHost(Path socket, std::shared_ptr<RemoteParty> host) {
    remote_sockets_[std::move(socket)] = std::move(host);
  }
  // What TLS shows of a host's certificate; without it: a self-signed one with no names.
  void SetCertificate(IpAddress address, CertificateFacts facts) {
    certificates_[address] = std::make_shared<const CertificateFacts>(std::move(facts));
  }
  Zones& zones() { return zones_; }
  const HostPrograms& programs() const { return programs_; }

  // ---- for the workload ----
  // The first shard takes the queue's mail to where it goes, from the next process on.
  void LetMailGoOut() { delivers_ = true; }
  // A whole file, as another program leaves it (`sendmail`, `postqueue`): whoever watches its folder is told.
  void Plant(const Path& path, std::string bytes, uint32_t owner_uid = 0);
  // For tests of the world itself, in place of a machine: performs as if the shard had put it into a step's effects;
  // and an event that `taker` answers true to does not reach the shard.
  void PerformFor(size_t shard, Effect effect) { Perform(shard, effect); }
  void set_taker(std::function<bool(const Event&)> taker) { taker_ = std::move(taker); }
  void Start();                            // the first process
  void Crash(bool power_loss);             // and a new process some time later
  void StopCleanly();                      // SIGTERM; the process is gone when all shards are quiet
  void set_faults(const Faults& faults) {  // ends a spell of a full disk, too
    faults_ = faults;
    disk_full_until_ns_ = 0;
  }
  bool up() const { return !shards_.empty(); }
  uint64_t crash_count() const { return crash_count_; }
  uint64_t power_loss_count() const { return power_loss_count_; }
  uint64_t process() const { return process_; }  // counts starts
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
    std::string inbound;  // on its way to the shard
    bool inbound_scheduled = false;
    bool paused = false;
    bool server_wants_tls = false, client_wants_tls = false;
    bool server_closed = false, client_closed = false;
    bool moving = false;
    bool told_closed = false;                             // the shard got PeerClosed
    bool outgoing = false;                                // the server is the one who connected
    std::shared_ptr<const CertificateFacts> certificate;  // of an outgoing one
    int64_t in_at_ns = 0;   // when the last bytes so far reach the server: a stream keeps its order
    int64_t out_at_ns = 0;  // when the last bytes so far reach the client
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
  void PerformRun(size_t shard, OpId op, const RunProgram& run);
  void PerformConnect(size_t shard, const postern::Connect& connect);
  // Whoever watches a folder in which the operation changed names.
  void TellWatchers(const FileOp& op);
  void TellWatchersOf(std::string_view path);
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
  // Mail that goes out has a chance of its own: that it does changes nothing for those who bring mail.
  int64_t RemoteLatency();
  int64_t LatencyOf(const Connection& connection) { return connection.outgoing ? RemoteLatency() : NetworkLatency(); }
  Random& ChanceOf(const Connection& connection) { return connection.outgoing ? remote_ : network_; }
  // How long what this client does now takes to reach the server: never less than what it did before.
  int64_t InboundLatency(ConnId conn);
  void Disturb();

  uint64_t seed_;
  std::shared_ptr<const config::Config> config_;
  uint16_t shard_count_;
  Faults faults_;
  Random random_, network_, disk_faults_, scheduling_, remote_;
  Disk disk_;
  Now now_;
  int64_t wall_offset_us_;
  std::vector<Action> actions_;  // a heap, the next one first
  uint64_t next_order_ = 0;

  std::vector<std::unique_ptr<Shard>> shards_;
  uint64_t process_ = 0;  // counts starts
  uint64_t crash_count_ = 0, power_loss_count_ = 0;
  bool stopping_ = false, delivers_ = false;
  std::map<ConnId, Connection> connections_;
  uint64_t next_conn_ = 1;
  std::map<IpAddress, std::shared_ptr<RemoteParty>> remote_hosts_;
  std::map<Path, std::shared_ptr<RemoteParty>> remote_sockets_;
  std::map<IpAddress, std::shared_ptr<const CertificateFacts>> certificates_;
  std::vector<std::unique_ptr<Client>> remote_links_;  // the remote hosts' ends of connections
  Zones zones_;
  HostPrograms programs_;
  std::map<std::pair<size_t, OpId>, std::set<Path>> watches_;
  std::map<std::pair<size_t, OpId>, uint64_t> timers_;  // -> the order number that is valid
  int64_t disk_full_until_ns_ = 0;

  std::vector<LogLine> log_;
  uint64_t event_count_ = 0;
  StableDigest digest_;
  std::function<void(size_t, Now, const Event&, const std::vector<Effect>&)> observer_;
  std::function<bool(const Event&)> taker_;
};

}  // namespace postern::sim
