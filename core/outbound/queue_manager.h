// The queue manager: takes messages from the spool, has them delivered, and sees each of their recipients to its end:
// delivered, or told of as failed, or waiting for another try (qmgr(8), with trivial-rewrite(8)'s and bounce(8)'s
// part).
//
//                 letter, scan                  all recipients settled
//   incoming/ID ---------------> active (memory) -----------------------> notices durable --> unlinked, journal too
//                                 ^        |
//            due, flush           |        | some are left
//   deferred/ID ------------------+        +--> too old: told of as failed
//        ^                                 +--> journal says why, file moved to deferred/, its mtime the next try
//        +-----------------------------------------+
//
// What sendmail(1) left comes into incoming/ by the pickup (pickup.h), a part of it.
//
// What a crash leaves: the queue file stays in its folder until its last recipient is settled, so it is found and gone
// on with. What of it was done says journal/ID, where a message has several recipients. Neither the journal nor the
// unlinking is flushed, as with Postfix: a power loss may repeat the deliveries of the last seconds, never lose one. A
// failed recipient is marked as done only once its notice is durable.
//
// Owner: the shard that delivers (number 0). One machine; couriers (courier.h) are parts of it.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/mailbox/account.h"
#include "core/mailbox/names.h"
#include "core/notice/decide.h"
#include "core/notice/templates.h"
#include "core/outbound/courier.h"
#include "core/outbound/pickup.h"
#include "core/queue/queue_file.h"
#include "core/queue/queue_id.h"
#include "core/queue/request.h"
#include "core/queue/retry.h"
#include "core/queue/retry_queue.h"
#include "core/queue/schedule.h"
#include "core/routing/resolve.h"
#include "core/smtp/delivery.h"

namespace postern::outbound {

class QueueManager final : public Machine, private PickupHost {
 public:
  // Begins with Start().
  QueueManager(MachineId machine, std::shared_ptr<const config::Config> config, mailbox::Directory& directory);

  void Start(Context& context);
  // A message lies in incoming/.
  void OnQueued(const std::string& id, Context& context) override;
  // What waits for this domain is tried now. Safe to lose, and answered for all who ask at once.
  void FlushSite(const std::string& domain, Context& context);
  void Reconfigure(std::shared_ptr<const config::Config> config, Context& context);

  void Step(const Event& event, Context& context) override;
  // Are the events of this connection for it?
  bool Knows(ConnId conn) const { return courier_of_conn_.contains(conn); }
  bool ended() const override {
    return stopping_ && deliveries_.empty() && open_plans_ == 0 && courier_of_conn_.empty() && pickup_.idle();
  }
  void AddTo(StableDigest& digest) const override;

 private:
  struct Active {
    std::shared_ptr<Cargo> cargo;
    queue::Folder folder = queue::Folder::kIncoming;
    std::vector<notice::Outcome> outcomes;  // of this try
    std::set<uint32_t> failed;              // recipients that failed and are not told of yet
    std::string journal;                    // lines to be written
    uint64_t journal_bytes = 0;             // written
    bool journal_busy = false;
    bool finishing = false;      // the try is over
    bool journal_tried = false;  // written ahead of the notices, or that failed
    std::vector<uint32_t> rest;  // recipients that the schedule has no room for yet, the last ones first
    Instant admitted;            // to the schedule, for delays=
    queue::RetryDecision decision;
    bool delay_told = false;  // once the notices are durable
  };
  struct Held {
    std::unique_ptr<Courier> courier;
    std::string key;             // transport and next hop, for reuse
    std::optional<ConnId> conn;  // as courier_of_conn_ has it
    bool reached = false;        // the schedule knows that this connection's host takes mail
  };
  struct Told {  // durably
    bool of_failures = false, of_delays = false;
  };
  // queue_manager.cc: what goes on when.
  void MakeFolders(Context& context);
  void Pump(Context& context);
  void StartDelivery(queue::Delivery delivery, Context& context);
  void StartCourier(const queue::Delivery& delivery, NextHop hop, Context& context);
  void SettleAtOnce(const queue::Delivery& delivery, const VerdictHop& verdict, Context& context);
  void AfterCourier(uint64_t number, Context& context);
  void OnCarried(const queue::Delivery& delivery, const std::vector<Carried>& carried, queue::Verdict verdict,
                 queue::UnreachableReason reason, Instant began, Context& context);
  void OnSettled(const queue::Delivery& delivery, const std::vector<Carried>& settled, Instant began, Context& context);
  void SettleRecipients(const queue::Delivery& delivery, const std::vector<Carried>& carried, Instant began,
                        Context& context);
  void Take(const queue::ScheduleReport& report, Context& context);
  void SetWakeup(Context& context);
  void WatchRequests(Context& context);
  void WatchMaildrop(Context& context);

  // queue_scan.cc
  void ScanSpool(Context& context);
  void ScanSpoolLater(Context& context);
  void ScanSpoolSoon(Context& context);
  void StatIncoming(std::shared_ptr<std::vector<std::string>> ids, size_t from, Context& context);
  void TakeFound(const std::string& id, Context& context);
  static bool MayBeTakenBack(const FileFacts& file, const Context& context);
  void ScanJournals(Context& context);
  void DropOrphans(std::shared_ptr<std::vector<std::string>> ids, size_t from, Context& context);
  void ScanDeferred(Context& context);
  void StatDeferred(std::shared_ptr<std::vector<std::string>> ids, size_t from, Context& context);

  // queue_requests.cc
  void ReadRequests(Context& context);
  void CarryOutNext(Context& context);
  void CarryOut(const std::string& name, Context& context);
  void Acknowledge(const std::string& name, queue::RequestKind kind, Context& context);
  void Rearrange(const queue::Request& request, std::function<void(Context&)> then, Context& context);
  void RearrangeOne(const queue::Request& request, const std::string& id, std::function<void(Context&)> then,
                    Context& context);
  struct ByHand;  // one request that is for all
  void RearrangeNext(const std::shared_ptr<ByHand>& all, Context& context);
  struct Move {
    queue::Request request;
    std::string id;
    std::vector<queue::Folder> from;
    queue::Folder to = queue::Folder::kIncoming;
  };
  void MoveByHand(Move move, std::function<void(Context&)> then, Context& context);
  void MoveFound(const Move& move, const std::vector<FileFacts>& files, const std::function<void(Context&)>& then,
                 Context& context);
  void DeleteByHand(const queue::Request& request, const std::string& id, std::function<void(Context&)> then,
                    Context& context);
  bool WaitsForSession(const queue::Request& request, const std::string& id, const FileFacts& incoming,
                       const std::function<void(Context&)>& then, Context& context);
  void NotWaiting(const std::string& id);
  void AfterMoved(const queue::Request& request, const std::string& id, const Event& event,
                  const std::function<void(Context&)>& then, Context& context);

  // queue_flush.cc
  struct SitePass;  // one reading of deferred/ for the domains asked for
  void BeginSitePass(Context& context);
  void LookForSites(const std::shared_ptr<SitePass>& pass, Context& context);
  void ReadSiteHead(const std::shared_ptr<SitePass>& pass, const std::string& id, uint64_t bytes, Context& context);
  void MakeDue(const std::shared_ptr<SitePass>& pass, const std::string& id, Context& context);
  void SiteLookedFor(const std::shared_ptr<SitePass>& pass, Context& context);

  // queue_message.cc: one message's life.
  void Activate(const std::string& id, queue::Folder folder, Context& context);
  void OnHead(const std::string& id, queue::Folder folder, const ReadDone& read, bool whole, Context& context);
  void Admit(const std::string& id, Context& context);
  queue::Destination DestinationOf(const queue::Envelope& envelope, const queue::QueuedRecipient& recipient) const;
  std::vector<queue::RecipientGroup> TakeGroups(Active* active, uint64_t count) const;
  void Refill(const queue::Schedule::RecipientRequest& request, Context& context);
  void PutReadingOff(const std::string& id, const Status& why, Context& context);
  void MoveToCorrupt(const std::string& id, queue::Folder folder, std::string_view why, Context& context);
  void SettleRecipient(const std::string& id, uint32_t recipient, const RecipientDone& done, std::string_view agent,
                       Instant began, Context& context);
  void FinishMessage(const std::string& id, Context& context);
  void AfterNotices(const std::string& id, Told told, Context& context);
  void Remove(const std::string& id, Context& context);
  void Defer(const std::string& id, const queue::RetryDecision& decision, Context& context);
  void DeferAgain(const std::string& id, const queue::RetryDecision& decision, Context& context);
  void Forget(const std::string& id);
  void Later(Duration after, std::function<void(Context&)> then, Context& context) override;
  void WriteJournal(const std::string& id, Context& context);
  Path JournalPath(std::string_view id) const;
  bool MayHaveTwin(const std::string& id, queue::Folder folder) const;
  Path TwinPath(std::string_view id, queue::Folder folder) const;

  // queue_notices.cc: telling people.
  void Tell(const std::string& id, std::vector<notice::Notice> notices, Context& context);
  void WriteNotice(const std::string& about, const notice::Notice& notice, const std::optional<std::string>& message,
                   std::function<void(bool told, Context&)> done, Context& context);
  void CommitDelivery(std::shared_ptr<smtp::MessageDelivery> delivery, smtp::MessageDelivery::Plans plans,
                      std::function<void(bool told, Context&)> done, Context& context);

  // queue_program.cc: mail in the queue for commands and files that aliases name.
  void DeliverToProgram(const queue::Delivery& delivery, const routing::ProgramTarget& program, Context& context);
  void RunFor(const queue::Delivery& delivery, const routing::ProgramTarget& program, SharedBytes message,
              Context& context);

  // queue_mailbox.cc: mail in the queue for mailboxes of this host.
  // To be called for each recipient of the delivery, which ends with the last.
  using Settle = std::function<void(uint32_t recipient, RecipientDone done, Context&)>;
  Settle SettleTogether(const queue::Delivery& delivery);
  // The message as it lies in the queue, at once or later; null: it cannot be read.
  void WithMessage(const queue::Delivery& delivery, std::function<void(SharedBytes, Context&)> then, Context& context);
  void DeliverToMailbox(const queue::Delivery& delivery, Context& context);
  void DeliverBytes(const queue::Delivery& delivery, SharedBytes message, Context& context);
  void WriteToMaildir(smtp::LocalRecipient local, SharedBytes message, bool make_folders,
                      std::function<void(const Status&, Context&)> done, Context& context);
  StatusOr<smtp::LocalRecipient> LocalRecipientOf(const queue::Envelope& envelope,
                                                  const routing::Destination& destination, std::string_view original,
                                                  Context& context);

  OpId Ask(Continuation then) override;
  void CommitPlan(FilePlan plan, Continuation then, Context& context) override;
  void Log(Context& context, Severity severity, std::string_view agent, std::string text,
           std::vector<std::pair<std::string, std::string>> fields = {});
  // The same about a message: with what joins it to its other records.
  void LogOf(const std::string& id, Context& context, Severity severity, std::string_view agent, std::string text,
             std::vector<std::pair<std::string, std::string>> fields = {});
  void RecordFile(const std::string& id, const smtp::LocalRecipient& local, Context& context);
  Duration queue_run_delay() const { return std::max(config_->queue.queue_run_delay, Seconds(1)); }
  std::shared_ptr<const config::Config> newest_config() const override { return config_; }
  mailbox::Directory& directory() const override { return directory_; }
  std::string Queue() const { return config_->routing.queue_directory; }

  // Ids of incoming/ that are listed; the others are found by reading the folder again.
  static constexpr size_t kIncomingListedMax = 20'000;

  const MachineId machine_;
  std::shared_ptr<const config::Config> config_;
  mailbox::Directory& directory_;
  mailbox::UniqueNames names_;
  queue::RetrySettings retry_settings_;
  notice::Settings notice_settings_;
  notice::Templates templates_;
  queue::Schedule schedule_;
  queue::RetryQueue retry_;
  Pickup pickup_;

  std::deque<std::string> incoming_;       // ids, in the order of coming
  std::set<std::string> incoming_known_;   // those, to take each once
  std::set<std::string> found_by_scan_;    // not told of in this life
  std::set<std::string> moved_by_hand_;    // just now: not to be begun
  std::deque<std::string> requests_read_;  // names of requests, still to be carried out
  std::set<std::string> requests_at_work_;
  bool incoming_overflowed_ = false;  // more lie on disk than are listed
  bool scanning_incoming_ = false;
  bool scanned_incoming_ = false;  // once at least: what another process left is known
  bool soon_scan_set_ = false;
  bool incoming_scan_set_ = false;     // a timer for the next one runs
  std::set<std::string> sites_asked_;  // for the next pass through deferred/, in lower case
  Instant next_site_pass_;             // not before
  bool site_pass_open_ = false;
  std::map<std::string, Active> active_;
  std::map<queue::DeliveryId, queue::Delivery> deliveries_;  // under way
  std::map<uint64_t, Held> couriers_;
  std::multimap<std::string, uint64_t> idle_couriers_;
  absl::flat_hash_map<ConnId, uint64_t> courier_of_conn_;
  uint64_t next_courier_ = 1;
  std::map<uint64_t, Continuation> continuations_;
  uint64_t next_tag_ = 1;
  size_t open_plans_ = 0;
  uint64_t cached_bytes_ = 0;
  std::optional<Instant> wakeup_;
  bool stopping_ = false, started_ = false, reads_spool_ = false, pumping_ = false, scanning_deferred_ = false,
       reading_requests_ = false, requests_came_ = false, requests_repeated_ = false;
};

}  // namespace postern::outbound
