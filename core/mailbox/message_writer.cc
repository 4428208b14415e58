#include "core/mailbox/message_writer.h"

#include <algorithm>
#include <utility>

namespace postern::mailbox {

void MessageWriter::Add(std::string_view bytes) {
  while (!bytes.empty()) {
    if (held_cr_) {
      held_cr_ = false;
      // CRLF: the CR goes, but for one that follows another CR.
      if (bytes.front() == '\n' && before_last_ != '\r') {
        Keep("\n", 2);
        bytes.remove_prefix(1);
      } else {
        Keep("\r", 1);
      }
      continue;
    }
    const size_t run = bytes.find('\r');
    const std::string_view plain = bytes.substr(0, run);
    if (!plain.empty()) {
      // A bare LF is read back as CRLF, but for one that follows a CR.
      auto bare = static_cast<uint64_t>(std::count(plain.begin(), plain.end(), '\n'));
      if (plain.front() == '\n' && before_last_ == '\r') --bare;
      Keep(plain, plain.size() + bare);
    }
    if (run == std::string_view::npos) break;
    held_cr_ = true;
    bytes.remove_prefix(run + 1);
  }
  if (pending_.size() > kMemoryBytesMax) Spill();
}

void MessageWriter::Keep(std::string_view bytes, uint64_t crlf_bytes) {
  if (status_.ok()) pending_.append(bytes);
  before_last_ = bytes.back();
  file_bytes_ += bytes.size();
  crlf_bytes_ += crlf_bytes;
}

void MessageWriter::Spill() {
  spilled_ = true;
  if (targets_.empty()) Fail(ResourceExhausted("the message is too long for memory, and has no file"));
}

// What can't be kept is still counted, so that the caller stays in step with its client.
void MessageWriter::Fail(Status status) {
  status_ = std::move(status);
  pending_.clear();
  pending_.shrink_to_fit();
  open_ = nullptr;
}

void MessageWriter::End() {
  if (held_cr_) {
    held_cr_ = false;
    Keep("\r", 1);
  }
  ended_ = true;
  if (!spilled_) bytes_ = std::make_shared<const std::string>(std::exchange(pending_, {}));
}

std::optional<FilePlan> MessageWriter::TakePlan() {
  if (!spilled_ || plan_open_ || !status_.ok()) return std::nullopt;
  FilePlan plan{.stages = {}, .owner = owner_};
  if (retry_.empty()) {
    if (pending_.empty() || (!ended_ && pending_.size() < kMemoryBytesMax / 4))
      return std::nullopt;  // not worth it yet
    open_ = std::make_shared<const std::string>(std::exchange(pending_, {}));
    for (size_t i = 0; i < targets_.size(); ++i) retry_.push_back(i);
  } else {
    Stage folders;
    for (const size_t i : retry_) {
      folders.push_back(MakeDir{targets_[i].tmp_path.substr(0, targets_[i].tmp_path.rfind('/'))});
    }
    plan.stages.push_back(std::move(folders));
  }
  Stage append;
  for (const size_t i : retry_) {
    const Target& target = targets_[i];
    Chain chain;
    if (written_bytes_ == 0) chain.Append(target.prefix);
    chain.Append(open_);
    const uint64_t at = written_bytes_ == 0 ? 0 : target.prefix.size() + written_bytes_;
    append.push_back(Append{.path = target.tmp_path, .at_bytes = at, .bytes = std::move(chain)});
  }
  plan.stages.push_back(std::move(append));
  asked_ = std::exchange(retry_, {});
  plan_open_ = true;
  return plan;
}

void MessageWriter::OnPlanDone(const PlanResult& result) {
  plan_open_ = false;
  if (!result.ok()) {
    // A Maildir that has no tmp/ yet gets one, once; the folders' own names are delivery's matter.
    const bool all_missing =
        std::all_of(result.failures.begin(), result.failures.end(), [this](const OpFailure& failure) {
          return failure.stage == 0 && failure.status.code() == StatusCode::kNotFound && failure.op < asked_.size() &&
                 targets_[asked_[failure.op]].make_folder;
        });
    if (!all_missing || written_bytes_ != 0 || made_folders_) return Fail(result.status());
    made_folders_ = true;
    for (const OpFailure& failure : result.failures) {
      retry_.push_back(asked_[failure.op]);
    }
    return;
  }
  if (open_ != nullptr) written_bytes_ += open_->size();
  open_ = nullptr;
}

FilePlan MessageWriter::AbortPlan() const {
  FilePlan plan{.stages = {}, .owner = owner_};
  if (!spilled_ || targets_.empty()) return plan;
  Stage stage;
  for (const Target& target : targets_) stage.push_back(Unlink{target.tmp_path});
  plan.stages.push_back(std::move(stage));
  return plan;
}

}  // namespace postern::mailbox
