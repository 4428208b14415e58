// RetryQueue knows which deferred message is tried next, in bounded memory however many wait on disk.
//
// It holds the soonest of them, at most `limit`. Those that don't fit are forgotten, but not when the first of them is
// due: then deferred/ has to be read again, at most every queue_run_delay (as qmgr(8) does always).
//
//               Put                      due, or Flush
//   (on disk) ------> waiting ----------------------------> due -- Take --> (the caller's)
//       ^                |
//       +----------------+  more than `limit`: the latest
//
// All times are monotonic: RemainingWait (retry.h) makes them from what is kept on disk. Every operation is O(log n);
// FlushAll moves each message once at most.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/time.h"

namespace postern::queue {

class RetryQueue {
 public:
  struct Settings {
    size_t messages_count_max = 20000;        // at least 1
    Duration queue_run_delay = Seconds(300);  // the shortest time between two readings of deferred/; at least a second
  };

  explicit RetryQueue(const Settings& settings) : settings_(settings) {}

  // A try of `id` ended: it waits until `due`, whatever was known of it before.
  void Put(std::string_view id, Instant due);
  // It waits no longer: delivered, held, deleted. Unknown ones are no error.
  void Remove(std::string_view id);

  // The next message that is due, and it is out of the queue; nullopt: none is. Flushed ones come first, then by time.
  std::optional<std::string> Take(Instant now);

  // `postqueue -f`: all are due, also those only on disk.
  void FlushAll();
  // `postqueue -i`, ETRN. False: unknown here, it may be on disk.
  bool Flush(std::string_view id);

  // Has deferred/ to be read now? At the start it has.
  bool WantsScan(Instant now) const;
  void ScanBegins(Instant now);
  // The scan found `id`, which isn't in the active queue. What is known of it already counts more. False: there is no
  // room (only in a scan after FlushAll, which ignores times and so can't forget the latest): the scan goes on with the
  // same message when some were taken.
  bool Found(std::string_view id, Instant due);
  void ScanDone() { scanning_ = false; }
  // It could not be read: all of deferred/ may be unknown, and is read again after queue_run_delay.
  void ScanFailed() {
    scanning_ = false;
    beyond_ = scan_began_;
  }

  // When Take() or WantsScan() may next say yes if nothing else happens; nullopt: never.
  std::optional<Instant> NextWakeup() const;

  size_t size() const { return by_id_.size(); }

 private:
  // By time, then in the order of coming: the same run gives the same order.
  using Key = std::pair<Instant, uint64_t>;
  using Waiting = std::map<Key, std::string>;
  struct Place {
    Key key;
    bool flushed = false;
  };

  void Insert(std::string_view id, Instant due, bool flushed);
  void ForgetTheLatest();
  bool full() const { return by_id_.size() >= std::max<size_t>(settings_.messages_count_max, 1); }
  Instant NextScan() const;

  Settings settings_;
  Waiting waiting_, flushed_;
  std::map<std::string, Place, std::less<>> by_id_;
  // The earliest of those that are only on disk; nullopt: all are here.
  std::optional<Instant> beyond_ = Instant{std::numeric_limits<int64_t>::min()};
  std::optional<Instant> scan_began_;
  uint64_t next_number_ = 0;
  bool scanning_ = false;
  bool flush_wanted_ = false;  // of those on disk
  bool scan_flushes_ = false;  // the scan under way
};

}  // namespace postern::queue
