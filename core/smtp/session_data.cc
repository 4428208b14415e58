// DATA and BDAT: the message's bytes, from the client to memory or to files of tmp/.
#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"
#include "core/message/date.h"
#include "core/message/trace.h"
#include "core/smtp/session.h"

namespace postern::smtp {
namespace {

// Trace fields as a Maildir file has them.
std::string WithoutCr(std::string text) {
  std::erase(text, '\r');
  return text;
}

message::DateTime WhenOf(const Now& now) {
  return {.unix_seconds = now.wall.seconds(), .zone_minutes = now.utc_offset_seconds / 60};
}

}  // namespace

// ---- commands -------------------------------------------------------------------------------------------------------

void SmtpSession::HandleData(const Command& command, Context& context) {
  if (bdat_ != BdatState::kNone) return Answer({503, "5.5.1", "Error: DATA after BDAT"}, context);
  if (!transaction_) return Answer(NeedRcpt(), context);
  if (transaction_->recipients.empty()) return Answer(NoValidRecipients(), context);
  if (!command.arguments.empty()) return Answer(Syntax("DATA"), context);
  if (const auto refusal = Judge(MakeFacts(Phase::kData), context)) return Answer(*refusal, context);
  SendReply({354, "", "End data with <CR><LF>.<CR><LF>"}, context);
  BeginMessage(false, context);
  state_ = Receiving{};
}

// RFC 3030 section 2: the chunk follows whatever we think of it, and is read before it is refused.
void SmtpSession::HandleBdat(const Command& command, std::string_view line, Context& context) {
  if (!Offers("chunking")) return Answer({521, "5.5.1", "Error: command not implemented"}, context);
  const auto arguments = ParseBdat(command.arguments);
  if (!arguments) {
    Log(context,
        "warning: " + QueueIdForLog() + ": malformed BDAT command syntax from " + ClientForLog() + ": " +
            EscapeForLog(line, 100),
        Severity::kWarning);
    return Answer({521, "5.5.4", "Syntax: BDAT count [LAST]"}, context);  // nobody knows where the next command begins
  }
  Receiving receiving{.bdat = true,
                      .last = arguments->last,
                      .chunk_bytes = arguments->chunk_bytes,
                      .chunk_left_bytes = arguments->chunk_bytes};
  receiving.refusal = BdatRefusal(*arguments);
  if (!receiving.refusal && bdat_ == BdatState::kNone) receiving.refusal = Judge(MakeFacts(Phase::kData), context);
  if (receiving.refusal) {
    if (transaction_ && transaction_->incoming) DropMessage(context);
    bdat_ = BdatState::kFailed;
  } else if (bdat_ == BdatState::kNone) {
    BeginMessage(true, context);
    bdat_ = BdatState::kStarted;
  }
  state_ = std::move(receiving);
  if (arguments->chunk_bytes == 0) EndOfMessage(context);
}

std::optional<Reply> SmtpSession::BdatRefusal(const BdatArguments& arguments) const {
  // Many of these would be work without an end.
  if (arguments.chunk_bytes == 0 && !arguments.last) return Reply{551, "5.7.1", "Null BDAT request"};
  if (bdat_ == BdatState::kFailed) {
    return Reply{551, "5.0.0", "Discarded " + std::to_string(arguments.chunk_bytes) + " bytes after earlier error"};
  }
  if (service_->tls_level == config::TlsLevel::kEncrypt && !tls_.active()) return MustStartTls();
  if (!transaction_) return NeedRcpt();
  if (transaction_->recipients.empty()) return NoValidRecipients();
  const uint64_t limit = service_->message_size_limit;  // of the whole message: MessageRefusal()
  if (limit != 0 && arguments.chunk_bytes > limit) {
    return Reply{552, "5.3.4", "Chunk exceeds message size limit"};
  }
  return std::nullopt;
}

// ---- the message's beginning ----------------------------------------------------------------------------------------

void SmtpSession::BeginMessage(bool bdat, Context& context) {
  transaction_->incoming = std::make_unique<Incoming>(
      DotReader(DotReader::BareLineEnd::kNormalize, {.message_bytes_max = service_->message_size_limit},
                bdat ? DotReader::Framing::kChunks : DotReader::Framing::kDots),
      HeaderFilter(FilterOptions(context)));
  Incoming& incoming = *transaction_->incoming;
  const std::string received = ReceivedField(context);
  OutgoingMessage& outgoing = incoming.outgoing;
  outgoing.queue_directory = config_->routing.queue_directory;
  outgoing.folder = transaction_->actions.hold ? queue::Folder::kHold : queue::Folder::kIncoming;
  outgoing.queue_folders_last = directory_.durable_folders().Has(queue::SpoolDir(outgoing.queue_directory));
  outgoing.received = received;
  outgoing.rescue = !is_lmtp();
  outgoing.envelope = {.id = transaction_->queue_id,
                       .arrived_us = transaction_->began.wall.us,
                       .null_sender = transaction_->null_sender,
                       .sender = transaction_->sender_rewritten,
                       .trace_id = transaction_->trace_id,
                       .body = transaction_->parameters.body == BodyKind::k8BitMime ? "8BITMIME" : "",
                       .smtputf8 = transaction_->smtputf8,
                       .ret = transaction_->parameters.ret == Return::kFull      ? "FULL"
                              : transaction_->parameters.ret == Return::kHeaders ? "HDRS"
                                                                                 : "",
                       .envelope_id = transaction_->parameters.envelope_id.value_or(""),
                       .client_name = client_name_->name.empty() ? "unknown" : client_name_->name,
                       .client_address = peer_.remote.address.ToString(),
                       .helo = helo_,
                       .protocol = esmtp_ ? "ESMTP" : "SMTP",
                       .sasl_method = sasl_method_,
                       .sasl_username = sasl_user_};
  incoming.discard = transaction_->actions.discard;
  if (!incoming.discard) AddTargets(&incoming, received, context);
}

// Each final address once; each Maildir's prefix; a writer an owner.
void SmtpSession::AddTargets(Incoming* incoming, const std::string& received, Context& context) {
  OutgoingMessage& outgoing = incoming->outgoing;
  std::set<std::string> seen;  // final addresses: duplicates after alias expansion collapse
  const std::string reverse_path = transaction_->null_sender ? "" : transaction_->sender_rewritten.Quoted();
  const auto next_id = [this, &context] { return directory_.NextQueueId(context); };
  for (Recipient& recipient : FinalRecipients(context)) {
    for (LocalRecipient& local : recipient.locals) {
      if (!seen.insert(LowerCase(local.address.Key())).second) continue;
      // Who asked to hear of it (RFC 3461 section 5.2) is told by the queue manager, which writes all notices.
      const bool told = (local.notify & kNotifySuccess) != 0 && !transaction_->null_sender && !local.sender;
      if (transaction_->actions.hold || told) {
        AddToQueue({.queued = {.address = local.address,
                               .transport = "virtual",
                               .original = local.original,
                               .original_recipient = local.original_recipient,
                               .notify = local.notify},
                    .sender = local.sender,
                    .delivered_to = local.delivered_to},
                   next_id, &outgoing);
        continue;
      }
      local.target.prefix = MailboxFields(local, reverse_path, *config_) + received;
      local.target.base = MaildirName(context);
      local.folders_last = directory_.durable_folders().Has(local.target.maildir);
      outgoing.locals.push_back(std::move(local));
    }
    for (RemoteRecipient& remote : recipient.remotes) {
      if (!seen.insert(KeyOf(remote.queued)).second) continue;
      AddToQueue(std::move(remote), next_id, &outgoing);
    }
  }
  std::vector<FileOwner> owners;
  std::vector<std::vector<mailbox::MessageWriter::Target>> targets;
  for (const LocalRecipient& local : outgoing.locals) {
    const auto owner = std::find(owners.begin(), owners.end(), local.owner);
    const auto index = static_cast<size_t>(owner - owners.begin());
    if (owner == owners.end()) {
      owners.push_back(local.owner);
      targets.emplace_back();
    }
    targets[index].push_back(
        {.tmp_path = local.target.maildir + "/tmp/" + local.target.base, .prefix = local.target.prefix});
  }
  for (size_t i = 0; i < owners.size(); ++i) incoming->writers.emplace_back(std::move(targets[i]), owners[i]);
  std::vector<mailbox::MessageWriter::Target> queued = SpillTargets(&outgoing);
  if (queued.empty()) return;
  incoming->queue_checksums.resize(queued.size());
  incoming->writers.emplace_back(std::move(queued), FileOwner{});
  incoming->has_queue_writer = true;
}

// The recipients, or the one that REDIRECT names, and those that BCC adds.
std::vector<Recipient> SmtpSession::FinalRecipients(Context& context) const {
  std::vector<Recipient> recipients;
  const auto add = [&](const std::string& address) {
    const auto mailbox = routing::ParseMailbox(address);
    if (!mailbox) return;
    Recipient recipient{.given = *mailbox,
                        .rewritten = routing::Rewrite(*mailbox, routing::Role::kRecipient, config_->routing)};
    if (const auto refusal = ResolveRecipient(&recipient, context)) {
      Log(context, "warning: " + QueueIdForLog() + ": " + EscapeForLog(OneLine(*refusal)), Severity::kWarning);
    } else {
      recipients.push_back(std::move(recipient));
    }
  };
  if (!transaction_->actions.redirect.empty()) add(transaction_->actions.redirect);
  if (recipients.empty()) recipients = transaction_->recipients;
  for (const std::string& address : transaction_->actions.bcc) add(address);
  return recipients;
}

// Unique in the process by the queue id, over restarts by the start counter, over hosts by the host's name.
std::string SmtpSession::MaildirName(Context& context) {
  const mailbox::NodeFacts& node = directory_.node();
  char time[40];
  const int64_t seconds = context.now.wall.seconds();
  std::snprintf(time, sizeof time, "%lld.M%06lld", static_cast<long long>(seconds),
                static_cast<long long>(context.now.wall.us - seconds * 1'000'000));
  return std::string(time) + "P" + std::to_string(node.pid) + "R" + std::to_string(node.start_counter) + "V" +
         transaction_->queue_id + "_" + std::to_string(next_tag_++) + "." + node.host_name;
}

std::string SmtpSession::ReceivedField(Context& context) const {
  std::string text;
  for (const std::string& line : transaction_->actions.prepend) text += line + "\r\n";
  message::ReceivedFacts facts;
  facts.helo = helo_;
  facts.client_name = client_name_->name.empty() ? "unknown" : client_name_->name;
  facts.client_address = peer_.remote.address.ToString();
  if (service_->tls_received_header && tls_.active()) {
    facts.tls = message::ReceivedTls{.protocol = tls_.protocol,
                                     .cipher = tls_.cipher,
                                     .used_bits = tls_.secret_bits,
                                     .algorithm_bits = tls_.algorithm_bits,
                                     .details = tls_.details};
  }
  if (service_->sasl_authenticated_header) facts.authenticated_sender = sasl_user_;
  facts.host = config_->routing.myhostname;
  facts.mail_name = config_->routing.mail_name;
  facts.protocol = transaction_->parameters.smtputf8 ? "UTF8SMTP" : esmtp_ ? "ESMTP" : "SMTP";  // RFC 6531 section 4.3
  facts.with_tls = tls_.active() && esmtp_;
  facts.with_auth = !sasl_user_.empty() && esmtp_;
  facts.id = transaction_->queue_id;
  if (transaction_->recipients.size() == 1) facts.recipient = transaction_->recipients[0].rewritten.Quoted();
  facts.when = WhenOf(context.now);
  message::AppendReceived(facts, &text);
  return WithoutCr(std::move(text));
}

// Of a client that local_header_rewrite_clients names, and with always_add_missing_headers of every one, what was left
// out is put in, as cleanup does (RFC 6409 section 8).
HeaderFilter::Options SmtpSession::FilterOptions(Context& context) const {
  HeaderFilter::Options options{.field_bytes_max = service_->header_size_limit, .drop = config_->routing.headers.drop};
  if (!config_->routing.headers.always_add_missing_headers && !headers_are_completed()) return options;
  AskForMissingFields(config_->routing, transaction_->queue_id, context.now,
                      transaction_->null_sender ? "MAILER-DAEMON" : transaction_->sender_rewritten.Quoted(), &options);
  return options;
}

bool SmtpSession::headers_are_completed() const {
  const config::LocalClients& clients = service_->local_header_clients;
  const auto& own = config_->routing.own_addresses;
  const IpAddress& client = peer_.remote.address;
  return (clients.inet_interfaces && std::find(own.begin(), own.end(), client) != own.end()) ||
         (clients.mynetworks && client_is_trusted()) || (clients.sasl_authenticated && !sasl_user_.empty()) ||
         clients.addresses.Find(client.ToString()).has_value();
}

// ---- its bytes ------------------------------------------------------------------------------------------------------

size_t SmtpSession::TakeMessageBytes(std::string_view in, Context& context) {
  auto& receiving = std::get<Receiving>(state_);
  if (receiving.bdat) in = in.substr(0, std::min<uint64_t>(in.size(), receiving.chunk_left_bytes));
  size_t taken = in.size();
  if (!receiving.refusal) {
    Incoming& incoming = *transaction_->incoming;
    incoming.unfolded.clear();
    taken = incoming.reader.Feed(in, &incoming.unfolded).consumed_bytes;
    incoming.edited.clear();
    incoming.filter.Feed(incoming.unfolded, &incoming.edited);
    StoreBytes(&incoming, context);
  }
  if (receiving.bdat) {
    receiving.chunk_left_bytes -= taken;
    if (receiving.chunk_left_bytes == 0) EndOfMessage(context);
  } else if (transaction_->incoming->reader.ended()) {
    EndOfMessage(context);
  }
  return taken;
}

void SmtpSession::StoreBytes(Incoming* incoming, Context& context) {
  if (incoming->discard || incoming->reader.too_large() || BareLineFeedRefusal()) return;
  for (const auto& writer : incoming->writers) {
    if (!writer.status().ok()) return;  // it is lost: the rest is only read
  }
  for (auto& writer : incoming->writers) writer.Add(incoming->edited);
  FlushWriters(context);
}

// What must go to disk now. The first plan of each writer makes the folders it writes to.
void SmtpSession::FlushWriters(Context& context) {
  Incoming& incoming = *transaction_->incoming;
  for (size_t i = 0; i < incoming.writers.size(); ++i) {
    auto& writer = incoming.writers[i];
    auto plan = writer.TakePlan();
    if (!plan) continue;
    const bool queue = incoming.has_queue_writer && i + 1 == incoming.writers.size();
    if (queue) {
      PrepareSpill(writer.targets(), incoming.outgoing.queue_directory, &*plan, &incoming.queue_checksums);
    } else if (std::get<Append>(plan->stages[0][0]).at_bytes == 0) {
      Stage folders;
      for (const auto& target : writer.targets()) {
        const Path maildir = target.tmp_path.substr(0, target.tmp_path.rfind("/tmp/"));
        for (const char* part : {"/cur", "/new", "/tmp"}) folders.push_back(MakeDir{maildir + part});
      }
      plan->stages.insert(plan->stages.begin(), std::move(folders));
    }
    const uint64_t tag = next_tag_++;
    writer_plans_.emplace_back(tag, i);
    ++open_operations_;
    context.out.Put(Commit{.op = {MachineOf(conn_), tag}, .plan = *std::move(plan)});
  }
}

void SmtpSession::OnWriterDone(size_t index, const PlanResult& result, Context& context) {
  if (!transaction_ || !transaction_->incoming || index >= transaction_->incoming->writers.size()) return;
  transaction_->incoming->writers[index].OnPlanDone(result);
  const auto* receiving = std::get_if<Receiving>(&state_);
  if (receiving != nullptr && receiving->ended) return FinishMessage(context);
  FlushWriters(context);
}

// The last byte of the message or of a chunk is here.
void SmtpSession::EndOfMessage(Context& context) {
  auto& receiving = std::get<Receiving>(state_);
  if (receiving.refusal) {
    const Reply refusal = *receiving.refusal;
    const bool last = receiving.last;
    state_ = Commands{};
    if (last) ResetTransaction(context);
    return Answer(refusal, context);
  }
  Incoming& incoming = *transaction_->incoming;
  if (receiving.bdat && !receiving.last) {
    if (const auto refusal = BareLineFeedRefusal()) {
      DropMessage(context);
      bdat_ = BdatState::kFailed;
      state_ = Commands{};
      return Answer(*refusal, context);
    }
    const std::string text = "Ok: " + std::to_string(receiving.chunk_bytes) + " bytes";
    state_ = Commands{};
    return Answer({250, "2.0.0", text}, context);
  }
  incoming.unfolded.clear();
  incoming.edited.clear();
  if (receiving.bdat) {
    incoming.reader.Finish(&incoming.unfolded);
    incoming.filter.Feed(incoming.unfolded, &incoming.edited);
  }
  incoming.filter.Finish(&incoming.edited);
  for (auto& writer : incoming.writers) {
    writer.Add(incoming.edited);
    writer.End();
  }
  receiving.ended = true;
  FlushWriters(context);
  FinishMessage(context);
}

// All is here; goes on once what was spilled is written.
void SmtpSession::FinishMessage(Context& context) {
  Incoming& incoming = *transaction_->incoming;
  if (!incoming.complete()) FlushWriters(context);
  if (!incoming.complete() || incoming.plan_open()) return;
  const auto refusal = MessageRefusal(context);
  where_ = "END-OF-MESSAGE";
  if (!refusal || PLANTED("refused_message_delivered")) {
    BeginCommit(context);
    if (!refusal) return;
    std::get<Committing>(state_).answered = true;  // planted bug: what is refused is delivered all the same
    return Answer(*refusal, context);
  }
  state_ = Commands{};
  const size_t answers = is_lmtp() ? transaction_->recipients.size() : 1;
  ResetTransaction(context);
  AnswerMessage(std::vector<Reply>(answers, *refusal), context);
}

// smtpd_forbid_bare_newline = reject. The message is read to its true end first, so that nothing in it can pass for a
// command.
std::optional<Reply> SmtpSession::BareLineFeedRefusal() const {
  if (service_->forbid_bare_newline != config::SmtpService::BareNewline::kReject ||
      !transaction_->incoming->reader.saw_bare_lf())
    return std::nullopt;
  Reply reply = BareLineFeed();
  reply.text = config_->routing.myhostname + " " + reply.text;
  return reply;
}

std::optional<Reply> SmtpSession::MessageRefusal(Context& context) {
  const Incoming& incoming = *transaction_->incoming;
  if (auto refusal = BareLineFeedRefusal()) {
    Log(context, "warning: " + QueueIdForLog() + ": bare <LF> received from " + ClientForLog(), Severity::kWarning);
    return refusal;
  }
  if (incoming.reader.too_large()) {
    Log(context, "warning: " + QueueIdForLog() + ": queue file size limit exceeded", Severity::kWarning);
    return MessageTooBig();
  }
  if (service_->hopcount_limit != 0 && incoming.filter.received_count() > service_->hopcount_limit) {
    Log(context, "warning: " + QueueIdForLog() + ": too many hops", Severity::kWarning);
    return TooManyHops();
  }
  if (auto refusal = LoopRefusal(); refusal) {
    Log(context, "warning: " + QueueIdForLog() + ": " + EscapeForLog(refusal->text), Severity::kWarning);
    return refusal;
  }
  for (const auto& writer : incoming.writers) {
    if (writer.status().ok()) continue;
    Log(context, "warning: " + QueueIdForLog() + ": message write failed: " + EscapeForLog(Message(writer.status())),
        Severity::kWarning, {{"event.action", "fs.error"}});
    return writer.status().code() == StatusCode::kResourceExhausted ? NoStorage() : WriteError();
  }
  return Judge(MakeFacts(Phase::kEndOfMessage), context);
}

// A name of the local class has passed this message on before (local(8): "mail forwarding loop"). Deviation: it is
// refused here, to all its recipients, instead of being sent back for the one.
std::optional<Reply> SmtpSession::LoopRefusal() const {
  const std::vector<std::string>& before = transaction_->incoming->filter.delivered_to();
  if (before.empty()) return std::nullopt;
  for (const Recipient& recipient : transaction_->recipients) {
    for (const routing::Mailbox& passed : recipient.passed) {
      if (std::find(before.begin(), before.end(), LowerCase(passed.Quoted())) == before.end()) continue;
      return Reply{554, "5.4.6", "Error: mail forwarding loop for " + passed.Key()};
    }
  }
  return std::nullopt;
}

// The message will not be: what was written of it goes.
void SmtpSession::DropMessage(Context& context) {
  const auto& writers = transaction_->incoming->writers;
  for (size_t i = 0; i < writers.size(); ++i) {
    FilePlan plan = writers[i].AbortPlan();
    if (plan.stages.empty()) continue;
    const auto open =
        std::find_if(writer_plans_.begin(), writer_plans_.end(), [i](const auto& p) { return p.second == i; });
    if (open != writer_plans_.end()) {  // after what is being written, or it would be written anew
      aborts_.emplace_back(open->first, std::move(plan));
    } else {
      CommitAbort(std::move(plan), context);
    }
  }
  writer_plans_.clear();
  transaction_->incoming.reset();
}

void SmtpSession::CommitAbort(FilePlan plan, Context& context) {
  ++open_operations_;
  context.out.Put(Commit{.op = {MachineOf(conn_), next_tag_++}, .plan = std::move(plan)});
}

}  // namespace postern::smtp
