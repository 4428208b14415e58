#include "adapters/workers/inquiries.h"

#include <netdb.h>

#include <memory>
#include <utility>

#include "adapters/net/address.h"

namespace postern::workers {

Inquiries::Inquiries(Verifier verifier, Resolver resolver, Limits limits, DnsSource dns)
    : verifier_(std::move(verifier)),
      resolver_(std::move(resolver)),
      limits_(limits),
      dns_(std::move(dns)),
      passwords_("passwords", {.threads_max = limits.password_threads, .waiting_max = limits.passwords_waiting_max}),
      names_("names", {.threads_max = limits.name_threads, .waiting_max = limits.names_waiting_max}) {}

void Inquiries::Verify(OpId op, VerifyPassword question, Inbox* inbox, Tell tell) {
  // Shared, since a refused task is gone with what it holds.
  const auto asker = std::make_shared<Tell>(std::move(tell));
  const bool begun = passwords_.Run([this, op, question = std::move(question), inbox, asker] {
    PasswordChecked checked;
    const StatusOr<bool> matches = verifier_(question.stored.Reveal(), question.password.Reveal(), question.user);
    checked.status = matches.status();
    checked.matches = matches.ok() && *matches;
    inbox->Post([op, checked = std::move(checked), asker] { (*asker)({.op = op, .reply = checked}); });
  });
  if (begun) return;
  inbox->Post([op, asker] {
    (*asker)({.op = op, .reply = PasswordChecked{.status = Unavailable("too many passwords wait to be checked")}});
  });
}

void Inquiries::LookUp(OpId op, const LookupClientName& question, Inbox* inbox, Tell tell) {
  const IpAddress address = question.address;
  Asker asker{op, inbox, std::move(tell)};
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(address);
    if (known != known_.end() && known->second.until > Clock::now())
      return TellLater(std::move(asker), known->second.name);
    auto& askers = asking_[address];
    askers.push_back(std::move(asker));
    if (askers.size() > 1) return;
  }
  const Clock::time_point asked = Clock::now();
  const bool begun = names_.Run([this, address, asked] {
    // Whoever has waited too long in the queue is told so: the resolver is slow, and the mail goes on without a name.
    const bool late = Clock::now() - asked > limits_.name_patience;
    Resolved(address, late ? ClientName{.temporary = true} : resolver_(address));
  });
  if (!begun) Resolved(address, {.temporary = true});
}

void Inquiries::AskDns(OpId op, const DnsQuestion& question, Inbox* inbox, Tell tell) {
  const auto asker = std::make_shared<Tell>(std::move(tell));
  const auto answer = [op, inbox, asker](DnsReply reply) {
    inbox->Post([op, asker, reply = std::move(reply)]() mutable { (*asker)({.op = op, .reply = std::move(reply)}); });
  };
  if (dns_ == nullptr) return answer(DnsReply{});
  dns_(question, answer);
}

void Inquiries::Resolved(const IpAddress& address, ClientName name) {
  std::vector<Asker> askers;
  {
    const std::lock_guard lock(mutex_);
    const auto found = asking_.find(address);
    if (found != asking_.end()) {
      askers = std::move(found->second);
      asking_.erase(found);
    }
    if (!name.temporary) {
      if (known_.size() >= limits_.names_kept_max) known_.clear();
      known_[address] = {name, Clock::now() + limits_.name_kept};
    }
  }
  for (Asker& asker : askers) TellLater(std::move(asker), name);
}

void Inquiries::TellLater(Asker asker, ClientName name) {
  Inbox* const inbox = asker.inbox;
  inbox->Post([asker = std::move(asker), name = std::move(name)]() mutable {
    asker.tell({.op = asker.op, .reply = std::move(name)});
  });
}

ClientName ResolveClientName(const IpAddress& address) {
  ClientName answer;
  sockaddr_storage storage{};
  const socklen_t length = net::ToSocketAddress({.address = address}, &storage);
  char host[NI_MAXHOST];
  const int error =
      getnameinfo(reinterpret_cast<sockaddr*>(&storage), length, host, sizeof host, nullptr, 0, NI_NAMEREQD);
  if (error != 0) {
    answer.temporary = error == EAI_AGAIN;
    return answer;
  }
  answer.reverse = host;
  // A PTR record that holds an address is a trick: as a name it would pass for any client.
  if (IpAddress::Parse(answer.reverse).has_value()) return answer;
  addrinfo hints{};
  hints.ai_family = address.v6 ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int forward_error = getaddrinfo(host, nullptr, &hints, &found);
  if (forward_error != 0) {
    answer.temporary = forward_error == EAI_AGAIN;
    return answer;
  }
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sockaddr_storage one{};
    std::copy_n(reinterpret_cast<const char*>(each->ai_addr), each->ai_addrlen, reinterpret_cast<char*>(&one));
    if (net::FromSocketAddress(one).address == address) answer.name = answer.reverse;
  }
  freeaddrinfo(found);
  return answer;
}

}  // namespace postern::workers
