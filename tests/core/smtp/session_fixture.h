// One SMTP session without a world: a configuration in memory, a directory that knows nobody, a disk that is a map, and
// a driver that answers what the session asks.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/sasl.h"
#include "core/config/load.h"
#include "core/config/memory_files.h"
#include "core/smtp/session.h"
#include "tests/core/config/reference_host.h"

namespace postern::smtp {

// ---- the hosts that a real Postfix was asked with (capture_dialogues.py) --------------------------------------------

// The host of peer/: services on ports of their own for single settings.
inline config::MemoryFiles PeerHost() {
  config::MemoryFiles files = config::BareHost();
  const std::string folder = std::string(POSTERN_SOURCE_DIR) + "/tests/core/smtp/peer/";
  for (const char* name : {"main.cf", "master.cf", "vmailbox", "virtual", "relayrcpt", "localrcpt", "logins", "saccess",
                           "raccess", "caccess", "haccess"}) {
    files.Add(std::string("/etc/postfix/") + name, config::ReadWhole(folder + name));
  }
  for (const char* name : {"dovecot.conf", "users"})
    files.Add(std::string("/etc/dovecot/") + name, config::ReadWhole(folder + name));
  return files;
}

// The reference configuration, whose clients are strangers unless they come from 127.0.0.99.
inline config::MemoryFiles ReferenceHost() {
  config::MemoryFiles files = config::ReferenceHost("working");
  std::string main = config::ReadWhole(config::SharedFolder() + "/reference-config/working/postfix/main.cf");
  const std::string_view mine = "mynetworks = 127.0.0.0/8";
  main.replace(main.find(mine), mine.size(), "mynetworks = 127.0.0.99/32");
  files.Add("/etc/postfix/main.cf", main);
  return files;
}

// `*errors`: what the loader objects to, for the message of a failed test; empty: nothing.
inline std::shared_ptr<const config::Config> LoadHost(config::MemoryFiles files, std::string* errors) {
  config::Loaded loaded = config::Load(files, {.public_checks = false});
  for (const config::Finding& finding : loaded.findings) {
    if (finding.severity == config::FindingSeverity::kError)
      *errors += finding.id + " " + finding.file + ": " + finding.what + "\n";
  }
  return loaded.config;
}
inline std::shared_ptr<const config::Config> PeerConfig(std::string* errors) { return LoadHost(PeerHost(), errors); }

// ---- a disk ---------------------------------------------------------------------------------------------------------

class MapDisk {
 public:
  // Decides about one operation before it is done; OK: go on.
  using Judge = std::function<Status(const FileOp&)>;
  Judge judge;
  std::map<Path, std::string> files;
  std::set<Path> folders;
  std::vector<std::string> log;  // Describe() of every plan

  PlanResult Run(const FilePlan& plan);

 private:
  Status Do(const FileOp& op);
};

// ---- a directory ----------------------------------------------------------------------------------------------------

class FakeDirectory final : public mailbox::Directory {
 public:
  StatusOr<mailbox::Account*> Open(std::string_view, MachineId, std::string_view, Context&) override {
    return NotFound("none");
  }
  void Release(std::string_view, MachineId, Context&) override {}
  ShardId OwnerOf(std::string_view) const override { return {}; }
  ShardId self() const override { return {}; }
  void AnnounceArrival(std::string_view, const Path& mailbox_dir, Context&) override {
    arrivals.push_back(mailbox_dir);
  }
  bool Enter(std::string_view, std::string_view, const IpAddress&, uint32_t limit) override {
    if (limit != 0 && entered >= limit) return false;
    ++entered;
    return true;
  }
  void Leave(std::string_view, std::string_view, const IpAddress&) override { --entered; }
  const mailbox::NodeFacts& node() const override { return node_; }
  uint32_t LogPid(ConnId) const override { return 7; }
  void FlushSite(std::string_view domain, Context&) override { flushed.emplace_back(domain); }
  std::string NextQueueId(Context&) override {
    char text[16];
    std::snprintf(text, sizeof text, "%012X", 0xABC000u + ++ids);
    return text;
  }

  std::vector<Path> arrivals;
  std::vector<std::string> flushed;  // sites that ETRN asked for
  uint32_t entered = 0, ids = 0;

 private:
  mailbox::NodeFacts node_{.host_name = "mail.example.test", .pid = 42, .start_counter = 3};
};

// ---- a driver -------------------------------------------------------------------------------------------------------

class Harness {
 public:
  // `port` names the service in kMasterCf.
  Harness(std::shared_ptr<const config::Config> config, uint16_t port, std::string_view client = "127.0.0.1",
          bool answer_name = true, auth::Verifier* foreign = nullptr);

  void Send(std::string_view bytes);
  void Line(std::string_view line) { Send(std::string(line) + "\r\n"); }
  // What the client has received since the last call.
  std::string Replies() { return std::exchange(replies_, {}); }
  std::string Ask(std::string_view line) {
    Line(line);
    return Replies();
  }
  void Give(const Event& event);
  void Tell(std::variant<auth::Offer, auth::Step> what);  // of `foreign`
  void BeginTls();
  void Advance(Duration time);  // timers that come due fire

  MapDisk disk;
  bool hold_plans = false;  // plans wait for RunPlans()
  void RunPlans();
  size_t plans_waiting() const { return waiting_.size(); }
  ClientName client_name{};  // what the lookup answers
  bool hold_answers = false;
  void GiveAnswers();

  SmtpSession& session() { return *session_; }
  FakeDirectory& directory() { return directory_; }
  bool closed() const { return closed_; }
  bool paused() const { return paused_; }
  bool tls_wanted() const { return tls_wanted_; }
  const std::vector<LogEvent>& log() const { return log_; }
  std::string LogText() const;
  bool Logged(std::string_view part) const { return LogText().find(part) != std::string::npos; }
  const std::vector<postern::Redact>& redactions() const { return redactions_; }
  void ForgetRedactions() { redactions_.clear(); }
  Instant now() const { return now_.mono; }

 private:
  void Perform();
  Context MakeContext() { return {.now = now_, .entropy = entropy_, .config = *config_, .out = effects_}; }

  std::shared_ptr<const config::Config> config_;
  Entropy entropy_;
  FakeDirectory directory_;
  Effects effects_;
  Now now_;
  std::unique_ptr<SmtpSession> session_;
  std::string replies_;
  bool closed_ = false, paused_ = false, tls_wanted_ = false;
  std::vector<LogEvent> log_;
  std::vector<postern::Redact> redactions_;
  std::deque<Commit> waiting_;
  std::deque<postern::Ask> asks_;
  std::map<uint64_t, Instant> timers_;
  std::deque<std::string> unread_;  // sent while paused
};

// ---- inline definitions ---------------------------------------------------------------------------------------------

inline PlanResult MapDisk::Run(const FilePlan& plan) {
  log.push_back(Describe(plan));
  PlanResult result;
  for (uint32_t stage = 0; stage < plan.stages.size() && result.ok(); ++stage) {
    for (uint32_t op = 0; op < plan.stages[stage].size(); ++op) {
      Status status = judge ? judge(plan.stages[stage][op]) : OkStatus();
      if (status.ok()) status = Do(plan.stages[stage][op]);
      if (!status.ok()) result.failures.push_back({.stage = stage, .op = op, .status = status});
    }
  }
  return result;
}

inline Status MapDisk::Do(const FileOp& op) {
  if (const auto* create = std::get_if<Create>(&op)) {
    if (files.contains(create->path)) return AlreadyExists(create->path);
    files[create->path] = create->bytes.Flatten();
  } else if (const auto* append = std::get_if<Append>(&op)) {
    std::string& file = files[append->path];
    if (file.size() != append->at_bytes) return FailedPrecondition(append->path);
    file += append->bytes.Flatten();
  } else if (const auto* rename = std::get_if<Rename>(&op)) {
    const auto from = files.find(rename->from);
    if (from == files.end()) return NotFound(rename->from);
    if (files.contains(rename->to) && !rename->replace) return AlreadyExists(rename->to);
    files[rename->to] = from->second;
    files.erase(rename->from);
  } else if (const auto* unlink = std::get_if<Unlink>(&op)) {
    files.erase(unlink->path);
  } else if (const auto* make = std::get_if<MakeDir>(&op)) {
    folders.insert(make->path);
  } else if (const auto* sync = std::get_if<SyncFile>(&op)) {
    if (!files.contains(sync->path)) return NotFound(sync->path);
  }
  return OkStatus();
}

inline Harness::Harness(std::shared_ptr<const config::Config> config, uint16_t port, std::string_view client,
                        bool answer_name, auth::Verifier* foreign)
    : hold_answers(!answer_name), config_(std::move(config)), entropy_({}) {
  now_.wall.us = 1795499622'123456;
  now_.mono.ns = 1'000'000'000;
  Accepted accepted{.conn = ConnId{5}};
  accepted.peer.remote = {*IpAddress::Parse(client), 40000};
  accepted.peer.local = {*IpAddress::Parse("127.0.0.1"), port};
  for (size_t i = 0; i < config_->listeners.size(); ++i) {
    if (config_->listeners[i].endpoint.port == port) accepted.peer.listener = static_cast<ListenerId>(i);
  }
  if (config_->listeners[static_cast<size_t>(accepted.peer.listener)].implicit_tls) {
    accepted.tls = {
        .protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .secret_bits = 256, .algorithm_bits = 256};
  }
  Context context = MakeContext();
  session_ = std::make_unique<SmtpSession>(accepted.conn, accepted, config_, directory_, foreign, context);
  Perform();
}

inline void Harness::Give(const Event& event) {
  Context context = MakeContext();
  session_->Step(event, context);
  Perform();
}

inline void Harness::Tell(std::variant<auth::Offer, auth::Step> what) {
  Context context = MakeContext();
  session_->OnVerifierAnswer({.session = MachineOf(ConnId{5}), .what = std::move(what)}, context);
  Perform();
}

inline void Harness::Send(std::string_view bytes) {
  if (closed_) return;
  if (paused_) {
    unread_.emplace_back(bytes);
    return;
  }
  Give(Received{.conn = ConnId{5}, .bytes = bytes});
}

inline void Harness::BeginTls() {
  tls_wanted_ = false;
  Give(TlsReady{
      .conn = ConnId{5},
      .facts = {.protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .secret_bits = 256, .algorithm_bits = 256}});
}

inline void Harness::Advance(Duration time) {
  const Instant end = now_.mono + time;
  for (;;) {
    auto due = timers_.end();
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (it->second <= end && (due == timers_.end() || it->second < due->second)) due = it;
    }
    if (due == timers_.end()) break;
    const uint64_t tag = due->first;
    now_.wall.us += (due->second.ns - now_.mono.ns) / 1000;
    now_.mono = std::max(now_.mono, due->second);
    timers_.erase(due);
    Give(TimerFired{.op = {MachineOf(ConnId{5}), tag}});
  }
  now_.wall.us += (end.ns - now_.mono.ns) / 1000;
  now_.mono = end;
}

inline void Harness::RunPlans() {
  while (!waiting_.empty()) {
    const Commit commit = std::move(waiting_.front());
    waiting_.pop_front();
    Give(PlanDone{.op = commit.op, .result = disk.Run(commit.plan)});
  }
}

inline void Harness::GiveAnswers() {
  while (!asks_.empty()) {
    const postern::Ask ask = std::move(asks_.front());
    asks_.pop_front();
    postern::Answer answer{.op = ask.op};
    if (const auto* verify = std::get_if<VerifyPassword>(&ask.question)) {
      const auto matches = auth::VerifyStoredPassword(verify->stored.Reveal(), verify->password.Reveal(), verify->user);
      answer.reply = PasswordChecked{.matches = matches.ok() && *matches, .status = matches.status()};
    } else {
      answer.reply = client_name;
    }
    Give(answer);
  }
}

inline void Harness::Perform() {
  for (Effect& effect : effects_.Take()) {
    if (const auto* send = std::get_if<postern::Send>(&effect)) replies_ += send->bytes.Flatten();
    if (std::holds_alternative<Close>(effect)) closed_ = true;
    if (std::holds_alternative<StartTls>(effect)) tls_wanted_ = true;
    if (std::holds_alternative<PauseReading>(effect)) paused_ = true;
    if (std::holds_alternative<ResumeReading>(effect)) paused_ = false;
    if (const auto* timer = std::get_if<SetTimer>(&effect)) timers_[timer->op.tag] = timer->at;
    if (const auto* timer = std::get_if<CancelTimer>(&effect)) timers_.erase(timer->op.tag);
    if (auto* commit = std::get_if<Commit>(&effect)) waiting_.push_back(std::move(*commit));
    if (auto* ask = std::get_if<postern::Ask>(&effect)) asks_.push_back(std::move(*ask));
    if (auto* note = std::get_if<postern::Note>(&effect)) log_.push_back(std::move(note->event));
    if (const auto* redact = std::get_if<postern::Redact>(&effect)) redactions_.push_back(*redact);
  }
  if (!hold_answers && !asks_.empty() && session_) GiveAnswers();
  if (!hold_plans && !waiting_.empty()) RunPlans();
  while (!paused_ && !closed_ && !unread_.empty()) {
    const std::string bytes = std::move(unread_.front());
    unread_.pop_front();
    Give(Received{.conn = ConnId{5}, .bytes = bytes});
  }
}

inline std::string Harness::LogText() const {
  std::string text;
  for (const LogEvent& event : log_) text += event.tag + ": " + event.text + "\n";
  return text;
}

}  // namespace postern::smtp
