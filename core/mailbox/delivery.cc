#include "core/mailbox/delivery.h"

#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"

namespace postern::mailbox {

std::string DeliveredName(const DeliveryTarget& target, uint64_t file_bytes, uint64_t crlf_bytes) {
  const auto lines = static_cast<uint64_t>(std::count(target.prefix.begin(), target.prefix.end(), '\n'));
  return target.base + ",S=" + std::to_string(file_bytes + target.prefix.size()) +
         ",W=" + std::to_string(crlf_bytes + target.prefix.size() + lines);
}

FilePlan PlanDelivery(const std::vector<DeliveryTarget>& targets, const SharedBytes& bytes, uint64_t file_bytes,
                      uint64_t crlf_bytes, FileOwner owner, bool make_folders) {
  Stage folders, parents, write, flush, name, settle;
  for (const DeliveryTarget& target : targets) {
    const Path tmp = target.spilled_path.empty() ? target.maildir + "/tmp/" + target.base : target.spilled_path;
    if (make_folders) {
      for (const char* part : {"/cur", "/new", "/tmp"}) folders.push_back(MakeDir{target.maildir + part});
      // The first try may have made it.
      if (target.spilled_path.empty()) folders.push_back(Unlink{tmp});
      AddSyncOfPath(target.maildir, &parents);  // the new folders' own names must last, too
    }
    if (target.spilled_path.empty()) {
      Chain chain;
      chain.Append(target.prefix);
      chain.Append(bytes);
      write.push_back(Create{.path = tmp, .bytes = std::move(chain)});
    }
    if (!PLANTED("rename_without_sync_file")) flush.push_back(SyncFile{tmp});
    name.push_back(Rename{.from = tmp, .to = target.maildir + "/new/" + DeliveredName(target, file_bytes, crlf_bytes)});
    if (!PLANTED("delivery_without_sync_dir")) settle.push_back(SyncDir{target.maildir + "/new"});
  }
  FilePlan plan{.stages = {}, .owner = owner};
  for (Stage* stage : {&folders, &parents, &write, &flush, &name, &settle}) {
    if (!stage->empty()) plan.stages.push_back(std::move(*stage));
  }
  return plan;
}

FilePlan PlanRevocation(const std::vector<DeliveryTarget>& targets, uint64_t file_bytes, uint64_t crlf_bytes,
                        FileOwner owner) {
  Stage stage, settle;  // or a power loss would bring the name back
  for (const DeliveryTarget& target : targets) {
    settle.push_back(SyncDir{target.maildir + "/new"});
    stage.push_back(Unlink{target.spilled_path.empty() ? target.maildir + "/tmp/" + target.base : target.spilled_path});
    stage.push_back(Unlink{target.maildir + "/new/" + DeliveredName(target, file_bytes, crlf_bytes)});
  }
  return {.stages = {std::move(stage), std::move(settle)}, .owner = owner};
}

}  // namespace postern::mailbox
