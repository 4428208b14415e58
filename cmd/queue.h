// `postern queue`: what waits in the queue and what shall become of it, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "cmd/spool.h"

namespace postern::cmd {

struct QueueOptions {
  MailPlace place;
  bool json = false;             // objects, one a line
  std::vector<std::string> ids;  // of messages; ALL
  std::string site;              // flush --site
};

// `verb`: list, show, flush, hold, release, requeue, delete. Appends to `*out` and `*errors`. Exit status: 0; 1 where
// something could not be done or read, or the server does not answer, which `*errors` explains.
int RunQueue(std::string_view verb, const QueueOptions& options, std::string* out, std::string* errors);

}  // namespace postern::cmd
