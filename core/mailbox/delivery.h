// New mail into Maildirs, straight from SMTP: one plan for all recipients of a message, durable when it is done.
//
//   write each file in tmp/ -> flush each -> give each its name in new/ -> flush each new/
//
// Nothing here needs the account: whoever has the mailbox open is told afterwards, everybody else finds the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/boundary/file_plan.h"

namespace postern::mailbox {

struct DeliveryTarget {
  Path maildir;        // the folder that gets it: INBOX mostly
  std::string base;    // UniqueNames::Next without sizes
  std::string prefix;  // this recipient's trace fields, LF line ends
  Path spilled_path;   // already written there (prefix and all); empty: made from `bytes`
};

// The plan that delivers `bytes` (without prefix, `file_bytes` and `crlf_bytes` long) to every target. `make_folders`:
// with the folders of targets that have none yet, for a second try after kNotFound.
FilePlan PlanDelivery(const std::vector<DeliveryTarget>& targets, const SharedBytes& bytes, uint64_t file_bytes,
                      uint64_t crlf_bytes, FileOwner owner, bool make_folders);

// Which targets a failed plan of PlanDelivery did not reach; all of them where later stages were not begun.
// The plan that takes back what was made of a delivery that is to be answered with a failure.
FilePlan PlanRevocation(const std::vector<DeliveryTarget>& targets, uint64_t file_bytes, uint64_t crlf_bytes,
                        FileOwner owner);

// The name in new/: base with ,S= and ,W= of the whole file.
std::string DeliveredName(const DeliveryTarget& target, uint64_t file_bytes, uint64_t crlf_bytes);

}  // namespace postern::mailbox
