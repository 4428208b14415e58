// SASL on the client's side: for outbound SMTP, for the simulator's clients and for replaying recordings.
//
//   Initial --(text or none)--> [Respond(challenge)]* --> the server's own reply of success, and complete()
//
// A server that says yes before complete() has not proved itself (SCRAM, DIGEST-MD5): it may not know the password.
// Owner: one session, one exchange.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/entropy.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace postern::auth {

struct ClientCredentials {
  std::string user;
  Secret password;
  std::string authorization_id;       // empty: the same
  std::string service;                // "smtp", "imap", "pop": for DIGEST-MD5's digest-uri
  std::string host_name;              // the server's
  uint32_t iterations_max = 600'000;  // of SCRAM: a server could keep us busy otherwise
};

class ClientExchange {
 public:
  virtual ~ClientExchange() = default;
  // The initial response; nullopt where the server speaks first. Call once, first. Where the protocol has no room for
  // an initial response, it is the answer to an empty challenge.
  virtual std::optional<std::string> Initial(Entropy& entropy) = 0;
  // The answer to a challenge. Errors: kInvalidArgument: the server breaks the mechanism's grammar;
  // kPermissionDenied: the server doesn't know the password, or refuses in its own words.
  virtual StatusOr<std::string> Respond(std::string_view challenge, Entropy& entropy) = 0;
  // Has everything been said, and has the server proved what the mechanism lets it prove?
  virtual bool complete() const = 0;
  virtual std::string_view mechanism() const = 0;
};

// PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5, SCRAM-SHA-1, SCRAM-SHA-256 (any case); null for another.
std::unique_ptr<ClientExchange> MakeClientExchange(std::string_view mechanism, ClientCredentials credentials);

// The best of the offered mechanisms (any case) that we can do; empty: none. Those that show the password to the server
// count only with `allow_plaintext`.
std::string_view ChooseMechanism(const std::vector<std::string>& offered, bool allow_plaintext);

}  // namespace postern::auth
