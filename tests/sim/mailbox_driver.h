// An account over the simulator's disk with everything out of order: operations of open plans are done one at a time in
// any order their stages allow, answers come in any order, a process may die between any two operations.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config/settings.h"
#include "core/mailbox/account.h"
#include "core/mailbox/mailbox_state.h"
#include "core/mailbox/view.h"
#include "sim/world/disk.h"
#include "sim/world/random.h"

namespace postern::sim {

class MailboxDriver {
 public:
  static constexpr const char* kMaildir = "/home/vmail/example.test/alice/Maildir";

  explicit MailboxDriver(uint64_t seed) : disk_(seed), random_(seed, "driver"), entropy_(Entropy::Key{}) { Restart(); }

  // A new process: memory is gone, what was under way stays as far as it came.
  void Restart() {
    account_ = std::make_unique<mailbox::Account>(
        MachineId{7},
        mailbox::AccountFacts{
            .user = "alice", .maildir = kMaildir, .control_dir = control_dir.empty() ? kMaildir : control_dir},
        mailbox::NodeFacts{.host_name = "host", .pid = 1, .start_counter = ++starts_});
    pending_.clear();
    completions_.clear();
  }

  // Asks; the tag finds the answer.
  template <class F>
  uint64_t Ask(F call, uint64_t session = 1) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = config, .out = out};
    call(*account_, mailbox::Ticket{MachineId{session}, ++tags_}, context);
    Take(out);
    return tags_;
  }
  template <class F>
  mailbox::Completion Do(F call, uint64_t session = 1) {
    const uint64_t tag = Ask(call, session);
    Settle();
    mailbox::Completion* answer = Answer(tag);
    return answer == nullptr ? mailbox::Completion{.status = Unavailable("no completion")} : std::move(*answer);
  }
  mailbox::Completion* Answer(uint64_t tag) {
    const auto found = completions_.find(tag);
    return found == completions_.end() ? nullptr : &found->second;
  }

  // One operation of a plan, or one answer. False: nothing is under way.
  bool Step() {
    std::vector<size_t> ready;
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (!std::holds_alternative<SetTimer>(pending_[i].effect)) ready.push_back(i);
    }
    if (ready.empty()) {
      for (size_t i = 0; i < pending_.size(); ++i) ready.push_back(i);  // the clock goes to the timers
    }
    if (ready.empty()) return false;
    Perform(ready[in_order ? 0 : random_.Below(ready.size())]);
    return true;
  }
  void Settle() {
    for (int steps = 0; Step() && steps < 1'000'000;) ++steps;
  }

  void Hint() {  // an inotify event
    for (const auto& [tag, watch] : watches_) Give(DirChanged{.op = watch});
  }

  std::shared_ptr<mailbox::MailboxState> Select(const std::string& name, uint64_t session = 1, bool read_only = false) {
    auto completion = Do(
        [&](auto& account, auto ticket, auto& context) { account.Select(ticket, name, read_only, context); }, session);
    if (!completion.status.ok()) return nullptr;
    selected = std::get<mailbox::SelectResult>(completion.outcome);
    return selected.state;
  }
  void Unselect(uint64_t session = 1) {
    Ask([&](auto& account, auto, auto& context) { account.Unselect(MachineId{session}, context); });
    Settle();
  }
  std::string Body(mailbox::MailboxState& state, uint32_t uid) {
    auto completion = Do([&](auto& account, auto ticket, auto& context) {
      account.ReadMessage(ticket, state, uid, 0, UINT64_MAX, context);
    });
    return completion.status.ok() ? completion.owned_bytes : "(" + std::string(Message(completion.status)) + ")";
  }
  static mailbox::NewMessage Text(const std::string& bytes, mailbox::Flags flags = 0,
                                  std::vector<std::string> keywords = {}) {
    mailbox::NewMessage message{
        .bytes = std::make_shared<const std::string>(bytes), .flags = flags, .keywords = std::move(keywords)};
    message.file_bytes = bytes.size();
    message.crlf_bytes = bytes.size() + static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    return message;
  }
  mailbox::Completion Append(const std::string& name, mailbox::NewMessage message) {
    return Do(
        [&](auto& account, auto ticket, auto& context) { account.AppendMessages(ticket, name, {message}, context); });
  }
  mailbox::Completion Append(const std::string& name, const std::string& bytes) { return Append(name, Text(bytes)); }
  mailbox::Completion Store(mailbox::MailboxState& state, mailbox::StoreRequest request) {
    return Do([&](auto& account, auto ticket, auto& context) { account.Store(ticket, state, request, context); });
  }
  mailbox::Completion Expunge(mailbox::MailboxState& state, std::vector<uint32_t> uids) {
    return Do([&](auto& account, auto ticket, auto& context) { account.Expunge(ticket, state, uids, context); });
  }
  mailbox::Completion Refresh(mailbox::MailboxState& state) {
    return Do([&](auto& account, auto ticket, auto& context) { account.Refresh(ticket, state, context); });
  }
  mailbox::Completion Create(const std::string& name) {
    return Do([&](auto& account, auto ticket, auto& context) { account.Create(ticket, name, context); });
  }

  // Another program at work: done at once, and durable.
  void Deliver(const std::string& name, const std::string& bytes, const std::string& folder = "/new/") {
    disk_.Plant(std::string(kMaildir) + folder + name, bytes, seconds());
  }
  Status RenameOutside(const std::string& from, const std::string& to) {
    return disk_.Apply(Rename{.from = std::string(kMaildir) + from, .to = std::string(kMaildir) + to}, seconds());
  }
  void RemoveOutside(const std::string& name) { (void)disk_.Apply(Unlink{std::string(kMaildir) + name}, seconds()); }
  // The files of one folder below the Maildir, names only.
  std::vector<std::string> Names(const std::string& folder) const {
    std::vector<std::string> names;
    const auto entries = disk_.List(std::string(kMaildir) + folder);
    if (entries.ok()) {
      for (const DirEntry& entry : *entries) names.push_back(entry.name);
    }
    return names;
  }
  std::string File(const std::string& path) const {
    const auto bytes =
        disk_.ReadFile(path[0] == '/' && path.starts_with("/home") ? path : std::string(kMaildir) + path);
    return bytes.ok() ? *bytes : "";
  }

  int64_t seconds() const { return 1'700'000'000 + jump_seconds + now_ns_ / 1'000'000'000; }
  void Sleep(int64_t for_seconds) { now_ns_ += for_seconds * 1'000'000'000; }

  Disk& disk() { return disk_; }
  Random& random() { return random_; }
  mailbox::Account& account() { return *account_; }
  bool idle() const { return pending_.empty(); }
  size_t operation_count() const { return operations_; }

  config::Config config;
  std::string control_dir;
  bool in_order = false;
  int64_t jump_seconds = 0;                   // of the wall clock
  std::function<Status(const FileOp&)> fail;  // what the disk says to an operation; empty: it works
  mailbox::SelectResult selected;             // of the last Select
  size_t read_bytes_max = 0;                  // the longest answer to a Read so far

 private:
  struct Pending {
    Effect effect;
    size_t stage = 0;
    std::vector<uint32_t> left;  // operations of the stage
    PlanResult result;
  };

  Now Time() {
    now_ns_ += 1'000'000;
    return {.mono = {now_ns_}, .wall = {(1'700'000'000 + jump_seconds) * 1'000'000 + now_ns_ / 1000}};
  }
  template <class E>
  void Give(const E& event) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = config, .out = out};
    account_->Step(event, context);
    Take(out);
  }
  void Take(Effects& out) {
    for (Effect& effect : out.Take()) {
      if (const auto* watch = std::get_if<Watch>(&effect)) {
        watches_[watch->op.tag] = watch->op;
      } else if (const auto* unwatch = std::get_if<Unwatch>(&effect)) {
        watches_.erase(unwatch->op.tag);
      } else if (!std::holds_alternative<Note>(effect)) {
        pending_.push_back({std::move(effect), SIZE_MAX, {}, {}});
      }
    }
    for (mailbox::Completion& completion : account_->TakeCompletions()) {
      const uint64_t tag = completion.ticket.tag;
      completions_.insert_or_assign(tag, std::move(completion));
    }
    account_->TakeChanged();
  }

  // The next stage that has operations; false: the plan has ended.
  static bool NextStage(Pending& pending, const FilePlan& plan) {
    if (pending.stage != SIZE_MAX && !pending.result.ok()) return false;
    for (pending.stage += 1; pending.stage < plan.stages.size(); ++pending.stage) {
      for (uint32_t op = 0; op < plan.stages[pending.stage].size(); ++op) pending.left.push_back(op);
      if (!pending.left.empty()) return true;
    }
    return false;
  }

  void Perform(size_t index) {
    if (std::holds_alternative<Commit>(pending_[index].effect)) return PerformCommit(index);
    const Effect effect = std::move(pending_[index].effect);
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(index));
    if (const auto* read = std::get_if<Read>(&effect)) {
      const auto bytes = disk_.ReadFile(read->path);
      ReadDone done{.op = read->op, .status = bytes.status()};
      std::string held;
      if (bytes.ok()) {
        held = bytes->substr(std::min<uint64_t>(read->offset_bytes, bytes->size()), read->length_bytes);
        done.bytes = held;
        done.file_bytes = bytes->size();
        read_bytes_max = std::max(read_bytes_max, held.size());
      }
      Give(done);
    } else if (const auto* scan = std::get_if<Scan>(&effect)) {
      auto entries = disk_.List(scan->dir);
      ScanDone done{.op = scan->op, .status = entries.status()};
      if (entries.ok()) done.entries = *std::move(entries);
      for (size_t i = done.entries.size(); i > 1 && !in_order; --i)
        std::swap(done.entries[i - 1], done.entries[random_.Below(i)]);
      done.mtime_ns = disk_.StatPath(scan->dir).mtime_ns;
      Give(done);
    } else if (const auto* stat = std::get_if<Stat>(&effect)) {
      StatDone done{.op = stat->op};
      for (const Path& path : stat->paths) done.files.push_back(disk_.StatPath(path));
      Give(done);
    } else if (const auto* timer = std::get_if<SetTimer>(&effect)) {
      now_ns_ = std::max(now_ns_, timer->at.ns);
      Give(TimerFired{.op = timer->op});
    }
  }

  void PerformCommit(size_t index) {
    Pending& pending = pending_[index];
    const Commit& commit = std::get<Commit>(pending.effect);
    if (!pending.left.empty()) {
      const size_t at = in_order ? 0 : random_.Below(pending.left.size());
      const uint32_t op = pending.left[at];
      pending.left.erase(pending.left.begin() + static_cast<ptrdiff_t>(at));
      const FileOp& file_op = commit.plan.stages[pending.stage][op];
      ++operations_;
      Status status = fail ? fail(file_op) : Status();
      if (!status.ok()) {
        disk_.FailSync(file_op);
      } else {
        status = disk_.Apply(file_op, seconds());
      }
      if (!status.ok()) pending.result.failures.push_back({static_cast<uint32_t>(pending.stage), op, status});
    }
    if (!pending.left.empty() || NextStage(pending, commit.plan)) return;
    PlanDone done{.op = commit.op, .result = std::move(pending.result)};
    std::sort(done.result.failures.begin(), done.result.failures.end(),
              [](const auto& a, const auto& b) { return a.op < b.op; });
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(index));
    Give(done);
  }

  Disk disk_;
  Random random_;
  Entropy entropy_;
  std::unique_ptr<mailbox::Account> account_;
  std::vector<Pending> pending_;
  std::map<uint64_t, mailbox::Completion> completions_;
  std::map<uint64_t, OpId> watches_;
  int64_t now_ns_ = 0;
  uint64_t tags_ = 0, starts_ = 0;
  size_t operations_ = 0;
};

}  // namespace postern::sim
