#include "core/auth/sasl_client.h"

#include <array>

#include "core/auth/credentials.h"
#include "core/auth/passdb.h"
#include "core/auth/sasl_client_mechanisms.h"
#include "core/base/ascii.h"

namespace postern::auth {
namespace {

class PlainClient final : public ClientExchange {
 public:
  explicit PlainClient(ClientCredentials credentials) : credentials_(std::move(credentials)) {}

  std::optional<std::string> Initial(Entropy&) override {
    said_ = true;
    // RFC 4616 section 2.
    std::string message = credentials_.authorization_id;
    message += '\0';
    message += credentials_.user;
    message += '\0';
    message += credentials_.password.Reveal();
    return message;
  }
  StatusOr<std::string> Respond(std::string_view, Entropy&) override {
    return InvalidArgument("PLAIN: a challenge after everything was said");
  }
  bool complete() const override { return said_; }
  std::string_view mechanism() const override { return "PLAIN"; }

 private:
  const ClientCredentials credentials_;
  bool said_ = false;
};

// Servers prompt in many words, so only the order counts.
class LoginClient final : public ClientExchange {
 public:
  explicit LoginClient(ClientCredentials credentials) : credentials_(std::move(credentials)) {}

  std::optional<std::string> Initial(Entropy&) override { return std::nullopt; }
  StatusOr<std::string> Respond(std::string_view, Entropy&) override {
    switch (prompts_++) {
      case 0:
        return credentials_.user;
      case 1:
        return std::string(credentials_.password.Reveal());
    }
    return InvalidArgument("LOGIN: a third prompt");
  }
  bool complete() const override { return prompts_ == 2; }
  std::string_view mechanism() const override { return "LOGIN"; }

 private:
  const ClientCredentials credentials_;
  int prompts_ = 0;
};

class CramMd5Client final : public ClientExchange {
 public:
  explicit CramMd5Client(ClientCredentials credentials) : credentials_(std::move(credentials)) {}

  std::optional<std::string> Initial(Entropy&) override { return std::nullopt; }
  StatusOr<std::string> Respond(std::string_view challenge, Entropy&) override {
    if (std::exchange(said_, true)) return InvalidArgument("CRAM-MD5: a second challenge");
    if (challenge.empty()) return InvalidArgument("CRAM-MD5: an empty challenge");
    return credentials_.user + " " + CramMd5Response(CramMd5Credentials(credentials_.password.Reveal()), challenge);
  }
  bool complete() const override { return said_; }
  std::string_view mechanism() const override { return "CRAM-MD5"; }

 private:
  const ClientCredentials credentials_;
  bool said_ = false;
};

struct Maker {
  std::string_view name;  // lower case
  bool shows_password;
  std::unique_ptr<ClientExchange> (*make)(ClientCredentials credentials);
};

// Best first.
constexpr std::array kMakers = {
    Maker{"scram-sha-256", false, [](ClientCredentials c) { return MakeScramClient(HashKind::kSha256, std::move(c)); }},
    Maker{"scram-sha-1", false, [](ClientCredentials c) { return MakeScramClient(HashKind::kSha1, std::move(c)); }},
    Maker{"plain", true,
          [](ClientCredentials c) -> std::unique_ptr<ClientExchange> {
            return std::make_unique<PlainClient>(std::move(c));
          }},
    Maker{"login", true,
          [](ClientCredentials c) -> std::unique_ptr<ClientExchange> {
            return std::make_unique<LoginClient>(std::move(c));
          }},
    Maker{"digest-md5", false, [](ClientCredentials c) { return MakeDigestMd5Client(std::move(c)); }},
    Maker{"cram-md5", false,
          [](ClientCredentials c) -> std::unique_ptr<ClientExchange> {
            return std::make_unique<CramMd5Client>(std::move(c));
          }},
};

}  // namespace

std::unique_ptr<ClientExchange> MakeClientExchange(std::string_view mechanism, ClientCredentials credentials) {
  const std::string name = LowerCase(mechanism);
  for (const Maker& maker : kMakers) {
    if (maker.name == name) return maker.make(std::move(credentials));
  }
  return nullptr;
}

std::string_view ChooseMechanism(const std::vector<std::string>& offered, bool allow_plaintext) {
  for (const Maker& maker : kMakers) {
    if (maker.shows_password && !allow_plaintext) continue;
    for (const std::string& name : offered) {
      if (LowerCase(name) == maker.name) return name;
    }
  }
  return {};
}

}  // namespace postern::auth
