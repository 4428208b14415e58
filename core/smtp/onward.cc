#include "core/smtp/onward.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/ascii.h"
#include "core/routing/program_target.h"
#include "core/smtp/command.h"

namespace postern::smtp {
namespace {

// RFC 3461 section 5.2.7.2 (b): the message goes on with what NOTIFY says but for SUCCESS; who expands the alias tells
// of that. What remains of SUCCESS alone is NEVER.
uint8_t NotifyBehind(uint8_t notify, bool expanded) {
  if (!expanded || (notify & kNotifySuccess) == 0) return notify;
  const auto rest = static_cast<uint8_t>(notify & ~kNotifySuccess);
  return rest == 0 ? static_cast<uint8_t>(kNotifyNever) : rest;
}

// A list sends on its own account (RFC 3461 section 5.2.7.1): its members are the original recipients of that, and
// nothing is derived from what its author asked for.
RemoteRecipient OnItsWay(const routing::Mailbox& address, const routing::Way& way, const AskedRecipient& asked,
                         bool expanded) {
  return {.queued = {.address = address,
                     .transport = "virtual",
                     .original = way.sender ? address.Key() : asked.original,
                     .original_recipient = way.sender ? "" : asked.original_recipient,
                     .notify = way.sender ? uint8_t{0} : NotifyBehind(asked.notify, expanded)},
          .sender = way.sender,
          .delivered_to = way.delivered_to};
}

}  // namespace

RemoteRecipient ForTheQueue(const routing::Destination& destination, const AskedRecipient& asked, bool expanded) {
  RemoteRecipient remote = OnItsWay(destination.address, destination.way, asked, expanded);
  if (const auto* queue = std::get_if<routing::QueueTarget>(&destination.target)) {
    remote.queued.transport = queue->transport;
    remote.queued.nexthop = queue->nexthop;
    // To local(8) what a list with an owner runs has no original recipient: no X-Original-To.
    if (remote.sender && routing::IsProgramTransport(queue->transport)) remote.queued.original.clear();
  }
  return remote;
}

RemoteRecipient ForTheQueue(const routing::Undeliverable& failure, const AskedRecipient& asked, bool expanded) {
  RemoteRecipient remote = OnItsWay(failure.address, failure.way, asked, expanded);
  remote.queued.transport = "error";
  remote.queued.nexthop = failure.status + " " + failure.text;
  return remote;
}

std::optional<RemoteRecipient> ForTheNotice(const routing::Mailbox& given, const routing::Resolution& resolution,
                                            const AskedRecipient& asked, bool null_sender) {
  if (!resolution.expanded || null_sender || (asked.notify & kNotifySuccess) == 0) return std::nullopt;
  bool list = true, local = false;
  const auto look = [&](const routing::Way& way) {
    list = list && way.sender.has_value();
    local = local || !way.passed.empty();
  };
  for (const routing::Destination& destination : resolution.destinations) look(destination.way);
  for (const routing::Undeliverable& failure : resolution.undeliverable) look(failure.way);
  return RemoteRecipient{.queued = {.address = given,
                                    .transport = std::string(smtp::kExpandedTransport),
                                    .nexthop = std::string(list    ? kExpandedList
                                                           : local ? kExpandedLocal
                                                                   : kExpandedVirtual),
                                    .original = asked.original,
                                    .original_recipient = asked.original_recipient,
                                    .notify = kNotifySuccess}};
}

std::string KeyOf(const queue::QueuedRecipient& recipient) {
  const std::string key = LowerCase(recipient.address.Key());
  if (routing::IsProgramTransport(recipient.transport)) return recipient.transport + recipient.nexthop + " " + key;
  return recipient.transport == kExpandedTransport ? recipient.transport + " " + key : key;
}

void AddToQueue(RemoteRecipient remote, const std::function<std::string()>& next_id, OutgoingMessage* outgoing) {
  if (!remote.sender && remote.delivered_to.empty()) {
    outgoing->remotes.push_back(std::move(remote.queued));
    return;
  }
  const std::string fields = DeliveredToFields(remote.delivered_to);
  auto copy = std::find_if(outgoing->copies.begin(), outgoing->copies.end(), [&](const QueueCopy& other) {
    return other.sender == remote.sender && other.delivered_to == fields;
  });
  if (copy == outgoing->copies.end()) {
    outgoing->copies.push_back({.id = next_id(), .sender = std::move(remote.sender), .delivered_to = fields});
    copy = outgoing->copies.end() - 1;
  }
  copy->recipients.push_back(std::move(remote.queued));
}

std::vector<mailbox::MessageWriter::Target> SpillTargets(OutgoingMessage* outgoing) {
  std::vector<mailbox::MessageWriter::Target> targets;
  const auto add = [&](const queue::Envelope& envelope, const std::string& fields) {
    targets.push_back({.tmp_path = queue::FilePath(outgoing->queue_directory, queue::Folder::kTmp, envelope.id),
                       .prefix = queue::FormatEnvelope(envelope) + fields + outgoing->received});
    return targets.back().tmp_path;
  };
  if (!outgoing->remotes.empty()) {
    const QueueCopy as_it_came{.id = outgoing->envelope.id, .recipients = outgoing->remotes};
    outgoing->queue_tmp_path = add(EnvelopeOf(*outgoing, as_it_came), "");
  }
  for (QueueCopy& copy : outgoing->copies) copy.tmp_path = add(EnvelopeOf(*outgoing, copy), copy.delivered_to);
  return targets;
}

void PrepareSpill(const std::vector<mailbox::MessageWriter::Target>& targets, const std::string& queue_directory,
                  FilePlan* plan, std::vector<queue::Checksum>* checksums) {
  bool first = false;
  for (const FileOp& op : plan->stages[0]) {
    const auto& append = std::get<Append>(op);
    first |= append.at_bytes == 0;
    const auto target = std::find_if(targets.begin(), targets.end(),
                                     [&append](const auto& other) { return other.tmp_path == append.path; });
    queue::Checksum& checksum = (*checksums)[static_cast<size_t>(target - targets.begin())];
    for (size_t piece = 0; piece < append.bytes.piece_count(); ++piece) checksum.Add(append.bytes.piece(piece));
  }
  if (!first) return;
  std::vector<Stage> folders = std::move(queue::PlanFolders(queue_directory).stages);
  folders.pop_back();  // their names are flushed with the file's
  plan->stages.insert(plan->stages.begin(), std::make_move_iterator(folders.begin()),
                      std::make_move_iterator(folders.end()));
}

void FinishSpill(const std::vector<mailbox::MessageWriter::Target>& targets,
                 const std::vector<queue::Checksum>& checksums, uint64_t file_bytes, OutgoingMessage* outgoing) {
  size_t i = 0;  // in the order of SpillTargets
  if (!outgoing->remotes.empty()) {
    outgoing->queue_tmp_bytes = targets[i].prefix.size() + file_bytes;
    outgoing->queue_checksum = checksums[i++];
  }
  for (QueueCopy& copy : outgoing->copies) {
    copy.tmp_bytes = targets[i].prefix.size() + file_bytes;
    copy.checksum = checksums[i++];
  }
}

}  // namespace postern::smtp
