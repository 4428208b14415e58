// The machine itself: input, dispatch, ends of commands, timers, the end. Logins are in session_login.cc.
#include "core/imap/session.h"

#include <algorithm>
#include <cstdio>
#include <type_traits>
#include <utility>

#include "core/boundary/planted.h"
#include "core/imap/parser.h"
#include "core/imap/session_internal.h"
#include "core/imap/session_run.h"
#include "core/mailbox/namespaces.h"

namespace postern::imap {
namespace {

// RFC 3501 section 5.4 wants at least thirty minutes after login; before it Dovecot gives three.
constexpr Duration kIdleAfterLogin = Seconds(1800);
constexpr Duration kIdleBeforeLogin = Seconds(180);

constexpr uint32_t kBadCommandsMax = 20;  // Dovecot's CLIENT_MAX_BAD_COMMANDS

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

Framer::Limits VisitorLimits() {
  return {.line_bytes_max = kVisitorLineBytesMax,
          .literal_bytes_max = 4096,
          .command_bytes_max = 2 * kVisitorLineBytesMax,
          .skipped_bytes_max = 0,
          .stream_append = false};
}

}  // namespace

Framer::Limits UserLimits(const config::ImapService& imap) {
  Framer::Limits limits;
  limits.line_bytes_max = std::max<size_t>(imap.max_line_length, 1024);
  return limits;
}

uint32_t Selection::RecentCount() const {
  const auto& uids = view.uids();
  return static_cast<uint32_t>(uids.end() - std::lower_bound(uids.begin(), uids.end(), recent_first_uid));
}

ImapSession::ImapSession(ConnId conn, const Accepted& accepted, std::shared_ptr<const config::Config> config,
                         mailbox::Directory& directory, Context& context)
    : conn_(conn),
      peer_(accepted.peer),
      tls_(accepted.tls),
      config_(std::move(config)),
      directory_(directory),
      session_id_(context.entropy.Hex(16)),
      visitor_(std::make_unique<Visitor>()),
      framer_(VisitorLimits()),
      last_activity_(context.now.mono) {
  visitor_->began = context.now.mono;
  Write("* OK [CAPABILITY " + CapabilityText() + "] " + config_->imap.greeting + "\r\n", context);
  ArmTimer(context);
}

ImapSession::ImapSession(const Adopted& adopted, std::shared_ptr<const config::Config> config,
                         mailbox::Directory& directory, Context& context)
    : conn_(adopted.conn),
      peer_(adopted.peer),
      tls_(adopted.tls),
      config_(std::move(config)),
      directory_(directory),
      session_id_(adopted.login.session_id),
      user_(adopted.login.user),
      visitor_(std::make_unique<Visitor>()),
      framer_(VisitorLimits()),
      input_(adopted.unread),
      tag_(adopted.login.tag),
      last_activity_(context.now.mono) {
  visitor_->began = context.now.mono;
  visitor_->user = adopted.login.user;
  visitor_->mechanism = adopted.login.mechanism;
  counters_.in_bytes = input_.size();
  if (PLANTED("handoff_drops_unread")) input_.clear();
  EnterAccount(adopted.login.state == kCapabilityAskedState, context);
  if (ended()) return;
  ArmTimer(context);
  TakeInput(context);
}

ImapSession::~ImapSession() = default;

bool ImapSession::ended() const { return std::holds_alternative<Logout>(state_) && run_ == nullptr; }

void ImapSession::AddTo(StableDigest& digest) const {
  digest.Add(static_cast<uint64_t>(state_.index()));
  digest.Add(std::string_view(input_).substr(input_at_));
  digest.Add(user_);
  digest.Add(tag_);
  digest.Add(counters_.in_bytes);
  digest.Add(counters_.out_bytes);
  if (const auto* selected = std::get_if<Selected>(&state_)) {
    digest.Add(selected->selection->view.state().name);
    for (const uint32_t uid : selected->selection->view.uids()) digest.Add(uid);
  }
}

void ImapSession::Step(const Event& event, Context& context) {
  if (ended()) return;
  if (const auto* done = std::get_if<PlanDone>(&event)) {
    if (run_ != nullptr) run_->OnPlanDone(*done, context);
    SettleRun(context);
    return TakeInput(context);
  }
  if (std::holds_alternative<Logout>(state_)) return;
  if (const auto* received = std::get_if<Received>(&event)) {
    OnReceived(received->bytes, context);
  } else if (std::holds_alternative<Drained>(event)) {
    awaiting_drain_ = false;
    unsent_bytes_ = 0;
    last_activity_ = context.now.mono;
    if (run_ != nullptr) run_->OnDrained(context);
    SettleRun(context);
    TakeInput(context);
  } else if (std::holds_alternative<Continue>(event)) {
    if (run_ != nullptr) run_->OnContinue(context);
    SettleRun(context);
    TakeInput(context);
  } else if (const auto* answer = std::get_if<postern::Answer>(&event)) {
    auto* logging_in = std::get_if<LoggingIn>(&state_);
    const auto* checked = std::get_if<PasswordChecked>(&answer->reply);
    if (logging_in == nullptr || logging_in->exchange == nullptr || checked == nullptr) return;
    auto exchange = std::move(logging_in->exchange);
    auth::Step step = exchange->Verified(checked->status.ok() && checked->matches);
    Advance(std::move(exchange), std::move(step), context);
    TakeInput(context);
  } else if (const auto* ready = std::get_if<TlsReady>(&event)) {
    OnTlsReady(ready->facts, context);
  } else if (const auto* timer = std::get_if<TimerFired>(&event)) {
    OnTimer(timer->op.tag, context);
  } else if (const auto* closed = std::get_if<PeerClosed>(&event)) {
    End(closed->why.ok() ? "Connection closed" : "Connection closed: " + std::string(Message(closed->why)),
        /*client_gone=*/true, context);
  } else if (std::holds_alternative<Shutdown>(event)) {
    // A command under way is answered first: what it promised must be told.
    shutting_down_ = true;
    if (run_ == nullptr || run_->waits_for_client()) Bye("Server shutting down.", "Server shutting down", context);
  }
  SettleRun(context);  // a session that ended with a command under way lets go of it
}

void ImapSession::OnCompletion(mailbox::Completion& completion, Context& context) {
  if (std::holds_alternative<Logout>(state_) || run_ == nullptr || completion.ticket.tag < run_first_ticket_) return;
  // IDLE looks at its mailbox by itself: that says nothing of the client.
  if (!run_->waits_for_client()) last_activity_ = context.now.mono;
  run_->OnCompletion(completion, context);
  SettleRun(context);
  TakeInput(context);
}

void ImapSession::OnMailboxChanged(Context& context) {
  if (std::holds_alternative<Logout>(state_)) return;
  if (run_ != nullptr) {
    run_->OnMailboxChanged(context);
    SettleRun(context);
    TakeInput(context);
  } else if (Selection* selected = selection(); selected != nullptr && selected->view.state().deleted) {
    Bye("Selected mailbox was deleted, have to disconnect.", "Selected mailbox was deleted", context);
  }
}

// ---- input ----------------------------------------------------------------------------------------------------------

void ImapSession::OnReceived(std::string_view bytes, Context& context) {
  last_activity_ = context.now.mono;
  counters_.in_bytes += bytes.size();
  if (visitor_ != nullptr) {
    for (const SecretFinder::Span& span : visitor_->secrets.Feed(bytes)) {
      context.out.Put(Redact{.conn = conn_, .offset_bytes = span.offset_bytes, .length_bytes = span.length_bytes});
    }
  }
  input_.append(bytes);
  TakeInput(context);
}

bool ImapSession::ReadyForInput() const {
  if (std::holds_alternative<NotAuthenticated>(state_) || std::holds_alternative<Authenticating>(state_)) return true;
  if (!std::holds_alternative<Authenticated>(state_) && !std::holds_alternative<Selected>(state_)) return false;
  return run_ != nullptr ? run_->TakesInput() : !awaiting_drain_;
}

void ImapSession::TakeInput(Context& context) {
  while (ReadyForInput()) {
    const Framer::Step step = framer_.Next(std::string_view(input_).substr(input_at_));
    input_at_ += step.consumed_bytes;
    if (step.kind == Framer::Kind::kNeedInput) break;
    HandleStep(step, context);
    SettleRun(context);
  }
  if (std::holds_alternative<Logout>(state_)) return;
  if (input_at_ == input_.size()) {
    input_.clear();
    input_at_ = 0;
    if (input_.capacity() > 256) input_.shrink_to_fit();
  } else if (input_at_ > input_.size() / 2) {
    input_.erase(0, input_at_);
    input_at_ = 0;
  }
  const bool full = input_.size() - input_at_ > kBufferedBytesMax;
  if (full == paused_) return;
  paused_ = full;
  if (full) {
    context.out.Put(PauseReading{conn_});
  } else {
    context.out.Put(ResumeReading{conn_});
  }
}

void ImapSession::HandleStep(const Framer::Step& step, Context& context) {
  if (visitor_ != nullptr) return HandleVisitorStep(step, context);
  switch (step.kind) {
    case Framer::Kind::kCommand:
      command_began_ = context.now.mono;
      HandleCommandText(step.text, context);
      if (!framer_.InCommand()) framer_.Release();
      return;
    case Framer::Kind::kContinue:
      Write("+ OK\r\n", context);
      return framer_.AcceptLiteral();
    case Framer::Kind::kAppendLiteral:
      if (run_ != nullptr) return run_->OnInput(step, context);
      command_began_ = context.now.mono;
      return HandleCommandText(step.text, context);
    case Framer::Kind::kChunk:
    case Framer::Kind::kAppendLiteralEnd:
    case Framer::Kind::kAppendEnd:
    case Framer::Kind::kLine:
      if (run_ != nullptr) run_->OnInput(step, context);
      return;
    case Framer::Kind::kError:
      if (run_ != nullptr) return run_->OnInput(step, context);
      tag_ = framer_.error_tag().empty() ? "*" : std::string(framer_.error_tag());
      command_began_ = context.now.mono;
      return FinishBad(step.text, context);
    case Framer::Kind::kFatal:
      return Bye(step.text, step.text, context);
    case Framer::Kind::kNeedInput:
      return;
  }
}

void ImapSession::HandleCommandText(std::string_view text, Context& context) {
  ParseResult parsed = ParseCommand(text);
  if (const auto* error = std::get_if<ParseError>(&parsed)) {
    tag_ = error->tag.empty() ? "*" : error->tag;
    framer_.RefuseLiteral();
    return FinishBad(error->text, context);
  }
  auto& command = std::get<Command>(parsed);
  tag_ = std::move(command.tag);
  if (!CheckState(command.body, command.name, context)) return framer_.RefuseLiteral();
  Execute(std::move(command), context);
}

bool ImapSession::CheckState(const CommandBody& body, const std::string& name, Context& context) {
  const bool needs_mailbox = std::visit(
      [](const auto& b) {
        using B = std::decay_t<decltype(b)>;
        return std::is_same_v<B, CheckCommand> || std::is_same_v<B, CloseCommand> ||
               std::is_same_v<B, ExpungeCommand> || std::is_same_v<B, FetchCommand> ||
               std::is_same_v<B, StoreCommand> || std::is_same_v<B, CopyCommand> || std::is_same_v<B, SearchCommand> ||
               std::is_same_v<B, SortCommand> || std::is_same_v<B, ThreadCommand> || std::is_same_v<B, UnselectCommand>;
      },
      body);
  const bool known = std::visit(
      [](const auto& b) {
        using B = std::decay_t<decltype(b)>;
        return !std::is_same_v<B, StartTlsCommand> && !std::is_same_v<B, LoginCommand> &&
               !std::is_same_v<B, AuthenticateCommand> && !std::is_same_v<B, CompressCommand> &&
               !std::is_same_v<B, GetQuotaCommand> && !std::is_same_v<B, GetQuotaRootCommand> &&
               !std::is_same_v<B, SetQuotaCommand> && !std::is_same_v<B, UnknownCommand>;
      },
      body);
  if (!known) {
    FinishBad(CommandErrorText(name, "Unknown command"), context);
    return false;
  }
  if (needs_mailbox && selection() == nullptr) {
    FinishBad("No mailbox selected.", context);
    return false;
  }
  return true;
}

void ImapSession::Execute(Command command, Context& context) {
  if (Selection* selected = selection(); selected != nullptr && !std::holds_alternative<FetchCommand>(command.body)) {
    selected->cache.Clear();
  }
  std::visit(
      Overloaded{
          [&](CapabilityCommand&) { HandleCapability(context); },
          [&](NoopCommand&) {
            if (selection() != nullptr) return StartRun(MakeRefresh(*this, "NOOP completed."), context);
            Finish({.text = "NOOP completed."}, context);
          },
          [&](CheckCommand&) { StartRun(MakeRefresh(*this, "Check completed."), context); },
          [&](LogoutCommand&) { HandleLogout(context); }, [&](IdCommand& c) { HandleId(c, context); },
          [&](EnableCommand& c) { HandleEnable(c, context); }, [&](NamespaceCommand&) { HandleNamespace(context); },
          [&](SelectCommand& c) { StartRun(MakeSelect(*this, std::move(c)), context); },
          [&](CloseCommand&) { StartRun(MakeClose(*this), context); },
          [&](UnselectCommand&) { HandleUnselect(context); },
          [&](CreateCommand& c) { StartRun(MakeCreate(*this, std::move(c)), context); },
          [&](DeleteCommand& c) { StartRun(MakeDelete(*this, std::move(c)), context); },
          [&](RenameCommand& c) { StartRun(MakeRename(*this, std::move(c)), context); },
          [&](SubscribeCommand& c) { StartRun(MakeSubscribe(*this, std::move(c.mailbox), true), context); },
          [&](UnsubscribeCommand& c) { StartRun(MakeSubscribe(*this, std::move(c.mailbox), false), context); },
          [&](StatusCommand& c) { StartRun(MakeStatus(*this, std::move(c)), context); },
          [&](ListCommand& c) { StartRun(MakeList(*this, std::move(c)), context); },
          [&](AppendCommand& c) { StartRun(MakeAppend(*this, std::move(c)), context); },
          [&](IdleCommand&) { StartRun(MakeIdle(*this), context); },
          [&](ExpungeCommand& c) { StartRun(MakeExpunge(*this, std::move(c)), context); },
          [&](FetchCommand& c) { StartRun(MakeFetch(*this, std::move(c)), context); },
          [&](StoreCommand& c) { StartRun(MakeStore(*this, std::move(c)), context); },
          [&](CopyCommand& c) { StartRun(MakeCopy(*this, std::move(c)), context); },
          [&](SearchCommand& c) { StartRun(MakeSearch(*this, std::move(c)), context); },
          [&](SortCommand& c) { StartRun(MakeSort(*this, std::move(c)), context); },
          [&](ThreadCommand& c) { StartRun(MakeThread(*this, std::move(c)), context); },
          // CheckState let none of these through.
          [&](StartTlsCommand&) {}, [&](LoginCommand&) {}, [&](AuthenticateCommand&) {}, [&](CompressCommand&) {},
          [&](GetQuotaCommand&) {}, [&](GetQuotaRootCommand&) {}, [&](SetQuotaCommand&) {}, [&](UnknownCommand&) {}},
      command.body);
}

// ---- commands under way ---------------------------------------------------------------------------------------------

void ImapSession::StartRun(std::unique_ptr<CommandRun> run, Context& context) {
  run_ = std::move(run);
  run_finished_ = false;
  run_first_ticket_ = last_ticket_ + 1;
  run_->Start(context);
  SettleRun(context);
}

void ImapSession::SettleRun(Context& context) {
  if (!run_finished_) return;
  run_finished_ = false;
  run_.reset();
  if (!std::holds_alternative<Logout>(state_)) AfterCommand(context);
}

void ImapSession::AfterCommand(Context& context) {
  tag_.clear();
  const Selection* selected = selection();
  if (selected != nullptr && selected->view.state().deleted) {
    return Bye("Selected mailbox was deleted, have to disconnect.", "Selected mailbox was deleted", context);
  }
  if (shutting_down_) return Bye("Server shutting down.", "Server shutting down", context);
  if (OutputFull()) AwaitDrain(context);
}

void ImapSession::Finish(const Answer& answer, Context& context) {
  run_finished_ = run_ != nullptr;
  if (std::holds_alternative<Logout>(state_)) return;
  if (answer.tell != Answer::Tell::kNothing && selection() != nullptr) {
    TellChanges(answer.tell == Answer::Tell::kAll || PLANTED("expunge_during_fetch"), answer.with_uid, context);
  }
  // As Dovecot has it: how long it took, and how much of that was waiting for the client or for locks.
  std::string_view text = answer.text;
  if (text.ends_with('.')) text.remove_suffix(1);
  const int64_t ms = std::max<int64_t>((context.now.mono - command_began_).ns / 1'000'000, 1);
  char took[64];
  std::snprintf(took, sizeof took, " (%lld.%03lld + 0.000 secs).", static_cast<long long>(ms / 1000),
                static_cast<long long>(ms % 1000));
  SendTagged(answer.condition, answer.code, std::string(text) + took, context);
  if (answer.condition != Condition::kBad) bad_commands_ = 0;
  if (run_ == nullptr) AfterCommand(context);
}

void ImapSession::FinishBad(std::string_view text, Context& context) {
  if (++bad_commands_ > kBadCommandsMax) {
    run_finished_ = run_ != nullptr;
    return Bye("Too many invalid IMAP commands.", "Too many invalid IMAP commands", context);
  }
  Finish({.condition = Condition::kBad, .text = text, .tell = Answer::Tell::kNothing}, context);
}

void ImapSession::SendTagged(Condition condition, std::string_view code, std::string_view text, Context& context) {
  std::string line;
  AppendStatusLine(tag_.empty() ? "*" : std::string_view(tag_), condition, code, text, &line);
  Write(line, context);
}

// ---- output ---------------------------------------------------------------------------------------------------------

void ImapSession::Write(std::string_view text, Context& context) {
  if (text.empty() || std::holds_alternative<Logout>(state_)) return;
  counters_.out_bytes += text.size();
  unsent_bytes_ += text.size();
  context.out.SendText(conn_, text);
}

void ImapSession::Write(Chain bytes, Context& context) {
  if (bytes.empty() || std::holds_alternative<Logout>(state_)) return;
  const size_t size = bytes.size_bytes();
  counters_.out_bytes += size;
  unsent_bytes_ += size;
  context.out.Put(Send{.conn = conn_, .bytes = std::move(bytes)});
}

void ImapSession::AwaitDrain(Context& context) {
  if (std::exchange(awaiting_drain_, true)) return;
  context.out.Put(postern::AwaitDrain{conn_});
}

void ImapSession::ContinueLater(Context& context) { context.out.Put(postern::ContinueLater{machine()}); }

// ---- what commands share --------------------------------------------------------------------------------------------

const config::Namespace& ImapSession::space() const { return mailbox::PersonalNamespace(config_->storage); }

Selection* ImapSession::selection() {
  auto* selected = std::get_if<Selected>(&state_);
  return selected != nullptr ? selected->selection.get() : nullptr;
}

void ImapSession::Select(std::unique_ptr<Selection> selection) { state_ = Selected{std::move(selection)}; }

void ImapSession::Deselect(bool tell_closed, Context& context) {
  if (selection() == nullptr) return;
  account_->Unselect(machine(), context);
  state_ = Authenticated{};
  // RFC 7162 section 3.2.11: whatever comes next is of another mailbox.
  if (tell_closed) Write("* OK [CLOSED] Previous mailbox closed.\r\n", context);
}

void ImapSession::AcceptAppendLiteral(Context& context) {
  if (framer_.literal().synchronizing) Write("+ OK\r\n", context);
  framer_.AcceptLiteral();
}

void ImapSession::SetRunTimer(Instant at, Context& context) {
  context.out.Put(SetTimer{.op = {machine(), kRunTimer}, .at = at});
}

void ImapSession::CancelRunTimer(Context& context) { context.out.Put(CancelTimer{{machine(), kRunTimer}}); }

// ---- time and end ---------------------------------------------------------------------------------------------------

// One timer, armed for the earliest moment that could matter and looked at again when it fires: no timer per command.
void ImapSession::ArmTimer(Context& context) {
  const Duration idle = account_ != nullptr ? kIdleAfterLogin : kIdleBeforeLogin;
  context.out.Put(SetTimer{.op = {machine(), kIdleTimer}, .at = last_activity_ + idle});
}

void ImapSession::OnTimer(uint64_t tag, Context& context) {
  if (tag == kDelayTimer) {
    OnLoginDelayOver(context);
    return TakeInput(context);
  }
  if (tag == kRunTimer) {
    if (run_ != nullptr) run_->OnTimer(context);
    SettleRun(context);
    return TakeInput(context);
  }
  if (tag != kIdleTimer) return;
  const Duration idle = account_ != nullptr ? kIdleAfterLogin : kIdleBeforeLogin;
  if (context.now.mono < last_activity_ + idle || std::holds_alternative<LoggingIn>(state_)) return ArmTimer(context);
  // A client that takes nothing of an answer can't be told.
  if (run_ != nullptr && !run_->waits_for_client()) return Abort("Inactivity", context);
  Bye("Disconnected for inactivity.", "Inactivity", context);
}

void ImapSession::HandleLogout(Context& context) {
  Write("* BYE Logging out\r\n", context);
  Finish({.text = "Logout completed.", .tell = Answer::Tell::kNothing}, context);
  End("Logged out", false, context);
}

void ImapSession::Bye(std::string_view text, std::string_view log_reason, Context& context) {
  if (std::holds_alternative<Logout>(state_)) return;
  std::string line;
  AppendStatusLine("*", Condition::kBye, "", text, &line);
  Write(line, context);
  End(log_reason, false, context);
}

void ImapSession::Abort(std::string_view log_reason, Context& context) {
  if (std::holds_alternative<Logout>(state_)) return;
  End(log_reason, false, context);
}

void ImapSession::End(std::string_view log_reason, bool client_gone, Context& context) {
  if (std::holds_alternative<Logout>(state_)) return;
  if (run_ != nullptr && !run_->Abandon(context)) run_finished_ = true;
  if (account_ != nullptr) {
    Log("imap(" + EscapeForLog(user_) + ")<" + std::to_string(directory_.LogPid(conn_)) + "><" + session_id_ +
            ">: Disconnected: " + EscapeForLog(log_reason) + " " +
            ExpandLogoutFormat(config_->imap.logout_format, counters_, session_id_),
        context, Severity::kInfo, {{"event.action", "imap.logout"}, {"user.name", user_}});
    directory_.Release(user_, machine(), context);
    account_ = nullptr;
  } else {
    LogVisitorEnd(log_reason, context);
  }
  if (std::exchange(entered_, false)) directory_.Leave("imap", user_, peer_.remote.address);
  context.out.Put(CancelTimer{{machine(), kIdleTimer}});
  if (std::holds_alternative<LoggingIn>(state_)) context.out.Put(CancelTimer{{machine(), kDelayTimer}});
  if (!client_gone) context.out.Put(Close{.conn = conn_});
  state_ = Logout{};
  input_.clear();
  input_at_ = 0;
}

void ImapSession::Log(std::string text, Context& context, Severity severity,
                      std::vector<std::pair<std::string, std::string>> fields) const {
  fields.emplace_back("network.protocol", "imap");
  fields.emplace_back("source.ip", peer_.remote.address.ToString());
  fields.emplace_back("postern.session", session_id_);
  context.out.Log({.severity = severity,
                   .tag = "dovecot",
                   .pid = directory_.LogPid(conn_),
                   .text = std::move(text),
                   .fields = std::move(fields)});
}

}  // namespace postern::imap
