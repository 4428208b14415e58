#include "cmd/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <set>
#include <utility>

#include "adapters/files/file_ops.h"
#include "adapters/host/errno_status.h"
#include "adapters/host/host_files.h"
#include "adapters/host/unique_fd.h"
#include "core/base/ascii.h"
#include "core/config/postfix_parameters.h"
#include "core/queue/journal.h"
#include "core/queue/maildrop.h"
#include "core/queue/queue_id.h"

namespace postern::cmd {
namespace {

using queue::Folder;
using queue::RequestKind;

constexpr size_t kPieceBytes = 65536;
constexpr size_t kHeadBytesMax = 64u << 20;  // an envelope is shorter
constexpr int64_t kAnswerMsMax = 10'000;
constexpr int kLookMsMax = 100;  // between two looks at a request
constexpr std::array<Folder, 5> kMailFolders{Folder::kMaildrop, Folder::kIncoming, Folder::kDeferred, Folder::kHold,
                                             Folder::kCorrupt};

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

// What the sendmail command left, as a message of the queue.
StatusOr<queue::QueueHead> ParseMaildrop(std::string_view text, const std::string& id) {
  auto parsed = queue::ParseMaildropHead(text);
  if (!parsed.ok()) return parsed.status();
  const queue::Submission& submission = parsed->submission;
  queue::QueueHead head{.message_at_bytes = parsed->message_at_bytes};
  head.envelope.id = id;
  head.envelope.arrived_us = submission.arrived_us;
  head.envelope.null_sender = submission.sender_kind == queue::SenderKind::kNull;
  head.envelope.sender = submission.sender;
  if (submission.sender_kind == queue::SenderKind::kCaller) head.envelope.sender.local = submission.login;
  for (const routing::Mailbox& recipient : submission.recipients) {
    head.envelope.recipients.push_back({.address = recipient, .original = recipient.Quoted()});
  }
  return head;
}

StatusOr<queue::QueueHead> ReadEnvelope(int fd, Folder folder, const std::string& id) {
  std::string text;
  for (size_t bytes = kPieceBytes;; bytes *= 2) {
    POSTERN_RETURN_IF_ERROR(ReadHead(fd, bytes, &text));
    auto head = folder == Folder::kMaildrop ? ParseMaildrop(text, id) : queue::ParseQueueHead(text);
    const bool more = text.size() == bytes && bytes < kHeadBytesMax;
    if (head.ok() || head.status().code() != StatusCode::kNotFound || !more) return head;
  }
}

host::UniqueFd OpenAt(const host::Root& root, const Path& path, int flags) {
  return host::UniqueFd(openat(root.dir_fd(), root.Relative(path), flags | O_CLOEXEC | O_NOFOLLOW));
}

bool Exists(const host::Root& root, const Path& path) {
  struct stat facts {};
  return fstatat(root.dir_fd(), root.Relative(path), &facts, AT_SYMLINK_NOFOLLOW) == 0;
}

// Folders from which a request takes messages.
std::vector<Folder> FoldersOf(RequestKind kind) {
  switch (kind) {
    case RequestKind::kFlushAll:
    case RequestKind::kFlushMessage:
    case RequestKind::kFlushSite:
      return {Folder::kDeferred};
    case RequestKind::kHold:
      return {Folder::kIncoming, Folder::kDeferred};
    case RequestKind::kRelease:
      return {Folder::kHold};
    case RequestKind::kRequeue:
      return {Folder::kIncoming, Folder::kDeferred, Folder::kHold};
    case RequestKind::kDelete:
      return {kMailFolders.begin(), kMailFolders.end()};
  }
  return {};
}

int64_t NowMs() {
  using std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

// ---- settings -------------------------------------------------------------------------------------------------------

StatusOr<SpoolSettings> ReadSpoolSettings(const host::Root& root, const std::string& postfix_dir) {
  host::HostFiles files(&root);
  const std::string main_cf = postfix_dir + "/main.cf";
  if (const auto text = files.Read(main_cf); !text.ok()) {
    return Error(text.status().code(), "open " + main_cf + ": " + std::string(Message(text.status())));
  }
  config::FindingList findings;
  config::PostfixSource source{.files = &files, .findings = &findings};
  config::ReadPostfix(postfix_dir, &source);
  const config::PostfixParameters main(&source, nullptr);
  SpoolSettings settings{.queue_directory = main.Text("queue_directory"),
                         .message_size_limit = main.Number("message_size_limit")};
  POSTERN_RETURN_IF_ERROR(host::Root::Check(settings.queue_directory));
  return settings;
}

// ---- reading --------------------------------------------------------------------------------------------------------

bool Spool::ReadEntry(Entry* entry) const {
  const host::UniqueFd fd = OpenAt(*root_, queue::FilePath(queue_directory_, entry->folder, entry->id), O_RDONLY);
  if (!fd.valid() && errno == ENOENT) return false;
  struct stat facts {};
  if (!fd.valid() || fstat(fd.get(), &facts) != 0) {
    entry->error = std::string(Message(host::StatusFromErrno(errno, "open")));
    return true;
  }
  entry->arrived_seconds = facts.st_mtime;
  entry->message_bytes = static_cast<uint64_t>(facts.st_size);
  auto head = ReadEnvelope(fd.get(), entry->folder, entry->id);
  if (head.ok() && entry->folder != Folder::kCorrupt && head->envelope.id != entry->id)
    head = DataLoss("it holds another message");
  // Sent while it was read: its file is another message's by now (Retire of core/boundary/file_plan.h).
  if (!head.ok() && !Exists(*root_, queue::FilePath(queue_directory_, entry->folder, entry->id))) return false;
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
  const host::UniqueFd journal =
      OpenAt(*root_, queue::FilePath(queue_directory_, Folder::kJournal, entry->id), O_RDONLY);
  std::string text;
  if (journal.valid() && ReadHead(journal.get(), kHeadBytesMax, &text).ok())
    queue::ApplyJournal(text, &entry->envelope);
  return true;
}

StatusOr<std::vector<std::string>> Spool::Ids(Folder folder) const {
  const Path path = queue::FolderPath(queue_directory_, folder);
  std::vector<std::string> ids;
  const int fd = openat(root_->dir_fd(), root_->Relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return ids;
  if (fd < 0) return host::StatusFromErrno(errno, root_->Whole(path));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd), closedir);
  if (directory == nullptr) return host::StatusFromErrno(errno, root_->Whole(path));
  while (const dirent* item = readdir(directory.get())) {
    if (queue::IsQueueId(item->d_name)) ids.emplace_back(item->d_name);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Status Spool::List(std::vector<Entry>* entries) const {
  Status first;
  std::set<std::string> seen;  // a message that is being put off has two names for a moment
  for (const Folder folder : kMailFolders) {
    const auto ids = Ids(folder);
    if (!ids.ok()) {
      if (first.ok()) first = ids.status();
      continue;
    }
    for (const std::string& id : *ids) {
      Entry entry{.folder = folder, .id = id};
      if (!seen.contains(id) && ReadEntry(&entry)) {
        entries->push_back(std::move(entry));
        seen.insert(id);
      }
    }
  }
  std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) {
    return a.arrived_seconds != b.arrived_seconds ? a.arrived_seconds < b.arrived_seconds : a.id < b.id;
  });
  return first;
}

std::optional<Folder> Spool::Where(const std::string& id) const {
  if (!queue::IsQueueId(id)) return std::nullopt;
  for (const Folder folder : kMailFolders) {
    if (Exists(*root_, queue::FilePath(queue_directory_, folder, id))) return folder;
  }
  return std::nullopt;
}

// ---- asking --------------------------------------------------------------------------------------------------------

StatusOr<host::UniqueFd> LockSpool(const host::Root& root, std::string_view queue_directory) {
  const Path path = queue::SpoolDir(queue_directory) + "/lock";
  host::UniqueFd fd(openat(root.dir_fd(), root.Relative(path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return host::StatusFromErrno(errno, "open " + root.Whole(path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return host::StatusFromErrno(errno, "lock " + root.Whole(path));
  return Unavailable("another server runs on this queue");
}

std::string RecordsDir(const host::Root& root, std::string_view queue_directory) {
  return root.Whole(queue::SpoolDir(queue_directory)) + "/log";
}

StatusOr<Spool::Answer> Spool::Ask(const std::vector<queue::Request>& requests) const {
  std::vector<queue::Request> open;
  std::vector<Path> names;
  for (const queue::Request& request : requests) {
    const std::string name = queue::FormatRequest(request);
    if (name.empty()) return InvalidArgument("no such message or site");
    open.push_back(request);
    names.push_back(queue::FilePath(queue_directory_, Folder::kRequests, name));
  }
  const int64_t began_ms = NowMs();
  bool written = false;
  for (int wait_ms = 1;; wait_ms = std::min(2 * wait_ms, kLookMsMax)) {
    auto lock = LockSpool(*root_, queue_directory_);
    if (lock.ok()) {
      for (size_t i = 0; i < open.size(); ++i) {
        // A server that ended meanwhile may have done some of it.
        if (written && !Exists(*root_, names[i])) continue;
        POSTERN_RETURN_IF_ERROR(CarryOut(open[i]));
        if (written) unlinkat(root_->dir_fd(), root_->Relative(names[i]), 0);
      }
      return Answer::kHere;
    }
    if (lock.status().code() == StatusCode::kNotFound) return Answer::kHere;  // no mail ever came: nothing to do
    if (lock.status().code() != StatusCode::kUnavailable) return lock.status();
    if (!std::exchange(written, true)) {
      for (const Path& name : names) {
        const host::UniqueFd file(
            openat(root_->dir_fd(), root_->Relative(name), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file.valid()) return host::StatusFromErrno(errno, "create " + root_->Whole(name));
      }
    }
    if (std::none_of(names.begin(), names.end(), [this](const Path& name) { return Exists(*root_, name); })) {
      return Answer::kServer;
    }
    if (NowMs() - began_ms >= kAnswerMsMax) return Answer::kNone;
    poll(nullptr, 0, wait_ms);
  }
}

// ---- doing it here -------------------------------------------------------------------------------------------------

Status RunPlan(const host::Root& root, const FilePlan& plan) {
  const mode_t before = umask(0);
  const files::FileOps ops(&root);
  Status status;
  for (const Stage& stage : plan.stages) {
    for (const FileOp& op : stage) {
      const auto* file = std::get_if<SyncFile>(&op);
      const auto* dir = std::get_if<SyncDir>(&op);
      if (file == nullptr && dir == nullptr) {
        status = ops.Perform(op, plan.owner);
      } else {
        const auto fd = ops.OpenToSync(file != nullptr ? file->path : dir->path, dir != nullptr);
        status = fd.status();
        if (fd.ok() && fsync(fd->get()) != 0) status = host::StatusFromErrno(errno, "flush");
      }
      if (!status.ok()) break;
    }
    if (!status.ok()) break;
  }
  umask(before);
  return status;
}

StatusOr<bool> Spool::WaitsFor(Folder folder, const std::string& id, const std::string& site) const {
  Entry entry{.folder = folder, .id = id};
  if (!ReadEntry(&entry)) return false;
  for (const queue::QueuedRecipient& recipient : entry.envelope.recipients) {
    if (recipient.done) continue;
    if (LowerCase(recipient.address.domain) == site || LowerCase(recipient.nexthop) == site) return true;
  }
  return false;
}

Status Spool::CarryOut(const queue::Request& request) const {
  for (const Folder folder : FoldersOf(request.kind)) {
    if (folder == Folder::kCorrupt && request.all()) continue;  // kept for people: only ever deleted by its id
    std::vector<std::string> ids{request.id};
    if (request.all()) {
      auto all = Ids(folder);
      if (!all.ok()) return all.status();
      ids = *std::move(all);
    }
    for (const std::string& id : ids) {
      if (!request.site.empty()) {
        const auto waits = WaitsFor(folder, id, request.site);
        if (!waits.ok()) return waits.status();
        if (!*waits) continue;
      }
      const Status status = CarryOutOn(request, folder, id);
      // It lies in another folder, or went away.
      if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
    }
  }
  return OkStatus();
}

Status Spool::CarryOutOn(const queue::Request& request, Folder folder, const std::string& id) const {
  const Path path = queue::FilePath(queue_directory_, folder, id);
  if (!Exists(*root_, path)) return NotFound(id);
  FilePlan plan;
  const auto move_to = [&](Folder to) {
    if (to == folder) return;
    // As the server does it: a power loss leaves one of the names at least.
    const Path there = queue::FilePath(queue_directory_, to, id);
    if (!Exists(*root_, there)) plan.stages.push_back({Link{.from = path, .to = there}});
    plan.stages.push_back({SyncDir{queue::FolderPath(queue_directory_, to)}});
    plan.stages.push_back({Unlink{path}});
    plan.stages.push_back({SyncDir{queue::FolderPath(queue_directory_, folder)}});
  };
  switch (request.kind) {
    case RequestKind::kFlushAll:
    case RequestKind::kFlushMessage:
    case RequestKind::kFlushSite:
      plan.stages.push_back({SetMtime{.path = path, .mtime_seconds = time(nullptr)}});
      break;
    case RequestKind::kHold:
      move_to(Folder::kHold);
      break;
    case RequestKind::kRelease:
    case RequestKind::kRequeue:
      move_to(Folder::kIncoming);
      break;
    case RequestKind::kDelete:
      // The journal goes last: without it the message would begin anew.
      plan.stages = {{Unlink{path}},
                     {SyncDir{queue::FolderPath(queue_directory_, folder)}},
                     {Unlink{queue::FilePath(queue_directory_, Folder::kJournal, id)}}};
      break;
  }
  return RunPlan(*root_, plan);
}

}  // namespace postern::cmd
