// What people ask for (`postern queue`, postqueue(1), postsuper(1)): each request is a file in requests/, whose name
// says it all, and which goes when it is done.
#include <algorithm>
#include <memory>
#include <utility>

#include "core/boundary/planted.h"
#include "core/outbound/queue_manager.h"

namespace postern::outbound {
namespace {

constexpr size_t kRequestsAtOnce = 20'000;        // some wait for a try to end, as many as may be active
constexpr size_t kMovedAtOnce = 200;              // a guess: enough to share the cost of flushes
constexpr Duration kRequestsAgain = Seconds(10);  // a folder could not be read, or written to
constexpr Duration kMoveAgain = Seconds(1);       // it is being tried, or its session has not let go of it

bool ByHandKind(queue::RequestKind kind) {
  using enum queue::RequestKind;
  return kind == kHold || kind == kRelease || kind == kRequeue || kind == kDelete;
}

}  // namespace

void QueueManager::ReadRequests(Context& context) {
  if (reading_requests_ || !requests_read_.empty()) {
    requests_came_ = true;  // perhaps after the folder was read
    return;
  }
  reading_requests_ = true;
  const OpId op = Ask([this](const Event& event, Context& later) {
    reading_requests_ = false;
    const auto* scan = std::get_if<ScanDone>(&event);
    if (scan == nullptr || !scan->status.ok()) {
      return Later(
          kRequestsAgain, [this](Context& again) { ReadRequests(again); }, later);
    }
    for (const DirEntry& entry : scan->entries) requests_read_.push_back(entry.name);
    std::sort(requests_read_.begin(), requests_read_.end());
    CarryOutNext(later);
  });
  context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), queue::Folder::kRequests)});
}

void QueueManager::CarryOutNext(Context& context) {
  while (!requests_read_.empty() && requests_at_work_.size() < kRequestsAtOnce) {
    const std::string name = std::move(requests_read_.front());
    requests_read_.pop_front();
    CarryOut(name, context);
  }
  if (requests_read_.empty() && std::exchange(requests_came_, false)) ReadRequests(context);
}

void QueueManager::CarryOut(const std::string& name, Context& context) {
  const auto request = queue::ParseRequest(name);
  if (!request) return;
  if (!requests_at_work_.insert(name).second) {
    requests_repeated_ = true;  // to be read again, but not before this one is done
    return;
  }
  const auto acknowledge = [this, name, kind = request->kind](Context& later) { Acknowledge(name, kind, later); };
  switch (request->kind) {
    case queue::RequestKind::kFlushAll:
      retry_.FlushAll();
      schedule_.TryDeadAgain();
      return acknowledge(context);
    case queue::RequestKind::kFlushSite:
      FlushSite(request->site, context);
      return acknowledge(context);
    case queue::RequestKind::kFlushMessage:
      schedule_.TryDeadAgain();  // as flush(8) has the queue manager do
      if (!active_.contains(request->id) && !retry_.Flush(request->id)) retry_.Put(request->id, context.now.mono);
      return acknowledge(context);
    case queue::RequestKind::kHold:
    case queue::RequestKind::kRelease:
    case queue::RequestKind::kRequeue:
    case queue::RequestKind::kDelete:
      return Rearrange(*request, acknowledge, context);
  }
}

// One that stays, or that a power loss brings back, would be carried out on what came since: "delete-ALL".
void QueueManager::Acknowledge(const std::string& name, queue::RequestKind kind, Context& context) {
  const Path folder = queue::FolderPath(Queue(), queue::Folder::kRequests);
  FilePlan plan{.stages = {{Unlink{folder + "/" + name}}}};
  if (ByHandKind(kind) && !PLANTED("request_not_gone_for_good")) plan.stages.push_back({SyncDir{folder}});
  CommitPlan(
      std::move(plan),
      [this, name, kind](const Event& event, Context& later) {
        const auto* done = std::get_if<PlanDone>(&event);
        if (done == nullptr || !done->result.ok()) {
          return Later(
              kRequestsAgain, [this, name, kind](Context& again) { Acknowledge(name, kind, again); }, later);
        }
        requests_at_work_.erase(name);
        requests_came_ |= std::exchange(requests_repeated_, false);
        CarryOutNext(later);
      },
      context);
}

// All that lie where such a request applies, some at a time.
struct QueueManager::ByHand {
  queue::Request request;
  std::vector<queue::Folder> folders;  // still to be read, the last one first
  std::vector<std::string> ids;        // of the folder read last
  size_t next = 0;
  size_t moving = 0, waiting = 0;  // waiting: for a try to end, which may take minutes, and others needn't
  std::function<void(Context&)> then;
};

void QueueManager::Rearrange(const queue::Request& request, std::function<void(Context&)> then, Context& context) {
  if (!request.all()) return RearrangeOne(request, request.id, std::move(then), context);
  auto all = std::make_shared<ByHand>();
  all->request = request;
  // In the order in which messages go through them: else one that is put off meanwhile is in neither.
  all->folders = {queue::Folder::kHold, queue::Folder::kDeferred, queue::Folder::kIncoming};
  if (request.kind == queue::RequestKind::kRelease) all->folders = {queue::Folder::kHold};
  if (request.kind == queue::RequestKind::kHold) all->folders.erase(all->folders.begin());
  all->then = std::move(then);
  RearrangeNext(all, context);
}

void QueueManager::RearrangeNext(const std::shared_ptr<ByHand>& all, Context& context) {
  while (all->next < all->ids.size() && all->moving < kMovedAtOnce) {
    const std::string id = all->ids[all->next++];
    size_t* const open = active_.contains(id) ? &all->waiting : &all->moving;
    ++*open;
    RearrangeOne(
        all->request, id,
        [this, all, open](Context& done) {
          --*open;
          RearrangeNext(all, done);
        },
        context);
  }
  if (all->moving > 0) return;
  if (all->folders.empty()) {
    if (all->waiting == 0) std::exchange(all->then, nullptr)(context);
    return;
  }
  ++all->moving;
  const queue::Folder folder = all->folders.back();
  all->folders.pop_back();
  const OpId op = Ask([this, all, folder](const Event& event, Context& later) {
    --all->moving;
    const auto* scan = std::get_if<ScanDone>(&event);
    all->ids.clear();
    all->next = 0;
    if (scan != nullptr && !scan->status.ok() && scan->status.code() != StatusCode::kNotFound) {
      ++all->moving;
      return Later(
          kRequestsAgain,
          [this, all, folder](Context& again) {
            --all->moving;
            all->folders.push_back(folder);
            RearrangeNext(all, again);
          },
          later);
    }
    for (size_t i = 0; scan != nullptr && i < scan->entries.size(); ++i) {
      const DirEntry& entry = scan->entries[i];
      if (!entry.is_dir && queue::IsQueueId(entry.name)) all->ids.push_back(entry.name);
    }
    RearrangeNext(all, later);
  });
  context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), folder)});
}

// A message that is being delivered is left alone until its try has ended, as postsuper(1) leaves one that is locked.
void QueueManager::RearrangeOne(const queue::Request& request, const std::string& id,
                                std::function<void(Context&)> then, Context& context) {
  if (active_.contains(id) || moved_by_hand_.contains(id)) {
    return Later(
        kMoveAgain, [this, request, id, then](Context& later) { RearrangeOne(request, id, then, later); }, context);
  }
  moved_by_hand_.insert(id);
  using queue::Folder;
  switch (request.kind) {
    case queue::RequestKind::kHold:
      return MoveByHand({request, id, {Folder::kIncoming, Folder::kDeferred}, Folder::kHold}, std::move(then), context);
    case queue::RequestKind::kRelease:
      return MoveByHand({request, id, {Folder::kHold}, Folder::kIncoming}, std::move(then), context);
    case queue::RequestKind::kRequeue:
      return MoveByHand({request, id, {Folder::kDeferred, Folder::kHold}, Folder::kIncoming}, std::move(then), context);
    default:
      return DeleteByHand(request, id, std::move(then), context);
  }
}

// The journal goes last, and what is acknowledged doesn't come back when power fails: it would be sent, and to all.
void QueueManager::DeleteByHand(const queue::Request& request, const std::string& id,
                                std::function<void(Context&)> then, Context& context) {
  FilePlan plan{.stages = {{}, {}, {Unlink{JournalPath(id)}}}};
  for (const queue::Folder folder : {queue::Folder::kIncoming, queue::Folder::kDeferred, queue::Folder::kHold}) {
    plan.stages[0].push_back(Unlink{queue::FilePath(Queue(), folder, id)});
    if (!PLANTED("deleted_until_the_power_goes")) plan.stages[1].push_back(SyncDir{queue::FolderPath(Queue(), folder)});
  }
  const OpId op = Ask([this, request, id, then, plan = std::move(plan)](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    if (stat == nullptr || stat->files.size() != 1) return;
    if (WaitsForSession(request, id, stat->files[0], then, later)) return;
    NotWaiting(id);
    CommitPlan(
        plan,
        [this, request, id, then](const Event& done, Context& after) { AfterMoved(request, id, done, then, after); },
        later);
  });
  context.out.Put(Stat{.op = op, .paths = {queue::FilePath(Queue(), queue::Folder::kIncoming, id)}});
}

// A session that has not said 250 looks in incoming/ for what it takes back; and what it has not accepted yet is not in
// the queue. `incoming`: of the file there.
bool QueueManager::WaitsForSession(const queue::Request& request, const std::string& id, const FileFacts& incoming,
                                   const std::function<void(Context&)>& then, Context& context) {
  if (incoming_known_.contains(id) || !MayBeTakenBack(incoming, context)) return false;
  moved_by_hand_.erase(id);
  Later(
      kMoveAgain, [this, request, id, then](Context& again) { RearrangeOne(request, id, then, again); }, context);
  return true;
}

void QueueManager::MoveByHand(Move move, std::function<void(Context&)> then, Context& context) {
  std::vector<Path> paths = {queue::FilePath(Queue(), move.to, move.id)};
  for (const queue::Folder folder : move.from) paths.push_back(queue::FilePath(Queue(), folder, move.id));
  const OpId op = Ask([this, move, then](const Event& event, Context& later) {
    const auto* stat = std::get_if<StatDone>(&event);
    if (stat != nullptr && stat->files.size() == 1 + move.from.size()) MoveFound(move, stat->files, then, later);
  });
  context.out.Put(Stat{.op = op, .paths = std::move(paths)});
}

// Wherever it lies, it gets its new name, which is durable before the old one goes: a rename between folders could be
// lost from both (Defer). Where both are there a power loss came in between. `files`: in move.to, then in move.from.
void QueueManager::MoveFound(const Move& move, const std::vector<FileFacts>& files,
                             const std::function<void(Context&)>& then, Context& context) {
  const Path to = queue::FilePath(Queue(), move.to, move.id);
  const bool moved = files[0].status.ok();
  Stage unlink, sync;
  for (size_t i = 0; i < move.from.size(); ++i) {
    // Also where it lies no more: that it went, by a deferral or before this failed, need not be durable yet.
    sync.push_back(SyncDir{queue::FolderPath(Queue(), move.from[i])});
    if (files[i + 1].status.code() != StatusCode::kNotFound)
      unlink.push_back(Unlink{queue::FilePath(Queue(), move.from[i], move.id)});
  }
  if (!moved && unlink.empty()) {  // somebody removed it
    moved_by_hand_.erase(move.id);
    return then(context);
  }
  const bool from_incoming = move.from[0] == queue::Folder::kIncoming;
  if ((from_incoming || move.to == queue::Folder::kIncoming) &&
      WaitsForSession(move.request, move.id, files[from_incoming ? 1 : 0], then, context)) {
    return;
  }
  NotWaiting(move.id);
  FilePlan plan;
  if (!moved && PLANTED("moved_by_rename")) {
    plan.stages.push_back({Rename{.from = std::get<Unlink>(unlink.front()).path, .to = to}});
  } else {
    if (!moved) plan.stages.push_back({Link{.from = std::get<Unlink>(unlink.front()).path, .to = to}});
    plan.stages.push_back({SyncDir{queue::FolderPath(Queue(), move.to)}});
    plan.stages.push_back(std::move(unlink));
    plan.stages.push_back(std::move(sync));  // or a power loss would undo what was acknowledged
  }
  CommitPlan(
      std::move(plan),
      [this, move, then](const Event& done, Context& later) {
        AfterMoved(move.request, move.id, done, then, later);
        if (move.to == queue::Folder::kIncoming) TakeFound(move.id, later);
      },
      context);
}

void QueueManager::NotWaiting(const std::string& id) {
  retry_.Remove(id);
  if (incoming_known_.erase(id) != 0) std::erase(incoming_, id);
}

// The request stays until it is done.
void QueueManager::AfterMoved(const queue::Request& request, const std::string& id, const Event& event,
                              const std::function<void(Context&)>& then, Context& context) {
  moved_by_hand_.erase(id);
  const auto* done = std::get_if<PlanDone>(&event);
  if (done != nullptr && done->result.ok()) return then(context);
  Log(context, Severity::kWarning, "qmgr",
      "warning: " + id + ": cannot be moved: " + EscapeForLog(done == nullptr ? "" : Message(done->result.status())));
  Later(
      Seconds(10), [this, request, id, then](Context& again) { RearrangeOne(request, id, then, again); }, context);
}

}  // namespace postern::outbound
