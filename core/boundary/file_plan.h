// A file plan: what the core wants done to files, with its durability points, as a value. It can be printed, checked,
// recorded, cut off at any point by the simulator, and run together with others, so that many deliveries share their
// flushes.
//
//   stage 1 (any order, at once)  ->  all done  ->  stage 2 ...  ->  PlanDone{ok}
//                                  \-> any failed: the stage is finished, later stages are not begun, PlanDone{failed}
//
// What survives power loss: bytes only after SyncFile, names only after SyncDir of their folder, independently of each
// other (docs/architecture.md, the crash model). A failed sync is final for that file: it is never retried.
// Every path is absolute as the configuration writes it; the driver puts them below its root folder (--root).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/status.h"
#include "core/boundary/bytes.h"

namespace postern {

using Path = std::string;

// Makes a new file with `bytes`; fails with kAlreadyExists where `path` is taken.
struct Create {
  Path path;
  Chain bytes;
  uint32_t mode = 0600;
  int64_t mtime_seconds = -1;  // set when >= 0: a message's INTERNALDATE
  Path spares;                 // of Retire: the file may be one that is kept there. Empty: a new one
};
// Adds to a file that is exactly `at_bytes` long (made when absent and at_bytes is 0): fails with kFailedPrecondition
// where it is not, which tells that somebody else wrote to it.
struct Append {
  Path path;
  uint64_t at_bytes = 0;
  Chain bytes;
  uint32_t mode = 0600;
};
// kNotFound where `from` is gone; with `replace` false kAlreadyExists where `to` is taken.
struct Rename {
  Path from, to;
  bool replace = false;
};
// A second name for one file; kAlreadyExists where `to` is taken. Copies where the two are on different file systems.
struct Link {
  Path from, to;
};
struct Unlink {  // done, too, where nothing is there
  Path path;
};
// As Unlink, but the file may be kept in the folder `spares`, for a Create that needs one: no inode and no blocks are
// freed and found anew, which is a third of what a short-lived file costs. Only for files of mode 0600 that the process
// made itself, that have no second name, and that whoever reads them can tell from another's: until the next SyncDir of
// its folder, a power loss may bring the old name back, and what was written to the file since. Which files are kept is
// the driver's affair, and forgotten when the process ends: a file that lies in `spares` then is of no use to anyone.
struct Retire {
  Path path, spares;
  uint64_t size_bytes = 0;  // of the file
};
struct MakeDir {  // with missing parents; done, too, where it is there already
  Path path;
  uint32_t mode = 0700;
};
// Removes a folder with all below it (a deleted mailbox); done, too, where nothing is there.
struct RemoveTree {
  Path path;
};
struct SetMtime {
  Path path;
  int64_t mtime_seconds = 0;
};
struct SyncFile {  // the bytes and size of a file reach stable storage; its name does not
  Path path;
};
struct SyncDir {  // every earlier change of names in this folder reaches stable storage
  Path path;
};

using FileOp =
    std::variant<Create, Append, Rename, Link, Unlink, Retire, MakeDir, RemoveTree, SetMtime, SyncFile, SyncDir>;
using Stage = std::vector<FileOp>;

// Whose files they are: applied to what the plan makes when the process may (root); -1: the process's own.
struct FileOwner {
  int64_t uid = -1;
  int64_t gid = -1;
  auto operator<=>(const FileOwner&) const = default;
};

struct FilePlan {
  std::vector<Stage> stages;
  FileOwner owner;
};

struct OpFailure {
  uint32_t stage = 0;
  uint32_t op = 0;
  Status
      status;  // kNotFound, kAlreadyExists, kResourceExhausted (ENOSPC, EDQUOT), kPermissionDenied, kUnavailable, ...
};

struct PlanResult {
  std::vector<OpFailure> failures;  // of the stage that ended the plan, in order of `op`; empty: all done
  bool ok() const { return failures.empty(); }
  Status status() const { return failures.empty() ? Status() : failures.front().status; }
};

// Adds to `*stage` the flush of `dir` and of every folder above it, unless it is there: a name lasts only where all
// names above it do. For folders that were made just now, or by a process that may have died before it flushed them.
void AddSyncOfPath(const Path& dir, Stage* stage);

// One line an operation, for recordings, findings and tests: "1.0 create /a/tmp/x 120 bytes".
std::string Describe(const FilePlan& plan);

}  // namespace postern
