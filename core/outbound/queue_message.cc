// One message's life in the queue manager: read, routed, its recipients settled one by one, removed or put off.
#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"
#include "core/outbound/queue_manager.h"
#include "core/queue/journal.h"
#include "core/routing/transport.h"
#include "core/smtp/delay_text.h"
#include "core/smtp/onward.h"

namespace postern::outbound {
namespace {

// Of a file's beginning: most messages are in it whole.
constexpr uint64_t kHeadBytes = 64 * 1024;
// An envelope of thousands of recipients may be larger; beyond this it is none.
constexpr uint64_t kHeadBytesMax = 64u << 20;
// Of files that are held because they were read whole.
constexpr uint64_t kCachedBytesMax = 32u << 20;
constexpr Duration kTryAgain = Seconds(10);  // a plan of the spool failed: a full disk, mostly

uint64_t LineEnds(std::string_view text) { return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')); }

bool HeaderIsUtf8(std::string_view message) {
  const size_t end = std::min(message.find("\n\n"), message.size());
  return std::any_of(message.begin(), message.begin() + static_cast<ptrdiff_t>(end),
                     [](char c) { return static_cast<uint8_t>(c) >= 0x80; });
}

notice::Fate NoticeFate(const RecipientDone& done, const queue::QueuedRecipient& recipient, std::string_view agent) {
  // A list is where the message ends (RFC 3461 section 5.2.7.1).
  if (recipient.transport == smtp::kExpandedTransport && recipient.nexthop != smtp::kExpandedList)
    return notice::Fate::kExpanded;
  switch (done.fate) {
    case Fate::kFailed:
      return notice::Fate::kFailed;
    case Fate::kSent:
      if (agent != "smtp") return notice::Fate::kDelivered;
      return done.dsn_offered ? notice::Fate::kPassedOn : notice::Fate::kRelayed;
    case Fate::kDeferred:
    case Fate::kUntried:
      break;
  }
  return notice::Fate::kDelayed;
}

}  // namespace

Path QueueManager::JournalPath(std::string_view id) const {
  return queue::FilePath(Queue(), queue::Folder::kJournal, id);
}

// ---- reading -------------------------------------------------------------------------------------------------------

void QueueManager::Activate(const std::string& id, queue::Folder folder, Context& context) {
  active_[id].folder = folder;
  const Path path = queue::FilePath(Queue(), folder, id);
  const OpId op = Ask([this, id, folder](const Event& event, Context& later) {
    if (const auto* read = std::get_if<ReadDone>(&event)) OnHead(id, folder, *read, false, later);
  });
  context.out.Put(Read{.op = op, .path = path, .length_bytes = kHeadBytes});
}

void QueueManager::OnHead(const std::string& id, queue::Folder folder, const ReadDone& read, bool whole,
                          Context& context) {
  if (read.status.code() == StatusCode::kNotFound) {
    // Removed or moved by hand; or it waits where it came in.
    active_.erase(id);
    schedule_.ReadingFailed();
    if (folder == queue::Folder::kDeferred) OnQueued(id, context);
    return;
  }
  if (!read.status.ok()) return PutReadingOff(id, read.status, context);
  auto head = queue::ParseQueueHead(read.bytes);
  if (!head.ok() && head.status().code() == StatusCode::kNotFound && !whole && read.file_bytes > read.bytes.size() &&
      read.file_bytes <= kHeadBytesMax) {
    const OpId op = Ask([this, id, folder](const Event& event, Context& later) {
      if (const auto* again = std::get_if<ReadDone>(&event)) OnHead(id, folder, *again, true, later);
    });
    context.out.Put(Read{.op = op, .path = queue::FilePath(Queue(), folder, id)});
    return;
  }
  if (!head.ok() || head->envelope.id != id || read.file_bytes < head->message_at_bytes + queue::kTrailerBytes) {
    return MoveToCorrupt(id, folder, head.ok() ? "its name or length is another's" : Message(head.status()), context);
  }
  auto cargo = std::make_shared<Cargo>();
  cargo->envelope = std::move(head->envelope);
  cargo->path = queue::FilePath(Queue(), folder, id);
  cargo->message_at_bytes = head->message_at_bytes;
  cargo->message_bytes = read.file_bytes - head->message_at_bytes - queue::kTrailerBytes;
  if (read.bytes.size() == read.file_bytes) {
    // All of it is here: checked now, and not read again where memory allows.
    if (const auto file = queue::ParseQueueFile(read.bytes); !file.ok())
      return MoveToCorrupt(id, folder, Message(file.status()), context);
    const std::string_view message = read.bytes.substr(cargo->message_at_bytes, cargo->message_bytes);
    cargo->crlf_bytes = message.size() + LineEnds(message);
    cargo->utf8_headers = HeaderIsUtf8(message);
    if (cached_bytes_ + read.bytes.size() <= kCachedBytesMax) {
      cached_bytes_ += read.bytes.size();
      cargo->bytes = std::make_shared<const std::string>(read.bytes);
    }
  } else {
    cargo->crlf_bytes = cargo->message_bytes + cargo->message_bytes / 40;  // RFC 1870 section 6.1: an estimate will do
    const std::string_view seen = read.bytes.substr(std::min<size_t>(cargo->message_at_bytes, read.bytes.size()));
    cargo->utf8_headers = HeaderIsUtf8(seen);
  }
  active_[id].cargo = std::move(cargo);
  const OpId op = Ask([this, id](const Event& event, Context& later) {
    const auto active = active_.find(id);
    const auto* journal = std::get_if<ReadDone>(&event);
    if (active == active_.end() || journal == nullptr) return;
    if (journal->status.ok()) {
      if (!PLANTED("journal_not_read")) queue::ApplyJournal(journal->bytes, &active->second.cargo->envelope);
      active->second.journal_bytes = journal->bytes.size();
      if (!journal->bytes.empty() && !journal->bytes.ends_with('\n')) active->second.journal = "\n";
    } else if (journal->status.code() != StatusCode::kNotFound) {
      // Who has got it is not known: nobody gets it again before that can be read.
      return PutReadingOff(id, journal->status, later);
    }
    Admit(id, later);
    Pump(later);
  });
  context.out.Put(Read{.op = op, .path = JournalPath(id)});
}

void QueueManager::PutReadingOff(const std::string& id, const Status& why, Context& context) {
  LogOf(id, context, Severity::kWarning, "qmgr", "warning: " + id + ": " + EscapeForLog(Message(why)));
  const bool by_scan = found_by_scan_.contains(id);
  Forget(id);
  if (by_scan) found_by_scan_.insert(id);
  schedule_.ReadingFailed();
  retry_.Put(id, context.now.mono + retry_settings_.minimal_backoff_time);
}

void QueueManager::MoveToCorrupt(const std::string& id, queue::Folder folder, std::string_view why, Context& context) {
  active_.erase(id);
  schedule_.ReadingFailed();
  LogOf(id, context, Severity::kError, "qmgr", "error: " + id + ": moved to corrupt: " + EscapeForLog(why));
  const Path to = queue::FilePath(Queue(), queue::Folder::kCorrupt, id);
  CommitPlan(
      {.stages = {{Rename{.from = queue::FilePath(Queue(), folder, id), .to = to, .replace = true}},
                  {SyncDir{queue::FolderPath(Queue(), queue::Folder::kCorrupt)}}}},
      [](const Event&, Context&) {}, context);
}

// Where a recipient goes now: looked up anew at every try, since the configuration may have been mended.
queue::Destination QueueManager::DestinationOf(const queue::Envelope& envelope,
                                               const queue::QueuedRecipient& recipient) const {
  queue::Destination destination;
  const routing::Mailbox* const sender = envelope.null_sender ? nullptr : &envelope.sender;
  // An alias that leads nowhere, or is only told of; what an alias names that is no address.
  if (recipient.transport == "error" || recipient.transport == smtp::kExpandedTransport ||
      routing::IsProgramTransport(recipient.transport)) {
    destination = {.transport = recipient.transport, .nexthop = recipient.nexthop};
  } else if (const auto target = routing::ResolveFinal(recipient.address, sender, config_->routing);
             target.ok() && !std::holds_alternative<routing::QueueTarget>(*target)) {
    destination = {.transport = "virtual", .nexthop = recipient.address.domain};  // put into its mailbox, as by SMTP
  } else if (auto transport = routing::FindTransport(recipient.address, sender, config_->routing); transport.ok()) {
    destination = {.transport = transport->name, .nexthop = transport->nexthop};
    const std::string_view agent = config::AgentOf(transport->name, config_->routing);
    if (agent == "smtp" || agent == "lmtp") destination.nexthop = LowerCase(destination.nexthop);
  } else {
    destination = {.transport = "retry", .nexthop = "4.3.0 " + std::string(Message(transport.status()))};
  }
  if (config_->queue.Of(destination.transport).destination_recipient_limit == 1) {
    destination.recipient = LowerCase(recipient.address.local);
  }
  return destination;
}

// The next `count` recipients of its rest, by destination.
std::vector<queue::RecipientGroup> QueueManager::TakeGroups(Active* active, uint64_t count) const {
  const queue::Envelope& envelope = active->cargo->envelope;
  std::map<queue::Destination, std::vector<uint32_t>> by_destination;
  for (; count > 0 && !active->rest.empty(); --count) {
    const uint32_t index = active->rest.back();
    active->rest.pop_back();
    by_destination[DestinationOf(envelope, envelope.recipients[index])].push_back(index);
  }
  std::vector<queue::RecipientGroup> groups;
  for (auto& [destination, recipients] : by_destination) {
    groups.push_back({.destination = destination, .recipients = std::move(recipients)});
  }
  return groups;
}

void QueueManager::Refill(const queue::Schedule::RecipientRequest& request, Context& context) {
  Active& active = active_.at(request.message);
  auto groups = TakeGroups(&active, request.count);
  const uint64_t left = active.rest.size();
  if (const auto report = schedule_.Refill(request.message, std::move(groups), left, context.now.mono); report.ok()) {
    Take(*report, context);
  }
}

void QueueManager::Admit(const std::string& id, Context& context) {
  Active& active = active_.at(id);
  const queue::Envelope& envelope = active.cargo->envelope;
  for (auto i = static_cast<uint32_t>(envelope.recipients.size()); i-- > 0;) {
    if (!envelope.recipients[i].done) active.rest.push_back(i);
  }
  if (active.rest.empty()) {
    schedule_.ReadingFailed();
    return FinishMessage(id, context);
  }
  if (active.folder != queue::Folder::kIncoming) {
    LogOf(id, context, Severity::kInfo, "qmgr",
          id + ": from=<" + EscapeForLog(envelope.null_sender ? "" : envelope.sender.Quoted(), 255) +
              ">, size=" + std::to_string(active.cargo->message_bytes) +
              ", nrcpt=" + std::to_string(envelope.recipients.size()) + " (queue active)",
          {{"event.action", "message.activated"}});
  }
  active.admitted = context.now.mono;
  auto groups = TakeGroups(&active, schedule_.RecipientRoom());
  auto report =
      schedule_.Add({.message = id, .groups = std::move(groups), .on_disk_count = active.rest.size(), .was_read = true},
                    context.now.mono);
  if (!report.ok()) {  // not expected after WantsMessage(): it waits on disk
    schedule_.ReadingFailed();
    Forget(id);
    retry_.Put(id, context.now.mono + kTryAgain);
    return;
  }
  Take(*report, context);
}

// ---- recipients ----------------------------------------------------------------------------------------------------

void QueueManager::SettleRecipient(const std::string& id, uint32_t index, const RecipientDone& done,
                                   std::string_view agent, Instant began, Context& context) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  Active& active = found->second;
  queue::Envelope& envelope = active.cargo->envelope;
  queue::QueuedRecipient& recipient = envelope.recipients.at(index);
  active.outcomes.push_back({.recipient = recipient,
                             .fate = NoticeFate(done, recipient, agent),
                             .status = done.status,
                             .remote_mta_type = done.remote_mta.empty() ? "" : "dns",
                             .remote_mta = done.remote_mta,
                             .diagnostic_type = done.reply.empty()        ? ""
                                                : done.remote_mta.empty() ? "x-unix"
                                                                          : "smtp",
                             .diagnostic = done.reply,
                             .relay = done.relay,
                             .text = done.text,
                             .last_attempt = context.now.wall});
  std::string_view word = "deferred";
  if (done.fate == Fate::kSent) {
    word = "sent";
    recipient.done = true;
    active.journal += queue::FormatDone(index);
  } else if (done.fate == Fate::kFailed) {
    word = "bounced";
    active.failed.insert(index);
  } else {
    recipient.deferral_status = done.status;
    recipient.deferral = done.text;
  }
  const Duration age = queue::AgeOf({envelope.arrived_us}, context.now.wall);
  std::string line = id + ": to=<" + EscapeForLog(recipient.address.Quoted(), 255) + ">";
  if (!recipient.original.empty() && !EqualsIgnoringCase(recipient.original, recipient.address.Key())) {
    line += ", orig_to=<" + EscapeForLog(recipient.original, 255) + ">";
  }
  // Postfix's four: until the queue manager had it, in its hands, connecting and greeting, the transaction.
  const Instant transaction = done.began.value_or(context.now.mono);
  const Duration in_queue = began - active.admitted, connecting = transaction - began;
  const Duration transmission = context.now.mono - transaction;
  const Duration before{std::max<int64_t>(age.ns - in_queue.ns - connecting.ns - transmission.ns, 0)};
  line += ", relay=" + (done.relay.empty() ? "none" : EscapeForLog(done.relay, 255)) +
          ", delay=" + smtp::DelayText(age) + ", delays=" + smtp::DelayText(before) + "/" + smtp::DelayText(in_queue) +
          "/" + smtp::DelayText(connecting) + "/" + smtp::DelayText(transmission) + ", dsn=" + done.status +
          ", status=" + std::string(word) + " (" + EscapeForLog(done.text) + ")";
  LogOf(id, context, Severity::kInfo, agent.empty() ? "error" : agent, std::move(line),
        {{"event.action", "delivery.tried"},
         {"event.outcome", done.fate == Fate::kSent ? "success" : "failure"},
         {"smtp.envelope.to", recipient.address.Quoted()},
         {"smtp.reply.code", done.code == 0 ? "" : std::to_string(done.code)},
         {"smtp.reply.enhanced_code", done.status},
         {"destination.domain", done.remote_mta}});
}

void QueueManager::WriteJournal(const std::string& id, Context& context) {
  const auto found = active_.find(id);
  if (found == active_.end() || found->second.journal_busy || found->second.journal.empty()) return;
  Active& active = found->second;
  active.journal_busy = true;
  std::string lines = std::exchange(active.journal, {});
  const uint64_t bytes = lines.size();
  FilePlan plan{.stages = {{Append{.path = JournalPath(id), .at_bytes = active.journal_bytes, .bytes = Chain(lines)}}}};
  CommitPlan(
      std::move(plan),
      [this, id, bytes, lines](const Event& event, Context& later) {
        const auto still = active_.find(id);
        if (still == active_.end()) return;
        still->second.journal_busy = false;
        const auto* done = std::get_if<PlanDone>(&event);
        if (done != nullptr && done->result.ok()) {
          still->second.journal_bytes += bytes;
        } else {
          // What was done is known here as long as the process lives; the next line tries again.
          still->second.journal = lines + still->second.journal;
          LogOf(id, later, Severity::kWarning, "qmgr",
                "warning: " + id + ": journal: " + EscapeForLog(done == nullptr ? "" : Message(done->result.status())));
        }
        if (still->second.finishing) return FinishMessage(id, later);
        if (done != nullptr && done->result.ok()) WriteJournal(id, later);
      },
      context);
}

// ---- the end of a try ----------------------------------------------------------------------------------------------

void QueueManager::FinishMessage(const std::string& id, Context& context) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  Active& active = found->second;
  active.finishing = true;
  if (active.journal_busy) return;
  // Who has got it is written down before the others are told of: that takes a while.
  if (!active.failed.empty() && !active.journal.empty() && !std::exchange(active.journal_tried, true)) {
    return WriteJournal(id, context);
  }
  const queue::Envelope& envelope = active.cargo->envelope;
  bool any_left = false;
  for (uint32_t i = 0; i < envelope.recipients.size(); ++i)
    any_left |= !envelope.recipients[i].done && !active.failed.contains(i);
  active.decision = {};
  if (any_left) {
    active.decision = queue::DecideRetry(
        retry_settings_,
        {.arrived = {envelope.arrived_us}, .null_sender = envelope.null_sender, .warned = envelope.delay_told},
        context.now);
    if (active.decision.expired) {
      LogOf(id, context, Severity::kInfo, "qmgr",
            id + ": from=<" + EscapeForLog(envelope.null_sender ? "" : envelope.sender.Quoted(), 255) +
                ">, status=expired, returned to sender");
      for (uint32_t i = 0; i < envelope.recipients.size(); ++i) {
        if (!envelope.recipients[i].done) active.failed.insert(i);
      }
      for (notice::Outcome& outcome : active.outcomes) {
        if (outcome.fate == notice::Fate::kDelayed) outcome.fate = notice::Fate::kFailed;
      }
    }
  }
  const notice::Decision decision = notice::Decide(envelope, active.outcomes, notice_settings_,
                                                   {.now = context.now.wall, .delay_told = envelope.delay_told});
  active.delay_told = decision.delay_told;
  if (decision.discarded)
    LogOf(id, context, Severity::kInfo, "bounce", id + ": undeliverable postmaster notification discarded");
  if (decision.notices.empty()) return AfterNotices(id, {.of_failures = true, .of_delays = true}, context);
  Tell(id, decision.notices, context);
}

// Whoever was to be told is told, durably; or could not be, and all is as if the failed recipients waited still.
void QueueManager::AfterNotices(const std::string& id, Told told, Context& context) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  Active& active = found->second;
  queue::Envelope& envelope = active.cargo->envelope;
  if (told.of_failures) {
    for (const uint32_t index : active.failed) {
      envelope.recipients[index].done = true;
      if (!PLANTED("told_not_written_down")) active.journal += queue::FormatDone(index);
    }
  }
  if (told.of_delays && active.delay_told && !envelope.delay_told) {
    envelope.delay_told = true;
    active.journal += queue::FormatDelayTold();
  }
  const bool any_left =
      std::any_of(envelope.recipients.begin(), envelope.recipients.end(), [](const auto& each) { return !each.done; });
  if (!any_left) return Remove(id, context);
  if (active.decision.due == WallTime{} || active.decision.expired) {
    const Duration wait = queue::BackoffFor(retry_settings_, queue::AgeOf({envelope.arrived_us}, context.now.wall));
    active.decision = {.wait = wait, .due = {context.now.wall.us + wait.ns / 1000}};
  }
  Defer(id, active.decision, context);
}

void QueueManager::Remove(const std::string& id, Context& context) {
  Active& active = active_.at(id);
  // The journal goes last: without it the file would begin anew.
  FilePlan plan{.stages = {{}}};
  if (active.folder == queue::Folder::kIncoming && active.journal_bytes == 0 && !MayHaveTwin(id, active.folder)) {
    plan.stages[0].push_back(Retire{.path = active.cargo->path,
                                    .spares = queue::FolderPath(Queue(), queue::Folder::kSpare),
                                    .size_bytes = active.cargo->file_bytes()});
  } else {
    plan.stages[0].push_back(Unlink{active.cargo->path});
  }
  if (MayHaveTwin(id, active.folder)) {
    plan.stages[0].push_back(Unlink{TwinPath(id, active.folder)});
    plan.stages[0].push_back(Unlink{queue::FilePath(Queue(), queue::Folder::kHold, id)});
  }
  // An empty one may be what a power loss left.
  if (PLANTED("journal_leaked")) {
    // It stays.
  } else if (active.journal_bytes > 0 || MayHaveTwin(id, active.folder))
    plan.stages.push_back({Unlink{JournalPath(id)}});
  CommitPlan(
      std::move(plan),
      [this, id](const Event& event, Context& later) {
        const auto found = active_.find(id);
        if (found == active_.end()) return;
        const auto* done = std::get_if<PlanDone>(&event);
        if (done == nullptr || !done->result.ok()) {
          LogOf(id, later, Severity::kWarning, "qmgr",
                "warning: " + id +
                    ": cannot be removed: " + EscapeForLog(done == nullptr ? "" : Message(done->result.status())));
          return Later(
              kTryAgain, [this, id](Context& again) { Remove(id, again); }, later);
        }
        LogOf(id, later, Severity::kInfo, "qmgr", id + ": removed", {{"event.action", "message.removed"}});
        Forget(id);
      },
      context);
}

void QueueManager::Defer(const std::string& id, const queue::RetryDecision& decision, Context& context) {
  Active& active = active_.at(id);
  const queue::Envelope& envelope = active.cargo->envelope;
  std::string lines = active.journal;
  for (uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    const queue::QueuedRecipient& recipient = envelope.recipients[i];
    if (recipient.done || recipient.deferral_status.empty()) continue;
    lines += queue::FormatDeferred(i, recipient.deferral_status, recipient.deferral);
  }
  const Path to = queue::FilePath(Queue(), queue::Folder::kDeferred, id);
  FilePlan plan;
  if (!lines.empty())
    plan.stages.push_back(
        {Append{.path = JournalPath(id), .at_bytes = active.journal_bytes, .bytes = Chain(std::move(lines))}});
  if (active.folder != queue::Folder::kDeferred && PLANTED("put_off_by_rename")) {
    plan.stages.push_back({Rename{.from = active.cargo->path, .to = to, .replace = true}});
    plan.stages.push_back({SetMtime{.path = to, .mtime_seconds = decision.due.seconds()}});
  } else if (active.folder != queue::Folder::kDeferred) {
    // A new name that is durable before the old one goes: a rename between folders could be lost from both, where
    // somebody's flush of incoming/ came before the power went.
    if (MayHaveTwin(id, active.folder)) plan.stages.push_back({Unlink{to}});
    plan.stages.push_back({Link{.from = active.cargo->path, .to = to}});
    plan.stages.push_back({SetMtime{.path = to, .mtime_seconds = decision.due.seconds()}});
    plan.stages.push_back({SyncDir{queue::FolderPath(Queue(), queue::Folder::kDeferred)}});
    plan.stages.push_back({Unlink{active.cargo->path}});
  } else {
    // Its name from before, where a power loss left it, would be found as new mail.
    plan.stages.push_back(
        {SetMtime{.path = to, .mtime_seconds = decision.due.seconds()}, Unlink{TwinPath(id, active.folder)}});
  }
  CommitPlan(
      std::move(plan),
      [this, id, decision](const Event& event, Context& later) {
        const auto found = active_.find(id);
        if (found == active_.end()) return;
        const auto* done = std::get_if<PlanDone>(&event);
        if (done == nullptr || !done->result.ok()) {
          LogOf(id, later, Severity::kWarning, "qmgr",
                "warning: " + id +
                    ": cannot be put off: " + EscapeForLog(done == nullptr ? "" : Message(done->result.status())));
          // What is written of the journal by now is not known: it is read before anything else is added.
          return Later(
              kTryAgain, [this, id, decision](Context& again) { DeferAgain(id, decision, again); }, later);
        }
        Forget(id);
        retry_.Put(id, later.now.mono + decision.wait);
      },
      context);
}

// After a failed plan: what of the journal and the new name was done?
void QueueManager::DeferAgain(const std::string& id, const queue::RetryDecision& decision, Context& context) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  const OpId op = Ask([this, id, decision](const Event& event, Context& later) {
    const auto still = active_.find(id);
    const auto* stat = std::get_if<StatDone>(&event);
    if (still == active_.end() || stat == nullptr || stat->files.size() != 3) return;
    Active& active = still->second;
    active.journal_bytes = stat->files[0].status.ok() ? stat->files[0].size_bytes : 0;
    if (stat->files[1].status.code() == StatusCode::kNotFound) {
      if (stat->files[2].status.code() == StatusCode::kNotFound) return Forget(id);  // somebody removed it
      active.folder = queue::Folder::kDeferred;
    } else {
      found_by_scan_.insert(id);  // it may have both names by now
    }
    // A torn line may stand at the journal's end; all that is done is said again.
    std::string& journal = active.journal;
    journal = "\n";
    const auto& recipients = active.cargo->envelope.recipients;
    for (size_t i = 0; i < recipients.size(); ++i) {
      if (recipients[i].done) journal += queue::FormatDone(i);
    }
    if (active.cargo->envelope.delay_told) journal += queue::FormatDelayTold();
    Defer(id, decision, later);
  });
  context.out.Put(Stat{
      .op = op,
      .paths = {JournalPath(id), found->second.cargo->path, queue::FilePath(Queue(), queue::Folder::kDeferred, id)}});
}

void QueueManager::Forget(const std::string& id) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  if (found->second.cargo != nullptr && found->second.cargo->bytes != nullptr)
    cached_bytes_ -= found->second.cargo->bytes->size();
  active_.erase(found);
  found_by_scan_.erase(id);
}

// A power loss may leave a message that was put off just then under both names. Not one that came in this process's
// life.
bool QueueManager::MayHaveTwin(const std::string& id, queue::Folder folder) const {
  return folder == queue::Folder::kDeferred || found_by_scan_.contains(id);
}

Path QueueManager::TwinPath(std::string_view id, queue::Folder folder) const {
  return queue::FilePath(Queue(),
                         folder == queue::Folder::kDeferred ? queue::Folder::kIncoming : queue::Folder::kDeferred, id);
}

void QueueManager::Later(Duration after, std::function<void(Context&)> then, Context& context) {
  const OpId op = Ask([then = std::move(then)](const Event&, Context& later) { then(later); });
  context.out.Put(SetTimer{.op = op, .at = context.now.mono + after});
}

}  // namespace postern::outbound
