#include "cmd/replay.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace postern {

int RunReplay(const std::vector<std::string>& arguments) {
  constexpr int kExitUnavailable = 69;
  char own[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", own, sizeof own);
  std::string program(own, length > 0 ? static_cast<size_t>(length) : 0);
  program.erase(program.rfind('/') + 1);  // npos + 1 is 0
  program += "postern-sim";
  std::vector<char*> argv{program.data(), const_cast<char*>("replay")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  std::fprintf(stderr, "postern: %s: %s\n", program.c_str(), std::strerror(errno));
  return kExitUnavailable;
}

}  // namespace postern
