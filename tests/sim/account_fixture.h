// An account over the simulator's disk, driven step by step: operations of a stage in order, one event after the other.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config/settings.h"
#include "core/mailbox/account.h"
#include "core/mailbox/mailbox_state.h"
#include "sim/world/disk.h"

namespace postern::sim {

class AccountFixture {
 public:
  static constexpr const char* kMaildir = "/home/vmail/example.test/alice/Maildir";

  explicit AccountFixture(Disk& disk) : disk_(disk), entropy_(Entropy::Key{}) { Restart(); }

  // A new process: memory is gone, the disk is as it is.
  void Restart() {
    account_ = std::make_unique<mailbox::Account>(
        MachineId{7}, mailbox::AccountFacts{.user = "alice", .maildir = kMaildir, .control_dir = kMaildir},
        mailbox::NodeFacts{.host_name = "host", .pid = 1, .start_counter = ++starts_});
    effects_.clear();
  }

  // Runs until everything asked for is answered, or `operations_max` file operations were done (a process killed
  // there).
  void Run(size_t operations_max = SIZE_MAX) {
    size_t operations = 0;
    Collect();
    while (!effects_.empty()) {
      Effect effect = std::move(effects_.front());
      effects_.pop_front();
      if (auto* commit = std::get_if<Commit>(&effect)) {
        PlanDone done{.op = commit->op};
        for (size_t stage = 0; stage < commit->plan.stages.size() && done.result.ok(); ++stage) {
          for (size_t op = 0; op < commit->plan.stages[stage].size(); ++op) {
            if (operations++ >= operations_max) return;
            Status status = fail ? fail(commit->plan.stages[stage][op]) : Status();
            if (status.ok()) status = disk_.Apply(commit->plan.stages[stage][op], seconds_);
            if (!status.ok()) {
              done.result.failures.push_back({static_cast<uint32_t>(stage), static_cast<uint32_t>(op), status});
            }
          }
        }
        Give(done);
      } else if (auto* read = std::get_if<Read>(&effect)) {
        const auto bytes = disk_.ReadFile(read->path);
        ReadDone done{.op = read->op, .status = bytes.status()};
        std::string held;
        if (bytes.ok()) {
          held = bytes->substr(std::min<uint64_t>(read->offset_bytes, bytes->size()), read->length_bytes);
          done.bytes = held;
          done.file_bytes = bytes->size();
        }
        Give(done);
      } else if (auto* scan = std::get_if<Scan>(&effect)) {
        auto entries = disk_.List(scan->dir);
        ScanDone done{.op = scan->op, .status = entries.status()};
        if (entries.ok()) done.entries = *std::move(entries);
        done.mtime_ns = disk_.StatPath(scan->dir).mtime_ns;
        Give(done);
      } else if (auto* stat = std::get_if<Stat>(&effect)) {
        StatDone done{.op = stat->op};
        for (const Path& path : stat->paths) done.files.push_back(disk_.StatPath(path));
        Give(done);
      } else if (auto* note = std::get_if<Note>(&effect)) {
        logs.push_back(std::move(note->event));
      }
      Collect();
    }
  }

  // One call of the account and everything it leads to; the completion of its ticket.
  template <class F>
  mailbox::Completion Do(F call) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = config_, .out = out};
    call(*account_, mailbox::Ticket{MachineId{1}, ++tags_}, context);
    Take(out);
    Run();
    for (mailbox::Completion& completion : completions_) {
      if (completion.ticket.tag == tags_) return std::move(completion);
    }
    return {.status = Unavailable("no completion")};
  }
  // The call alone: its file operations wait in line.
  template <class F>
  void Begin(F call) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = config_, .out = out};
    call(*account_, mailbox::Ticket{MachineId{1}, ++tags_}, context);
    Take(out);
  }

  std::shared_ptr<mailbox::MailboxState> Select(const std::string& name = "INBOX") {
    auto completion =
        Do([&](auto& account, auto ticket, auto& context) { account.Select(ticket, name, false, context); });
    if (!completion.status.ok()) return nullptr;
    return std::get<mailbox::SelectResult>(completion.outcome).state;
  }
  std::string Body(mailbox::MailboxState& state, uint32_t uid) {
    auto completion = Do([&](auto& account, auto ticket, auto& context) {
      account.ReadMessage(ticket, state, uid, 0, UINT64_MAX, context);
    });
    return completion.status.ok() ? completion.owned_bytes : "(" + std::string(Message(completion.status)) + ")";
  }
  mailbox::Completion Append(const std::string& name, const std::string& bytes, mailbox::Flags flags = 0) {
    return Do([&](auto& account, auto ticket, auto& context) {
      std::vector<mailbox::NewMessage> messages(1);
      messages[0].bytes = std::make_shared<const std::string>(bytes);
      messages[0].file_bytes = messages[0].crlf_bytes = bytes.size();
      messages[0].flags = flags;
      account.AppendMessages(ticket, name, std::move(messages), context);
    });
  }

  std::function<Status(const FileOp&)> fail;  // what the disk says to an operation; empty: it works
  std::vector<LogEvent> logs;
  mailbox::Account& account() { return *account_; }
  std::vector<mailbox::Completion>& completions() { return completions_; }

 private:
  Now Time() {
    return {.mono = {++ticks_ * 1000}, .wall = {(seconds_ = 1'700'000'000 + ticks_ / 1000) * 1'000'000 + ticks_}};
  }
  template <class E>
  void Give(const E& event) {
    Effects out;
    Context context{.now = Time(), .entropy = entropy_, .config = config_, .out = out};
    account_->Step(event, context);
    Take(out);
  }
  void Take(Effects& out) {
    for (Effect& effect : out.Take()) effects_.push_back(std::move(effect));
  }
  void Collect() {
    for (mailbox::Completion& completion : account_->TakeCompletions()) completions_.push_back(std::move(completion));
    account_->TakeChanged();
  }

  Disk& disk_;
  Entropy entropy_;
  config::Config config_;
  std::unique_ptr<mailbox::Account> account_;
  std::deque<Effect> effects_;
  std::vector<mailbox::Completion> completions_;
  int64_t ticks_ = 0, seconds_ = 1'700'000'000;
  uint64_t tags_ = 0, starts_ = 0;
};

}  // namespace postern::sim
