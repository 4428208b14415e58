// An account's operations on files under way: each asked with what to do when it is answered. Steps of one story are
// closures; the account's Step only finds the one an event belongs to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "core/boundary/machine.h"

namespace postern::mailbox {

class Io {
 public:
  explicit Io(MachineId machine) : machine_(machine) {}

  using OnPlan = std::function<void(const PlanResult&, Context&)>;
  using OnRead = std::function<void(const ReadDone&, Context&)>;
  using OnScan = std::function<void(const ScanDone&, Context&)>;
  using OnStat = std::function<void(const StatDone&, Context&)>;
  using OnTime = std::function<void(Context&)>;

  void Commit(FilePlan plan, Context& context, OnPlan then) {
    context.out.Put(postern::Commit{.op = Next(plans_, std::move(then)), .plan = std::move(plan)});
  }
  void Read(Path path, uint64_t offset, uint64_t length, Context& context, OnRead then) {
    context.out.Put(postern::Read{
        .op = Next(reads_, std::move(then)), .path = std::move(path), .offset_bytes = offset, .length_bytes = length});
  }
  void Scan(Path dir, Context& context, OnScan then) {
    context.out.Put(postern::Scan{.op = Next(scans_, std::move(then)), .dir = std::move(dir)});
  }
  void Stat(std::vector<Path> paths, Context& context, OnStat then) {
    context.out.Put(postern::Stat{.op = Next(stats_, std::move(then)), .paths = std::move(paths)});
  }

  // Calls `then` whenever something may have changed below `dirs`, until Unwatch.
  uint64_t Watch(std::vector<Path> dirs, Context& context, OnTime then) {
    watches_.emplace(++last_tag_, std::move(then));
    context.out.Put(postern::Watch{.op = {machine_, last_tag_}, .dirs = std::move(dirs)});
    return last_tag_;
  }
  void Unwatch(uint64_t tag, Context& context) {
    watches_.erase(tag);
    context.out.Put(postern::Unwatch{.op = {machine_, tag}});
  }
  void After(Duration delay, Context& context, OnTime then) {
    context.out.Put(SetTimer{.op = Next(timers_, std::move(then)), .at = context.now.mono + delay});
  }

  // False where the event belongs to nothing asked here.
  bool Answer(const Event& event, Context& context) {
    if (const auto* done = std::get_if<PlanDone>(&event)) return Run(plans_, done->op, done->result, context);
    if (const auto* done = std::get_if<ReadDone>(&event)) return Run(reads_, done->op, *done, context);
    if (const auto* done = std::get_if<ScanDone>(&event)) return Run(scans_, done->op, *done, context);
    if (const auto* done = std::get_if<StatDone>(&event)) return Run(stats_, done->op, *done, context);
    if (const auto* fired = std::get_if<TimerFired>(&event)) return RunTimed(timers_, fired->op, true, context);
    if (const auto* hint = std::get_if<DirChanged>(&event)) return RunTimed(watches_, hint->op, false, context);
    return false;
  }

  // Watches are no operations; a timer is one: what it calls must still be there.
  bool idle() const { return plans_.empty() && reads_.empty() && scans_.empty() && stats_.empty() && timers_.empty(); }
  size_t open_count() const { return plans_.size() + reads_.size() + scans_.size() + stats_.size() + timers_.size(); }

 private:
  template <class F>
  OpId Next(std::map<uint64_t, F>& open, F then) {
    open.emplace(++last_tag_, std::move(then));
    return {machine_, last_tag_};
  }
  template <class F, class A>
  static bool Run(std::map<uint64_t, F>& open, OpId op, const A& answer, Context& context) {
    const auto found = open.find(op.tag);
    if (found == open.end()) return false;
    const F then = std::move(found->second);
    open.erase(found);
    then(answer, context);
    return true;
  }

  static bool RunTimed(std::map<uint64_t, OnTime>& open, OpId op, bool once, Context& context) {
    const auto found = open.find(op.tag);
    if (found == open.end()) return false;
    const OnTime then = found->second;
    if (once) open.erase(found);
    then(context);
    return true;
  }

  MachineId machine_;
  uint64_t last_tag_ = 0;
  std::map<uint64_t, OnPlan> plans_;
  std::map<uint64_t, OnRead> reads_;
  std::map<uint64_t, OnScan> scans_;
  std::map<uint64_t, OnStat> stats_;
  std::map<uint64_t, OnTime> timers_, watches_;
};

}  // namespace postern::mailbox
