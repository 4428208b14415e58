#include "sim/campaign/campaign.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "sim/campaign/audit.h"
#include "sim/campaign/far_away.h"
#include "sim/campaign/ledger.h"
#include "sim/campaign/setting.h"
#include "sim/clients/imap_client.h"
#include "sim/clients/pop3_client.h"
#include "sim/clients/smtp_client.h"
#include "sim/world/world.h"

namespace postern::sim {
namespace {

constexpr uint64_t kStepsMax = 2'000'000;  // of one phase: more is a livelock (O20)
constexpr Duration kSafety = Seconds(900);
constexpr Duration kLiveness = Seconds(4000);

Faults DrawFaults(Random& random) {
  Faults faults;
  const auto maybe = [&](uint32_t parts) {
    return random.Chance(400) ? 1 + static_cast<uint32_t>(random.Below(parts)) : 0;
  };
  faults.sync_fails = maybe(20);
  faults.write_fails = maybe(20);
  faults.read_fails = maybe(20);
  faults.disk_full_spells = maybe(200);
  faults.split_reads = maybe(1000);
  faults.connection_breaks = maybe(30);
  faults.letters_lost = maybe(300);
  faults.letters_repeated = maybe(300);
  faults.wall_clock_jumps = maybe(300);
  faults.disk_latency_ns_max = random.Chance(500) ? 200'000 : 20'000'000;
  faults.network_latency_ns_max = random.Chance(500) ? 500'000 : 100'000'000;
  return faults;
}

IpAddress Address(std::string_view text) { return *IpAddress::Parse(text); }

class Workload {
 public:
  Workload(const Plan& plan, World& world, Ledger& ledger, const FarAway& far_away)
      : plan_(plan), world_(world), ledger_(ledger), far_away_(far_away) {}

  // Clients come at their times; crashes, too: it returns when.
  std::vector<Instant> Schedule(uint32_t client_count, uint32_t crash_count) {
    std::vector<Instant> ends;
    Random draw(plan_.seed, "clients");
    for (uint32_t number = 0; number < client_count; ++number) {
      const int64_t at = static_cast<int64_t>(draw.Below(static_cast<uint64_t>(kSafety.ns / 2)));
      const uint64_t client_seed = draw.Next();
      if (std::find(plan_.without_clients.begin(), plan_.without_clients.end(), number) != plan_.without_clients.end())
        continue;
      world_.After(at, [this, number, client_seed] { BeginClient(number, client_seed); });
    }
    Random crashes(plan_.seed, "crashes");
    for (uint32_t i = 0; i < crash_count && !plan_.without_crashes; ++i) {
      const int64_t at = static_cast<int64_t>(crashes.Below(static_cast<uint64_t>(kSafety.ns / 2)));
      const uint64_t kind = crashes.Below(10);
      ends.push_back(Instant{at});
      world_.After(at, [this, kind] {
        if (kind < 4) {
          world_.Crash(/*power_loss=*/false);
        } else if (kind < 9) {
          world_.Crash(/*power_loss=*/true);
        } else {
          world_.StopCleanly();
        }
      });
    }
    return ends;
  }

 private:
  void BeginClient(uint32_t number, uint64_t seed) {
    Random random(seed);
    const std::string& user = UserNames()[random.Below(UserNames().size())];
    const std::string name = std::to_string(number);
    const IpAddress from =
        random.Chance(300) ? Address("127.0.0.1") : Address("198.51.100." + std::to_string(1 + random.Below(200)));
    const uint64_t kind = random.Below(100);
    bool began = false;
    if (kind < 50) {
      SmtpIntent intent{.from = from, .messages = 1 + static_cast<uint32_t>(random.Below(4))};
      intent.listener = random.Below(3);
      if (intent.listener != kSmtp) intent.login = user;
      intent.trusted = from.IsLoopback();
      intent.far_addresses = far_away_.addresses();
      intent.far_seed = seed;
      intent.etrn_sites = far_away_.etrn_sites();
      intent.pipelining = random.Chance(500);
      intent.chunking = random.Chance(300);
      intent.aborts = random.Chance(200);
      intent.smuggles = random.Chance(50);
      intent.injects_after_starttls = random.Chance(200);
      intent.resets_before_tls = random.Chance(100);
      intent.loops = random.Chance(50);
      auto client = std::make_unique<SmtpClient>(ledger_, intent, "smtp " + name);
      began = client->Begin(world_);
      clients_.push_back(std::move(client));
    } else if (kind < 85) {
      ImapIntent intent{.listener = random.Chance(700) ? size_t{kImaps} : size_t{kImap}, .from = from, .user = user};
      intent.commands = 4 + static_cast<uint32_t>(random.Below(20));
      intent.aborts = random.Chance(200);
      intent.hurries = random.Chance(200);
      intent.injects_after_starttls = random.Chance(200);
      auto client = std::make_unique<ImapClient>(ledger_, intent, "imap " + name);
      began = client->Begin(world_);
      clients_.push_back(std::move(client));
    } else {
      Pop3Intent intent{.listener = random.Chance(700) ? size_t{kPop3s} : size_t{kPop3}, .from = from, .user = user};
      intent.deletes = random.Chance(400);
      intent.quits = random.Chance(700);
      auto client = std::make_unique<Pop3Client>(ledger_, intent, "pop3 " + name);
      began = client->Begin(world_);
      clients_.push_back(std::move(client));
    }
    if (!began) {  // the server is down: later again
      clients_.pop_back();
      world_.After(Seconds(10).ns, [this, number, seed] { BeginClient(number, seed); });
    }
  }

  const Plan& plan_;
  World& world_;
  Ledger& ledger_;
  const FarAway& far_away_;
  std::vector<std::unique_ptr<Client>> clients_;
};

// What fresh clients see of every INBOX: user -> (UIDVALIDITY, UID -> canary).
// `readers` must live as long as the world: a crash tells them later.
Sightings ReadAll(World& world, Ledger& ledger, const std::string& round,
                  std::vector<std::unique_ptr<ImapClient>>& readers) {
  const size_t first = readers.size();
  for (const std::string& user : UserNames()) {
    readers.push_back(std::make_unique<ImapClient>(
        ledger, ImapIntent{.listener = kImaps, .from = Address("198.51.100.250"), .user = user, .reads_all = true},
        "audit " + round + " " + user));
    if (!readers.back()->Begin(world)) ledger.Violated("liveness", "the server is down in a healthy world");
  }
  if (!world.RunUntil(world.now().mono + Seconds(600), kStepsMax)) ledger.Violated("O20", "no end while reading");
  Sightings sightings;
  for (size_t i = 0; i < UserNames().size(); ++i) {
    const ImapClient& reader = *readers[first + i];
    if (!reader.finished()) ledger.Violated("liveness", UserNames()[i] + " could not read INBOX in a healthy world");
    sightings[UserNames()[i]] = {reader.uidvalidity(), reader.seen()};
  }
  return sightings;
}

}  // namespace

Result RunSeed(const Plan& plan) {
  Random draw(plan.seed, "setting");
  const auto fsync = draw.Chance(700) ? config::MailFsync::kOptimized : config::MailFsync::kAlways;
  const auto shards = static_cast<uint16_t>(1 + draw.Below(3));
  Faults faults = DrawFaults(draw);
  uint32_t client_count = 4 + static_cast<uint32_t>(draw.Below(20));
  const uint32_t crash_count = draw.Chance(700) ? static_cast<uint32_t>(draw.Below(5)) : 0;
  if (plan.clients_max != 0) client_count = std::min(client_count, plan.clients_max);
  if (plan.without_faults) faults = Faults{};

  Ledger ledger;
  std::vector<std::unique_ptr<ImapClient>> readers;
  FarAway far_away(plan.seed, plan.without_bad_hosts, plan.without_hands, faults);
  auto setting = std::make_shared<config::Config>(*MakeSetting(fsync));
  far_away.Shape(setting.get());
  World world(plan.seed, setting, shards, faults);
  far_away.Enter(world);
  Workload workload(plan, world, ledger, far_away);
  world.set_observer([&](size_t, Now now, const Event& event, const std::vector<Effect>& effects) {
    far_away.Watch(now, event, effects);
    for (const Effect& effect : effects) {
      const auto* note = std::get_if<Note>(&effect);
      if (note == nullptr || (note->event.severity < Severity::kWarning && !plan.tells_all)) continue;
      ledger.Tell("  server at " + std::to_string(now.mono.ns / 1'000'000) + " ms: " + note->event.tag + " " +
                  note->event.text);
    }
  });
  world.Start();
  far_away.BeginByHand(ledger, workload.Schedule(client_count, crash_count));
  if (!world.RunUntil(Instant{} + kSafety, kStepsMax)) ledger.Violated("O20", "no end in the safety phase");
  world.set_faults(Faults{});
  far_away.Heal();
  if (!world.RunUntil(Instant{} + kSafety + kLiveness, kStepsMax))
    ledger.Violated("O20", "no end in the liveness phase");

  bool queue_is_quiet = false;
  if (ledger.violations().empty()) queue_is_quiet = far_away.Audit(ledger);
  if (ledger.violations().empty()) {
    const Sightings first = ReadAll(world, ledger, "first", readers);
    world.Crash(/*power_loss=*/false);
    world.RunUntil(world.now().mono + Seconds(60), kStepsMax);
    const Sightings second = ReadAll(world, ledger, "second", readers);
    if (ledger.violations().empty()) Audit(world, ledger, first, second, queue_is_quiet);
  }
  return {.seed = plan.seed,
          .digest = world.digest(),
          .events = world.event_count(),
          .clients = client_count,
          .crashes = world.crash_count(),
          .power_losses = world.power_loss_count(),
          .simulated_seconds = static_cast<uint64_t>(world.now().mono.ns / 1'000'000'000),
          .violations = ledger.violations(),
          .story = ledger.story()};
}

Plan Shrink(const Plan& plan, const Result& failing, uint32_t* tried) {
  const auto oracle_of = [](const Result& result) {
    return result.violations.empty() ? std::string()
                                     : result.violations.front().substr(0, result.violations.front().find(':'));
  };
  const std::string oracle = oracle_of(failing);
  Plan best = plan;
  const auto still_fails = [&](const Plan& candidate) {
    ++*tried;
    return oracle_of(RunSeed(candidate)) == oracle;
  };
  for (const auto& simplify :
       {+[](Plan& p) { p.without_crashes = true; }, +[](Plan& p) { p.without_faults = true; },
        +[](Plan& p) { p.without_bad_hosts = true; }, +[](Plan& p) { p.without_hands = true; }}) {
    Plan candidate = best;
    simplify(candidate);
    if (still_fails(candidate)) best = candidate;
  }
  for (uint32_t client = 0; client < failing.clients; ++client) {
    Plan candidate = best;
    candidate.without_clients.push_back(client);
    if (still_fails(candidate)) best = candidate;
  }
  return best;
}

}  // namespace postern::sim
