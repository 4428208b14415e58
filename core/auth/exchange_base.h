// What all server exchanges share: the names, the log's words, and the steps that end an exchange.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/auth/passdb.h"
#include "core/auth/sasl.h"

namespace postern::auth {

class ExchangeBase : public Exchange {
 public:
  // `mechanism`: a literal, in upper case.
  ExchangeBase(std::string_view mechanism, const config::Auth& auth, const ClientFacts& client)
      : mechanism_(mechanism), auth_(auth), client_(client) {}

  Step Start(const std::string_view* initial, Entropy& entropy, WallTime now) final;
  Step Respond(std::string_view response, Entropy& entropy) final;
  Step Verified(bool matches) final;
  const Identity& identity() const final { return identity_; }
  std::string_view mechanism() const final { return mechanism_; }

 protected:
  // `initial` null or within kResponseBytesMax.
  virtual Step OnStart(const std::string_view* initial, Entropy& entropy, WallTime now) = 0;
  virtual Step OnResponse(std::string_view response, Entropy& entropy) = 0;
  // Only after a kVerify step.
  virtual Step OnVerified(bool matches);

  // Sets identity() from what the client sent; a Step where the name is not allowed.
  std::optional<Step> SetUser(std::string_view login);
  // RFC 4422 section 3.4.1: an authorization identity other than one's own takes a passdb with master = yes. Sets
  // identity().authorization_id where it is another. Call after SetUser.
  std::optional<Step> SetAuthorization(std::string_view authorization_id);

  static Step Challenge(std::string text);
  // A failure that the mechanism itself states, with its line in the log.
  Step Fail(FailureReason reason, std::string text);
  // The same, but without a line of its own: `walk` has said it.
  Step FailAs(const PassDbWalk& walk);
  // The passdbs gave credentials, and the client's answer doesn't fit them.
  // Deviation: the line names the passdb, where Dovecot names the mechanism: fail2ban's filter of Dovecot's lines takes
  // no digits there, so that guesses by CRAM-MD5 or SCRAM-SHA-256 would never be counted.
  Step FailMismatch(const PassDbWalk& walk);
  // The password was right. Takes the name that the passdbs gave.
  Step Succeed(const PassDbWalk& walk);

  const std::string_view mechanism_;
  const config::Auth& auth_;
  const ClientFacts client_;
  Identity identity_;

 private:
  Step Settled(Step step);

  bool over_ = false;
  bool verifying_ = false;
};

// A stored password that nobody has, of the kind most users have: to make an unknown user cost what a known one does.
Secret DecoyStored(const config::Auth& auth);

// Where each mechanism is made.
std::unique_ptr<Exchange> MakePlain(const config::Auth& auth, const ClientFacts& client);
std::unique_ptr<Exchange> MakeLogin(const config::Auth& auth, const ClientFacts& client);
std::unique_ptr<Exchange> MakeCramMd5(const config::Auth& auth, const ClientFacts& client);
std::unique_ptr<Exchange> MakeDigestMd5(const config::Auth& auth, const ClientFacts& client);
std::unique_ptr<Exchange> MakeScramSha1(const config::Auth& auth, const ClientFacts& client);
std::unique_ptr<Exchange> MakeScramSha256(const config::Auth& auth, const ClientFacts& client);
std::unique_ptr<Exchange> MakeAnonymous(const config::Auth& auth, const ClientFacts& client);

}  // namespace postern::auth
