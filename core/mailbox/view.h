// What one session has told its client of a mailbox: the mapping from sequence numbers to UIDs, and how far it has told
// changes. RFC 3501 section 7.4.1: numbers only shift where the protocol lets an EXPUNGE be sent, so each session has
// its own.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/mailbox/mailbox_state.h"

namespace postern::mailbox {

class View {
 public:
  // Takes the mailbox as it is now: every message in it is visible.
  explicit View(std::shared_ptr<MailboxState> state);

  struct Changes {
    std::vector<uint32_t>
        expunged_numbers;                 // in the order to send them, each number as valid at that moment (descending)
    std::vector<uint32_t> expunged_uids;  // the same messages, for VANISHED
    bool exists_changed = false;          // send EXISTS (and RECENT)
    std::vector<uint32_t> changed_uids;   // flags or keywords differ from what was last told; ascending
    bool keywords_grew = false;           // send FLAGS and PERMANENTFLAGS first
  };
  // Brings the view up to the state. Without `expunges` the numbers stay, and expunged messages remain visible as gone.
  Changes Sync(bool expunges);
  // Whether the client knows, or needs not be told, what became of `uid` up to `modseq`.
  bool Knows(uint32_t uid, uint64_t modseq) const;
  // The session itself tells (or, .SILENT, hides) this change of its own: do not report it again up to `modseq`.
  void Told(uint32_t uid, uint64_t modseq);

  uint32_t count() const { return static_cast<uint32_t>(uids_.size()); }
  // Sequence numbers are 1..count().
  uint32_t UidOf(uint32_t number) const { return uids_[number - 1]; }
  // 0: not in the view.
  uint32_t NumberOf(uint32_t uid) const;
  const std::vector<uint32_t>& uids() const { return uids_; }
  MailboxState& state() const { return *state_; }
  const std::shared_ptr<MailboxState>& shared_state() const { return state_; }

 private:
  void TakeExpunges(Changes* changes);

  std::shared_ptr<MailboxState> state_;
  std::vector<uint32_t> uids_;
  uint64_t told_modseq_ = 0;
  size_t told_gone_ = 0;                             // how many of state().gone were looked at, as their total count
  size_t told_keywords_ = 0;                         // how many had names
  std::vector<std::pair<uint32_t, uint64_t>> told_;  // own changes after told_modseq_: UID (ascending), MODSEQ
};

}  // namespace postern::mailbox
