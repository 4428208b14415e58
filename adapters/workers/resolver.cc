#include "adapters/workers/resolver.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "adapters/net/address.h"

namespace postern::workers {
namespace {

using Outcome = DnsReply::Outcome;

constexpr int kInternet = 1;  // the class IN
// RFC 1035 section 3.2.2, RFC 3596, RFC 6698.
constexpr int kTypeA = 1, kTypeCname = 5, kTypeMx = 15, kTypeAaaa = 28, kTypeTlsa = 52;
// RFC 1035 section 4.1.1.
constexpr int kNoError = 0, kFormatError = 1, kServerFailure = 2, kNameError = 3;
// Aliases behind one another; libunbound itself gives up after 11.
constexpr size_t kAliasesMax = 16;

int TypeOf(RecordType type) {
  switch (type) {
    case RecordType::kMx:
      return kTypeMx;
    case RecordType::kA:
      return kTypeA;
    case RecordType::kAaaa:
      return kTypeAaaa;
    case RecordType::kCname:
      return kTypeCname;
    case RecordType::kTlsa:
      return kTypeTlsa;
    case RecordType::kNative:
      break;
  }
  return kTypeA;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlphanumeric(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// What a host may be called, as mail servers take it: underscores, too, but nothing that reads as an address.
bool IsHostName(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  if (std::all_of(name.begin(), name.end(), [](char c) { return IsDigit(c) || c == '.'; })) return false;
  for (size_t at = 0; at <= name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    const std::string_view label = name.substr(at, dot - at);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    const auto is_of_names = [](char c) { return IsAlphanumeric(c) || c == '-' || c == '_'; };
    if (!std::all_of(label.begin(), label.end(), is_of_names)) return false;
    at = dot + 1;
  }
  return true;
}

// An uncompressed name on the wire (RFC 1035 section 3.1) as text without the final dot; the root is empty. nullopt:
// broken off, or with labels that as text would be other names.
std::optional<std::string> NameFromWire(std::string_view wire) {
  std::string name;
  while (!wire.empty()) {
    const size_t length = static_cast<unsigned char>(wire.front());
    wire.remove_prefix(1);
    if (length == 0) return name;
    if (length > 63 || length > wire.size()) return std::nullopt;
    const std::string_view label = wire.substr(0, length);
    if (label.find_first_of(std::string_view(".\0\\", 3)) != std::string_view::npos) return std::nullopt;
    if (!name.empty()) name += '.';
    name += label;
    wire.remove_prefix(length);
  }
  return std::nullopt;
}

uint8_t Byte(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

// False: no such record can be.
bool AddRecord(RecordType type, std::string_view data, DnsReply* reply) {
  switch (type) {
    case RecordType::kMx: {
      if (data.size() < 3) return false;
      const auto host = NameFromWire(data.substr(2));
      if (!host || (!host->empty() && !IsHostName(*host))) return false;
      reply->mx.push_back({.preference = static_cast<uint16_t>(Byte(data, 0) << 8 | Byte(data, 1)), .host = *host});
      return true;
    }
    case RecordType::kA:
    case RecordType::kAaaa: {
      IpAddress address{.v6 = type == RecordType::kAaaa};
      if (data.size() != (address.v6 ? 16u : 4u)) return false;
      std::copy(data.begin(), data.end(), address.bytes.begin());
      reply->addresses.push_back(address);
      return true;
    }
    case RecordType::kTlsa:
      if (data.size() < 3) return false;
      reply->tlsa.push_back({.usage = Byte(data, 0),
                             .selector = Byte(data, 1),
                             .matching_type = Byte(data, 2),
                             .data = std::string(data.substr(3))});
      return true;
    case RecordType::kCname:
    case RecordType::kNative:
      break;
  }
  return true;
}

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

std::string_view DataOf(const ub_result& result, size_t i) {
  return {result.data[i], static_cast<size_t>(result.len[i])};
}

DnsReply ReplyOf(const DnsQuestion& question, const ub_result& result) {
  DnsReply reply;
  if (result.bogus != 0) return reply;
  reply.secure = result.secure != 0;
  if (result.canonname != nullptr) {
    reply.canonical_name = result.canonname;
    if (reply.canonical_name.ends_with('.')) reply.canonical_name.pop_back();
    if (SameName(reply.canonical_name, question.name)) reply.canonical_name.clear();
  }
  if (result.rcode == kNameError || (result.rcode == kNoError && result.nxdomain != 0)) {
    reply.outcome = Outcome::kNotFound;
  } else if (result.rcode != kNoError) {
    reply.outcome = result.rcode == kFormatError ? Outcome::kFailed : Outcome::kTryAgain;
  } else if (result.havedata == 0) {
    reply.outcome = Outcome::kNoData;
  } else {
    // Records that make no sense are as if they were not there, unless there is nothing else.
    bool any = false;
    for (size_t i = 0; result.data[i] != nullptr; ++i) any |= AddRecord(question.type, DataOf(result, i), &reply);
    reply.outcome = any ? Outcome::kFound : Outcome::kMalformed;
  }
  return reply;
}

}  // namespace

void Resolver::FreeContext::operator()(ub_ctx* context) const { ub_ctx_delete(context); }

Resolver::Resolver(Options options)
    : options_(std::move(options)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      native_("addresses", {.threads_max = options_.native_threads, .waiting_max = options_.waiting_max}) {}

StatusOr<std::unique_ptr<Resolver>> Resolver::Make(Options options) {
  auto resolver = std::unique_ptr<Resolver>(new Resolver(std::move(options)));
  POSTERN_RETURN_IF_ERROR(resolver->Begin());
  return resolver;
}

Status Resolver::Begin() {
  auto plain = MakeContext(false);
  if (!plain.ok()) return plain.status();
  plain_ = *std::move(plain);
  if (!options_.trust_anchor_file.empty() && access(options_.trust_anchor_file.c_str(), R_OK) == 0) {
    auto validating = MakeContext(true);
    if (!validating.ok()) return validating.status();
    validating_ = *std::move(validating);
  }
  thread_ = std::thread([this] { Work(); });
  return OkStatus();
}

StatusOr<Resolver::Context> Resolver::MakeContext(bool validating) {
  Context context(ub_ctx_create());
  if (context == nullptr) return Unavailable("no resolver: out of memory or random numbers");
  ub_ctx_debugout(context.get(), nullptr);
  ub_ctx_async(context.get(), 1);
  const std::vector<std::string> local{"127.0.0.1"};
  for (const std::string& server : options_.name_servers.empty() ? local : options_.name_servers) {
    if (ub_ctx_set_fwd(context.get(), server.c_str()) != 0) {
      return InvalidArgument("name server \"" + server + "\" is no ADDRESS and no ADDRESS@PORT");
    }
  }
  const std::pair<const char*, const char*> settings[] = {
      // A name server that was away is noticed when it is back, not a quarter of an hour later.
      {"infra-host-ttl:", "30"},
      {"infra-keep-probing:", "yes"},
  };
  for (const auto& [name, value] : settings) {
    if (ub_ctx_set_option(context.get(), name, value) != 0)
      return Unavailable(std::string("libunbound refuses ") + name);
  }
  if (validating && ub_ctx_add_ta_file(context.get(), options_.trust_anchor_file.c_str()) != 0) {
    return InvalidArgument("DNSSEC trust anchor " + options_.trust_anchor_file + " can't be read");
  }
  // Names that libunbound would answer for by itself, and that a site's own name servers may know.
  for (const char* const zone : {"test.", "home.arpa."}) {
    if (const int error = ub_ctx_zone_remove(context.get(), zone); error != 0) {
      return Unavailable(std::string("no resolver: ") + ub_strerror(error));
    }
  }
  return context;
}

Resolver::~Resolver() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  const uint64_t one = 1;
  (void)!write(wake_fd_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void Resolver::Ask(const DnsQuestion& question, Tell tell) {
  if (question.type == RecordType::kNative) {
    const Clock::time_point until = Clock::now() + options_.patience;
    const auto asker = std::make_shared<Tell>(std::move(tell));
    const bool begun = native_.Run(
        [name = question.name, asker, until] { (*asker)(Clock::now() < until ? ResolveNatively(name) : DnsReply{}); });
    if (!begun) (*asker)(DnsReply{});
    return;
  }
  // As Postfix: what can't be a host's name is not there, and nobody is asked.
  if (!IsHostName(question.name)) return tell(DnsReply{.outcome = Outcome::kNotFound});
  {
    const std::lock_guard lock(mutex_);
    if (count_ < options_.waiting_max) {
      ++count_;
      waiting_.push_back({.resolver = this,
                          .question = question,
                          .tell = std::move(tell),
                          .until = Clock::now() + options_.patience,
                          .context = question.dnssec && validating_ != nullptr ? validating_.get() : plain_.get()});
      tell = nullptr;
    }
  }
  if (tell != nullptr) return tell(DnsReply{});
  const uint64_t one = 1;
  (void)!write(wake_fd_.get(), &one, sizeof one);
}

void Resolver::Work() {
  pthread_setname_np(pthread_self(), "resolver");
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
    }
    BeginWaiting();
    const Clock::time_point now = Clock::now();
    GiveUp(now);
    int patience_ms = -1;
    for (const Query& query : asked_) {
      if (query.tell == nullptr) continue;
      patience_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(query.until - now).count());
      break;
    }
    pollfd fds[] = {{.fd = wake_fd_.get(), .events = POLLIN},
                    {.fd = ub_fd(plain_.get()), .events = POLLIN},
                    {.fd = validating_ != nullptr ? ub_fd(validating_.get()) : -1, .events = POLLIN}};
    (void)poll(fds, 3, patience_ms);
    uint64_t count = 0;
    (void)!read(wake_fd_.get(), &count, sizeof count);
    if ((fds[1].revents & POLLIN) != 0) ub_process(plain_.get());
    if ((fds[2].revents & POLLIN) != 0) ub_process(validating_.get());
  }
}

void Resolver::BeginWaiting() {
  std::list<Query> begun;
  {
    const std::lock_guard lock(mutex_);
    begun.splice(begun.end(), waiting_);
  }
  while (!begun.empty()) {
    asked_.splice(asked_.end(), begun, begun.begin());
    Query* const query = &asked_.back();
    Submit(query, query->question.name, TypeOf(query->question.type));
  }
}

void Resolver::GiveUp(Clock::time_point now) {
  for (Query& query : asked_) {
    if (query.until > now) break;
    if (query.tell != nullptr) std::exchange(query.tell, nullptr)(DnsReply{});
  }
}

void Resolver::Submit(Query* query, const std::string& name, int type) {
  const int error =
      ub_resolve_async(query->context, name.c_str(), type, kInternet, query, &Resolver::OnAnswer, nullptr);
  if (error != 0) Finish(query, {.outcome = error == UB_SYNTAX ? Outcome::kNotFound : Outcome::kTryAgain});
}

void Resolver::OnAnswer(void* data, int error, ub_result* result) {
  Query* const query = static_cast<Query*>(data);
  query->resolver->Answered(query, error, result);
  ub_resolve_free(result);
}

// libunbound calls a ring of aliases a server failure, which it is not: no other try mends it. So the aliases of a name
// that failed are followed one by one.
//
//   the question --SERVFAIL--> its alias? --an alias--> that one's? ... --too many--> kLoop
//                                  \---- anything else ----> kTryAgain
void Resolver::Answered(Query* query, int error, const ub_result* result) {
  if (query->tell == nullptr || error != 0 || result == nullptr) return Finish(query, DnsReply{});
  const bool searching = !query->alias.empty();
  if (!searching) {
    DnsReply reply = ReplyOf(query->question, *result);
    const bool failed =
        result->rcode == kServerFailure && result->bogus == 0 && query->question.type != RecordType::kCname;
    if (!failed) return Finish(query, std::move(reply));
    query->alias = query->question.name;
  } else {
    const auto target = result->havedata != 0 && result->bogus == 0 ? NameFromWire(DataOf(*result, 0)) : std::nullopt;
    if (!target || target->empty()) return Finish(query, DnsReply{});
    if (++query->alias_steps > kAliasesMax) return Finish(query, {.outcome = Outcome::kLoop});
    query->alias = *target;
  }
  Submit(query, std::string(query->alias), kTypeCname);
}

void Resolver::Finish(Query* query, DnsReply reply) {
  const Tell tell = std::move(query->tell);
  const auto at = std::find_if(asked_.begin(), asked_.end(), [&](const Query& each) { return &each == query; });
  asked_.erase(at);
  {
    const std::lock_guard lock(mutex_);
    --count_;
  }
  if (tell != nullptr) tell(std::move(reply));
}

std::vector<std::string> NameServersIn(std::string_view text) {
  std::vector<std::string> servers;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    constexpr std::string_view kKey = "nameserver", kBlanks = " \t\r";
    if (!line.starts_with(kKey)) continue;
    line.remove_prefix(kKey.size());
    const size_t from = line.find_first_not_of(kBlanks);
    if (from == std::string_view::npos || from == 0) continue;
    line.remove_prefix(from);
    const std::string_view server = line.substr(0, line.find_first_of(kBlanks));
    if (IpAddress::Parse(server.substr(0, server.find('%')))) servers.emplace_back(server);  // "fe80::1%eth0"
  }
  return servers;
}

DnsReply ResolveNatively(const std::string& name) {
  DnsReply reply;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once for every kind of socket
  addrinfo* found = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    reply.outcome = error == EAI_NONAME   ? Outcome::kNotFound
                    : error == EAI_NODATA ? Outcome::kNoData
                                          : Outcome::kTryAgain;
    return reply;
  }
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sockaddr_storage one{};
    std::copy_n(reinterpret_cast<const char*>(each->ai_addr), each->ai_addrlen, reinterpret_cast<char*>(&one));
    reply.addresses.push_back(net::FromSocketAddress(one).address);
  }
  freeaddrinfo(found);
  reply.outcome = Outcome::kFound;
  return reply;
}

}  // namespace postern::workers
