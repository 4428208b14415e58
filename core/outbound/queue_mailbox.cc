// Mail that waits in the queue for a mailbox of this host: a Maildir that was out of reach when it came, or mail that
// was held.
#include <algorithm>
#include <utility>

#include "core/mailbox/delivery.h"
#include "core/outbound/queue_manager.h"
#include "core/routing/resolve.h"

namespace postern::outbound {

StatusOr<smtp::LocalRecipient> QueueManager::LocalRecipientOf(const queue::Envelope& envelope,
                                                              const routing::Destination& destination,
                                                              std::string_view original, Context& context) {
  smtp::LocalRecipient local{.address = destination.address, .original = std::string(original)};
  if (const auto* maildir = std::get_if<routing::MaildirTarget>(&destination.target)) {
    local.target.maildir = maildir->maildir;
    local.owner = maildir->owner;
  } else if (const auto* user = std::get_if<routing::UserTarget>(&destination.target)) {
    const auto account = smtp::LocateUser(user->user, *config_);
    if (!account.ok()) return account.status();
    local.target.maildir = account->maildir;
    local.owner = account->owner;
  } else {
    return FailedPrecondition("no mailbox of this host");
  }
  local.target.prefix = smtp::MailboxFields(local, envelope.null_sender ? "" : envelope.sender.Quoted(), *config_);
  local.target.base = names_.Next(context.now.wall);
  local.folders_last = directory_.durable_folders().Has(local.target.maildir);
  return local;
}

void QueueManager::WithMessage(const queue::Delivery& delivery, std::function<void(SharedBytes, Context&)> then,
                               Context& context) {
  const Cargo& cargo = *active_.at(delivery.message).cargo;
  if (cargo.bytes != nullptr) {
    return then(std::make_shared<const std::string>(cargo.bytes->substr(cargo.message_at_bytes, cargo.message_bytes)),
                context);
  }
  const OpId op = Ask([then = std::move(then)](const Event& event, Context& later) {
    const auto* read = std::get_if<ReadDone>(&event);
    then(read != nullptr && read->status.ok() ? std::make_shared<const std::string>(read->bytes) : nullptr, later);
  });
  context.out.Put(
      Read{.op = op, .path = cargo.path, .offset_bytes = cargo.message_at_bytes, .length_bytes = cargo.message_bytes});
}

QueueManager::Settle QueueManager::SettleTogether(const queue::Delivery& delivery) {
  struct Progress {
    size_t open = 0;
    std::vector<Carried> carried;
  };
  auto progress = std::make_shared<Progress>();
  progress->open = delivery.group.recipients.size();
  return [this, delivery, progress](uint32_t index, RecipientDone done, Context& later) {
    progress->carried.push_back({index, std::move(done)});
    if (--progress->open == 0)
      OnCarried(delivery, progress->carried, queue::Verdict::kRecipients, {}, later.now.mono, later);
  };
}

void QueueManager::DeliverToMailbox(const queue::Delivery& delivery, Context& context) {
  WithMessage(
      delivery,
      [this, delivery](SharedBytes message, Context& later) { DeliverBytes(delivery, std::move(message), later); },
      context);
}

void QueueManager::DeliverBytes(const queue::Delivery& delivery, SharedBytes message, Context& context) {
  const queue::Envelope& envelope = active_.at(delivery.message).cargo->envelope;
  const Settle settled = SettleTogether(delivery);
  for (const uint32_t index : delivery.group.recipients) {
    const queue::QueuedRecipient& recipient = envelope.recipients[index];
    auto target =
        routing::ResolveFinal(recipient.address, envelope.null_sender ? nullptr : &envelope.sender, config_->routing);
    if (!target.ok()) {
      const bool unknown = target.status().code() == StatusCode::kNotFound;
      settled(index,
              {.fate = unknown ? Fate::kFailed : Fate::kDeferred,
               .status = unknown ? "5.1.1" : "4.3.0",
               .relay = "virtual",
               .text = std::string(Message(target.status()))},
              context);
      continue;
    }
    auto local = LocalRecipientOf(envelope, {.address = recipient.address, .target = *target},
                                  recipient.original.empty() ? recipient.address.Key() : recipient.original, context);
    if (!local.ok() || message == nullptr) {
      const bool unknown = !local.ok() && local.status().code() == StatusCode::kNotFound;
      settled(index,
              {.fate = unknown ? Fate::kFailed : Fate::kDeferred,
               .status = unknown ? "5.1.1" : "4.3.0",
               .relay = "virtual",
               .text = local.ok() ? "queue file cannot be read" : std::string(Message(local.status()))},
              context);
      continue;
    }
    WriteToMaildir(
        *local, message, !local->folders_last,
        [this, settled, index, id = delivery.message, local = *local](const Status& status, Context& later) {
          if (status.ok()) {
            RecordFile(id, local, later);
            return settled(index,
                           {.fate = Fate::kSent, .status = "2.0.0", .relay = "virtual", .text = "delivered to maildir"},
                           later);
          }
          settled(index,
                  {.fate = Fate::kDeferred,
                   .status = "4.2.0",
                   .relay = "virtual",
                   .text = "maildir delivery failed: " + std::string(Message(status))},
                  later);
        },
        context);
  }
}

void QueueManager::WriteToMaildir(smtp::LocalRecipient local, SharedBytes message, bool make_folders,
                                  std::function<void(const Status&, Context&)> done, Context& context) {
  const uint64_t crlf_bytes =
      message->size() + static_cast<uint64_t>(std::count(message->begin(), message->end(), '\n'));
  FilePlan plan =
      mailbox::PlanDelivery({local.target}, message, message->size(), crlf_bytes, local.owner, make_folders);
  CommitPlan(
      std::move(plan),
      [this, local, message, make_folders, done, crlf_bytes](const Event& event, Context& later) {
        const auto* plan_done = std::get_if<PlanDone>(&event);
        if (plan_done == nullptr) return;
        if (plan_done->result.ok()) {
          directory_.durable_folders().Add(local.target.maildir);
          directory_.AnnounceArrival("", local.target.maildir, later);
          return done(OkStatus(), later);
        }
        const Status status = plan_done->result.status();
        if (status.code() == StatusCode::kNotFound && !make_folders)
          return WriteToMaildir(local, message, true, done, later);
        // Nothing of a failed delivery stays.
        CommitPlan(
            mailbox::PlanRevocation({local.target}, message->size(), crlf_bytes, local.owner),
            [done, status](const Event&, Context& last) { done(status, last); }, later);
      },
      context);
}

}  // namespace postern::outbound
