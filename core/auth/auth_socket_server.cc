#include "core/auth/auth_socket_server.h"

#include <algorithm>
#include <utility>

#include "core/auth/passdb.h"
#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/base/hash.h"

namespace postern::auth {
namespace {

constexpr size_t kCookieDigits = 32;

// Adds a response to the digest of those before it: the same guess again has the same digest, where the mechanism
// sends no nonce. Eight bytes of it go into the penalty table; the password can't be had from there.
std::string WithResponse(std::string_view attempt, std::string_view response) {
  return Digest(HashKind::kSha256, {attempt, response});
}

uint64_t Number(std::string_view digest) {
  uint64_t number = 0;
  for (const char c : digest.substr(0, 8)) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

// The user's base64; "=" stands for an empty response. nullopt: it is none.
std::optional<Secret> Decode(const Secret& response) {
  if (response.Reveal() == "=") return Secret();
  auto decoded = DecodeBase64(response.Reveal());
  if (!decoded) return std::nullopt;
  return Secret(*std::move(decoded));
}

MechanismLine LineOf(const MechanismFacts& facts) {
  return {.name = std::string(facts.name),
          .anonymous = facts.anonymous,
          .plaintext = facts.plaintext,
          .dictionary = facts.dictionary,
          .active = facts.active,
          .forward_secrecy = facts.forward_secrecy,
          .mutual_auth = facts.mutual_auth};
}

}  // namespace

AuthSocketServer::Output AuthSocketServer::Start(const Context& context) {
  Output out;
  const auto say = [&out](const ServerLine& line) { out.send += FormatServerLine(line); };
  say(VersionLine{});
  // Before SPID: Postfix takes a server that says SPID first for the wrong socket (auth-master, auth-userdb).
  for (const std::string_view name : OfferedMechanisms(*auth_, /*allow_plaintext=*/true)) {
    say(LineOf(*FindMechanism(name)));
  }
  say(ServerProcessLine{options_.process_id});
  say(ConnectionLine{options_.connection_id});
  say(CookieLine{context.entropy.Hex(kCookieDigits)});
  say(DoneLine{});
  return out;
}

AuthSocketServer::Output AuthSocketServer::Feed(std::string_view bytes, const Context& context) {
  Output out;
  std::string_view rest = bytes;
  while (state_ != State::kClosed && !rest.empty()) {
    const size_t offset = bytes.size() - rest.size();
    const size_t pending = lines_.pending().size();
    const auto line = lines_.Next(&rest);
    if (lines_.too_long()) {
      Close("a line is longer than " + std::to_string(kAuthLineBytesMax) + " bytes", &out);
      break;
    }
    const size_t end = bytes.size() - rest.size();
    const size_t secret = SecretBegin(line ? *line : lines_.pending());
    if (secret != std::string_view::npos) {
      const size_t begin = offset + (std::max(secret, pending) - pending);
      if (begin < end) out.secrets.push_back({.offset_bytes = begin, .length_bytes = end - begin});
    }
    if (line) OnLine(*line, context, &out);
  }
  // Nobody has looked at these, so they may be anything.
  if (!rest.empty()) out.secrets.push_back({.offset_bytes = bytes.size() - rest.size(), .length_bytes = rest.size()});
  return out;
}

void AuthSocketServer::OnLine(std::string_view text, const Context& context, Output* out) {
  auto line = ParseClientLine(text);
  if (!line.ok()) return Close(Message(line.status()), out);
  if (state_ == State::kVersion) {
    const auto* version = std::get_if<VersionLine>(&*line);
    if (version == nullptr) return Close("the client's first line is not VERSION", out);
    if (version->major_number != kAuthProtocolMajor) return Close("the client speaks another major version", out);
    client_minor_ = version->minor_number;
    state_ = State::kProcess;
  } else if (state_ == State::kProcess) {
    // The number itself serves only masters. Several clients may have the same: they may be on several hosts.
    if (!std::holds_alternative<ClientProcessLine>(*line)) return Close("the client's second line is not CPID", out);
    state_ = State::kServing;
  } else if (auto* auth = std::get_if<AuthLine>(&*line)) {
    OnAuth(std::move(*auth), context, out);
  } else if (const auto* response = std::get_if<ContinueLine>(&*line)) {
    OnContinue(*response, context, out);
  } else if (const auto* cancel = std::get_if<CancelLine>(&*line)) {
    OnCancel(cancel->id, out);
  } else {
    Close("a line of the handshake after it", out);
  }
}

void AuthSocketServer::OnAuth(AuthLine line, const Context& context, Output* out) {
  if (tokens_.contains(line.id)) return Close("AUTH has the id of an open request", out);
  const std::optional<Secret> response = std::move(line.response);
  line.response.reset();
  Request request{.line = std::move(line)};
  const AuthLine& facts = request.line;
  request.exchange = MakeExchange(facts.mechanism, *auth_,
                                  {.service = facts.service,
                                   .no_login = facts.no_login || facts.service == "smtp",
                                   .remote = facts.remote.value_or(IpAddress{}),
                                   .local = facts.local.value_or(IpAddress{}),
                                   .tls = facts.transport != AuthLine::Transport::kPlain,
                                   .local_host_name = options_.local_host_name});
  // Deviation: Dovecot 2.3 hangs up here, and all the other requests fail with this one.
  if (request.exchange == nullptr) {
    return Refuse(request, FailureCode::kNone, "Unsupported authentication mechanism", out);
  }
  std::optional<Secret> initial;
  if (response && (!response->empty() || client_minor_ >= kMinorWithEmptyResponse)) {
    initial = Decode(*response);
    if (!initial) {
      return Refuse(request, FailureCode::kInvalidBase64, "Invalid base64 data in initial response", out);
    }
  }
  if (requests_.size() >= options_.open_requests_max && !MakeRoom(out)) {
    return Refuse(request, FailureCode::kTemporary, "Too many authentications at once", out);
  }
  Duration wait;
  if (facts.remote && !facts.no_penalty) wait = context.penalty.DelayBefore(*facts.remote, context.now.mono);
  const uint64_t token = next_token_++;
  tokens_[facts.id] = token;
  if (wait > Duration{}) {
    request.state = HeldBack{.until = context.now.mono + wait, .initial = std::move(initial)};
    requests_.emplace(token, std::move(request));
    return;
  }
  requests_.emplace(token, std::move(request));
  Begin(token, initial, context, out);
}

bool AuthSocketServer::MakeRoom(Output* out) {
  const auto oldest = std::find_if(requests_.begin(), requests_.end(), [](const auto& entry) {
    return std::holds_alternative<Challenged>(entry.second.state);
  });
  if (oldest == requests_.end()) return false;
  TimeOut(oldest->first, out);
  return true;
}

void AuthSocketServer::Begin(uint64_t token, const std::optional<Secret>& initial, const Context& context,
                             Output* out) {
  Request& request = requests_.at(token);
  if (!initial)
    return Advance(token, request.exchange->Start(nullptr, context.entropy, context.now.wall), context, out);
  request.attempt = WithResponse(request.attempt, initial->Reveal());
  const std::string_view bytes = initial->Reveal();
  Advance(token, request.exchange->Start(&bytes, context.entropy, context.now.wall), context, out);
}

void AuthSocketServer::OnContinue(const ContinueLine& line, const Context& context, Output* out) {
  const auto found = tokens_.find(line.id);
  if (found == tokens_.end()) {
    // As Dovecot: it may be one that was forgotten, and the client learns of it here.
    out->send += FormatServerLine(FailureLine{.id = line.id, .reason = "Authentication request timed out"});
    return;
  }
  const uint64_t token = found->second;
  Request& request = requests_.at(token);
  // The answer is on its way already; a client that spoke out of turn gets no second one.
  if (std::holds_alternative<Delayed>(request.state)) return;
  const auto* challenged = std::get_if<Challenged>(&request.state);
  if (challenged == nullptr) {
    Refuse(request, FailureCode::kNone, "Unexpected continuation", out);
    return Abandon(token);
  }
  // Deviation: "=" is an empty response here too; Dovecot takes it only with AUTH.
  const auto response = Decode(line.response);
  if (!response) {
    Refuse(request, FailureCode::kInvalidBase64, "Invalid base64 data in continued response", out);
    return Forget(token);
  }
  request.attempt = WithResponse(request.attempt, response->Reveal());
  if (challenged->success_said) {
    Step done;
    done.kind = Step::Kind::kSuccess;
    return Advance(token, std::move(done), context, out);
  }
  Advance(token, request.exchange->Respond(response->Reveal(), context.entropy), context, out);
}

void AuthSocketServer::OnCancel(uint32_t id, Output* out) {
  if (const auto found = tokens_.find(id); found != tokens_.end()) Abandon(found->second);
  // Also for one that is not open: it may have been answered a moment ago.
  if (client_minor_ >= kMinorWithCancelled) out->send += FormatServerLine(CancelledLine{id});
}

void AuthSocketServer::Abandon(uint64_t token) {
  Request& request = requests_.at(token);
  const auto* delayed = std::get_if<Delayed>(&request.state);
  if (delayed == nullptr && !std::holds_alternative<Verifying>(request.state)) return Forget(token);
  tokens_.erase(request.line.id);
  Abandoned abandoned;
  if (delayed != nullptr) abandoned.until = delayed->until;
  request.state = abandoned;
}

AuthSocketServer::Output AuthSocketServer::Verified(uint64_t token, bool matches, const Context& context) {
  Output out;
  const auto found = requests_.find(token);
  if (state_ == State::kClosed || found == requests_.end()) return out;
  Request& request = found->second;
  const auto* abandoned = std::get_if<Abandoned>(&request.state);
  if (!std::holds_alternative<Verifying>(request.state) && (abandoned == nullptr || abandoned->until)) return out;
  request.password_matched = request.password_matched || matches;
  Step step = request.exchange->Verified(matches);
  if (abandoned == nullptr) {
    Advance(token, std::move(step), context, &out);
    return out;
  }
  // Nobody hears the verdict, but a guess it was.
  if (!matches && request.line.remote && !request.line.no_penalty) {
    context.penalty.OnFailure(*request.line.remote, Number(request.attempt), context.now.mono);
  }
  requests_.erase(found);
  return out;
}

void AuthSocketServer::Advance(uint64_t token, Step step, const Context& context, Output* out) {
  Request& request = requests_.at(token);
  const auto challenge = [&](bool success_said) {
    out->send += FormatServerLine(ChallengeLine{.id = request.line.id, .challenge = std::move(step.challenge)});
    request.state = Challenged{.until = context.now.mono + options_.response_timeout, .success_said = success_said};
  };
  switch (step.kind) {
    case Step::Kind::kChallenge:
      return challenge(false);
    case Step::Kind::kVerify:
      request.state = Verifying{};
      out->questions.push_back({.token = token,
                                .stored = std::move(step.stored),
                                .password = std::move(step.password),
                                .user = std::move(step.verify_user)});
      return;
    case Step::Kind::kSuccess:
      if (step.has_success_data && !request.line.final_response_ok) return challenge(true);
      return Succeed(token, step, context, out);
    case Step::Kind::kWait:  // only where another server decides: none of our own exchanges
    case Step::Kind::kFailure:
      return Fail(token, step, context, out);
  }
}

void AuthSocketServer::Succeed(uint64_t token, const Step& step, const Context& context, Output* out) {
  const Request& request = requests_.at(token);
  const Identity& identity = request.exchange->identity();
  LogLines(request, step, out);
  if (request.line.remote && !request.line.no_penalty) context.penalty.OnSuccess(*request.line.remote);
  SuccessLine line{.id = request.line.id, .user = identity.user};
  if (identity.original_user != identity.user) line.original_user = identity.original_user;
  line.master_user = identity.master_user;
  const MechanismFacts* facts = FindMechanism(request.line.mechanism);
  line.anonymous = facts != nullptr && facts->anonymous;
  if (step.has_success_data) line.final_response = step.challenge;
  out->send += FormatServerLine(line);
  Forget(token);
}

void AuthSocketServer::Fail(uint64_t token, const Step& step, const Context& context, Output* out) {
  Request& request = requests_.at(token);
  LogLines(request, step, out);
  std::string answer = FormatServerLine(FailureOf(request, step));
  // Our own trouble is nobody's guess.
  const bool is_ours = step.reason == FailureReason::kTemporary;
  if (!is_ours && request.line.remote && !request.line.no_penalty) {
    context.penalty.OnFailure(*request.line.remote, Number(request.attempt), context.now.mono);
  }
  if (is_ours || step.no_delay || auth_->failure_delay <= Duration{}) {
    out->send += answer;
    return Forget(token);
  }
  request.exchange.reset();
  request.state = Delayed{.until = context.now.mono + auth_->failure_delay, .answer = std::move(answer)};
}

FailureLine AuthSocketServer::FailureOf(const Request& request, const Step& step) const {
  const Identity& identity = request.exchange->identity();
  FailureLine line{.id = request.line.id};
  line.user = identity.user.empty() ? identity.original_user : identity.user;
  const bool is_other_user_denied = step.reason == FailureReason::kAuthorizationDenied && request.password_matched;
  if (is_other_user_denied) line.user = identity.authorization_id;
  if (identity.original_user != line.user) line.original_user = identity.original_user;
  switch (step.reason) {
    case FailureReason::kTemporary:
      line.code = FailureCode::kTemporary;
      break;
    case FailureReason::kUserDisabled:
      line.code = FailureCode::kUserDisabled;
      break;
    case FailureReason::kAuthorizationDenied:
      // The code tells that the password was right, so it is only for those whose was.
      if (is_other_user_denied) line.code = FailureCode::kAuthorizationDenied;
      break;
    case FailureReason::kUnknownUser:
    case FailureReason::kPasswordMismatch:
    case FailureReason::kNoUsableScheme:
    case FailureReason::kMalformed:
    case FailureReason::kAborted:
      break;
  }
  return line;
}

AuthSocketServer::Output AuthSocketServer::OnTime(const Context& context) {
  Output out;
  if (state_ == State::kClosed) return out;
  const Instant now = context.now.mono;
  std::vector<uint64_t> tokens;
  for (const auto& entry : requests_) tokens.push_back(entry.first);
  for (const uint64_t token : tokens) {
    Request& request = requests_.at(token);
    if (auto* held = std::get_if<HeldBack>(&request.state); held != nullptr && held->until <= now) {
      const std::optional<Secret> initial = std::move(held->initial);
      Begin(token, initial, context, &out);
    } else if (const auto* delayed = std::get_if<Delayed>(&request.state);
               delayed != nullptr && delayed->until <= now) {
      out.send += delayed->answer;
      Forget(token);
    } else if (const auto* waiting = std::get_if<Challenged>(&request.state);
               waiting != nullptr && waiting->until <= now) {
      TimeOut(token, &out);
    } else if (const auto* gone = std::get_if<Abandoned>(&request.state);
               gone != nullptr && gone->until && *gone->until <= now) {
      requests_.erase(token);
    }
  }
  return out;
}

std::optional<Instant> AuthSocketServer::NextInstant() const {
  struct Until {
    std::optional<Instant> operator()(const HeldBack& state) const { return state.until; }
    std::optional<Instant> operator()(const Challenged& state) const { return state.until; }
    std::optional<Instant> operator()(const Verifying&) const { return std::nullopt; }
    std::optional<Instant> operator()(const Delayed& state) const { return state.until; }
    std::optional<Instant> operator()(const Abandoned& state) const { return state.until; }
  };
  std::optional<Instant> next;
  for (const auto& [token, request] : requests_) {
    const auto until = std::visit(Until{}, request.state);
    if (until && (!next || *until < *next)) next = until;
  }
  return next;
}

void AuthSocketServer::TimeOut(uint64_t token, Output* out) {
  // Without a line to the client: Dovecot has none, and Postfix, which leaves requests behind, listens to no late ones.
  Log(requests_.at(token), "Request timed out waiting for client to continue authentication", out);
  Forget(token);
}

void AuthSocketServer::Refuse(const Request& request, FailureCode code, std::string_view reason, Output* out) const {
  out->send += FormatServerLine(FailureLine{.id = request.line.id, .code = code, .reason = std::string(reason)});
  Log(request, reason, out);
}

void AuthSocketServer::Forget(uint64_t token) {
  const auto found = requests_.find(token);
  tokens_.erase(found->second.line.id);
  requests_.erase(found);
}

void AuthSocketServer::Close(std::string_view why, Output* out) {
  state_ = State::kClosed;
  requests_.clear();
  tokens_.clear();
  out->close = true;
  out->close_reason = why;
}

void AuthSocketServer::Log(const Request& request, std::string_view text, Output* out) const {
  LogLine line{.text = std::string(text)};
  if (request.exchange != nullptr) {
    line.source = LowerCase(request.exchange->mechanism());
    line.user = request.exchange->identity().user;
  }
  out->logs.push_back({.line = std::move(line), .remote = request.line.remote, .session = request.line.session});
}

void AuthSocketServer::LogLines(const Request& request, const Step& step, Output* out) const {
  for (const LogLine& line : step.log_lines) {
    out->logs.push_back({.line = line,
                         .remote = request.line.remote,
                         .session = request.line.session,
                         .is_success = step.kind == Step::Kind::kSuccess});
  }
}

}  // namespace postern::auth
