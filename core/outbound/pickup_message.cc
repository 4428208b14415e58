// One file of maildrop/: read in pieces, its header made complete, its recipients resolved, its bytes queued.
#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/message/line_ends.h"
#include "core/message/trace.h"
#include "core/outbound/pickup_job.h"
#include "core/smtp/header_addresses.h"
#include "core/smtp/onward.h"

namespace postern::outbound {
namespace {

constexpr uint64_t kFirstBytes = 64 * 1024;   // most messages are in them whole
constexpr uint64_t kPieceBytes = 256 * 1024;  // of longer ones
constexpr size_t kResolvedAtOnce = 200;       // recipients of one step
constexpr std::string_view kChanged = "it changed while it was read";

uint64_t HeadBytesMax(uint64_t file_bytes) { return std::min<uint64_t>(file_bytes, queue::kMaildropHeadBytesMax); }

// The name that stands for whoever left the file: the caller's, where the file is his. postsuper(1) and those who bring
// a spool back from elsewhere are root.
routing::Mailbox SenderOf(const queue::Submission& submission, uint32_t owner) {
  if (submission.sender_kind == queue::SenderKind::kGiven) return submission.sender;
  const bool his = owner == submission.uid || owner == 0;
  return {.local = his && !submission.login.empty() ? submission.login : std::to_string(owner)};
}

}  // namespace

// ---- its envelope --------------------------------------------------------------------------------------------------

void Pickup::OnFacts(const JobPtr& job, const FileFacts& facts, Context& context) {
  if (facts.status.code() == StatusCode::kNotFound || (facts.status.ok() && facts.is_dir)) return End(job, context);
  if (!facts.status.ok()) return SetAside(job, Message(facts.status), context);
  job->uid = facts.uid;
  job->inode = facts.inode;
  job->file_bytes = facts.size_bytes;
  ReadHead(job, context);
}

void Pickup::ReadHead(const JobPtr& job, Context& context) {
  const OpId op = host_.Ask([this, job](const Event& event, Context& later) {
    if (const auto* read = std::get_if<ReadDone>(&event)) OnHead(job, *read, later);
  });
  context.out.Put(
      Read{.op = op, .path = job->path, .length_bytes = job->large_head ? HeadBytesMax(job->file_bytes) : kFirstBytes});
}

void Pickup::OnHead(const JobPtr& job, const ReadDone& read, Context& context) {
  if (read.status.code() == StatusCode::kNotFound) return End(job, context);
  // No regular file.
  if (read.status.code() == StatusCode::kInvalidArgument) return MoveToCorrupt(job, Message(read.status), context);
  if (!read.status.ok()) return SetAside(job, Message(read.status), context);
  if (read.inode != job->inode || read.file_bytes != job->file_bytes) return MoveToCorrupt(job, kChanged, context);
  auto head = queue::ParseMaildropHead(read.bytes);
  if (head.status().code() == StatusCode::kNotFound && read.bytes.size() < HeadBytesMax(job->file_bytes)) {
    job->large_head = true;
    large_.push_back(job);
    if (large_.size() == 1) ReadHead(job, context);
    return;
  }
  if (!head.ok()) return MoveToCorrupt(job, Message(head.status()), context);
  if (job->file_bytes < head->message_at_bytes + queue::kTrailerBytes) {
    return MoveToCorrupt(job, "cut off", context);
  }
  job->submission = std::move(head->submission);
  job->message_at_bytes = job->read_bytes = head->message_at_bytes;
  job->message_end_bytes = job->file_bytes - queue::kTrailerBytes;
  job->checksum.Add(read.bytes.substr(0, job->message_at_bytes));
  BeginMessage(job, context);
  TakeBytes(job, read.bytes.substr(job->message_at_bytes));
  GoOn(job, context);
}

void Pickup::BeginMessage(const JobPtr& job, Context& context) {
  const config::Routing& routing = job->config->routing;
  const queue::Submission& submission = job->submission;
  const config::SubmissionLimits& limits = routing.submission_limits;
  if (limits.message_size_limit != 0 && job->message_end_bytes - job->message_at_bytes > limits.message_size_limit) {
    // sendmail(1) refuses it itself: the limit was another one then. As much of it is kept as a notice shows.
    job->cut = true;
    job->refusal = "5.3.4 message file too big";
    job->message_end_bytes = std::min(job->message_end_bytes, job->message_at_bytes + kPieceBytes);
  }
  smtp::OutgoingMessage& outgoing = job->outgoing;
  outgoing.queue_directory = routing.queue_directory;
  outgoing.queue_folders_last = host_.directory().durable_folders().Has(queue::SpoolDir(outgoing.queue_directory));
  queue::Envelope& envelope = outgoing.envelope;
  envelope.id = host_.directory().NextQueueId(context);
  // What a file claims of the future would never grow too old.
  envelope.arrived_us = std::clamp<int64_t>(submission.arrived_us, 0, context.now.wall.us);
  envelope.null_sender = submission.sender_kind == queue::SenderKind::kNull;
  const routing::Mailbox sender = SenderOf(submission, job->uid);
  if (!envelope.null_sender) envelope.sender = routing::Rewrite(sender, routing::Role::kSender, routing);
  envelope.trace_id = context.entropy.Hex(32);
  job->id = envelope.id;
  job->trace_id = envelope.trace_id;
  envelope.body = submission.body;
  envelope.smtputf8 = submission.smtputf8;
  envelope.ret = submission.ret;
  envelope.envelope_id = submission.envelope_id;

  smtp::HeaderFilter::Options options{
      .field_bytes_max = limits.header_size_limit, .drop = routing.headers.drop, .completes = job->config};
  Now arrived = context.now;
  arrived.wall.us = envelope.arrived_us;
  smtp::AskForMissingFields(
      routing, envelope.id, arrived,
      envelope.null_sender ? "MAILER-DAEMON" : smtp::NameAndAddress(submission.full_name, envelope.sender.Quoted()),
      &options);
  job->filter = std::make_unique<smtp::HeaderFilter>(std::move(options));
  Log(job.get(), context, Severity::kInfo, "pickup",
      envelope.id + ": uid=" + std::to_string(job->uid) + " from=<" +
          (envelope.null_sender ? "" : EscapeForLog(sender.Key(), 255)) + ">",
      {{"event.action", "message.begun"}});
}

// ---- its bytes -----------------------------------------------------------------------------------------------------

void Pickup::ReadOn(const JobPtr& job, Context& context) {
  const OpId op = host_.Ask([this, job](const Event& event, Context& later) {
    const auto* read = std::get_if<ReadDone>(&event);
    if (read == nullptr) return;
    if (!read->status.ok()) {
      const std::string why(Message(read->status));
      return GiveUp(
          job, [this, job, why](Context& last) { SetAside(job, why, last); }, later);
    }
    const bool changed = read->inode != job->inode || read->file_bytes != job->file_bytes || read->bytes.empty();
    if (changed)
      return GiveUp(
          job, [this, job](Context& last) { MoveToCorrupt(job, kChanged, last); }, later);
    TakeBytes(job, read->bytes);
    GoOn(job, later);
  });
  context.out.Put(Read{.op = op, .path = job->path, .offset_bytes = job->read_bytes, .length_bytes = kPieceBytes});
}

// `bytes` of the file, from where it is read up to.
void Pickup::TakeBytes(const JobPtr& job, std::string_view bytes) {
  const std::string_view message = bytes.substr(0, job->message_end_bytes - job->read_bytes);
  job->checksum.Add(message);
  job->read_bytes += message.size();
  std::string crlf, filtered;
  message::AppendCrlf(message, &crlf, job->after_cr);
  if (!message.empty()) job->after_cr = message.back() == '\r';
  job->filter->Feed(crlf, job->writer ? &filtered : &job->filtered);
  if (job->writer) job->writer->Add(filtered);
  if (job->read_bytes < job->message_end_bytes) return;
  job->sealed = job->cut || bytes.substr(message.size()) ==
                                queue::FormatTrailer(job->message_end_bytes - job->message_at_bytes, job->checksum);
}

// After each piece, and after each plan that wrote one.
void Pickup::GoOn(const JobPtr& job, Context& context) {
  const bool all_read = job->read_bytes == job->message_end_bytes;
  if (all_read && !job->sealed && job->read_bytes + queue::kTrailerBytes == job->file_bytes && !job->trailer_read) {
    job->trailer_read = true;
    return ReadOn(job, context);  // the last piece ended in front of it, or inside
  }
  if (all_read && !job->sealed) {
    return GiveUp(
        job, [this, job](Context& last) { MoveToCorrupt(job, "wrong checksum", last); }, context);
  }
  if (!job->writer) {
    if (!all_read && !job->filter->header_ended() && job->filtered.size() < kPieceBytes) return ReadOn(job, context);
    return Resolve(job, context);
  }
  if (all_read && !std::exchange(job->ended, true)) {
    std::string last;
    job->filter->Finish(&last);
    job->writer->Add(last);
    job->writer->End();
  }
  if (Write(job, context)) return;
  if (!job->writer->status().ok()) {
    const std::string why(Message(job->writer->status()));
    return GiveUp(
        job, [this, job, why](Context& last) { SetAside(job, why, last); }, context);
  }
  if (!all_read) return ReadOn(job, context);
  Deliver(job, context);
}

// A plan is under way, GoOn comes after it.
bool Pickup::Write(const JobPtr& job, Context& context) {
  auto plan = job->writer->TakePlan();
  if (!plan) return false;
  smtp::PrepareSpill(job->writer->targets(), job->outgoing.queue_directory, &*plan, &job->checksums);
  host_.CommitPlan(
      *std::move(plan),
      [this, job](const Event& event, Context& later) {
        const auto* done = std::get_if<PlanDone>(&event);
        if (done == nullptr) return;
        job->writer->OnPlanDone(done->result);
        GoOn(job, later);
      },
      context);
  return true;
}

// What was written of it goes.
void Pickup::GiveUp(const JobPtr& job, const std::function<void(Context&)>& then, Context& context) {
  FilePlan plan = job->writer ? job->writer->AbortPlan() : FilePlan{};
  if (plan.stages.empty()) return then(context);
  host_.CommitPlan(
      std::move(plan), [then](const Event&, Context& later) { then(later); }, context);
}

// ---- its recipients ------------------------------------------------------------------------------------------------

void Pickup::Resolve(const JobPtr& job, Context& context) {
  const config::SubmissionLimits& limits = job->config->routing.submission_limits;
  if (limits.hopcount_limit != 0 && job->filter->received_count() > limits.hopcount_limit) {
    job->refusal = "5.4.6 too many hops";
  }
  const std::vector<routing::Mailbox>& recipients = job->submission.recipients;
  for (size_t count = 0; job->next_recipient < recipients.size(); ++job->next_recipient, ++count) {
    if (count == kResolvedAtOnce) {
      return host_.Later(
          Duration{}, [this, job](Context& later) { Resolve(job, later); }, context);
    }
    if (const Status status = ResolveOne(job.get(), recipients[job->next_recipient], context); !status.ok()) {
      return SetAside(job, Message(status), context);
    }
  }
  BeginWriting(job, context);
}

// As SMTP does at RCPT; what it would refuse there comes back.
Status Pickup::ResolveOne(Job* job, const routing::Mailbox& given, Context& context) {
  const config::Routing& routing = job->config->routing;
  const queue::Envelope& envelope = job->outgoing.envelope;
  const routing::Mailbox to = routing::Rewrite(given, routing::Role::kRecipient, routing);
  const smtp::AskedRecipient asked{.original = given.Key(), .notify = job->submission.notify};
  const auto add = [&](smtp::RemoteRecipient remote) {
    if (!job->seen.insert(smtp::KeyOf(remote.queued)).second) return;
    smtp::AddToQueue(
        std::move(remote), [&] { return host_.directory().NextQueueId(context); }, &job->outgoing);
  };
  const auto fail = [&](std::string status, std::string text) {
    add(smtp::ForTheQueue(
        routing::Undeliverable{.address = to, .status = std::move(status), .text = std::move(text), .way = {}}, asked,
        false));
    return OkStatus();
  };
  if (!job->refusal.empty()) {
    const size_t blank = job->refusal.find(' ');
    return fail(job->refusal.substr(0, blank), job->refusal.substr(blank + 1));
  }
  auto resolution = routing::Resolve(to, envelope.null_sender ? nullptr : &envelope.sender, routing);
  if (!resolution.ok()) return resolution.status();
  // local(8): a name of the local class has passed this message on before.
  const std::vector<std::string>& before = job->filter->delivered_to();
  const auto has_passed = [&before](const routing::Way& way) {
    return std::any_of(way.passed.begin(), way.passed.end(), [&before](const routing::Mailbox& passed) {
      return std::find(before.begin(), before.end(), LowerCase(passed.Quoted())) != before.end();
    });
  };
  bool loops = false;
  for (const auto& destination : resolution->destinations) loops |= has_passed(destination.way);
  for (const auto& failure : resolution->undeliverable) loops |= has_passed(failure.way);
  if (loops) return fail("5.4.6", "mail forwarding loop for " + to.Key());
  if (resolution->destinations.empty() && resolution->undeliverable.empty()) {
    return fail("5.1.1", "User unknown in virtual mailbox table");
  }
  if (auto told = smtp::ForTheNotice(to, *resolution, asked, envelope.null_sender)) add(*std::move(told));
  for (const auto& destination : resolution->destinations) {
    add(smtp::ForTheQueue(destination, asked, resolution->expanded));
  }
  for (const auto& failure : resolution->undeliverable) {
    add(smtp::ForTheQueue(failure, asked, resolution->expanded));
  }
  return OkStatus();
}

void Pickup::BeginWriting(const JobPtr& job, Context& context) {
  const config::Routing& routing = job->config->routing;
  smtp::OutgoingMessage& outgoing = job->outgoing;
  message::ReceivedFacts facts{.host = routing.myhostname, .mail_name = routing.mail_name, .id = outgoing.envelope.id};
  facts.when = {.unix_seconds = context.now.wall.seconds(), .zone_minutes = context.now.utc_offset_seconds / 60};
  facts.user_id = job->uid;
  message::AppendReceived(facts, &outgoing.received);
  std::erase(outgoing.received, '\r');
  job->writer.emplace(smtp::SpillTargets(&outgoing), FileOwner{});
  job->checksums.resize(job->writer->targets().size());
  job->writer->Add(std::exchange(job->filtered, {}));
  GoOn(job, context);
}

// ---- into the queue ------------------------------------------------------------------------------------------------

void Pickup::Deliver(const JobPtr& job, Context& context) {
  mailbox::MessageWriter& writer = *job->writer;
  smtp::OutgoingMessage& outgoing = job->outgoing;
  outgoing.file_bytes = writer.file_bytes();
  outgoing.crlf_bytes = writer.crlf_bytes();
  if (writer.spilled()) {
    smtp::FinishSpill(writer.targets(), job->checksums, writer.file_bytes(), &outgoing);
  } else {
    outgoing.bytes = writer.bytes();
  }
  job->delivery = std::make_unique<smtp::MessageDelivery>(std::move(outgoing));
  RunPlans(job, job->delivery->Begin(), context);
}

void Pickup::RunPlans(const JobPtr& job, smtp::MessageDelivery::Plans plans, Context& context) {
  if (job->delivery->finished()) return OnDelivered(job, context);
  for (auto& [tag, plan] : plans) {
    host_.CommitPlan(
        std::move(plan),
        [this, job, tag = tag](const Event& event, Context& later) {
          const auto* done = std::get_if<PlanDone>(&event);
          if (done != nullptr) RunPlans(job, job->delivery->OnPlanDone(tag, done->result), later);
        },
        context);
  }
}

// The lines of cleanup(8) and qmgr(8); the queue manager goes on with those of the deliveries.
void Pickup::OnDelivered(const JobPtr& job, Context& context) {
  const smtp::MessageDelivery& delivery = *job->delivery;
  if (!delivery.status().ok()) return SetAside(job, Message(delivery.status()), context);
  const smtp::OutgoingMessage& message = delivery.message();
  const std::string& id = message.envelope.id;
  host_.directory().durable_folders().Add(queue::SpoolDir(message.queue_directory));
  const std::string message_id = EscapeForLog(job->filter->message_id(), 255);
  Log(job.get(), context, Severity::kInfo, "cleanup", id + ": message-id=" + (message_id.empty() ? "<>" : message_id),
      {{"email.message_id", message_id}});
  size_t count = message.remotes.size();
  for (const smtp::QueueCopy& copy : message.copies) count += copy.recipients.size();
  const std::string from = message.envelope.null_sender ? "" : EscapeForLog(message.envelope.sender.Quoted(), 255);
  Log(job.get(), context, Severity::kInfo, "qmgr",
      id + ": from=<" + from + ">, size=" + std::to_string(message.received.size() + message.file_bytes) +
          ", nrcpt=" + std::to_string(count) + " (queue active)",
      {{"event.action", "message.accepted"}, {"smtp.envelope.from", from}});
  for (const std::string& queued : delivery.queued_ids()) host_.OnQueued(queued, context);
  Remove(job, context);
}

}  // namespace postern::outbound
