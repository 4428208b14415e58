// From the end of a message to its answer.
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"
#include "core/smtp/delay_text.h"
#include "core/smtp/session.h"

namespace postern::smtp {

void SmtpSession::BeginCommit(Context& context) {
  Incoming& incoming = *transaction_->incoming;
  OutgoingMessage outgoing = std::move(incoming.outgoing);
  if (!incoming.writers.empty()) {
    const auto& first = incoming.writers.front();
    outgoing.file_bytes = first.file_bytes();
    outgoing.crlf_bytes = first.crlf_bytes();
    if (first.spilled()) {
      for (LocalRecipient& local : outgoing.locals)
        local.target.spilled_path = local.target.maildir + "/tmp/" + local.target.base;
      if (incoming.has_queue_writer)
        FinishSpill(incoming.writers.back().targets(), incoming.queue_checksums, outgoing.file_bytes, &outgoing);
    } else {
      outgoing.bytes = first.bytes();
    }
  }
  Committing committing{.delivery = std::make_unique<MessageDelivery>(std::move(outgoing)),
                        .bdat = std::get<Receiving>(state_).bdat,
                        .message_bytes = incoming.reader.bytes_out(),
                        .began = context.now.mono};
  auto plans = committing.delivery->Begin();
  committing.first_tag = next_tag_;
  next_tag_ += 2'000'000;  // the tags of a delivery are its own
  state_ = std::move(committing);
  CommitPlans(std::move(plans), context);
  auto& now = std::get<Committing>(state_);
  if (PLANTED("smtp_ack_before_plan_done")) {
    now.answered = true;
    Answer({250, "2.0.0", "Ok: queued as " + transaction_->queue_id}, context);
  }
  if (now.delivery->finished()) FinishDelivery(context);
}

void SmtpSession::CommitPlans(MessageDelivery::Plans plans, Context& context) {
  const uint64_t first_tag = std::get<Committing>(state_).first_tag;
  for (auto& [tag, plan] : plans) {
    ++open_operations_;
    context.out.Put(Commit{.op = {MachineOf(conn_), first_tag + tag}, .plan = std::move(plan)});
  }
}

void SmtpSession::OnDeliveryPlanDone(uint32_t tag, const PlanResult& result, Context& context) {
  auto& committing = std::get<Committing>(state_);
  CommitPlans(committing.delivery->OnPlanDone(tag, result), context);
  if (committing.delivery->finished()) FinishDelivery(context);
}

// Everything is durable, or nothing is left of it.
void SmtpSession::FinishDelivery(Context& context) {
  const Committing committing = std::move(std::get<Committing>(state_));
  const MessageDelivery& delivery = *committing.delivery;
  Reply reply;
  if (delivery.status().ok()) {
    LogDelivery(committing, context);
    const auto& locals = delivery.message().locals;
    for (size_t i = 0; i < locals.size(); ++i) {
      if (!delivery.reached(i)) continue;
      directory_.durable_folders().Add(locals[i].target.maildir);
      directory_.AnnounceArrival("", locals[i].target.maildir, context);
    }
    if (delivery.anything_queued())
      directory_.durable_folders().Add(queue::SpoolDir(delivery.message().queue_directory));
    if (delivery.message().folder == queue::Folder::kIncoming) {
      for (const std::string& id : delivery.queued_ids()) directory_.AnnounceQueued(id, context);
    }
    const std::string& id = transaction_->queue_id;
    reply = {250, "2.0.0",
             committing.bdat ? "Ok: " + std::to_string(committing.message_bytes) + " bytes queued as " + id
                             : "Ok: queued as " + id};
    error_count_ = junk_count_ = 0;
  } else {
    Log(context, "warning: " + QueueIdForLog() + ": message write failed: " + EscapeForLog(Message(delivery.status())),
        Severity::kWarning, {{"event.action", "fs.error"}});
    reply = delivery.status().code() == StatusCode::kResourceExhausted ? NoStorage() : WriteError();
  }
  const std::vector<Reply> replies = DeliveryReplies(delivery, reply);
  transaction_->incoming.reset();
  transaction_.reset();
  bdat_ = BdatState::kNone;
  if (gone_) {
    state_ = Closed{};
    return;
  }
  state_ = Commands{};
  last_activity_ = context.now.mono;
  if (!committing.answered) AnswerMessage(replies, context);
  if (stopping_ && !gone_) OnShutdown(context);
}

// The lines that Postfix's cleanup, qmgr and virtual would write for it (ecosystem notes: the same five lines).
void SmtpSession::LogDelivery(const Committing& committing, Context& context) const {
  const MessageDelivery& delivery = *committing.delivery;
  const OutgoingMessage& message = delivery.message();
  const std::string& id = transaction_->queue_id;
  const std::string from = transaction_->null_sender ? "" : EscapeForLog(transaction_->sender_rewritten.Quoted(), 255);
  const std::string message_id = EscapeForLog(transaction_->incoming->filter.message_id(), 255);
  LogAs("cleanup", context, id + ": message-id=" + (message_id.empty() ? "<>" : message_id),
        {{"email.message_id", message_id}});
  size_t count = message.locals.size() + message.remotes.size();
  for (const QueueCopy& copy : message.copies) count += copy.recipients.size();
  LogAs("qmgr", context,
        id + ": from=<" + from + ">, size=" + std::to_string(message.received.size() + message.file_bytes) +
            ", nrcpt=" + std::to_string(count) + " (queue active)",
        {{"event.action", "message.accepted"}, {"email.local_id", id}, {"smtp.envelope.from", from}});
  const Duration before = committing.began - transaction_->began.mono;
  const Duration commit = context.now.mono - committing.began;
  const std::string delays = ", delay=" + DelayText(context.now.mono - transaction_->began.mono) +
                             ", delays=" + DelayText(before) + "/0/0/" + DelayText(commit);
  for (size_t i = 0; i < message.locals.size(); ++i) {
    const LocalRecipient& local = message.locals[i];
    std::string line = id + ": to=<" + EscapeForLog(local.address.Quoted(), 255) + ">";
    if (!EqualsIgnoringCase(local.original, local.address.Key()))
      line += ", orig_to=<" + EscapeForLog(local.original, 255) + ">";
    line += ", relay=virtual" + delays;
    if (delivery.reached(i)) {
      LogAs("virtual", context, line + ", dsn=2.0.0, status=sent (delivered to maildir)",
            {{"event.action", "message.committed"},
             {"smtp.envelope.to", local.address.Quoted()},
             {"email.local_id", id},
             {"file.name", local.target.base},
             {"file.directory", local.target.maildir + "/new"}});
    } else {
      LogAs("virtual", context, line + ", dsn=4.2.0, status=deferred (maildir delivery failed)",
            {{"event.action", "delivery.tried"}, {"event.outcome", "failure"}, {"email.local_id", id}});
    }
  }
  if (!delivery.anything_queued())
    LogAs("qmgr", context, id + ": removed", {{"event.action", "message.removed"}, {"email.local_id", id}});
}

}  // namespace postern::smtp
