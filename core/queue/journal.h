// The journal of a queued message: what became of its recipients and of its sender, one line each, in the order in
// which it happened. It lies at journal/ID whatever folder the message is in, and is only ever added to:
//
//   done 3                                      recipient 3 is settled: delivered, or told of as failed
//   deferred 0 4.4.1 connect+20to+20mx...       why recipient 0 still waits; the last one counts
//   delay-told                                  the sender knows that the message waits (delay_warning_time)
//
// A crash leaves a line or the beginning of one, which counts for nothing. Whoever goes on after a crash, with a
// journal that does not end in a line end, begins with one: else the next line would be lost with the torn one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/queue/queue_file.h"

namespace postern::queue {

// What is kept of the reasons that remote hosts give.
inline constexpr size_t kDeferralBytesMax = 1000;

std::string FormatDone(size_t index);
// `status` of RFC 3463 ("4.4.1"), `text` as logs and mailq show it: both in any form, `text` is cut.
std::string FormatDeferred(size_t index, std::string_view status, std::string_view text);
std::string FormatDelayTold();

// Marks recipients and `delay_told`. What is torn, unknown or beyond the last recipient counts for nothing; a recipient
// that is done has no reason to wait.
void ApplyJournal(std::string_view journal, Envelope* envelope);

}  // namespace postern::queue
