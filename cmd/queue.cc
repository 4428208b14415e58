#include "cmd/queue.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "adapters/host/errno_status.h"
#include "adapters/host/unique_fd.h"
#include "core/boundary/log_event.h"
#include "core/queue/journal.h"
#include "core/queue/queue_file.h"
#include "core/queue/queue_id.h"

namespace postern::cmd {
namespace {

constexpr size_t kPieceBytes = 65536;
constexpr size_t kHeadBytesMax = 64u << 20;  // an envelope is shorter

struct Entry {
  queue::Folder folder = queue::Folder::kIncoming;
  std::string id;
  queue::Envelope envelope;
  uint64_t message_bytes = 0;
  int64_t arrived_seconds = 0;
  std::string error;  // why it can't be read
};

// ---- reading ---------------------------------------------------------------------------------------------------------------

// Up to `bytes` of a file from its beginning on.
Status ReadHead(int fd, size_t bytes, std::string* text) {
  while (text->size() < bytes) {
    const size_t before = text->size();
    text->resize(bytes);
    const ssize_t got = pread(fd, text->data() + before, bytes - before, static_cast<off_t>(before));
    text->resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno != EINTR) return host::StatusFromErrno(errno, "read");
    if (got == 0) break;
  }
  return OkStatus();
}

StatusOr<queue::QueueHead> ReadEnvelope(int fd) {
  std::string text;
  for (size_t bytes = kPieceBytes;; bytes *= 2) {
    POSTERN_RETURN_IF_ERROR(ReadHead(fd, bytes, &text));
    auto head = queue::ParseQueueHead(text);
    const bool more = text.size() == bytes && bytes < kHeadBytesMax;
    if (head.ok() || head.status().code() != StatusCode::kNotFound || !more) return head;
  }
}

// False: the file has gone in the meantime.
bool ReadEntry(const host::Root& root, const std::string& queue_directory, Entry* entry) {
  const Path path = queue::FilePath(queue_directory, entry->folder, entry->id);
  host::UniqueFd fd(openat(root.dir_fd(), root.Relative(path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid() && errno == ENOENT) return false;
  struct stat facts {};
  if (!fd.valid() || fstat(fd.get(), &facts) != 0) {
    entry->error = std::string(Message(host::StatusFromErrno(errno, "open")));
    return true;
  }
  entry->arrived_seconds = facts.st_mtime;
  entry->message_bytes = static_cast<uint64_t>(facts.st_size);
  auto head = ReadEnvelope(fd.get());
  if (!head.ok()) {
    entry->error = std::string(Message(head.status()));
    return true;
  }
  const uint64_t around = head->message_at_bytes + queue::kTrailerBytes;
  if (entry->message_bytes < around) {
    entry->error = "cut off";
    return true;
  }
  entry->message_bytes -= around;
  entry->envelope = std::move(head->envelope);
  entry->arrived_seconds = entry->envelope.arrived_us / 1'000'000;
  const Path journal_path = queue::FilePath(queue_directory, queue::Folder::kJournal, entry->id);
  host::UniqueFd journal(openat(root.dir_fd(), root.Relative(journal_path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::string text;
  if (journal.valid() && ReadHead(journal.get(), kHeadBytesMax, &text).ok()) queue::ApplyJournal(text, &entry->envelope);
  return true;
}

Status ReadFolder(const host::Root& root, const std::string& queue_directory, queue::Folder folder, std::vector<Entry>* entries) {
  const Path path = queue::FolderPath(queue_directory, folder);
  const int fd = openat(root.dir_fd(), root.Relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? OkStatus() : host::StatusFromErrno(errno, root.Whole(path));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd), closedir);
  if (directory == nullptr) return host::StatusFromErrno(errno, root.Whole(path));
  while (const dirent* item = readdir(directory.get())) {
    Entry entry{.folder = folder, .id = item->d_name};
    if (!queue::IsQueueId(entry.id)) continue;  // what is not ours
    if (ReadEntry(root, queue_directory, &entry)) entries->push_back(std::move(entry));
  }
  return OkStatus();
}

// ---- writing ---------------------------------------------------------------------------------------------------------------

std::string SenderOf(const Entry& entry) { return entry.envelope.null_sender ? "MAILER-DAEMON" : entry.envelope.sender.Quoted(); }

// As postqueue -p: what people and check_mailq read.
std::string FormatText(const std::vector<Entry>& entries) {
  if (entries.empty()) return "Mail queue is empty\n";
  std::string text = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
  uint64_t bytes = 0;
  for (const Entry& entry : entries) {
    bytes += entry.message_bytes;
    const char mark = entry.folder == queue::Folder::kIncoming ? '*' : entry.folder == queue::Folder::kHold ? '!' : ' ';
    const auto when = static_cast<time_t>(entry.arrived_seconds);
    struct tm parts {};
    char time[32] = "", line[128];
    if (localtime_r(&when, &parts) != nullptr) std::strftime(time, sizeof time, "%a %b %d %H:%M:%S", &parts);
    std::string id = entry.id;
    if (mark != ' ') id += mark;
    std::snprintf(line, sizeof line, "%-11s %7llu %20.20s ", id.c_str(), static_cast<unsigned long long>(entry.message_bytes), time);
    text += line;
    text += entry.error.empty() ? EscapeForLog(SenderOf(entry)) : "(unreadable: " + EscapeForLog(entry.error) + ")";
    text += '\n';
    for (const queue::QueuedRecipient& recipient : entry.envelope.recipients) {
      if (!recipient.done) text += std::string(41, ' ') + EscapeForLog(recipient.address.Quoted()) + "\n";
    }
    text += '\n';
  }
  text += "-- " + std::to_string((bytes + 1023) / 1024) + " Kbytes in " + std::to_string(entries.size()) + " Request" +
          (entries.size() == 1 ? "" : "s") + ".\n";
  return text;
}

// As postqueue -j, and what only we know.
std::string FormatJson(const Entry& entry) {
  nlohmann::ordered_json object = {{"queue_name", std::string(queue::FolderName(entry.folder))},
                                   {"queue_id", entry.id},
                                   {"arrival_time", entry.arrived_seconds},
                                   {"message_size", entry.message_bytes},
                                   {"forced_expire", false}};
  if (!entry.error.empty()) {
    object["error"] = entry.error;
  } else {
    object["sender"] = SenderOf(entry);
    nlohmann::ordered_json recipients = nlohmann::ordered_json::array();
    for (const queue::QueuedRecipient& recipient : entry.envelope.recipients) {
      if (recipient.done) continue;
      recipients.push_back({{"orig_address", recipient.original}, {"address", recipient.address.Quoted()}, {"transport", recipient.transport}});
    }
    object["recipients"] = std::move(recipients);
    object["trace_id"] = entry.envelope.trace_id;
  }
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

int RunQueueList(const QueueListOptions& options, config::FileSource& files, const host::Root& root, std::string* out,
                 std::string* errors) {
  const config::Loaded loaded = config::Load(files, options.load);
  if (loaded.config == nullptr) {
    *errors += "postern: the configuration has errors, see `postern check`\n";
    return 1;
  }
  std::vector<Entry> entries;
  int status = 0;
  for (const queue::Folder folder :
       {queue::Folder::kIncoming, queue::Folder::kDeferred, queue::Folder::kHold, queue::Folder::kCorrupt}) {
    const Status read = ReadFolder(root, loaded.config->routing.queue_directory, folder, &entries);
    if (read.ok()) continue;
    *errors += "postern: " + std::string(Message(read)) + "\n";
    status = 1;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.arrived_seconds != b.arrived_seconds ? a.arrived_seconds < b.arrived_seconds : a.id < b.id;
  });
  if (!options.json) {
    // "empty" must not be said where it is not known.
    if (status == 0 || !entries.empty()) *out += FormatText(entries);
    return status;
  }
  for (const Entry& entry : entries) *out += FormatJson(entry);
  return status;
}

}  // namespace postern::cmd
