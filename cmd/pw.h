// `postern pw`: password hashes for users files, in the way of `doveadm pw` (Dovecot 2.3): same options, same output,
// nothing on the error stream unless something is wrong. The entry in cmd/main.cc reads the options.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "core/base/entropy.h"

namespace postern {

struct PwOptions {
  std::string scheme = "CRYPT";          // -s
  std::optional<std::string> password;   // -p; without it two lines of `in` (one with -t)
  std::string user;                      // -u, for DIGEST-MD5
  std::optional<std::string> test_hash;  // -t
  uint32_t rounds = 0;                   // -r
  bool verify = false;                   // -V
  bool list = false;                     // -l
};

// Returns the exit code: 0, or 75 with one line on `err`.
int RunPw(const PwOptions& options, std::istream& in, std::ostream& out, std::ostream& err, Entropy& entropy);

}  // namespace postern
