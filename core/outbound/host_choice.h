// Which addresses to try for one site of a next hop, in which order; or why there are none (smtp(8)'s address lookup).
//
// An asker's machine: it names questions, takes their answers in any order, and concludes once none is open.
//
//            with MX                     found, or none: the domain itself          all answered
//   (made) ----------> [ kMx ] ------------------------------------> [ kHosts ] ------------------> [ kDone ]
//      |                  | null MX, lookup failed                        ^                             ^
//      | "[host]", LMTP   +---------------------------------------------- | --------------------------- +
//      +------------------------------------------------------------------+    an address: nothing to ask, done at once
//
// Rules: lower preference first, equals in random order (RFC 5321 section 5.1); hosts at our own preference or worse
// are cut off where we are one of them; a hard failure never hides a temporary one. The words and codes are Postfix's.
// Deviation: a null MX is 5.1.10, the code that RFC 7505 section 4.2 made for it, where Postfix 3.7 says 5.1.0.
// The order of the answers never changes the result. Owner: one delivery attempt.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/entropy.h"
#include "core/config/settings.h"
#include "core/outbound/dns.h"
#include "core/outbound/next_hop.h"

namespace postern::outbound {

// What a domain's owner can make us ask and keep: the best so many MX hosts, so many addresses of each. Guesses; the
// largest real sites have a tenth of it.
inline constexpr size_t kMxHostsMax = 50, kHostAddressesMax = 50;

struct HostAddress {
  IpAddress address;
  std::string host;        // what the session is named by: relay=, TLS, passwords; an address's own text
  std::string query_name;  // the name that was asked, and where its aliases led
  std::string canonical_name;
  bool secure = false;      // the address is DNSSEC-validated
  uint32_t preference = 0;  // of its MX; 0 without MX
  bool operator==(const HostAddress&) const = default;
};

struct HostList {
  std::vector<HostAddress> addresses;  // not empty; at most smtp_mx_address_limit
  uint32_t best_preference = 0;        // of the first: the others of it are as good
  bool by_mx = false;
  bool mx_secure = false;                  // the MX records are DNSSEC-validated
  std::string mx_name, mx_canonical_name;  // whose MX records; RFC 7672 section 3.2.2 matches certificates with them
  bool found_self = false;                 // we are one of the domain's MX hosts: no fallback relay is to be tried
};

struct HostFailure {
  std::string status;  // "5.4.4"
  std::string text;
  bool found_self = false;
  std::string warning;  // for the log, beside it; empty: none
  bool is_temporary() const { return status.starts_with('4'); }
  // The mail would come back to us: neither fallback relay nor another site may have it.
  bool loops() const { return status.ends_with(".4.6"); }
};

using HostResult = std::variant<HostList, HostFailure>;

class HostChoice {
 public:
  HostChoice(const Site& site, bool lmtp, std::shared_ptr<const config::Config> config);

  // The questions that came up since the last call.
  std::vector<DnsQuestion> TakeQuestions() { return std::exchange(new_questions_, {}); }
  // Answers to what was not asked, or is answered, are dropped.
  void Answer(const DnsQuestion& question, DnsReply reply);

  bool done() const { return state_ == State::kDone; }
  // Only once done(); asks `entropy` for the order of equals.
  HostResult Conclude(Entropy& entropy) const;

 private:
  enum class State : uint8_t { kMx, kHosts, kDone };
  struct Host {
    std::string name;
    uint32_t preference = 0;
  };
  // Status and words of what went wrong last; a status of class 4 stays one.
  struct Why {
    std::string status, text;
    void Set(std::string_view soft, std::string_view hard, std::string new_text);
  };

  void Ask(std::string name, RecordType type, bool dnssec);
  void AskHosts(bool dnssec);
  void AskNative();
  void Advance();
  void OnMx(const DnsReply& reply);
  const DnsReply* ReplyTo(const std::string& name, RecordType type) const;

  bool HasFamily(const IpAddress& address) const;
  std::vector<RecordType> AddressTypes() const;
  bool IsNotFound(const std::string& name) const;
  void AppendAddresses(const Host& host, std::vector<HostAddress>* list, Why* why) const;
  void AppendFound(const Host& host, const DnsReply& reply, std::vector<HostAddress>* list) const;
  const HostAddress* FindSelf(const std::vector<HostAddress>& list) const;
  HostResult ConcludeMx(Entropy& entropy) const;
  HostResult ConcludeHost(Entropy& entropy) const;
  void Order(std::vector<HostAddress>* list, Entropy& entropy) const;

  std::shared_ptr<const config::Config> config_;
  const config::SmtpClient& client_;  // of *config_
  std::string domain_;                // in ASCII
  std::string name_;                  // as the site names it: for words
  bool detect_loops_;
  State state_ = State::kMx;
  std::vector<Host> hosts_;  // by preference
  bool by_mx_ = false;
  HostList found_mx_;  // its mx_ fields
  std::optional<HostFailure> failure_;
  std::map<std::pair<std::string, RecordType>, std::optional<DnsReply>> replies_;
  std::vector<DnsQuestion> new_questions_;
  size_t open_questions_ = 0;
};

// At most `limit` of `list`, of both families as evenly as there are some, the order kept
// (smtp_balance_inet_protocols). `limit` 0: all.
void BalanceFamilies(std::vector<HostAddress>* list, size_t limit);

}  // namespace postern::outbound
