// `postern queue`: what waits in the queue, for people and for programs.
#pragma once

#include <string>

#include "adapters/host/root.h"
#include "core/config/load.h"

namespace postern::cmd {

struct QueueListOptions {
  config::LoadOptions load;
  bool json = false;  // an object a line, as `postqueue -j`; otherwise as `mailq`
};

// Lists the queue files below the configured queue directory, oldest first, and appends the list to `*out`. A file that
// can't be read is listed as such: it is somebody's mail. Exit status: 0; 1 where the configuration does not load or a
// folder can't be read, which `*errors` explains. Only beginnings of files are read: their checksums are not looked at.
int RunQueueList(const QueueListOptions& options, config::FileSource& files, const host::Root& root, std::string* out,
                 std::string* errors);

}  // namespace postern::cmd
