#include "sim/campaign/by_hand.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/queue/queue_id.h"

namespace postern::sim {
namespace {

using queue::Request;
using queue::RequestKind;

constexpr std::string_view kSpool = "/var/spool/postfix/postern/";
constexpr std::string_view kIncoming = "/var/spool/postfix/postern/incoming/";
constexpr std::string_view kRequests = "/var/spool/postfix/postern/requests/";
constexpr std::array<std::string_view, 3> kQueueFolders{"incoming", "deferred", "hold"};
constexpr Duration kWorkday = Seconds(500);       // clients come and processes end in the first 450 s
constexpr Duration kFlushedWithin = Seconds(60);  // of a process's life
constexpr Duration kLookAgain = Seconds(200);

bool MovesMessages(RequestKind kind) {
  using enum RequestKind;
  return kind == kHold || kind == kRelease || kind == kRequeue || kind == kDelete;
}
bool LetsGo(RequestKind kind) { return kind == RequestKind::kRelease || kind == RequestKind::kRequeue; }
bool IsFor(const Request& request, const std::string& id) { return request.all() || request.id == id; }

// The rest of `text` behind `front`; nullopt: it does not begin so.
std::optional<std::string> Behind(std::string_view text, std::string_view front) {
  if (!text.starts_with(front)) return std::nullopt;
  return std::string(text.substr(front.size()));
}

}  // namespace

ByHand::ByHand(uint64_t seed, bool hands_off) : random_(seed, "by hand") { works_ = random_.Chance(333) && !hands_off; }

// ---- when --------------------------------------------------------------------------------------------------------

void ByHand::Begin(World& world, Ledger& ledger, bool disk_keeps_all, const std::vector<Instant>& crashes,
                   std::vector<std::string> sites) {
  if (!works_) return;
  world_ = &world;
  ledger_ = &ledger;
  disk_keeps_all_ = disk_keeps_all;
  sites_ = std::move(sites);
  for (uint64_t moments = 2 + random_.Below(10); moments > 0; --moments) DrawMoment(crashes);
}

void ByHand::DrawMoment(const std::vector<Instant>& crashes) {
  const uint64_t kind = random_.Below(100);
  const Duration little = Milliseconds(static_cast<int64_t>(uint64_t{1} << random_.Below(13)));
  if (kind < 30 && !crashes.empty()) {  // around the end of a process
    const Instant crash = crashes[random_.Below(crashes.size())];
    const Duration after_crash = Milliseconds(static_cast<int64_t>(random_.Below(25'000)));
    const int64_t at = crash.ns + (random_.Chance(600) ? -little.ns : after_crash.ns);
    ActSoon({std::max<int64_t>(at, 0)});
  } else if (kind < 65) {  // while a delivery is under way
    at_connection_.emplace(1 + random_.Below(40), little);
  } else {
    ActSoon(Milliseconds(static_cast<int64_t>(random_.Below(static_cast<uint64_t>(kWorkday.ns / 1'000'000)))));
  }
}

// One request, or several that come close together.
void ByHand::ActSoon(Duration after) {
  const uint64_t count = random_.Chance(400) ? 2 + random_.Below(2) : 1;
  for (uint64_t i = 0; i < count; ++i) {
    world_->After(after.ns, [this] { Act(); });
    after.ns += Milliseconds(static_cast<int64_t>(random_.Below(60))).ns;
  }
}

void ByHand::Act() {
  if (!released_) Ask(DrawRequest());
}

// ---- what --------------------------------------------------------------------------------------------------------

Request ByHand::DrawRequest() {
  using enum RequestKind;
  constexpr std::array<RequestKind, 16> kKinds{kHold,    kHold,    kHold,     kHold,     kRelease,      kRelease,
                                               kRelease, kRequeue, kDelete,   kDelete,   kFlushMessage, kFlushMessage,
                                               kRequeue, kRequeue, kFlushAll, kFlushSite};
  Request request{.kind = kKinds[random_.Below(kKinds.size())]};
  if (request.kind == kFlushSite) request.site = sites_[random_.Below(sites_.size())];
  const bool for_one = request.kind == kFlushMessage || random_.Chance(request.kind == kDelete ? 800 : 550);
  if (!for_one || request.kind == kFlushAll || request.kind == kFlushSite) return request;
  const std::set<std::string> lying = Lying();
  if (lying.empty()) return Request{};
  request.id = *std::next(lying.begin(), static_cast<ptrdiff_t>(random_.Below(lying.size())));
  return request;
}

void ByHand::Ask(const Request& request) {
  const std::string name = FormatRequest(request);
  const bool has_folder = world_->disk().List(kRequests.substr(0, kRequests.size() - 1)).ok();
  // Asked for already: the same file, or one that is being unlinked.
  if (name.empty() || !has_folder || open_.contains(name)) return;
  Open(name, request);
  world_->Plant(std::string(kRequests) + name, "");
  Tell(name, "asked for", world_->now().mono);
}

void ByHand::Open(const std::string& name, const Request& request) {
  open_[name] = asked_.size();
  Asked asked{.name = name, .request = request, .from = world_->now().mono};
  for (const std::string& id : Lying()) {
    if (MovesMessages(request.kind) && IsFor(request, id)) asked.lay_there.insert(id);
  }
  if (request.kind == RequestKind::kDelete) {
    deleted_.insert(asked.lay_there.begin(), asked.lay_there.end());
    for (const auto& [op, id] : coming_) {
      if (IsFor(request, id)) deleted_.insert(id);
    }
  }
  if (LetsGo(request.kind)) {
    for (Stopped& stopped : stopped_) {
      if (!stopped.deleted && IsFor(request, stopped.id)) stopped.to = std::min(stopped.to, asked.from);
    }
  }
  asked_.push_back(std::move(asked));
}

void ByHand::Tell(const std::string& name, std::string_view what, Instant now) {
  ledger_->Tell("  by hand at " + std::to_string(now.ns / 1'000'000) + " ms: " + name + " " + std::string(what));
}

void ByHand::Release() {
  if (world_ == nullptr) return;
  released_ = true;
  ReleaseAgain();
}

// A request that waits for a try to end is done late: what it holds is released later still.
void ByHand::ReleaseAgain() {
  if (!Names("hold").empty() || !open_.empty()) Ask({.kind = RequestKind::kRelease});
  world_->After(kLookAgain.ns, [this] { ReleaseAgain(); });
}

// ---- what came of it ---------------------------------------------------------------------------------------------

void ByHand::Watch(Now now, const Event& event, const std::vector<Effect>& effects) {
  if (world_ == nullptr) return;
  if (world_->process() != process_) OnNewProcess(now);
  last_event_ = now.mono;
  if (const auto* done = std::get_if<PlanDone>(&event)) {
    coming_.erase(done->op);
    const auto acknowledged = acknowledgements_.extract(done->op);
    if (!acknowledged.empty() && done->result.ok()) OnDone(acknowledged.mapped(), now.mono);
  }
  for (const Effect& effect : effects) {
    if (const auto* commit = std::get_if<Commit>(&effect)) {
      WatchPlan(*commit);
    } else if (std::holds_alternative<postern::Connect>(effect)) {
      const auto [begin, end] = at_connection_.equal_range(++connections_);
      for (auto at = begin; at != end; ++at) ActSoon(at->second);
    } else if (const auto* note = std::get_if<Note>(&effect); note != nullptr && !open_.empty()) {
      // What is settled meanwhile is nobody's any more; that it is gone need not be durable.
      if (!note->event.text.ends_with(": removed")) continue;
      const std::string id = note->event.text.substr(0, note->event.text.find(':'));
      for (const auto& [name, index] : open_) {
        if (asked_[index].request.all()) asked_[index].lay_there.erase(id);
      }
    }
  }
}

void ByHand::WatchPlan(const Commit& commit) {
  for (const Stage& stage : commit.plan.stages) {
    for (const FileOp& op : stage) {
      if (const auto* unlink = std::get_if<Unlink>(&op)) {
        if (auto name = Behind(unlink->path, kRequests)) acknowledgements_[commit.op] = *std::move(name);
      } else if (const auto* rename = std::get_if<Rename>(&op)) {
        const auto id = Behind(rename->to, kIncoming);
        if (!id) continue;
        coming_[commit.op] = *id;
        if (open_.contains("delete-ALL")) deleted_.insert(*id);
      }
    }
  }
}

// Of what was open some may be done: only its end was not seen. What was done must not be back.
void ByHand::OnNewProcess(Now now) {
  process_ = world_->process();
  acknowledgements_.clear();
  coming_.clear();
  const std::set<std::string> names = Names("requests");
  for (const auto& [name, index] : std::map(open_)) {
    if (names.contains(name)) continue;
    // The name is gone, but perhaps not for good before the new process has flushed the folder.
    may_return_[name] = disk_keeps_all_ ? now.mono + kFlushedWithin : kNever;
    OnDone(name, now.mono);
  }
  for (const std::string& name : names) {
    const auto request = queue::ParseRequest(name);
    if (open_.contains(name) || !request) continue;
    const auto until = may_return_.find(name);
    const bool may_return = until != may_return_.end() && last_event_ <= until->second;
    // To try again once more harms nobody.
    if (MovesMessages(request->kind) && !may_return)
      violations_.push_back("O11: requests/" + name + " was done, and is back");
    Open(name, *request);
  }
  const std::set<std::string> lying = Lying();
  for (const Stopped& stopped : stopped_) {
    if (stopped.deleted && lying.contains(stopped.id))
      violations_.push_back("O11: " + stopped.id + " was deleted by hand, and is back");
  }
}

void ByHand::OnDone(const std::string& name, Instant now) {
  const auto open = open_.extract(name);
  if (open.empty()) return;
  Asked& asked = asked_[open.mapped()];
  asked.to = now;
  Tell(name, "done", now);
  Judge(asked, now);
}

// Was another request for the message open meanwhile, that holds what this one lets go, or lets go what it stops?
bool ByHand::OtherwiseMeanwhile(const Asked& asked, const std::string& id) const {
  return std::any_of(asked_.begin(), asked_.end(), [&](const Asked& other) {
    const bool contrary =
        LetsGo(asked.request.kind) ? other.request.kind == RequestKind::kHold : LetsGo(other.request.kind);
    return &other != &asked && contrary && IsFor(other.request, id) && other.to >= asked.from;
  });
}

void ByHand::Judge(const Asked& asked, Instant now) {
  const std::set<std::string> incoming = Names("incoming"), deferred = Names("deferred"), hold = Names("hold");
  for (const std::string& id : asked.lay_there) {
    const bool waits = incoming.contains(id) || deferred.contains(id), held = hold.contains(id);
    const bool otherwise = OtherwiseMeanwhile(asked, id);
    const std::string what = "O11: " + asked.name + " was done, and " + id + " ";
    switch (asked.request.kind) {
      case RequestKind::kHold:
        if (otherwise) break;
        if (waits) violations_.push_back(what + "is not held");
        if (held) stopped_.push_back({.id = id, .from = now});
        break;
      case RequestKind::kRelease:
      case RequestKind::kRequeue:
        if (held && !otherwise) violations_.push_back(what + "is still held");
        break;
      case RequestKind::kDelete:
        // From a folder that is still to be looked through to one that was.
        if (otherwise && asked.request.all()) break;
        if (waits || held) violations_.push_back(what + "is there");
        stopped_.push_back({.id = id, .deleted = true, .from = now});
        break;
      case RequestKind::kFlushAll:
      case RequestKind::kFlushMessage:
      case RequestKind::kFlushSite:
        break;
    }
  }
}

std::set<std::string> ByHand::Names(std::string_view folder) const {
  std::set<std::string> names;
  const auto entries = world_->disk().List(std::string(kSpool) + std::string(folder));
  for (size_t i = 0; entries.ok() && i < entries->size(); ++i) names.insert((*entries)[i].name);
  return names;
}

std::set<std::string> ByHand::Lying() const {
  std::set<std::string> ids;
  for (const std::string_view folder : kQueueFolders) ids.merge(Names(folder));
  return ids;
}

// ---- the audit ---------------------------------------------------------------------------------------------------

std::vector<AskedByHand> ByHand::asked() const {
  std::vector<AskedByHand> all;
  for (const Asked& asked : asked_) {
    const bool late = asked.request.kind == RequestKind::kFlushSite && asked.to != kNever;
    all.push_back({.id = asked.request.id,
                   .from = asked.from,
                   .to = late ? asked.to + kSiteSlack : asked.to,
                   .holds = asked.request.kind == RequestKind::kHold});
  }
  return all;
}

Violations ByHand::Audit(const std::vector<Tried>& tries) const {
  Violations violations = violations_;
  if (world_ == nullptr) return violations;
  for (const std::string& name : Names("requests")) violations.push_back("O18: requests/" + name + " is left");
  std::set<std::string> seen;
  for (const std::string_view folder : kQueueFolders) {
    for (const std::string& id : Names(folder)) {
      if (!seen.insert(id).second) violations.push_back("O18: " + id + " lies in two folders");
    }
  }
  for (const Tried& tried : tries) {
    for (const Stopped& stopped : stopped_) {
      if (stopped.id != tried.id || tried.at <= stopped.from || tried.at >= stopped.to) continue;
      violations.push_back("O11: " + tried.id + " was " + (stopped.deleted ? "deleted" : "held") +
                           " by hand, and tried for " + tried.recipient);
    }
  }
  return violations;
}

}  // namespace postern::sim
