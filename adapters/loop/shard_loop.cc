#include "adapters/loop/shard_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace postern::loop {
namespace {

// What epoll tells is a connection's number, or one of these: connections count from 1 upwards and never get here.
constexpr uint64_t kInbox = UINT64_MAX, kPlans = UINT64_MAX - 1, kWatcher = UINT64_MAX - 2;
constexpr uint64_t kFirstListener = UINT64_MAX - 100'000;

constexpr int kEpollEvents = 256;
// Steps of reads and continuations before the sockets have their turn again.
constexpr size_t kAnswersPerTurn = 512;
// Times that a turn goes round between output that left and the next output, without asking epoll.
constexpr int kDrainRounds = 4;

}  // namespace

ShardLoop::ShardLoop(Options options)
    : options_(std::move(options)),
      tls_clients_(options_.root),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      plans_({.root = options_.root,
              .pool = options_.file_pool,
              .inbox = &inbox_,
              .spares = &options_.shared->spares,
              .use_uring = options_.use_uring}),
      reader_(options_.root, options_.file_pool, &inbox_),
      watcher_(options_.root) {
  const auto watch = [this](int fd, uint64_t data) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = data}};
    if (fd >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  };
  watch(inbox_.wake_fd(), kInbox);
  watch(plans_.event_fd(), kPlans);
  watch(watcher_.fd(), kWatcher);
}

ShardLoop::~ShardLoop() {
  if (options_.shared != nullptr) options_.shared->connection_count -= connections_.size() + dialling_.size();
}

void ShardLoop::Reconfigure(std::shared_ptr<const config::Config> config, std::shared_ptr<const TlsByListener> tls) {
  inbox_.Post([this, config = std::move(config), tls = std::move(tls)] {
    config_ = config;
    tls_ = tls;
    tls_clients_.Forget();
    Step(ConfigChanged{config});
  });
}

void ShardLoop::Stop() {
  inbox_.Post([this] {
    if (stopping_) return;
    stopping_ = true;
    stop_by_ = clock_.Read().mono + options_.stop_patience;
    WatchListeners();
    Step(Shutdown{});
    EndAllDialling();
  });
}

bool ShardLoop::Run() {
  WatchListeners();
  while (!Finished()) Turn();
  return connections_.empty() && plans_.idle();
}

bool ShardLoop::Finished() {
  if (!stopping_) return false;
  const bool quiet = (options_.quiet == nullptr || options_.quiet()) && connections_.empty() && plans_.idle();
  return quiet || clock_.Read().mono >= stop_by_;
}

void ShardLoop::Turn() {
  epoll_event events[kEpollEvents];
  const int count = epoll_wait(epoll_.get(), events, kEpollEvents, WaitMilliseconds());
  ++counts_.turns;
  for (int i = 0; i < count; ++i) OnEpoll(events[i].data.u64, events[i].events);
  if (std::exchange(inbox_woken_, false)) inbox_.RunPosted();
  FireTimers();
  if (std::exchange(watcher_woken_, false)) {
    for (const OpId& op : watcher_.Changed()) Step(DirChanged{op});
  }
  for (const size_t listener : std::exchange(listeners_ready_, {})) {
    if (listening_) Accept((*listeners_)[listener]);
  }
  FinishDialling();
  ReadConnections();
  AnswerAsked();
  RunPlans();
  FlushAll();
  if (options_.log != nullptr) options_.log->Flush();
}

int ShardLoop::WaitMilliseconds() const {
  if (!ready_.empty() || !dirty_.empty() || !drained_.empty() || !asked_.empty() || plans_.runnable()) return 0;
  std::optional<Instant> next = timers_.Next();
  const auto sooner = [&next](std::optional<Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  sooner(deadlines_.Next());
  sooner(accept_again_);
  if (stopping_) sooner(stop_by_);
  if (!next) return -1;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t left_ns = next->ns - (now.tv_sec * 1'000'000'000 + now.tv_nsec);
  // Rounded up: waking a little early would only turn once more.
  return static_cast<int>(std::clamp<int64_t>((left_ns + 999'999) / 1'000'000, 0, 60'000));
}

void ShardLoop::OnEpoll(uint64_t data, uint32_t what) {
  if (data == kInbox) {
    inbox_woken_ = true;
  } else if (data == kPlans) {
    plans_.Reap();
  } else if (data == kWatcher) {
    watcher_woken_ = true;
  } else if (data >= kFirstListener) {
    listeners_ready_.push_back(data - kFirstListener);
  } else if (net::Connection* const connection = Find(static_cast<ConnId>(data))) {
    if ((what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      connection->MarkReadable((what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
      MarkReady(connection);
    }
    if ((what & EPOLLOUT) != 0 && !connection->drained()) MarkDirty(connection);
  } else {
    dialled_.push_back(static_cast<ConnId>(data));
  }
}

void ShardLoop::WatchListeners() {
  if (listeners_ == nullptr) return;
  const bool wanted = !stopping_ && !accept_again_.has_value();
  if (wanted == listening_) return;
  listening_ = wanted;
  for (size_t i = 0; i < listeners_->size(); ++i) {
    epoll_event event{.events = EPOLLIN | EPOLLEXCLUSIVE, .data = {.u64 = kFirstListener + i}};
    epoll_ctl(epoll_.get(), wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, (*listeners_)[i].fd.get(), &event);
  }
}

void ShardLoop::FireTimers() {
  const Instant now = clock_.Read().mono;
  // Bounded by what is there now: a step that sets a timer in the past meets it in the next turn at the latest.
  for (size_t left = timers_.size(); left > 0; --left) {
    const std::optional<OpId> op = timers_.TakeDue(now);
    if (!op) break;
    Step(TimerFired{*op});
  }
  while (const std::optional<ConnId> conn = deadlines_.TakeDue(now)) OnDeadline(*conn);
  if (accept_again_ && *accept_again_ <= now) {
    accept_again_.reset();
    WatchListeners();
  }
}

void ShardLoop::ReadConnections() {
  std::vector<ConnId> ready = std::exchange(ready_, {});
  for (const ConnId conn : ready) {
    if (net::Connection* const connection = Find(conn)) {
      connection->in_ready = false;
      ReadFrom(connection);
    }
  }
  ready.clear();
  if (ready_.empty()) ready_ = std::move(ready);  // keeps its memory
}

void ShardLoop::AnswerAsked() {
  // Continuations wait for the next turn: other events go first. Reads that steps of this turn ask for are answered
  // now.
  std::vector<ContinueLater> later;
  const auto tell = [this](const Event& event) { Step(event); };
  for (size_t i = 0; i < kAnswersPerTurn && !asked_.empty(); ++i) {
    const Asked asked = std::move(asked_.front());
    asked_.pop_front();
    if (const auto* read = std::get_if<Read>(&asked)) {
      reader_.DoRead(*read, tell);
    } else if (const auto* scan = std::get_if<Scan>(&asked)) {
      reader_.DoScan(*scan, tell);
    } else if (const auto* stat = std::get_if<Stat>(&asked)) {
      reader_.DoStat(*stat, tell);
    } else {
      later.push_back(std::get<ContinueLater>(asked));
    }
  }
  // One step each, for the machines that had asked before this turn ended.
  for (const ContinueLater& each : later) {
    Step(Continue{each.machine});
  }
}

void ShardLoop::RunPlans() {
  plans_.Advance(&plans_done_);
  for (const PlanDone& done : plans_done_) Step(done);
  plans_done_.clear();
}

void ShardLoop::FlushAll() {
  for (int round = 0; round < kDrainRounds; ++round) {
    for (const ConnId conn : std::exchange(dirty_, {})) {
      if (net::Connection* const connection = Find(conn)) {
        connection->dirty = false;
        FlushOne(connection);
      }
    }
    if (drained_.empty()) return;
    for (const ConnId conn : std::exchange(drained_, {})) {
      if (Find(conn) != nullptr) Step(Drained{conn});
    }
  }
}

void ShardLoop::Step(const Event& event) {
  const Now now = clock_.Read();
  ++counts_.steps;
  options_.step(now, event, effects_);
  std::vector<Effect> effects = effects_.Take();
  if (options_.observer != nullptr) options_.observer->OnStep(now, event, effects);
  for (Effect& effect : effects) Perform(std::move(effect));
}

}  // namespace postern::loop
