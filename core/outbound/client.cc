#include "core/outbound/client.h"

#include <algorithm>
#include <utility>

#include "core/boundary/planted.h"

namespace postern::outbound {
std::string_view StageName(ClientStage stage) {
  switch (stage) {
    case ClientStage::kConnect:
      return "connect";
    case ClientStage::kHelo:
      return "helo";
    case ClientStage::kTls:
      return "tls";
    case ClientStage::kAuth:
      return "auth";
    case ClientStage::kMail:
      return "mail";
    case ClientStage::kRcpt:
      return "rcpt";
    case ClientStage::kData:
      return "data";
    case ClientStage::kEndOfData:
      return "end";
  }
  return "";
}

// ---- what goes in -------------------------------------------------------------------------------------------------

void ClientDialogue::Deliver(Job job, const ClientMoment& moment, ClientActions* out) {
  transaction_.emplace(std::move(job), settings_.line_length_limit);
  if (state_ != State::kReady) return;
  transaction_->on_waiting_connection = true;
  BeginTransaction(moment.now, out);
}

void ClientDialogue::OnConnecting(const ClientMoment& moment) { Arm(moment.now); }

void ClientDialogue::OnConnected(const ClientMoment& moment, ClientActions* out) {
  if (state_ != State::kConnecting) return;
  connected_at_ = moment.now;
  if (settings_.tls_wrappermode) {
    state_ = State::kTlsHandshake;
    out->push_back(BeginTls{settings_.tls_server_name});
  } else {
    state_ = State::kGreeting;
    Await(Awaited::kGreeting);
  }
  Arm(moment.now);
}

void ClientDialogue::OnConnectFailed(std::string_view text, ClientActions* out) {
  if (state_ != State::kConnecting) return;
  SettleAll({.stage = ClientStage::kConnect,
             .blames_host = true,
             .status = "4.4.1",
             .text = "connect to " + server_.Relay() + ": " + std::string(text),
             .with_session = false},
            out);
  Close(out);
}

void ClientDialogue::OnBytes(std::string_view bytes, const ClientMoment& moment, ClientActions* out) {
  if (state_ == State::kConnecting || state_ == State::kTlsHandshake || state_ == State::kClosed) return;
  while (!bytes.empty() && state_ != State::kClosed) {
    ServerReply reply;
    switch (reader_.Read(&bytes, &reply)) {
      case ReplyReader::Result::kMore:
        break;
      case ReplyReader::Result::kTooLong:
        FailHost({.stage = StageNow(),
                  .blames_host = true,
                  .status = "4.5.0",
                  .text = "host " + server_.Name() + " sent a reply without end while " + WhatWeWereDoing()},
                 out);
        return;
      case ReplyReader::Result::kReply:
        if (awaited_.empty()) {
          OnUnaskedReply(reply, out);
          return;
        }
        if (awaited_.size() == 1 && AsksNext(awaited_.front().kind) && BeginsReply(bytes)) {
          FailEarlyTalk(out);
          return;
        }
        OnReply(reply, moment, out);
        // RFC 3207 section 6: what came in plaintext behind the reply is forgotten.
        if (state_ == State::kTlsHandshake) {
          reader_.Reset();
          bytes = {};
        }
        break;
    }
    if (std::string garbage = reader_.TakeGarbage(); !garbage.empty()) {
      reusable_ = false;
      Note(true,
           "non-" + std::string(settings_.lmtp ? "LMTP" : "ESMTP") + " response from " + server_.Relay() + ": " +
               garbage,
           out);
    }
  }
  if (!settings_.per_request_deadline && !awaited_.empty()) Arm(moment.now);
}

void ClientDialogue::OnTlsFailed(ClientActions* out) {
  if (state_ == State::kTlsHandshake) FailHandshake(out);
}

void ClientDialogue::OnClosed(ClientActions* out) {
  if (state_ != State::kClosed) LoseConnection(false, out);
}

void ClientDialogue::OnDeadline(const ClientMoment& moment, ClientActions* out) {
  if (!deadline_ || moment.now < *deadline_) return;
  if (state_ == State::kReady) {
    Quit(out);
  } else {
    timed_out_ = true;
    LoseConnection(true, out);
  }
}

void ClientDialogue::OnMessageFailed(ClientActions* out) {
  if (state_ != State::kMessage) return;
  // Without the final dot the server throws away what it has; nothing else takes a message back (RFC 5321
  // section 4.1.1.4).
  FailHost({.stage = ClientStage::kEndOfData,
            .status = "4.3.0",
            .text = "local data error while talking to " + server_.Name()},
           out);
}

void ClientDialogue::Quit(ClientActions* out) {
  if (state_ == State::kReady) {
    SendQuit(out);
  } else if (state_ == State::kConnecting && !transaction_) {
    Close(out);
  }
}

// Does a command follow the answer to `kind`, so that an answer which is there already was not asked for? Behind 354
// the server may refuse early; behind the others nothing is waited for, or it is forgotten.
bool ClientDialogue::AsksNext(Awaited kind) {
  switch (kind) {
    case Awaited::kGreeting:
    case Awaited::kEhlo:
    case Awaited::kHelo:
    case Awaited::kLhlo:
    case Awaited::kAuth:
    case Awaited::kMail:
    case Awaited::kRcpt:
      return true;
    case Awaited::kStartTls:
    case Awaited::kData:
    case Awaited::kEndOfData:
    case Awaited::kReset:
    case Awaited::kQuit:
      return false;
  }
  return false;
}

// ---- replies ------------------------------------------------------------------------------------------------------

void ClientDialogue::OnReply(const ServerReply& reply, const ClientMoment& moment, ClientActions* out) {
  const AwaitedReply awaited = awaited_.front();
  awaited_.pop_front();
  switch (awaited.kind) {
    case Awaited::kGreeting:
      OnGreeting(reply, out);
      break;
    case Awaited::kEhlo:
    case Awaited::kHelo:
    case Awaited::kLhlo:
      OnHello(awaited.kind, reply, moment, out);
      break;
    case Awaited::kStartTls:
      OnStartTls(reply, moment, out);
      break;
    case Awaited::kAuth:
      OnAuth(reply, moment, out);
      break;
    case Awaited::kMail:
    case Awaited::kRcpt:
    case Awaited::kData:
      OnEnvelopeReply(awaited, reply, moment, out);
      break;
    case Awaited::kEndOfData:
      OnEndOfData(reply, moment, out);
      break;
    case Awaited::kReset:
      if (reply.code_class() == 2 && MayKeepOpen(moment.now)) {
        BecomeReady(moment.now, out);
      } else {
        SendQuit(out);
      }
      break;
    case Awaited::kQuit:
      Close(out);
      break;
  }
  if (state_ != State::kReady && state_ != State::kClosed) Arm(moment.now);
}

void ClientDialogue::OnUnaskedReply(const ServerReply& reply, ClientActions* out) {
  if (state_ == State::kMessage && (reply.code_class() == 4 || reply.code_class() == 5)) {
    // The server has seen enough; what it says counts for the message. Going on would only cost both sides.
    SettleAll({.stage = ClientStage::kEndOfData,
               .reply = &reply,
               .text = "host " + server_.Name() + " said: " + reply.OneLine() + " (in reply to end of DATA command)"},
              out);
    Close(out);
    return;
  }
  if (state_ == State::kReady) {
    // 421 mostly: it has waited long enough (RFC 5321 section 3.8).
    Note(false, "host " + server_.Name() + " said: " + reply.OneLine() + " (between messages)", out);
    Close(out);
    return;
  }
  FailEarlyTalk(out);
}

void ClientDialogue::FailEarlyTalk(ClientActions* out) {
  if (transaction_ && transaction_->open == 0) {
    Close(out);
    return;
  }
  FailHost({.stage = StageNow(), .blames_host = true, .status = "4.7.0", .text = "unexpected server message"}, out);
}

// ---- recipients ---------------------------------------------------------------------------------------------------

void ClientDialogue::Settle(size_t recipient, const Failure& failure, ClientActions* out) {
  RecipientDone done{.recipient = recipient,
                     .stage = failure.stage,
                     .blames_host = failure.blames_host,
                     .retry_in_plaintext = failure.retry_in_plaintext,
                     .status = failure.status,
                     .relay = failure.with_session ? server_.Relay() : "none",
                     .text = failure.text};
  if (failure.reply != nullptr) {
    done.code = failure.reply->code;
    done.remote_mta = server_.host;
    done.reply = failure.reply->OneLine();
    if (done.status.empty()) done.status = failure.reply->status;
    // A 2xx or 3xx that refuses: the server and we don't understand each other.
    if (done.status.front() != '4' && done.status.front() != '5') {
      done.text = "Protocol error: " + done.text;
      done.status = "5.5.0";
      reusable_ = false;
    }
  }
  done.fate = done.status.front() == '4' && !PLANTED("temporary_counts_as_permanent") ? Fate::kDeferred : Fate::kFailed;
  if (PLANTED("lost_connection_counts_as_sent") && transaction_->mail_answered && failure.reply == nullptr) {
    done.fate = Fate::kSent;
  }
  EmitDone(std::move(done), out);
}

void ClientDialogue::SettleSent(size_t recipient, const ServerReply& reply, ClientActions* out) {
  EmitDone({.recipient = recipient,
            .fate = Fate::kSent,
            .stage = ClientStage::kEndOfData,
            .dsn_offered = features_.dsn,
            .code = reply.code,
            .status = reply.status,
            .relay = server_.Relay(),
            .remote_mta = server_.host,
            .reply = reply.OneLine(),
            .text = reply.OneLine()},
           out);
}

void ClientDialogue::EmitDone(RecipientDone done, ClientActions* out) {
  if (transaction_->settled[done.recipient]) return;
  transaction_->settled[done.recipient] = true;
  --transaction_->open;
  done.began = transaction_->began;
  out->push_back(std::move(done));
}

void ClientDialogue::SettleAll(const Failure& failure, ClientActions* out) {
  if (!transaction_) return;
  if (failure.reply != nullptr) CheckReplyCode(failure.reply->code);
  for (size_t i = 0; i < transaction_->settled.size(); ++i) {
    if (!transaction_->settled[i]) Settle(i, failure, out);
  }
}

// Replies that say that a command was wrong: the dialogue may be out of step (Postfix's smtp_check_code()).
void ClientDialogue::CheckReplyCode(int code) {
  if (code < 400 || code > 599 || code == 555 || (code >= 500 && code < 510)) reusable_ = false;
}

// ---- ends ---------------------------------------------------------------------------------------------------------

void ClientDialogue::FailHost(const Failure& failure, ClientActions* out) {
  if (!transaction_) Note(false, failure.text, out);
  SettleAll(failure, out);
  Close(out);
}

void ClientDialogue::LoseConnection(bool timed_out, ClientActions* out) {
  if (state_ == State::kConnecting) {
    OnConnectFailed(timed_out ? "Connection timed out" : "Connection lost", out);
    return;
  }
  if (state_ == State::kTlsHandshake) {
    FailHandshake(out);
    return;
  }
  if (!transaction_ || transaction_->open == 0) {
    Close(out);
    return;
  }
  Failure failure{.stage = StageNow(), .blames_host = true, .status = "4.4.2"};
  failure.text = (timed_out ? "conversation with " + server_.Name() + " timed out while "
                            : "lost connection with " + server_.Name() + " while ") +
                 WhatWeWereDoing();
  // Some servers offer TLS that breaks later; Postfix's PLAINTEXT_FALLBACK_OK_AFTER_TLS_SESSION_FAILURE.
  failure.retry_in_plaintext =
      tls_ && settings_.tls == TlsUse::kMay && transaction_->job.plaintext_fallback && !HasCredentials();
  failure.blames_host = !failure.retry_in_plaintext;
  if (transaction_->on_waiting_connection && !transaction_->mail_answered) {
    LeaveUntried(failure.text, out);
    Close(out);
    return;
  }
  FailHost(failure, out);
}

// The connection was closed while it waited: nothing is known about the message, nothing was done with it.
void ClientDialogue::LeaveUntried(std::string_view text, ClientActions* out) {
  for (size_t i = 0; i < transaction_->settled.size(); ++i) {
    EmitDone({.recipient = i,
              .fate = Fate::kUntried,
              .stage = ClientStage::kMail,
              .status = "4.4.2",
              .relay = server_.Relay(),
              .text = std::string(text)},
             out);
  }
}

void ClientDialogue::FailHandshake(ClientActions* out) {
  const bool may = settings_.tls == TlsUse::kMay && !settings_.tls_wrappermode;
  // Not where a password is waiting: without TLS the server would only say "relay access denied".
  const bool retry = may && transaction_ && transaction_->job.plaintext_fallback && !HasCredentials();
  FailHost({.stage = ClientStage::kTls,
            .blames_host = !may,
            .status = "4.7.5",
            .text = "Cannot start TLS: handshake failure",
            .retry_in_plaintext = retry},
           out);
}

std::string ClientDialogue::WhatWeWereDoing() const {
  if (state_ == State::kMessage) return "sending message body";
  if (awaited_.empty()) return "waiting";
  switch (awaited_.front().kind) {
    case Awaited::kGreeting:
      return "receiving the initial server greeting";
    case Awaited::kEhlo:
      return "performing the EHLO handshake";
    case Awaited::kHelo:
      return "performing the HELO handshake";
    case Awaited::kLhlo:
      return "performing the LHLO handshake";
    case Awaited::kStartTls:
      return "receiving the STARTTLS response";
    case Awaited::kAuth:
      return settings_.lmtp ? "performing the LHLO handshake" : "performing the EHLO handshake";
    case Awaited::kMail:
      return "sending MAIL FROM";
    case Awaited::kRcpt:
      return "sending RCPT TO";
    case Awaited::kData:
      return "sending DATA command";
    case Awaited::kEndOfData:
      return "sending end of data -- message may be sent more than once";
    case Awaited::kReset:
      return "sending final RSET";
    case Awaited::kQuit:
      return "sending QUIT";
  }
  return "";
}

ClientStage ClientDialogue::StageNow() const {
  switch (state_) {
    case State::kConnecting:
      return ClientStage::kConnect;
    case State::kStartTls:
    case State::kTlsHandshake:
      return ClientStage::kTls;
    case State::kAuth:
      return ClientStage::kAuth;
    case State::kEnvelope:
      if (awaited_.empty() || awaited_.front().kind == Awaited::kMail) return ClientStage::kMail;
      return awaited_.front().kind == Awaited::kRcpt ? ClientStage::kRcpt : ClientStage::kData;
    case State::kMessage:
    case State::kEndOfData:
      return ClientStage::kEndOfData;
    case State::kGreeting:
    case State::kHello:
    case State::kReady:
    case State::kReset:
    case State::kQuitting:
    case State::kClosed:
      return ClientStage::kHelo;
  }
  return ClientStage::kHelo;
}

void ClientDialogue::SendLine(std::string_view line, ClientActions* out, bool secret) {
  out->push_back(SendBytes{std::string(line) + "\r\n", secret});
}

void ClientDialogue::SendQuit(ClientActions* out) {
  SendLine("QUIT", out);
  if (settings_.skip_quit_response) {
    Close(out);
    return;
  }
  awaited_.clear();
  Await(Awaited::kQuit);
  state_ = State::kQuitting;
  transaction_.reset();
}

void ClientDialogue::Close(ClientActions* out) {
  out->push_back(CloseConnection{.at_once = timed_out_});
  state_ = State::kClosed;
  awaited_.clear();
  deadline_.reset();
  transaction_.reset();
  sasl_.reset();
}

// ---- deadlines ----------------------------------------------------------------------------------------------------

void ClientDialogue::Arm(Instant now) {
  const Duration timeout = TimeoutNow();
  deadline_ = timeout.ns > 0 ? std::optional(now + timeout) : std::nullopt;
}

Duration ClientDialogue::TimeoutNow() const {
  const ClientTimeouts& timeouts = settings_.timeouts;
  if (state_ == State::kConnecting) return timeouts.connect;
  if (state_ == State::kTlsHandshake) return timeouts.starttls;
  if (state_ == State::kMessage) return timeouts.data_xfer;
  if (state_ == State::kReady) return timeouts.idle;
  if (awaited_.empty()) return {};
  switch (awaited_.front().kind) {
    case Awaited::kGreeting:
    case Awaited::kEhlo:
    case Awaited::kHelo:
    case Awaited::kLhlo:
    case Awaited::kAuth:
      return timeouts.helo;
    case Awaited::kStartTls:
      return timeouts.starttls;
    case Awaited::kMail:
      return timeouts.mail;
    case Awaited::kRcpt:
      return timeouts.rcpt;
    case Awaited::kData:
      return timeouts.data_init;
    case Awaited::kEndOfData:
      return timeouts.data_done;
    case Awaited::kReset:
      return timeouts.rset;
    case Awaited::kQuit:
      return timeouts.quit;
  }
  return {};
}

}  // namespace postern::outbound
