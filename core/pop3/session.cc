#include "core/pop3/session.h"

#include <algorithm>
#include <utility>

namespace postern::pop3 {
namespace {

constexpr uint64_t kIdleTimer = 1;
constexpr uint64_t kDelayTimer = 2;

// RFC 1939 section 3 wants at least ten minutes after login; before it Dovecot gives three.
constexpr Duration kIdleAfterLogin = Seconds(600);
constexpr Duration kIdleBeforeLogin = Seconds(180);

// What a client may pipeline behind a command that is under way before it is read no further.
constexpr size_t kBufferedBytesMax = 32768;

constexpr uint32_t kBadCommandsMaxBeforeLogin = 3;  // Dovecot's CLIENT_MAX_BAD_COMMANDS
constexpr uint32_t kBadCommandsMax = 20;

bool SaysPassword(std::string_view line) {
  const Verb verb = ParseCommand(line).verb;
  return verb == Verb::kPass || verb == Verb::kAuth || verb == Verb::kUnknown;  // kUnknown: a SASL response, perhaps
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

void Pop3Session::AddTo(Digest& digest) const {
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
    End(context, closed->why.ok() ? "Connection closed" : "Connection closed: " + std::string(postern::Message(closed->why)), true);
  } else if (std::holds_alternative<Shutdown>(event)) {
    if (std::holds_alternative<Updating>(state_)) return;  // the deletions are under way: they are answered first
    Say("-ERR [SYS/TEMP] Server shutting down.", context);
    End(context, "Server shutting down");
  }
}

void Pop3Session::OnReceived(std::string_view bytes, Context& context) {
  last_activity_ = context.now.mono;
  if (account_ == nullptr) {
    // Passwords are hidden from recordings as they arrive: what is pipelined is parsed only later.
    size_t line_start = 0;
    const std::string all = input_ + std::string(bytes);
    while (line_start < all.size()) {
      const size_t end = std::min(all.find('\n', line_start), all.size());
      const std::string_view line = std::string_view(all).substr(line_start, end - line_start);
      const size_t secret_from = line_start + std::min(line.size(), line.find(' ') + 1);  // npos + 1 is 0
      if (SaysPassword(line) && end > input_.size()) {
        const size_t from = std::max(secret_from, input_.size());
        if (end > from) {
          context.out.Put(Redact{.conn = conn_, .offset_bytes = from - input_.size(), .length_bytes = end - from});
        }
      }
      line_start = end + 1;
    }
  }
  input_.append(bytes);
  TakeLines(context);
  if (!ended() && input_.size() > kBufferedBytesMax && !ReadyForLine() && !paused_) {
    paused_ = true;
    context.out.Put(PauseReading{conn_});
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
    HandleLine(line, at, context);
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

void Pop3Session::HandleLine(std::string_view line, uint64_t, Context& context) {
  if (std::holds_alternative<Exchanging>(state_)) return HandleResponse(line, context);
  const Command command = ParseCommand(line);
  const bool in_transaction = std::holds_alternative<Transaction>(state_);
  const uint32_t bad_before = bad_commands_;
  if (in_transaction) {
    HandleTransaction(command, context);
  } else {
    HandleAuthorization(command, context);
  }
  if (bad_commands_ != bad_before && !ended() &&
      bad_commands_ >= (in_transaction ? kBadCommandsMax : kBadCommandsMaxBeforeLogin)) {
    Say("-ERR Too many invalid bad commands.", context);
    End(context, "Too many bad commands");
  }
}

void Pop3Session::OnCompletion(mailbox::Completion& completion, Context& context) {
  if (ended()) return;
  if (std::holds_alternative<Entering>(state_)) {
    OnSelected(completion, context);
  } else if (std::holds_alternative<Retrieving>(state_)) {
    OnRead(completion, context);
  } else if (std::holds_alternative<Updating>(state_)) {
    OnUpdated(completion, context);
  }
  if (!ended()) TakeLines(context);
}

void Pop3Session::Say(std::string_view line, Context& context) {
  std::string text(line);
  text += "\r\n";
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
  if (context.now.mono < last_activity_ + idle || !ReadyForLine()) {
    if (!ReadyForLine()) last_activity_ = context.now.mono;
    return ArmTimer(context);
  }
  Say("-ERR Disconnected for inactivity.", context);
  End(context, "Inactivity");
}

void Pop3Session::End(Context& context, std::string_view why, bool client_gone) {
  if (ended()) return;
  const MachineId machine = MachineOf(conn_);
  if (account_ != nullptr) {
    const std::string text =
        "pop3(" + user_ + ")<" + std::to_string(directory_.LogPid(conn_)) + "><" + session_id_ + ">: Disconnected: " +
        std::string(why) + " top=" + std::to_string(top_count_) + "/" + std::to_string(top_bytes_) +
        ", retr=" + std::to_string(retr_count_) + "/" + std::to_string(retr_bytes_) + ", del=" +
        std::to_string(std::count_if(messages_.begin(), messages_.end(), [](const auto& m) { return m.deleted; })) + "/" +
        std::to_string(messages_.size()) + ", size=" + std::to_string(mailbox_bytes_);
    Log(context, text, Severity::kInfo, {{"event.action", "pop3.logout"}, {"user.name", user_}});
    directory_.Release(user_, machine, context);
    account_ = nullptr;
  } else if (mailbox_ == nullptr) {
    const auto seconds = std::to_string(static_cast<int64_t>(ToSeconds(context.now.mono - began_)));
    std::string detail = failures_ > 0 ? "auth failed, " + std::to_string(failures_) + " attempts in " + seconds + " secs"
                                       : "no auth attempts in " + seconds + " secs";
    Log(context,
        "pop3-login: Disconnected: " + std::string(why) + " (" + detail + "): user=<" + EscapeForLog(user_) + ">, " +
            (mechanism_.empty() ? "" : "method=" + mechanism_ + ", ") + "rip=" + peer_.remote.address.ToString() +
            ", lip=" + peer_.local.address.ToString() + (tls_.active() ? ", TLS" : "") + ", session=<" + session_id_ + ">");
  }
  if (entered_) directory_.Leave("pop3", user_, peer_.remote.address);
  entered_ = false;
  context.out.Put(CancelTimer{{machine, kIdleTimer}});
  context.out.Put(CancelTimer{{machine, kDelayTimer}});
  if (!client_gone) context.out.Put(Close{.conn = conn_});
  mailbox_.reset();
  state_ = Closed{};
}

void Pop3Session::Log(Context& context, std::string text, Severity severity,
                      std::vector<std::pair<std::string, std::string>> fields) const {
  fields.emplace_back("network.protocol", "pop3");
  fields.emplace_back("source.ip", peer_.remote.address.ToString());
  context.out.Log({.severity = severity,
                   .tag = "dovecot",
                   .pid = directory_.LogPid(conn_),
                   .text = std::move(text),
                   .fields = std::move(fields)});
}

}  // namespace postern::pop3
