// The fake file system: what processes see, what is on stable storage, and what lies between. After a power loss it
// keeps what POSIX promises at least (docs/simulator.md, "posix_min"), and anything between that and all, as chance
// draws:
//
//   bytes of a file     durable by SyncFile of that file; otherwise a prefix of what was added, pages zeroed or torn,
//   or none a name in a folder  durable by SyncDir of that folder; otherwise each change survives or not, independently
//   a new folder        absent with all below it until SyncDir of its parent
//   a file used again   (Retire, Create) each page is the old one or the new one, under any name that survives
//   a failed SyncFile   reports once; later ones succeed, but the bytes are gone at the next power loss
//
// A killed process loses nothing here: every operation that was performed stays visible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/event.h"
#include "core/boundary/file_plan.h"
#include "sim/world/random.h"

namespace postern::sim {

class Disk {
 public:
  explicit Disk(uint64_t seed);

  // Performs one operation at wall time `now_seconds`. Errors as file_plan.h says.
  Status Apply(const FileOp& op, int64_t now_seconds);
  // The operation fails as the disk would fail it: nothing is done, but for a sync, whose bytes are lost at power loss.
  void FailSync(const FileOp& op);

  StatusOr<std::string> ReadFile(std::string_view path) const;
  FileFacts StatPath(std::string_view path) const;
  StatusOr<std::vector<DirEntry>> List(std::string_view path) const;
  // What a delivery agent or administrator outside does: a whole file, durable at once, with missing folders.
  void Plant(std::string_view path, std::string bytes, int64_t now_seconds, uint32_t uid = 0);

  // The power goes: what is not durable survives as chance draws.
  void LosePower();
  // The process ends: it knows no longer which files it kept (Retire).
  void ForgetSpares() { spares_.clear(); }

  uint64_t bytes_used() const { return bytes_used_; }
  // Every file below `path`, with its bytes, in order of name.
  std::map<std::string, std::string> Files(std::string_view path) const;
  uint64_t DigestOf(std::string_view path) const;

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  struct NameChange {
    std::string name;
    NodePtr node;   // null: removed
    int fate = -1;  // at power loss: 0 lost, 1 survives, -1 as chance draws
  };
  struct Node {
    bool is_dir = false;
    uint64_t inode = 0;
    uint32_t uid = 0;
    int64_t mtime_seconds = 0;
    int64_t mtime_ns = 0;  // grows with every change, so that two changes in one second differ
    // A file.
    std::string bytes, durable_bytes;
    bool sync_failed = false;  // its dirty bytes are lost, whatever later syncs say
    // A folder.
    std::map<std::string, NodePtr, std::less<>> names, durable_names;
    std::vector<NameChange> pending;
  };

  NodePtr Find(std::string_view path) const;
  // The folder that holds `path`, and the last component.
  NodePtr FindParent(std::string_view path, std::string_view* name) const;
  NodePtr NewNode(bool is_dir, int64_t now_seconds);
  void SetName(Node& dir, std::string_view name, NodePtr node, int64_t now_seconds, int fate = -1);
  void Settle(Node& node);
  std::string SurvivingBytes(const Node& file);
  std::string SurvivingOverwrite(const Node& file);
  void Collect(const Node& dir, const std::string& path, std::map<std::string, std::string>* files) const;

  struct Performer;
  Random random_;
  NodePtr root_;
  uint64_t next_inode_ = 1;
  uint64_t ticks_ = 0;
  uint64_t bytes_used_ = 0;
  std::vector<Path> spares_;  // files that the process keeps
};

}  // namespace postern::sim
