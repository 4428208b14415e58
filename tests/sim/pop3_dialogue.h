// A POP3 session over a real account on the simulator's disk, with a directory that owns every user: a client says
// something, everything that follows is done at once, and the server's answer is text.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/pop3/session.h"
#include "sim/campaign/setting.h"
#include "sim/world/disk.h"

namespace postern::sim {

inline constexpr ConnId kConn{42};
inline const std::string kUser = "alice@example.test";

class OneAccount final : public mailbox::Directory {
 public:
  OneAccount()
      : account_(MachineId{7}, {.user = kUser, .maildir = MaildirOf(kUser), .control_dir = MaildirOf(kUser)}, node_) {}
  StatusOr<mailbox::Account*> Open(std::string_view, MachineId, std::string_view, Context&) override {
    return &account_;
  }
  void Release(std::string_view, MachineId session, Context& context) override { account_.Unselect(session, context); }
  ShardId OwnerOf(std::string_view) const override { return ShardId{0}; }
  ShardId self() const override { return ShardId{0}; }
  void AnnounceArrival(std::string_view, const Path&, Context&) override {}
  bool Enter(std::string_view service, std::string_view, const IpAddress&, uint32_t limit) override {
    if (full || (service == "pop3-lock" && locks >= limit)) return false;
    if (service == "pop3-lock") ++locks;
    return true;
  }
  void Leave(std::string_view service, std::string_view, const IpAddress&) override {
    if (service == "pop3-lock") --locks;
  }
  const mailbox::NodeFacts& node() const override { return node_; }
  uint32_t LogPid(ConnId) const override { return 1; }
  std::string NextQueueId(Context&) override { return "000000000001"; }

  bool full = false;
  uint32_t locks = 0;
  mailbox::NodeFacts node_{.host_name = "host", .pid = 1, .start_counter = 1};
  mailbox::Account account_;
};

class Dialogue {
 public:
  Dialogue(Disk& disk, size_t listener, const std::function<void(config::Config&)>& change = nullptr)
      : disk_(disk), entropy_(Entropy::Key{}), setting_(MakeSetting(config::MailFsync::kOptimized)) {
    if (change != nullptr) {
      auto changed = std::make_shared<config::Config>(*setting_);
      change(*changed);
      setting_ = changed;
    }
    Accepted accepted{.conn = kConn};
    accepted.peer.listener = ListenerId{static_cast<uint16_t>(listener)};
    accepted.peer.remote.address = *IpAddress::Parse("198.51.100.7");
    accepted.peer.local.address = *IpAddress::Parse("192.0.2.1");
    if (setting_->listeners[listener].implicit_tls) accepted.tls.protocol = "TLSv1.3";
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = *setting_, .out = out};
    session_ = std::make_unique<pop3::Pop3Session>(kConn, accepted, setting_, directory_, context);
    Take(out);
    Run();
  }

  // What the server says to `bytes`.
  std::string Say(std::string_view bytes) {
    said_.clear();
    received_ = bytes;
    Step(Received{.conn = kConn, .bytes = bytes});
    Run();
    return said_;
  }
  void Step(const Event& event) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = *setting_, .out = out};
    session_->Step(event, context);
    Take(out);
  }
  const std::string& said() const { return said_; }
  bool ended() const { return session_->ended(); }
  bool wants_tls() const { return wants_tls_; }
  void TlsUp() {
    Step(TlsReady{.conn = kConn, .facts = {.protocol = "TLSv1.3"}});
    Run();
  }
  OneAccount& directory() { return directory_; }
  // Time goes by, and the session's timer fires.
  void Wait(Duration duration) {
    ticks_ += duration.ns / 1000;
    Step(TimerFired{{MachineOf(kConn), 1}});
    Run();
  }
  bool closed_now() const { return closed_now_; }
  const std::string& redacted() const { return redacted_; }
  bool takes_output = true;

 private:
  Now Time() { return {.mono = {++ticks_ * 1000}, .wall = {1'700'000'000'000'000 + ticks_}}; }
  void Take(Effects& out) {
    for (Effect& effect : out.Take()) effects_.push_back(std::move(effect));
  }
  void GiveAccount(const Event& event) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = *setting_, .out = out};
    directory_.account_.Step(event, context);
    Take(out);
  }
  void Run() {
    do {
      while (!effects_.empty()) {
        Effect effect = std::move(effects_.front());
        effects_.pop_front();
        Perform(effect);
      }
      Effects out;
      Context context{.now = Time(), .entropy = entropy_, .config = *setting_, .out = out};
      for (mailbox::Completion& completion : directory_.account_.TakeCompletions())
        session_->OnCompletion(completion, context);
      directory_.account_.TakeChanged();
      Take(out);
    } while (!effects_.empty());
  }
  void Perform(Effect& effect) {
    if (auto* send = std::get_if<Send>(&effect)) {
      said_ += send->bytes.Flatten();
    } else if (std::get_if<AwaitDrain>(&effect) != nullptr) {
      if (takes_output) Step(Drained{kConn});
    } else if (auto* close = std::get_if<Close>(&effect)) {
      closed_now_ = close->kind == CloseKind::kNow;
    } else if (auto* redact = std::get_if<Redact>(&effect)) {
      redacted_.append(received_.substr(redact->offset_bytes, redact->length_bytes)).append("|");
    } else if (std::get_if<StartTls>(&effect) != nullptr) {
      wants_tls_ = true;
    } else if (auto* ask = std::get_if<Ask>(&effect)) {
      const auto& verify = std::get<VerifyPassword>(ask->question);
      const auto matches = auth::VerifyStoredPassword(verify.stored.Reveal(), verify.password.Reveal(), verify.user);
      Step(Answer{.op = ask->op,
                  .reply = PasswordChecked{.matches = matches.ok() && *matches, .status = matches.status()}});
    } else if (auto* timer = std::get_if<SetTimer>(&effect)) {
      if (timer->op.tag == 2) Step(TimerFired{timer->op});  // the delay of a failed login
    } else if (auto* commit = std::get_if<Commit>(&effect)) {
      PlanDone done{.op = commit->op};
      for (size_t stage = 0; stage < commit->plan.stages.size() && done.result.ok(); ++stage) {
        for (size_t op = 0; op < commit->plan.stages[stage].size(); ++op) {
          const Status status = disk_.Apply(commit->plan.stages[stage][op], 1'700'000'000);
          if (!status.ok())
            done.result.failures.push_back({static_cast<uint32_t>(stage), static_cast<uint32_t>(op), status});
        }
      }
      GiveAccount(done);
    } else if (auto* read = std::get_if<Read>(&effect)) {
      const auto bytes = disk_.ReadFile(read->path);
      ReadDone done{.op = read->op, .status = bytes.status()};
      std::string held;
      if (bytes.ok()) {
        held = bytes->substr(std::min<uint64_t>(read->offset_bytes, bytes->size()), read->length_bytes);
        done.bytes = held;
        done.file_bytes = bytes->size();
      }
      GiveAccount(done);
    } else if (auto* scan = std::get_if<Scan>(&effect)) {
      auto entries = disk_.List(scan->dir);
      ScanDone done{.op = scan->op, .status = entries.status()};
      if (entries.ok()) done.entries = *std::move(entries);
      GiveAccount(done);
    } else if (auto* stat = std::get_if<Stat>(&effect)) {
      StatDone done{.op = stat->op};
      for (const Path& path : stat->paths) done.files.push_back(disk_.StatPath(path));
      GiveAccount(done);
    }
  }

  Disk& disk_;
  Entropy entropy_;
  std::shared_ptr<const config::Config> setting_;
  OneAccount directory_;
  std::unique_ptr<pop3::Pop3Session> session_;
  std::deque<Effect> effects_;
  std::string said_;
  bool wants_tls_ = false;
  bool closed_now_ = false;
  std::string_view received_;
  std::string redacted_;
  int64_t ticks_ = 0;
};

inline void PlantMail(Disk& disk) {
  disk.Plant(MaildirOf(kUser) + "/cur/.keep", "", 1);
  disk.Plant(MaildirOf(kUser) + "/tmp/.keep", "", 1);
  disk.Plant(MaildirOf(kUser) + "/new/1700000001.M1P1.host", "Subject: one\n\nbody 1\n.\n..\n", 1);
  disk.Plant(MaildirOf(kUser) + "/new/1700000002.M1P1.host", "Subject: two\n\na\nb\nc\n", 1);
  disk.Plant(MaildirOf(kUser) + "/dovecot-uidlist", "3 V1795162152 N94 G0123456789abcdef0123456789abcdef\n", 1);
}
inline const std::string kLogin = "USER " + kUser + "\r\nPASS " + PasswordOf(kUser) + "\r\n";

}  // namespace postern::sim
