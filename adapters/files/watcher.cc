#include "adapters/files/watcher.h"

#include <sys/inotify.h>

#include <cerrno>

#include "adapters/host/errno_status.h"

namespace postern::files {
namespace {

// Names that come and go, and files written in place (an uidlist that another program appends to).
constexpr uint32_t kChanges = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR;

}  // namespace

Watcher::Watcher(const host::Root* root) : root_(root), inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

Status Watcher::DoWatch(const Watch& watch) {
  Status status;
  for (const std::string& dir : watch.dirs) {
    if (!host::Root::Check(dir).ok()) continue;
    const int id = inotify_add_watch(inotify_.get(), root_->Whole(dir).c_str(), kChanges);
    if (id < 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      const int error = errno;
      status = error == ENOSPC ? ResourceExhausted("fs.inotify.max_user_watches is reached: " + dir + " is not watched")
                               : host::StatusFromErrno(error, "watch " + dir);
      continue;
    }
    ops_of_watch_[id].insert(watch.op);
    watches_of_op_[watch.op].insert(id);
  }
  return status;
}

void Watcher::DoUnwatch(OpId op) {
  const auto found = watches_of_op_.find(op);
  if (found == watches_of_op_.end()) return;
  for (const int id : found->second) {
    const auto ops = ops_of_watch_.find(id);
    if (ops == ops_of_watch_.end()) continue;
    ops->second.erase(op);
    if (!ops->second.empty()) continue;
    inotify_rm_watch(inotify_.get(), id);
    ops_of_watch_.erase(ops);
  }
  watches_of_op_.erase(found);
}

std::vector<OpId> Watcher::Changed() {
  std::set<OpId> changed;
  alignas(inotify_event) char buffer[16 * 1024];
  while (true) {
    const ssize_t got = read(inotify_.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) {  // something was missed: anything may have changed
        for (const auto& [op, ids] : watches_of_op_) changed.insert(op);
        continue;
      }
      const auto ops = ops_of_watch_.find(event->wd);
      if (ops == ops_of_watch_.end()) continue;
      changed.insert(ops->second.begin(), ops->second.end());
      if ((event->mask & IN_IGNORED) == 0) continue;
      for (const OpId& op : ops->second) watches_of_op_[op].erase(event->wd);  // the folder is gone
      ops_of_watch_.erase(ops);
    }
    if (static_cast<size_t>(got) < sizeof buffer / 2) break;
  }
  return {changed.begin(), changed.end()};
}

}  // namespace postern::files
