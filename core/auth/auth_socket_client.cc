#include "core/auth/auth_socket_client.h"

#include <algorithm>
#include <utility>

#include "core/auth/passdb.h"
#include "core/auth/sasl.h"
#include "core/base/base64.h"

namespace postern::auth {
namespace {

constexpr size_t kReasonBytesMax = 200;  // goes into one line of a reply (RFC 5321 section 4.5.3.1.5: 512 bytes)

// Of the server's text for users: one line, printable, short.
std::string ForUsers(std::string_view reason) { return Printable(reason.substr(0, kReasonBytesMax)); }

bool IsPlausibleUser(std::string_view user) {
  return !user.empty() && std::none_of(user.begin(), user.end(),
                                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

MechanismFacts FactsOf(const MechanismLine& mechanism) {
  return {.name = mechanism.name,
          .plaintext = mechanism.plaintext,
          .dictionary = mechanism.dictionary,
          .active = mechanism.active,
          .anonymous = mechanism.anonymous,
          .forward_secrecy = mechanism.forward_secrecy,
          .mutual_auth = mechanism.mutual_auth};
}

}  // namespace

std::string AuthSocketClient::Start() const {
  std::string lines(FormatClientLine(VersionLine{}).Reveal());
  lines += FormatClientLine(ClientProcessLine{options_.process_id}).Reveal();
  return lines;
}

AuthSocketClient::Output AuthSocketClient::Feed(std::string_view bytes) {
  Output out;
  while (state_ != State::kBroken) {
    const auto text = lines_.Next(&bytes);
    if (lines_.too_long()) {
      Break("a line is longer than " + std::to_string(kAuthLineBytesMax) + " bytes", &out);
      break;
    }
    if (!text) break;
    auto line = ParseServerLine(*text);
    if (line.status().code() == StatusCode::kNotFound) continue;  // of a later minor: as Postfix
    if (!line.ok()) {
      Break(Message(line.status()), &out);
    } else if (state_ == State::kHandshake) {
      OnHandshake(*std::move(line), &out);
    } else {
      OnReply(*std::move(line), &out);
    }
  }
  return out;
}

void AuthSocketClient::OnHandshake(ServerLine line, Output* out) {
  if (const auto* version = std::get_if<VersionLine>(&line)) {
    if (version->major_number != kAuthProtocolMajor) return Break("the server speaks another major version", out);
    saw_version_ = true;
    return;
  }
  if (!saw_version_) return Break("the server's first line is not VERSION", out);
  if (auto* mechanism = std::get_if<MechanismLine>(&line)) {
    if (mechanisms_.size() < options_.mechanisms_max) mechanisms_.push_back(std::move(*mechanism));
  } else if (std::holds_alternative<ServerProcessLine>(line) && mechanisms_.empty()) {
    // auth-master and auth-userdb say VERSION and SPID and then wait: without this we would wait too. As Postfix.
    Break("the server names no mechanisms: is this the auth-client socket, not auth-master or auth-userdb?", out);
  } else if (std::holds_alternative<DoneLine>(line)) {
    if (mechanisms_.empty()) return Break("the server names no mechanisms", out);
    state_ = State::kReady;
    out->events.push_back(Ready{});
  }
  // SPID, CUID and COOKIE serve masters. Answers can't be meant for us yet.
}

void AuthSocketClient::OnReply(ServerLine line, Output* out) {
  if (auto* challenge = std::get_if<ChallengeLine>(&line)) {
    const auto found = requests_.find(challenge->id);
    if (found == requests_.end()) return;
    if (found->second == Turn::kUser) return Break("the server sent two challenges for one request", out);
    found->second = Turn::kUser;
    out->events.push_back(Challenge{.id = challenge->id, .bytes = std::move(challenge->challenge)});
  } else if (auto* success = std::get_if<SuccessLine>(&line)) {
    OnSuccess(std::move(*success), out);
  } else if (auto* failure = std::get_if<FailureLine>(&line)) {
    if (requests_.erase(failure->id) == 0) return;
    out->events.push_back(Failure{.id = failure->id,
                                  .code = failure->code,
                                  .user = std::move(failure->user),
                                  .reason = ForUsers(failure->reason)});
  }
  // CANCELLED: Cancel has forgotten the request already. Lines of the handshake: as Postfix, passed over.
}

void AuthSocketClient::OnSuccess(SuccessLine line, Output* out) {
  if (requests_.erase(line.id) == 0) return;
  // `nologin` and `proxy` say that the user has no mailbox here, which sending does not need: as Postfix, and as we do
  // with users of our own.
  if (!IsPlausibleUser(line.user)) {
    constexpr std::string_view kPostfixWords = "Authentication backend error";
    return out->events.push_back(
        Failure{.id = line.id, .code = FailureCode::kTemporary, .reason = std::string(kPostfixWords)});
  }
  out->events.push_back(
      Success{.id = line.id, .user = std::move(line.user), .final_response = std::move(line.final_response)});
}

AuthSocketClient::Output AuthSocketClient::Lost(std::string_view why) {
  Output out;
  if (state_ != State::kBroken) Break(why, &out);
  return out;
}

void AuthSocketClient::Break(std::string_view why, Output* out) {
  state_ = State::kBroken;
  for (const auto& [id, turn] : requests_) {
    out->events.push_back(Failure{.id = id, .code = FailureCode::kTemporary, .reason = std::string(kConnectionLost)});
  }
  requests_.clear();
  out->close = true;
  out->close_reason = why;
}

std::vector<std::string> Announceable(const std::vector<MechanismLine>& mechanisms,
                                      const std::vector<std::string>& security_options) {
  std::vector<std::string> names;
  for (const MechanismLine& mechanism : mechanisms) {
    // A name that is none would break the line of EHLO (RFC 4422 section 3.1: capitals, digits, "-" and "_").
    const bool is_name = std::all_of(mechanism.name.begin(), mechanism.name.end(), [](char c) {
      return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    if (is_name && !mechanism.is_private && !mechanism.channel_binding &&
        !IsRuledOut(FactsOf(mechanism), security_options)) {
      names.push_back(mechanism.name);
    }
  }
  return names;
}

StatusOr<AuthSocketClient::Begun> AuthSocketClient::Begin(AuthLine facts, const Secret* initial) {
  if (state_ != State::kReady) return FailedPrecondition("auth socket: not connected");
  if (requests_.size() >= options_.open_requests_max) {
    return ResourceExhausted("auth socket: too many authentications at once");
  }
  do {
    ++last_id_;
  } while (last_id_ == 0 || requests_.contains(last_id_));
  facts.id = last_id_;
  facts.response.reset();
  // "=" for an empty one: before minor 2 an empty resp= counts as none.
  if (initial != nullptr) facts.response = Secret(initial->empty() ? "=" : EncodeBase64(initial->Reveal()));
  const uint32_t id = facts.id;
  Begun begun{.id = id, .send = FormatClientLine(std::move(facts))};
  if (begun.send.Reveal().size() > kAuthLineBytesMax) return ResourceExhausted("auth socket: the request is too long");
  requests_[id] = Turn::kServer;
  return begun;
}

StatusOr<Secret> AuthSocketClient::Continue(uint32_t id, const Secret& response) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second != Turn::kUser) {
    return FailedPrecondition("auth socket: no challenge to answer");
  }
  Secret line = FormatClientLine(ContinueLine{.id = id, .response = Secret(EncodeBase64(response.Reveal()))});
  if (line.Reveal().size() > kAuthLineBytesMax) return ResourceExhausted("auth socket: the response is too long");
  found->second = Turn::kServer;
  return line;
}

std::string AuthSocketClient::Cancel(uint32_t id) {
  if (requests_.erase(id) == 0) return "";
  return std::string(FormatClientLine(CancelLine{id}).Reveal());
}

}  // namespace postern::auth
