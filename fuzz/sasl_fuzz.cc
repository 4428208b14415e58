// SASL from both sides, with whatever bytes: the server's exchanges must never let anyone in and never break, the
// client's must never believe a server that proved nothing.
//
// Input: byte 0 chooses the mechanism, byte 1 whether there is an initial response; the rest are messages, one a line
// ("\n" ends them; lines keep "\r"). Entropy has a fixed key, so that the fuzzer can learn the nonces.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "core/auth/sasl.h"
#include "core/auth/sasl_client.h"
#include "core/auth/scheme.h"

namespace postern::auth {
namespace {

constexpr std::string_view kMechanisms[] = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};

class Users final : public config::UserTable {
 public:
  Users() {
    records_["u"].password = Secret(std::string_view("{PLAIN}a password nobody guesses"));
    records_["c"].password =
        Secret(std::string_view("{CRAM-MD5}24be3e1bf5a2ae6f2161a80bf43c7757e98e65152b5a61a699e23e5d1c11efbf"));
    records_["d"].password = Secret(std::string_view("{DIGEST-MD5}24a90ab0447b886e59fbd29ef247ecbc"));
    records_["s"].password = Secret(
        std::string_view("{SCRAM-SHA-256}4096,D6O1OECIGTX007+GCQnmtA==,j9UUhudq+hZck4R4mJypL/c0pNIELNj28H7Lr7P0OfI=,"
                         "P6ES19WprM5jYfdKYPJX88RD+Mf0i8VIgyb8mc5/5gc="));
  }
  const config::UserRecord* Find(std::string_view name) const override {
    const auto found = records_.find(name);
    return found == records_.end() ? nullptr : &found->second;
  }
  void ForEach(const std::function<void(std::string_view, const config::UserRecord&)>&) const override {}

 private:
  std::map<std::string, config::UserRecord, std::less<>> records_;
};

std::string_view TakeMessage(std::string_view* rest) {
  const size_t end = rest->find('\n');
  const std::string_view message = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return message;
}

Step Answer(Exchange& exchange, Step step) {
  while (step.kind == Step::Kind::kVerify) {
    const auto matches = VerifyStoredPassword(step.stored.Reveal(), step.password.Reveal(), step.verify_user);
    step = exchange.Verified(matches.ok() && *matches);
  }
  if (step.kind == Step::Kind::kSuccess) std::abort();
  return step;
}

void FuzzServer(std::string_view mechanism, bool has_initial, std::string_view rest, const config::Auth& auth) {
  Entropy entropy{Entropy::Key{}};
  ClientFacts client;
  client.service = "imap";
  client.local_host_name = "mail.example.test";
  auto exchange = MakeExchange(mechanism, auth, client);
  const std::string_view initial = has_initial ? TakeMessage(&rest) : std::string_view();
  Step step = Answer(*exchange, exchange->Start(has_initial ? &initial : nullptr, entropy, {}));
  for (int i = 0; i < 8 && !rest.empty(); ++i) step = Answer(*exchange, exchange->Respond(TakeMessage(&rest), entropy));
}

void FuzzClient(std::string_view mechanism, std::string_view rest) {
  Entropy entropy{Entropy::Key{}};
  auto client = MakeClientExchange(mechanism, {.user = "u",
                                               .password = Secret(std::string_view("a password nobody guesses")),
                                               .service = "imap",
                                               .host_name = "mail.example.test",
                                               .iterations_max = 4096});
  client->Initial(entropy);
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    if (!client->Respond(TakeMessage(&rest), entropy).ok()) break;
  }
  const bool proves = mechanism.starts_with("SCRAM") || mechanism == "DIGEST-MD5";
  if (proves && client->complete()) std::abort();
}

}  // namespace
}  // namespace postern::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;
  using namespace postern::auth;
  if (size < 2) return 0;
  config::Auth auth;
  for (const std::string_view name : kMechanisms) auth.mechanisms.emplace_back(name);
  config::PassDb section;
  section.driver = "passwd-file";
  section.default_scheme = "PLAIN";
  section.users = std::make_shared<Users>();
  auth.passdbs.push_back(std::move(section));
  const std::string_view mechanism = kMechanisms[data[0] % std::size(kMechanisms)];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  FuzzServer(mechanism, data[1] % 2 != 0, rest, auth);
  FuzzClient(mechanism, rest);
  (void)NormalizeUser(rest.substr(0, 64), auth);
  return 0;
}
