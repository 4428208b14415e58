// Printing of boundary values, and plans' common pieces.
#include <algorithm>
#include <string>

#include "core/boundary/dns.h"
#include "core/boundary/file_plan.h"
#include "core/boundary/log_event.h"

namespace postern {
namespace {

struct Describer {
  std::string operator()(const Create& op) const {
    return "create " + op.path + " " + std::to_string(op.bytes.size_bytes()) + " bytes";
  }
  std::string operator()(const Append& op) const {
    return "append " + op.path + " at " + std::to_string(op.at_bytes) + " " + std::to_string(op.bytes.size_bytes()) +
           " bytes";
  }
  std::string operator()(const Rename& op) const {
    return std::string(op.replace ? "replace " : "rename ") + op.from + " to " + op.to;
  }
  std::string operator()(const Link& op) const { return "link " + op.from + " to " + op.to; }
  std::string operator()(const Unlink& op) const { return "unlink " + op.path; }
  std::string operator()(const Retire& op) const { return "retire " + op.path; }
  std::string operator()(const MakeDir& op) const { return "mkdir " + op.path; }
  std::string operator()(const RemoveTree& op) const { return "remove tree " + op.path; }
  std::string operator()(const SetMtime& op) const { return "set mtime " + op.path; }
  std::string operator()(const SyncFile& op) const { return "sync file " + op.path; }
  std::string operator()(const SyncDir& op) const { return "sync dir " + op.path; }
};

}  // namespace

void AddSyncOfPath(const Path& dir, Stage* stage) {
  const auto add = [stage](const Path& folder) {
    for (const FileOp& op : *stage) {
      const auto* sync = std::get_if<SyncDir>(&op);
      if (sync != nullptr && sync->path == folder) return;
    }
    stage->push_back(SyncDir{folder});
  };
  add(dir);
  for (Path parent = dir; parent.rfind('/') != Path::npos && parent != "/";) {
    parent.resize(std::max<size_t>(parent.rfind('/'), 1));
    add(parent);
  }
}

std::string Describe(const FilePlan& plan) {
  std::string text;
  for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
    for (size_t op = 0; op < plan.stages[stage].size(); ++op) {
      text += std::to_string(stage) + "." + std::to_string(op) + " ";
      text += std::visit(Describer{}, plan.stages[stage][op]) + "\n";
    }
  }
  return text;
}

std::string EscapeForLog(std::string_view text, size_t bytes_max) {
  std::string safe(text.substr(0, bytes_max));
  for (char& c : safe) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7f) c = '?';
  }
  return safe;
}

std::string_view ToString(RecordType type) {
  switch (type) {
    case RecordType::kMx:
      return "MX";
    case RecordType::kA:
      return "A";
    case RecordType::kAaaa:
      return "AAAA";
    case RecordType::kCname:
      return "CNAME";
    case RecordType::kTlsa:
      return "TLSA";
    case RecordType::kNative:
      return "native";
  }
  return "";
}

}  // namespace postern
