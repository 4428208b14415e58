// Telling people: notices are written, routed like any mail, and durable before what they tell of is settled.
#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"
#include "core/notice/compose.h"
#include "core/outbound/queue_manager.h"
#include "core/routing/resolve.h"

namespace postern::outbound {
namespace {

// Of a message, for what comes back of it; the rest is never sent where bounce_size_limit holds.
constexpr uint64_t kReturnedBytesMax = 16u << 20;

}  // namespace

void QueueManager::Tell(const std::string& id, std::vector<notice::Notice> notices, Context& context) {
  const Active& active = active_.at(id);
  const auto write = [this, id, notices = std::move(notices)](std::optional<std::string> message, Context& later) {
    struct Progress {
      size_t open = 0;
      Told told{.of_failures = true, .of_delays = true};
    };
    auto progress = std::make_shared<Progress>();
    progress->open = notices.size();
    if (PLANTED("notice_not_awaited")) {
      for (const notice::Notice& each : notices)
        WriteNotice(
            id, each, message, [](bool, Context&) {}, later);
      return AfterNotices(id, progress->told, later);
    }
    for (const notice::Notice& each : notices) {
      // Whoever knows already is not told again because somebody else could not be: a postmaster's copy, or a success.
      const bool is_copy = each.postmaster_copy && std::any_of(notices.begin(), notices.end(), [&](const auto& other) {
                             return other.kind == each.kind && !other.postmaster_copy;
                           });
      WriteNotice(
          id, each, message,
          [this, id, progress, kind = each.kind, is_copy](bool told, Context& done) {
            if (!told && !is_copy && kind == notice::NoticeKind::kFailure) progress->told.of_failures = false;
            if (!told && !is_copy && kind == notice::NoticeKind::kDelay) progress->told.of_delays = false;
            if (--progress->open == 0) AfterNotices(id, progress->told, done);
          },
          later);
    }
  };
  const Cargo& cargo = *active.cargo;
  if (cargo.bytes != nullptr) {
    return write(cargo.bytes->substr(cargo.message_at_bytes, cargo.message_bytes), context);
  }
  const OpId op = Ask([write](const Event& event, Context& later) {
    const auto* read = std::get_if<ReadDone>(&event);
    write(read != nullptr && read->status.ok() ? std::optional<std::string>(read->bytes) : std::nullopt, later);
  });
  context.out.Put(Read{.op = op,
                       .path = cargo.path,
                       .offset_bytes = cargo.message_at_bytes,
                       .length_bytes = std::min(cargo.message_bytes, kReturnedBytesMax)});
}

void QueueManager::WriteNotice(const std::string& about, const notice::Notice& notice,
                               const std::optional<std::string>& message, std::function<void(bool, Context&)> done,
                               Context& context) {
  const auto found = active_.find(about);
  if (found == active_.end()) return;
  const Active& active = found->second;
  const notice::Writing writing{.id = directory_.NextQueueId(context), .now = context.now};
  const notice::Subject subject{.envelope = active.cargo->envelope,
                                .message = message ? std::optional<std::string_view>(*message) : std::nullopt,
                                .outcomes = active.outcomes};
  auto text =
      std::make_shared<const std::string>(notice::Compose(notice, subject, notice_settings_, templates_, writing));
  smtp::OutgoingMessage outgoing{.queue_directory = Queue(),
                                 .queue_folders_last = directory_.durable_folders().Has(queue::SpoolDir(Queue())),
                                 .envelope = notice::EnvelopeOf(notice, active.cargo->envelope, *text, writing),
                                 .bytes = text,
                                 .file_bytes = text->size(),
                                 .queue_tmp_path = queue::FilePath(Queue(), queue::Folder::kTmp, writing.id)};
  outgoing.crlf_bytes = text->size() + static_cast<uint64_t>(std::count(text->begin(), text->end(), '\n'));
  const routing::Mailbox to = routing::Rewrite(notice.to, routing::Role::kRecipient, config_->routing);
  outgoing.envelope.recipients.clear();
  const auto resolution = routing::Resolve(to, notice.null_sender ? nullptr : &notice.sender, config_->routing);
  if (!resolution.ok()) {
    LogOf(about, context, Severity::kWarning, "bounce",
          "warning: " + about + ": notice to <" + EscapeForLog(to.Quoted(), 255) +
              ">: " + EscapeForLog(Message(resolution.status())));
    return done(false, context);
  }
  for (const routing::Destination& destination : resolution->destinations) {
    if (const auto* queued = std::get_if<routing::QueueTarget>(&destination.target)) {
      outgoing.remotes.push_back({.address = destination.address,
                                  .transport = queued->transport,
                                  .nexthop = queued->nexthop,
                                  .original = to.Key()});
      continue;
    }
    auto local = LocalRecipientOf(outgoing.envelope, destination, to.Key(), context);
    if (local.ok()) {
      outgoing.locals.push_back(*std::move(local));
    } else {
      outgoing.remotes.push_back({.address = destination.address,
                                  .transport = "virtual",
                                  .nexthop = destination.address.domain,
                                  .original = to.Key()});
    }
  }
  if (outgoing.locals.empty() && outgoing.remotes.empty()) {
    // The author is nobody here: what is told to nobody ends, as a bounce that bounces does.
    LogOf(about, context, Severity::kWarning, "bounce",
          "warning: " + about + ": notice to <" + EscapeForLog(to.Quoted(), 255) + "> goes to nobody: discarded");
    return done(true, context);
  }
  LogOf(about, context, Severity::kInfo, "bounce",
        about + ": " + std::string(notice::LogName(notice)) + ": " + writing.id,
        {{"event.action", "message.bounced"}, {"postern.notice_id", writing.id}});
  LogOf(writing.id, context, Severity::kInfo, "qmgr",
        writing.id + ": from=<" + (notice.null_sender ? "" : EscapeForLog(notice.sender.Quoted(), 255)) +
            ">, size=" + std::to_string(text->size()) +
            ", nrcpt=" + std::to_string(outgoing.locals.size() + outgoing.remotes.size()) + " (queue active)");
  auto delivery = std::make_shared<smtp::MessageDelivery>(std::move(outgoing));
  CommitDelivery(delivery, delivery->Begin(), std::move(done), context);
}

// Plans of a MessageDelivery, until it is finished.
void QueueManager::CommitDelivery(std::shared_ptr<smtp::MessageDelivery> delivery, smtp::MessageDelivery::Plans plans,
                                  std::function<void(bool, Context&)> done, Context& context) {
  if (delivery->finished()) {
    const smtp::OutgoingMessage& message = delivery->message();
    const bool told = delivery->status().ok();
    for (size_t i = 0; told && i < message.locals.size(); ++i) {
      if (!delivery->reached(i)) continue;
      directory_.durable_folders().Add(message.locals[i].target.maildir);
      directory_.AnnounceArrival("", message.locals[i].target.maildir, context);
      RecordFile(message.envelope.id, message.locals[i], context);
      LogOf(message.envelope.id, context, Severity::kInfo, "virtual",
            message.envelope.id + ": to=<" + EscapeForLog(message.locals[i].address.Quoted(), 255) +
                ">, relay=virtual, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)");
    }
    if (!told)
      LogOf(message.envelope.id, context, Severity::kWarning, "bounce",
            "warning: " + message.envelope.id + ": message write failed: " + EscapeForLog(Message(delivery->status())));
    if (told && !delivery->anything_queued()) {
      LogOf(message.envelope.id, context, Severity::kInfo, "qmgr", message.envelope.id + ": removed",
            {{"event.action", "message.removed"}});
    }
    done(told, context);
    if (told && delivery->anything_queued()) OnQueued(message.envelope.id, context);
    return;
  }
  for (auto& [tag, plan] : plans) {
    CommitPlan(
        std::move(plan),
        [this, delivery, tag = tag, done](const Event& event, Context& later) {
          const auto* plan_done = std::get_if<PlanDone>(&event);
          if (plan_done == nullptr || delivery->finished()) return;
          CommitDelivery(delivery, delivery->OnPlanDone(tag, plan_done->result), done, later);
        },
        context);
  }
}

}  // namespace postern::outbound
