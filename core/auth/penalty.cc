#include "core/auth/penalty.h"

#include <algorithm>

namespace postern::auth {
namespace {

// Dovecot's numbers.
constexpr std::array<Duration, 4> kDelays = {Seconds(2), Seconds(4), Seconds(8), Seconds(15)};
constexpr Duration kForgetAfter = Seconds(3600);
constexpr size_t kIpv6NetworkBytes = 6;

}  // namespace

PenaltyTable::Key PenaltyTable::KeyOf(const IpAddress& address) {
  Key key{};
  std::copy_n(address.bytes.begin(), address.v6 ? kIpv6NetworkBytes : 4, key.begin());
  key.back() = address.v6;
  return key;
}

Duration PenaltyTable::DelayBefore(const IpAddress& address, Instant now) const {
  const auto found = entries_.find(KeyOf(address));
  if (found == entries_.end() || now - found->second.last >= kForgetAfter) return {};
  const size_t step = std::min<size_t>(found->second.failures, kDelays.size()) - 1;
  const Duration left = (found->second.last + kDelays[step]) - now;
  return std::max(left, Duration{});
}

void PenaltyTable::OnFailure(const IpAddress& address, uint64_t attempt, Instant now) {
  if (entries_max_ == 0) return;
  ForgetOld(now);
  const Key key = KeyOf(address);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() == entries_max_) {
      entries_.erase(by_age_.front());
      by_age_.pop_front();
    }
    found = entries_.emplace(key, Entry{}).first;
    found->second.position = by_age_.insert(by_age_.end(), key);
  }
  Entry& entry = found->second;
  const auto known_end = entry.attempts.begin() + std::min(entry.attempts_count, kAttemptsKept);
  if (std::find(entry.attempts.begin(), known_end, attempt) != known_end) return;
  entry.attempts[entry.attempts_count++ % kAttemptsKept] = attempt;
  entry.failures = std::min<uint32_t>(entry.failures + 1, kDelays.size());
  entry.last = now;
  by_age_.splice(by_age_.end(), by_age_, entry.position);
}

void PenaltyTable::OnSuccess(const IpAddress& address) {
  const auto found = entries_.find(KeyOf(address));
  if (found == entries_.end()) return;
  by_age_.erase(found->second.position);
  entries_.erase(found);
}

void PenaltyTable::ForgetOld(Instant now) {
  while (!by_age_.empty()) {
    const auto oldest = entries_.find(by_age_.front());
    if (now - oldest->second.last < kForgetAfter) return;
    entries_.erase(oldest);
    by_age_.pop_front();
  }
}

}  // namespace postern::auth
