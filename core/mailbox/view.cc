#include "core/mailbox/view.h"

#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"

namespace postern::mailbox {

View::View(std::shared_ptr<MailboxState> state)
    : state_(std::move(state)),
      uids_(state_->uids),
      told_modseq_(state_->highestmodseq),
      told_gone_(state_->gone.size()),
      told_keywords_(state_->keyword_names.size()) {}

uint32_t View::NumberOf(uint32_t uid) const {
  const auto found = std::lower_bound(uids_.begin(), uids_.end(), uid);
  if (found == uids_.end() || *found != uid) return 0;
  return static_cast<uint32_t>(found - uids_.begin()) + 1;
}

View::Changes View::Sync(bool expunges) {
  Changes changes;
  if (expunges && told_gone_ < state_->gone.size()) {
    for (size_t i = told_gone_; i < state_->gone.size(); ++i) {
      if (NumberOf(state_->gone[i].uid) != 0) changes.expunged_uids.push_back(state_->gone[i].uid);
    }
    told_gone_ = state_->gone.size();
    std::sort(changes.expunged_uids.begin(), changes.expunged_uids.end());
    // From the last to the first: each number is still what the client has for it when it is told.
    for (size_t i = changes.expunged_uids.size(); i > 0; --i) {
      changes.expunged_numbers.push_back(NumberOf(changes.expunged_uids[i - 1]));
    }
    const auto gone = [&](uint32_t uid) {
      return std::binary_search(changes.expunged_uids.begin(), changes.expunged_uids.end(), uid);
    };
    if (!changes.expunged_uids.empty()) uids_.erase(std::remove_if(uids_.begin(), uids_.end(), gone), uids_.end());
  }
  const uint32_t last = uids_.empty() ? 0 : uids_.back();
  const size_t first_new = state_->FirstRowFrom(last + 1);
  if (first_new < state_->count() && !PLANTED("exists_lost_in_view")) {
    changes.exists_changed = true;
  }
  if (told_modseq_ < state_->highestmodseq) {
    for (size_t row = 0; row < first_new; ++row) {
      if (state_->modseqs[row] <= told_modseq_) continue;
      const auto own = std::find_if(told_.begin(), told_.end(), [&](const auto& t) { return t.first == state_->uids[row]; });
      if (own != told_.end() && own->second >= state_->modseqs[row]) continue;
      if (NumberOf(state_->uids[row]) != 0) changes.changed_uids.push_back(state_->uids[row]);
    }
    told_modseq_ = state_->highestmodseq;
    told_.clear();
  }
  if (changes.exists_changed) {
    uids_.insert(uids_.end(), state_->uids.begin() + static_cast<ptrdiff_t>(first_new), state_->uids.end());
  }
  changes.keywords_grew = told_keywords_ < state_->keyword_names.size();
  told_keywords_ = state_->keyword_names.size();
  return changes;
}

void View::Told(uint32_t uid, uint64_t modseq) {
  if (modseq <= told_modseq_) return;
  for (auto& [told_uid, told_modseq] : told_) {
    if (told_uid == uid) {
      told_modseq = std::max(told_modseq, modseq);
      return;
    }
  }
  told_.emplace_back(uid, modseq);
}

}  // namespace postern::mailbox
