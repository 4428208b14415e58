// The DNS, asked through libunbound: a stub that asks the host's name servers, follows aliases, keeps answers for as
// long as they may be kept, and checks signatures where that is of interest.
//
//   Ask (any thread) -> waiting -> the resolver's own thread: libunbound --answer, or patience over--> tell
//   kNative goes to a small pool of threads: getaddrinfo(3) blocks
//
// Two libunbounds: one that validates is asked only where the question wants to know whether the reply is secure.
// Behind a name server that strips signatures everything would be bogus to it, and no mail would leave. Owner: the
// process.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/host/unique_fd.h"
#include "adapters/workers/thread_pool.h"
#include "core/base/status.h"
#include "core/boundary/dns.h"

struct ub_ctx;
struct ub_result;

namespace postern::workers {

class Resolver {
 public:
  struct Options {
    // "ADDRESS" or "ADDRESS@PORT". Empty: the name server of this host (127.0.0.1), as resolv.conf(5) has it.
    std::vector<std::string> name_servers;
    std::string trust_anchor_file;  // DNSKEY or DS records of the root; empty or unreadable: no reply is secure
    std::chrono::milliseconds patience{30'000};  // then the answer is kTryAgain
    size_t waiting_max = 4000;                   // more get kTryAgain at once
    size_t native_threads = 8;
  };
  // kInvalidArgument: a name server that is no address; the message names it.
  static StatusOr<std::unique_ptr<Resolver>> Make(Options options);
  // What is still waiting is not told any more.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `tell` is called once, on another thread, or here where too many wait.
  using Tell = std::function<void(DnsReply)>;
  void Ask(const DnsQuestion& question, Tell tell);

  bool validates() const { return validating_ != nullptr; }

 private:
  using Clock = std::chrono::steady_clock;
  struct FreeContext {
    void operator()(ub_ctx* context) const;
  };
  using Context = std::unique_ptr<ub_ctx, FreeContext>;
  struct Query {
    Resolver* resolver;
    DnsQuestion question;
    Tell tell;  // null: was told that its patience is over, libunbound still works on it
    Clock::time_point until;
    ub_ctx* context = nullptr;
    size_t alias_steps = 0;  // of a search for a loop of aliases
    std::string alias;       // the name that is asked about now, in that search
  };

  explicit Resolver(Options options);
  Status Begin();
  StatusOr<Context> MakeContext(bool validating);
  static void OnAnswer(void* data, int error, ub_result* result);
  void Answered(Query* query, int error, const ub_result* result);
  void Submit(Query* query, const std::string& name, int type);
  void Finish(Query* query, DnsReply reply);
  void Work();
  void BeginWaiting();
  void GiveUp(Clock::time_point now);

  Options options_;
  Context plain_, validating_;
  host::UniqueFd wake_fd_;
  std::mutex mutex_;
  std::list<Query> waiting_;  // guarded by mutex_: not yet given to libunbound
  size_t count_ = 0;          // guarded by mutex_: waiting and asked
  bool ending_ = false;       // guarded by mutex_
  std::list<Query> asked_;    // the thread's; in order of `until`
  std::thread thread_;
  ThreadPool native_;
};

// The name servers that the text of a resolv.conf(5) names; what is no address is left out.
std::vector<std::string> NameServersIn(std::string_view resolv_conf);

// Addresses as the host knows them: its hosts file, its services.
DnsReply ResolveNatively(const std::string& name);

}  // namespace postern::workers
