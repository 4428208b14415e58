// Effects as lines: what they do, for comparison and for people.
#include <cstdio>

#include "core/base/base64.h"
#include "core/boundary/codec.h"
#include "core/boundary/machine.h"

namespace postern {
namespace {

std::string Shown(std::string_view bytes, size_t shown_bytes_max) {
  if (bytes.size() <= shown_bytes_max) return EncodeField(bytes);
  StableDigest digest;
  digest.Add(bytes);
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(digest.value()));
  return EncodeField(bytes.substr(0, shown_bytes_max)) + "... " + std::to_string(bytes.size()) + " bytes " + hash;
}

// Long enough for any SASL prompt with its code.
constexpr size_t kPromptBytesMax = 20'000;

// SCRAM's and DIGEST-MD5's servers prove themselves with what follows from the password, and show its salt: guesses
// could be checked with it. "334 ***" stands for such a prompt ("v=...", "r=...", "rspauth=...").
std::string WithoutProof(const Chain& bytes) {
  std::string text = bytes.Flatten();
  const bool smtp = text.starts_with("334 ");
  if (text.size() > kPromptBytesMax || (!smtp && !text.starts_with("+ "))) return text;
  const size_t begin = smtp ? 4 : 2;
  const auto message = DecodeBase64(std::string_view(text).substr(begin, text.find_first_of("\r\n") - begin));
  if (!message || !(message->starts_with("v=") || message->starts_with("r=") || message->starts_with("rspauth=")))
    return text;
  return text.substr(0, begin) + "***\r\n";
}

template <class T>
std::string Number(T id) {
  return std::to_string(static_cast<uint64_t>(id));
}

std::string Of(const OpId& op) { return " " + Number(op.machine) + "/" + std::to_string(op.tag); }

std::string ToText(const Endpoint& endpoint) {
  return "[" + endpoint.address.ToString() + "]:" + std::to_string(endpoint.port);
}

struct Formatter {
  size_t shown_bytes_max;

  std::string operator()(const Send& e) const {
    return "Send " + Number(e.conn) + " " + (e.secret ? "***" : Shown(WithoutProof(e.bytes), shown_bytes_max));
  }
  std::string operator()(const Close& e) const {
    return "Close " + Number(e.conn) + (e.kind == CloseKind::kNow ? " now" : " after-drain");
  }
  std::string operator()(const Connect& e) const {
    const auto* path = std::get_if<Path>(&e.to);
    std::string text =
        "Connect" + Of(e.op) + " " + (path != nullptr ? EncodeField(*path) : ToText(std::get<Endpoint>(e.to)));
    if (e.from) text += " from " + e.from->ToString();
    return text + " within " + std::to_string(e.patience.ns);
  }
  std::string operator()(const StartTls& e) const {
    return "StartTls " + Number(e.conn) + (e.client == nullptr ? "" : " client " + EncodeField(e.client->server_name));
  }
  std::string operator()(const AwaitDrain& e) const { return "AwaitDrain " + Number(e.conn); }
  std::string operator()(const PauseReading& e) const { return "PauseReading " + Number(e.conn); }
  std::string operator()(const ResumeReading& e) const { return "ResumeReading " + Number(e.conn); }
  std::string operator()(const Handoff& e) const {
    return "Handoff " + Number(e.conn) + " to " + Number(e.to) + " " + EncodeField(e.login.user) + " " +
           EncodeField(e.login.mechanism) + " " + EncodeField(e.login.tag) + " " + EncodeField(e.login.session_id) +
           " " + EncodeField(e.login.state) + " " + Shown(e.unread, shown_bytes_max);
  }
  std::string operator()(const SetTimer& e) const { return "SetTimer" + Of(e.op) + " at " + std::to_string(e.at.ns); }
  std::string operator()(const CancelTimer& e) const { return "CancelTimer" + Of(e.op); }
  std::string operator()(const Commit& e) const {
    std::string text =
        "Commit" + Of(e.op) + " owner " + std::to_string(e.plan.owner.uid) + ":" + std::to_string(e.plan.owner.gid);
    for (size_t stage = 0; stage < e.plan.stages.size(); ++stage) {
      for (const FileOp& op : e.plan.stages[stage]) text += " | " + std::to_string(stage) + " " + std::visit(*this, op);
    }
    return text;
  }
  std::string operator()(const Read& e) const {
    return "Read" + Of(e.op) + " " + EncodeField(e.path) + " " + std::to_string(e.offset_bytes) + " " +
           std::to_string(e.length_bytes);
  }
  std::string operator()(const Scan& e) const { return "Scan" + Of(e.op) + " " + EncodeField(e.dir); }
  std::string operator()(const Stat& e) const { return "Stat" + Of(e.op) + Paths(e.paths); }
  std::string operator()(const Watch& e) const { return "Watch" + Of(e.op) + Paths(e.dirs); }
  std::string operator()(const Unwatch& e) const { return "Unwatch" + Of(e.op); }
  std::string operator()(const Ask& e) const {
    if (const auto* verify = std::get_if<VerifyPassword>(&e.question)) {
      return "Ask" + Of(e.op) + " VerifyPassword " + EncodeField(verify->user) + " ***";
    }
    if (const auto* dns = std::get_if<DnsQuestion>(&e.question)) {
      return "Ask" + Of(e.op) + " Dns " + std::string(ToString(dns->type)) + " " + EncodeField(dns->name) +
             (dns->dnssec ? " dnssec" : "");
    }
    if (const auto* run = std::get_if<RunProgram>(&e.question)) return "Ask" + Of(e.op) + " RunProgram" + What(*run);
    return "Ask" + Of(e.op) + " LookupClientName " + std::get<LookupClientName>(e.question).address.ToString();
  }
  std::string operator()(const Post& e) const {
    if (const auto* queued = std::get_if<Queued>(&e.letter))
      return "Post to " + Number(e.to) + " Queued " + EncodeField(queued->id);
    if (const auto* site = std::get_if<FlushSite>(&e.letter))
      return "Post to " + Number(e.to) + " FlushSite " + EncodeField(site->domain);
    const auto& arrived = std::get<Arrived>(e.letter);
    return "Post to " + Number(e.to) + " Arrived " + EncodeField(arrived.user) + " " + EncodeField(arrived.mailbox_dir);
  }
  std::string operator()(const ContinueLater& e) const { return "ContinueLater " + Number(e.machine); }
  std::string operator()(const Redact& e) const {
    return "Redact " + Number(e.conn) + " " + std::to_string(e.offset_bytes) + " " + std::to_string(e.length_bytes);
  }
  std::string operator()(const Note& e) const {
    std::string text = std::string(e.event.record_only ? "Record " : "Note ") +
                       std::to_string(static_cast<int>(e.event.severity)) + " " + EncodeField(e.event.tag) + " " +
                       std::to_string(e.event.pid) + " " + EncodeField(e.event.text) + " " +
                       EncodeField(e.event.trace_id);
    for (const auto& [name, value] : e.event.fields) text += " " + EncodeField(name) + "=" + EncodeField(value);
    return text;
  }

  // ---- file operations ----
  std::string operator()(const Create& op) const {
    return "create " + EncodeField(op.path) + " " + Octal(op.mode) + " " + std::to_string(op.mtime_seconds) + " " +
           Shown(op.bytes.Flatten(), shown_bytes_max) + (op.spares.empty() ? "" : " spares " + EncodeField(op.spares));
  }
  std::string operator()(const Append& op) const {
    return "append " + EncodeField(op.path) + " at " + std::to_string(op.at_bytes) + " " + Octal(op.mode) + " " +
           Shown(op.bytes.Flatten(), shown_bytes_max);
  }
  std::string operator()(const Rename& op) const {
    return std::string(op.replace ? "replace " : "rename ") + EncodeField(op.from) + " to " + EncodeField(op.to);
  }
  std::string operator()(const Link& op) const { return "link " + EncodeField(op.from) + " to " + EncodeField(op.to); }
  std::string operator()(const Unlink& op) const { return "unlink " + EncodeField(op.path); }
  std::string operator()(const Retire& op) const {
    return "retire " + EncodeField(op.path) + " " + std::to_string(op.size_bytes) + " spares " + EncodeField(op.spares);
  }
  std::string operator()(const MakeDir& op) const { return "mkdir " + EncodeField(op.path) + " " + Octal(op.mode); }
  std::string operator()(const RemoveTree& op) const { return "remove-tree " + EncodeField(op.path); }
  std::string operator()(const SetMtime& op) const {
    return "set-mtime " + EncodeField(op.path) + " " + std::to_string(op.mtime_seconds);
  }
  std::string operator()(const SyncFile& op) const { return "sync-file " + EncodeField(op.path); }
  std::string operator()(const SyncDir& op) const { return "sync-dir " + EncodeField(op.path); }

 private:
  std::string What(const RunProgram& run) const {
    std::string text = " as " + std::to_string(run.user.uid) + ":" + std::to_string(run.user.gid) + " within " +
                       std::to_string(run.time_limit.ns) + " files " + std::to_string(run.file_bytes_max);
    if (run.append_to.empty()) {
      text += Paths(run.argv) + " |" + Paths(run.otherwise);
    } else {
      text += " append-to " + EncodeField(run.append_to) + (run.lock.fcntl ? " fcntl" : "") +
              (run.lock.flock ? " flock" : "") + (run.lock.dotlock ? " dotlock" : "");
    }
    return text + " |" + Paths(run.environment) + " |" + Paths(run.inherited) + " " +
           Shown(run.input.Flatten(), shown_bytes_max);
  }
  static std::string Octal(uint32_t mode) {
    char text[16];
    std::snprintf(text, sizeof text, "0%o", mode);
    return text;
  }
  static std::string Paths(const std::vector<Path>& paths) {
    std::string text;
    for (const Path& path : paths) text += " " + EncodeField(path);
    return text;
  }
};

}  // namespace

std::string FormatEffect(const Effect& effect, size_t shown_bytes_max) {
  return std::visit(Formatter{shown_bytes_max}, effect);
}

}  // namespace postern
