// Input, output, limits and the end of a session.
#include "core/smtp/session.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"

namespace postern::smtp {
namespace {

constexpr uint64_t kIdleTimer = 1;
constexpr uint64_t kHeldTimer = 2;

bool IsAuthLine(std::string_view line) {
  return line.size() >= 5 && EqualsIgnoringCase(line.substr(0, 4), "AUTH") && (line[4] == ' ' || line[4] == '\t');
}

// Commands after which a client waits even where PIPELINING was offered (RFC 2920 section 3.1).
bool EndsPipeline(Verb verb) {
  return verb == Verb::kHelo || verb == Verb::kEhlo || verb == Verb::kData || verb == Verb::kVrfy ||
         verb == Verb::kNoop;
}

}  // namespace

SmtpSession::SmtpSession(ConnId conn, const Accepted& accepted, std::shared_ptr<const config::Config> config,
                         mailbox::Directory& directory, auth::Verifier* foreign, Context& context)
    : conn_(conn),
      peer_(accepted.peer),
      tls_(accepted.tls),
      config_(std::move(config)),
      service_(config_->listeners[static_cast<size_t>(accepted.peer.listener)].smtp),
      directory_(directory),
      own_verifier_(config_->auth),
      verifier_(service_->sasl_socket ? foreign : &own_verifier_),
      trace_id_(context.entropy.Hex(32)),
      last_activity_(context.now.mono) {
  context.out.Put(SetTimer{.op = {MachineOf(conn_), kIdleTimer}, .at = last_activity_ + service_->timeout});
  if (service_->peername_lookup) {
    ++open_operations_;
    context.out.Put(Ask{.op = {MachineOf(conn_), next_tag_++}, .question = LookupClientName{peer_.remote.address}});
  } else {
    OnClientName({}, context);
  }
}

void SmtpSession::AddTo(StableDigest& digest) const {
  digest.Add(static_cast<uint64_t>(state_.index()));
  digest.Add(input_);
  digest.Add(helo_);
  digest.Add(sasl_user_);
  digest.Add(uint64_t{error_count_});
  if (transaction_) {
    digest.Add(transaction_->queue_id);
    for (const Recipient& recipient : transaction_->recipients) digest.Add(recipient.given.Key());
  }
}

void SmtpSession::Step(const Event& event, Context& context) {
  if (const auto* done = std::get_if<PlanDone>(&event)) {
    --open_operations_;
    const auto abort =
        std::find_if(aborts_.begin(), aborts_.end(), [&](const auto& p) { return p.first == done->op.tag; });
    if (abort != aborts_.end()) {
      FilePlan plan = std::move(abort->second);
      aborts_.erase(abort);
      return CommitAbort(std::move(plan), context);
    }
    const auto writer = std::find_if(writer_plans_.begin(), writer_plans_.end(),
                                     [&](const auto& p) { return p.first == done->op.tag; });
    if (writer != writer_plans_.end()) {
      const size_t index = writer->second;
      writer_plans_.erase(writer);
      OnWriterDone(index, done->result, context);
    } else if (const auto* committing = std::get_if<Committing>(&state_)) {
      const uint64_t first = committing->first_tag;
      if (done->op.tag >= first) OnDeliveryPlanDone(static_cast<uint32_t>(done->op.tag - first), done->result, context);
    }
    return Resume(context);
  }
  if (const auto* answer = std::get_if<postern::Answer>(&event)) {
    --open_operations_;
    if (const auto* name = std::get_if<ClientName>(&answer->reply)) {
      if (std::holds_alternative<Greeting>(state_)) OnClientName(*name, context);
    } else if (auto* verifying = std::get_if<Verifying>(&state_)) {
      const auto& checked = std::get<PasswordChecked>(answer->reply);
      auto exchange = std::move(verifying->exchange);
      auth::Step step = exchange->Verified(checked.status.ok() && checked.matches);
      Advance(std::move(exchange), std::move(step), context);
    }
    return Resume(context);
  }
  if (std::holds_alternative<Closed>(state_) || gone_) return;
  if (const auto* received = std::get_if<Received>(&event)) {
    OnReceived(received->bytes, context);
  } else if (const auto* ready = std::get_if<TlsReady>(&event)) {
    OnTlsReady(ready->facts, context);
    Resume(context);
  } else if (const auto* timer = std::get_if<TimerFired>(&event)) {
    OnTimer(timer->op.tag, context);
  } else if (std::holds_alternative<PeerClosed>(event)) {
    End(Ending::kLost, context, true);
  } else if (std::holds_alternative<Shutdown>(event)) {
    OnShutdown(context);
  }
}

// ---- input ----------------------------------------------------------------------------------------------------------

void SmtpSession::OnReceived(std::string_view bytes, Context& context) {
  if (std::holds_alternative<StartingTls>(state_) && !PLANTED("bytes_after_starttls_kept"))
    return;  // RFC 3207 section 4.2
  if (std::holds_alternative<Greeting>(state_) && service_->forbid_unauth_pipelining) {
    // RFC 5321 section 3.1: a client waits for the greeting. Who does not is a machine that sends spam.
    Log(context, "improper command pipelining after CONNECT from " + ClientForLog() + ": " + EscapeForLog(bytes, 100));
    SendReply(Synchronization(), context);
    return End(Ending::kOther, context);
  }
  buffered_before_ = input_.size();
  if (!input_.empty()) input_.append(bytes);
  std::string_view in = input_.empty() ? bytes : std::string_view(input_);
  reading_event_ = true;
  const size_t taken = Consume(in, context);
  if (!std::holds_alternative<Closed>(state_) && !gone_) RedactLeftover(in, taken, context);
  reading_event_ = false;
  if (input_.empty()) {
    input_ = in.substr(taken);
  } else {
    input_.erase(0, taken);
  }
  SettleReading(context);
}

// Goes on with what was held back.
void SmtpSession::Resume(Context& context) {
  if (!input_.empty() && CanTake()) {
    buffered_before_ = input_.size();
    const std::string in = std::exchange(input_, {});
    const size_t taken = Consume(in, context);
    input_ = in.substr(taken);
  }
  SettleReading(context);
}

void SmtpSession::SettleReading(Context& context) {
  if (std::holds_alternative<Closed>(state_) || gone_) {
    input_.clear();
    input_.shrink_to_fit();
    return;
  }
  const bool pause = !CanTake() && input_.size() >= kBufferedBytesMax;
  if (pause && !paused_) context.out.Put(PauseReading{conn_});
  if (!pause && paused_) context.out.Put(ResumeReading{conn_});
  paused_ = pause;
}

bool SmtpSession::CanTake() const {
  if (held_ || gone_) return false;
  if (const auto* receiving = std::get_if<Receiving>(&state_)) {
    return !receiving->ended && !(transaction_ && transaction_->incoming && transaction_->incoming->must_wait());
  }
  return std::holds_alternative<Commands>(state_) || std::holds_alternative<Exchanging>(state_);
}

// Reads as much as can be taken now; the count of bytes that are done with.
size_t SmtpSession::Consume(std::string_view in, Context& context) {
  size_t at = 0;
  while (at < in.size() && CanTake()) {
    if (std::holds_alternative<Receiving>(state_)) {
      last_activity_ = context.now.mono;
      at += TakeMessageBytes(in.substr(at), context);
      continue;
    }
    const size_t lf = in.find('\n', at);
    if (lf == std::string_view::npos) {
      if (in.size() - at <= kLineBytesMax) break;
      overlong_ = true;  // its beginning is dropped, its end is waited for
      at = in.size();
      break;
    }
    std::string_view line = in.substr(at, lf - at);
    const bool bare_lf = !line.ends_with('\r');
    while (line.ends_with('\r')) line.remove_suffix(1);
    line_begin_ = at;
    line_end_ = lf;
    at = lf + 1;
    input_waiting_ = at < in.size();
    last_activity_ = context.now.mono;
    if (bare_lf && service_->forbid_bare_newline == config::SmtpService::BareNewline::kReject) {
      RefuseBareLineFeed(context);
      return in.size();
    }
    HandleLine(line, context);
    if (std::holds_alternative<StartingTls>(state_) && !PLANTED("bytes_after_starttls_kept")) return in.size();
  }
  if (std::holds_alternative<Closed>(state_) || gone_) return in.size();
  return at;
}

// smtpd_forbid_bare_newline = reject, for commands.
void SmtpSession::RefuseBareLineFeed(Context& context) {
  Log(context, "warning: " + QueueIdForLog() + ": bare <LF> received from " + ClientForLog(), Severity::kWarning);
  Reply reply = BareLineFeed();
  reply.text = config_->routing.myhostname + " " + reply.text;
  SendReply(reply, context);
  End(Ending::kOther, context);
}

// Hides [begin, end) of what is being read from recordings: those of its bytes that came with this event.
void SmtpSession::Redact(size_t begin, size_t end, Context& context) const {
  begin = std::max(begin, buffered_before_);
  if (!reading_event_ || end <= begin) return;
  context.out.Put(
      postern::Redact{.conn = conn_, .offset_bytes = begin - buffered_before_, .length_bytes = end - begin});
}

// What waits to be read may hold a password, too: all behind an AUTH.
void SmtpSession::RedactLeftover(std::string_view in, size_t taken, Context& context) const {
  if (!sasl_user_.empty() || taken >= in.size()) return;
  if (std::holds_alternative<Exchanging>(state_) || std::holds_alternative<Verifying>(state_))
    return Redact(taken, in.size(), context);
  for (size_t at = taken; at < in.size();) {
    const size_t lf = std::min(in.find('\n', at), in.size());
    if (IsAuthLine(in.substr(at, lf - at))) return Redact(at + 5, in.size(), context);
    at = lf + 1;
  }
}

void SmtpSession::HandleLine(std::string_view line, Context& context) {
  const bool exchanging = std::holds_alternative<Exchanging>(state_);
  const size_t line_bytes_max = exchanging || IsAuthLine(line) ? kLineBytesMax : service_->line_length_limit;
  if (std::exchange(overlong_, false) || line.size() > line_bytes_max) {
    if (exchanging) {  // RFC 4954 section 4
      Redact(line_begin_, line_end_, context);
      state_ = Commands{};
      return Answer({500, "5.5.6", "SASL response limit exceeded"}, context);
    }
    verb_ = Verb::kUnknown;
    where_ = "UNKNOWN";
    Log(context, "warning: " + ClientForLog() + ": request longer than " + std::to_string(line_bytes_max),
        Severity::kWarning);
    return Answer(LineTooLong(), context);
  }
  if (exchanging) return HandleResponse(line, context);
  HandleCommand(ParseCommand(line), line, context);
}

void SmtpSession::HandleCommand(const Command& command, std::string_view line, Context& context) {
  verb_ = command.verb;
  // RFC 2033 section 4.1: LHLO, and neither HELO nor EHLO.
  if (is_lmtp()) {
    if (verb_ == Verb::kHelo || verb_ == Verb::kEhlo) {
      verb_ = Verb::kUnknown;
    } else if (EqualsIgnoringCase(command.word, "LHLO")) {
      verb_ = Verb::kEhlo;
    }
  }
  where_ = UpperName(verb_);
  if (service_->smtputf8 && !routing::IsUtf8(line)) return Answer(BadUtf8(), context);
  if (command.word.empty()) return Answer(BadSyntax(), context);
  if (connect_refusal_ && verb_ != Verb::kQuit) {
    return Answer({503, "5.7.0", "Error: access denied for " + ClientForLog()}, context);
  }
  const bool out_of_turn =
      input_waiting_ && (!esmtp_ || EndsPipeline(verb_)) && verb_ != Verb::kQuit && verb_ != Verb::kUnknown;
  pipelined_out_of_turn_ |= out_of_turn;
  if (service_->forbid_unauth_pipelining && out_of_turn) {
    Log(context, "improper command pipelining after " + where_ + " from " + ClientForLog());
    ++counts_[static_cast<size_t>(verb_)].all;
    SendReply(Synchronization(), context);
    return End(Ending::kOther, context);
  }
  if (RefusedForLackOfTls(command)) return Answer(MustStartTls(), context);
  const bool junk = verb_ == Verb::kHelo || verb_ == Verb::kEhlo || verb_ == Verb::kRset || verb_ == Verb::kNoop ||
                    verb_ == Verb::kVrfy || verb_ == Verb::kEtrn;
  if (junk && junk_count_++ > service_->junk_command_limit) ++error_count_;
  switch (verb_) {
    case Verb::kHelo:
      return HandleHello(command, false, context);
    case Verb::kEhlo:
      return HandleHello(command, true, context);
    case Verb::kStartTls:
      return HandleStartTls(command, context);
    case Verb::kAuth:
      return HandleAuth(command, context);
    case Verb::kMail:
      return HandleMail(command, context);
    case Verb::kRcpt:
      return HandleRcpt(command, context);
    case Verb::kData:
      return HandleData(command, context);
    case Verb::kBdat:
      return HandleBdat(command, line, context);
    case Verb::kRset:
      if (!command.arguments.empty()) return Answer(Syntax("RSET"), context);
      ResetTransaction(context);
      return Answer(Ok(), context);
    case Verb::kNoop:
      return Answer(Ok(), context);
    case Verb::kVrfy:
      return HandleVrfy(command, context);
    case Verb::kEtrn:
      return HandleEtrn(command, context);
    case Verb::kQuit:
      ++counts_[static_cast<size_t>(verb_)].ok;
      ++counts_[static_cast<size_t>(verb_)].all;
      SendReply(Bye(), context);
      return End(Ending::kQuit, context);
    case Verb::kUnknown:
      break;
  }
  const auto& forbidden = service_->forbidden_commands;
  const bool is_word = std::any_of(forbidden.begin(), forbidden.end(),
                                   [&](const std::string& w) { return EqualsIgnoringCase(w, command.word); });
  const bool is_letter = (line[0] | 0x20) >= 'a' && (line[0] | 0x20) <= 'z';
  // Postfix: a header field, or what does not begin with a letter, is somebody speaking another protocol.
  if (!forbidden.empty() && (is_word || !is_letter || command.word.ends_with(':'))) {
    ++counts_[static_cast<size_t>(verb_)].all;
    Log(context, "warning: non-SMTP command from " + ClientForLog() + ": " + EscapeForLog(line, 100),
        Severity::kWarning);
    SendReply(BrokenRules(), context);
    return End(Ending::kOther, context);
  }
  Answer(NotRecognized(), context);
}

// ---- output and end -------------------------------------------------------------------------------------------------

void SmtpSession::Answer(const Reply& reply, Context& context) {
  AnswerAfter(reply, error_count_ >= service_->soft_error_limit ? service_->error_sleep_time : Duration{}, context);
}

void SmtpSession::AnswerAfter(const Reply& reply, Duration delay, Context& context) {
  Count& count = counts_[static_cast<size_t>(verb_)];
  ++count.all;
  if (reply.is_error()) {
    ++error_count_;
  } else {
    ++count.ok;
  }
  std::string text;
  AppendReply(reply, &text);
  if (delay > Duration{}) {
    held_ = Held{.text = std::move(text), .closes = reply.closes()};
    context.out.Put(SetTimer{.op = {MachineOf(conn_), kHeldTimer}, .at = context.now.mono + delay});
    return;
  }
  context.out.SendText(conn_, text);
  if (reply.closes()) return End(Ending::kOther, context);
  CheckErrorLimit(context);
}

void SmtpSession::CheckErrorLimit(Context& context) {
  if (error_count_ < service_->hard_error_limit) return;
  SendReply({421, "4.7.0", config_->routing.myhostname + " Error: too many errors"}, context);
  End(Ending::kTooManyErrors, context);
}

void SmtpSession::SendReply(const Reply& reply, Context& context) {
  std::string text;
  AppendReply(reply, &text);
  context.out.SendText(conn_, text);
}

void SmtpSession::OnTimer(uint64_t tag, Context& context) {
  if (tag == kHeldTimer) {
    if (!held_) return;
    const Held held = *std::exchange(held_, std::nullopt);
    context.out.SendText(conn_, held.text);
    last_activity_ = context.now.mono;
    if (held.closes) return End(Ending::kOther, context);
    CheckErrorLimit(context);
    return Resume(context);
  }
  if (tag != kIdleTimer) return;
  // Only while the client is at turn does its time run.
  const bool clients_turn = std::holds_alternative<StartingTls>(state_) || CanTake();
  if (!clients_turn) last_activity_ = context.now.mono;
  const Duration timeout = std::holds_alternative<StartingTls>(state_) ? service_->starttls_timeout : service_->timeout;
  if (context.now.mono - last_activity_ < timeout) {
    context.out.Put(SetTimer{.op = {MachineOf(conn_), kIdleTimer}, .at = last_activity_ + timeout});
    return;
  }
  if (!std::holds_alternative<StartingTls>(state_)) {
    SendReply({421, "4.4.2", config_->routing.myhostname + " Error: timeout exceeded"}, context);
  }
  End(Ending::kTimeout, context);
}

void SmtpSession::OnShutdown(Context& context) {
  if (std::holds_alternative<Committing>(state_)) {
    stopping_ = true;  // the message is answered first
    return;
  }
  if (!std::holds_alternative<StartingTls>(state_)) {
    SendReply({421, "4.3.2", config_->routing.myhostname + " Service shutting down"}, context);
  }
  End(Ending::kOther, context);
}

void SmtpSession::End(Ending ending, Context& context, bool client_gone) {
  std::string where = where_;
  if (const auto* receiving = std::get_if<Receiving>(&state_);
      receiving != nullptr && !receiving->bdat && transaction_ && transaction_->incoming) {
    where += " (" + std::to_string(transaction_->incoming->reader.bytes_out()) + " bytes)";
  }
  switch (ending) {
    case Ending::kLost:
      Log(context, "lost connection after " + where + " from " + ClientForLog());
      break;
    case Ending::kTimeout:
      Log(context, "timeout after " + where + " from " + ClientForLog());
      break;
    case Ending::kTooManyErrors:
      Log(context, "too many errors after " + where + " from " + ClientForLog());
      break;
    case Ending::kQuit:
    case Ending::kOther:
      break;
  }
  LogDisconnect(context);
  if (!client_gone)
    context.out.Put(
        Close{.conn = conn_, .kind = ending == Ending::kTimeout ? CloseKind::kNow : CloseKind::kAfterDrain});
  context.out.Put(CancelTimer{{MachineOf(conn_), kIdleTimer}});
  if (held_) context.out.Put(CancelTimer{{MachineOf(conn_), kHeldTimer}});
  held_.reset();
  if (entered_) directory_.Leave("smtp", "", peer_.remote.address);
  entered_ = false;
  gone_ = true;
  if (std::holds_alternative<Committing>(state_)) return;  // the message was complete: it is delivered
  ResetTransaction(context);
  state_ = Closed{};
}

}  // namespace postern::smtp
