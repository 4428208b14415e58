// What a recipient whose way is known (core/routing/resolve.h) becomes in the queue, for whoever takes messages in:
// SMTP sessions, and the pickup of what sendmail(1) left. And the files of the queue that a long message is written to
// as it comes. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mailbox/message_writer.h"
#include "core/routing/resolve.h"
#include "core/smtp/delivery.h"

namespace postern::smtp {

// One that goes through the queue, with the way it was come to (routing::Way).
struct RemoteRecipient {
  queue::QueuedRecipient queued;
  std::optional<routing::Mailbox> sender;
  std::vector<routing::Mailbox> delivered_to;
};

// The transport of a recipient that is only told of: an alias that was expanded for somebody who wants to hear of it
// (NOTIFY=SUCCESS, RFC 3461 section 5.2.7). No name that master.cf could give.
inline constexpr std::string_view kExpandedTransport = "(expanded)";
// Its next hops: a virtual alias, one of the local class, and one with an owner, which is a list (section 5.2.7.1).
inline constexpr std::string_view kExpandedVirtual = "virtual", kExpandedLocal = "local", kExpandedList = "list";

// A recipient as it was asked for.
struct AskedRecipient {
  std::string original;            // as the client wrote it, routing::Mailbox::Key
  std::string original_recipient;  // ORCPT, decoded
  uint8_t notify = 0;              // smtp::Notify
};

// Where one of its destinations waits: a mailbox of this host as "virtual". `expanded` as Resolution says it.
RemoteRecipient ForTheQueue(const routing::Destination& destination, const AskedRecipient& asked, bool expanded);
// One that nothing leads to: whoever sent the message is to hear of it, the others get theirs.
RemoteRecipient ForTheQueue(const routing::Undeliverable& failure, const AskedRecipient& asked, bool expanded);

// What tells whoever asked with NOTIFY=SUCCESS that the alias `given` was expanded; goes to nobody else. nullopt: it
// was none, nobody asked, or nobody could be told.
std::optional<RemoteRecipient> ForTheNotice(const routing::Mailbox& given, const routing::Resolution& resolution,
                                            const AskedRecipient& asked, bool null_sender);
// Two with the same key are one recipient.
std::string KeyOf(const queue::QueuedRecipient& recipient);

// To those whose message is the same. `next_id` names a new copy.
void AddToQueue(RemoteRecipient remote, const std::function<std::string()>& next_id, OutgoingMessage* outgoing);

// ---- long messages --------------------------------------------------------------------------------------------------

// The queue's files of `outgoing`, which is complete but for its bytes, and `outgoing` told of them.
std::vector<mailbox::MessageWriter::Target> SpillTargets(OutgoingMessage* outgoing);
// What `plan`, of the writer of `targets`, adds to each file's checksum; with its first bytes the folders are made.
void PrepareSpill(const std::vector<mailbox::MessageWriter::Target>& targets, const std::string& queue_directory,
                  FilePlan* plan, std::vector<queue::Checksum>* checksums);
// All is written: `file_bytes` of the message.
void FinishSpill(const std::vector<mailbox::MessageWriter::Target>& targets,
                 const std::vector<queue::Checksum>& checksums, uint64_t file_bytes, OutgoingMessage* outgoing);

}  // namespace postern::smtp
