// The end of a message: gets it to every recipient's Maildir and into the queue, and knows when all of it is durable.
// No reply before that (docs/architecture.md, what an acknowledgement promises).
//
//   Maildirs, one plan an owner --+--> all done --------------------------------------> kDone
//   queue file, where needed -----+--> some failed --> these go to the queue instead --> kDone
//                                                  \--> not even that: all is taken back --> kFailed
//
// A recipient whose Maildir failed never costs another one a duplicate: those that were reached stay reached, or, where
// the message is answered with a failure, lose it again. Owner: one SMTP session, one message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/boundary/file_plan.h"
#include "core/config/settings.h"
#include "core/mailbox/delivery.h"
#include "core/mailbox/location.h"
#include "core/queue/queue_file.h"

namespace postern::smtp {

// One recipient's Maildir.
struct LocalRecipient {
  mailbox::DeliveryTarget target;
  FileOwner owner;
  bool folders_last = false;  // the Maildir's name is durable (mailbox::DurableFolders)
  routing::Mailbox address;
  std::string original;                        // as the client named it
  std::optional<routing::Mailbox> sender;      // routing::Way: the Return-Path where it is not the message's
  std::vector<routing::Mailbox> delivered_to;  // and what its aliases passed on
  std::string original_recipient;              // ORCPT
  uint8_t notify = 0;
};

// Recipients whose message differs from the others': an alias has passed it on (Delivered-To), or a list's owner sends
// it. It is a message of its own in the queue, as local(8) makes one of what it passes on.
struct QueueCopy {
  std::string id;
  std::optional<routing::Mailbox> sender;  // nullopt: the message's
  std::string delivered_to;                // fields in front of `received`, LF line ends
  std::vector<queue::QueuedRecipient> recipients;
  Path tmp_path;  // spilled: as OutgoingMessage::queue_tmp_path
  uint64_t tmp_bytes = 0;
  queue::Checksum checksum;
};

struct OutgoingMessage {
  std::string queue_directory;
  queue::Folder folder = queue::Folder::kIncoming;
  bool queue_folders_last = false;
  queue::Envelope envelope;  // without recipients
  std::vector<LocalRecipient> locals;
  std::vector<queue::QueuedRecipient> remotes;  // of the message as it came
  std::vector<QueueCopy> copies;
  // Whose Maildir failed gets the message from the queue. False: he is told to the client as not reached (LMTP).
  bool rescue = true;
  std::string received;  // the trace field that queued messages begin with, LF line ends
  SharedBytes bytes;     // null: spilled into every target's file already
  uint64_t file_bytes = 0, crlf_bytes = 0;
  Path queue_tmp_path;  // spilled: envelope, trace field and message are there
  uint64_t queue_tmp_bytes = 0;
  queue::Checksum queue_checksum;
};

// The envelope of one copy; a Delivered-To field for each of them, LF line ends.
queue::Envelope EnvelopeOf(const OutgoingMessage& message, const QueueCopy& copy);
std::string DeliveredToFields(const std::vector<routing::Mailbox>& mailboxes);

// The mailbox of a login (virtual_transport = lmtp:...): where Dovecot would put its mail. kNotFound: there is no such
// user.
StatusOr<mailbox::AccountFacts> LocateUser(std::string_view user, const config::Config& config);
// The fields in front of `local`'s copy, LF line ends: Return-Path, X-Original-To, Delivered-To. `reverse_path` is the
// message's: "" for the null one.
std::string MailboxFields(const LocalRecipient& local, std::string_view reverse_path, const config::Config& config);

class MessageDelivery {
 public:
  explicit MessageDelivery(OutgoingMessage message) : message_(std::move(message)) {}

  // What is to be committed now; tags are unique within this delivery, counted from 0.
  using Plans = std::vector<std::pair<uint32_t, FilePlan>>;
  Plans Begin();
  Plans OnPlanDone(uint32_t tag, const PlanResult& result);

  bool finished() const { return finished_; }
  // After finished(): OK, or why nobody gets the message.
  const Status& status() const { return status_; }
  const OutgoingMessage& message() const { return message_; }
  // Recipients whose Maildir failed; where OutgoingMessage::rescue says so, their message waits in the queue now.
  const std::vector<std::pair<size_t, Status>>& rescued() const { return failed_; }
  bool reached(size_t local) const { return states_[local] == LocalState::kDelivered; }
  bool anything_queued() const { return !queued_ids().empty(); }
  // Ids of the messages that lie in the queue now.
  std::vector<std::string> queued_ids() const;

 private:
  enum class LocalState : uint8_t { kOpen, kDelivered, kFailed };
  enum class StageKind : uint8_t { kFolders, kWrite, kFlush, kName, kSettle };
  struct Group {  // the recipients of one owner
    FileOwner owner;
    std::vector<size_t> locals;  // those still open
    bool make_folders = false;
    std::vector<std::vector<Path>> stage_paths;  // of the plan under way, an operation each
    std::vector<StageKind> stage_kinds;
  };
  // One message in the queue: the message as it came, a copy, or those whose Maildirs failed.
  struct Job {
    QueueCopy copy;
    bool make_folders = false, queued = false;
    Status status;
    Path tmp_in_use;
  };
  enum class Step : uint8_t { kDeliver, kRescue, kRevoke };

  void PlanGroup(size_t group, Plans* plans);
  void PlanSettle(size_t group, Plans* plans);
  void Commit(size_t group, FilePlan plan, Plans* plans);
  void OnGroupDone(size_t group, const PlanResult& result, Plans* plans);
  void PlanQueue(size_t job, bool make_folders, Plans* plans);
  void OnQueueDone(size_t job, const PlanResult& result, Plans* plans);
  Status QueueStatus() const;
  Job& RescueJobFor(const LocalRecipient& local);
  void WhenAllDone(Plans* plans);
  void Rescue(Plans* plans);
  bool MayRevokeAgain();
  void RevokeLocals(bool all, Plans* plans);
  void RevokeAll(Plans* plans);
  Path TmpPath(const LocalRecipient& local) const;
  void Fail(size_t local, const Status& status);

  static constexpr uint32_t kQueueTag = 1'000'000, kRevokeTag = 1'999'999;  // below: groups
  static constexpr int kRevocationsMax = 5;

  OutgoingMessage message_;
  std::vector<LocalState> states_;
  std::vector<Group> groups_;
  std::vector<std::pair<size_t, Status>> failed_;
  std::vector<Job> jobs_;
  bool revocation_failed_ = false;
  int revocations_ = 0;
  uint32_t queue_attempt_ = 0;
  int open_ = 0;
  Step step_ = Step::kDeliver;
  bool finished_ = false;
  Status status_;
};

}  // namespace postern::smtp
