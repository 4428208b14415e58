#include "cmd/serve.h"

#include <openssl/rand.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "adapters/host/config_watch.h"
#include "adapters/host/host_files.h"
#include "adapters/host/node.h"
#include "adapters/log/line_format.h"
#include "adapters/log/logger.h"
#include "adapters/loop/shard_loop.h"
#include "adapters/net/address.h"
#include "adapters/record/recorder.h"
#include "adapters/record/recording_files.h"
#include "adapters/workers/resolver.h"
#include "cmd/spool.h"
#include "core/auth/sasl.h"
#include "core/config/load.h"
#include "core/queue/queue_file.h"
#include "core/shard/shard.h"

namespace postern {
namespace {

constexpr int kExitConfiguration = 78;  // EX_CONFIG of sysexits.h
// Descriptors that connections leave for files, logs and the process itself.
constexpr size_t kDescriptorsForFiles = 1024;
// Descriptors asked for where the process may raise its own limit.
constexpr rlim_t kDescriptorsWanted = 1 << 20;
constexpr size_t kFileThreads = 32;  // flushes in flight where there is no io_uring, and cold reads
constexpr size_t kFileTasksMax = 100'000;
// Editors and certificate tools change several files one after another: the configuration is read when it has been
// still.
constexpr int64_t kSettleMs = 500;
constexpr int64_t kSettleMsMax = 5'000;
// A command that works on the queue while no server runs has its lock for a moment.
constexpr int kLockTriesMax = 20, kLockTryMs = 100;

// ---- small pieces ---------------------------------------------------------------------------------------------------

void Say(const std::string& text) { std::fprintf(stderr, "postern: %s\n", text.c_str()); }

const char* SeverityName(config::FindingSeverity severity) {
  switch (severity) {
    case config::FindingSeverity::kNotice:
      return "notice";
    case config::FindingSeverity::kWarning:
      return "warning";
    case config::FindingSeverity::kError:
      return "error";
  }
  return "error";
}

std::string FormatFinding(const config::Finding& finding) {
  std::string text;
  if (!finding.file.empty()) text += finding.file + ":";
  if (finding.line != 0) text += std::to_string(finding.line) + ":";
  if (!text.empty()) text += " ";
  text += std::string(SeverityName(finding.severity)) + ": " + finding.what;
  if (!finding.mend.empty()) text += " -- " + finding.mend;
  return text + " [" + finding.id + "]";
}

size_t RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < kDescriptorsWanted) {
    const rlimit wanted{.rlim_cur = kDescriptorsWanted, .rlim_max = kDescriptorsWanted};
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return kDescriptorsWanted;
  }
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kDescriptorsWanted);
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// sd_notify(3): one datagram to the socket that the service manager named.
void NotifyServiceManager(std::string_view state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{.sun_family = AF_UNIX};
  if (name == nullptr || std::strlen(name) >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, name, std::strlen(name));
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const host::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(name));
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length);
}

// Dovecot's and Postfix's own ways to name a place for lines.
log::Place PlaceOf(const std::string& setting, const host::Root& root) {
  if (setting.empty() || setting == "syslog") return {log::Place::Kind::kSyslog, ""};
  if (setting == "-" || setting == "stderr" || setting == "/dev/stderr" || setting == "/dev/stdout") {
    return {log::Place::Kind::kStderr, ""};
  }
  return {log::Place::Kind::kFile, root.Whole(setting)};
}

log::Logger::Options LogOptions(const ServeOptions& options, const config::LogSettings& settings,
                                const host::Root& root, const std::string& host_name,
                                const std::string& queue_directory) {
  log::Logger::Options log{
      .host_name = host_name,
      .facility = log::FacilityOf(settings.syslog_facility),
      .postfix = PlaceOf(settings.maillog_file, root),
      .dovecot = PlaceOf(settings.dovecot_log_path, root),
      .json_path = options.log_json,
      .records = {.dir = cmd::RecordsDir(root, queue_directory), .bytes_max = settings.records_bytes_max}};
  if (options.log == "stderr" || (options.log.empty() && isatty(STDERR_FILENO) != 0)) {
    log.postfix = log.dovecot = {log::Place::Kind::kStderr, ""};
  } else if (options.log == "syslog") {
    log.postfix = log.dovecot = {log::Place::Kind::kSyslog, ""};
  } else if (!options.log.empty()) {
    log.postfix = log.dovecot = {log::Place::Kind::kFile, options.log};
  }
  return log;
}

// A file below the root folder where it has one of that name, else the host's own: a root folder need not be a whole
// host.
std::string HostFile(const host::Root& root, const std::string& path) {
  const std::string own = root.Whole(path);
  return access(own.c_str(), R_OK) == 0 ? own : path;
}

workers::Resolver::Options ResolverOptions(const ServeOptions& options, const host::Root& root) {
  workers::Resolver::Options resolver{.name_servers = options.resolvers,
                                      .trust_anchor_file = HostFile(root, "/usr/share/dns/root.key")};
  if (!resolver.name_servers.empty()) return resolver;
  std::ifstream file(HostFile(root, "/etc/resolv.conf"));
  resolver.name_servers = workers::NameServersIn(std::string(std::istreambuf_iterator<char>(file), {}));
  return resolver;
}

// Maildir names: '/' and ':' of the host's name are written in octal.
std::string MaildirHostName(std::string_view name) {
  std::string safe;
  for (const char c : name) {
    if (c == '/') {
      safe += "\\057";
    } else if (c == ':') {
      safe += "\\072";
    } else {
      safe += c;
    }
  }
  return safe;
}

bool SameListeners(const config::Config& a, const config::Config& b) {
  return std::equal(a.listeners.begin(), a.listeners.end(), b.listeners.begin(), b.listeners.end(),
                    [](const config::Listener& x, const config::Listener& y) {
                      return x.endpoint == y.endpoint && x.protocol == y.protocol && x.implicit_tls == y.implicit_tls &&
                             x.name == y.name && x.path == y.path && x.mode == y.mode && x.uid == y.uid &&
                             x.gid == y.gid;
                    });
}

// ---- the server -----------------------------------------------------------------------------------------------------

class Server {
 public:
  explicit Server(const ServeOptions& options) : options_(options) {}

  int Run();

 private:
  using TlsTable = std::shared_ptr<const loop::TlsByListener>;

  int LoadFirst();
  bool LockQueue();
  bool OpenAll();
  bool BindListeners();
  bool MakeLoops();
  bool RecordConfiguration();
  void Supervise(int signals);
  void Reload(const char* cause);
  std::shared_ptr<const config::Config> Numbered(const config::Config& config) const;
  config::Loaded LoadFiles();
  StatusOr<TlsTable> MakeTls(const config::Config& config);
  void Log(Severity severity, std::string tag, std::string text);

  const ServeOptions& options_;
  std::optional<host::Root> root_;
  std::vector<std::string> globbed_;  // by the last load
  std::string recorded_host_;         // what the last load read, for the recording
  host::FileStates states_;           // by the last load
  std::shared_ptr<const config::Config> config_;
  uint64_t generation_ = 0;
  host::UniqueFd queue_lock_;  // held as long as the process lives
  host::NodeStart node_;
  std::string host_name_;
  host::Clock clock_;
  std::unique_ptr<log::Logger> logger_;
  std::unique_ptr<log::LogBuffer> log_;
  std::vector<std::unique_ptr<log::LogBuffer>> shard_logs_;
  net::TicketKeys ticket_keys_;
  TlsTable tls_;
  loop::SharedState shared_;
  std::vector<net::ListenSocket> listeners_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<record::Recorder>> recorders_;  // of each shard, where there is a recording
  std::vector<std::unique_ptr<loop::ShardLoop>> loops_;
  // What works for the loops ends before them.
  std::unique_ptr<workers::ThreadPool> file_pool_;
  std::unique_ptr<workers::Resolver> resolver_;
  std::unique_ptr<workers::Inquiries> inquiries_;
  std::unique_ptr<workers::Programs> programs_;
};

int Server::Run() {
  umask(0);  // the modes of the core's operations are meant as they are
  signal(SIGPIPE, SIG_IGN);
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, number);
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);  // before any thread begins: all inherit it
  const host::UniqueFd signals(signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC));

  if (const int status = LoadFirst(); status != 0) return status;
  if (!LockQueue() || !OpenAll() || !BindListeners() || !MakeLoops()) return 1;

  std::vector<std::thread> threads;
  std::vector<char> clean(loops_.size(), 0);
  for (size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->Reconfigure(config_, tls_);
    threads.emplace_back([this, i, &clean] {
      pthread_setname_np(pthread_self(), ("shard-" + std::to_string(i)).c_str());
      clean[i] = loops_[i]->Run();
    });
  }
  Log(Severity::kInfo, "postfix/master",
      "daemon started -- version " + config_->routing.mail_version + ", configuration " + options_.postfix_dir);
  std::printf("postern: ready, %zu listeners on %zu shards\n", listeners_.size(), loops_.size());
  std::fflush(stdout);
  NotifyServiceManager("READY=1");

  Supervise(signals.get());

  NotifyServiceManager("STOPPING=1");
  for (const auto& loop : loops_) loop->Stop();
  for (std::thread& thread : threads) thread.join();
  for (net::ListenSocket& socket : listeners_) net::RemoveName(std::move(socket));
  bool files_done = true;
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (!clean[i])
      Log(Severity::kWarning, "postfix/master", "warning: some sessions did not end in time and were cut off");
    files_done = files_done && loops_[i]->files_idle();
  }
  if (!files_done) Log(Severity::kError, "postfix/master", "error: file operations did not end in time");
  return files_done ? 0 : 1;
}

int Server::LoadFirst() {
  auto root = host::Root::Open(options_.root);
  if (!root.ok()) {
    Say(std::string(Message(root.status())));
    return 1;
  }
  root_.emplace(*std::move(root));
  const config::Loaded loaded = LoadFiles();
  for (const config::Finding& finding : loaded.findings) {
    if (finding.severity != config::FindingSeverity::kNotice)
      std::fprintf(stderr, "%s\n", FormatFinding(finding).c_str());
  }
  if (loaded.config == nullptr) {
    Say("the configuration has errors: not started (`postern check` tells all findings)");
    return kExitConfiguration;
  }
  config_ = Numbered(*loaded.config);
  return 0;
}

config::Loaded Server::LoadFiles() {
  host::HostFiles files(&*root_);
  record::RecordingFiles recording(&files);
  const config::LoadOptions load{
      .postfix_dir = options_.postfix_dir, .dovecot_file = options_.dovecot_file, .port_offset = options_.port_offset};
  config::Loaded loaded = options_.record.empty() ? config::Load(files, load) : config::Load(recording, load);
  recorded_host_ = options_.record.empty() ? std::string() : recording.Text(load);
  globbed_ = files.globbed();
  states_ = files.states();
  host_name_ = files.HostName();
  return loaded;
}

std::shared_ptr<const config::Config> Server::Numbered(const config::Config& config) const {
  auto numbered = std::make_shared<config::Config>(config);
  numbered->generation = generation_;
  return numbered;
}

// Two servers would deliver every message twice. The folders of the queue are made here, too: sendmail works from now
// on.
bool Server::LockQueue() {
  const std::string& directory = config_->routing.queue_directory;
  Status status = cmd::RunPlan(*root_, queue::PlanFolders(directory));
  for (int tries = 0; status.ok() && tries < kLockTriesMax; ++tries) {
    auto lock = cmd::LockSpool(*root_, directory);
    status = lock.status();
    if (lock.ok()) return queue_lock_ = *std::move(lock), true;
    if (status.code() != StatusCode::kUnavailable || tries + 1 == kLockTriesMax) break;
    status = OkStatus();
    poll(nullptr, 0, kLockTryMs);
  }
  Say(root_->Whole(queue::SpoolDir(directory)) + ": " + std::string(Message(status)));
  return false;
}

bool Server::OpenAll() {
  auto logger =
      log::Logger::Open(LogOptions(options_, config_->log, *root_, host_name_, config_->routing.queue_directory));
  if (!logger.ok()) {
    Say(std::string(Message(logger.status())));
    return false;
  }
  logger_ = *std::move(logger);
  log_ = std::make_unique<log::LogBuffer>(logger_.get());
  auto node = host::StartNode(*root_, config_->state_directory);
  if (!node.ok()) {
    Say(std::string(Message(node.status())));
    return false;
  }
  node_ = *std::move(node);
  auto tls = MakeTls(*config_);
  if (!tls.ok()) {
    Say(std::string(Message(tls.status())));
    return false;
  }
  tls_ = *std::move(tls);
  return true;
}

StatusOr<Server::TlsTable> Server::MakeTls(const config::Config& config) {
  auto table = std::make_shared<loop::TlsByListener>();
  std::vector<std::pair<const config::TlsContext*, std::shared_ptr<const net::TlsServer>>> made;
  for (const config::Listener& listener : config.listeners) {
    table->emplace_back();
    if (listener.tls == nullptr) continue;
    const auto known =
        std::find_if(made.begin(), made.end(), [&](const auto& each) { return each.first == listener.tls.get(); });
    if (known != made.end()) {
      table->back() = known->second;
      continue;
    }
    auto server = net::TlsServer::Make(*listener.tls, &ticket_keys_);
    if (!server.ok()) return server.status();
    made.emplace_back(listener.tls.get(), *server);
    table->back() = *std::move(server);
  }
  return TlsTable(std::move(table));
}

bool Server::BindListeners() {
  const size_t descriptors = RaiseDescriptorLimit();
  shared_.connections_max =
      descriptors > 2 * kDescriptorsForFiles ? descriptors - kDescriptorsForFiles : descriptors / 2;
  bool all = true;
  for (size_t i = 0; i < config_->listeners.size(); ++i) {
    const config::Listener& listener = config_->listeners[i];
    const auto id = static_cast<ListenerId>(i);
    auto socket = listener.is_unix() ? net::ListenUnix(id, {.path = root_->Whole(listener.path),
                                                            .mode = listener.mode,
                                                            .uid = listener.uid,
                                                            .gid = listener.gid})
                                     : net::Listen(id, listener.endpoint, listener.implicit_tls);
    if (socket.ok()) {
      listeners_.push_back(*std::move(socket));
    } else {
      Say(listener.name + ": " + std::string(Message(socket.status())));
      all = false;
    }
  }
  if (config_->listeners.empty()) {
    Say("the configuration has no listener: nothing to do");
    return false;
  }
  return all;
}

// The configuration as a shard gets it, beside its recording. True, too, where nothing is recorded.
bool Server::RecordConfiguration() {
  if (options_.record.empty()) return true;
  const Status status =
      record::WriteNewFile(options_.record + "/host-" + std::to_string(generation_) + ".rec", recorded_host_);
  if (!status.ok()) Say("--record: " + std::string(Message(status)));
  return status.ok();
}

bool Server::MakeLoops() {
  const size_t processors = std::max(1u, std::thread::hardware_concurrency());
  const size_t count = options_.shards != 0 ? options_.shards : processors;
  file_pool_ = std::make_unique<workers::ThreadPool>("files", workers::ThreadPool::Limits{kFileThreads, kFileTasksMax});
  auto resolver = workers::Resolver::Make(ResolverOptions(options_, *root_));
  if (!resolver.ok()) return Say(std::string(Message(resolver.status()))), false;
  resolver_ = *std::move(resolver);
  inquiries_ = std::make_unique<workers::Inquiries>(
      &auth::VerifyStoredPassword, &workers::ResolveClientName,
      workers::Inquiries::Limits{.password_threads = processors},
      [this](const DnsQuestion& question, workers::Resolver::Tell tell) { resolver_->Ask(question, std::move(tell)); });
  programs_ = std::make_unique<workers::Programs>(workers::Programs::Options{.root = &*root_});
  if (!options_.record.empty()) mkdir(options_.record.c_str(), 0700);
  if (!RecordConfiguration()) return false;
  for (size_t i = 0; i < count; ++i) {
    ShardOptions shard{.id = static_cast<ShardId>(i),
                       .shard_count = static_cast<uint16_t>(count),
                       .config = config_,
                       .node = {.host_name = MaildirHostName(host_name_),
                                .pid = static_cast<uint32_t>(getpid()),
                                .start_counter = node_.start_counter},
                       .delivers = i == 0};
    RAND_priv_bytes(shard.key.data(), static_cast<int>(shard.key.size()));
    if (!options_.record.empty()) {
      auto recorder = record::Recorder::Open(options_.record, shard);
      if (!recorder.ok()) return Say("--record: " + std::string(Message(recorder.status()))), false;
      recorders_.push_back(*std::move(recorder));
    }
    shards_.push_back(std::make_unique<Shard>(std::move(shard)));
    shard_logs_.push_back(std::make_unique<log::LogBuffer>(logger_.get()));
    Shard* const stepped = shards_.back().get();
    loops_.push_back(std::make_unique<loop::ShardLoop>(loop::ShardLoop::Options{
        .id = static_cast<ShardId>(i),
        .step = [stepped](Now now, const Event& event, Effects& out) { stepped->Step(now, event, out); },
        .quiet = [stepped] { return stepped->quiet(); },
        .observer = recorders_.empty() ? nullptr : recorders_.back().get(),
        .root = &*root_,
        .file_pool = file_pool_.get(),
        .inquiries = inquiries_.get(),
        .programs = programs_.get(),
        .log = shard_logs_.back().get(),
        .shared = &shared_}));
  }
  std::vector<loop::ShardLoop*> all;
  for (const auto& loop : loops_) all.push_back(loop.get());
  for (const auto& loop : loops_) {
    loop->SetPeers(all);
    loop->SetListeners(&listeners_);
  }
  return true;
}

// Signals and changed files, until the process shall end.
void Server::Supervise(int signals) {
  host::ConfigWatch watch(&*root_);
  const auto now_ms = [this] { return clock_.Read().mono.ns / 1'000'000; };
  std::optional<int64_t> due_ms, latest_ms;  // of a reload
  const auto look = [&] {
    if (!watch.Changed()) return;
    if (!latest_ms) latest_ms = now_ms() + kSettleMsMax;
    due_ms = std::min(now_ms() + kSettleMs, *latest_ms);
  };
  const auto begin = [&] {
    watch.Watch(config_->files_read, globbed_, states_);
    due_ms.reset(), latest_ms.reset();
    look();  // what changed since it was read, before it was watched
  };
  begin();
  while (true) {
    pollfd fds[2] = {{.fd = signals, .events = POLLIN}, {.fd = watch.fd(), .events = POLLIN}};
    const int patience = due_ms ? static_cast<int>(std::max<int64_t>(*due_ms - now_ms(), 0)) : -1;
    poll(fds, 2, patience);
    signalfd_siginfo signal{};
    bool asked = false;
    while (read(signals, &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo != SIGHUP) {
        Log(Severity::kInfo, "postfix/master", "terminating on signal " + std::to_string(signal.ssi_signo));
        return;
      }
      asked = true;
    }
    if (asked) {
      logger_->Reopen();
      Reload("SIGHUP");
      begin();
      continue;
    }
    if ((fds[1].revents & POLLIN) != 0) look();
    if (!due_ms || now_ms() < *due_ms) continue;
    Reload("a file changed");
    begin();
  }
}

// The new configuration takes the place of the old one as a whole, or not at all.
void Server::Reload(const char* cause) {
  const config::Loaded loaded = LoadFiles();
  if (loaded.config == nullptr) {
    for (const config::Finding& finding : loaded.findings) {
      if (finding.severity == config::FindingSeverity::kError) {
        Log(Severity::kError, "postfix/master", "error: " + FormatFinding(finding));
      }
    }
    Log(Severity::kError, "postfix/master",
        std::string("error: not reloaded (") + cause + "): the configuration in use stays");
    return;
  }
  if (!SameListeners(*config_, *loaded.config)) {
    Log(Severity::kError, "postfix/master",
        "error: not reloaded: addresses, ports or services of listeners changed, which needs a restart");
    return;
  }
  auto tls = MakeTls(*loaded.config);
  if (!tls.ok()) {
    Log(Severity::kError, "postfix/master", "error: not reloaded: " + std::string(Message(tls.status())));
    return;
  }
  ++generation_;
  config_ = Numbered(*loaded.config);
  tls_ = *std::move(tls);
  RecordConfiguration();
  for (const auto& loop : loops_) loop->Reconfigure(config_, tls_);
  Log(Severity::kInfo, "postfix/master",
      "reload -- version " + config_->routing.mail_version + ", configuration " + options_.postfix_dir);
}

void Server::Log(Severity severity, std::string tag, std::string text) {
  log_->Add(
      clock_.Read(),
      {.severity = severity, .tag = std::move(tag), .pid = static_cast<uint32_t>(getpid()), .text = std::move(text)});
  log_->Flush();
}

}  // namespace

int RunServe(const ServeOptions& options) {
  Server server(options);
  return server.Run();
}

}  // namespace postern
