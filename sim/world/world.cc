#include "sim/world/world.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/auth/sasl.h"

namespace postern::sim {
namespace {

constexpr int64_t kFirstWallUs = INT64_C(1'700'000'000'000'000);

Entropy::Key KeyOf(uint64_t seed, uint64_t process, uint64_t shard) {
  Random random(seed ^ process << 32 ^ shard << 56, "entropy key");
  Entropy::Key key;
  for (size_t i = 0; i < key.size(); i += 8) {
    const uint64_t word = random.Next();
    std::memcpy(key.data() + i, &word, sizeof word);
  }
  return key;
}

}  // namespace

World::World(uint64_t seed, std::shared_ptr<const config::Config> config, uint16_t shard_count, Faults faults)
    : seed_(seed),
      config_(std::move(config)),
      shard_count_(shard_count),
      faults_(faults),
      random_(seed, "workload"),
      network_(seed, "network"),
      disk_faults_(seed, "disk"),
      scheduling_(seed, "scheduling"),
      remote_(seed, "remote"),
      disk_(seed),
      wall_offset_us_(kFirstWallUs),
      zones_(seed),
      programs_(seed) {
  now_.wall.us = wall_offset_us_;
  After(Seconds(60).ns, [this] { Disturb(); });
}

World::~World() = default;

void World::After(int64_t delay_ns, std::function<void()> action) {
  actions_.push_back({now_.mono.ns + std::max<int64_t>(delay_ns, 0), next_order_++, std::move(action)});
  std::push_heap(actions_.begin(), actions_.end(), std::greater<>());
}

void World::AfterForProcess(int64_t delay_ns, std::function<void()> action) {
  After(delay_ns, [this, process = process_, action = std::move(action)] {
    if (process == process_ && up()) action();
  });
}

int64_t World::DiskLatency() {
  // Mostly short, now and then a stall.
  if (disk_faults_.Chance(3)) return static_cast<int64_t>(disk_faults_.Below(static_cast<uint64_t>(Seconds(5).ns)));
  return 1000 + static_cast<int64_t>(disk_faults_.Below(static_cast<uint64_t>(faults_.disk_latency_ns_max)));
}

int64_t World::NetworkLatency() {
  return 1000 + static_cast<int64_t>(network_.Below(static_cast<uint64_t>(faults_.network_latency_ns_max)));
}

int64_t World::RemoteLatency() {
  return 1000 + static_cast<int64_t>(remote_.Below(static_cast<uint64_t>(faults_.network_latency_ns_max)));
}

int64_t World::InboundLatency(ConnId conn) {
  const auto found = connections_.find(conn);
  if (found == connections_.end()) return NetworkLatency();
  const int64_t latency = LatencyOf(found->second);
  int64_t& at = found->second.in_at_ns;
  at = std::max(at, now_.mono.ns + latency);
  return at - now_.mono.ns;
}

// Once a simulated minute: what goes wrong of itself.
void World::Disturb() {
  if (disk_faults_.Chance(faults_.disk_full_spells)) {
    disk_full_until_ns_ =
        now_.mono.ns + static_cast<int64_t>(disk_faults_.Below(static_cast<uint64_t>(Seconds(120).ns)));
  }
  if (scheduling_.Chance(faults_.wall_clock_jumps)) {
    const int64_t seconds =
        scheduling_.Chance(700) ? scheduling_.Between(-5, 5) : scheduling_.Between(-86400 * 400, 86400 * 400);
    wall_offset_us_ += seconds * 1'000'000;
  }
  if (!actions_.empty()) After(Seconds(60).ns, [this] { Disturb(); });
}

void World::Start() {
  ++process_;
  stopping_ = false;
  for (uint16_t i = 0; i < shard_count_; ++i) {
    shards_.push_back(std::make_unique<Shard>(ShardOptions{.id = ShardId{i},
                                                           .shard_count = shard_count_,
                                                           .config = config_,
                                                           .key = KeyOf(seed_, process_, i),
                                                           .node = {.host_name = "sim.example.test",
                                                                    .pid = static_cast<uint32_t>(4000 + process_ % 7),
                                                                    .start_counter = process_},
                                                           .delivers = delivers_ && i == 0}));
  }
  // A process looks at its queue by itself.
  if (delivers_) AfterForProcess(0, [this] { StepShard(0, ConfigChanged{config_}); });
}

void World::Crash(bool power_loss) {
  if (!up()) return;
  shards_.clear();
  disk_.ForgetSpares();
  timers_.clear();
  watches_.clear();
  ++crash_count_;
  if (power_loss) {
    ++power_loss_count_;
    disk_.LosePower();
  }
  digest_.Add(power_loss ? "power" : "kill");
  for (auto& [conn, connection] : std::exchange(connections_, {})) {
    if (connection.client_closed) continue;
    After(LatencyOf(connection), [this, client = connection.client] { client->OnClosed(*this); });
  }
  After(scheduling_.Between(Milliseconds(10).ns, Seconds(20).ns), [this] {
    if (!up()) Start();
  });
}

void World::StopCleanly() {
  if (!up() || stopping_) return;
  stopping_ = true;
  for (size_t i = 0; i < shards_.size(); ++i) StepShard(i, Shutdown{});
}

bool World::RunUntil(Instant until, uint64_t steps_max) {
  for (uint64_t steps = 0; !actions_.empty() && actions_.front().at_ns <= until.ns; ++steps) {
    if (steps >= steps_max) return false;
    std::pop_heap(actions_.begin(), actions_.end(), std::greater<>());
    Action action = std::move(actions_.back());
    actions_.pop_back();
    now_.mono.ns = std::max(now_.mono.ns, action.at_ns);
    now_.wall.us = now_.mono.ns / 1000 + wall_offset_us_;
    action.run();
    if (stopping_ && up() && std::all_of(shards_.begin(), shards_.end(), [](const auto& s) { return s->quiet(); })) {
      shards_.clear();
      disk_.ForgetSpares();
      timers_.clear();
      watches_.clear();
      for (const auto& [conn, connection] : std::exchange(connections_, {})) {
        if (connection.outgoing && !connection.client_closed) connection.client->OnClosed(*this);
      }
      After(Milliseconds(500).ns, [this] {
        if (!up()) Start();
      });
    }
  }
  return true;
}

void World::StepShard(size_t shard, const Event& event) {
  if (taker_ && taker_(event)) return;
  Effects effects;
  ++event_count_;
  shards_[shard]->Step(now_, event, effects);
  std::vector<Effect> all = effects.Take();
  digest_.Add(uint64_t{event.index()} << 32 | all.size() << 8 | shard);
  if (observer_) observer_(shard, now_, event, all);
  const uint64_t process = process_;
  for (Effect& effect : all) {
    if (process != process_ || !up()) return;
    Perform(shard, effect);
  }
}

void World::Perform(size_t shard, Effect& effect) {
  digest_.Add(uint64_t{effect.index()});
  if (auto* send = std::get_if<Send>(&effect)) {
    PerformSend(*send);
  } else if (auto* close = std::get_if<Close>(&effect)) {
    PerformClose(*close);
  } else if (auto* connect = std::get_if<postern::Connect>(&effect)) {
    PerformConnect(shard, *connect);
  } else if (auto* tls = std::get_if<StartTls>(&effect)) {
    const auto found = connections_.find(tls->conn);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    connection.server_wants_tls = true;
    if (!connection.client_wants_tls || connection.outgoing) {  // plaintext behind the command, or behind its reply
      connection.client->OnRead(connection.inbound.size());
      connection.inbound.clear();
    }
    if (connection.outgoing && connection.client_closed) {
      AfterForProcess(0, [this, conn = tls->conn] { TellClosed(conn); });
      return;
    }
    MeetTls(tls->conn);
  } else if (auto* drain = std::get_if<AwaitDrain>(&effect)) {
    const auto found = connections_.find(drain->conn);
    if (found == connections_.end()) return;
    AfterForProcess(std::max<int64_t>(0, found->second.out_at_ns - now_.mono.ns), [this, conn = drain->conn] {
      const auto connection = connections_.find(conn);
      if (connection != connections_.end() && !connection->second.server_closed && !connection->second.told_closed) {
        StepShard(connection->second.shard, Drained{conn});
      }
    });
  } else if (auto* pause = std::get_if<PauseReading>(&effect)) {
    if (const auto found = connections_.find(pause->conn); found != connections_.end()) found->second.paused = true;
  } else if (auto* resume = std::get_if<ResumeReading>(&effect)) {
    if (const auto found = connections_.find(resume->conn); found != connections_.end()) {
      found->second.paused = false;
      ScheduleInbound(resume->conn);
    }
  } else if (auto* handoff = std::get_if<Handoff>(&effect)) {
    PerformHandoff(*handoff);
  } else if (auto* timer = std::get_if<SetTimer>(&effect)) {
    const uint64_t order = next_order_;
    timers_[{shard, timer->op}] = order;
    AfterForProcess(timer->at.ns - now_.mono.ns, [this, shard, op = timer->op, order] {
      const auto found = timers_.find({shard, op});
      if (found == timers_.end() || found->second != order) return;
      timers_.erase(found);
      StepShard(shard, TimerFired{op});
    });
  } else if (auto* cancel = std::get_if<CancelTimer>(&effect)) {
    timers_.erase({shard, cancel->op});
  } else if (auto* commit = std::get_if<Commit>(&effect)) {
    auto plan = std::make_shared<RunningPlan>();
    plan->shard = shard;
    plan->op = commit->op;
    plan->plan = std::move(commit->plan);
    digest_.Add(Describe(plan->plan));
    RunStage(std::move(plan));
  } else if (auto* read = std::get_if<Read>(&effect)) {
    AfterForProcess(DiskLatency(), [this, shard, read = *read] {
      ReadDone done{.op = read.op};
      const auto bytes = disk_.ReadFile(read.path);
      std::string held;
      if (disk_faults_.Chance(faults_.read_fails)) {
        done.status = Unavailable("simulated EIO reading " + read.path);
      } else if (!bytes.ok()) {
        done.status = bytes.status();
      } else {
        const FileFacts facts = disk_.StatPath(read.path);
        held = bytes->substr(std::min<uint64_t>(read.offset_bytes, bytes->size()), read.length_bytes);
        done.bytes = held;
        done.file_bytes = bytes->size();
        done.mtime_seconds = facts.mtime_ns / 1'000'000'000;
        done.inode = facts.inode;
      }
      StepShard(shard, done);
    });
  } else if (auto* scan = std::get_if<Scan>(&effect)) {
    AfterForProcess(DiskLatency(), [this, shard, scan = *scan] {
      ScanDone done{.op = scan.op};
      auto entries = disk_.List(scan.dir);
      if (disk_faults_.Chance(faults_.read_fails)) {
        done.status = Unavailable("simulated EIO reading " + scan.dir);
      } else if (!entries.ok()) {
        done.status = entries.status();
      } else {
        done.entries = *std::move(entries);
        for (size_t i = done.entries.size(); i > 1; --i)
          std::swap(done.entries[i - 1], done.entries[scheduling_.Below(i)]);
        done.mtime_ns = disk_.StatPath(scan.dir).mtime_ns;
      }
      StepShard(shard, done);
    });
  } else if (auto* stat = std::get_if<Stat>(&effect)) {
    AfterForProcess(DiskLatency(), [this, shard, stat = *stat] {
      StatDone done{.op = stat.op};
      for (const Path& path : stat.paths) done.files.push_back(disk_.StatPath(path));
      StepShard(shard, done);
    });
  } else if (auto* watch = std::get_if<Watch>(&effect)) {
    watches_[{shard, watch->op}] = {watch->dirs.begin(), watch->dirs.end()};
  } else if (auto* unwatch = std::get_if<Unwatch>(&effect)) {
    watches_.erase({shard, unwatch->op});
  } else if (auto* ask = std::get_if<Ask>(&effect)) {
    PerformAsk(shard, *ask);
  } else if (auto* post = std::get_if<Post>(&effect)) {
    const size_t to = static_cast<size_t>(post->to) % shards_.size();
    const int copies = network_.Chance(faults_.letters_lost) ? 0 : network_.Chance(faults_.letters_repeated) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      AfterForProcess(NetworkLatency(), [this, to, shard, letter = post->letter] {
        StepShard(to, Posted{.from = ShardId{static_cast<uint16_t>(shard)}, .letter = letter});
      });
    }
  } else if (auto* later = std::get_if<ContinueLater>(&effect)) {
    AfterForProcess(scheduling_.Between(0, 1000),
                    [this, shard, machine = later->machine] { StepShard(shard, Continue{machine}); });
  } else if (auto* note = std::get_if<Note>(&effect)) {
    digest_.Add(note->event.text);
    log_.push_back({std::move(note->event)});
  }
}

// ---- the network ----------------------------------------------------------------------------------------------------

std::optional<ConnId> World::Connect(Client* client, size_t listener, IpAddress from) {
  if (!up() || stopping_) return std::nullopt;
  const ConnId conn{next_conn_++};
  Connection connection{.client = client, .shard = scheduling_.Below(shards_.size())};
  connection.peer = {.remote = {from, static_cast<uint16_t>(1024 + static_cast<uint64_t>(conn) % 60000)},
                     .local = config_->listeners[listener].endpoint,
                     .listener = ListenerId{static_cast<uint16_t>(listener)}};
  if (config_->listeners[listener].implicit_tls) {
    connection.tls = {
        .protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .secret_bits = 256, .algorithm_bits = 256};
  }
  connections_[conn] = connection;
  AfterForProcess(NetworkLatency(), [this, conn] {
    const auto found = connections_.find(conn);
    if (found == connections_.end()) return;
    StepShard(found->second.shard, Accepted{.conn = conn, .peer = found->second.peer, .tls = found->second.tls});
    ScheduleInbound(conn);
  });
  connections_[conn].moving = false;
  return conn;
}

void World::SendToServer(ConnId conn, std::string_view bytes) {
  AfterForProcess(InboundLatency(conn), [this, conn, bytes = std::string(bytes)] {
    const auto found = connections_.find(conn);
    if (found == connections_.end()) return;
    found->second.inbound += bytes;
    ScheduleInbound(conn);
  });
}

void World::ScheduleInbound(ConnId conn) {
  const auto found = connections_.find(conn);
  if (found == connections_.end() || found->second.inbound_scheduled) return;
  found->second.inbound_scheduled = true;
  Random& chance = found->second.outgoing ? remote_ : scheduling_;
  AfterForProcess(chance.Between(0, 20'000), [this, conn] { DeliverInbound(conn); });
}

void World::DeliverInbound(ConnId conn) {
  auto found = connections_.find(conn);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  connection.inbound_scheduled = false;
  if (connection.moving || connection.told_closed || connection.server_closed) return;
  if (connection.server_wants_tls) return;  // the handshake is under way
  if (connection.paused) return;
  if (connection.inbound.empty()) {
    if (connection.client_closed) TellClosed(conn);
    return;
  }
  Random& chance = ChanceOf(connection);
  if (chance.Chance(faults_.connection_breaks)) {
    connection.inbound.clear();
    connection.client_closed = true;
    After(0, [this, client = connection.client] { client->OnClosed(*this); });
    return TellClosed(conn);
  }
  size_t count = connection.inbound.size();
  if (chance.Chance(faults_.split_reads)) {
    count = 1 + chance.Below(std::min<size_t>(count, chance.Chance(300) ? 3 : 4096));
  }
  const std::string bytes = connection.inbound.substr(0, count);
  connection.inbound.erase(0, count);
  connection.client->OnRead(count);
  StepShard(connection.shard, Received{conn, bytes});
  if (connections_.contains(conn)) ScheduleInbound(conn);
}

void World::BeginTls(ConnId conn) {
  AfterForProcess(InboundLatency(conn) + faults_.network_latency_ns_max, [this, conn] {
    const auto found = connections_.find(conn);
    if (found == connections_.end()) return;
    found->second.client_wants_tls = true;
    // Plaintext that came behind STARTTLS never counts as what TLS protects. (A remote host's reply to it must arrive.)
    if (!found->second.outgoing) found->second.inbound.clear();
    MeetTls(conn);
  });
}

void World::MeetTls(ConnId conn) {
  Connection& connection = connections_.at(conn);
  if (!connection.server_wants_tls || !connection.client_wants_tls) return;
  AfterForProcess(LatencyOf(connection), [this, conn] {
    const auto found = connections_.find(conn);
    if (found == connections_.end() || !found->second.server_wants_tls) return;
    Connection& ready = found->second;
    ready.server_wants_tls = ready.client_wants_tls = false;
    ready.tls = {.protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .secret_bits = 256, .algorithm_bits = 256};
    Client* client = ready.client;
    StepShard(ready.shard, TlsReady{.conn = conn, .facts = ready.tls, .certificate = ready.certificate});
    client->OnTlsReady(*this);
    ScheduleInbound(conn);
  });
}

void World::CloseFromClient(ConnId conn) {
  AfterForProcess(InboundLatency(conn), [this, conn] {
    const auto found = connections_.find(conn);
    if (found == connections_.end()) return;
    found->second.client_closed = true;
    if (found->second.server_wants_tls || found->second.paused) {
      found->second.inbound.clear();
      if (!found->second.moving) TellClosed(conn);
      return;
    }
    ScheduleInbound(conn);
  });
}

void World::TellClosed(ConnId conn) {
  const auto found = connections_.find(conn);
  if (found == connections_.end() || found->second.told_closed) return;
  found->second.told_closed = true;
  const size_t shard = found->second.shard;
  const bool in_handshake = found->second.outgoing && found->second.server_wants_tls;
  connections_.erase(found);
  StepShard(shard, PeerClosed{.conn = conn, .why = in_handshake ? Unavailable("TLS handshake failed") : Status()});
}

void World::PerformSend(Send& send) {
  const auto found = connections_.find(send.conn);
  if (found == connections_.end() || found->second.server_closed) return;
  const std::string bytes = send.bytes.Flatten();
  digest_.Add(bytes);
  Connection& connection = found->second;
  connection.out_at_ns = std::max(connection.out_at_ns, now_.mono.ns + LatencyOf(connection));
  if (connection.client_closed) return;
  After(connection.out_at_ns - now_.mono.ns,
        [this, client = connection.client, bytes] { client->OnBytes(*this, bytes); });
}

void World::PerformClose(const Close& close) {
  const auto found = connections_.find(close.conn);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (!connection.client_closed) {
    int64_t at = std::max<int64_t>(connection.out_at_ns - now_.mono.ns, 0);
    if (close.kind == CloseKind::kNow && at > 0) at = network_.Between(0, at);  // some of what is on its way arrives
    After(at + 1, [this, client = connection.client] { client->OnClosed(*this); });
  }
  connections_.erase(found);
}

void World::PerformHandoff(Handoff& handoff) {
  const auto found = connections_.find(handoff.conn);
  if (found == connections_.end()) return;
  found->second.moving = true;
  AfterForProcess(NetworkLatency(), [this, handoff = handoff] {
    const auto moved = connections_.find(handoff.conn);
    if (moved == connections_.end()) return;
    Connection& connection = moved->second;
    connection.shard = static_cast<size_t>(handoff.to) % shards_.size();
    connection.moving = false;
    connection.paused = false;
    StepShard(connection.shard, Adopted{.conn = handoff.conn,
                                        .peer = connection.peer,
                                        .tls = connection.tls,
                                        .login = handoff.login,
                                        .unread = handoff.unread});
    ScheduleInbound(handoff.conn);
  });
}

// ---- the disk, and questions ----------------------------------------------------------------------------------------

Status World::PerformOp(const FileOp& op) {
  const bool sync = std::holds_alternative<SyncFile>(op) || std::holds_alternative<SyncDir>(op);
  if (sync && disk_faults_.Chance(faults_.sync_fails)) {
    disk_.FailSync(op);
    return Unavailable("simulated EIO at a sync");
  }
  if (!sync && disk_faults_.Chance(faults_.write_fails)) return Unavailable("simulated EIO at a write");
  const bool grows = std::holds_alternative<Create>(op) || std::holds_alternative<Append>(op) ||
                     std::holds_alternative<MakeDir>(op) || std::holds_alternative<Link>(op);
  if (grows && now_.mono.ns < disk_full_until_ns_) return ResourceExhausted("simulated ENOSPC");
  const Status status = disk_.Apply(op, now_.wall.seconds());
  if (status.ok()) TellWatchers(op);
  return status;
}

void World::RunStage(std::shared_ptr<RunningPlan> plan) {
  while (plan->stage < plan->plan.stages.size() && plan->plan.stages[plan->stage].empty()) ++plan->stage;
  if (plan->stage == plan->plan.stages.size() || !plan->result.ok()) {
    AfterForProcess(DiskLatency(),
                    [this, plan] { StepShard(plan->shard, PlanDone{.op = plan->op, .result = plan->result}); });
    return;
  }
  const Stage& stage = plan->plan.stages[plan->stage];
  plan->open_ops = stage.size();
  for (size_t i = 0; i < stage.size(); ++i) {
    // Each operation at a time of its own: any order, and a crash between any two.
    AfterForProcess(DiskLatency(), [this, plan, i] {
      const Status status = PerformOp(plan->plan.stages[plan->stage][i]);
      if (!status.ok()) {
        plan->result.failures.push_back({static_cast<uint32_t>(plan->stage), static_cast<uint32_t>(i), status});
      }
      if (--plan->open_ops > 0) return;
      std::sort(plan->result.failures.begin(), plan->result.failures.end(),
                [](const OpFailure& a, const OpFailure& b) { return a.op < b.op; });
      ++plan->stage;
      RunStage(plan);
    });
  }
}

void World::PerformAsk(size_t shard, const Ask& ask) {
  if (const auto* dns = std::get_if<DnsQuestion>(&ask.question)) {
    AfterForProcess(RemoteLatency() + zones_.DelayOf(dns->name).ns, [this, shard, op = ask.op, question = *dns] {
      StepShard(shard, Answer{.op = op, .reply = zones_.Look(question)});
    });
    return;
  }
  if (const auto* run = std::get_if<RunProgram>(&ask.question)) return PerformRun(shard, ask.op, *run);
  AfterForProcess(NetworkLatency(), [this, shard, ask] {
    Answer answer{.op = ask.op};
    if (const auto* verify = std::get_if<VerifyPassword>(&ask.question)) {
      const auto matches = auth::VerifyStoredPassword(verify->stored.Reveal(), verify->password.Reveal(), verify->user);
      answer.reply = PasswordChecked{.matches = matches.ok() && *matches, .status = matches.status()};
    } else {
      const auto& lookup = std::get<LookupClientName>(ask.question);
      answer.reply = ClientName{.name = lookup.address.IsLoopback() ? "localhost" : ""};
    }
    StepShard(shard, answer);
  });
}

// Whoever dies after the program has begun does not know what it did.
void World::PerformRun(size_t shard, OpId op, const RunProgram& run) {
  AfterForProcess(RemoteLatency(), [this, shard, op, run] {
    const size_t number = programs_.Begin(run);
    AfterForProcess(programs_.TimeOf(number, run).ns,
                    [this, shard, op, number] { StepShard(shard, Answer{.op = op, .reply = programs_.Tell(number)}); });
  });
}

}  // namespace postern::sim
