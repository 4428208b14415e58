#include "core/smtp/delivery.h"

#include <algorithm>
#include <utility>

#include "core/auth/sasl.h"
#include "core/message/trace.h"

namespace postern::smtp {
namespace {

// The file or folder an operation is about, as far as a delivery's operations go.
struct PathOf {
  Path operator()(const Create& op) const { return op.path; }
  Path operator()(const Append& op) const { return op.path; }
  Path operator()(const Rename& op) const { return op.from; }
  Path operator()(const Link& op) const { return op.from; }
  Path operator()(const Unlink& op) const { return op.path; }
  Path operator()(const Retire& op) const { return op.path; }
  Path operator()(const MakeDir& op) const { return op.path; }
  Path operator()(const RemoveTree& op) const { return op.path; }
  Path operator()(const SetMtime& op) const { return op.path; }
  Path operator()(const SyncFile& op) const { return op.path; }
  Path operator()(const SyncDir& op) const { return op.path; }
};

queue::QueuedRecipient ForQueue(const LocalRecipient& local) {
  return {.address = local.address,
          .transport = "virtual",
          .nexthop = {},
          .original = local.original,
          .original_recipient = local.original_recipient,
          .notify = local.notify};
}

}  // namespace

queue::Envelope EnvelopeOf(const OutgoingMessage& message, const QueueCopy& copy) {
  queue::Envelope envelope = message.envelope;
  envelope.id = copy.id;
  envelope.recipients = copy.recipients;
  if (copy.sender) {
    envelope.null_sender = false;
    envelope.sender = *copy.sender;
    envelope.ret.clear();  // RFC 3461 section 5.2.7.1 (b)
    envelope.envelope_id.clear();
  }
  return envelope;
}

StatusOr<mailbox::AccountFacts> LocateUser(std::string_view user, const config::Config& config) {
  const auto found = auth::LookupUser(user, config.auth, "lmtp");
  if (!found.ok()) return found.status();
  auto account = mailbox::LocateAccount(found->user, found->home, found->mail, found->uid, found->gid, config.storage);
  // A user whose mailbox cannot be found is no unknown user.
  if (!account.ok()) return Unavailable(Message(account.status()));
  return account;
}

std::string MailboxFields(const LocalRecipient& local, std::string_view reverse_path, const config::Config& config) {
  std::string fields;
  message::AppendReturnPath(local.sender ? local.sender->Quoted() : std::string(reverse_path), &fields);
  if (config.routing.enable_original_recipient) message::AppendXOriginalTo(local.original, &fields);
  message::AppendDeliveredTo(local.address.Quoted(), &fields);
  std::erase(fields, '\r');
  return fields + DeliveredToFields(local.delivered_to);
}

std::string DeliveredToFields(const std::vector<routing::Mailbox>& mailboxes) {
  std::string fields;
  for (const routing::Mailbox& mailbox : mailboxes) message::AppendDeliveredTo(mailbox.Quoted(), &fields);
  std::erase(fields, '\r');
  return fields;
}

MessageDelivery::Plans MessageDelivery::Begin() {
  Plans plans;
  states_.assign(message_.locals.size(), LocalState::kOpen);
  for (size_t i = 0; i < message_.locals.size(); ++i) {
    const FileOwner& owner = message_.locals[i].owner;
    auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.owner == owner; });
    if (group == groups_.end()) group = groups_.insert(groups_.end(), Group{.owner = owner});
    group->locals.push_back(i);
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    // A spilled message may have had its folders made on the way: their names are flushed in any case.
    groups_[i].make_folders = message_.bytes == nullptr;
    for (const size_t local : groups_[i].locals) groups_[i].make_folders |= !message_.locals[local].folders_last;
    PlanGroup(i, &plans);
  }
  if (!message_.remotes.empty()) {
    jobs_.push_back({.copy = {.id = message_.envelope.id,
                              .recipients = message_.remotes,
                              .tmp_path = message_.queue_tmp_path,
                              .tmp_bytes = message_.queue_tmp_bytes,
                              .checksum = message_.queue_checksum}});
  }
  for (const QueueCopy& copy : message_.copies) jobs_.push_back({.copy = copy});
  for (size_t i = 0; i < jobs_.size(); ++i)
    PlanQueue(i, message_.bytes == nullptr || !message_.queue_folders_last, &plans);
  if (open_ == 0) finished_ = true;  // discarded: nobody is to get it
  return plans;
}

MessageDelivery::Plans MessageDelivery::OnPlanDone(uint32_t tag, const PlanResult& result) {
  Plans plans;
  --open_;
  if (tag < groups_.size()) {
    OnGroupDone(tag, result, &plans);
  } else if (tag >= kQueueTag && tag < kQueueTag + jobs_.size()) {
    OnQueueDone(tag - kQueueTag, result, &plans);
  } else if (tag == kRevokeTag) {
    revocation_failed_ |=
        !result.ok() && result.status().code() != StatusCode::kNotFound;  // no folder: nothing is there
  }
  if (open_ == 0) WhenAllDone(&plans);
  return plans;
}

Path MessageDelivery::TmpPath(const LocalRecipient& local) const {
  return local.target.spilled_path.empty() ? local.target.maildir + "/tmp/" + local.target.base
                                           : local.target.spilled_path;
}

// ---- Maildirs -------------------------------------------------------------------------------------------------------

void MessageDelivery::PlanGroup(size_t group, Plans* plans) {
  std::vector<mailbox::DeliveryTarget> targets;
  for (const size_t i : groups_[group].locals) targets.push_back(message_.locals[i].target);
  Commit(group,
         mailbox::PlanDelivery(targets, message_.bytes, message_.file_bytes, message_.crlf_bytes, groups_[group].owner,
                               groups_[group].make_folders),
         plans);
}

// The names are there: only their folders are to be flushed.
void MessageDelivery::PlanSettle(size_t group, Plans* plans) {
  FilePlan plan{.stages = {{}}, .owner = groups_[group].owner};
  for (const size_t i : groups_[group].locals)
    plan.stages[0].push_back(SyncDir{message_.locals[i].target.maildir + "/new"});
  Commit(group, std::move(plan), plans);
}

void MessageDelivery::Commit(size_t group, FilePlan plan, Plans* plans) {
  Group& g = groups_[group];
  g.stage_paths.clear();
  g.stage_kinds.clear();
  bool named = plan.stages.size() == 1;  // PlanSettle
  for (const Stage& stage : plan.stages) {
    StageKind kind = StageKind::kFolders;
    std::vector<Path> paths;
    for (const FileOp& op : stage) {
      paths.push_back(std::visit(PathOf{}, op));
      if (std::holds_alternative<Create>(op)) kind = StageKind::kWrite;
      if (std::holds_alternative<SyncFile>(op)) kind = StageKind::kFlush;
      if (std::holds_alternative<Rename>(op)) kind = StageKind::kName;
      if (std::holds_alternative<SyncDir>(op) && named) kind = StageKind::kSettle;
    }
    if (kind == StageKind::kName) named = true;
    g.stage_kinds.push_back(kind);
    g.stage_paths.push_back(std::move(paths));
  }
  ++open_;
  plans->emplace_back(static_cast<uint32_t>(group), std::move(plan));
}

void MessageDelivery::OnGroupDone(size_t group, const PlanResult& result, Plans* plans) {
  Group& g = groups_[group];
  if (result.ok()) {
    for (const size_t i : g.locals) states_[i] = LocalState::kDelivered;
    g.locals.clear();
    return;
  }
  const size_t stage = std::min<size_t>(result.failures.front().stage, g.stage_kinds.size() - 1);
  const StageKind kind = g.stage_kinds[stage];
  bool missing_folders = kind == StageKind::kWrite && !g.make_folders;
  for (const OpFailure& failure : result.failures) missing_folders &= failure.status.code() == StatusCode::kNotFound;

  std::vector<size_t> failed;
  for (const OpFailure& failure : result.failures) {
    const Path& path = g.stage_paths[stage][std::min<size_t>(failure.op, g.stage_paths[stage].size() - 1)];
    for (const size_t i : g.locals) {
      const LocalRecipient& local = message_.locals[i];
      const bool own = path == TmpPath(local) || path == local.target.maildir ||
                       path.starts_with(local.target.maildir + "/") ||
                       (kind == StageKind::kFolders && local.target.maildir.starts_with(path));
      if (!own || std::find(failed.begin(), failed.end(), i) != failed.end()) continue;
      failed.push_back(i);
      if (!missing_folders) Fail(i, failure.status);
    }
  }
  // Who was not hit goes on from here; after a write, its file is there.
  std::erase_if(g.locals, [&](size_t i) { return states_[i] == LocalState::kFailed; });
  if (kind == StageKind::kWrite) {
    for (const size_t i : g.locals) {
      if (std::find(failed.begin(), failed.end(), i) == failed.end())
        message_.locals[i].target.spilled_path = TmpPath(message_.locals[i]);
    }
  }
  if (missing_folders) g.make_folders = true;
  if (g.locals.empty()) return;
  if (failed.empty()) {  // a failure of nobody's: can't be, but must not be taken for success
    for (const size_t i : g.locals) Fail(i, result.status());
    g.locals.clear();
  } else if (kind == StageKind::kSettle) {
    for (const size_t i : g.locals) states_[i] = LocalState::kDelivered;
    g.locals.clear();
  } else if (kind == StageKind::kName) {
    PlanSettle(group, plans);
  } else {
    PlanGroup(group, plans);
  }
}

void MessageDelivery::Fail(size_t local, const Status& status) {
  states_[local] = LocalState::kFailed;
  failed_.emplace_back(local, status);
}

// ---- the queue ------------------------------------------------------------------------------------------------------

void MessageDelivery::PlanQueue(size_t index, bool make_folders, Plans* plans) {
  Job& job = jobs_[index];
  const QueueCopy& copy = job.copy;
  job.make_folders = make_folders;
  queue::EnqueueRequest request{.queue_directory = message_.queue_directory, .folder = message_.folder, .id = copy.id};
  request.make_folders = make_folders;
  const uint64_t fields_bytes = copy.delivered_to.size() + message_.received.size();
  if (message_.bytes == nullptr) {
    request.spilled = true;
    request.tmp_path = copy.tmp_path;
    request.spilled_bytes = copy.tmp_bytes;
    request.trailer = queue::FormatTrailer(fields_bytes + message_.file_bytes, copy.checksum);
  } else {
    // Each attempt writes a file of its own: the last one may have left something.
    request.tmp_path = queue::FilePath(message_.queue_directory, queue::Folder::kTmp, copy.id) + "." +
                       std::to_string(queue_attempt_++);
    request.envelope = queue::FormatEnvelope(EnvelopeOf(message_, copy));
    const auto fields = std::make_shared<const std::string>(copy.delivered_to + message_.received);
    queue::Checksum checksum;
    checksum.Add(request.envelope);
    checksum.Add(*fields);
    checksum.Add(*message_.bytes);
    request.message = {fields, message_.bytes};
    request.trailer = queue::FormatTrailer(fields_bytes + message_.bytes->size(), checksum);
  }
  job.tmp_in_use = request.tmp_path;
  ++open_;
  plans->emplace_back(kQueueTag + static_cast<uint32_t>(index), queue::PlanEnqueue(std::move(request)));
}

void MessageDelivery::OnQueueDone(size_t index, const PlanResult& result, Plans* plans) {
  Job& job = jobs_[index];
  job.status = result.status();
  job.queued = result.ok();
  if (job.status.code() == StatusCode::kNotFound && !job.make_folders && message_.bytes != nullptr) {
    PlanQueue(index, true, plans);
  }
}

Status MessageDelivery::QueueStatus() const {
  for (const Job& job : jobs_) {
    if (!job.status.ok()) return job.status;
  }
  return OkStatus();
}

std::vector<std::string> MessageDelivery::queued_ids() const {
  std::vector<std::string> ids;
  for (const Job& job : jobs_) {
    if (job.queued) ids.push_back(job.copy.id);
  }
  return ids;
}

// ---- the end --------------------------------------------------------------------------------------------------------

void MessageDelivery::WhenAllDone(Plans* plans) {
  switch (step_) {
    case Step::kDeliver:
      if (failed_.empty() && QueueStatus().ok()) {
        finished_ = true;
        return;
      }
      return Rescue(plans);
    case Step::kRescue:
      if (!QueueStatus().ok()) return RevokeAll(plans);
      if (MayRevokeAgain()) return RevokeLocals(false, plans);
      finished_ = true;
      return;
    case Step::kRevoke:
      if (MayRevokeAgain()) return RevokeAll(plans);
      finished_ = true;
      return;
  }
}

// The queue takes those whose Maildir failed. A queue file never changes: where one was written already, they get
// another.
void MessageDelivery::Rescue(Plans* plans) {
  step_ = Step::kRescue;
  if (!message_.rescue && QueueStatus().ok()) return RevokeLocals(false, plans);
  if (message_.bytes == nullptr) return RevokeAll(plans);  // spilled: it is nowhere but in files that belong to others
  for (const auto& [local, status] : failed_) {
    if (message_.rescue)
      RescueJobFor(message_.locals[local]).copy.recipients.push_back(ForQueue(message_.locals[local]));
  }
  for (size_t i = 0; i < jobs_.size(); ++i) {
    if (!jobs_[i].queued) PlanQueue(i, true, plans);
  }
  RevokeLocals(false, plans);
}

// One that is still to be written and whose message is the same.
MessageDelivery::Job& MessageDelivery::RescueJobFor(const LocalRecipient& local) {
  const std::string delivered_to = DeliveredToFields(local.delivered_to);
  for (Job& job : jobs_) {
    if (!job.queued && job.copy.sender == local.sender && job.copy.delivered_to == delivered_to) return job;
  }
  std::string id = message_.envelope.id;
  const auto taken = [&] {
    return std::any_of(jobs_.begin(), jobs_.end(), [&id](const Job& job) { return job.copy.id == id; });
  };
  for (int number = 0; taken(); ++number) id = message_.envelope.id + "A" + (number == 0 ? "" : std::to_string(number));
  jobs_.push_back({.copy = {.id = id, .sender = local.sender, .delivered_to = delivered_to}});
  return jobs_.back();
}

// A file that could not be removed would be delivered beside the answer that it is not: removing is tried a few times.
bool MessageDelivery::MayRevokeAgain() {
  return std::exchange(revocation_failed_, false) && ++revocations_ < kRevocationsMax;
}

void MessageDelivery::RevokeLocals(bool all, Plans* plans) {
  for (const Group& group : groups_) {
    std::vector<mailbox::DeliveryTarget> targets;
    for (size_t i = 0; i < message_.locals.size(); ++i) {
      if (message_.locals[i].owner != group.owner) continue;
      if (all || states_[i] == LocalState::kFailed) targets.push_back(message_.locals[i].target);
    }
    if (targets.empty()) continue;
    ++open_;
    plans->emplace_back(kRevokeTag,
                        mailbox::PlanRevocation(targets, message_.file_bytes, message_.crlf_bytes, group.owner));
  }
}

void MessageDelivery::RevokeAll(Plans* plans) {
  step_ = Step::kRevoke;
  revocation_failed_ = false;
  status_ = QueueStatus();
  if (status_.ok() && !failed_.empty()) status_ = failed_.front().second;
  if (status_.ok()) status_ = Unavailable("delivery failed");
  RevokeLocals(true, plans);
  for (Job& job : jobs_) {
    job.queued = false;
    if (job.tmp_in_use.empty()) continue;
    ++open_;
    plans->emplace_back(kRevokeTag,
                        queue::PlanDequeue(message_.queue_directory, message_.folder, job.copy.id, job.tmp_in_use));
  }
  if (open_ == 0) finished_ = true;
}

}  // namespace postern::smtp
