// Answers to the core's questions that would block a loop: whether a password matches a stored one (milliseconds of
// processor time by design), what a client is called (a resolver far away), and what the DNS says. Shared by all loops;
// answers go to the asking loop's inbox.
#pragma once

#include <absl/functional/any_invocable.h>

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "adapters/workers/inbox.h"
#include "adapters/workers/thread_pool.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"

namespace postern::workers {

class Inquiries {
 public:
  // auth::VerifyStoredPassword, or a test's.
  using Verifier =
      std::function<StatusOr<bool>(std::string_view stored, std::string_view password, std::string_view user)>;
  // Blocks until the host name of an address is known or not; ResolveClientName, or a test's.
  using Resolver = std::function<ClientName(const IpAddress&)>;
  // Does not block; calls `tell` once, from whatever thread. Resolver::Ask of resolver.h, or a test's.
  using DnsSource = std::function<void(const DnsQuestion&, std::function<void(DnsReply)> tell)>;

  struct Limits {
    size_t password_threads = 2;         // one a core: hashing is processor time
    size_t passwords_waiting_max = 500;  // more is a flood: they fail at once, with a temporary error
    size_t name_threads = 16;            // they only wait for the resolver
    size_t names_waiting_max = 2000;
    std::chrono::seconds name_patience{10};  // then the name counts as unknown for now
    std::chrono::seconds name_kept{300};
    size_t names_kept_max = 10'000;
  };
  // Without `dns` every question to it is answered with kTryAgain: there is no name server.
  Inquiries(Verifier verifier, Resolver resolver, Limits limits, DnsSource dns = nullptr);
  // Waits for what is under way.
  ~Inquiries() = default;

  using Tell = absl::AnyInvocable<void(Answer)>;
  // `tell` is called from `inbox`, always later.
  void Verify(OpId op, VerifyPassword question, Inbox* inbox, Tell tell);
  void LookUp(OpId op, const LookupClientName& question, Inbox* inbox, Tell tell);
  void AskDns(OpId op, const DnsQuestion& question, Inbox* inbox, Tell tell);

 private:
  using Clock = std::chrono::steady_clock;
  struct Asker {
    OpId op;
    Inbox* inbox;
    Tell tell;
  };
  struct Known {
    ClientName name;
    Clock::time_point until;
  };

  static void TellLater(Asker asker, ClientName name);
  void Resolved(const IpAddress& address, ClientName name);

  const Verifier verifier_;
  const Resolver resolver_;
  const Limits limits_;
  const DnsSource dns_;
  std::mutex mutex_;
  std::map<IpAddress, Known> known_;                // guarded by mutex_
  std::map<IpAddress, std::vector<Asker>> asking_;  // guarded by mutex_: lookups under way
  ThreadPool passwords_, names_;                    // end first
};

// The forward-confirmed name of an address: what its PTR says, where that name has the address again.
ClientName ResolveClientName(const IpAddress& address);

}  // namespace postern::workers
