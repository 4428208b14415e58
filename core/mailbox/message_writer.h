// MessageWriter takes a message's bytes as they come (CRLF form, from DATA, BDAT or APPEND) and keeps them as a Maildir
// file will have them: in memory while they are few, else in files of tmp/, one for each folder it goes to, because
// each has trace fields of its own in front.
//
//   Line ends on disk are LF, as Maildir programs expect: CRLF becomes LF, unless another CR stands before it. Reading
//   makes CRLF of each LF that has no CR before it. So CRCRLF, lone CR and NUL come back as they were sent; only a bare
//   LF that a client managed to send comes back as CRLF, which is what IMAP demands of any server.
//
// Owner: one session, one message. Memory: at most kMemoryBytesMax and what one call brings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/boundary/file_plan.h"

namespace postern::mailbox {

inline constexpr size_t kMemoryBytesMax = 262144;  // measured: below it one write is cheaper than appending in pieces

class MessageWriter {
 public:
  // A file to write where the message gets too long for memory.
  struct Target {
    Path tmp_path;
    std::string prefix;  // trace fields, LF line ends
    // Its folder is made where it is missing: for delivery to a user's first mail. APPEND does not want a mailbox made.
    bool make_folder = false;
  };
  MessageWriter(std::vector<Target> targets, FileOwner owner) : targets_(std::move(targets)), owner_(owner) {}

  void Add(std::string_view bytes);
  // The message is complete: a CR at the very end is kept.
  void End();

  // What must be written before more is taken; nullopt: nothing. One plan at a time: PlanDone goes to OnPlanDone.
  std::optional<FilePlan> TakePlan();
  void OnPlanDone(const PlanResult& result);
  // The caller pauses reading: memory is full and a plan is under way.
  bool must_wait() const { return plan_open_ && pending_.size() >= kMemoryBytesMax; }
  bool plan_open() const { return plan_open_; }
  // Everything is on its way: End was called and, where files are used, all of it is written (not flushed).
  bool complete() const {
    return ended_ && !plan_open_ && (!spilled_ || !status_.ok() || (pending_.empty() && retry_.empty()));
  }

  // The disk is full, say: the message can't be kept. It is still counted; AbortPlan removes what is there.
  const Status& status() const { return status_; }
  bool spilled() const { return spilled_; }
  // After End, where not spilled: the bytes, without any prefix.
  const SharedBytes& bytes() const { return bytes_; }
  const std::vector<Target>& targets() const { return targets_; }
  uint64_t file_bytes() const { return file_bytes_; }  // without prefix
  uint64_t crlf_bytes() const { return crlf_bytes_; }
  // What removes the files; empty where there are none.
  FilePlan AbortPlan() const;

 private:
  void Keep(std::string_view bytes, uint64_t crlf_bytes);
  void Spill();
  void Fail(Status status);

  std::vector<Target> targets_;
  FileOwner owner_;
  std::string pending_;      // converted, not written yet
  SharedBytes bytes_;        // all of it, where it stayed in memory
  char before_last_ = '\0';  // the byte before a held CR, else the last one
  bool held_cr_ = false;     // a CR that may belong to a CRLF
  bool spilled_ = false, plan_open_ = false, ended_ = false, made_folders_ = false;
  SharedBytes open_;                   // being written
  std::vector<size_t> asked_, retry_;  // targets of the plan under way; those whose folder was missing
  uint64_t written_bytes_ = 0;         // of the message, in each file
  uint64_t file_bytes_ = 0, crlf_bytes_ = 0;
  Status status_;
};

}  // namespace postern::mailbox
