// What people do to queued messages by hand: hold, release, requeue, delete (postsuper(1)).
#include <algorithm>
#include <memory>
#include <utility>

#include "core/outbound/queue_manager.h"

namespace postern::outbound {

void QueueManager::Rearrange(const queue::Request& request, std::function<void(Context&)> then, Context& context) {
  if (!request.all()) return RearrangeOne(request, request.id, std::move(then), context);
  // All that lie where such a request applies.
  std::vector<queue::Folder> folders = {queue::Folder::kIncoming, queue::Folder::kDeferred};
  if (request.kind == queue::RequestKind::kRelease) folders = {queue::Folder::kHold};
  if (request.kind == queue::RequestKind::kDelete || request.kind == queue::RequestKind::kRequeue)
    folders.push_back(queue::Folder::kHold);
  auto open = std::make_shared<size_t>(folders.size());
  for (const queue::Folder folder : folders) {
    const OpId op = Ask([this, request, open, then](const Event& event, Context& later) {
      const auto* scan = std::get_if<ScanDone>(&event);
      for (size_t i = 0; scan != nullptr && i < scan->entries.size(); ++i) {
        const std::string& id = scan->entries[i].name;
        if (scan->entries[i].is_dir || !queue::IsQueueId(id)) continue;
        ++*open;
        RearrangeOne(
            request, id,
            [open, then](Context& done) {
              if (--*open == 0) then(done);
            },
            later);
      }
      if (--*open == 0) then(later);
    });
    context.out.Put(Scan{.op = op, .dir = queue::FolderPath(Queue(), folder)});
  }
}

// A message that is being delivered is left alone until its try has ended, as postsuper(1) leaves one that is locked.
void QueueManager::RearrangeOne(const queue::Request& request, const std::string& id,
                                std::function<void(Context&)> then, Context& context) {
  if (active_.contains(id)) {
    return Later(
        Seconds(1), [this, request, id, then](Context& later) { RearrangeOne(request, id, then, later); }, context);
  }
  const auto path = [this, &id](queue::Folder folder) { return queue::FilePath(Queue(), folder, id); };
  const auto move = [&](std::vector<queue::Folder> from, queue::Folder to) {
    // It lies in one of them; a plan's failed operations stop nothing but the next stage.
    FilePlan plan{.stages = {{}}};
    for (const queue::Folder folder : from)
      plan.stages[0].push_back(Rename{.from = path(folder), .to = path(to), .replace = true});
    return plan;
  };
  retry_.Remove(id);
  if (incoming_known_.erase(id) != 0) std::erase(incoming_, id);
  FilePlan plan;
  queue::Folder now_in = queue::Folder::kIncoming;
  switch (request.kind) {
    case queue::RequestKind::kHold:
      plan = move({queue::Folder::kIncoming, queue::Folder::kDeferred}, queue::Folder::kHold);
      now_in = queue::Folder::kHold;
      break;
    case queue::RequestKind::kRelease:
      plan = move({queue::Folder::kHold}, queue::Folder::kIncoming);
      break;
    case queue::RequestKind::kRequeue:
      plan = move({queue::Folder::kDeferred, queue::Folder::kHold}, queue::Folder::kIncoming);
      break;
    default:
      plan.stages = {{Unlink{path(queue::Folder::kIncoming)}, Unlink{path(queue::Folder::kDeferred)},
                      Unlink{path(queue::Folder::kHold)}},
                     {Unlink{JournalPath(id)}}};
      now_in = queue::Folder::kCorrupt;  // nowhere
      break;
  }
  CommitPlan(
      std::move(plan),
      [this, id, now_in, then](const Event&, Context& later) {
        if (now_in == queue::Folder::kIncoming) OnQueued(id, later);
        then(later);
      },
      context);
}

}  // namespace postern::outbound
