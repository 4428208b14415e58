// Leads one delivery through the sites of a next hop and the addresses of each, until all recipients are settled or
// nobody is left to try (smtp(8)'s connection management without the connections).
//
//             Ask ... Answer            Try                       OnUnreachable, OnRefused, OnSession
//   [ kLookup ] ------------> [ kReady ] -------> [ kTrying ] ----------------------------------+
//       ^   ^                    |  ^   ^             | RetryInPlaintext                        |
//       |   | site has no host   |  |   +-------------+                                        |
//       |   +--------------------+  +----------------------------------------------------------+
//       | no address left, not the last site
//       +--------------------- kReady ---- no address left, last site ----> [ kEnd ]
//
// Rules: a site's session limit counts sessions that came to a transaction, its address limit all addresses. Fallback
// relays are tried also after a hard look-up error; never where we are one of the domain's own MX hosts, or mail would
// loop: that would only make it worse. What is wrong with relayhost or a fallback relay never bounces mail. The caller
// stops walking once no recipient is left. Owner: one delivery attempt.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/entropy.h"
#include "core/outbound/host_choice.h"
#include "core/outbound/next_hop.h"

namespace postern::outbound {

class HostWalk {
 public:
  struct Ask {
    std::vector<DnsQuestion> questions;  // to be asked now; empty: answers to earlier ones are waited for
  };
  struct Try {
    HostAddress address;
    Site site;       // of the next hop, or of a fallback relay; its port is the address's
    HostList facts;  // what the look-up said of the MX records; without its addresses
    bool best_mx = false;
    bool plaintext = false;  // TLS is not to be started: it failed here just now
    // Nobody comes after this server: temporary failures are final for this attempt, and are to be reported as such.
    // Until a transaction begins, and from then on (the session limit may be reached by it).
    bool final_before_transaction = false, final_in_transaction = false;
  };
  struct End {
    std::string status, text;  // for the recipients that are left
    std::string transport;     // not empty: they go to this transport instead (best_mx_transport)
  };
  using Step = std::variant<Ask, Try, End>;

  HostWalk(NetworkHop hop, std::shared_ptr<const config::Config> config);

  // What is to be done next. While a Try is open: that one again.
  Step Next(Entropy& entropy);
  void Answer(const DnsQuestion& question, DnsReply reply);

  // How the Try ended; one call for each. `status` and `text` are kept for those who are never served.
  void OnUnreachable(std::string status, std::string text) {
    Settle(std::move(status), std::move(text));
  }  // no connection, or no TLS policy
  void OnRefused(std::string status, std::string text) {
    Settle(std::move(status), std::move(text));
  }                                                      // before a transaction
  void OnSession(std::string status, std::string text);  // one was begun; some recipients are left
  // TLS failed and the policy allows to do without (MayFallBackToPlaintext): the same address once more.
  void RetryInPlaintext();

  // For the log.
  std::vector<std::string> TakeWarnings() { return std::exchange(warnings_, {}); }

 private:
  enum class State : uint8_t { kLookup, kReady, kTrying, kEnd };

  void BeginSite();
  void OnLookup(HostResult result);
  bool IsLastSite() const { return final_site_ || site_ + 1 == hop_.sites.size(); }
  void Settle(std::string status, std::string text);
  Try MakeTry() const;
  End MakeEnd();

  NetworkHop hop_;
  std::shared_ptr<const config::Config> config_;
  const config::SmtpClient& client_;
  State state_ = State::kLookup;
  size_t site_ = 0;
  bool final_site_ = false;  // whatever comes after this site is not to be tried
  std::optional<HostChoice> choice_;
  HostList list_;  // of the site; its addresses still include those tried
  size_t address_ = 0;
  uint32_t sessions_ = 0;
  bool plaintext_ = false;
  bool loops_ = false;
  std::string status_, text_;
  std::vector<std::string> warnings_;
};

}  // namespace postern::outbound
