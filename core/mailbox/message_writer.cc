#include "core/mailbox/message_writer.h"

#include <utility>

namespace postern::mailbox {

void MessageWriter::Add(std::string_view bytes) {
  const size_t before = pending_.size();
  while (!bytes.empty()) {
    if (held_cr_) {
      held_cr_ = false;
      // CRLF: the CR goes, but for one that follows another CR.
      const bool line_end = bytes.front() == '\n' && before_last_ != '\r';
      if (!line_end) pending_ += '\r';
      if (bytes.front() == '\n') {
        pending_ += '\n';
        crlf_bytes_ += 2;
        before_last_ = '\n';
        bytes.remove_prefix(1);
        continue;
      }
      crlf_bytes_ += 1;
      before_last_ = '\r';
      continue;
    }
    const size_t run = bytes.find_first_of("\r\n");
    const std::string_view plain = bytes.substr(0, run);
    if (!plain.empty()) {
      pending_.append(plain);
      crlf_bytes_ += plain.size();
      before_last_ = plain.back();
    }
    if (run == std::string_view::npos) break;
    if (bytes[run] == '\r') {
      held_cr_ = true;
    } else {  // a bare LF: read back as CRLF
      pending_ += '\n';
      crlf_bytes_ += before_last_ == '\r' ? 1 : 2;
      before_last_ = '\n';
    }
    bytes.remove_prefix(run + 1);
  }
  file_bytes_ += pending_.size() - before;
  if (pending_.size() > kMemoryBytesMax) spilled_ = true;
}

void MessageWriter::End() {
  if (held_cr_) {
    pending_ += '\r';
    ++crlf_bytes_;
    ++file_bytes_;
    held_cr_ = false;
  }
  ended_ = true;
}

std::optional<FilePlan> MessageWriter::TakePlan() {
  if (!spilled_ || plan_open_ || pending_.empty() || !status_.ok() || targets_.empty()) return std::nullopt;
  if (!ended_ && pending_.size() < kMemoryBytesMax / 4) return std::nullopt;  // not worth an operation yet
  auto bytes = std::make_shared<const std::string>(std::exchange(pending_, {}));
  open_bytes_ = bytes->size();
  FilePlan plan{.stages = {{}}, .owner = owner_};
  for (const Target& target : targets_) {
    Chain chain;
    if (written_bytes_ == 0) chain.Append(target.prefix);
    chain.Append(bytes);
    const uint64_t at = written_bytes_ == 0 ? 0 : target.prefix.size() + written_bytes_;
    plan.stages[0].push_back(Append{.path = target.tmp_path, .at_bytes = at, .bytes = std::move(chain)});
  }
  plan_open_ = true;
  return plan;
}

void MessageWriter::OnPlanDone(const PlanResult& result) {
  plan_open_ = false;
  written_bytes_ += open_bytes_;
  open_bytes_ = 0;
  if (!result.ok()) status_ = result.status();
}

FilePlan MessageWriter::AbortPlan() const {
  FilePlan plan{.stages = {}, .owner = owner_};
  if (!spilled_) return plan;
  Stage stage;
  for (const Target& target : targets_) stage.push_back(Unlink{target.tmp_path});
  plan.stages.push_back(std::move(stage));
  return plan;
}

}  // namespace postern::mailbox
