// What makes this process one of its kind: the lock on the state folder, so that no second one writes the same files,
// and the number of its start, which goes into names that must never be given twice.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/host/root.h"
#include "adapters/host/unique_fd.h"
#include "core/base/status.h"

namespace postern::host {

struct NodeStart {
  uint64_t start_counter = 0;  // from 1; greater at every start, also after a power loss
  UniqueFd lock;               // held as long as the process lives
};

// Takes the lock and counts the start in `state_directory`, durably, before it returns. kFailedPrecondition: another
// process has the lock; kDataLoss: the counter's file does not hold a number; others as the file system says.
StatusOr<NodeStart> StartNode(const Root& root, const std::string& state_directory);

}  // namespace postern::host
