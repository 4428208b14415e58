#include "core/auth/exchange_base.h"

#include <algorithm>

#include "core/auth/scheme.h"
#include "core/base/ascii.h"

namespace postern::auth {
namespace {

FailureReason ReasonOf(PassResult result) {
  switch (result) {
    case PassResult::kOk:
      break;
    case PassResult::kUserUnknown:
      return FailureReason::kUnknownUser;
    case PassResult::kPasswordMismatch:
      return FailureReason::kPasswordMismatch;
    case PassResult::kUserDisabled:
      return FailureReason::kUserDisabled;
    case PassResult::kSchemeNotAvailable:
      return FailureReason::kNoUsableScheme;
    case PassResult::kInternalFailure:
      return FailureReason::kTemporary;
    case PassResult::kNext:
      break;
  }
  return FailureReason::kTemporary;
}

Step FailureStep(FailureReason reason, std::vector<LogLine> lines) {
  Step step;
  step.kind = Step::Kind::kFailure;
  step.reason = reason;
  if (!lines.empty()) {
    step.log_text = lines.back().text;
    step.log_source = lines.back().source;
  }
  step.log_lines = std::move(lines);
  return step;
}

bool HasField(const PassDbWalk& walk, std::string_view name) {
  return std::any_of(walk.fields().begin(), walk.fields().end(),
                     [&](const auto& field) { return field.first == name; });
}

}  // namespace

Step ExchangeBase::Start(const std::string_view* initial, Entropy& entropy, WallTime now) {
  if (initial != nullptr && initial->size() > kResponseBytesMax) {
    return Settled(Fail(FailureReason::kMalformed, "Response is too long"));
  }
  return Settled(OnStart(initial, entropy, now));
}

Step ExchangeBase::Respond(std::string_view response, Entropy& entropy) {
  if (over_ || verifying_) return Settled(Fail(FailureReason::kMalformed, "Unexpected continuation"));
  if (response.size() > kResponseBytesMax) return Settled(Fail(FailureReason::kMalformed, "Response is too long"));
  return Settled(OnResponse(response, entropy));
}

Step ExchangeBase::Verified(bool matches) {
  if (!verifying_) return Settled(Fail(FailureReason::kTemporary, "Unexpected verification"));
  return Settled(OnVerified(matches));
}

Step ExchangeBase::OnVerified(bool) { return Fail(FailureReason::kTemporary, "Unexpected verification"); }

Step ExchangeBase::Settled(Step step) {
  verifying_ = step.kind == Step::Kind::kVerify;
  over_ = step.kind == Step::Kind::kSuccess || step.kind == Step::Kind::kFailure;
  return step;
}

std::optional<Step> ExchangeBase::SetUser(std::string_view login) {
  identity_.original_user = login;
  auto user = NormalizeUser(login, auth_);
  if (!user.ok()) return Fail(FailureReason::kUnknownUser, std::string(postern::Message(user.status())));
  identity_.user = *std::move(user);
  return std::nullopt;
}

std::optional<Step> ExchangeBase::SetAuthorization(std::string_view authorization_id) {
  if (authorization_id.empty()) return std::nullopt;
  const auto user = NormalizeUser(authorization_id, auth_);
  if (!user.ok()) {
    return Fail(FailureReason::kAuthorizationDenied, "login user: " + std::string(postern::Message(user.status())));
  }
  if (*user == identity_.user) return std::nullopt;
  const bool has_masters =
      std::any_of(auth_.passdbs.begin(), auth_.passdbs.end(), [](const config::PassDb& p) { return p.master; });
  // Only a plaintext mechanism can take a master's password to his passdb.
  if (!has_masters || !FindMechanism(mechanism_)->plaintext) {
    return Fail(FailureReason::kAuthorizationDenied, "login user: Master user login attempted without master passdbs");
  }
  identity_.authorization_id = *user;
  return std::nullopt;
}

Step ExchangeBase::Challenge(std::string text) {
  Step step;
  step.kind = Step::Kind::kChallenge;
  step.challenge = std::move(text);
  return step;
}

Step ExchangeBase::Fail(FailureReason reason, std::string text) {
  return FailureStep(reason, {{.source = LowerCase(mechanism_), .user = identity_.user, .text = std::move(text)}});
}

Step ExchangeBase::FailAs(const PassDbWalk& walk) {
  FailureReason reason = ReasonOf(walk.result());
  // The master user is who he says; it is the other one he can't be.
  if (!walk.master_user().empty() && reason != FailureReason::kTemporary) reason = FailureReason::kAuthorizationDenied;
  Step step = FailureStep(reason, walk.lines());
  step.no_delay = walk.no_delay();
  return step;
}

Step ExchangeBase::FailMismatch(const PassDbWalk& walk) {
  std::vector<LogLine> lines = walk.lines();
  lines.push_back({.source = walk.last_driver(), .user = walk.user(), .text = "Password mismatch"});
  Step step = FailureStep(FailureReason::kPasswordMismatch, std::move(lines));
  step.no_delay = walk.no_delay();
  return step;
}

Step ExchangeBase::Succeed(const PassDbWalk& walk) {
  identity_.user = walk.user();
  identity_.master_user = walk.master_user();
  // `nologin` keeps people out of mailboxes; Dovecot tells Postfix that the password is right all the same.
  if (!client_.no_login && HasField(walk, "nologin")) {
    auto lines = walk.lines();
    lines.push_back(
        {.source = LowerCase(mechanism_), .user = identity_.user, .text = "Login is not allowed (nologin)"});
    return FailureStep(FailureReason::kUserDisabled, std::move(lines));
  }
  Step step;
  step.kind = Step::Kind::kSuccess;
  step.log_lines = walk.lines();
  return step;
}

Secret DecoyStored(const config::Auth& auth) {
  for (const config::PassDb& section : auth.passdbs) {
    if (section.users == nullptr || section.deny || section.master) continue;
    const std::string_view default_scheme = DefaultScheme(section);
    if (const config::UserRecord* sample = section.users->Sample(); sample != nullptr && !sample->password.empty()) {
      const StoredParts parts = SplitStored(sample->password.Reveal(), default_scheme);
      return Secret("{" + std::string(parts.scheme_name) + "}" + std::string(parts.data));
    }
    if (default_scheme != "CRYPT") break;
    return Secret(
        std::string_view("{CRYPT}$6$postern.decoy...$/////////////////////////////////////////////////////"
                         "/////////////////////////////////"));
  }
  return Secret(std::string_view("{PLAIN}-"));
}

}  // namespace postern::auth
