// What the tests of the auth socket share: a server with users and a clock, driven line by line, and a client that
// speaks with it through SASL mechanisms.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/auth_socket_client.h"
#include "core/auth/auth_socket_server.h"
#include "core/auth/sasl_client.h"
#include "core/base/base64.h"
#include "tests/core/auth/auth_fixture.h"

namespace postern::auth {

inline constexpr std::string_view kAlice = "alice@example.test", kAlicePassword = "alice-secret";

inline std::shared_ptr<FakeUsers> SocketUsers() {
  auto users = std::make_shared<FakeUsers>();
  users->Add(kAlice, "{PLAIN}alice-secret");
  users->Add("bob@example.test", "{PLAIN}bob-secret", {{"nologin", ""}});
  users->Add("dora@example.test", "{PLAIN}dora-secret", {{"nodelay", ""}});
  users->Add("frank@example.test", "{PLAIN}frank-secret", {{"user", "frank2@example.test"}});
  users->Add("gina@example.test", "{PLAIN}gina-secret", {{"allow_nets", "10.0.0.0/8"}});
  return users;
}

inline std::string PlainMessage(std::string_view user, std::string_view password, std::string_view other = {}) {
  std::string message(other);
  message += '\0';
  message += user;
  message += '\0';
  return message += password;
}

// A server after its handshake, with a clock that only moves when it is told to.
class ServerRun {
 public:
  explicit ServerRun(AuthSocketServer::Options options = {}, uint32_t client_minor = 0,
                     std::shared_ptr<FakeUsers> users = SocketUsers())
      : auth_(AuthOf(std::move(users))), server_(auth_, std::move(options)) {
    hello_ = Take(server_.Start(Context()));
    Feed("VERSION\t1\t" + std::to_string(client_minor) + "\nCPID\t2718\n");
  }

  // What the server sends for it; passwords are compared at once.
  std::string Feed(std::string_view bytes) { return Answered(server_.Feed(bytes, Context())); }
  // The same without comparing: the questions wait in questions().
  std::string FeedOnly(std::string_view bytes) { return Take(server_.Feed(bytes, Context())); }
  std::string Answer(uint64_t token, bool matches) { return Take(server_.Verified(token, matches, Context())); }
  std::string Wait(Duration duration) {
    now_.mono = now_.mono + duration;
    return Answered(server_.OnTime(Context()));
  }
  // "AUTH id PLAIN" as Postfix sends it.
  std::string Plain(uint32_t id, std::string_view user, std::string_view password,
                    std::string_view remote = "192.0.2.1") {
    return Feed(PlainLine(id, user, password, remote));
  }
  static std::string PlainLine(uint32_t id, std::string_view user, std::string_view password,
                               std::string_view remote = "192.0.2.1") {
    return "AUTH\t" + std::to_string(id) +
           "\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.25\trip=" + std::string(remote) +
           "\tsecured\tresp=" + EncodeBase64(PlainMessage(user, password)) + "\n";
  }

  AuthSocketServer::Context Context() { return {.now = now_, .entropy = entropy_, .penalty = penalty_}; }
  // Keeps logs and the end in mind; gives what is to be sent.
  std::string Take(AuthSocketServer::Output output) {
    for (auto& question : output.questions) questions_.push_back(std::move(question));
    for (auto& log : output.logs) log_.push_back(log.line.source + ": " + log.line.text);
    secrets_ = std::move(output.secrets);
    closed_ = closed_ || output.close;
    if (output.close) close_reason_ = output.close_reason;
    return std::move(output.send);
  }
  std::string Answered(AuthSocketServer::Output output) {
    std::string sent = Take(std::move(output));
    while (!questions_.empty()) {
      const auto question = std::move(questions_.front());
      questions_.erase(questions_.begin());
      const auto matches = VerifyStoredPassword(question.stored.Reveal(), question.password.Reveal(), question.user);
      sent += Answer(question.token, matches.ok() && *matches);
    }
    return sent;
  }

  config::Auth& auth() { return auth_; }
  AuthSocketServer& server() { return server_; }
  PenaltyTable& penalty() { return penalty_; }
  const std::string& hello() const { return hello_; }
  const std::vector<AuthSocketServer::Question>& questions() const { return questions_; }
  const std::vector<std::string>& log() const { return log_; }
  const std::vector<AuthSocketServer::SecretBytes>& secrets() const { return secrets_; }
  bool closed() const { return closed_; }
  const std::string& close_reason() const { return close_reason_; }

 private:
  config::Auth auth_;
  Entropy entropy_ = TestEntropy();
  PenaltyTable penalty_;
  Now now_;
  AuthSocketServer server_;
  std::string hello_;
  std::vector<AuthSocketServer::Question> questions_;
  std::vector<std::string> log_;
  std::vector<AuthSocketServer::SecretBytes> secrets_;
  bool closed_ = false;
  std::string close_reason_;
};

// The user's side of `exchange` talks through `client` to `run` until there is a verdict. Delays are waited for.
inline AuthSocketClient::Event Converse(AuthSocketClient& client, ServerRun& run, ClientExchange& exchange,
                                        Entropy& entropy, AuthLine facts) {
  facts.mechanism = exchange.mechanism();
  const auto initial = exchange.Initial(entropy);
  const Secret initial_secret(initial.value_or(""));
  const auto begun = client.Begin(std::move(facts), initial ? &initial_secret : nullptr);
  if (!begun.ok()) return AuthSocketClient::Ready{};
  std::string answer = run.Feed(begun->send.Reveal());
  for (int turns = 0; turns < 10; ++turns) {
    for (int waits = 0; answer.empty() && waits < 20; ++waits) answer = run.Wait(Seconds(1));
    auto output = client.Feed(answer);
    if (output.events.empty()) return AuthSocketClient::Ready{};
    const auto* challenge = std::get_if<AuthSocketClient::Challenge>(&output.events.front());
    if (challenge == nullptr) return output.events.front();
    const auto response = exchange.Respond(challenge->bytes, entropy);
    if (!response.ok()) {
      run.Feed(client.Cancel(begun->id));
      return AuthSocketClient::Ready{};
    }
    const auto line = client.Continue(begun->id, Secret(*response));
    answer = line.ok() ? run.Feed(line->Reveal()) : "";
  }
  return AuthSocketClient::Ready{};
}

}  // namespace postern::auth
