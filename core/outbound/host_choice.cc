#include "core/outbound/host_choice.h"

#include <algorithm>
#include <utility>

namespace postern::outbound {
namespace {

using Outcome = DnsReply::Outcome;
using AddressPreference = config::SmtpClient::AddressPreference;
using DnsSupport = config::SmtpClient::DnsSupport;

constexpr uint16_t kSmtpPort = 25;

// What a reply comes to where several are weighed against each other: the greatest counts. Postfix's order.
enum class Weight : uint8_t { kNotFound, kNullMx, kFailed, kMalformed, kTryAgain, kFound };

Weight WeightOf(const DnsReply& reply) {
  switch (reply.outcome) {
    case Outcome::kFound:
      return Weight::kFound;
    case Outcome::kTryAgain:
      return Weight::kTryAgain;
    case Outcome::kMalformed:
      return Weight::kMalformed;
    case Outcome::kFailed:
      return Weight::kFailed;
    case Outcome::kNotFound:
    case Outcome::kNoData:
    case Outcome::kLoop:
      return Weight::kNotFound;
  }
  return Weight::kTryAgain;
}

bool CanBeAsked(std::string_view name) { return routing::IsHostName(name); }

// Sorts by what `key` gives for an element; equals keep their order. (std::stable_sort of libstdc++ 12 warns.)
template <class T, class Key>
void SortStably(std::vector<T>* list, Key key) {
  std::vector<std::pair<decltype(key(list->front())), size_t>> order;
  for (size_t i = 0; i < list->size(); ++i) order.emplace_back(key((*list)[i]), i);
  std::sort(order.begin(), order.end());
  std::vector<T> sorted;
  sorted.reserve(list->size());
  for (const auto& entry : order) sorted.push_back(std::move((*list)[entry.second]));
  *list = std::move(sorted);
}

std::string WordsFor(const std::string& name, RecordType type, const DnsReply& reply) {
  const std::string error = "Name service error for name=" + name + " type=" + std::string(ToString(type)) + ": ";
  const std::string not_found = "Host or domain name not found. " + error;
  switch (reply.outcome) {
    case Outcome::kFound:
      return "";
    case Outcome::kNotFound:
      if (!CanBeAsked(name)) return "Name service error for " + name + ": invalid host or domain name";
      return not_found + "Host not found";
    case Outcome::kNoData:
      return not_found + "Host found but no data record of requested type";
    case Outcome::kTryAgain:
      return not_found + "Host not found, try again";
    case Outcome::kFailed:
      return not_found + "Non-recoverable error";
    case Outcome::kMalformed:
      return error + "Malformed or unexpected name server reply";
    case Outcome::kLoop:
      return "Name server loop for " + name;
  }
  return "";
}

// getaddrinfo(3)'s words.
std::string_view NativeWords(Outcome outcome) {
  switch (outcome) {
    case Outcome::kTryAgain:
      return "Temporary failure in name resolution";
    case Outcome::kNoData:
      return "No address associated with hostname";
    case Outcome::kFailed:
    case Outcome::kMalformed:
      return "Non-recoverable failure in name resolution";
    default:
      return "Name or service not known";
  }
}

}  // namespace

void HostChoice::Why::Set(std::string_view soft, std::string_view hard, std::string new_text) {
  status = std::string(status.starts_with('4') ? soft : hard);
  text = std::move(new_text);
}

HostChoice::HostChoice(const Site& site, bool lmtp, std::shared_ptr<const config::Config> config)
    : config_(std::move(config)),
      client_(lmtp ? config_->lmtp_client : config_->smtp_client),
      domain_(AsciiDomain(site.host)),
      name_(site.host),
      detect_loops_(!lmtp && site.port == kSmtpPort) {  // on another port we may well be another server
  if (!client_.ipv4 && !client_.ipv6) {
    failure_ = HostFailure{.status = "4.4.4", .text = "all network protocols are disabled"};
    state_ = State::kDone;
    return;
  }
  found_mx_.mx_name = found_mx_.mx_canonical_name = domain_;
  if (!lmtp && !site.bracketed && client_.dns_support != DnsSupport::kDisabled) {
    Ask(domain_, RecordType::kMx, client_.dns_support == DnsSupport::kDnssec);
  } else {
    hosts_ = {{.name = domain_}};
    state_ = State::kHosts;
    AskHosts(client_.dns_support == DnsSupport::kDnssec);
  }
  Advance();
}

// ---- asking ---------------------------------------------------------------------------------------------------------

void HostChoice::Ask(std::string name, RecordType type, bool dnssec) {
  const auto [at, is_new] = replies_.try_emplace({name, type});
  if (!is_new) return;
  if (type != RecordType::kNative && !CanBeAsked(name)) {  // an address, or no name at all: no name server is asked
    at->second = DnsReply{.outcome = Outcome::kNotFound};
    return;
  }
  new_questions_.push_back({.name = std::move(name), .type = type, .dnssec = dnssec});
  ++open_questions_;
}

void HostChoice::AskHosts(bool dnssec) {
  if (!client_.lookup_dns) return;
  for (const Host& host : hosts_) {
    if (const auto address = IpAddress::Parse(host.name); address && HasFamily(*address)) continue;
    for (const RecordType type : AddressTypes()) Ask(host.name, type, dnssec);
  }
}

// The host's own files know some names that the DNS does not.
void HostChoice::AskNative() {
  if (!client_.lookup_native) return;
  for (const Host& host : hosts_) {
    if (const auto address = IpAddress::Parse(host.name); address && HasFamily(*address)) continue;
    if (IsNotFound(host.name)) Ask(host.name, RecordType::kNative, false);
  }
}

void HostChoice::Answer(const DnsQuestion& question, DnsReply reply) {
  const auto at = replies_.find({question.name, question.type});
  if (at == replies_.end() || at->second || done()) return;
  // Nothing found is not found, whoever says it was.
  if (reply.outcome == Outcome::kFound) {
    if (question.type == RecordType::kA)
      std::erase_if(reply.addresses, [](const IpAddress& address) { return address.v6; });
    if (question.type == RecordType::kAaaa)
      std::erase_if(reply.addresses, [](const IpAddress& address) { return !address.v6; });
    const bool is_mx = question.type == RecordType::kMx;
    if (is_mx ? reply.mx.empty() : reply.addresses.empty()) reply.outcome = Outcome::kNoData;
  }
  at->second = std::move(reply);
  --open_questions_;
  Advance();
}

void HostChoice::Advance() {
  if (open_questions_ > 0) return;
  if (state_ == State::kMx) OnMx(*ReplyTo(domain_, RecordType::kMx));
  if (state_ != State::kHosts || open_questions_ > 0) return;
  AskNative();
  if (open_questions_ == 0) state_ = State::kDone;
}

void HostChoice::OnMx(const DnsReply& reply) {
  const bool null_mx = reply.outcome == Outcome::kFound &&
                       std::any_of(reply.mx.begin(), reply.mx.end(),
                                   [](const MxRecord& mx) { return mx.host.empty() || mx.host == "."; });
  if (null_mx) {  // RFC 7505 section 3
    failure_ = HostFailure{.status = "5.1.10", .text = "Domain " + domain_ + " does not accept mail (nullMX)"};
    state_ = State::kDone;
    return;
  }
  DnsReply usable = reply;
  if (reply.outcome == Outcome::kFound) {
    // Malformed names are passed over; an address in a name's place works with some, so it does here.
    std::erase_if(usable.mx, [](const MxRecord& mx) { return !CanBeAsked(mx.host) && !IpAddress::Parse(mx.host); });
    if (usable.mx.empty()) usable.outcome = Outcome::kMalformed;
  }
  state_ = State::kHosts;
  const Weight weight = WeightOf(usable);
  if (weight == Weight::kFound) {
    by_mx_ = true;
    SortStably(&usable.mx, [](const MxRecord& mx) { return mx.preference; });
    if (usable.mx.size() > kMxHostsMax) usable.mx.resize(kMxHostsMax);
    for (MxRecord& mx : usable.mx) hosts_.push_back({.name = std::move(mx.host), .preference = mx.preference});
    found_mx_.mx_secure = usable.secure;
    if (!usable.canonical_name.empty()) found_mx_.mx_canonical_name = usable.canonical_name;
    // Where the MX is not secure its hosts' security only matters to those who take half of DANE.
    AskHosts(usable.secure || client_.tls.dane_insecure_mx_policy > config::ClientTlsLevel::kMay);
    return;
  }
  if (weight == Weight::kNotFound || client_.ignore_mx_lookup_error) {  // RFC 5321 section 5.1: the implicit MX
    hosts_ = {{.name = domain_}};
    AskHosts(client_.dns_support == DnsSupport::kDnssec);
    return;
  }
  const std::string_view status = weight == Weight::kTryAgain    ? "4.4.3"
                                  : weight == Weight::kMalformed ? "5.4.4"
                                                                 : "5.4.3";
  failure_ = HostFailure{.status = std::string(status), .text = WordsFor(domain_, RecordType::kMx, usable)};
  state_ = State::kDone;
}

const DnsReply* HostChoice::ReplyTo(const std::string& name, RecordType type) const {
  const auto at = replies_.find({name, type});
  return at == replies_.end() || !at->second ? nullptr : &*at->second;
}

// ---- addresses of one host ------------------------------------------------------------------------------------------

bool HostChoice::HasFamily(const IpAddress& address) const { return address.v6 ? client_.ipv6 : client_.ipv4; }

std::vector<RecordType> HostChoice::AddressTypes() const {
  std::vector<RecordType> types;
  if (client_.ipv4) types.push_back(RecordType::kA);
  if (client_.ipv6) types.push_back(RecordType::kAaaa);
  return types;
}

// No DNS answer at all, or none but "not found".
bool HostChoice::IsNotFound(const std::string& name) const {
  for (const RecordType type : AddressTypes()) {
    const DnsReply* reply = ReplyTo(name, type);
    if (reply != nullptr && WeightOf(*reply) != Weight::kNotFound) return false;
  }
  return true;
}

void HostChoice::AppendFound(const Host& host, const DnsReply& reply, std::vector<HostAddress>* list) const {
  size_t count = 0;
  for (const IpAddress& address : reply.addresses) {
    if (!HasFamily(address)) continue;
    if (++count > kHostAddressesMax) break;
    HostAddress found{.address = address,
                      .query_name = host.name,
                      .canonical_name = reply.canonical_name.empty() ? host.name : reply.canonical_name,
                      .secure = reply.secure,
                      .preference = host.preference};
    found.host = client_.cname_overrides_servername ? found.canonical_name : found.query_name;
    list->push_back(std::move(found));
  }
}

void HostChoice::AppendAddresses(const Host& host, std::vector<HostAddress>* list, Why* why) const {
  if (const auto address = IpAddress::Parse(host.name); address && HasFamily(*address)) {
    list->push_back({.address = *address,
                     .host = host.name,
                     .query_name = host.name,
                     .canonical_name = host.name,
                     .preference = host.preference});
    return;
  }
  const size_t before = list->size();
  Weight weight = Weight::kNotFound;
  for (const RecordType type : AddressTypes()) {
    const DnsReply* reply = ReplyTo(host.name, type);
    if (reply == nullptr) continue;  // not asked: the DNS is off
    if (reply->outcome == Outcome::kFound) AppendFound(host, *reply, list);
    // Of equally grave replies the last is told.
    if (WeightOf(*reply) < weight) continue;
    weight = WeightOf(*reply);
    std::string words = WordsFor(host.name, type, *reply);
    switch (weight) {
      case Weight::kFound:
        break;
      case Weight::kTryAgain:
        *why = {.status = "4.4.3", .text = std::move(words)};
        break;
      case Weight::kFailed:
        why->Set("4.4.3", "5.4.3", std::move(words));
        break;
      case Weight::kMalformed:
      case Weight::kNullMx:
      case Weight::kNotFound:
        why->Set("4.4.4", "5.4.4", std::move(words));
        break;
    }
  }
  if (list->size() > before || weight != Weight::kNotFound) return;
  const DnsReply* native = ReplyTo(host.name, RecordType::kNative);
  if (native == nullptr) return;
  if (native->outcome == Outcome::kFound) {
    AppendFound(host, *native, list);
    if (list->size() == before) why->Set("4.4.4", "5.4.4", host.name + ": host not found");
    return;
  }
  std::string words = "unable to look up host " + host.name + ": " + std::string(NativeWords(native->outcome));
  if (native->outcome == Outcome::kTryAgain) {
    *why = {.status = "4.4.4", .text = std::move(words)};
  } else if (native->outcome == Outcome::kFailed || native->outcome == Outcome::kMalformed) {
    why->Set("4.3.0", "5.3.0", std::move(words));
  } else {
    why->Set("4.4.4", "5.4.4", std::move(words));
  }
}

// ---- the result -----------------------------------------------------------------------------------------------------

const HostAddress* HostChoice::FindSelf(const std::vector<HostAddress>& list) const {
  if (!detect_loops_) return nullptr;
  const std::vector<IpAddress>& own = config_->routing.own_addresses;
  for (const HostAddress& host : list) {
    if (std::find(own.begin(), own.end(), host.address) != own.end()) return &host;
  }
  return nullptr;
}

HostResult HostChoice::Conclude(Entropy& entropy) const {
  if (failure_) return *failure_;
  return by_mx_ ? ConcludeMx(entropy) : ConcludeHost(entropy);
}

HostResult HostChoice::ConcludeMx(Entropy& entropy) const {
  HostList result = found_mx_;
  result.by_mx = true;
  Why why;
  for (const Host& host : hosts_) AppendAddresses(host, &result.addresses, &why);
  if (result.addresses.empty()) {
    if (client_.defer_if_no_mx_address_found && why.status.starts_with('5')) why.status[0] = '4';
    return HostFailure{
        .status = why.status, .text = why.text, .warning = "no MX host for " + name_ + " has a valid address record"};
  }
  const uint32_t best_found = result.addresses.front().preference;
  if (const HostAddress* self = FindSelf(result.addresses)) {
    result.found_self = true;
    const uint32_t own_preference = self->preference;
    std::erase_if(result.addresses,
                  [own_preference](const HostAddress& host) { return host.preference >= own_preference; });
    if (result.addresses.empty()) {
      // Better hosts that could not be found may be there tomorrow: only where there are none is it a loop.
      if (hosts_.front().preference != best_found) {
        return HostFailure{.status = "4.4.4", .text = "unable to find primary relay for " + name_, .found_self = true};
      }
      return HostFailure{.status = "5.4.6", .text = "mail for " + name_ + " loops back to myself", .found_self = true};
    }
  }
  Order(&result.addresses, entropy);
  result.best_preference = result.addresses.front().preference;
  return result;
}

HostResult HostChoice::ConcludeHost(Entropy& entropy) const {
  HostList result = found_mx_;
  Why why;
  AppendAddresses(hosts_.front(), &result.addresses, &why);
  if (result.addresses.empty()) return HostFailure{.status = why.status, .text = why.text};
  if (FindSelf(result.addresses) != nullptr) {
    return HostFailure{.status = "5.4.6", .text = "mail for " + domain_ + " loops back to myself"};
  }
  Order(&result.addresses, entropy);
  return result;
}

void HostChoice::Order(std::vector<HostAddress>* list, Entropy& entropy) const {
  if (client_.randomize_addresses) {
    for (size_t i = 0; i + 1 < list->size(); ++i) std::swap((*list)[i], (*list)[i + entropy.Below(list->size() - i)]);
  }
  SortStably(list, [this](const HostAddress& host) {
    const bool any = client_.address_preference == AddressPreference::kAny;
    const bool later = !any && host.address.v6 != (client_.address_preference == AddressPreference::kIpv6);
    return std::pair(host.preference, later);
  });
  const size_t limit = client_.mx_address_limit;
  if (client_.balance_inet_protocols) BalanceFamilies(list, limit);
  if (limit > 0 && list->size() > limit) list->resize(limit);
}

void BalanceFamilies(std::vector<HostAddress>* list, size_t limit) {
  const auto v6_count = static_cast<size_t>(
      std::count_if(list->begin(), list->end(), [](const HostAddress& host) { return host.address.v6; }));
  const size_t v4_count = list->size() - v6_count;
  if (limit == 0 || v4_count == 0 || v6_count == 0 || list->size() <= limit) return;
  size_t v4_left = 0;
  if (v6_count <= limit / 2) {
    v4_left = limit - v6_count;
  } else if (v4_count <= limit / 2) {
    v4_left = v4_count;
  } else {
    v4_left = (limit + (list->front().address.v6 ? 0 : 1)) / 2;  // the first's family gets the odd one
  }
  size_t v6_left = limit - v4_left;
  std::erase_if(*list, [&](const HostAddress& host) {
    size_t& left = host.address.v6 ? v6_left : v4_left;
    if (left == 0) return true;
    --left;
    return false;
  });
}

}  // namespace postern::outbound
