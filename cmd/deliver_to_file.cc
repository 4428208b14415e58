#include "cmd/deliver_to_file.h"

#include <cstdio>

#include "adapters/files/mbox_file.h"

namespace postern::cmd {
namespace {

constexpr int kExitFileUsage = 64;      // EX_USAGE
constexpr int kExitCannotDeliver = 73;  // EX_CANTCREAT; what was printed counts

}  // namespace

int RunDeliverToFile(const std::vector<std::string>& words) {
  const auto job = files::ParseMboxJob(words);
  if (!job) {
    std::fprintf(stderr, "postern deliver-to-file: for the server's own use\n");
    return kExitFileUsage;
  }
  const std::string error = files::AppendToMbox(*job, 0);
  if (error.empty()) return 0;
  std::printf("%s\n", error.c_str());
  return kExitCannotDeliver;
}

}  // namespace postern::cmd
