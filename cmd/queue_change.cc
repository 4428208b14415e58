#include "cmd/queue_change.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

namespace postern::cmd {
namespace {

using queue::Folder;
using queue::RequestKind;

bool Applies(RequestKind kind, Folder folder) {
  switch (folder) {
    case Folder::kIncoming:
    case Folder::kDeferred:
      return kind != RequestKind::kRelease;
    case Folder::kHold:
      return kind != RequestKind::kHold;
    case Folder::kMaildrop:
    case Folder::kCorrupt:
      return kind == RequestKind::kDelete;
    default:
      return false;
  }
}

// Was it carried out, if the message is in `now` after it was answered?
bool Seen(RequestKind kind, std::optional<Folder> now) {
  switch (kind) {
    case RequestKind::kDelete:
      return !now;
    case RequestKind::kHold:
      return now == Folder::kHold;
    case RequestKind::kRelease:
      return now != Folder::kHold;
    default:
      return true;
  }
}

}  // namespace

StatusOr<ChangeResult> ChangeQueue(const Spool& spool, const QueueChange& change) {
  // Where nothing can be seen, "no such message" would be said of every message.
  if (const auto seen = spool.Ids(Folder::kIncoming); !seen.ok()) return seen.status();
  std::vector<std::string> candidates = change.ids;
  if (change.all) {
    for (const Folder folder :
         {Folder::kMaildrop, Folder::kIncoming, Folder::kDeferred, Folder::kHold, Folder::kCorrupt}) {
      const auto ids = spool.Ids(folder);
      if (!ids.ok()) return ids.status();
      candidates.insert(candidates.end(), ids->begin(), ids->end());
    }
  }
  std::vector<std::string> meant;
  std::set<std::string> known;
  for (const std::string& id : candidates) {
    const auto folder = spool.Where(id);
    if (!folder || !Applies(change.kind, *folder)) continue;
    // What can't be read is kept for people: ALL is not meant for it.
    if (change.all && *folder == Folder::kCorrupt && change.folders.empty()) continue;
    if (!change.folders.empty() &&
        std::find(change.folders.begin(), change.folders.end(), *folder) == change.folders.end())
      continue;
    if (known.insert(id).second) meant.push_back(id);
  }
  ChangeResult result;
  if (meant.empty()) return result;
  std::vector<queue::Request> requests;
  if (change.all && change.folders.empty()) {
    requests.push_back({.kind = change.kind});
  } else {
    for (const std::string& id : meant) requests.push_back({.kind = change.kind, .id = id});
  }
  const auto answer = spool.Ask(requests);
  if (!answer.ok()) return answer.status();
  result.unanswered = *answer == Spool::Answer::kNone;
  for (const std::string& id : meant) {
    if (Seen(change.kind, spool.Where(id)) && !(result.unanswered && change.kind == RequestKind::kRequeue)) {
      result.changed.push_back(id);
    }
  }
  return result;
}

}  // namespace postern::cmd
