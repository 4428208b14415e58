// A small world for IMAP sessions: files in memory, one shard's directory with accounts, and clients that are strings.
// It performs effects at once, in order; completions go to their sessions as the shard hands them out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/auth/sasl.h"
#include "core/boundary/machine.h"
#include "core/config/settings.h"
#include "core/imap/session.h"
#include "core/mailbox/account.h"

namespace postern::imap {

// One user table: every name has the same password.
class OneTable final : public config::UserTable {
 public:
  explicit OneTable(std::string password) { record_.password = Secret(std::move(password)); }
  const config::UserRecord* Find(std::string_view name) const override {
    return name.starts_with("u") ? &record_ : nullptr;
  }
  void ForEach(const std::function<void(std::string_view, const config::UserRecord&)>&) const override {}
  const config::UserRecord* Sample() const override { return &record_; }

 private:
  config::UserRecord record_;
};

// The configuration of the recordings: users u..., password "pw", special-use folders, TLS to be had.
inline std::shared_ptr<config::Config> TestConfig();

class ImapWorld final : public mailbox::Directory {
 public:
  explicit ImapWorld(std::shared_ptr<const config::Config> config = TestConfig());
  ~ImapWorld() override;

  struct Client {
    ConnId conn{};
    std::unique_ptr<ImapSession> session;
    std::string output;   // not taken yet
    bool closed = false;  // by the server
    bool starting_tls = false;
    bool paused = false;
    bool hold_drain = false;  // the client does not read: Drained only when let go
    bool drain_waits = false;
    uint64_t received_bytes = 0;
    std::vector<std::pair<uint64_t, uint64_t>> redacted;  // of the last Received
    std::optional<Handoff> handoff;
  };
  struct Visitor {
    bool tls = true;
    std::string remote = "192.0.2.1", local = "192.0.2.25";
  };

  Client& Connect() { return Connect(Visitor()); }
  Client& Connect(const Visitor& visitor);
  Client& Adopt(const Handoff& handoff);
  // Connected, logged in as `user`, greeting and login taken.
  Client& LogIn(std::string_view user = "u1");
  // Sends, runs until nothing more happens, and gives what the server said since the last time.
  std::string Say(Client& client, std::string_view bytes);
  // One command line with its CRLF; `times` like "(0.001 + 0.000 secs)" are left out of the answer.
  std::string Command(Client& client, std::string_view line);
  std::string Take(Client& client);
  void Disconnect(Client& client);
  void ReleaseDrain(Client& client);
  void Shut();
  void Advance(Duration by);  // timers fire on the way
  // Steps until nothing is left, at most `steps`.
  void Run(size_t steps = 1'000'000);

  // ---- files ----
  struct File {
    std::string bytes;
    int64_t mtime_seconds = 0;
  };
  std::map<std::string, File> files;
  std::map<std::string, int64_t> dirs;  // mtime in ns
  void PutFile(const std::string& path, std::string bytes, int64_t mtime_seconds = 1'700'000'000);
  void MakeDirs(const std::string& path);
  // A message that lies in new/ of a user's folder ("" is INBOX).
  void Deliver(std::string_view user, std::string_view folder, std::string bytes);
  std::string MaildirOf(std::string_view user) const { return "/mail/" + std::string(user); }

  // ---- faults ----
  std::set<std::string> failing_paths;  // operations on these fail with kResourceExhausted
  size_t reads_done = 0;
  uint64_t bytes_read = 0;
  bool hold_plans = false;  // plans wait until it is false again

  std::vector<LogEvent> logs;
  bool HasLog(std::string_view part) const;

  // ---- Directory ----
  StatusOr<mailbox::Account*> Open(std::string_view user, MachineId session, std::string_view service,
                                   Context& context) override;
  void Release(std::string_view user, MachineId session, Context& context) override;
  ShardId OwnerOf(std::string_view user) const override { return user == "uother" ? ShardId{1} : ShardId{0}; }
  ShardId self() const override { return self_; }
  void AnnounceArrival(std::string_view user, const Path& mailbox_dir, Context& context) override;
  bool Enter(std::string_view service, std::string_view user, const IpAddress& address, uint32_t limit) override;
  void Leave(std::string_view service, std::string_view user, const IpAddress& address) override;
  const mailbox::NodeFacts& node() const override { return node_; }
  uint32_t LogPid(ConnId conn) const override { return static_cast<uint32_t>(conn); }
  std::string NextQueueId(Context&) override { return std::to_string(++queue_ids_); }

  ShardId self_{0};
  Now now;
  std::shared_ptr<const config::Config> config;

 private:
  void Perform(std::vector<Effect> effects);
  void PerformOne(Effect effect);
  void CommitPlan(const postern::Commit& commit);
  Status Apply(const FileOp& op);
  void Touch(const std::string& path);
  void StepOne(const Event& event, MachineId machine);
  void Settle(Context& context);
  void Stepped(const std::function<void(Context&)>& body);
  static std::string ParentOf(const std::string& path);
  Client* Find(ConnId conn);

  struct Queued {
    MachineId machine;
    Event event;
    std::string bytes = {};  // what a view of the event points into
  };
  Entropy entropy_;
  mailbox::NodeFacts node_{.host_name = "mail", .pid = 7, .start_counter = 1};
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, std::unique_ptr<mailbox::Account>, std::less<>> accounts_;
  std::map<MachineId, mailbox::Account*> by_machine_;
  std::deque<Queued> queue_;
  std::vector<postern::Commit> held_plans_;
  std::map<OpId, Instant> timers_;
  std::map<std::pair<std::string, IpAddress>, uint32_t> entered_;
  uint64_t next_conn_ = 100;
  uint64_t next_account_ = 1'000'000;
  uint64_t queue_ids_ = 0;
};

// Without the times of tagged answers.
inline std::string WithoutTimes(std::string text) {
  while (true) {
    const size_t end = text.find(" + 0.000 secs)");
    if (end == std::string::npos) return text;
    const size_t begin = text.rfind(" (", end);
    text.erase(begin, end + 14 - begin);
  }
}

inline std::shared_ptr<config::Config> TestConfig() {
  auto config = std::make_shared<config::Config>();
  config->auth.mechanisms = {"PLAIN", "LOGIN", "CRAM-MD5"};
  config->auth.username_chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@";
  config::PassDb passdb;
  passdb.driver = "passwd-file";
  passdb.default_scheme = "PLAIN";
  passdb.username_format = "%u";
  passdb.users = std::make_shared<OneTable>("{PLAIN}pw");
  config->auth.passdbs.push_back(passdb);
  config::Namespace space;
  for (const auto& [name, use] : {std::pair{"Drafts", "\\Drafts"}, {"Trash", "\\Trash"}, {"Sent", "\\Sent"}}) {
    space.mailboxes.push_back({.name = name, .special_use = {use}});
  }
  config->storage.namespaces.push_back(space);
  config::Listener listener;
  listener.protocol = config::Protocol::kImap;
  listener.tls = std::make_shared<config::TlsContext>();
  config->listeners.push_back(listener);
  return config;
}

inline ImapWorld::ImapWorld(std::shared_ptr<const config::Config> the_config)
    : config(std::move(the_config)), entropy_(Entropy::Key{1, 2, 3}) {
  now.wall.us = INT64_C(1'700'000'000'000'000);
  now.mono.ns = 1'000'000'000;
}
inline ImapWorld::~ImapWorld() = default;

inline ImapWorld::Client* ImapWorld::Find(ConnId conn) {
  for (const auto& client : clients_) {
    if (client->conn == conn) return client.get();
  }
  return nullptr;
}

// One step of a machine: its effects, then completions to their sessions, as the shard does it.
inline void ImapWorld::Stepped(const std::function<void(Context&)>& body) {
  Effects out;
  Context context{.now = now, .entropy = entropy_, .config = *config, .out = out};
  body(context);
  Settle(context);
  Perform(out.Take());
}

inline void ImapWorld::Settle(Context& context) {
  for (bool again = true; again;) {
    again = false;
    for (auto& [user, account] : accounts_) {
      for (mailbox::Completion& completion : account->TakeCompletions()) {
        again = true;
        Client* client = Find(ConnId{static_cast<uint64_t>(completion.ticket.session)});
        if (client != nullptr && client->session != nullptr && !client->session->ended()) {
          client->session->OnCompletion(completion, context);
        }
      }
      for (const MachineId id : account->TakeChanged()) {
        again = true;
        Client* client = Find(ConnId{static_cast<uint64_t>(id)});
        if (client != nullptr && client->session != nullptr && !client->session->ended()) {
          client->session->OnMailboxChanged(context);
        }
      }
    }
  }
}

inline ImapWorld::Client& ImapWorld::Connect(const Visitor& visitor) {
  auto owned = std::make_unique<Client>();
  Client& client = *owned;
  client.conn = ConnId{next_conn_++};
  clients_.push_back(std::move(owned));
  Accepted accepted{.conn = client.conn};
  accepted.peer.remote = {*IpAddress::Parse(visitor.remote), 4711};
  accepted.peer.local = {*IpAddress::Parse(visitor.local), 143};
  if (visitor.tls) accepted.tls.protocol = "TLSv1.3";
  Stepped([&](Context& context) {
    client.session = std::make_unique<ImapSession>(client.conn, accepted, config, *this, context);
  });
  Run();
  return client;
}

inline ImapWorld::Client& ImapWorld::Adopt(const Handoff& handoff) {
  auto owned = std::make_unique<Client>();
  Client& client = *owned;
  client.conn = handoff.conn;
  std::erase_if(clients_, [&](const auto& other) { return other->conn == handoff.conn; });
  clients_.push_back(std::move(owned));
  Adopted adopted{.conn = client.conn, .login = handoff.login, .unread = handoff.unread};
  adopted.peer.remote.address = *IpAddress::Parse("192.0.2.1");
  adopted.peer.local.address = *IpAddress::Parse("192.0.2.25");
  Stepped([&](Context& context) { client.session = std::make_unique<ImapSession>(adopted, config, *this, context); });
  Run();
  return client;
}

inline ImapWorld::Client& ImapWorld::LogIn(std::string_view user) {
  Client& client = Connect();
  Say(client, "l LOGIN " + std::string(user) + " pw\r\n");
  return client;
}

inline std::string ImapWorld::Say(Client& client, std::string_view bytes) {
  client.received_bytes += bytes.size();
  client.redacted.clear();
  queue_.push_back(
      {.machine = MachineOf(client.conn), .event = Received{client.conn, {}}, .bytes = std::string(bytes)});
  Run();
  return Take(client);
}

inline std::string ImapWorld::Command(Client& client, std::string_view line) {
  return WithoutTimes(Say(client, std::string(line) + "\r\n"));
}

inline std::string ImapWorld::Take(Client& client) { return std::exchange(client.output, {}); }

inline void ImapWorld::Disconnect(Client& client) {
  queue_.push_back({.machine = MachineOf(client.conn), .event = PeerClosed{client.conn, {}}});
  Run();
}

inline void ImapWorld::ReleaseDrain(Client& client) {
  client.hold_drain = false;
  if (std::exchange(client.drain_waits, false)) {
    queue_.push_back({.machine = MachineOf(client.conn), .event = Drained{client.conn}});
  }
  Run();
}

inline void ImapWorld::Shut() {
  for (const auto& client : clients_) queue_.push_back({.machine = MachineOf(client->conn), .event = Shutdown{}});
  Run();
}

inline void ImapWorld::Advance(Duration by) {
  const Instant end = now.mono + by;
  while (true) {
    auto next = timers_.end();
    for (auto timer = timers_.begin(); timer != timers_.end(); ++timer) {
      if (timer->second <= end && (next == timers_.end() || timer->second < next->second)) next = timer;
    }
    if (next == timers_.end()) break;
    const OpId op = next->first;
    if (next->second > now.mono) {
      now.wall.us += (next->second - now.mono).ns / 1000;
      now.mono = next->second;
    }
    timers_.erase(next);
    queue_.push_back({.machine = op.machine, .event = TimerFired{op}});
    Run();
  }
  now.wall.us += (end - now.mono).ns / 1000;
  now.mono = end;
  Run();
}

inline void ImapWorld::Run(size_t steps) {
  if (!hold_plans) {
    for (const postern::Commit& commit : std::exchange(held_plans_, {})) CommitPlan(commit);
  }
  while (!queue_.empty() && steps-- > 0) {
    Queued queued = std::move(queue_.front());
    queue_.pop_front();
    if (auto* received = std::get_if<Received>(&queued.event)) received->bytes = queued.bytes;
    if (auto* read = std::get_if<ReadDone>(&queued.event)) read->bytes = queued.bytes;
    StepOne(queued.event, queued.machine);
  }
}

inline void ImapWorld::StepOne(const Event& event, MachineId machine) {
  Stepped([&](Context& context) {
    if (const auto account = by_machine_.find(machine); account != by_machine_.end()) {
      account->second->Step(event, context);
    } else if (Client* client = Find(ConnId{static_cast<uint64_t>(machine)});
               client != nullptr && client->session != nullptr && !client->session->ended()) {
      client->session->Step(event, context);
    }
  });
}

inline void ImapWorld::Perform(std::vector<Effect> effects) {
  for (Effect& effect : effects) PerformOne(std::move(effect));
}

inline void ImapWorld::PerformOne(Effect effect) {
  if (auto* send = std::get_if<Send>(&effect)) {
    if (Client* client = Find(send->conn); client != nullptr && !client->closed)
      client->output += send->bytes.Flatten();
  } else if (auto* close = std::get_if<Close>(&effect)) {
    if (Client* client = Find(close->conn)) client->closed = true;
  } else if (auto* tls = std::get_if<StartTls>(&effect)) {
    if (Client* client = Find(tls->conn)) client->starting_tls = true;
    queue_.push_back({.machine = MachineOf(tls->conn), .event = TlsReady{tls->conn, TlsFacts{.protocol = "TLSv1.3"}}});
  } else if (auto* drain = std::get_if<AwaitDrain>(&effect)) {
    Client* client = Find(drain->conn);
    if (client != nullptr && client->hold_drain) {
      client->drain_waits = true;
    } else {
      queue_.push_back({.machine = MachineOf(drain->conn), .event = Drained{drain->conn}});
    }
  } else if (auto* pause = std::get_if<PauseReading>(&effect)) {
    if (Client* client = Find(pause->conn)) client->paused = true;
  } else if (auto* resume = std::get_if<ResumeReading>(&effect)) {
    if (Client* client = Find(resume->conn)) client->paused = false;
  } else if (auto* handoff = std::get_if<Handoff>(&effect)) {
    if (Client* client = Find(handoff->conn)) client->handoff = *handoff;
  } else if (auto* timer = std::get_if<SetTimer>(&effect)) {
    timers_[timer->op] = timer->at;
  } else if (auto* cancel = std::get_if<CancelTimer>(&effect)) {
    timers_.erase(cancel->op);
  } else if (auto* commit = std::get_if<postern::Commit>(&effect)) {
    if (hold_plans) {
      held_plans_.push_back(std::move(*commit));
    } else {
      CommitPlan(*commit);
    }
  } else if (auto* read = std::get_if<Read>(&effect)) {
    ++reads_done;
    ReadDone done{.op = read->op};
    Queued queued{.machine = read->op.machine, .event = Continue{}};
    const auto file = files.find(read->path);
    if (file == files.end()) {
      done.status = NotFound(read->path);
    } else {
      done.file_bytes = file->second.bytes.size();
      done.mtime_seconds = file->second.mtime_seconds;
      done.inode = std::hash<std::string>()(read->path);
      const uint64_t offset = std::min<uint64_t>(read->offset_bytes, done.file_bytes);
      queued.bytes = file->second.bytes.substr(offset, read->length_bytes);
      bytes_read += queued.bytes.size();
    }
    queued.event = done;
    queue_.push_back(std::move(queued));
  } else if (auto* scan = std::get_if<Scan>(&effect)) {
    ScanDone done{.op = scan->op};
    const auto dir = dirs.find(scan->dir);
    if (dir == dirs.end()) {
      done.status = NotFound(scan->dir);
    } else {
      done.mtime_ns = dir->second;
      const std::string prefix = scan->dir + "/";
      std::set<std::string> seen;
      for (auto file = files.lower_bound(prefix); file != files.end() && file->first.starts_with(prefix); ++file) {
        if (file->first.find('/', prefix.size()) == std::string::npos)
          done.entries.push_back({file->first.substr(prefix.size()), false});
      }
      for (auto sub = dirs.lower_bound(prefix); sub != dirs.end() && sub->first.starts_with(prefix); ++sub) {
        if (sub->first.find('/', prefix.size()) == std::string::npos)
          done.entries.push_back({sub->first.substr(prefix.size()), true});
      }
    }
    queue_.push_back({.machine = scan->op.machine, .event = done});
  } else if (auto* stat = std::get_if<Stat>(&effect)) {
    StatDone done{.op = stat->op};
    for (const Path& path : stat->paths) {
      FileFacts facts;
      if (const auto dir = dirs.find(path); dir != dirs.end()) {
        facts.is_dir = true;
        facts.mtime_ns = dir->second;
        facts.inode = std::hash<std::string>()(path);
      } else if (const auto file = files.find(path); file != files.end()) {
        facts.size_bytes = file->second.bytes.size();
        facts.mtime_ns = file->second.mtime_seconds * 1'000'000'000;
        facts.inode = std::hash<std::string>()(path);
      } else {
        facts.status = NotFound(path);
      }
      done.files.push_back(facts);
    }
    queue_.push_back({.machine = stat->op.machine, .event = done});
  } else if (auto* ask = std::get_if<Ask>(&effect)) {
    const auto* verify = std::get_if<VerifyPassword>(&ask->question);
    PasswordChecked checked;
    if (verify != nullptr) {
      const auto matches = auth::VerifyStoredPassword(verify->stored.Reveal(), verify->password.Reveal(), verify->user);
      checked.status = matches.status();
      checked.matches = matches.ok() && *matches;
    }
    queue_.push_back({.machine = ask->op.machine, .event = Answer{.op = ask->op, .reply = checked}});
  } else if (auto* later = std::get_if<ContinueLater>(&effect)) {
    queue_.push_back({.machine = later->machine, .event = Continue{later->machine}});
  } else if (auto* redact = std::get_if<Redact>(&effect)) {
    if (Client* client = Find(redact->conn)) client->redacted.emplace_back(redact->offset_bytes, redact->length_bytes);
  } else if (auto* note = std::get_if<Note>(&effect)) {
    logs.push_back(note->event);
  }
}

inline std::string ImapWorld::ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

inline void ImapWorld::Touch(const std::string& path) {
  const auto dir = dirs.find(ParentOf(path));
  if (dir != dirs.end()) dir->second += 1'000'000'007;
}

inline void ImapWorld::MakeDirs(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    dirs.try_emplace(path.substr(0, slash), 1);
  }
  dirs.try_emplace(path, 1);
}

inline void ImapWorld::PutFile(const std::string& path, std::string bytes, int64_t mtime_seconds) {
  MakeDirs(ParentOf(path));
  files[path] = {std::move(bytes), mtime_seconds};
  Touch(path);
}

inline void ImapWorld::Deliver(std::string_view user, std::string_view folder, std::string bytes) {
  const std::string dir = MaildirOf(user) + (folder.empty() ? "" : "/." + std::string(folder));
  for (const char* part : {"/cur", "/new", "/tmp"}) MakeDirs(dir + part);
  const uint64_t number = ++queue_ids_;
  PutFile(dir + "/new/" + std::to_string(1'700'000'000 + number) + ".M1P" + std::to_string(number) + ".mail",
          std::move(bytes), static_cast<int64_t>(1'700'000'000 + number));
  if (const auto account = accounts_.find(user); account != accounts_.end()) {
    Stepped([&](Context& context) { account->second->Arrived(dir, context); });
  }
  Run();
}

inline Status ImapWorld::Apply(const FileOp& op) {
  const auto failing = [&](const Path& path) {
    return std::any_of(failing_paths.begin(), failing_paths.end(),
                       [&](const std::string& part) { return path.find(part) != std::string::npos; });
  };
  if (const auto* create = std::get_if<Create>(&op)) {
    if (failing(create->path)) return ResourceExhausted("disk full");
    if (files.contains(create->path)) return AlreadyExists(create->path);
    if (!dirs.contains(ParentOf(create->path))) return NotFound(create->path);
    files[create->path] = {create->bytes.Flatten(),
                           create->mtime_seconds >= 0 ? create->mtime_seconds : now.wall.seconds()};
    Touch(create->path);
  } else if (const auto* append = std::get_if<Append>(&op)) {
    if (failing(append->path)) return ResourceExhausted("disk full");
    if (!dirs.contains(ParentOf(append->path))) return NotFound(append->path);
    auto file = files.find(append->path);
    if (file == files.end()) {
      if (append->at_bytes != 0) return FailedPrecondition(append->path);
      Touch(append->path);
      file = files.emplace(append->path, File{"", now.wall.seconds()}).first;
    }
    if (file->second.bytes.size() != append->at_bytes) return FailedPrecondition(append->path);
    file->second.bytes += append->bytes.Flatten();
  } else if (const auto* rename = std::get_if<Rename>(&op)) {
    if (failing(rename->to)) return ResourceExhausted("disk full");
    if (const auto file = files.find(rename->from); file != files.end()) {
      if (!rename->replace && files.contains(rename->to)) return AlreadyExists(rename->to);
      if (!dirs.contains(ParentOf(rename->to))) return NotFound(rename->to);
      File moved = std::move(file->second);
      files.erase(file);
      files[rename->to] = std::move(moved);
    } else if (dirs.contains(rename->from)) {
      std::map<std::string, File> moved_files;
      std::map<std::string, int64_t> moved_dirs;
      const std::string prefix = rename->from + "/";
      for (auto& [path, file] : files) {
        if (path.starts_with(prefix)) moved_files[rename->to + path.substr(rename->from.size())] = file;
      }
      for (auto& [path, mtime] : dirs) {
        if (path == rename->from || path.starts_with(prefix))
          moved_dirs[rename->to + path.substr(rename->from.size())] = mtime;
      }
      std::erase_if(files, [&](const auto& entry) { return entry.first.starts_with(prefix); });
      std::erase_if(dirs,
                    [&](const auto& entry) { return entry.first == rename->from || entry.first.starts_with(prefix); });
      files.merge(moved_files);
      dirs.merge(moved_dirs);
    } else {
      return NotFound(rename->from);
    }
    Touch(rename->from);
    Touch(rename->to);
  } else if (const auto* link = std::get_if<Link>(&op)) {
    const auto file = files.find(link->from);
    if (file == files.end()) return NotFound(link->from);
    if (files.contains(link->to)) return AlreadyExists(link->to);
    if (!dirs.contains(ParentOf(link->to))) return NotFound(link->to);
    const File copy = file->second;
    files[link->to] = copy;
    Touch(link->to);
  } else if (const auto* unlink = std::get_if<Unlink>(&op)) {
    if (files.erase(unlink->path) > 0) Touch(unlink->path);
  } else if (const auto* make = std::get_if<MakeDir>(&op)) {
    MakeDirs(make->path);
  } else if (const auto* remove = std::get_if<RemoveTree>(&op)) {
    const std::string prefix = remove->path + "/";
    std::erase_if(files, [&](const auto& entry) { return entry.first.starts_with(prefix); });
    std::erase_if(dirs,
                  [&](const auto& entry) { return entry.first == remove->path || entry.first.starts_with(prefix); });
  } else if (const auto* mtime = std::get_if<SetMtime>(&op)) {
    const auto file = files.find(mtime->path);
    if (file == files.end()) return NotFound(mtime->path);
    file->second.mtime_seconds = mtime->mtime_seconds;
  }
  return OkStatus();
}

inline void ImapWorld::CommitPlan(const postern::Commit& commit) {
  PlanDone done{.op = commit.op};
  for (uint32_t stage = 0; stage < commit.plan.stages.size() && done.result.ok(); ++stage) {
    for (uint32_t op = 0; op < commit.plan.stages[stage].size(); ++op) {
      if (Status status = Apply(commit.plan.stages[stage][op]); !status.ok()) {
        done.result.failures.push_back({.stage = stage, .op = op, .status = status});
      }
    }
  }
  queue_.push_back({.machine = commit.op.machine, .event = done});
}

inline bool ImapWorld::HasLog(std::string_view part) const {
  return std::any_of(logs.begin(), logs.end(),
                     [&](const LogEvent& log) { return log.text.find(part) != std::string::npos; });
}

// ---- Directory ----

inline StatusOr<mailbox::Account*> ImapWorld::Open(std::string_view user, MachineId, std::string_view, Context&) {
  if (user == "ubroken") return Unavailable("no userdb");
  auto found = accounts_.find(user);
  if (found == accounts_.end()) {
    const MachineId id{next_account_++};
    const std::string maildir = MaildirOf(user);
    auto account = std::make_unique<mailbox::Account>(
        id, mailbox::AccountFacts{.user = std::string(user), .maildir = maildir, .control_dir = maildir, .owner = {}},
        node_);
    by_machine_[id] = account.get();
    found = accounts_.emplace(std::string(user), std::move(account)).first;
  }
  return found->second.get();
}

inline void ImapWorld::Release(std::string_view user, MachineId session, Context& context) {
  if (const auto found = accounts_.find(user); found != accounts_.end()) found->second->Unselect(session, context);
}

inline void ImapWorld::AnnounceArrival(std::string_view, const Path&, Context&) {}

inline bool ImapWorld::Enter(std::string_view, std::string_view user, const IpAddress& address, uint32_t limit) {
  uint32_t& count = entered_[{std::string(user), address}];
  if (limit != 0 && count >= limit) return false;
  ++count;
  return true;
}

inline void ImapWorld::Leave(std::string_view, std::string_view user, const IpAddress& address) {
  --entered_[{std::string(user), address}];
}

}  // namespace postern::imap
