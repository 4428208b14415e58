// The log of the process: where its lines go, and the buffers that loops fill.
//
// Lines of Postfix's tags and of Dovecot's may go to two places, as their configurations say; JSON lines and the
// records on disk (record_ring.h) get both. A loop gathers the lines of a turn in its LogBuffer and writes them with
// one call per place: write(2) for a file, sendmmsg(2) for /dev/log. Nothing waits long for a log (ten milliseconds a
// second): what a full socket or disk does not take is dropped, debug lines first, counted, and told once there is room
// again. Owner: the process; used by every loop's thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/host/unique_fd.h"
#include "adapters/log/log_sink.h"
#include "adapters/log/record_ring.h"
#include "core/base/status.h"

namespace postern::log {

// One place for lines.
struct Place {
  enum class Kind : uint8_t { kNone, kSyslog, kFile, kStderr } kind = Kind::kSyslog;
  std::string path;  // kFile; as the operating system sees it
};

class Logger {
 public:
  struct Options {
    std::string host_name;
    int facility = 2;  // mail
    Place postfix, dovecot;
    std::string json_path;  // empty: no JSON
    RecordRing::Options records;
    std::string syslog_socket = "/dev/log";
    bool wants_json() const { return !json_path.empty() || records.bytes_max != 0; }
  };
  // kNotFound, kPermissionDenied ...: a file can't be opened. A syslog that is not there is no error: it may come
  // later.
  static StatusOr<std::unique_ptr<Logger>> Open(Options options);

  // Opens the files anew, under their old names: after a rotation. Errors are told to standard error; the old ones
  // stay.
  void Reopen();
  uint64_t dropped_count() const { return dropped_count_; }

  struct Datagram {
    std::string text;
    bool debug = false;
  };
  // The lines of a turn.
  struct Batch {
    std::string postfix, dovecot, json;
    size_t postfix_count = 0, dovecot_count = 0, json_count = 0;
    std::vector<Datagram> datagrams;
    bool empty() const { return postfix.empty() && dovecot.empty() && json.empty() && datagrams.empty(); }
  };
  // Writes and empties `*batch`.
  void Write(const Now& now, Batch* batch);
  const Options& options() const { return options_; }

 private:
  explicit Logger(Options options) : options_(std::move(options)), records_(options_.records) {}

  Status OpenFiles();
  void WriteRecords(const Now& now, const std::string& json);
  void WriteFile(const host::UniqueFd& fd, const std::string& text, size_t line_count);
  void SendSyslog(const std::vector<Datagram>& lines);
  size_t TrySend(const std::vector<const Datagram*>& lines);
  bool ConnectSyslog();
  bool WaitForRoom();
  void TellDropped(const Now& now);
  // A line of the log's own. False: no room.
  bool Warn(const Now& now, std::string text);

  const Options options_;
  std::mutex mutex_;  // of all below
  host::UniqueFd postfix_file_, dovecot_file_, json_file_, syslog_;
  RecordRing records_;
  bool records_failed_ = false;  // and somebody was told
  std::atomic<uint64_t> dropped_count_{0};
  uint64_t dropped_told_ = 0;
  int64_t gave_up_second_ = -1;  // the syslog daemon did not read then
};

// One loop's side of the log.
class LogBuffer final : public LogSink {
 public:
  explicit LogBuffer(Logger* logger) : logger_(logger) {}
  void Add(const Now& now, const LogEvent& event) override;
  void Flush() override;

 private:
  void AddLine(const Now& now, const LogEvent& event);

  Logger* logger_;
  Logger::Batch batch_;
  Now last_;
};

}  // namespace postern::log
