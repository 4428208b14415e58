// The records of the last while on disk, for `postern trace`: JSON lines in a few files of bounded size, of which the
// oldest goes when a new one begins.
//
//   DIR/0000000041.jsonl ... DIR/0000000048.jsonl     written behind the last one's end
//
// Nothing waits for it to be durable, and what can't be written is left out: records never stop mail. Readers see whole
// lines but for the last one, which may be under way or torn by a crash; every process begins with a line of its own.
// Owner: Logger, under its lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/host/unique_fd.h"
#include "core/base/status.h"

namespace postern::log {

class RecordRing {
 public:
  struct Options {
    std::string dir;         // as the operating system sees it; its parent exists. Made for its owner alone (0700)
    uint64_t bytes_max = 0;  // of all files together, about: a file holds one batch at least. 0: nothing is written
  };
  explicit RecordRing(Options options) : options_(std::move(options)) {}

  // Appends whole lines. After an error it is tried anew at the next call, with the next lines.
  Status Write(std::string_view lines);
  // Opens the file anew: somebody may have moved it away.
  void Reopen() { file_.Reset(); }

  // The files from the oldest to the newest, with their paths; empty where there is no such folder.
  static StatusOr<std::vector<std::string>> Files(const std::string& dir);

 private:
  Status OpenLast();
  Status Begin(uint64_t number);
  void RemoveOldest();
  std::string PathOf(uint64_t number) const;
  uint64_t file_bytes_max() const;

  const Options options_;
  host::UniqueFd file_;
  uint64_t number_ = 0;      // of the file that is written; 0: none yet
  uint64_t file_bytes_ = 0;  // its length
};

}  // namespace postern::log
