#include "core/outbound/queue_manager.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/boundary/planted.h"
#include "core/notice/settings_from_config.h"
#include "core/queue/request.h"
#include "core/queue/schedule_settings.h"
#include "core/smtp/onward.h"

namespace postern::outbound {
namespace {

// Tag spaces: the manager's own operations have the highest bit; a courier's are its number and 16 bits.
constexpr uint64_t kOwn = UINT64_C(1) << 63;
constexpr uint64_t kWakeup = kOwn, kRequests = kOwn | 1, kMaildrop = kOwn | 2, kFirstOwn = 16;

std::string CourierKey(const queue::Destination& destination, const queue::Envelope& envelope,
                       const config::Config& config) {
  std::string key = destination.transport + "\n" + destination.nexthop;
  // A connection that one sender logged in on is not for another's mail.
  if (config.smtp_client.sasl.sender_dependent) key += "\n" + (envelope.null_sender ? "" : envelope.sender.Key());
  return key;
}

}  // namespace

QueueManager::QueueManager(MachineId machine, std::shared_ptr<const config::Config> config,
                           mailbox::Directory& directory)
    : machine_(machine),
      config_(std::move(config)),
      directory_(directory),
      names_(directory.node(), static_cast<uint16_t>(0x8000 | static_cast<uint16_t>(directory.self()))),
      retry_settings_(queue::RetryFromConfig(*config_)),
      notice_settings_(notice::FromConfig(*config_)),
      templates_(notice::TemplatesFromConfig(*config_)),
      schedule_(queue::FromConfig(*config_)),
      retry_({.queue_run_delay = config_->queue.queue_run_delay}),
      pickup_(*this) {}

void QueueManager::Start(Context& context) {
  if (std::exchange(started_, true)) return;
  // What another process kept is of no use to this one (Retire, file_plan.h), and nobody's business.
  FilePlan sweep{.stages = {{RemoveTree{queue::FolderPath(Queue(), queue::Folder::kSpare)}}}};
  CommitPlan(
      std::move(sweep), [this](const Event&, Context& swept) { MakeFolders(swept); }, context);
}

void QueueManager::MakeFolders(Context& context) {
  FilePlan plan = queue::PlanFolders(Queue());
  // A request that another process had done when it died must not come back with the power either.
  plan.stages.push_back({SyncDir{queue::FolderPath(Queue(), queue::Folder::kRequests)}});
  CommitPlan(
      std::move(plan),
      [this](const Event& event, Context& later) {
        const auto* done = std::get_if<PlanDone>(&event);
        if (done != nullptr && done->result.ok()) {
          directory_.durable_folders().Add(queue::SpoolDir(Queue()));
        } else {
          Log(later, Severity::kWarning, "qmgr",
              "warning: queue folders: " + EscapeForLog(done == nullptr ? "" : Message(done->result.status())));
          Later(
              queue_run_delay(), [this](Context& again) { MakeFolders(again); }, later);
        }
        if (std::exchange(reads_spool_, true)) return;
        ScanSpool(later);
        ScanJournals(later);
        WatchRequests(later);
        WatchMaildrop(later);
        Pump(later);
      },
      context);
}

// Settings of the schedule are those of the start; what a delivery asks of the configuration is the newest.
void QueueManager::Reconfigure(std::shared_ptr<const config::Config> config, Context& context) {
  config_ = std::move(config);
  retry_settings_ = queue::RetryFromConfig(*config_);
  notice_settings_ = notice::FromConfig(*config_);
  templates_ = notice::TemplatesFromConfig(*config_);
  for (const auto& [key, number] : std::exchange(idle_couriers_, {})) {  // made by settings that have passed
    couriers_.at(number).courier->Retire(context);
    AfterCourier(number, context);
  }
}

void QueueManager::OnQueued(const std::string& id, Context& context) {
  if (active_.contains(id) || incoming_known_.contains(id)) return;
  if (incoming_.size() >= kIncomingListedMax) {
    incoming_overflowed_ = true;
    return;
  }
  incoming_known_.insert(id);
  incoming_.push_back(id);
  Pump(context);
}

void QueueManager::Step(const Event& event, Context& context) {
  uint64_t tag = 0;
  std::optional<ConnId> conn;
  if (const auto* e = std::get_if<Received>(&event)) conn = e->conn;
  if (const auto* e = std::get_if<Drained>(&event)) conn = e->conn;
  if (const auto* e = std::get_if<TlsReady>(&event)) conn = e->conn;
  if (const auto* e = std::get_if<PeerClosed>(&event)) conn = e->conn;
  if (conn) {
    const auto found = courier_of_conn_.find(*conn);
    if (found == courier_of_conn_.end()) return;
    const uint64_t number = found->second;
    couriers_.at(number).courier->OnEvent(event, context);
    AfterCourier(number, context);
    return Pump(context);
  }
  if (std::holds_alternative<Shutdown>(event)) {
    stopping_ = true;
    pickup_.Stop();
    for (const auto& [key, number] : std::exchange(idle_couriers_, {})) {
      couriers_.at(number).courier->Retire(context);
      AfterCourier(number, context);
    }
    return;
  }
  if (const auto* e = std::get_if<TimerFired>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<PlanDone>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<ReadDone>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<ScanDone>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<StatDone>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<DirChanged>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<Answer>(&event)) tag = e->op.tag;
  if (const auto* e = std::get_if<ConnectDone>(&event)) tag = e->op.tag;
  if (tag == kWakeup) {
    wakeup_.reset();
  } else if (tag == kRequests) {
    ReadRequests(context);
  } else if (tag == kMaildrop) {
    pickup_.Look(context);
  } else if ((tag & kOwn) != 0) {
    auto continuation = continuations_.extract(tag);
    if (continuation.empty()) return;
    continuation.mapped()(event, context);
  } else {
    const uint64_t number = tag / Courier::kTagsCount;
    const auto courier = couriers_.find(number);
    const auto* connected = std::get_if<ConnectDone>(&event);
    if (courier == couriers_.end()) {
      if (connected != nullptr && connected->status.ok())
        context.out.Put(Close{.conn = connected->conn, .kind = CloseKind::kNow});
      return;
    }
    courier->second.courier->OnEvent(event, context);
    AfterCourier(number, context);
  }
  Pump(context);
}

void QueueManager::AddTo(StableDigest& digest) const {
  for (const auto& [id, active] : active_) {
    digest.Add(id);
    digest.Add(active.journal_bytes);
  }
  digest.Add(deliveries_.size());
  digest.Add(couriers_.size());
  digest.Add(incoming_.size());
  digest.Add(retry_.size());
  pickup_.AddTo(digest);
}

// ---- what goes on now ----------------------------------------------------------------------------------------------

void QueueManager::Pump(Context& context) {
  if (pumping_ || stopping_ || !started_) return;
  pumping_ = true;
  std::optional<std::string> due;
  while (true) {
    if (!due) due = retry_.Take(context.now.mono);
    const auto source = schedule_.WantsMessage(!incoming_.empty(), due.has_value());
    if (!source) break;
    std::string id;
    if (*source == queue::QueueSource::kIncoming) {
      id = std::move(incoming_.front());
      incoming_.pop_front();
      incoming_known_.erase(id);
    } else {
      id = *std::exchange(due, std::nullopt);
    }
    if (active_.contains(id)) continue;
    if (moved_by_hand_.contains(id) && !PLANTED("begun_while_moved")) {  // where it will be is not known yet
      retry_.Put(id, context.now.mono + Seconds(1));
      continue;
    }
    schedule_.ReadingBegins(*source);
    Activate(id, *source == queue::QueueSource::kIncoming ? queue::Folder::kIncoming : queue::Folder::kDeferred,
             context);
  }
  if (due) retry_.Put(*due, context.now.mono);
  if (incoming_.empty() && incoming_overflowed_ && !scanning_incoming_) ScanSpool(context);
  if (retry_.WantsScan(context.now.mono) && !scanning_deferred_) ScanDeferred(context);
  while (const auto request = schedule_.WantsRecipients()) Refill(*request, context);
  while (auto delivery = schedule_.Next(context.now.mono)) StartDelivery(*std::move(delivery), context);
  pumping_ = false;
  SetWakeup(context);
}

void QueueManager::SetWakeup(Context& context) {
  std::optional<Instant> next = schedule_.NextWakeup();
  if (const auto retry = retry_.NextWakeup(); retry && (!next || *retry < *next)) next = retry;
  if (!next || (wakeup_ && *wakeup_ <= *next)) return;
  // Never at once again: what is due but has no room waits for room.
  next = std::max(*next, context.now.mono + Milliseconds(100));
  if (wakeup_ && *wakeup_ <= *next) return;
  wakeup_ = next;
  context.out.Put(SetTimer{.op = {machine_, kWakeup}, .at = *next});
}

void QueueManager::StartDelivery(queue::Delivery delivery, Context& context) {
  const queue::DeliveryId id = delivery.id;
  deliveries_[id] = delivery;
  const queue::Destination& destination = delivery.group.destination;
  auto hop = ParseNextHop({.name = destination.transport, .nexthop = destination.nexthop}, *config_);
  if (!hop.ok()) {
    return SettleAtOnce(
        delivery, {.action = VerdictHop::Action::kDefer, .status = "4.3.5", .text = std::string(Message(hop.status()))},
        context);
  }
  if (const auto* verdict = std::get_if<VerdictHop>(&*hop)) return SettleAtOnce(delivery, *verdict, context);
  if (std::holds_alternative<MailboxHop>(*hop)) return DeliverToMailbox(delivery, context);
  if (const auto* program = std::get_if<ProgramHop>(&*hop))
    return DeliverToProgram(delivery, program->program, context);
  StartCourier(delivery, *std::move(hop), context);
}

void QueueManager::StartCourier(const queue::Delivery& delivery, NextHop hop, Context& context) {
  const Active& active = active_.at(delivery.message);
  const queue::Envelope& envelope = active.cargo->envelope;
  std::string key = CourierKey(delivery.group.destination, envelope, *config_);
  uint64_t number = 0;
  if (const auto idle = idle_couriers_.find(key); idle != idle_couriers_.end()) {
    number = idle->second;
    idle_couriers_.erase(idle);
  } else {
    number = next_courier_++;
    couriers_[number] = {.courier = std::make_unique<Courier>(machine_, number * Courier::kTagsCount, std::move(hop),
                                                              config_, directory_.node().pid),
                         .key = std::move(key)};
  }
  const Duration age = queue::AgeOf({envelope.arrived_us}, context.now.wall);
  couriers_.at(number).courier->Begin({.delivery = delivery.id,
                                       .cargo = active.cargo,
                                       .recipients = delivery.group.recipients,
                                       .waited_long_enough = age >= retry_settings_.minimal_backoff_time,
                                       .keep_open = schedule_.IsBusy(delivery.group.destination)},
                                      context);
  AfterCourier(number, context);
}

void QueueManager::AfterCourier(uint64_t number, Context& context) {
  const auto found = couriers_.find(number);
  if (found == couriers_.end()) return;
  Held& held = found->second;
  Courier& courier = *held.courier;
  if (held.conn != courier.conn()) {
    if (held.conn) courier_of_conn_.erase(*held.conn);
    held.conn = courier.conn();
    held.reached = false;
    if (held.conn) courier_of_conn_[*held.conn] = number;
  }
  if (const auto delivery = courier.delivery(); delivery && courier.reached() && !std::exchange(held.reached, true)) {
    schedule_.Reached(*delivery);
  }
  if (const std::vector<Carried> settled = courier.TakeSettled(); !settled.empty() && courier.delivery()) {
    const auto delivery = deliveries_.find(*courier.delivery());
    if (delivery != deliveries_.end()) OnSettled(delivery->second, settled, courier.began(), context);
  }
  if (auto result = courier.TakeResult()) {
    const auto delivery = deliveries_.find(result->load.delivery);
    if (delivery != deliveries_.end()) {
      const queue::Delivery done = delivery->second;
      OnCarried(done, result->carried, result->verdict, std::move(result->reason), result->began, context);
    }
  }
  const auto [begin, end] = idle_couriers_.equal_range(held.key);
  const auto listed = std::find_if(begin, end, [number](const auto& each) { return each.second == number; });
  if (courier.idle()) {
    if (listed == end) idle_couriers_.emplace(held.key, number);
  } else if (courier.ended()) {
    if (listed != end) idle_couriers_.erase(listed);
    couriers_.erase(found);
  }
}

void QueueManager::SettleAtOnce(const queue::Delivery& delivery, const VerdictHop& verdict, Context& context) {
  std::vector<Carried> carried;
  const bool local = delivery.group.destination.transport == smtp::kExpandedTransport &&
                     delivery.group.destination.nexthop != smtp::kExpandedVirtual;
  for (const uint32_t recipient : delivery.group.recipients) {
    const Fate fate = verdict.action == VerdictHop::Action::kBounce  ? Fate::kFailed
                      : verdict.action == VerdictHop::Action::kDefer ? Fate::kDeferred
                                                                     : Fate::kSent;
    // As Postfix has it: virtual aliases are cleanup(8)'s, which is no relay.
    carried.push_back(
        {recipient, {.fate = fate, .status = verdict.status, .relay = local ? "local" : "none", .text = verdict.text}});
  }
  OnCarried(delivery, carried, queue::Verdict::kRecipients, {}, context.now.mono, context);
}

void QueueManager::OnCarried(const queue::Delivery& delivery, const std::vector<Carried>& carried,
                             queue::Verdict verdict, queue::UnreachableReason reason, Instant began, Context& context) {
  deliveries_.erase(delivery.id);
  SettleRecipients(delivery, carried, began, context);
  auto report = schedule_.Finished(delivery.id, verdict, context.now.mono, std::move(reason));
  if (!report.ok()) return;
  const bool finished =
      std::find(report->finished.begin(), report->finished.end(), delivery.message) != report->finished.end();
  if (!finished) WriteJournal(delivery.message, context);
  Take(*report, context);
}

// Of a delivery that goes on.
void QueueManager::OnSettled(const queue::Delivery& delivery, const std::vector<Carried>& settled, Instant began,
                             Context& context) {
  SettleRecipients(delivery, settled, began, context);
  WriteJournal(delivery.message, context);
}

void QueueManager::SettleRecipients(const queue::Delivery& delivery, const std::vector<Carried>& carried, Instant began,
                                    Context& context) {
  const std::string& transport = delivery.group.destination.transport;
  const std::string_view agent =
      routing::IsProgramTransport(transport) ? "local" : config::AgentOf(transport, config_->routing);
  for (const Carried& each : carried)
    SettleRecipient(delivery.message, each.recipient, each.done, agent, began, context);
}

void QueueManager::Take(const queue::ScheduleReport& report, Context& context) {
  for (const queue::DeferredGroup& deferred : report.deferred) {
    for (const uint32_t recipient : deferred.group.recipients) {
      SettleRecipient(deferred.message, recipient,
                      {.fate = Fate::kDeferred,
                       .status = deferred.reason.status,
                       .relay = "none",
                       .text = "delivery temporarily suspended: " + deferred.reason.text},
                      "error", context.now.mono, context);
    }
  }
  for (const std::string& id : report.finished) FinishMessage(id, context);
}

void QueueManager::WatchRequests(Context& context) {
  context.out.Put(Watch{.op = {machine_, kRequests}, .dirs = {queue::FolderPath(Queue(), queue::Folder::kRequests)}});
  ReadRequests(context);
}

void QueueManager::WatchMaildrop(Context& context) {
  context.out.Put(Watch{.op = {machine_, kMaildrop}, .dirs = {queue::FolderPath(Queue(), queue::Folder::kMaildrop)}});
  pickup_.Look(context);
}

// ---- operations ----------------------------------------------------------------------------------------------------

OpId QueueManager::Ask(Continuation then) {
  const uint64_t tag = kOwn | (kFirstOwn + next_tag_++);
  continuations_[tag] = std::move(then);
  return {machine_, tag};
}

void QueueManager::CommitPlan(FilePlan plan, Continuation then, Context& context) {
  ++open_plans_;
  const OpId op = Ask([this, then = std::move(then)](const Event& event, Context& later) {
    --open_plans_;
    then(event, later);
  });
  context.out.Put(Commit{.op = op, .plan = std::move(plan)});
}

void QueueManager::Log(Context& context, Severity severity, std::string_view agent, std::string text,
                       std::vector<std::pair<std::string, std::string>> fields) {
  context.out.Log({.severity = severity,
                   .tag = "postfix/" + std::string(agent),
                   .pid = directory_.node().pid,
                   .text = std::move(text),
                   .fields = std::move(fields)});
}

void QueueManager::LogOf(const std::string& id, Context& context, Severity severity, std::string_view agent,
                         std::string text, std::vector<std::pair<std::string, std::string>> fields) {
  const auto found = active_.find(id);
  const bool known = found != active_.end() && found->second.cargo != nullptr;
  fields.emplace_back("email.local_id", id);
  context.out.Log({.severity = severity,
                   .tag = "postfix/" + std::string(agent),
                   .pid = directory_.node().pid,
                   .text = std::move(text),
                   .trace_id = known ? found->second.cargo->envelope.trace_id : "",
                   .fields = std::move(fields)});
}

// No line: Postfix's says to whom, not under which name.
void QueueManager::RecordFile(const std::string& id, const smtp::LocalRecipient& local, Context& context) {
  const auto found = active_.find(id);
  const bool known = found != active_.end() && found->second.cargo != nullptr;
  context.out.Log({.tag = "postfix/virtual",
                   .pid = directory_.node().pid,
                   .text = id + ": to=<" + EscapeForLog(local.address.Quoted(), 255) + ">, written",
                   .trace_id = known ? found->second.cargo->envelope.trace_id : "",
                   .fields = {{"event.action", "message.committed"},
                              {"email.local_id", id},
                              {"smtp.envelope.to", local.address.Quoted()},
                              {"file.name", local.target.base},
                              {"file.directory", local.target.maildir + "/new"}},
                   .record_only = true});
}

}  // namespace postern::outbound
