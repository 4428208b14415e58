// One message: MAIL, RCPT, DATA in groups (RFC 2920), its bytes, the replies after the dot, and what follows.
#include <utility>

#include "core/outbound/client.h"

namespace postern::outbound {

// RFC 6152 section 3: a server without 8BITMIME gets seven bits. Mail that needs SMTPUTF8 never comes here without it.
bool ClientDialogue::Downgrades() const {
  return settings_.mime_output_conversion && !features_.eight_bit_mime &&
         transaction_->job.body != smtp::BodyKind::k7Bit;
}

bool ClientDialogue::MayKeepOpen(Instant now) const {
  if (!reusable_ || !transaction_ || !transaction_->job.keep_open) return false;
  if (settings_.reuse_count_limit > 0 && transaction_count_ > settings_.reuse_count_limit) return false;
  return now < connected_at_ + settings_.reuse_time_limit;
}

void ClientDialogue::BeginTransaction(Instant now, ClientActions* out) {
  ++transaction_count_;
  if (RefuseTransaction(out)) {
    EndTransaction(now, out);
    return;
  }
  state_ = State::kEnvelope;
  if (Downgrades()) transaction_->downgrader.emplace(settings_.mime_nesting_limit);
  SendEnvelope(now, out);
}

// What needs no word with the server. True: no recipient is left.
bool ClientDialogue::RefuseTransaction(ClientActions* out) {
  const Job& job = transaction_->job;
  if (NeedsSmtpUtf8(job) && !features_.smtputf8) {
    SettleAll({.stage = ClientStage::kHelo,
               .status = "5.6.7",
               .text = "SMTPUTF8 is required, but was not offered by host " + server_.Name()},
              out);
  } else if (features_.size_limit_bytes > 0 && features_.size_limit_bytes < job.size_bytes) {
    SettleAll({.stage = ClientStage::kMail,
               .status = "5.3.4",
               .text = "message size " + std::to_string(job.size_bytes) + " exceeds size limit " +
                       std::to_string(features_.size_limit_bytes) + " of server " + server_.Name()},
              out);
  } else if (!MailCommand(job, features_, false)) {
    SettleAll({.stage = ClientStage::kMail, .status = "5.1.7", .text = "bad sender address syntax"}, out);
  } else {
    for (size_t i = 0; i < job.recipients.size(); ++i) {
      if (RcptCommand(job, i, features_)) continue;
      Settle(i, {.stage = ClientStage::kRcpt, .status = "5.1.3", .text = "bad recipient address syntax"}, out);
    }
  }
  return transaction_->open == 0;
}

// ---- the envelope -------------------------------------------------------------------------------------------------

// Everything that was sent is answered: the next group goes out.
void ClientDialogue::SendEnvelope(Instant now, ClientActions* out) {
  Transaction& transaction = *transaction_;
  std::string group;
  for (;;) {
    if (transaction.data_sent) break;
    std::string command;
    const size_t next_recipient = transaction.next_recipient;
    const AwaitedReply awaited = NextCommand(&command);
    // RFC 2920 section 3.1: DATA is the last of its group.
    if (!group.empty() && (!features_.pipelining || group.size() + command.size() + 2 > kGroupBytesMax)) {
      transaction.next_recipient = next_recipient;
      break;
    }
    group += command;
    group += "\r\n";
    awaited_.push_back(awaited);
    if (awaited.kind == Awaited::kMail) {
      transaction.mail_sent = true;
      transaction.began = now;
    } else if (awaited.kind == Awaited::kData) {
      transaction.data_sent = true;
    }
  }
  out->push_back(SendBytes{std::move(group)});
  Arm(now);
}

ClientDialogue::AwaitedReply ClientDialogue::NextCommand(std::string* command) {
  Transaction& transaction = *transaction_;
  if (!transaction.mail_sent) {
    *command = *MailCommand(transaction.job, features_, !Downgrades());
    return {Awaited::kMail};
  }
  while (transaction.next_recipient < transaction.settled.size()) {
    const size_t recipient = transaction.next_recipient++;
    if (transaction.settled[recipient]) continue;
    *command = *RcptCommand(transaction.job, recipient, features_);
    return {Awaited::kRcpt, recipient};
  }
  *command = "DATA";
  return {Awaited::kData};
}

void ClientDialogue::OnEnvelopeReply(AwaitedReply awaited, const ServerReply& reply, const ClientMoment& moment,
                                     ClientActions* out) {
  Transaction& transaction = *transaction_;
  if (awaited.kind == Awaited::kMail) {
    OnMail(reply, out);
    if (state_ == State::kClosed) return;
  } else if (awaited.kind == Awaited::kRcpt) {
    OnRcpt(awaited.recipient, reply, out);
  } else if (reply.code_class() != 3) {
    SettleAll({.stage = ClientStage::kData,
               .reply = &reply,
               .text = "host " + server_.Name() + " said: " + reply.OneLine() + " (in reply to DATA command)"},
              out);
    transaction.data_refused = true;
  }
  if (!awaited_.empty()) return;
  if (transaction.data_sent && !transaction.data_refused) {
    BeginMessage(moment.now, out);
  } else if (transaction.mail_refused || transaction.data_refused || transaction.open == 0) {
    // Nothing is left to be delivered.
    Abort(moment.now, out);
  } else {
    SendEnvelope(moment.now, out);
  }
}

void ClientDialogue::OnMail(const ServerReply& reply, ClientActions* out) {
  const std::string text = "host " + server_.Name() + " said: " + reply.OneLine() + " (in reply to MAIL FROM command)";
  if (reply.code == 421 && transaction_->on_waiting_connection) {
    LeaveUntried(text, out);
    Close(out);
    return;
  }
  transaction_->mail_answered = true;
  if (reply.code_class() == 2) return;
  transaction_->mail_refused = true;
  SettleAll({.stage = ClientStage::kMail, .reply = &reply, .text = text}, out);
}

void ClientDialogue::OnRcpt(size_t recipient, const ServerReply& reply, ClientActions* out) {
  if (transaction_->mail_refused) return;
  if (reply.code_class() == 2) {
    transaction_->accepted.push_back(recipient);
    return;
  }
  CheckReplyCode(reply.code);
  Settle(recipient,
         {.stage = ClientStage::kRcpt,
          .reply = &reply,
          .text = "host " + server_.Name() + " said: " + reply.OneLine() + " (in reply to RCPT TO command)"},
         out);
}

// ---- the message --------------------------------------------------------------------------------------------------

void ClientDialogue::BeginMessage(Instant now, ClientActions* out) {
  if (transaction_->accepted.empty() || transaction_->open == 0) {
    // RFC 2920 section 3.1: a server that took DATA for nobody gets an empty message. LMTP has no reply to it then
    // (RFC 2033 section 4.2), so nothing more can be asked there.
    if (settings_.lmtp) reusable_ = false;
    SendDot({}, now, out);
    return;
  }
  state_ = State::kMessage;
  Arm(now);
  out->push_back(NeedMessageBytes{});
}

void ClientDialogue::OnMessageBytes(std::string_view bytes, bool last, const ClientMoment& moment, ClientActions* out) {
  if (state_ != State::kMessage) return;
  Transaction& transaction = *transaction_;
  std::string text;
  const bool folded = transaction.writer.folded();
  if (transaction.downgrader) {
    std::string converted;
    transaction.downgrader->Feed(bytes, &converted);
    if (last) transaction.downgrader->Finish(&converted);
    if (transaction.downgrader->nested_too_deep()) {
      // There is no other way to take it back than to go away.
      SettleAll({.stage = ClientStage::kEndOfData, .status = "5.6.0", .text = "MIME nesting exceeds safety limit"},
                out);
      Close(out);
      return;
    }
    transaction.writer.Feed(converted, &text);
  } else {
    transaction.writer.Feed(bytes, &text);
  }
  if (!folded && transaction.writer.folded()) {
    Note(false, "breaking line > " + std::to_string(settings_.line_length_limit) + " bytes with <CR><LF>SPACE", out);
  }
  if (last) {
    SendDot(std::move(text), moment.now, out);
    return;
  }
  if (!text.empty()) out->push_back(SendBytes{std::move(text)});
  out->push_back(NeedMessageBytes{});
  Arm(moment.now);
}

// `text`: what of the message is still to be sent.
void ClientDialogue::SendDot(std::string text, Instant now, ClientActions* out) {
  Transaction& transaction = *transaction_;
  transaction.writer.Finish(&text);
  // As Postfix: it costs the server nothing to have QUIT already, and saves it a wake-up.
  if (features_.pipelining && !MayKeepOpen(now)) {
    text += "QUIT\r\n";
    transaction.quit_sent = true;
  }
  out->push_back(SendBytes{std::move(text)});
  state_ = State::kEndOfData;
  const size_t replies = settings_.lmtp && !transaction.accepted.empty() ? transaction.accepted.size() : 1;
  for (size_t i = 0; i < replies; ++i) Await(Awaited::kEndOfData, i);
  Arm(now);
}

void ClientDialogue::OnEndOfData(const ServerReply& reply, const ClientMoment& moment, ClientActions* out) {
  Transaction& transaction = *transaction_;
  // QUIT's answer, or a goodbye: whatever stands for the message's own reply is lost.
  if (reply.code == 221) {
    LoseConnectionAfterDot(out);
    return;
  }
  const std::string text =
      "host " + server_.Name() + " said: " + reply.OneLine() + " (in reply to end of DATA command)";
  const Failure failure{.stage = ClientStage::kEndOfData, .reply = &reply, .text = text};
  if (settings_.lmtp) {  // RFC 2033 section 4.2: one for each accepted recipient, in their order
    const size_t recipient = transaction.accepted.empty() ? 0 : transaction.accepted[transaction.final_replies++];
    if (reply.code_class() == 2) {
      if (!transaction.accepted.empty()) SettleSent(recipient, reply, out);
    } else {
      CheckReplyCode(reply.code);
      Settle(recipient, failure, out);
    }
  } else if (reply.code_class() == 2) {
    for (size_t recipient = 0; recipient < transaction.settled.size(); ++recipient) {
      if (!transaction.settled[recipient]) SettleSent(recipient, reply, out);
    }
  } else {
    SettleAll(failure, out);
  }
  if (awaited_.empty()) EndTransaction(moment.now, out);
}

void ClientDialogue::LoseConnectionAfterDot(ClientActions* out) {
  FailHost({.stage = ClientStage::kEndOfData,
            .blames_host = true,
            .status = "4.4.2",
            .text = "lost connection with " + server_.Name() +
                    " while sending end of data -- message may be sent more than once"},
           out);
}

// ---- what follows -------------------------------------------------------------------------------------------------

// The transaction is over before the message: RSET takes back what the server holds of it.
void ClientDialogue::Abort(Instant now, ClientActions* out) {
  state_ = State::kReset;
  if (!MayKeepOpen(now) && features_.pipelining) {
    SendLine("RSET", out);
    SendQuit(out);
    return;
  }
  SendLine("RSET", out);
  Await(Awaited::kReset);
}

void ClientDialogue::EndTransaction(Instant now, ClientActions* out) {
  if (transaction_->quit_sent) {
    if (settings_.skip_quit_response) {
      Close(out);
    } else {
      state_ = State::kQuitting;
      Await(Awaited::kQuit);
    }
  } else if (MayKeepOpen(now)) {
    BecomeReady(now, out);
  } else {
    SendQuit(out);
  }
}

}  // namespace postern::outbound
