// What waits for one domain is tried now (ETRN, RFC 1985; `postqueue -s`).
//
// flush(8) keeps a file for each domain that may be asked for. Here deferred/ is looked through when somebody asks, the
// beginnings of its files, some at a time: an index in memory would be made at each start by reading the same files,
// and where it is bounded, as it must be, a host with a million waiting messages would read them at each question all
// the same. Questions are rare (hosts that are not always on); one pass answers all that came before it, and passes are
// apart, so that nobody keeps the disk busy by asking.
//
// A message that is found is due as if its time had come: that is written to the file's own time, where it survives the
// process, and where a later reading of deferred/ finds it if there is no room in memory now.
#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/outbound/queue_manager.h"
#include "core/queue/journal.h"

namespace postern::outbound {

struct QueueManager::SitePass {
  std::set<std::string> sites;
  std::vector<std::string> ids;
  size_t next = 0;
  size_t open = 0;                 // messages being looked at
  std::vector<std::string> large;  // whose envelopes go beyond kSiteHeadBytes: looked at in the end, one at a time
};

namespace {

constexpr size_t kSitesAskedMax = 1000;
constexpr Duration kSitePause = Seconds(10);
constexpr size_t kHeadsAtOnce = 50;
constexpr uint64_t kSiteHeadBytes = 16384;         // some hundred recipients
constexpr uint64_t kSiteHeadBytesMax = 64u << 20;  // beyond it an envelope is none

// Recipients of `envelope` for one of `sites` that are not settled.
size_t WaitingFor(const std::set<std::string>& sites, const queue::Envelope& envelope) {
  return static_cast<size_t>(
      std::count_if(envelope.recipients.begin(), envelope.recipients.end(), [&sites](const auto& recipient) {
        return !recipient.done && sites.contains(LowerCase(recipient.address.domain));
      }));
}

}  // namespace

void QueueManager::FlushSite(const std::string& domain, Context& context) {
  if (sites_asked_.size() < kSitesAskedMax) sites_asked_.insert(LowerCase(domain));
  BeginSitePass(context);
}

void QueueManager::BeginSitePass(Context& context) {
  if (stopping_ || !started_ || sites_asked_.empty() || site_pass_open_) return;
  site_pass_open_ = true;
  if (context.now.mono < next_site_pass_) {
    return Later(
        next_site_pass_ - context.now.mono,
        [this](Context& later) {
          site_pass_open_ = false;
          BeginSitePass(later);
        },
        context);
  }
  auto pass = std::make_shared<SitePass>();
  pass->sites = std::exchange(sites_asked_, {});
  const OpId op = Ask([this, pass](const Event& event, Context& later) {
    const auto* scan = std::get_if<ScanDone>(&event);
    for (size_t i = 0; scan != nullptr && i < scan->entries.size(); ++i) {
      if (!scan->entries[i].is_dir && queue::IsQueueId(scan->entries[i].name))
        pass->ids.push_back(scan->entries[i].name);
    }
    std::sort(pass->ids.begin(), pass->ids.end());  // ids grow with time
    schedule_.TryDeadAgain();  // as flush(8) has the queue manager do; else what is found would be put off at once
    LookForSites(pass, later);
  });
  context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), queue::Folder::kDeferred)});
}

void QueueManager::LookForSites(const std::shared_ptr<SitePass>& pass, Context& context) {
  while (!stopping_ && pass->open < kHeadsAtOnce && pass->next < pass->ids.size()) {
    const std::string& id = pass->ids[pass->next++];
    if (active_.contains(id)) continue;  // it is being tried
    ++pass->open;
    ReadSiteHead(pass, id, kSiteHeadBytes, context);
  }
  if (pass->open > 0) return;
  if (!stopping_ && !pass->large.empty()) {
    const std::string id = std::move(pass->large.back());
    pass->large.pop_back();
    ++pass->open;
    return ReadSiteHead(pass, id, kSiteHeadBytesMax, context);
  }
  site_pass_open_ = false;
  next_site_pass_ = context.now.mono + kSitePause;
  BeginSitePass(context);
}

void QueueManager::ReadSiteHead(const std::shared_ptr<SitePass>& pass, const std::string& id, uint64_t bytes,
                                Context& context) {
  const OpId op = Ask([this, pass, id, bytes](const Event& event, Context& later) {
    const auto* read = std::get_if<ReadDone>(&event);
    if (read == nullptr || !read->status.ok()) return SiteLookedFor(pass, later);  // it is gone
    auto head = queue::ParseQueueHead(read->bytes);
    if (head.status().code() == StatusCode::kNotFound && read->file_bytes > read->bytes.size() &&
        bytes < kSiteHeadBytesMax) {
      pass->large.push_back(id);
      return SiteLookedFor(pass, later);
    }
    if (!head.ok() || WaitingFor(pass->sites, head->envelope) == 0) return SiteLookedFor(pass, later);
    if (head->envelope.recipients.size() == 1) return MakeDue(pass, id, later);
    auto envelope = std::make_shared<queue::Envelope>(std::move(head->envelope));
    const OpId op = Ask([this, pass, id, envelope](const Event& answer, Context& last) {
      const auto* journal = std::get_if<ReadDone>(&answer);
      if (journal != nullptr && journal->status.ok()) queue::ApplyJournal(journal->bytes, envelope.get());
      if (WaitingFor(pass->sites, *envelope) == 0) return SiteLookedFor(pass, last);
      MakeDue(pass, id, last);
    });
    later.out.Put(Read{.op = op, .path = JournalPath(id)});
  });
  context.out.Put(
      Read{.op = op, .path = queue::FilePath(Queue(), queue::Folder::kDeferred, id), .length_bytes = bytes});
}

void QueueManager::MakeDue(const std::shared_ptr<SitePass>& pass, const std::string& id, Context& context) {
  if (active_.contains(id)) return SiteLookedFor(pass, context);
  CommitPlan(
      {.stages = {{SetMtime{.path = queue::FilePath(Queue(), queue::Folder::kDeferred, id),
                            .mtime_seconds = context.now.wall.seconds()}}}},
      [this, pass, id](const Event& event, Context& later) {
        const auto* done = std::get_if<PlanDone>(&event);
        const bool there = done != nullptr && done->result.ok() && !active_.contains(id);
        if (there && !retry_.Flush(id)) retry_.Put(id, later.now.mono);
        SiteLookedFor(pass, later);
      },
      context);
}

void QueueManager::SiteLookedFor(const std::shared_ptr<SitePass>& pass, Context& context) {
  --pass->open;
  LookForSites(pass, context);
}

}  // namespace postern::outbound
