// Differential test: random plans on a real folder and on a model in memory must give the same answers and the same
// tree. Paths are few, so that the operations meet each other.
#include <dirent.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "tests/adapters/files/executor_fixture.h"

namespace postern::files {
namespace {

// The model: names to nodes; two names of one file share its node.
struct Node {
  bool is_dir = false;
  std::string bytes;
  int64_t mtime_seconds = -1;  // -1: whatever the clock said
};
class Model {
 public:
  Model() { names_["/"] = std::make_shared<Node>(Node{.is_dir = true}); }

  StatusCode Run(const FileOp& op) {
    return std::visit([this](const auto& each) { return Do(each); }, op);
  }
  const std::map<std::string, std::shared_ptr<Node>>& names() const { return names_; }

 private:
  static std::string ParentOf(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  Node* Find(const std::string& path) {
    const auto found = names_.find(path);
    return found == names_.end() ? nullptr : found->second.get();
  }
  bool HasFolder(const std::string& path) {
    Node* const node = Find(path);
    return node != nullptr && node->is_dir;
  }
  bool Inside(const std::string& path, const std::string& folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
  }
  bool IsEmpty(const std::string& folder) {
    for (const auto& [name, node] : names_) {
      if (Inside(name, folder)) return false;
    }
    return true;
  }

  StatusCode Do(const Create& op) {
    if (!HasFolder(ParentOf(op.path))) return StatusCode::kNotFound;
    if (Find(op.path) != nullptr) return StatusCode::kAlreadyExists;
    names_[op.path] = std::make_shared<Node>(Node{.bytes = op.bytes.Flatten(), .mtime_seconds = op.mtime_seconds});
    return StatusCode::kOk;
  }
  StatusCode Do(const Append& op) {
    if (!HasFolder(ParentOf(op.path))) return StatusCode::kNotFound;
    Node* node = Find(op.path);
    if (node != nullptr && node->is_dir) return StatusCode::kFailedPrecondition;
    if (node == nullptr && op.at_bytes != 0) return StatusCode::kNotFound;
    if (node == nullptr) node = (names_[op.path] = std::make_shared<Node>()).get();
    if (node->bytes.size() != op.at_bytes) return StatusCode::kFailedPrecondition;
    node->bytes += op.bytes.Flatten();
    if (!op.bytes.empty()) node->mtime_seconds = -1;
    return StatusCode::kOk;
  }
  StatusCode Do(const Rename& op) {
    Node *const from = Find(op.from), *const to = Find(op.to);
    if (from == nullptr || !HasFolder(ParentOf(op.to))) return StatusCode::kNotFound;
    if (to != nullptr && !op.replace) return StatusCode::kAlreadyExists;
    if (from->is_dir && Inside(op.to, op.from)) return StatusCode::kInvalidArgument;
    if (op.from == op.to) return StatusCode::kOk;
    if (to != nullptr) {
      // rename(2): into a folder that the old name is in: not empty.
      if (Inside(op.from, op.to)) return StatusCode::kAlreadyExists;
      if (from->is_dir && !to->is_dir) return StatusCode::kNotFound;            // ENOTDIR
      if (!from->is_dir && to->is_dir) return StatusCode::kFailedPrecondition;  // EISDIR
      if (to->is_dir && !IsEmpty(op.to)) return StatusCode::kAlreadyExists;     // ENOTEMPTY
      if (from == to) return StatusCode::kOk;                                   // two names of one file: both stay
    }
    std::map<std::string, std::shared_ptr<Node>> moved;
    for (auto it = names_.begin(); it != names_.end();) {
      if (it->first == op.from || Inside(it->first, op.from)) {
        moved[op.to + it->first.substr(op.from.size())] = it->second;
        it = names_.erase(it);
      } else {
        ++it;
      }
    }
    for (auto& [name, node] : moved) names_[name] = node;
    return StatusCode::kOk;
  }
  StatusCode Do(const Link& op) {
    Node* const from = Find(op.from);
    if (from == nullptr || !HasFolder(ParentOf(op.to))) return StatusCode::kNotFound;
    if (Find(op.to) != nullptr) return StatusCode::kAlreadyExists;
    if (from->is_dir) return StatusCode::kPermissionDenied;
    names_[op.to] = names_[op.from];
    return StatusCode::kOk;
  }
  StatusCode Do(const Unlink& op) {
    if (HasFolder(op.path)) return StatusCode::kFailedPrecondition;
    names_.erase(op.path);
    return StatusCode::kOk;
  }
  StatusCode Do(const Retire& op) { return Do(Unlink{op.path}); }
  StatusCode Do(const MakeDir& op) {
    for (size_t at = op.path.find('/', 1);; at = op.path.find('/', at + 1)) {
      const std::string path = op.path.substr(0, at);
      Node* const node = Find(path);
      if (node != nullptr && !node->is_dir) return StatusCode::kAlreadyExists;
      if (node == nullptr) names_[path] = std::make_shared<Node>(Node{.is_dir = true});
      if (at == std::string::npos) return StatusCode::kOk;
    }
  }
  StatusCode Do(const RemoveTree& op) {
    std::erase_if(names_, [&](const auto& item) { return item.first == op.path || Inside(item.first, op.path); });
    return StatusCode::kOk;
  }
  StatusCode Do(const SetMtime& op) {
    Node* const node = Find(op.path);
    if (node == nullptr) return StatusCode::kNotFound;
    if (!node->is_dir) node->mtime_seconds = op.mtime_seconds;
    return StatusCode::kOk;
  }
  StatusCode Do(const SyncFile& op) { return Find(op.path) == nullptr ? StatusCode::kNotFound : StatusCode::kOk; }
  StatusCode Do(const SyncDir& op) { return HasFolder(op.path) ? StatusCode::kOk : StatusCode::kNotFound; }

  std::map<std::string, std::shared_ptr<Node>> names_;
};

// The tree as text: "name dir", "name file mtime bytes". Times are told only where the model knows them.
std::string TreeOf(const Model& model) {
  std::string text;
  for (const auto& [name, node] : model.names()) {
    if (name == "/") continue;
    text += name + (node->is_dir ? " dir" : " file " + std::to_string(node->mtime_seconds) + " " + node->bytes) + "\n";
  }
  return text;
}

void Walk(const std::string& folder, const std::string& below, const Model& model,
          std::map<std::string, std::string>* out) {
  DIR* const dir = opendir((folder + below).c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = below + "/" + name;
    struct stat facts {};
    lstat((folder + path).c_str(), &facts);
    if (S_ISDIR(facts.st_mode)) {
      (*out)[path] = " dir";
      Walk(folder, path, model, out);
      continue;
    }
    std::ifstream in(folder + path, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    const auto known = model.names().find(path);
    const bool told = known != model.names().end() && known->second->mtime_seconds >= 0;
    (*out)[path] = " file " + std::to_string(told ? facts.st_mtim.tv_sec : -1) + " " + bytes.str();
  }
  closedir(dir);
}

std::string TreeOf(const std::string& folder, const Model& model) {
  std::map<std::string, std::string> found;
  Walk(folder, "", model, &found);
  std::string text;
  for (const auto& [name, what] : found) text += name + what + "\n";
  return text;
}

rc::Gen<Path> AnyPath() {
  return rc::gen::element<Path>("/a", "/b", "/a/a", "/a/b", "/b/a", "/b/b", "/a/a/a", "/a/b/a", "/b/a/b");
}

rc::Gen<FileOp> AnyOp() {
  return rc::gen::exec([]() -> FileOp {
    const Path path = *AnyPath(), to = *AnyPath();
    const auto bytes = *rc::gen::element<std::string>("", "x", "hello", "0123456789");
    const auto mtime = *rc::gen::element<int64_t>(-1, 0, 1'500'000'000);
    const auto at = *rc::gen::element<uint64_t>(0, 0, 1, 5, 10);
    switch (*rc::gen::inRange(0, 12)) {
      case 0:
      case 1:
        return Create{.path = path, .bytes = Chain(bytes), .mtime_seconds = mtime};
      case 2:
        return Append{.path = path, .at_bytes = at, .bytes = Chain(bytes)};
      case 3:
        return Rename{.from = path, .to = to, .replace = true};
      case 4:
        return Rename{.from = path, .to = to};
      case 5:
        return Link{path, to};
      case 6:
        return Unlink{path};
      case 7:
      case 8:
        return MakeDir{path};
      case 9:
        return *rc::gen::element<int>(0, 1, 2) == 0 ? FileOp(RemoveTree{path}) : FileOp(MakeDir{path});
      case 10:
        return SetMtime{.path = path, .mtime_seconds = std::max<int64_t>(mtime, 0)};
      default:
        return *rc::gen::arbitrary<bool>() ? FileOp(SyncFile{path}) : FileOp(SyncDir{path});
    }
  });
}

void Check(bool use_uring) {
  // One operation a stage: inside a stage the order is free, and the model would have to know it.
  const auto ops = *rc::gen::container<std::vector<FileOp>>(AnyOp());
  testing::ExecutorFixture files(use_uring);
  Model model;
  for (size_t at = 0; at < ops.size();) {
    FilePlan plan;
    std::vector<StatusCode> expected;
    bool failed = false;
    for (int i = 0; i < 5 && at < ops.size() && !failed; ++i, ++at) {
      plan.stages.push_back({ops[at]});
      expected.push_back(model.Run(ops[at]));
      failed = expected.back() != StatusCode::kOk;
    }
    plan.stages.push_back({MakeDir{"/a"}});  // not begun after a failure
    if (!failed) failed = model.Run(MakeDir{"/a"}) != StatusCode::kOk;
    RC_LOG() << Describe(plan);
    const PlanResult result = files.Run(plan);
    RC_ASSERT(result.ok() == !failed);
    if (failed && expected.back() != StatusCode::kOk) {
      RC_ASSERT(result.failures.front().stage == expected.size() - 1);
      RC_ASSERT(result.status().code() == expected.back());
    }
    RC_ASSERT(TreeOf(files.folder(), model) == TreeOf(model));
  }
}

RC_GTEST_PROP(PlanExecutorProp, TheFolderEqualsTheModelWithUring, ()) { Check(true); }
RC_GTEST_PROP(PlanExecutorProp, TheFolderEqualsTheModelWithThreads, ()) { Check(false); }

}  // namespace
}  // namespace postern::files
