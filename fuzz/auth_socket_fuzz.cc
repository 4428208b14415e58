// Both sides of the auth socket, with whatever bytes: lines that parse are written and parsed to the same value; the
// server's bounds hold and nobody gets in without the password; a client's requests end once each.
//
// Input: 's' or 'c', the side that is asked; one character, by its number the bytes that go in at a time; the stream. A
// "!" lets time pass instead.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/auth_socket_client.h"
#include "core/auth/auth_socket_server.h"
#include "core/auth/scheme.h"
#include "fuzz/fuzz.h"

namespace postern::auth {
namespace {

using fuzz::Require;

constexpr size_t kOpenRequestsMax = 8;

class Users final : public config::UserTable {
 public:
  Users() { record_.password = Secret(std::string_view("{PLAIN}a password nobody guesses")); }
  const config::UserRecord* Find(std::string_view name) const override { return name == "u" ? &record_ : nullptr; }
  void ForEach(const std::function<void(std::string_view, const config::UserRecord&)>&) const override {}

 private:
  config::UserRecord record_;
};

config::Auth Setting() {
  config::Auth auth;
  auth.mechanisms = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
  config::PassDb section;
  section.driver = "passwd-file";
  section.default_scheme = "PLAIN";
  section.users = std::make_shared<Users>();
  auth.passdbs.push_back(std::move(section));
  return auth;
}

void CheckLine(std::string_view line) {
  if (const auto parsed = ParseClientLine(line); parsed.ok()) {
    const Secret text = FormatClientLine(*parsed);
    const std::string_view bare = text.Reveal().substr(0, text.Reveal().size() - 1);
    if (bare.size() < kAuthLineBytesMax) {
      const auto again = ParseClientLine(bare);
      Require(again.ok() && FormatClientLine(*again).Reveal() == text.Reveal(), "a client's line changes");
    }
  }
  if (const auto parsed = ParseServerLine(line); parsed.ok()) {
    const std::string text = FormatServerLine(*parsed);
    const auto again = ParseServerLine(std::string_view(text).substr(0, text.size() - 1));
    Require(again.ok() && *again == *parsed, "a server's line changes");
  }
}

void AskServer(std::string_view stream, size_t step) {
  const config::Auth auth = Setting();
  Entropy entropy{Entropy::Key{}};
  PenaltyTable penalty;
  Now now;
  AuthSocketServer server(auth, {.local_host_name = "mail.example.test", .open_requests_max = kOpenRequestsMax});
  const auto context = [&] { return AuthSocketServer::Context{.now = now, .entropy = entropy, .penalty = penalty}; };
  const auto take = [&](AuthSocketServer::Output output, size_t fed) {
    for (const auto& secret : output.secrets) {
      Require(secret.length_bytes > 0 && secret.offset_bytes + secret.length_bytes <= fed,
              "a secret outside of what was fed");
    }
    std::vector<AuthSocketServer::Question> questions = std::move(output.questions);
    while (true) {
      Require(output.send.find("OK\t") != 0 && output.send.find("\nOK\t") == std::string::npos, "somebody got in");
      Require(output.close == (server.state() == AuthSocketServer::State::kClosed) || output.send.empty(),
              "closed in silence");
      Require(server.open_requests() <= kOpenRequestsMax, "too many requests are open");
      if (questions.empty()) break;
      const auto question = std::move(questions.back());
      questions.pop_back();
      const auto matches = VerifyStoredPassword(question.stored.Reveal(), question.password.Reveal(), question.user);
      output = server.Verified(question.token, matches.ok() && *matches, context());
      for (auto& more : output.questions) questions.push_back(std::move(more));
    }
  };
  take(server.Start(context()), 0);
  while (!stream.empty() && server.state() != AuthSocketServer::State::kClosed) {
    if (stream.front() == '!') {
      stream.remove_prefix(1);
      now.mono = now.mono + Seconds(20);
      take(server.OnTime(context()), 0);
      continue;
    }
    const std::string_view part = stream.substr(0, std::min(step, stream.find('!')));
    take(server.Feed(part, context()), part.size());
    stream.remove_prefix(part.size());
  }
  // Whatever is open ends by time alone.
  for (int i = 0; i < 64 && server.NextInstant(); ++i) {
    now.mono = std::max(now.mono, *server.NextInstant());
    take(server.OnTime(context()), 0);
  }
  Require(!server.NextInstant(), "time does not end it");
}

void AskClient(std::string_view stream, size_t step) {
  AuthSocketClient client({.mechanisms_max = 8, .open_requests_max = kOpenRequestsMax});
  size_t begun = 0, ended = 0;
  const auto take = [&](const AuthSocketClient::Output& output) {
    for (const AuthSocketClient::Event& event : output.events) {
      if (std::holds_alternative<AuthSocketClient::Ready>(event)) {
        for (size_t i = 0; i < kOpenRequestsMax; ++i)
          begun += client.Begin({.mechanism = "PLAIN", .service = "smtp"}, nullptr).ok();
      } else if (const auto* challenge = std::get_if<AuthSocketClient::Challenge>(&event)) {
        Require(client.state() == AuthSocketClient::State::kBroken ||
                    client.Continue(challenge->id, Secret(std::string_view("x"))).ok(),
                "a challenge can't be answered");
      } else {
        ++ended;
      }
    }
    Require(auth::Announceable(client.mechanisms(), {}).size() <= 8, "too many mechanisms");
  };
  while (!stream.empty() && client.state() != AuthSocketClient::State::kBroken) {
    const std::string_view part = stream.substr(0, step);
    take(client.Feed(part));
    stream.remove_prefix(part.size());
  }
  take(client.Lost("the input ends"));
  Require(begun == ended, "a request has no end, or two");
}

}  // namespace
}  // namespace postern::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern::auth;
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t step = 1 + static_cast<uint8_t>(input[1]) % 64;
  const std::string_view stream = input.substr(2);
  for (size_t at = 0; at < stream.size();) {
    const size_t end = std::min(stream.find('\n', at), stream.size());
    CheckLine(stream.substr(at, end - at));
    at = end + 1;
  }
  if (input[0] == 'c') {
    AskClient(stream, step);
  } else {
    AskServer(stream, step);
  }
  return 0;
}
