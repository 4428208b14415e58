// The operations of a file plan, one at a time, as system calls below the root folder. What each must do and answer is
// written in core/boundary/file_plan.h; the two points of durability are sync_engine.h's.
//
// The process runs with umask 0 (cmd/serve.cc), so that the mode of an operation is the mode of the file.
// Owner: one loop, and its helpers on the pool: the object has no state that changes.
#pragma once

#include <string>

#include "adapters/files/spare_files.h"
#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"
#include "core/base/status.h"
#include "core/boundary/file_plan.h"

namespace postern::files {

class FileOps {
 public:
  // Both outlive the object. `spares` null: nothing is kept, Retire is Unlink.
  explicit FileOps(const host::Root* root, SpareFiles* spares = nullptr);

  // Does `op` now. SyncFile and SyncDir are refused with kInvalidArgument. Where `kept` is given, Create and Append
  // leave their descriptor there, open for writing, for a flush that follows.
  Status Perform(const FileOp& op, const FileOwner& owner, host::UniqueFd* kept = nullptr) const;
  // A descriptor to flush: of a file, or of a folder.
  StatusOr<host::UniqueFd> OpenToSync(const std::string& path, bool is_dir) const;
  // Link where the two names are on different file systems: the bytes are copied and flushed under a name that no mail
  // reader looks at, then appear whole under `op.to`. Blocks.
  Status LinkByCopy(const Link& op, const FileOwner& owner) const;

  const host::Root& root() const { return *root_; }

 private:
  Status Do(const Create& op, const FileOwner& owner, host::UniqueFd* kept) const;
  Status Do(const Append& op, const FileOwner& owner, host::UniqueFd* kept) const;
  Status Do(const Rename& op) const;
  Status Do(const Link& op) const;
  Status Do(const Unlink& op) const;
  Status Do(const Retire& op) const;
  Status Do(const MakeDir& op, const FileOwner& owner) const;
  Status Do(const RemoveTree& op) const;
  Status Do(const SetMtime& op) const;
  host::UniqueFd OpenSpare(const Create& op) const;
  Status MakeOneDir(const std::string& path, uint32_t mode, const FileOwner& owner) const;
  Status GiveAway(int fd, const FileOwner& owner, const std::string& path) const;
  bool MustChown(const FileOwner& owner) const;

  const host::Root* root_;
  SpareFiles* spares_;
  int64_t own_uid_, own_gid_;
};

}  // namespace postern::files
