// SASL from both sides, with whatever bytes: the server's exchanges must never let anyone in who does not know the
// password, and never break; the client's must never believe a server that proved nothing.
//
// Input: one character chooses the mechanism, one whether there is an initial response; the rest are messages, one a
// line (lines keep "\r"). Entropy has a fixed key, so that the fuzzer can learn the nonces.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/auth/sasl.h"
#include "core/auth/sasl_client.h"
#include "core/auth/scheme.h"
#include "fuzz/fuzz.h"

namespace postern::auth {
namespace {

using fuzz::Require;

constexpr std::string_view kMechanisms[] = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
constexpr std::string_view kPassword = "a password nobody guesses";
constexpr int kMessagesMax = 8;

class Users final : public config::UserTable {
 public:
  Users() {
    records_["u"].password = Secret("{PLAIN}" + std::string(kPassword));
    records_["c"].password =
        Secret(std::string_view("{CRAM-MD5}24be3e1bf5a2ae6f2161a80bf43c7757e98e65152b5a61a699e23e5d1c11efbf"));
    records_["d"].password = Secret(std::string_view("{DIGEST-MD5}24a90ab0447b886e59fbd29ef247ecbc"));
    records_["s"].password = Secret(
        std::string_view("{SCRAM-SHA-256}4096,D6O1OECIGTX007+GCQnmtA==,j9UUhudq+hZck4R4mJypL/c0pNIELNj28H7Lr7P0OfI=,"
                         "P6ES19WprM5jYfdKYPJX88RD+Mf0i8VIgyb8mc5/5gc="));
    // Broken ones: an administrator's mistakes lock out, and do no more.
    records_["b"].password = Secret(std::string_view("{SCRAM-SHA-1}0,x,y"));
    records_["x"].password = Secret(std::string_view("{NOSUCH}x"));
  }
  const config::UserRecord* Find(std::string_view name) const override {
    const auto found = records_.find(name);
    return found == records_.end() ? nullptr : &found->second;
  }
  void ForEach(const std::function<void(std::string_view, const config::UserRecord&)>&) const override {}

 private:
  std::map<std::string, config::UserRecord, std::less<>> records_;
};

config::Auth Setting() {
  config::Auth auth;
  for (const std::string_view name : kMechanisms) auth.mechanisms.emplace_back(name);
  config::PassDb section;
  section.driver = "passwd-file";
  section.default_scheme = "PLAIN";
  section.users = std::make_shared<Users>();
  auth.passdbs.push_back(std::move(section));
  return auth;
}

Step Answer(Exchange& exchange, Step step, bool has_password) {
  for (int turns = 0; step.kind == Step::Kind::kVerify; ++turns) {
    Require(turns < 4, "an exchange asks once for each passdb");
    const auto matches = VerifyStoredPassword(step.stored.Reveal(), step.password.Reveal(), step.verify_user);
    step = exchange.Verified(matches.ok() && *matches);
  }
  Require(step.kind != Step::Kind::kSuccess || has_password, "nobody gets in without the password");
  Require(has_password || step.log_text.find(kPassword) == std::string::npos, "no log shows a stored password",
          step.log_text);
  return step;
}

void RunServer(std::string_view mechanism, bool has_initial, std::string_view messages, const config::Auth& auth) {
  const bool has_password = messages.find(kPassword) != std::string_view::npos;
  Entropy entropy{Entropy::Key{}};
  ClientFacts client;
  client.service = "imap";
  client.local_host_name = "mail.example.test";
  fuzz::Input rest(reinterpret_cast<const uint8_t*>(messages.data()), messages.size());
  auto exchange = MakeExchange(mechanism, auth, client);
  Require(exchange != nullptr, "a configured mechanism is there", mechanism);
  const std::string_view initial = has_initial ? rest.Line() : std::string_view();
  Step step = Answer(*exchange, exchange->Start(has_initial ? &initial : nullptr, entropy, {}), has_password);
  for (int i = 0; i < kMessagesMax && step.kind == Step::Kind::kChallenge && !rest.empty(); ++i) {
    step = Answer(*exchange, exchange->Respond(rest.Line(), entropy), has_password);
  }
}

void RunClient(std::string_view mechanism, std::string_view messages) {
  Entropy entropy{Entropy::Key{}};
  auto client = MakeClientExchange(mechanism, {.user = "u",
                                               .password = Secret(kPassword),
                                               .service = "imap",
                                               .host_name = "mail.example.test",
                                               .iterations_max = 100});
  fuzz::Input rest(reinterpret_cast<const uint8_t*>(messages.data()), messages.size());
  client->Initial(entropy);
  for (int i = 0; i < kMessagesMax && !rest.empty(); ++i) {
    if (!client->Respond(rest.Line(), entropy).ok()) break;
  }
  const bool proves = mechanism.starts_with("SCRAM") || mechanism == "DIGEST-MD5";
  Require(!proves || !client->complete(), "no server is believed that proved nothing");
}

void Run(fuzz::Input input) {
  static const config::Auth* const kSetting = new config::Auth(Setting());  // never changes
  const std::string_view mechanism = kMechanisms[input.Choose(std::size(kMechanisms))];
  const bool has_initial = input.Choose(2) != 0;
  const std::string_view messages = input.Rest();
  RunServer(mechanism, has_initial, messages, *kSetting);
  RunClient(mechanism, messages);
}

}  // namespace
}  // namespace postern::auth

POSTERN_FUZZ_TARGET(postern::auth::Run)
