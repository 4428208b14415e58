// PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login) and a user name with a password that the protocol brings itself:
// the mechanisms that give us the password, which is then compared with the stored one by the driver.
#include "core/auth/exchange_base.h"

namespace postern::auth {
namespace {

class PasswordExchange : public ExchangeBase {
 public:
  PasswordExchange(std::string_view mechanism, const config::Auth& auth, const ClientFacts& client)
      : ExchangeBase(mechanism, auth, client), walk_(auth, client, PassDbWalk::Purpose::kPassword, mechanism) {}

 protected:
  Step Check(std::string_view authorization_id, std::string_view login, Secret password) {
    if (auto failure = SetUser(login)) return *std::move(failure);
    if (auto failure = SetAuthorization(authorization_id)) return *std::move(failure);
    password_ = std::move(password);
    return Take(walk_.Start(identity_.user, identity_.original_user, identity_.authorization_id));
  }

  Step OnVerified(bool matches) final {
    if (decoy_) return FailAs(walk_);
    return Take(walk_.Verified(matches));
  }

 private:
  Step Take(PassDbWalk::Turn turn) {
    if (turn == PassDbWalk::Turn::kVerify) return Verify(walk_.stored());
    if (walk_.result() == PassResult::kOk) return Succeed(walk_);
    if (walk_.result() == PassResult::kUserUnknown && !walk_.asked()) {
      decoy_ = true;
      return Verify(DecoyStored(auth_));
    }
    return FailAs(walk_);
  }

  Step Verify(Secret stored) {
    Step step;
    step.kind = Step::Kind::kVerify;
    step.stored = std::move(stored);
    step.password = password_;
    step.verify_user = identity_.original_user;
    return step;
  }

  PassDbWalk walk_;
  Secret password_;
  bool decoy_ = false;
};

class PlainExchange final : public PasswordExchange {
 public:
  PlainExchange(const config::Auth& auth, const ClientFacts& client) : PasswordExchange("PLAIN", auth, client) {}

 private:
  Step OnStart(const std::string_view* initial, Entropy& entropy, WallTime) override {
    return initial == nullptr ? Challenge("") : OnResponse(*initial, entropy);
  }

  // RFC 4616 section 2: [authzid] NUL authcid NUL passwd, and no NUL elsewhere.
  Step OnResponse(std::string_view response, Entropy&) override {
    const size_t first = response.find('\0');
    const size_t second = first == std::string_view::npos ? first : response.find('\0', first + 1);
    if (second == std::string_view::npos || response.find('\0', second + 1) != std::string_view::npos) {
      return Fail(FailureReason::kMalformed, "invalid input");
    }
    return Check(response.substr(0, first), response.substr(first + 1, second - first - 1),
                 Secret(response.substr(second + 1)));
  }
};

// Deviation: Microsoft's clients and servers send the user name as initial response, which no draft allows.
class LoginExchange final : public PasswordExchange {
 public:
  LoginExchange(const config::Auth& auth, const ClientFacts& client) : PasswordExchange("LOGIN", auth, client) {}

 private:
  Step OnStart(const std::string_view* initial, Entropy& entropy, WallTime) override {
    if (initial == nullptr || initial->empty()) return Challenge("Username:");
    return OnResponse(*initial, entropy);
  }

  Step OnResponse(std::string_view response, Entropy&) override {
    if (!has_user_) {
      // The name is judged now, so that a forbidden one is said before a password is asked for.
      if (auto failure = SetUser(response)) return *std::move(failure);
      has_user_ = true;
      return Challenge("Password:");
    }
    const std::string login = identity_.original_user;
    return Check("", login, Secret(response));
  }

  bool has_user_ = false;
};

class GivenPasswordExchange final : public PasswordExchange {
 public:
  GivenPasswordExchange(std::string_view user, const Secret& password, const config::Auth& auth,
                        const ClientFacts& client)
      : PasswordExchange("PLAIN", auth, client), user_(user), password_(password) {}

 private:
  Step OnStart(const std::string_view*, Entropy&, WallTime) override { return Check("", user_, std::move(password_)); }
  Step OnResponse(std::string_view, Entropy&) override { return Fail(FailureReason::kMalformed, "invalid input"); }

  const std::string user_;
  Secret password_;
};

// RFC 4505. Only where auth_mechanisms names it.
class AnonymousExchange final : public ExchangeBase {
 public:
  AnonymousExchange(const config::Auth& auth, const ClientFacts& client) : ExchangeBase("ANONYMOUS", auth, client) {}

 private:
  Step OnStart(const std::string_view* initial, Entropy& entropy, WallTime) override {
    return initial == nullptr ? Challenge("") : OnResponse(*initial, entropy);
  }
  Step OnResponse(std::string_view,
                  Entropy&) override {  // the trace is the client's to choose: nothing is done with it
    identity_.user = identity_.original_user = "anonymous";
    Step step;
    step.kind = Step::Kind::kSuccess;
    return step;
  }
};

}  // namespace

std::unique_ptr<Exchange> MakePlain(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<PlainExchange>(auth, client);
}
std::unique_ptr<Exchange> MakeLogin(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<LoginExchange>(auth, client);
}
std::unique_ptr<Exchange> MakeAnonymous(const config::Auth& auth, const ClientFacts& client) {
  return std::make_unique<AnonymousExchange>(auth, client);
}

std::unique_ptr<Exchange> MakePlainExchange(std::string_view user, const Secret& password, const config::Auth& auth,
                                            const ClientFacts& client) {
  return std::make_unique<GivenPasswordExchange>(user, password, auth, client);
}

}  // namespace postern::auth
