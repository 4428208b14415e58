// Maildir file names: "<base>[,S=<size>][,W=<vsize>][:2,<flags>[,<other>]]", as Dovecot, Courier and Postfix write
// them.
//
// The base (everything before the last ':') is a message's identity: it never changes and is what dovecot-uidlist
// names. Flags are ASCII letters in order; letters nobody here knows, and whatever stands behind a second ',', are
// kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/entropy.h"
#include "core/base/time.h"
#include "core/mailbox/flags.h"

namespace postern::mailbox {

struct NodeFacts;

// A file name taken apart; views into the name.
struct NameParts {
  std::string_view base;                    // with ,S= and ,W=
  std::string_view letters;                 // after ":2,", up to a second ','; empty where there is no info part
  std::string_view other;                   // from the second ',' on, with it
  bool has_info = false;                    // ":2," is there
  std::optional<uint64_t> size, crlf_size;  // ,S= and ,W= where their digits end as they must
};
NameParts ParseName(std::string_view name);
// What a message is known by, in dovecot-uidlist and here: the name up to its first ':'. But for names that nobody
// makes this is the base.
inline std::string_view BaseOf(std::string_view name) { return name.substr(0, name.find(':')); }

// The system flags and keyword letters (bit 0: 'a') among `letters`.
Flags FlagsOf(std::string_view letters);
Keywords KeywordsOf(std::string_view letters);

// `base` with ":2," and the letters of these flags, keeping the letters of `old_letters` that are neither system flags
// nor a..z, and `other`.
std::string FormatName(std::string_view base, Flags flags, Keywords keywords, std::string_view old_letters,
                       std::string_view other);

// The order of first discovery: by the seconds, the microseconds (where both have them), then the rest of the base.
bool NamedBefore(std::string_view base_a, std::string_view base_b);

// Makes names that no other process, shard or host makes, and that grow with time. One for each shard.
class UniqueNames {
 public:
  UniqueNames(const NodeFacts& node, uint16_t shard);
  // "<sec>.M<usec>P<pid>R<start counter>Q<shard>_<n>.<host>"; the time never goes back, whatever the clock does.
  std::string Next(WallTime now);
  // With ",S=<file_bytes>,W=<crlf_bytes>".
  std::string Next(WallTime now, uint64_t file_bytes, uint64_t crlf_bytes);
  // Was `name` made in this life of this process, by any of its shards? Whatever its age by the clock, it is in use.
  bool MadeInThisLife(std::string_view name) const;

 private:
  std::string life_;  // "P<pid>R<start counter>Q": every shard's
  std::string tail_;
  std::string host_;
  int64_t last_us_ = 0;
  uint64_t count_ = 0;
};

}  // namespace postern::mailbox
