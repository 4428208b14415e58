#include "core/mailbox/view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/boundary/planted.h"

namespace postern::mailbox {
namespace {

size_t NamedKeywords(const MailboxState& state) {
  return static_cast<size_t>(std::count_if(state.keyword_names.begin(), state.keyword_names.end(),
                                           [](const std::string& name) { return !name.empty(); }));
}

size_t GoneCount(const MailboxState& state) { return state.gone_dropped + state.gone.size(); }

}  // namespace

View::View(std::shared_ptr<MailboxState> state)
    : state_(std::move(state)),
      uids_(state_->uids),
      told_modseq_(state_->highestmodseq),
      told_gone_(GoneCount(*state_)),
      told_keywords_(NamedKeywords(*state_)) {}

uint32_t View::NumberOf(uint32_t uid) const {
  const auto found = std::lower_bound(uids_.begin(), uids_.end(), uid);
  if (found == uids_.end() || *found != uid) return 0;
  return static_cast<uint32_t>(found - uids_.begin()) + 1;
}

View::Changes View::Sync(bool expunges) {
  Changes changes;
  if (expunges && told_gone_ < GoneCount(*state_)) TakeExpunges(&changes);
  const uint32_t last = uids_.empty() ? 0 : uids_.back();
  const size_t first_new = last == UINT32_MAX ? state_->count() : state_->FirstRowFrom(last + 1);
  if (first_new < state_->count() && !PLANTED("exists_lost_in_view")) {
    changes.exists_changed = true;
  }
  if (told_modseq_ < state_->highestmodseq) {
    auto own = told_.begin();  // both ascend
    for (size_t row = 0; row < first_new; ++row) {
      if (state_->modseqs[row] <= told_modseq_) continue;
      const uint32_t uid = state_->uids[row];
      while (own != told_.end() && own->first < uid) ++own;
      if (own != told_.end() && own->first == uid && own->second >= state_->modseqs[row]) continue;
      if (NumberOf(uid) != 0) changes.changed_uids.push_back(uid);
    }
    told_modseq_ = state_->highestmodseq;
    told_.clear();
  }
  if (changes.exists_changed) {
    uids_.insert(uids_.end(), state_->uids.begin() + static_cast<ptrdiff_t>(first_new), state_->uids.end());
  }
  const size_t keywords = NamedKeywords(*state_);
  changes.keywords_grew = told_keywords_ < keywords;
  told_keywords_ = keywords;
  return changes;
}

void View::TakeExpunges(Changes* changes) {
  if (told_gone_ < state_->gone_dropped) {  // the history was cut meanwhile: what the mailbox does not have is gone
    std::set_difference(uids_.begin(), uids_.end(), state_->uids.begin(), state_->uids.end(),
                        std::back_inserter(changes->expunged_uids));
  } else {
    for (size_t i = told_gone_ - state_->gone_dropped; i < state_->gone.size(); ++i) {
      if (NumberOf(state_->gone[i].uid) != 0) changes->expunged_uids.push_back(state_->gone[i].uid);
    }
    std::sort(changes->expunged_uids.begin(), changes->expunged_uids.end());
  }
  told_gone_ = GoneCount(*state_);
  // From the last to the first: each number is still what the client has for it when it is told.
  for (size_t i = changes->expunged_uids.size(); i > 0; --i) {
    changes->expunged_numbers.push_back(NumberOf(changes->expunged_uids[i - 1]));
  }
  std::vector<uint32_t> left;
  left.reserve(uids_.size() - changes->expunged_uids.size());
  std::set_difference(uids_.begin(), uids_.end(), changes->expunged_uids.begin(), changes->expunged_uids.end(),
                      std::back_inserter(left));
  uids_ = std::move(left);
}

bool View::Knows(uint32_t uid, uint64_t modseq) const {
  if (modseq <= told_modseq_) return true;
  const auto at = std::lower_bound(told_.begin(), told_.end(), uid,
                                   [](const auto& t, uint32_t wanted) { return t.first < wanted; });
  return at != told_.end() && at->first == uid && at->second >= modseq;
}

void View::Told(uint32_t uid, uint64_t modseq) {
  if (modseq <= told_modseq_) return;
  const auto at = std::lower_bound(told_.begin(), told_.end(), uid,
                                   [](const auto& t, uint32_t wanted) { return t.first < wanted; });
  if (at != told_.end() && at->first == uid) {
    at->second = std::max(at->second, modseq);
  } else {
    told_.emplace(at, uid, modseq);
  }
}

}  // namespace postern::mailbox
