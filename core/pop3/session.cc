#include "core/pop3/session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/config/variables.h"
#include "core/pop3/session_tags.h"

namespace postern::pop3 {
namespace {

// RFC 1939 section 3 wants at least ten minutes after login; before it Dovecot gives three.
constexpr Duration kIdleAfterLogin = Seconds(600);
constexpr Duration kIdleBeforeLogin = Seconds(180);

// What a client may pipeline behind a command that is under way before it is read no further.
constexpr size_t kBufferedBytesMax = 32768;

constexpr uint32_t kBadCommandsMaxBeforeLogin = 3;  // Dovecot's CLIENT_MAX_BAD_COMMANDS
constexpr uint32_t kBadCommandsMax = 21;

// From where on `line` must not be seen; its size: nothing. `ended`: its line end has come. What is no command is a
// SASL response, perhaps; the first letters of a command that may yet become one are none.
size_t SecretFrom(std::string_view line, bool ended) {
  const Verb verb = ParseCommand(line).verb;
  if (verb == Verb::kPass || verb == Verb::kAuth) return std::min(line.size(), line.find(' ') + 1);  // npos + 1 is 0
  if (verb != Verb::kUnknown || (!ended && line.size() < 4)) return line.size();
  return 0;
}

}  // namespace

Pop3Session::Pop3Session(ConnId conn, const Accepted& accepted, std::shared_ptr<const config::Config> config,
                         mailbox::Directory& directory, Context& context)
    : conn_(conn),
      peer_(accepted.peer),
      tls_(accepted.tls),
      config_(std::move(config)),
      directory_(directory),
      session_id_(context.entropy.Hex(16)),
      last_activity_(context.now.mono),
      began_(context.now.mono) {
  Say("+OK " + config_->pop3.greeting, context);
  ArmTimer(context);
}

Pop3Session::Pop3Session(const Adopted& adopted, std::shared_ptr<const config::Config> config,
                         mailbox::Directory& directory, Context& context)
    : conn_(adopted.conn),
      peer_(adopted.peer),
      tls_(adopted.tls),
      config_(std::move(config)),
      directory_(directory),
      session_id_(adopted.login.session_id),
      input_(adopted.unread),
      user_(adopted.login.user),
      mechanism_(adopted.login.mechanism),
      last_activity_(context.now.mono),
      began_(context.now.mono) {
  Enter(context);
  ArmTimer(context);
}

void Pop3Session::AddTo(StableDigest& digest) const {
  digest.Add(static_cast<uint64_t>(state_.index()));
  digest.Add(input_);
  digest.Add(user_);
  for (const Message& message : messages_) {
    digest.Add(message.uid);
    digest.Add(uint64_t{message.deleted});
  }
}

void Pop3Session::Step(const Event& event, Context& context) {
  if (ended()) return;
  if (const auto* received = std::get_if<Received>(&event)) {
    OnReceived(received->bytes, context);
  } else if (const auto* answer = std::get_if<Answer>(&event)) {
    auto* verifying = std::get_if<Verifying>(&state_);
    const auto* checked = std::get_if<PasswordChecked>(&answer->reply);
    if (verifying == nullptr || checked == nullptr) return;
    auto exchange = std::move(verifying->exchange);
    const auth::Step step = exchange->Verified(checked->status.ok() && checked->matches);
    Advance(std::move(exchange), step, context);
    TakeLines(context);
  } else if (const auto* ready = std::get_if<TlsReady>(&event)) {
    tls_ = ready->facts;
    state_ = Authorization{};
    input_.clear();  // RFC 2595 section 4: nothing said in plaintext counts
    user_.clear();
  } else if (std::holds_alternative<Drained>(event)) {
    if (auto* retrieving = std::get_if<Retrieving>(&state_)) RequestRead(*retrieving, context);
  } else if (const auto* timer = std::get_if<TimerFired>(&event)) {
    OnTimer(timer->op.tag, context);
  } else if (const auto* closed = std::get_if<PeerClosed>(&event)) {
    End(context,
        closed->why.ok() ? "Connection closed" : "Connection closed: " + std::string(postern::Message(closed->why)),
        true);
  } else if (std::holds_alternative<Shutdown>(event)) {
    if (std::holds_alternative<Updating>(state_)) return;  // the deletions are under way: they are answered first
    if (ReadyForLine()) Say("-ERR [SYS/TEMP] Server shutting down.", context);  // not into the middle of a message
    End(context, "Server shutting down");
  }
}

void Pop3Session::OnReceived(std::string_view bytes, Context& context) {
  last_activity_ = context.now.mono;
  if (account_ == nullptr) HideSecrets(bytes, context);
  input_.append(bytes);
  TakeLines(context);
  if (!ended() && input_.size() > kBufferedBytesMax && !ReadyForLine() && !paused_) {
    paused_ = true;
    context.out.Put(PauseReading{conn_});
  }
}

// Passwords are hidden from recordings as they arrive: what is pipelined is parsed only later.
void Pop3Session::HideSecrets(std::string_view bytes, Context& context) const {
  const std::string all = input_ + std::string(bytes);
  bool is_response = std::holds_alternative<Exchanging>(state_);
  for (size_t start = 0; start < all.size();) {
    const size_t line_end = all.find('\n', start);
    const size_t end = std::min(line_end, all.size());
    const std::string_view line = std::string_view(all).substr(start, end - start);
    const size_t secret = start + (is_response ? 0 : SecretFrom(line, line_end != std::string::npos));
    const size_t from = std::max(secret, input_.size());
    if (end > from) {
      context.out.Put(Redact{.conn = conn_, .offset_bytes = from - input_.size(), .length_bytes = end - from});
    }
    is_response = ParseCommand(line).verb == Verb::kAuth;
    start = end + 1;
  }
}

bool Pop3Session::ReadyForLine() const {
  return std::holds_alternative<Authorization>(state_) || std::holds_alternative<Exchanging>(state_) ||
         std::holds_alternative<Transaction>(state_);
}

void Pop3Session::TakeLines(Context& context) {
  size_t at = 0;
  while (ReadyForLine()) {
    const size_t end = input_.find('\n', at);
    if (end == std::string::npos) break;
    std::string line = input_.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (std::exchange(input_overlong_, false) || line.size() > kLineBytesMax) {
      Say("-ERR Command line too long.", context);
      if (++bad_commands_ >= kBadCommandsMaxBeforeLogin) End(context, "Too many bad commands");
      continue;
    }
    input_taken_ = at;
    if (account_ != nullptr) in_bytes_ += line.size() + 2;
    HandleLine(line, context);
  }
  input_taken_ = 0;
  if (ended()) return;
  input_.erase(0, at);
  if (input_.size() > kLineBytesMax && ReadyForLine()) {  // no line end within the limit: drop what came, wait for it
    input_overlong_ = true;
    input_.clear();
  }
  if (input_.empty()) input_.shrink_to_fit();
  if (paused_ && ReadyForLine()) {
    paused_ = false;
    context.out.Put(ResumeReading{conn_});
  }
}

void Pop3Session::HandleLine(std::string_view line, Context& context) {
  if (std::holds_alternative<Exchanging>(state_)) return HandleResponse(line, context);
  const Command command = ParseCommand(line);
  const bool in_transaction = std::holds_alternative<Transaction>(state_);
  const uint32_t bad_before = bad_commands_;
  if (in_transaction) {
    HandleTransaction(command, context);
  } else {
    HandleAuthorization(command, context);
  }
  if (bad_commands_ == bad_before) {
    bad_commands_ = 0;  // only those in a row count
  } else if (!ended() && bad_commands_ >= (in_transaction ? kBadCommandsMax : kBadCommandsMaxBeforeLogin)) {
    Say(in_transaction ? "-ERR Too many bad commands." : "-ERR Too many invalid bad commands.", context);
    End(context, "Too many bad commands");
  }
}

void Pop3Session::OnCompletion(mailbox::Completion& completion, Context& context) {
  if (ended()) return;
  switch (completion.ticket.tag) {
    case kSelectTag:
    case kFactsTag:
      if (std::holds_alternative<Entering>(state_)) OnSelected(completion, context);
      break;
    case kReadTag:
      if (std::holds_alternative<Retrieving>(state_)) OnRead(completion, context);
      break;
    case kSeenTag:
    case kDeleteTag:
      if (std::holds_alternative<Updating>(state_)) OnUpdated(completion, context);
      break;
    default:  // kResetTag: nothing waits for it
      break;
  }
  if (!ended()) TakeLines(context);
}

void Pop3Session::Say(std::string_view line, Context& context) {
  std::string text(line);
  text += "\r\n";
  if (account_ != nullptr) out_bytes_ += text.size();
  context.out.SendText(conn_, text);
}

// One timer, armed for the earliest moment that could matter and looked at again when it fires: no timer per command.
void Pop3Session::ArmTimer(Context& context) {
  const Duration idle = account_ != nullptr ? kIdleAfterLogin : kIdleBeforeLogin;
  context.out.Put(SetTimer{.op = {MachineOf(conn_), kIdleTimer}, .at = last_activity_ + idle});
}

void Pop3Session::OnTimer(uint64_t tag, Context& context) {
  if (tag == kDelayTimer) {
    auto* delaying = std::get_if<Delaying>(&state_);
    if (delaying == nullptr) return;
    Say(delaying->reply, context);
    state_ = Authorization{};
    TakeLines(context);
    return;
  }
  const Duration idle = account_ != nullptr ? kIdleAfterLogin : kIdleBeforeLogin;
  const bool waits_for_us = std::holds_alternative<Verifying>(state_) || std::holds_alternative<Delaying>(state_) ||
                            std::holds_alternative<Entering>(state_) || std::holds_alternative<Updating>(state_);
  if (waits_for_us) last_activity_ = context.now.mono;
  if (context.now.mono < last_activity_ + idle) return ArmTimer(context);
  if (ReadyForLine()) {
    Say("-ERR Disconnected for inactivity.", context);
    return End(context, "Inactivity");
  }
  // Inside a message or a handshake no line can be said, and what is unsent will not be taken.
  context.out.Put(Close{.conn = conn_, .kind = CloseKind::kNow});
  End(context, "Inactivity", true);
}

void Pop3Session::End(Context& context, std::string_view why, bool client_gone) {
  if (ended()) return;
  const MachineId machine = MachineOf(conn_);
  if (account_ != nullptr) {
    RecordRead(context);
    const std::string text = "pop3(" + user_ + ")<" + std::to_string(directory_.LogPid(conn_)) + "><" + session_id_ +
                             ">: Disconnected: " + std::string(why) + " " + LogoutFacts();
    Log(context, text, Severity::kInfo, {{"event.action", "pop3.logout"}, {"user.name", user_}});
    directory_.Release(user_, machine, context);
    account_ = nullptr;
  } else if (mailbox_ == nullptr) {
    const auto seconds = std::to_string(static_cast<int64_t>(ToSeconds(context.now.mono - began_)));
    std::string detail = failures_ > 0
                             ? "auth failed, " + std::to_string(failures_) + " attempts in " + seconds + " secs"
                             : "no auth attempts in " + seconds + " secs";
    Log(context, "pop3-login: Disconnected: " + std::string(why) + " (" + detail + "): user=<" +
                     EscapeForLog(user_.empty() ? failed_user_ : user_) + ">, " +
                     (mechanism_.empty() ? "" : "method=" + mechanism_ + ", ") +
                     "rip=" + peer_.remote.address.ToString() + ", lip=" + peer_.local.address.ToString() +
                     (tls_.active() ? ", TLS" : "") + ", session=<" + session_id_ + ">");
  }
  if (entered_) directory_.Leave("pop3", user_, peer_.remote.address);
  if (locked_) directory_.Leave("pop3-lock", user_, IpAddress());
  entered_ = locked_ = false;
  context.out.Put(CancelTimer{{machine, kIdleTimer}});
  context.out.Put(CancelTimer{{machine, kDelayTimer}});
  if (!client_gone) context.out.Put(Close{.conn = conn_});
  mailbox_.reset();
  state_ = Closed{};
}

std::string Pop3Session::LogoutFacts() const {
  const auto value = [&](std::string_view name) -> std::optional<std::string> {
    switch (name.size() == 1 ? name[0] : '\0') {
      case 't':
        return std::to_string(top_count_);
      case 'p':
        return std::to_string(top_bytes_);
      case 'r':
        return std::to_string(retr_count_);
      case 'b':
        return std::to_string(retr_bytes_);
      case 'd':
        return std::to_string(deleted_count_);
      case 'm':
        return std::to_string(messages_.size());
      case 's':
        return std::to_string(mailbox_bytes_);
      case 'i':
        return std::to_string(in_bytes_);
      case 'o':
        return std::to_string(out_bytes_);
      case 'u':
        return std::string();  // a hash of UIDLs that changed; we keep none
      default:
        return name == "session" ? std::optional(session_id_) : std::nullopt;
    }
  };
  auto text = config::ExpandVariablesWith(config_->pop3.logout_format, value);
  return text.ok() ? *std::move(text) : std::string();
}

bool Pop3Session::WorksAround(std::string_view name) const {
  const auto& names = config_->pop3.client_workarounds;
  return std::find(names.begin(), names.end(), name) != names.end();
}

void Pop3Session::Log(Context& context, std::string text, Severity severity,
                      std::vector<std::pair<std::string, std::string>> fields) const {
  fields.emplace_back("network.protocol", "pop3");
  fields.emplace_back("source.ip", peer_.remote.address.ToString());
  fields.emplace_back("postern.session", session_id_);
  context.out.Log({.severity = severity,
                   .tag = "dovecot",
                   .pid = directory_.LogPid(conn_),
                   .text = std::move(text),
                   .fields = std::move(fields)});
}

}  // namespace postern::pop3
