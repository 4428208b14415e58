// MAIL, RCPT, VRFY: the envelope, judged as it comes.
#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"
#include "core/mailbox/location.h"
#include "core/routing/resolve.h"
#include "core/smtp/session.h"

namespace postern::smtp {
namespace {

// "FROM:<a@b>" without its keyword; nullopt where it does not begin so. White space may follow the colon (Postfix).
std::optional<std::string_view> AfterKeyword(std::string_view arguments, std::string_view keyword) {
  if (arguments.size() <= keyword.size() || !EqualsIgnoringCase(arguments.substr(0, keyword.size()), keyword))
    return std::nullopt;
  arguments.remove_prefix(keyword.size());
  while (!arguments.empty() && (arguments.front() == ' ' || arguments.front() == '\t')) arguments.remove_prefix(1);
  if (arguments.empty()) return std::nullopt;
  return arguments;
}

// Nothing is behind the recipient that mail could be given to.
Reply NowhereReply(const Recipient& recipient, const routing::Resolution& resolution, const std::string& start) {
  const auto& failures = resolution.undeliverable;
  if (!failures.empty() && failures[0].status != "5.1.1") return {550, failures[0].status, start + failures[0].text};
  // Of an alias that names nobody we say what Postfix says of its own name.
  const bool local = !recipient.rewritten.domain.empty() && !failures.empty() && !failures[0].way.passed.empty();
  return {550, "5.1.1", start + "User unknown in " + (local ? "local recipient table" : "virtual mailbox table")};
}

}  // namespace

void SmtpSession::ResetTransaction(Context& context) {
  if (transaction_ && transaction_->incoming) DropMessage(context);
  transaction_.reset();
  bdat_ = BdatState::kNone;
}

Facts SmtpSession::MakeFacts(Phase phase) const {
  Facts facts;
  facts.service = service_.get();
  facts.routing = &config_->routing;
  facts.phase = phase;
  facts.client = peer_.remote.address;
  facts.client_name = client_name_ ? &*client_name_ : nullptr;
  facts.helo = helo_;
  facts.helo_verb = helo_verb_;
  facts.esmtp = esmtp_;
  facts.sasl_user = sasl_user_;
  facts.login_is_undecided = login_is_undecided_;
  facts.tls = tls_.active();
  facts.input_waiting = pipelined_out_of_turn_;
  if (phase != Phase::kConnect)
    facts.deferred = phase == Phase::kHelo || helo_.empty() ? connect_deferred_ : helo_deferred_;
  if (transaction_) {
    if (phase != Phase::kMail && phase != Phase::kHelo) facts.deferred = transaction_->deferred;
    facts.has_sender = true;
    facts.null_sender = transaction_->null_sender;
    facts.sender = transaction_->sender;
    facts.sender_rewritten = transaction_->sender_rewritten;
    facts.recipient_count = static_cast<uint32_t>(transaction_->recipients.size());
  }
  return facts;
}

std::optional<Reply> SmtpSession::Judge(const Facts& facts, Context& context) {
  if (transaction_ && transaction_->actions.discard) return std::nullopt;  // nobody gets it: there is nothing to judge
  Verdict verdict = Evaluate(facts);
  if (facts.phase == Phase::kConnect) connect_deferred_ = verdict.deferred;
  if (facts.phase == Phase::kHelo) helo_deferred_ = verdict.deferred;
  if (facts.phase == Phase::kMail && transaction_) transaction_->deferred = verdict.deferred;
  if (verdict.kind == Verdict::Kind::kNeed) {
    // The client's name is known before the first command: only a fault of ours leads here. Never a permission.
    verdict.kind = Verdict::Kind::kReject;
    verdict.reply = ConfigurationError();
  }
  LogRefusal(facts, verdict, context);
  MergeActions(std::move(verdict.actions));
  if (verdict.rejects()) return std::move(verdict.reply);
  return std::nullopt;
}

void SmtpSession::MergeActions(Actions actions) {
  if (!transaction_) return;
  Actions& all = transaction_->actions;
  all.hold |= actions.hold;
  all.discard |= actions.discard;
  for (std::string& line : actions.prepend) {
    if (std::find(all.prepend.begin(), all.prepend.end(), line) == all.prepend.end())
      all.prepend.push_back(std::move(line));
  }
  if (!actions.redirect.empty()) all.redirect = std::move(actions.redirect);
  for (std::string& address : actions.bcc) {
    if (std::find(all.bcc.begin(), all.bcc.end(), address) == all.bcc.end()) all.bcc.push_back(std::move(address));
  }
}

// ---- MAIL -----------------------------------------------------------------------------------------------------------

void SmtpSession::HandleMail(const Command& command, Context& context) {
  if (service_->helo_required && helo_.empty()) return Answer(NeedHello(), context);
  if (transaction_) return Answer(NestedMail(), context);
  if (bdat_ != BdatState::kNone) return Answer({503, "5.5.1", "Error: MAIL after BDAT"}, context);
  auto text = AfterKeyword(command.arguments, "FROM:");
  if (!text) return Answer(Syntax("MAIL FROM:<address>"), context);
  const std::string_view shown = *text;
  const auto path = routing::TakePath(
      &*text, service_->strict_rfc821_envelopes ? routing::PathForm::kStrict : routing::PathForm::kTolerant);
  if (!path || (path->internationalized && !service_->smtputf8)) {
    Log(context,
        "warning: Illegal address syntax from " + ClientForLog() + " in MAIL command: " + EscapeForLog(shown, 100),
        Severity::kWarning);
    return Answer(BadSenderSyntax(), context);
  }
  Transaction transaction;
  const MailOptions offered{.smtputf8 = service_->smtputf8 && Offers("smtputf8"), .dsn = Offers("dsn")};
  if (auto refusal = ParseMailParameters(*text, offered, &transaction.parameters)) return Answer(*refusal, context);

  transaction.null_sender = path->null;
  transaction.sender = path->mailbox;
  if (!path->null)
    transaction.sender_rewritten = routing::Rewrite(path->mailbox, routing::Role::kSender, config_->routing);
  transaction.smtputf8 = transaction.parameters.smtputf8 || path->internationalized;
  transaction.trace_id = context.entropy.Hex(32);
  transaction.began = context.now;
  transaction_ = std::move(transaction);
  const Facts facts = MakeFacts(Phase::kMail);
  std::optional<Reply> refusal;
  // RFC 1870 section 6.1.
  if (service_->message_size_limit != 0 &&
      transaction_->parameters.size_bytes.value_or(0) > service_->message_size_limit) {
    refusal = SizeExceedsLimit();
    LogRefusal(facts, {.kind = Verdict::Kind::kReject, .reply = *refusal}, context);
  } else {
    refusal = Judge(facts, context);
  }
  if (refusal) {
    transaction_.reset();
    return Answer(*refusal, context);
  }
  Answer({250, "2.1.0", "Ok"}, context);
}

// ---- RCPT -----------------------------------------------------------------------------------------------------------

void SmtpSession::HandleRcpt(const Command& command, Context& context) {
  if (!transaction_) return Answer(NeedMail(), context);
  if (bdat_ != BdatState::kNone) return Answer({503, "5.5.1", "Error: RCPT after BDAT"}, context);
  auto text = AfterKeyword(command.arguments, "TO:");
  if (!text) return Answer(Syntax("RCPT TO:<address>"), context);
  const std::string_view shown = *text;
  const auto path = routing::TakePath(
      &*text, service_->strict_rfc821_envelopes ? routing::PathForm::kStrict : routing::PathForm::kTolerant);
  if (!path || path->null || (path->internationalized && !service_->smtputf8)) {
    Log(context,
        "warning: Illegal address syntax from " + ClientForLog() + " in RCPT command: " + EscapeForLog(shown, 100),
        Severity::kWarning);
    return Answer(BadRecipientSyntax(), context);
  }
  Recipient recipient;
  if (auto refusal = ParseRcptParameters(*text, Offers("dsn"), &recipient.parameters)) return Answer(*refusal, context);
  if (service_->recipient_limit != 0 && transaction_->recipients.size() >= service_->recipient_limit) {
    // smtpd_recipient_overshoot_limit: so many times it is no error of the client's.
    const uint32_t errors = error_count_;
    const bool counts = transaction_->overshoot_count++ >= service_->recipient_overshoot_limit;
    Answer(TooManyRecipients(), context);
    if (!counts && !gone_) error_count_ = errors;
    return;
  }
  recipient.given = path->mailbox;
  recipient.rewritten = routing::Rewrite(path->mailbox, routing::Role::kRecipient, config_->routing);
  if (auto refusal = JudgeRecipient(&recipient, context)) return Answer(*refusal, context);
  transaction_->smtputf8 |= path->internationalized;
  if (transaction_->queue_id.empty()) {
    transaction_->queue_id = directory_.NextQueueId(context);
    std::string line = transaction_->queue_id + ": client=" + ClientForLog();
    if (!sasl_method_.empty())
      line += ", sasl_method=" + sasl_method_ + ", sasl_username=" + EscapeForLog(sasl_user_, 255);
    Fields fields{{"email.local_id", transaction_->queue_id}, {"event.action", "message.begun"}};
    if (!sasl_method_.empty())
      fields.insert(fields.end(), {{"user.name", sasl_user_}, {"auth.mechanism", sasl_method_}});
    Log(context, std::move(line), Severity::kInfo, std::move(fields));
  }
  transaction_->recipients.push_back(std::move(recipient));
  Answer({250, "2.1.5", "Ok"}, context);
}

std::optional<Reply> SmtpSession::JudgeRecipient(Recipient* recipient, Context& context) {
  Facts facts = MakeFacts(Phase::kRcpt);
  facts.has_recipient = true;
  facts.recipient = recipient->given;
  facts.recipient_rewritten = recipient->rewritten;
  const bool skip = PLANTED("relay_check_skipped_after_local") && !transaction_->recipients.empty() &&
                    !transaction_->recipients.back().locals.empty();
  if (!skip) {
    if (auto refusal = Judge(facts, context)) return refusal;
  }
  if (transaction_->actions.discard) return std::nullopt;
  auto refusal = ResolveRecipient(recipient, context);
  if (refusal) LogRefusal(facts, {.kind = Verdict::Kind::kReject, .reply = *refusal}, context);
  return refusal;
}

// Where the recipient leads, once and for all: nothing that comes later in the session changes it.
std::optional<Reply> SmtpSession::ResolveRecipient(Recipient* recipient, Context& context) const {
  const std::string start = "<" + recipient->given.Key() + ">: Recipient address rejected: ";
  const routing::Mailbox* sender = transaction_->null_sender ? nullptr : &transaction_->sender_rewritten;
  auto resolution = routing::Resolve(recipient->rewritten, sender, config_->routing);
  if (!resolution.ok()) {
    Log(context, "warning: " + QueueIdForLog() + ": " + EscapeForLog(Message(resolution.status())), Severity::kWarning);
    return Reply{451, "4.3.0", start + "Temporary lookup failure"};
  }
  // RFC 5321 section 4.5.1 has <postmaster> always be taken. Deviation: where it leads nowhere that is said at once,
  // instead of taking the message and sending it back.
  if (resolution->destinations.empty()) return NowhereReply(*recipient, *resolution, start);
  const AskedRecipient asked{.original = recipient->given.Key(),
                             .original_recipient = recipient->parameters.original_recipient.value_or(""),
                             .notify = recipient->parameters.notify};
  for (const routing::Destination& destination : resolution->destinations) {
    recipient->passed.insert(recipient->passed.end(), destination.way.passed.begin(), destination.way.passed.end());
    RemoteRecipient remote = ForTheQueue(destination, asked, resolution->expanded);
    if (std::holds_alternative<routing::QueueTarget>(destination.target)) {
      recipient->remotes.push_back(std::move(remote));
      continue;
    }
    LocalRecipient local{.address = std::move(remote.queued.address),
                         .original = std::move(remote.queued.original),
                         .sender = std::move(remote.sender),
                         .delivered_to = std::move(remote.delivered_to),
                         .original_recipient = std::move(remote.queued.original_recipient),
                         .notify = remote.queued.notify};
    if (const auto* maildir = std::get_if<routing::MaildirTarget>(&destination.target)) {
      local.target.maildir = maildir->maildir;
      local.owner = maildir->owner;
    } else if (auto refusal = FindMailbox(std::get<routing::UserTarget>(destination.target).user, &local, context)) {
      refusal->text = start + refusal->text;
      return refusal;
    }
    recipient->locals.push_back(std::move(local));
  }
  if (auto told = ForTheNotice(recipient->rewritten, *resolution, asked, transaction_->null_sender)) {
    recipient->remotes.push_back(*std::move(told));
  }
  // Some of an alias's targets do not exist: whoever sent the message is to hear of it, the others get theirs.
  for (const routing::Undeliverable& failure : resolution->undeliverable) {
    recipient->passed.insert(recipient->passed.end(), failure.way.passed.begin(), failure.way.passed.end());
    recipient->remotes.push_back(ForTheQueue(failure, asked, resolution->expanded));
  }
  return std::nullopt;
}

std::optional<Reply> SmtpSession::FindMailbox(const std::string& user, LocalRecipient* local, Context& context) const {
  const auto account = LocateUser(user, *config_);
  if (account.ok()) {
    local->target.maildir = account->maildir;
    local->owner = account->owner;
    return std::nullopt;
  }
  if (account.status().code() == StatusCode::kNotFound)
    return Reply{550, "5.1.1", "User unknown in virtual mailbox table"};
  Log(context, "warning: " + EscapeForLog(Message(account.status())), Severity::kWarning);
  return Reply{451, "4.3.0", "Temporary lookup failure"};
}

// ---- VRFY -----------------------------------------------------------------------------------------------------------

void SmtpSession::HandleVrfy(const Command& command, Context& context) {
  if (service_->disable_vrfy) return Answer({502, "5.5.1", "VRFY command is disabled"}, context);
  std::string_view text = command.arguments;
  constexpr std::string_view kUtf8 = " SMTPUTF8";
  if (text.size() > kUtf8.size() && EqualsIgnoringCase(text.substr(text.size() - kUtf8.size()), kUtf8))
    text.remove_suffix(kUtf8.size());
  if (text.empty()) return Answer(Syntax("VRFY address [SMTPUTF8]"), context);
  const std::string shown(text);
  const auto path = routing::TakePath(&text, routing::PathForm::kTolerant);
  if (!path || path->null || !text.empty() || (path->internationalized && !service_->smtputf8))
    return Answer(BadRecipientSyntax(), context);
  Facts facts = MakeFacts(Phase::kVrfy);
  facts.has_recipient = true;
  facts.recipient = path->mailbox;
  facts.recipient_rewritten = routing::Rewrite(path->mailbox, routing::Role::kRecipient, config_->routing);
  if (const auto refusal = Judge(facts, context)) return Answer(*refusal, context);
  Answer({252, "2.0.0", shown}, context);
}

}  // namespace postern::smtp
