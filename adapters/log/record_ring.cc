#include "adapters/log/record_ring.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "adapters/host/errno_status.h"

namespace postern::log {
namespace {

// So many files: what goes at once is an eighth of what is kept.
constexpr uint64_t kRecordFiles = 8;
constexpr uint64_t kRecordFilesMax = 4 * kRecordFiles;
constexpr std::string_view kRecordEnding = ".jsonl";
constexpr size_t kRecordDigits = 10;

std::optional<uint64_t> RecordNumber(std::string_view name) {
  if (name.size() != kRecordDigits + kRecordEnding.size() || !name.ends_with(kRecordEnding)) return std::nullopt;
  uint64_t number = 0;
  for (const char c : name.substr(0, kRecordDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

// Ascending; kNotFound where there is no folder.
StatusOr<std::vector<uint64_t>> RecordNumbers(const std::string& dir) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(dir.c_str()), &closedir);
  if (folder == nullptr) return host::StatusFromErrno(errno, "open " + dir);
  std::vector<uint64_t> numbers;
  while (const dirent* const entry = readdir(folder.get())) {
    if (const auto number = RecordNumber(entry->d_name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string RecordPath(const std::string& dir, uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%0*llu", static_cast<int>(kRecordDigits), static_cast<unsigned long long>(number));
  return dir + "/" + name + std::string(kRecordEnding);
}

}  // namespace

StatusOr<std::vector<std::string>> RecordRing::Files(const std::string& dir) {
  const auto numbers = RecordNumbers(dir);
  std::vector<std::string> files;
  if (!numbers.ok() && numbers.status().code() == StatusCode::kNotFound) return files;
  if (!numbers.ok()) return numbers.status();
  for (const uint64_t number : *numbers) files.push_back(RecordPath(dir, number));
  return files;
}

std::string RecordRing::PathOf(uint64_t number) const { return RecordPath(options_.dir, number); }

uint64_t RecordRing::file_bytes_max() const { return std::max<uint64_t>(options_.bytes_max / kRecordFiles, 1); }

Status RecordRing::Write(std::string_view lines) {
  if (options_.bytes_max == 0 || lines.empty()) return OkStatus();
  if (!file_.valid()) POSTERN_RETURN_IF_ERROR(OpenLast());
  if (file_bytes_ != 0 && file_bytes_ + lines.size() > file_bytes_max()) POSTERN_RETURN_IF_ERROR(Begin(number_ + 1));
  const uint64_t before = file_bytes_;
  while (!lines.empty()) {
    const ssize_t written = write(file_.get(), lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const Status status = host::StatusFromErrno(errno, "write " + PathOf(number_));
      // No half a line stays. Where that can't be done either, the end is looked at before the next line.
      if (ftruncate(file_.get(), static_cast<off_t>(before)) != 0) file_.Reset();
      file_bytes_ = before;
      return status;
    }
    file_bytes_ += static_cast<uint64_t>(written);
    lines.remove_prefix(static_cast<size_t>(written));
  }
  return OkStatus();
}

// The file that was written last, where it ends with a whole line and has room; else a new one.
Status RecordRing::OpenLast() {
  if (mkdir(options_.dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return host::StatusFromErrno(errno, "mkdir " + options_.dir);
  }
  const auto numbers = RecordNumbers(options_.dir);
  if (!numbers.ok()) return numbers.status();
  number_ = std::max(number_, numbers->empty() ? 0 : numbers->back());
  if (number_ == 0) return Begin(1);
  host::UniqueFd file(open(PathOf(number_).c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  struct stat facts {};
  if (!file.valid() || fstat(file.get(), &facts) != 0) return Begin(number_ + 1);
  char last = '\n';
  const bool torn = facts.st_size > 0 && (pread(file.get(), &last, 1, facts.st_size - 1) != 1 || last != '\n');
  if (torn || static_cast<uint64_t>(facts.st_size) >= file_bytes_max()) return Begin(number_ + 1);
  file_ = std::move(file);
  file_bytes_ = static_cast<uint64_t>(facts.st_size);
  RemoveOldest();
  return OkStatus();
}

Status RecordRing::Begin(uint64_t number) {
  host::UniqueFd file(open(PathOf(number).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return host::StatusFromErrno(errno, "open " + PathOf(number));
  file_ = std::move(file);
  number_ = number;
  file_bytes_ = 0;
  RemoveOldest();
  return OkStatus();
}

// What is too much, counting a full file in the place of the one that is written. Crashes leave files that are not
// full.
void RecordRing::RemoveOldest() {
  const auto numbers = RecordNumbers(options_.dir);
  if (!numbers.ok()) return;
  uint64_t bytes = file_bytes_max(), kept = 1;
  for (auto number = numbers->rbegin(); number != numbers->rend(); ++number) {
    if (*number >= number_) continue;
    struct stat facts {};
    if (stat(PathOf(*number).c_str(), &facts) == 0) bytes += static_cast<uint64_t>(facts.st_size);
    if (bytes > options_.bytes_max || ++kept > kRecordFilesMax) unlink(PathOf(*number).c_str());
  }
}

}  // namespace postern::log
