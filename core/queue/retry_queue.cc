#include "core/queue/retry_queue.h"

#include <iterator>

namespace postern::queue {

void RetryQueue::Put(std::string_view id, Instant due) {
  Remove(id);
  Insert(id, due, false);
  if (by_id_.size() > std::max<size_t>(settings_.messages_count_max, 1)) ForgetTheLatest();
}

bool RetryQueue::Found(std::string_view id, Instant due) {
  if (by_id_.contains(id)) return true;
  if (scan_flushes_) {
    if (full()) {
      if (waiting_.empty()) return false;
      ForgetTheLatest();
    }
    Insert(id, due, true);
    return true;
  }
  Insert(id, due, false);
  if (by_id_.size() > std::max<size_t>(settings_.messages_count_max, 1)) ForgetTheLatest();
  return true;
}

void RetryQueue::Insert(std::string_view id, Instant due, bool flushed) {
  const Key key{due, next_number_++};
  (flushed ? flushed_ : waiting_).emplace(key, id);
  by_id_.emplace(std::string(id), Place{key, flushed});
}

void RetryQueue::Remove(std::string_view id) {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return;
  (at->second.flushed ? flushed_ : waiting_).erase(at->second.key);
  by_id_.erase(at);
}

// One that was flushed is only forgotten where there is no other: a flush that is forgotten is a request unheard.
void RetryQueue::ForgetTheLatest() {
  Waiting& from = waiting_.empty() ? flushed_ : waiting_;
  const auto latest = std::prev(from.end());
  beyond_ = beyond_ ? std::min(*beyond_, latest->first.first) : latest->first.first;
  by_id_.erase(latest->second);
  from.erase(latest);
}

std::optional<std::string> RetryQueue::Take(Instant now) {
  Waiting& from = flushed_.empty() ? waiting_ : flushed_;
  if (from.empty()) return std::nullopt;
  const auto first = from.begin();
  if (flushed_.empty() && first->first.first > now) return std::nullopt;
  std::string id = std::move(first->second);
  from.erase(first);
  by_id_.erase(id);
  return id;
}

void RetryQueue::FlushAll() {
  for (const auto& [key, id] : waiting_) by_id_.find(id)->second.flushed = true;
  flushed_.merge(waiting_);
  if (beyond_ || scanning_) flush_wanted_ = true;
}

bool RetryQueue::Flush(std::string_view id) {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return false;
  if (!at->second.flushed) {
    flushed_.insert(waiting_.extract(at->second.key));
    at->second.flushed = true;
  }
  return true;
}

// A scan that a person asked for waits for nothing; the others keep their distance, so that a queue with more due
// messages than fit here doesn't read its folder all the time.
Instant RetryQueue::NextScan() const {
  if (flush_wanted_ || !scan_began_) return Instant{std::numeric_limits<int64_t>::min()};
  return std::max(*beyond_, *scan_began_ + std::max(settings_.queue_run_delay, Seconds(1)));
}

bool RetryQueue::WantsScan(Instant now) const { return !scanning_ && (flush_wanted_ || beyond_) && NextScan() <= now; }

void RetryQueue::ScanBegins(Instant now) {
  scanning_ = true;
  scan_began_ = now;
  scan_flushes_ = flush_wanted_;
  flush_wanted_ = false;
  beyond_.reset();
}

std::optional<Instant> RetryQueue::NextWakeup() const {
  std::optional<Instant> next;
  if (!flushed_.empty()) {
    next = Instant{std::numeric_limits<int64_t>::min()};
  } else if (!waiting_.empty()) {
    next = waiting_.begin()->first.first;
  }
  if (!scanning_ && (flush_wanted_ || beyond_)) next = next ? std::min(*next, NextScan()) : NextScan();
  return next;
}

}  // namespace postern::queue
