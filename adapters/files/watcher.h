// Watches folders for the core with inotify, one descriptor a loop. A change is a hint: many become one DirChanged, and
// a watch that can't be had (fs.inotify.max_user_watches) is told once to the log and otherwise nothing. Owner: one
// loop.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"
#include "core/boundary/effect.h"

namespace postern::files {

class Watcher {
 public:
  explicit Watcher(const host::Root* root);

  int fd() const { return inotify_.get(); }
  // Adds the folders to what `watch.op` watches. Folders that are not there are left out. Errors: kResourceExhausted.
  Status DoWatch(const Watch& watch);
  void DoUnwatch(OpId op);
  // Whose folders changed since the last call, each once, in order.
  std::vector<OpId> Changed();
  size_t watch_count() const { return ops_of_watch_.size(); }

 private:
  const host::Root* root_;
  host::UniqueFd inotify_;
  std::map<int, std::set<OpId>> ops_of_watch_;  // by watch descriptor: one per folder, whoever asked
  std::map<OpId, std::set<int>> watches_of_op_;
};

}  // namespace postern::files
