// `postern check`: what the configuration files say together, before anything runs.
#pragma once

#include <string>

#include "core/config/load.h"

namespace postern::cmd {

struct CheckOptions {
  config::LoadOptions load;
  bool json = false;        // one JSON object instead of lines
  bool quiet = false;       // no notices
  bool parameters = false;  // docs/postfix-parameters.md instead; no file is read
};

// Loads the configuration from `files` and appends what was found to `*out`, as
//
//   /etc/postfix/main.cf:33: warning: what will happen
//     mend: what to write instead  [id]
//
// with "security warning" where somebody may be harmed, and a last line that counts. Exit status: 0 no error (warnings
// do not count), 1 errors: the server would not start.
int RunCheck(const CheckOptions& options, config::FileSource& files, std::string* out);

// The findings alone in either form, for the start of the server, which loads for itself.
std::string FormatFindings(const config::Loaded& loaded, bool json, bool quiet);

}  // namespace postern::cmd
