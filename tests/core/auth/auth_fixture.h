// What the tests of core/auth share: users in a map, a configuration of sections, and a driver that answers kVerify.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/sasl.h"
#include "core/auth/scheme.h"
#include "core/base/entropy.h"
#include "core/config/settings.h"

namespace postern::auth {

class FakeUsers final : public config::UserTable {
 public:
  const config::UserRecord* Find(std::string_view name) const override {
    const auto found = records_.find(name);
    return found == records_.end() ? nullptr : &found->second;
  }
  void ForEach(const std::function<void(std::string_view, const config::UserRecord&)>& visit) const override {
    for (const auto& [name, record] : records_) visit(name, record);
  }
  const config::UserRecord* Sample() const override { return records_.empty() ? nullptr : &records_.begin()->second; }

  config::UserRecord& Add(std::string_view name, std::string_view password,
                          std::vector<std::pair<std::string, std::string>> fields = {}) {
    config::UserRecord& record = records_[std::string(name)];
    record.password = Secret(password);
    record.extra_fields = std::move(fields);
    return record;
  }

 private:
  std::map<std::string, config::UserRecord, std::less<>> records_;
};

inline config::PassDb PassDbOf(std::shared_ptr<FakeUsers> users) {
  config::PassDb section;
  section.driver = "passwd-file";
  section.default_scheme = "CRYPT";
  section.username_format = "%u";
  section.users = std::move(users);
  return section;
}

// Every mechanism on, one passdb with `users`.
inline config::Auth AuthOf(std::shared_ptr<FakeUsers> users) {
  config::Auth auth;
  auth.mechanisms = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
  auth.username_chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@";
  auth.decoy_key = Secret(std::string_view("decoy"));
  auth.passdbs.push_back(PassDbOf(std::move(users)));
  return auth;
}

inline ClientFacts Client(std::string_view service = "imap") {
  ClientFacts client;
  client.service = service;
  client.no_login = service == "smtp";
  client.remote = *IpAddress::Parse("192.0.2.1");
  client.local = *IpAddress::Parse("192.0.2.25");
  client.tls = true;
  client.local_host_name = "mail.example.test";
  return client;
}

inline Entropy TestEntropy(uint8_t first = 1) {
  Entropy::Key key{};
  key[0] = first;
  return Entropy(key);
}

// Answers kVerify until something else comes; counts how often it was asked.
inline Step AnswerVerifies(Exchange& exchange, Step step, int* asked = nullptr) {
  while (step.kind == Step::Kind::kVerify) {
    if (asked != nullptr) ++*asked;
    const auto matches = VerifyStoredPassword(step.stored.Reveal(), step.password.Reveal(), step.verify_user);
    step = exchange.Verified(matches.ok() && *matches);
  }
  return step;
}

// The whole of a PLAIN login.
struct Outcome {
  Step step;
  Identity identity;
  int asked = 0;
  bool ok() const { return step.kind == Step::Kind::kSuccess; }
};
inline Outcome PlainLogin(const config::Auth& auth, std::string_view user, std::string_view password,
                          std::string_view authorization_id = {}, const ClientFacts& client = Client()) {
  Entropy entropy = TestEntropy();
  auto exchange = MakeExchange("PLAIN", auth, client);
  std::string message(authorization_id);
  message += '\0';
  message += user;
  message += '\0';
  message += password;
  const std::string_view view = message;
  Outcome outcome;
  outcome.step = AnswerVerifies(*exchange, exchange->Start(&view, entropy, {}), &outcome.asked);
  outcome.identity = exchange->identity();
  return outcome;
}

}  // namespace postern::auth
