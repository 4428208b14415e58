#include "sim/campaign/far_away.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "sim/campaign/outbound_facts.h"
#include "sim/campaign/setting.h"

namespace postern::sim {
namespace {

constexpr std::string_view kSpoolDir = "/var/spool/postfix/postern/";
// What a try may take beyond the time it was due: hosts that answer late, several of them, and names that do.
constexpr Duration kTrySlack = Seconds(2400);

template <size_t kCount>
int64_t Pick(Random& random, const std::array<int64_t, kCount>& values) {
  return values[random.Below(kCount)];
}

IpAddress HostAddress(size_t domain, size_t host) {
  return *IpAddress::Parse("203.0.113." + std::to_string(10 * (domain + 1) + host));
}
IpAddress RelayAddress() { return *IpAddress::Parse("203.0.113.250"); }
IpAddress HomeAddress() { return *IpAddress::Parse("203.0.113.251"); }
// Where the clients that come without a login are at home: notices to them must be able to arrive.
constexpr std::string_view kHome = "client.example.org";

// One host for all mail, or a good name with hosts, mostly; now and then anything.
ZoneKind DrawZone(Random& random) {
  if (random.Chance(650)) {
    constexpr std::array<ZoneKind, 4> kGood{ZoneKind::kOneMx, ZoneKind::kOneMx, ZoneKind::kSeveralMx, ZoneKind::kNoMx};
    return kGood[random.Below(kGood.size())];
  }
  return static_cast<ZoneKind>(random.Below(kZoneKindCount));
}

// May a mistake of theirs, or their wish, end as a refusal?
bool RefusesForGood(const RemoteBehaviour& behaviour) {
  switch (behaviour.kind) {
    case RemoteKind::kRefusesSome:
    case RemoteKind::kLies:
    case RemoteKind::kTalksEarly:
      return true;
    case RemoteKind::kAnswersBadly:
      return behaviour.code >= 500;
    default:
      return false;
  }
}
bool RefusesForGood(ZoneKind kind) {
  switch (kind) {
    case ZoneKind::kNullMx:
    case ZoneKind::kMxWithoutAddress:
    case ZoneKind::kNoSuchDomain:
    case ZoneKind::kNoData:
    case ZoneKind::kAliasLoop:
    case ZoneKind::kOurselves:
      return true;
    default:
      return false;
  }
}

void Report(Ledger& ledger, const Violations& violations) {
  for (const std::string& violation : violations) {
    const size_t colon = violation.find(": ");
    ledger.Violated(violation.substr(0, colon), violation.substr(colon + 2));
  }
}

}  // namespace

FarAway::FarAway(uint64_t seed, bool all_well, bool hands_off, const Faults& faults)
    : seed_(seed),
      all_well_(all_well),
      random_(seed, "far away"),
      lmtp_(seed, "far away over LMTP"),
      by_hand_(seed, hands_off) {
  goes_out_ = random_.Chance(900);
  heals_ = random_.Chance(850);
  seen_.clock_jumps = faults.wall_clock_jumps != 0;
  seen_.disk_kept_all =
      faults.sync_fails == 0 && faults.write_fails == 0 && faults.read_fails == 0 && faults.disk_full_spells == 0;
  const size_t domains_count = 1 + random_.Below(3);
  for (size_t i = 0; i < domains_count; ++i) DrawDomain(i);
  if (random_.Chance(200)) {
    relayhost_ = "[" + RelayAddress().ToString() + "]";
    const RemoteBehaviour behaviour = DrawBehaviour(random_);
    AddHost(RelayAddress(), "relay.example", behaviour);
    if (RefusesForGood(behaviour)) seen_.refusable.insert(addresses_.begin(), addresses_.end());
  }
  constexpr std::array<RemoteKind, 4> kAtHome{RemoteKind::kGood, RemoteKind::kGood, RemoteKind::kGreylists,
                                              RemoteKind::kLosesReplies};
  AddHost(HomeAddress(), "mx." + std::string(kHome), {.kind = kAtHome[random_.Below(kAtHome.size())]});
}

void FarAway::DrawDomain(size_t number) {
  Domain domain{
      .name = "far" + std::to_string(number) + ".example", .kind = DrawZone(random_), .lmtp = lmtp_.Chance(250)};
  bool refuses = false;
  const size_t hosts_count = 1 + random_.Below(3);
  for (size_t i = 0; i < hosts_count; ++i) {
    domain.addresses.push_back(HostAddress(number, i));
    RemoteBehaviour behaviour = DrawBehaviour(random_);
    if (random_.Chance(250)) behaviour.kind = RemoteKind::kGood;
    behaviour.lmtp = domain.lmtp;
    refuses |= RefusesForGood(behaviour);
    AddHost(domain.addresses.back(), "mx" + std::to_string(i) + "." + domain.name, behaviour);
  }
  if (all_well_) domain.kind = ZoneKind::kOneMx;
  for (int i = 0; i < 4; ++i) {
    addresses_.push_back("u" + std::to_string(i) + "@" + domain.name);
    if (refuses || (!domain.lmtp && RefusesForGood(domain.kind))) seen_.refusable.insert(addresses_.back());
  }
  domains_.push_back(std::move(domain));
}

void FarAway::AddHost(IpAddress address, const std::string& name, RemoteBehaviour behaviour) {
  if (all_well_) behaviour.kind = RemoteKind::kGood;
  slow_ |= behaviour.kind == RemoteKind::kSlow;
  hosts_[address] = std::make_shared<RemoteHost>(name, behaviour, seed_);
}

void FarAway::Shape(config::Config* setting) {
  config::QueueSettings& queue = setting->queue;
  queue.minimal_backoff_time = Seconds(Pick<4>(random_, {5, 30, 60, 300}));
  queue.maximal_backoff_time = std::max(queue.minimal_backoff_time, Seconds(Pick<3>(random_, {60, 300, 600})));
  queue.maximal_queue_lifetime = Seconds(Pick<4>(random_, {60, 600, 3600, 5 * 86400}));
  queue.bounce_queue_lifetime = Seconds(Pick<3>(random_, {600, 3600, 5 * 86400}));
  if (!heals_) queue.maximal_queue_lifetime = queue.bounce_queue_lifetime = Seconds(600);
  queue.delay_warning_time = Seconds(Pick<3>(random_, {0, 0, 30}));
  queue.queue_run_delay = Seconds(Pick<2>(random_, {100, 300}));
  if (random_.Chance(200)) {
    queue.qmgr_message_active_limit = 5;
    queue.qmgr_message_recipient_limit = 20;
    queue.qmgr_message_recipient_minimum = 5;
  }
  config::TransportQueue& transport = queue.default_transport;
  concurrency_limit_ = static_cast<uint32_t>(Pick<3>(random_, {1, 2, 20}));
  transport.destination_concurrency_limit = concurrency_limit_;
  transport.initial_destination_concurrency = std::min<uint32_t>(concurrency_limit_, 5);
  transport.destination_recipient_limit = static_cast<uint32_t>(Pick<4>(random_, {1, 2, 50, 50}));
  destination_is_recipient_ = transport.destination_recipient_limit == 1;
  transport.process_limit = static_cast<uint32_t>(Pick<2>(random_, {4, 100}));
  if (random_.Chance(500)) setting->smtp_client.tls_level = config::ClientTlsLevel::kMay;
  setting->smtp_client.helo_name = setting->routing.myhostname;
  setting->routing.relayhost = setting->smtp_client.relayhost = relayhost_;
  if (random_.Chance(500)) {
    config::ClientTimeouts& timeouts = setting->smtp_client.timeouts;
    timeouts.connect = Seconds(5);
    timeouts.helo = timeouts.starttls = timeouts.mail = timeouts.rcpt = Seconds(20);
    timeouts.data_init = timeouts.data_xfer = timeouts.data_done = Seconds(30);
  }
  RouteOverLmtp(setting);
  for (const std::string& site : etrn_sites()) {
    setting->routing.fast_flush_domains.patterns.push_back({.kind = config::MatchPattern::Kind::kName, .text = site});
  }
  limits_ = {.minimal_backoff = queue.minimal_backoff_time,
             .maximal_backoff = queue.maximal_backoff_time,
             .slack = kTrySlack,
             .queue_lifetime = std::max(queue.maximal_queue_lifetime, queue.bounce_queue_lifetime)};
}

void FarAway::RouteOverLmtp(config::Config* setting) const {
  std::map<std::string, std::string, std::less<>> rows;
  for (const Domain& domain : domains_) {
    if (!domain.lmtp) continue;
    std::string& row = rows[domain.name];
    for (const IpAddress& address : domain.addresses) {
      row += (row.empty() ? "lmtp:inet:[" : ", [") + address.ToString() + "]";
    }
  }
  if (rows.empty()) return;
  setting->routing.transport_maps.tables = {MakeTable("hash:/etc/postfix/transport", std::move(rows))};
  setting->lmtp_client.tls_level = setting->smtp_client.tls_level;
  setting->lmtp_client.helo_name = setting->smtp_client.helo_name;
  setting->lmtp_client.timeouts = setting->smtp_client.timeouts;
}

void FarAway::Enter(World& world) {
  world_ = &world;
  if (goes_out_) world.LetMailGoOut();
  for (const auto& [address, host] : hosts_) world.AddRemoteHost(address, host);
  for (const Domain& domain : domains_) {
    world.zones().AddDomain(domain.name, domain.kind, domain.addresses, "mail.example.test");
  }
  world.zones().AddDomain(std::string(kHome), ZoneKind::kOneMx, {HomeAddress()}, "mail.example.test");
}

std::vector<std::string> FarAway::sites() const {
  std::vector<std::string> names;
  for (const Domain& domain : domains_) names.push_back(domain.name);
  return names;
}

void FarAway::BeginByHand(Ledger& ledger, const std::vector<Instant>& crashes) {
  if (goes_out_) by_hand_.Begin(*world_, ledger, seen_.disk_kept_all, crashes, sites());
}

void FarAway::Heal() {
  by_hand_.Release();
  if (!heals_) return;
  for (const auto& [address, host] : hosts_) host->Heal();
  world_->zones().Heal();
}

// ---- what is seen --------------------------------------------------------------------------------------------------

void FarAway::Watch(Now now, const Event& event, const std::vector<Effect>& effects) {
  WatchProcess(now);
  by_hand_.Watch(now, event, effects);
  if (const auto* done = std::get_if<ConnectDone>(&event)) {
    const auto destination = connecting_.extract(done->op);
    if (!destination.empty()) {
      if (done->status.ok()) {
        connected_[done->conn] = destination.mapped();
      } else {
        --traffic_[destination.mapped()].open;
      }
    }
  } else if (const auto* closed = std::get_if<PeerClosed>(&event)) {
    CloseTo(closed->conn);
  }
  for (const Effect& effect : effects) {
    if (const auto* close = std::get_if<Close>(&effect)) CloseTo(close->conn);
  }
  for (const Effect& effect : effects) {
    if (const auto* note = std::get_if<Note>(&effect)) {
      // Mailboxes of this host are first tried by the session that takes the message in.
      if (auto tried = ReadTry(note->event); tried && note->event.tag != "postfix/virtual") {
        tried->at = now.mono;
        tried->process = world_->process();
        tries_.push_back(*std::move(tried));
      }
      AddNoticeLine(note->event, now.mono, world_->process(), &seen_);
    } else if (const auto* commit = std::get_if<Commit>(&effect)) {
      WatchPlan(commit->plan, now);
    } else if (const auto* connect = std::get_if<postern::Connect>(&effect)) {
      if (const auto* endpoint = std::get_if<Endpoint>(&connect->to)) OpenTo(endpoint->address, connect->op);
    }
  }
}

// A message that is put off gets the time of its next try.
void FarAway::WatchPlan(const FilePlan& plan, Now now) {
  for (const Stage& stage : plan.stages) {
    for (const FileOp& op : stage) {
      const auto* due = std::get_if<SetMtime>(&op);
      if (due == nullptr || !due->path.starts_with(kSpoolDir)) continue;
      seen_.put_off[{due->path.substr(due->path.rfind('/') + 1), world_->process()}] = now.mono;
    }
  }
}

void FarAway::WatchProcess(Now now) {
  if (world_->process() != seen_.last_process) {
    if (seen_.last_process != 0) {
      seen_.ends[seen_.last_process] = {.at = last_event_, .power_lost = world_->power_loss_count() != power_losses_};
    }
    seen_.last_process = world_->process();
    power_losses_ = world_->power_loss_count();
    for (auto& [destination, traffic] : traffic_) traffic.open = 0;
    connecting_.clear();
    connected_.clear();
  }
  last_event_ = now.mono;
}

std::string FarAway::DestinationOf(const IpAddress& address) const {
  for (const Domain& domain : domains_) {
    if (std::find(domain.addresses.begin(), domain.addresses.end(), address) != domain.addresses.end())
      return domain.name;
  }
  return address.ToString();
}

void FarAway::OpenTo(const IpAddress& address, OpId op) {
  std::string destination = DestinationOf(address);
  Traffic& traffic = traffic_[destination];
  traffic.most = std::max(traffic.most, ++traffic.open);
  connecting_[op] = std::move(destination);
}

void FarAway::CloseTo(ConnId conn) {
  const auto destination = connected_.extract(conn);
  if (!destination.empty()) --traffic_[destination.mapped()].open;
}

// ---- the audit -----------------------------------------------------------------------------------------------------

OutboundFacts FarAway::Facts(Ledger& ledger) const {
  OutboundFacts facts = seen_;
  facts.deleted = by_hand_.deleted();
  for (auto& [id, notice] : facts.notices) notice.lost |= facts.deleted.contains(id);
  AddPromises(ledger, &facts);
  for (const auto& [address, host] : hosts_) AddBooks(*host, &facts);
  std::map<std::string, std::string> spool;
  for (auto& [path, bytes] : world_->disk().Files(kSpoolDir.substr(0, kSpoolDir.size() - 1))) {
    spool[path.substr(kSpoolDir.size())] = bytes;
  }
  AddSpool(spool, &facts);
  const auto add_told = [&facts](const std::string& text, const std::string& user) {
    const std::vector<ToldFailed> failures = FailuresIn(text, user);
    facts.told.insert(facts.told.end(), failures.begin(), failures.end());
  };
  for (const auto& [canary, seen] : ledger.notices_seen()) add_told(seen.second, seen.first);
  for (const std::string& user : UserNames()) {
    for (const auto& [path, bytes] : world_->disk().Files(MaildirOf(user))) {
      const bool visible = path.find("/cur/") != std::string::npos || path.find("/new/") != std::string::npos;
      if (visible && IsNotice(CanaryIn(bytes))) add_told(bytes, user);
    }
  }
  FindWhatNoticesAreAbout(&facts);
  return facts;
}

std::vector<AskedByHand> FarAway::AskedByPeople(const Ledger& ledger) const {
  std::vector<AskedByHand> asked = by_hand_.asked();
  for (const Instant at : ledger.asked_for_sites()) asked.push_back({.from = at, .to = at + kSiteSlack});
  return asked;
}

bool FarAway::Audit(Ledger& ledger) {
  const OutboundFacts facts = Facts(ledger);
  Report(ledger, CheckOneEnd(facts));
  Report(ledger, CheckNotices(facts));
  Report(ledger, CheckRightlyFailed(facts));
  Report(ledger, CheckNothingUnasked(facts));
  for (size_t i = 0; i < facts.promised.size(); ++i) {
    ledger.submissions()[i].may_end_unseen = MayEndUnseen(facts, facts.promised[i]);
  }
  for (const ToldFailed& one : facts.told) ledger.ToldAsFailed(one.recipient, one.canary);
  for (const auto& [address, host] : hosts_) {
    for (const std::string& complaint : host->complaints()) ledger.Violated("O19", complaint);
  }
  if (!goes_out_) return true;
  // With a host that takes its time a message waits long for its turn there, and for the last of its recipients.
  Limits limits = limits_;
  if (slow_) limits.slack = Seconds(86400);
  Report(ledger, CheckBackoff(tries_, limits, AskedByPeople(ledger), facts));
  Report(ledger, by_hand_.Audit(tries_));
  if (!slow_) Report(ledger, CheckLifetimes(facts.waiting, limits_, world_->now().wall, {}));
  if (heals_) {
    for (const Waiting& one : facts.waiting) {
      ledger.Violated("liveness", one.canary + " for " + one.recipient + " waits, though all hosts are well");
    }
  }
  std::set<std::string> names;
  for (const auto& [path, bytes] : world_->disk().Files(kSpoolDir.substr(0, kSpoolDir.size() - 1))) {
    const std::string name = path.substr(kSpoolDir.size());
    if (!name.starts_with("tmp/")) names.insert(name);  // what was being written when a process died
  }
  // Where hosts never get well and the clock went back, a notice may be younger than its time for ever.
  Report(ledger, CheckNoLeak(names, facts.waiting.empty() && (heals_ || !facts.clock_jumps)));
  const bool quiet = std::none_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("incoming/") || name.starts_with("deferred/");
  });
  // The limit is a recipient's then, and books of connections do not know whose.
  if (destination_is_recipient_) return quiet;
  for (const auto& [destination, traffic] : traffic_) {
    Report(ledger, CheckConcurrency(destination, traffic.most, concurrency_limit_));
  }
  return quiet;
}

}  // namespace postern::sim
