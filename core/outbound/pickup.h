// The pickup: takes what sendmail(1) left in maildrop/ into the queue, as pickup(8) and cleanup(8) do.
//
//   maildrop/ID --head--> first bytes --header ended--> recipients resolved --all bytes--> incoming/NEW durable
//        |                                                                                      |
//        |  torn, forged: corrupt/NEW             a table or the disk fails: a minute later     +--> ID unlinked
//        +----------------------------------------------------------------------------------------+
//
// Aliases are followed and the recipients parted as SMTP does it (core/smtp/onward.h); everything waits in incoming/,
// mail for mailboxes of this host, too, and the queue manager goes on. A message that may not go on (too large, too
// many Received fields, a loop, nobody there) is queued for the transport "error": its author hears of it.
//
// A file is unlinked only when all that became of it is durable. A crash between the two has it taken up again: its
// recipients may get it twice, nobody loses it. A refused unlink is tried until it is done, and the file is not read
// meanwhile.
//
// Everybody may make files there. Nothing in one is believed but what its author may say for himself: the sender (as
// with Postfix anybody may use -f), the recipients, the message. Who he is says the file's owner. Names other than ids
// are left alone, but that a dead writer's tmp-* goes after a day, and so do the queue's own files that nobody
// finished.
//
// Memory: of kListedMax names, and kAtOnce files with kPieceBytes of each; an envelope larger than that is read one at
// a time. Owner: the queue manager.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/mailbox/account.h"
#include "core/queue/queue_file.h"

namespace postern::outbound {

// What the pickup asks of the machine that it is a part of.
class PickupHost {
 public:
  using Continuation = std::function<void(const Event&, Context&)>;
  virtual ~PickupHost() = default;
  // The event that answers the operation goes to `then`.
  virtual OpId Ask(Continuation then) = 0;
  virtual void CommitPlan(FilePlan plan, Continuation then, Context& context) = 0;
  virtual void Later(Duration after, std::function<void(Context&)> then, Context& context) = 0;
  // A message lies in incoming/.
  virtual void OnQueued(const std::string& id, Context& context) = 0;
  virtual std::shared_ptr<const config::Config> newest_config() const = 0;
  virtual mailbox::Directory& directory() const = 0;
};

class Pickup {
 public:
  explicit Pickup(PickupHost& host) : host_(host) {}
  Pickup(const Pickup&) = delete;
  Pickup& operator=(const Pickup&) = delete;

  // There may be something: at the start, and when the folder has changed.
  void Look(Context& context);
  // No more are begun; those that are go on to their end.
  void Stop() { stopping_ = true; }
  bool idle() const { return jobs_.empty(); }
  void AddTo(StableDigest& digest) const;

 private:
  struct Job;  // one file
  using JobPtr = std::shared_ptr<Job>;

  // pickup.cc: which files, and what becomes of them.
  void OnScan(const ScanDone& scan, Context& context);
  void Pump(Context& context);
  void Begin(const std::string& name, Context& context);
  void Remove(const JobPtr& job, Context& context);
  void SetAside(const JobPtr& job, std::string_view why, Context& context);
  void MoveToCorrupt(const JobPtr& job, std::string_view why, Context& context);
  void End(const JobPtr& job, Context& context);
  void Sweep(const Path& dir, std::vector<std::string> names, Context& context);
  void SweepUnfinished(Context& context);
  Path FolderOf(queue::Folder folder) const;
  // `job`: with what joins it to the message's other records; null: of the folder.
  void Log(const Job* job, Context& context, Severity severity, std::string_view agent, std::string text,
           std::vector<std::pair<std::string, std::string>> fields = {}) const;

  // pickup_message.cc: one file, read and queued.
  void OnFacts(const JobPtr& job, const FileFacts& facts, Context& context);
  void ReadHead(const JobPtr& job, Context& context);
  void OnHead(const JobPtr& job, const ReadDone& read, Context& context);
  void BeginMessage(const JobPtr& job, Context& context);
  void ReadOn(const JobPtr& job, Context& context);
  void TakeBytes(const JobPtr& job, std::string_view bytes);
  void GoOn(const JobPtr& job, Context& context);
  void Resolve(const JobPtr& job, Context& context);
  Status ResolveOne(Job* job, const routing::Mailbox& given, Context& context);
  void BeginWriting(const JobPtr& job, Context& context);
  bool Write(const JobPtr& job, Context& context);
  void GiveUp(const JobPtr& job, const std::function<void(Context&)>& then, Context& context);
  void Deliver(const JobPtr& job, Context& context);
  void RunPlans(const JobPtr& job, std::vector<std::pair<uint32_t, FilePlan>> plans, Context& context);
  void OnDelivered(const JobPtr& job, Context& context);

  PickupHost& host_;
  std::deque<std::string> listed_;      // names that a scan found, not begun
  std::map<std::string, JobPtr> jobs_;  // by name
  std::set<std::string> aside_;         // names that failed just now
  std::deque<JobPtr> large_;            // whose envelopes wait to be read; the first one is
  WallTime swept_;
  bool scanning_ = false;
  bool look_again_ = false;  // the folder changed, or holds more than was listed
  bool aside_timer_ = false;
  bool stopping_ = false;
};

}  // namespace postern::outbound
