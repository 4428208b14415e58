#include "adapters/record/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "adapters/host/errno_status.h"
#include "adapters/record/redaction.h"
#include "core/base/base64.h"
#include "core/boundary/codec.h"

namespace postern::record {
namespace {

constexpr size_t kBufferBytes = 256 << 10;
constexpr Duration kFlushAfter = Milliseconds(100);
// No prompt is longer (SASL's limit in base64, and its code).
constexpr size_t kPromptBytesMax = 20'000;

// Did the step accept what answered a challenge? It goes on, into the mailbox or with the server's own proof, and does
// not refuse: a refusal is a delay's timer alone, or a negative answer.
bool Accepted(ConnId conn, const std::vector<Effect>& effects) {
  bool goes_on = false;
  for (const Effect& effect : effects) {
    if (const auto* send = std::get_if<Send>(&effect); send != nullptr && send->conn == conn) {
      const std::string text = send->bytes.Flatten();
      if (text.starts_with('4') || text.starts_with('5') || text.starts_with("-ERR") ||
          text.find(" NO ") != std::string::npos)
        return false;
      goes_on = true;
    }
    goes_on = goes_on || std::holds_alternative<Handoff>(effect) || std::holds_alternative<Scan>(effect) ||
              std::holds_alternative<Stat>(effect) || std::holds_alternative<Read>(effect) ||
              std::holds_alternative<Commit>(effect);
  }
  return goes_on;
}

// "334 ...", "+ ..." at the end of what was sent; "" for anything else.
std::string PromptOf(const Chain& bytes) {
  if (bytes.size_bytes() > kPromptBytesMax) return "";
  std::string text = bytes.Flatten();
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  text.erase(0, text.rfind('\n') + 1);  // npos + 1 is 0
  return text.starts_with("334") || text == "+" || text.starts_with("+ ") ? text : "";
}

}  // namespace

Status WriteNewFile(const std::string& path, std::string_view bytes) {
  const host::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return host::StatusFromErrno(errno, path);
  while (!bytes.empty()) {
    const ssize_t count = write(fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return host::StatusFromErrno(errno, path);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return OkStatus();
}

StatusOr<std::unique_ptr<Recorder>> Recorder::Open(const std::string& dir, const ShardOptions& shard) {
  const auto id = static_cast<uint16_t>(shard.id);
  const std::string path = dir + "/shard-" + std::to_string(id) + ".rec";
  host::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return host::StatusFromErrno(errno, path);
  std::unique_ptr<Recorder> recorder(new Recorder(std::move(fd)));
  recorder->buffer_ = "postern-record 1\nshard " + std::to_string(id) + " " + std::to_string(shard.shard_count) + " " +
                      EncodeHex(std::string_view(reinterpret_cast<const char*>(shard.key.data()), shard.key.size())) +
                      " " + EncodeField(shard.node.host_name) + " " + std::to_string(shard.node.pid) + " " +
                      std::to_string(shard.node.start_counter) + " " + EncodeField(kStandInPassword) + " " +
                      std::to_string(shard.config->generation) + "\n";
  return recorder;
}

Recorder::~Recorder() { Flush(); }

void Recorder::OnStep(Now now, const Event& event, const std::vector<Effect>& effects) {
  if (!fd_.valid()) return;
  buffer_ += "S " + std::to_string(now.mono.ns) + " " + std::to_string(now.wall.us) + " " +
             std::to_string(now.utc_offset_seconds) + " ";
  if (const auto* received = std::get_if<Received>(&event)) {
    AddReceived(*received, effects);
  } else if (const auto* changed = std::get_if<ConfigChanged>(&event)) {
    buffer_ += FormatEvent(event, changed->config == nullptr ? 0 : changed->config->generation) + "\n";
  } else {
    buffer_ += FormatEvent(event) + "\n";
  }
  for (const Effect& effect : effects) buffer_ += "E " + FormatEffect(effect) + "\n";
  NotePrompts(event, effects);
  ++step_count_;
  if (buffer_.size() >= kBufferBytes || now.mono - flushed_ >= kFlushAfter) {
    Flush();
    flushed_ = now.mono;
  }
}

void Recorder::AddReceived(const Received& event, const std::vector<Effect>& effects) {
  std::vector<Redact> spans;
  for (const Effect& effect : effects) {
    if (const auto* redact = std::get_if<Redact>(&effect); redact != nullptr && redact->conn == event.conn)
      spans.push_back(*redact);
  }
  if (spans.empty()) {
    buffer_ += FormatEvent(event) + "\n";
  } else {
    // One prompt, one answer: what comes later is a rest of it.
    const auto prompt = prompts_.extract(event.conn);
    Redacted redacted =
        RedactReceived(event.bytes, spans, prompt ? std::string_view(prompt.mapped()) : std::string_view());
    buffer_ += FormatEvent(Received{.conn = event.conn, .bytes = redacted.bytes}) + "\n";
    if (!redacted.answered.empty()) unjudged_[event.conn] = {std::move(redacted.answered), step_count_};
  }
  const auto answer = unjudged_.find(event.conn);
  if (answer == unjudged_.end() || !Accepted(event.conn, effects)) return;
  buffer_ += "A " + answer->second.mechanism + " " + std::to_string(step_count_ - answer->second.step) + "\n";
  unjudged_.erase(answer);
}

void Recorder::NotePrompts(const Event& event, const std::vector<Effect>& effects) {
  for (const Effect& effect : effects) {
    if (const auto* send = std::get_if<Send>(&effect)) {
      unjudged_.erase(send->conn);  // it was refused, or is settled
      std::string prompt = PromptOf(send->bytes);
      if (prompt.empty()) {
        prompts_.erase(send->conn);
      } else {
        prompts_[send->conn] = std::move(prompt);
      }
    } else if (const auto* close = std::get_if<Close>(&effect)) {
      prompts_.erase(close->conn);
      unjudged_.erase(close->conn);
    } else if (const auto* handoff = std::get_if<Handoff>(&effect)) {
      prompts_.erase(handoff->conn);
      unjudged_.erase(handoff->conn);
    }
  }
  if (const auto* closed = std::get_if<PeerClosed>(&event)) {
    prompts_.erase(closed->conn);
    unjudged_.erase(closed->conn);
  }
}

void Recorder::Flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && fd_.valid()) {
    const ssize_t count = write(fd_.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      std::fprintf(stderr, "postern: warning: the recording ends here: %s\n", std::strerror(errno));
      fd_ = host::UniqueFd();
      break;
    }
    rest.remove_prefix(static_cast<size_t>(count));
  }
  buffer_.clear();
}

}  // namespace postern::record
