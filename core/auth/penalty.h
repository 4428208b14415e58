// Slows down those who guess passwords, by address, as Dovecot's anvil does: after a failure the next attempts from
// there wait 2, 4, 8 and then 15 seconds, counted from the failure. A success forgets it all, an hour of quiet too. The
// same wrong password again is a badly configured program rather than a guess, and adds nothing.
//
// IPv6 clients count by /48, since one customer has that many addresses.
// Owner: one shard or node (approximate on purpose: nobody is refused, only made to wait). Bounded: at most
// `entries_max` addresses are remembered; the ones that failed longest ago are forgotten first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>

#include "core/base/ip.h"
#include "core/base/time.h"

namespace postern::auth {

class PenaltyTable {
 public:
  explicit PenaltyTable(size_t entries_max = 65536) : entries_max_(entries_max) {}

  // How long an attempt from `address` that begins at `now` has to wait; zero for those without a failure.
  Duration DelayBefore(const IpAddress& address, Instant now) const;
  // `attempt`: a digest of user and password, to know the same attempt again; never the password.
  void OnFailure(const IpAddress& address, uint64_t attempt, Instant now);
  void OnSuccess(const IpAddress& address);

  size_t size() const { return entries_.size(); }

 private:
  using Key = std::array<uint8_t, 17>;  // address, cut to its network, and its family
  static constexpr size_t kAttemptsKept = 10;

  struct Entry {
    uint32_t failures = 0;
    Instant last;
    std::array<uint64_t, kAttemptsKept> attempts{};
    size_t attempts_count = 0;
    std::list<Key>::iterator position;
  };

  static Key KeyOf(const IpAddress& address);
  void ForgetOld(Instant now);

  const size_t entries_max_;
  std::map<Key, Entry> entries_;
  std::list<Key> by_age_;  // the latest failure last
};

}  // namespace postern::auth
