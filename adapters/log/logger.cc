#include "adapters/log/logger.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "adapters/host/errno_status.h"
#include "adapters/log/line_format.h"

namespace postern::log {
namespace {

constexpr size_t kDatagramsPerCall = 64;
constexpr int kRoomPatienceMs = 10;
// Lines of one turn; more are written before its end. A guess: a turn of a busy loop makes some hundred.
constexpr size_t kBatchBytesMax = 4 << 20;

bool IsDovecot(std::string_view tag) { return tag.starts_with("dovecot"); }

StatusOr<host::UniqueFd> OpenLog(const std::string& path) {
  host::UniqueFd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640));
  if (!fd.valid()) return host::StatusFromErrno(errno, "log file " + path);
  return fd;
}

}  // namespace

StatusOr<std::unique_ptr<Logger>> Logger::Open(Options options) {
  auto logger = std::unique_ptr<Logger>(new Logger(std::move(options)));
  POSTERN_RETURN_IF_ERROR(logger->OpenFiles());
  return logger;
}

Status Logger::OpenFiles() {
  const auto open_one = [](const std::string& path, host::UniqueFd* fd) -> Status {
    auto opened = OpenLog(path);
    if (!opened.ok()) return opened.status();
    *fd = *std::move(opened);
    return OkStatus();
  };
  if (options_.postfix.kind == Place::Kind::kFile)
    POSTERN_RETURN_IF_ERROR(open_one(options_.postfix.path, &postfix_file_));
  if (options_.dovecot.kind == Place::Kind::kFile)
    POSTERN_RETURN_IF_ERROR(open_one(options_.dovecot.path, &dovecot_file_));
  if (!options_.json_path.empty()) POSTERN_RETURN_IF_ERROR(open_one(options_.json_path, &json_file_));
  return OkStatus();
}

void Logger::Reopen() {
  const std::lock_guard lock(mutex_);
  syslog_.Reset();
  records_.Reopen();
  const Status status = OpenFiles();
  if (!status.ok()) std::fprintf(stderr, "postern: %s\n", std::string(Message(status)).c_str());
}

void Logger::Write(const Now& now, Batch* batch) {
  const std::lock_guard lock(mutex_);
  WriteFile(postfix_file_, batch->postfix, batch->postfix_count);
  WriteFile(dovecot_file_, batch->dovecot, batch->dovecot_count);
  if (json_file_.valid()) WriteFile(json_file_, batch->json, batch->json_count);
  WriteRecords(now, batch->json);
  if (!batch->datagrams.empty()) SendSyslog(batch->datagrams);
  batch->postfix.clear();
  batch->dovecot.clear();
  batch->json.clear();
  batch->datagrams.clear();
  batch->postfix_count = batch->dovecot_count = batch->json_count = 0;
  if (dropped_count_ != dropped_told_) TellDropped(now);
}

// Mail goes on without them: somebody is told once, and again only after they could be written in between.
void Logger::WriteRecords(const Now& now, const std::string& json) {
  const Status status = records_.Write(json);
  if (!status.ok() && !records_failed_) {
    Warn(now, "warning: no records for postern trace, until this is mended: " + EscapeForLog(Message(status)));
  }
  records_failed_ = !status.ok();
}

// Standard error where there is no file.
void Logger::WriteFile(const host::UniqueFd& fd, const std::string& text, size_t line_count) {
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t written = write(fd.valid() ? fd.get() : STDERR_FILENO, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      dropped_count_ += line_count;  // about: some may be written
      return;
    }
    left.remove_prefix(static_cast<size_t>(written));
  }
}

void Logger::SendSyslog(const std::vector<Datagram>& lines) {
  std::vector<const Datagram*> important, debug;
  for (const Datagram& line : lines) (line.debug ? debug : important).push_back(&line);
  const size_t sent = TrySend(important);
  dropped_count_ += important.size() - sent;
  // A socket that has no room for what matters has none for the rest.
  dropped_count_ += debug.size() - (sent == important.size() ? TrySend(debug) : 0);
}

size_t Logger::TrySend(const std::vector<const Datagram*>& lines) {
  size_t done = 0;
  bool reconnected = false;
  while (done < lines.size()) {
    if (!syslog_.valid() && !ConnectSyslog()) return done;
    iovec parts[kDatagramsPerCall];
    mmsghdr messages[kDatagramsPerCall];
    std::memset(messages, 0, sizeof messages);
    const size_t count = std::min(kDatagramsPerCall, lines.size() - done);
    for (size_t i = 0; i < count; ++i) {
      const std::string& text = lines[done + i]->text;
      parts[i] = {const_cast<char*>(text.data()), text.size()};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(syslog_.get(), messages, static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN && WaitForRoom()) continue;
    const bool gone = errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET || errno == EPIPE;
    if (!gone || std::exchange(reconnected, true)) return done;
    syslog_.Reset();  // the syslog daemon was started anew
  }
  return done;
}

// A daemon that reads catches up with a burst in microseconds: the kernel's queue may hold ten lines only. One that
// does not read is waited for once a second.
bool Logger::WaitForRoom() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (now.tv_sec == gave_up_second_) return false;
  pollfd room{.fd = syslog_.get(), .events = POLLOUT};
  if (poll(&room, 1, kRoomPatienceMs) == 1) return true;
  gave_up_second_ = now.tv_sec;
  return false;
}

bool Logger::ConnectSyslog() {
  host::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  if (options_.syslog_socket.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, options_.syslog_socket.data(), options_.syslog_socket.size());
  if (!fd.valid() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
  syslog_ = std::move(fd);
  return true;
}

void Logger::TellDropped(const Now& now) {
  const uint64_t dropped = dropped_count_;
  if (Warn(now, "warning: " + std::to_string(dropped - dropped_told_) + " log lines were dropped"))
    dropped_told_ = dropped;
}

bool Logger::Warn(const Now& now, std::string text) {
  const LogEvent event{.severity = Severity::kWarning,
                       .tag = "postfix/master",
                       .pid = static_cast<uint32_t>(getpid()),
                       .text = std::move(text)};
  if (options_.postfix.kind == Place::Kind::kSyslog) {
    Datagram line;
    AppendSyslog(now, options_.facility, event, &line.text);
    return TrySend({&line}) == 1;
  }
  std::string line;
  AppendFileLine(now, options_.host_name, event, &line);
  WriteFile(postfix_file_, line, 0);
  return true;
}

void LogBuffer::Add(const Now& now, const LogEvent& event) {
  last_ = now;
  const Logger::Options& options = logger_->options();
  if (!event.record_only) AddLine(now, event);
  if (options.wants_json()) {
    AppendJson(now, options.host_name, event, &batch_.json);
    ++batch_.json_count;
  }
  if (batch_.postfix.size() + batch_.dovecot.size() + batch_.json.size() > kBatchBytesMax ||
      batch_.datagrams.size() > kBatchBytesMax / kLineBytesMax) {
    Flush();
  }
}

void LogBuffer::AddLine(const Now& now, const LogEvent& event) {
  const Logger::Options& options = logger_->options();
  const bool dovecot = IsDovecot(event.tag);
  const Place& place = dovecot ? options.dovecot : options.postfix;
  switch (place.kind) {
    case Place::Kind::kNone:
      break;
    case Place::Kind::kSyslog:
      batch_.datagrams.emplace_back();
      AppendSyslog(now, options.facility, event, &batch_.datagrams.back().text);
      batch_.datagrams.back().debug = event.severity == Severity::kDebug;
      break;
    case Place::Kind::kFile:
    case Place::Kind::kStderr:
      AppendFileLine(now, options.host_name, event, dovecot ? &batch_.dovecot : &batch_.postfix);
      ++(dovecot ? batch_.dovecot_count : batch_.postfix_count);
      break;
  }
}

void LogBuffer::Flush() {
  if (!batch_.empty()) logger_->Write(last_, &batch_);
}

}  // namespace postern::log
