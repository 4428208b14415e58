#include "sim/world/disk.h"

#include <algorithm>
#include <utility>

#include "core/boundary/machine.h"

namespace postern::sim {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kSectorBytes = 512;
constexpr size_t kSparesMax = 4;  // few, so that they are used again soon

// The next component of `*path`, which is moved behind it; empty at the end.
std::string_view TakeComponent(std::string_view* path) {
  while (!path->empty() && path->front() == '/') path->remove_prefix(1);
  const std::string_view component = path->substr(0, path->find('/'));
  path->remove_prefix(component.size());
  return component;
}

}  // namespace

Disk::Disk(uint64_t seed) : random_(seed, "disk survivors"), root_(NewNode(/*is_dir=*/true, 0)) {}

Disk::NodePtr Disk::NewNode(bool is_dir, int64_t now_seconds) {
  auto node = std::make_shared<Node>();
  node->is_dir = is_dir;
  node->inode = next_inode_++;
  node->mtime_seconds = now_seconds;
  node->mtime_ns = now_seconds * 1'000'000'000 + static_cast<int64_t>(ticks_++);
  return node;
}

Disk::NodePtr Disk::Find(std::string_view path) const {
  NodePtr node = root_;
  for (std::string_view name = TakeComponent(&path); !name.empty(); name = TakeComponent(&path)) {
    if (!node->is_dir) return nullptr;
    const auto found = node->names.find(name);
    if (found == node->names.end()) return nullptr;
    node = found->second;
  }
  return node;
}

Disk::NodePtr Disk::FindParent(std::string_view path, std::string_view* name) const {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return nullptr;
  *name = path.substr(slash + 1);
  NodePtr parent = Find(path.substr(0, slash));
  return parent != nullptr && parent->is_dir ? parent : nullptr;
}

void Disk::SetName(Node& dir, std::string_view name, NodePtr node, int64_t now_seconds, int fate) {
  dir.pending.push_back({std::string(name), node, fate});
  if (node != nullptr) {
    dir.names.insert_or_assign(std::string(name), std::move(node));
  } else {
    dir.names.erase(dir.names.find(name));
  }
  dir.mtime_seconds = now_seconds;
  dir.mtime_ns = now_seconds * 1'000'000'000 + static_cast<int64_t>(ticks_++ % 1'000'000'000);
}

struct Disk::Performer {
  Disk& disk;
  int64_t now;

  Status operator()(const Create& op) {
    std::string_view name;
    const NodePtr parent = disk.FindParent(op.path, &name);
    if (parent == nullptr) return NotFound("no folder for " + op.path);
    if (parent->names.contains(name)) return AlreadyExists(op.path + " exists");
    NodePtr file = TakeSpare(op);
    if (file != nullptr) {
      disk.bytes_used_ -= file->bytes.size();
      file->bytes = op.bytes.Flatten();
      file->mtime_seconds = op.mtime_seconds >= 0 ? op.mtime_seconds : now;
      file->mtime_ns = file->mtime_seconds * 1'000'000'000 + static_cast<int64_t>(disk.ticks_++ % 1'000'000'000);
      disk.bytes_used_ += file->bytes.size();
      return {};
    }
    file = disk.NewNode(false, op.mtime_seconds >= 0 ? op.mtime_seconds : now);
    file->bytes = op.bytes.Flatten();
    disk.bytes_used_ += file->bytes.size();
    disk.SetName(*parent, name, std::move(file), now);
    return {};
  }

  Status operator()(const Append& op) {
    NodePtr file = disk.Find(op.path);
    if (file == nullptr) {
      if (op.at_bytes != 0) return NotFound(op.path + " is not there");
      return (*this)(Create{.path = op.path, .bytes = op.bytes, .mode = op.mode});
    }
    if (file->is_dir || file->bytes.size() != op.at_bytes) {
      return FailedPrecondition(op.path + " is " + std::to_string(file->bytes.size()) + " bytes long, not " +
                                std::to_string(op.at_bytes));
    }
    file->bytes += op.bytes.Flatten();
    file->mtime_seconds = now;
    file->mtime_ns = now * 1'000'000'000 + static_cast<int64_t>(disk.ticks_++ % 1'000'000'000);
    return {};
  }

  Status operator()(const Rename& op) {
    std::string_view from_name, to_name;
    const NodePtr from = disk.FindParent(op.from, &from_name), to = disk.FindParent(op.to, &to_name);
    if (from == nullptr || to == nullptr) return NotFound("no folder for " + op.from + " or " + op.to);
    const auto found = from->names.find(from_name);
    if (found == from->names.end()) return NotFound(op.from + " is not there");
    if (from == to && from_name == to_name) return {};
    if (!op.replace && to->names.contains(to_name)) return AlreadyExists(op.to + " exists");
    const NodePtr node = found->second;
    // After a power loss there is the old name, the new one, or both; never neither.
    const uint64_t fate = disk.random_.Below(3);
    disk.SetName(*to, to_name, node, now, fate == 0 ? 0 : 1);
    disk.SetName(*from, from_name, nullptr, now, fate == 1 ? 1 : 0);
    return {};
  }

  Status operator()(const Link& op) {
    std::string_view name;
    const NodePtr node = disk.Find(op.from), to = disk.FindParent(op.to, &name);
    if (node == nullptr || to == nullptr) return NotFound(op.from + " or the folder of " + op.to + " is not there");
    if (to->names.contains(name)) return AlreadyExists(op.to + " exists");
    disk.SetName(*to, name, node, now);
    return {};
  }

  Status operator()(const Unlink& op) {
    std::string_view name;
    const NodePtr parent = disk.FindParent(op.path, &name);
    if (parent == nullptr || !parent->names.contains(name)) return {};
    if (parent->names.find(name)->second->is_dir) return FailedPrecondition(op.path + " is a folder");
    disk.SetName(*parent, name, nullptr, now);
    return {};
  }

  // Renamed to the new file's name already; null: there is none.
  NodePtr TakeSpare(const Create& op) {
    const auto kept = std::find_if(disk.spares_.begin(), disk.spares_.end(),
                                   [&op](const Path& path) { return path.starts_with(op.spares + "/"); });
    if (op.spares.empty() || kept == disk.spares_.end()) return nullptr;
    const Path from = *kept;
    disk.spares_.erase(kept);
    return (*this)(Rename{.from = from, .to = op.path}).ok() ? disk.Find(op.path) : nullptr;
  }

  Status operator()(const Retire& op) {
    const Path to = op.spares + "/" + std::to_string(disk.next_inode_++);
    if (disk.spares_.size() < kSparesMax && (*this)(Rename{.from = op.path, .to = to, .replace = true}).ok()) {
      disk.spares_.push_back(to);
      return {};
    }
    return (*this)(Unlink{op.path});
  }

  Status operator()(const MakeDir& op) {
    std::string_view rest = op.path;
    NodePtr node = disk.root_;
    for (std::string_view name = TakeComponent(&rest); !name.empty(); name = TakeComponent(&rest)) {
      if (!node->is_dir) return FailedPrecondition(op.path + ": a part of it is a file");
      const auto found = node->names.find(name);
      if (found != node->names.end()) {
        node = found->second;
        continue;
      }
      NodePtr dir = disk.NewNode(true, now);
      disk.SetName(*node, name, dir, now);
      node = std::move(dir);
    }
    return node->is_dir ? Status() : FailedPrecondition(op.path + " is a file");
  }

  Status operator()(const RemoveTree& op) {
    std::string_view name;
    const NodePtr parent = disk.FindParent(op.path, &name);
    if (parent == nullptr || !parent->names.contains(name)) return {};
    disk.SetName(*parent, name, nullptr, now);
    return {};
  }

  Status operator()(const SetMtime& op) {
    const NodePtr node = disk.Find(op.path);
    if (node == nullptr) return NotFound(op.path + " is not there");
    node->mtime_seconds = op.mtime_seconds;
    node->mtime_ns = op.mtime_seconds * 1'000'000'000;
    return {};
  }

  Status operator()(const SyncFile& op) {
    const NodePtr file = disk.Find(op.path);
    if (file == nullptr || file->is_dir) return NotFound(op.path + " is not there");
    if (!file->sync_failed) file->durable_bytes = file->bytes;
    return {};
  }

  Status operator()(const SyncDir& op) {
    const NodePtr dir = disk.Find(op.path);
    if (dir == nullptr || !dir->is_dir) return NotFound(op.path + " is not there");
    dir->durable_names = dir->names;
    dir->pending.clear();
    return {};
  }
};

Status Disk::Apply(const FileOp& op, int64_t now_seconds) {
  return std::visit(Performer{.disk = *this, .now = now_seconds}, op);
}

void Disk::FailSync(const FileOp& op) {
  if (const auto* sync = std::get_if<SyncFile>(&op)) {
    if (const NodePtr file = Find(sync->path)) file->sync_failed = true;
  }
}

StatusOr<std::string> Disk::ReadFile(std::string_view path) const {
  const NodePtr node = Find(path);
  if (node == nullptr) return NotFound(std::string(path) + " is not there");
  if (node->is_dir) return InvalidArgument(std::string(path) + " is a folder");
  return node->bytes;
}

FileFacts Disk::StatPath(std::string_view path) const {
  const NodePtr node = Find(path);
  if (node == nullptr) return {.status = NotFound(std::string(path) + " is not there")};
  return {.is_dir = node->is_dir,
          .size_bytes = node->bytes.size(),
          .mtime_ns = node->mtime_ns,
          .ctime_ns = node->mtime_ns,
          .inode = node->inode,
          .uid = node->uid};
}

StatusOr<std::vector<DirEntry>> Disk::List(std::string_view path) const {
  const NodePtr node = Find(path);
  if (node == nullptr || !node->is_dir) return NotFound(std::string(path) + " is not there");
  std::vector<DirEntry> entries;
  for (const auto& [name, child] : node->names) entries.push_back({name, child->is_dir});
  return entries;
}

void Disk::Plant(std::string_view path, std::string bytes, int64_t now_seconds, uint32_t uid) {
  NodePtr node = root_;
  while (true) {
    const std::string_view name = TakeComponent(&path);
    const bool last = path.find_first_not_of('/') == std::string_view::npos;
    auto found = node->names.find(name);
    if (found == node->names.end() || last) {
      NodePtr made = NewNode(!last, now_seconds);
      if (last) {
        made->bytes = made->durable_bytes = std::move(bytes);
        made->uid = uid;
      }
      found = node->names.insert_or_assign(std::string(name), made).first;
      node->durable_names.insert_or_assign(std::string(name), made);
      std::erase_if(node->pending, [name](const NameChange& change) { return change.name == name; });
      node->mtime_ns = now_seconds * 1'000'000'000 + static_cast<int64_t>(ticks_++ % 1'000'000'000);
    }
    node = found->second;
    if (last) return;
  }
}

void Disk::LosePower() {
  ForgetSpares();
  Settle(*root_);
}

void Disk::Settle(Node& node) {
  if (!node.is_dir) {
    node.bytes = SurvivingBytes(node);
    node.durable_bytes = node.bytes;
    node.sync_failed = false;
    return;
  }
  for (const NameChange& change : node.pending) {
    if (change.fate < 0 ? random_.Chance(500) : change.fate == 0) continue;
    if (change.node != nullptr) {
      node.durable_names.insert_or_assign(change.name, change.node);
    } else {
      node.durable_names.erase(change.name);
    }
  }
  node.pending.clear();
  node.names = node.durable_names;
  for (auto& [name, child] : node.names) Settle(*child);
}

std::string Disk::SurvivingBytes(const Node& file) {
  if (file.bytes == file.durable_bytes) return file.bytes;
  if (!file.bytes.starts_with(file.durable_bytes)) return SurvivingOverwrite(file);
  // What is not durable was added behind what is.
  const size_t kept = file.durable_bytes.size();
  std::string bytes = file.durable_bytes;
  switch (random_.Below(4)) {
    case 0:
      return bytes;  // nothing of it
    case 1:
      return file.bytes;  // all of it
    case 2: {             // a prefix, torn at a sector
      const size_t added = random_.Below(file.bytes.size() - kept + 1);
      bytes.append(file.bytes, kept, random_.Chance(500) ? added : added / kSectorBytes * kSectorBytes);
      return bytes;
    }
    default:  // the new size, with pages of zeros
      bytes = file.bytes;
      for (size_t at = kept; at < bytes.size();) {
        const size_t end = std::min(bytes.size(), (at / kPageBytes + 1) * kPageBytes);
        if (random_.Chance(500))
          std::fill(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.begin() + static_cast<ptrdiff_t>(end), '\0');
        at = end;
      }
      return bytes;
  }
}

std::string Disk::SurvivingOverwrite(const Node& file) {
  const std::string &before = file.durable_bytes, &after = file.bytes;
  std::string bytes = random_.Chance(500) ? before : after;
  const std::string& other = bytes == before ? after : before;
  for (size_t at = 0; at < bytes.size(); at += kPageBytes) {
    const size_t length = std::min(kPageBytes, bytes.size() - at);
    if (!random_.Chance(500)) continue;
    const std::string page = at < other.size() ? other.substr(at, length) : "";
    bytes.replace(at, length, page + std::string(length - page.size(), '\0'));
  }
  return bytes;
}

void Disk::Collect(const Node& dir, const std::string& path, std::map<std::string, std::string>* files) const {
  for (const auto& [name, child] : dir.names) {
    if (child->is_dir) {
      Collect(*child, path + "/" + name, files);
    } else {
      (*files)[path + "/" + name] = child->bytes;
    }
  }
}

std::map<std::string, std::string> Disk::Files(std::string_view path) const {
  std::map<std::string, std::string> files;
  const NodePtr node = Find(path);
  if (node != nullptr && node->is_dir) Collect(*node, std::string(path == "/" ? "" : path), &files);
  return files;
}

uint64_t Disk::DigestOf(std::string_view path) const {
  StableDigest digest;
  for (const auto& [name, bytes] : Files(path)) {
    digest.Add(name);
    digest.Add(bytes);
  }
  return digest.value();
}

}  // namespace postern::sim
