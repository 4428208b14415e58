// Holding, releasing, requeueing and deleting messages by id, and what came of it: of postsuper and of `postern queue`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cmd/spool.h"

namespace postern::cmd {

struct QueueChange {
  queue::RequestKind kind = queue::RequestKind::kDelete;
  std::vector<std::string> ids;
  bool all = false;                    // instead of `ids`: every message
  std::vector<queue::Folder> folders;  // only messages in these; empty: wherever
};

struct ChangeResult {
  std::vector<std::string> changed;  // of which it was seen
  bool unanswered = false;           // the server did not: some may follow
};

// kPermissionDenied, kUnavailable.
StatusOr<ChangeResult> ChangeQueue(const Spool& spool, const QueueChange& change);

}  // namespace postern::cmd
