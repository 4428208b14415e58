// The client's side of a recorded login, made anew where the recorded answer fits only the recorded challenge
// (CRAM-MD5, DIGEST-MD5, SCRAM): the name comes from the recording, the password from the configuration's users file,
// where it is plain. Owner: one session's player.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/auth/sasl_client.h"
#include "core/config/settings.h"

namespace postern::sim {

class ChallengeAnswer {
 public:
  ChallengeAnswer(const config::Config& config, config::Protocol protocol) : config_(config), protocol_(protocol) {}

  // Looks at what the client sends next. Inside an exchange, or at the start of one, gives the bytes to send instead;
  // else `bytes` as they are. `challenge_line` is the last whole line the shard sent ("334 ...", "+ ...").
  std::string Translate(std::string_view bytes, std::string_view challenge_line);
  // What the recorded server said: an exchange lasts as long as it asks for more.
  void OnRecordedServer(std::string_view bytes);

  bool in_exchange() const { return in_exchange_; }
  // The login name, once it was seen in clear or in an exchange; "" before.
  const std::string& user() const { return user_; }

 private:
  void Begin(std::string_view mechanism, std::string_view initial);
  // The recorded client's message; learns the user name from it.
  void Learn(std::string_view message);
  void LearnFromLogin(std::string_view line);
  bool MakeExchange();

  const config::Config& config_;
  const config::Protocol protocol_;
  bool in_exchange_ = false;
  std::string mechanism_;  // upper case
  std::string user_;
  std::unique_ptr<auth::ClientExchange> exchange_;
  Entropy entropy_{Entropy::Key{}};
};

// `line` (without its end) with what a login tells secret replaced by "***": arguments of AUTH, AUTHENTICATE, PASS,
// LOGIN.
std::string WithoutSecrets(std::string_view line, config::Protocol protocol);

}  // namespace postern::sim
