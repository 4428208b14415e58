#include "core/outbound/courier.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/ascii.h"
#include "core/outbound/sasl_passwords.h"

namespace postern::outbound {
namespace {

// What may lie unsent in the connection before the next piece of a message is read.
constexpr uint64_t kUndrainedBytesMax = 256 * 1024;

smtp::BodyKind BodyKindOf(std::string_view body) {
  if (body == "7BIT") return smtp::BodyKind::k7Bit;
  return body == "8BITMIME" ? smtp::BodyKind::k8BitMime : smtp::BodyKind::kUnspecified;
}

smtp::Return ReturnOf(std::string_view ret) {
  if (ret == "FULL") return smtp::Return::kFull;
  return ret == "HDRS" ? smtp::Return::kHeaders : smtp::Return::kUnspecified;
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != ',' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace

bool Courier::lmtp() const {
  const auto* network = std::get_if<NetworkHop>(&hop_);
  return network == nullptr || network->lmtp;
}

uint64_t Courier::NextSequence() {
  if (++next_sequence_ == kTagsCount) next_sequence_ = kFirstQuestion;
  return next_sequence_;
}

// ---- a delivery ----------------------------------------------------------------------------------------------------

void Courier::Begin(Load load, Context& context) {
  reused_ = dialogue_ != nullptr && dialogue_->ready();
  load_ = std::move(load);
  left_ = load_->recipients;
  settled_.clear();
  carried_.clear();
  any_sent_ = any_answered_ = job_sent_ = false;
  last_reason_ = {};
  began_ = context.now.mono;
  if (reused_) {
    BeginJob(context);
    Perform(context);
    return;
  }
  if (const auto* network = std::get_if<NetworkHop>(&hop_)) walk_.emplace(*network, config_);
  Advance(context);
}

// The next host, or the end.
void Courier::Advance(Context& context) {
  while (load_ && !connecting_ && !conn_) {
    if (left_.empty()) return Finish();
    if (const auto* socket = std::get_if<SocketHop>(&hop_)) {
      if (attempt_) {  // there is one socket
        SettleRest(last_reason_.status.empty() ? "4.3.0" : last_reason_.status, last_reason_.text, true);
        return Finish();
      }
      HostWalk::Try only;
      only.address.host = config_->routing.myhostname;
      only.site = {.text = socket->path, .host = config_->routing.myhostname};
      only.final_before_transaction = only.final_in_transaction = true;
      BeginTry(only, context);
      continue;
    }
    auto step = walk_->Next(context.entropy);
    if (auto* ask = std::get_if<HostWalk::Ask>(&step)) {
      for (const DnsQuestion& question : ask->questions) Ask(question, context);
      return;
    }
    if (auto* end = std::get_if<HostWalk::End>(&step)) {
      OnEnd(*end);
      return Finish();
    }
    BeginTry(std::get<HostWalk::Try>(step), context);
    if (tlsa_) return;
  }
}

void Courier::OnEnd(const HostWalk::End& end) {
  last_reason_ = {end.status, end.text};
  const bool permanent = end.status.starts_with('5');
  for (const uint32_t recipient : std::exchange(left_, {})) {
    carried_.push_back({recipient,
                        {.fate = permanent ? Fate::kFailed : Fate::kDeferred,
                         .blames_host = !permanent,
                         .status = end.status,
                         .relay = "none",
                         .text = end.text}});
  }
}

void Courier::Ask(const DnsQuestion& question, Context& context) {
  const uint64_t sequence = NextSequence();
  questions_[sequence] = question;
  context.out.Put(postern::Ask{.op = Op(sequence), .question = question});
}

void Courier::BeginTry(const HostWalk::Try& attempt, Context& context) {
  attempt_ = attempt;
  destination_ = {.text = attempt.site.text,
                  .nexthop = attempt.site.host,
                  .host = attempt.address.host,
                  .port = attempt.site.port,
                  .lmtp = lmtp(),
                  .by_mx = attempt.facts.by_mx,
                  .mx_secure = attempt.facts.mx_secure,
                  .mx_name = attempt.facts.mx_name,
                  .mx_canonical_name = attempt.facts.mx_canonical_name};
  tlsa_.reset();
  if (!attempt.plaintext && NeedsTlsa(destination_, client())) {
    tlsa_.emplace(attempt.address, attempt.site.port, client().tls.force_insecure_host_tlsa_lookup);
    if (tlsa_->question()) return Ask(*tlsa_->question(), context);
  }
  ChoosePolicy(context);
}

void Courier::ChoosePolicy(Context& context) {
  const TlsChoice choice = ChooseTlsPolicy(destination_, client(), tlsa_ ? &tlsa_->facts() : nullptr);
  tlsa_.reset();
  for (const std::string& warning : choice.warnings) {
    Log(context, Severity::kWarning, "warning: " + EscapeForLog(warning));
  }
  if (const auto* refusal = std::get_if<TlsRefusal>(&choice.result)) {
    last_reason_ = {refusal->status, refusal->text};
    if (walk_) walk_->OnUnreachable(refusal->status, refusal->text);
    return;
  }
  TlsPolicy policy = std::get<TlsPolicy>(choice.result);
  if (attempt_->plaintext) policy.level = TlsPolicy::Level::kNone;
  Connect(policy, context);
}

void Courier::Connect(const TlsPolicy& policy, Context& context) {
  policy_ = policy;
  const config::SmtpClient& from = client();
  const bool unix_socket = std::holds_alternative<SocketHop>(hop_);
  const SaslPeer peer{.host = attempt_->address.host, .destination = attempt_->site.text, .lmtp = lmtp()};
  const auto login = FindSaslLogin(peer, sender(), *config_);
  has_login_ = login.has_value();
  const std::string address = unix_socket ? std::get<SocketHop>(hop_).path : attempt_->address.address.ToString();
  const auto listed = from.discard_ehlo_keyword_address_maps.Find(address);
  ClientSettings settings{.lmtp = lmtp(),
                          .helo_name = from.helo_name,
                          .my_hostname = config_->routing.myhostname,
                          .always_send_ehlo = from.always_send_ehlo,
                          .never_send_ehlo = from.never_send_ehlo,
                          .skip_5xx_greeting = from.skip_5xx_greeting,
                          .skip_quit_response = from.skip_quit_response,
                          .pix_disable_esmtp = std::find(from.pix_workarounds.begin(), from.pix_workarounds.end(),
                                                         "disable_esmtp") != from.pix_workarounds.end(),
                          .discard_ehlo_keywords = listed ? Words(LowerCase(*listed)) : from.discard_ehlo_keywords,
                          .tls = !policy.wanted()    ? TlsUse::kNone
                                 : policy.required() ? TlsUse::kMust
                                                     : TlsUse::kMay,
                          .tls_wrappermode = from.tls.wrappermode && policy.required(),
                          .tls_server_name = policy.server_name,
                          .mime_output_conversion = !from.disable_mime_output_conversion,
                          .line_length_limit = from.line_length_limit,
                          .mime_nesting_limit = from.mime_nesting_limit,
                          .per_request_deadline = from.per_request_deadline,
                          .reuse_time_limit = from.connection_reuse_time_limit,
                          .reuse_count_limit = from.connection_reuse_count_limit,
                          .timeouts = from.timeouts};
  if (login) {
    settings.sasl.enabled = true;
    settings.sasl.user = login->user;
    settings.sasl.password = login->password;
    settings.sasl.mechanism_filter = from.sasl.mechanism_filter;
    settings.sasl.security = ParseSaslSecurity(from.sasl.security_options).value_or(kNoPlaintext | kNoAnonymous);
    settings.sasl.tls_security =
        ParseSaslSecurity(from.sasl.tls_security_options).value_or(kNoPlaintext | kNoAnonymous);
    settings.sasl.tls_verified_security =
        ParseSaslSecurity(from.sasl.tls_verified_security_options).value_or(kNoPlaintext | kNoAnonymous);
    settings.sasl.soft_bounce = from.sasl.auth_soft_bounce;
  }
  const ClientServer server{.host = attempt_->address.host,
                            .address = address,
                            .port = attempt_->site.port,
                            .detect_loop = !lmtp() && attempt_->site.port == from.port,
                            .best_mx = attempt_->best_mx};
  dialogue_ = std::make_unique<ClientDialogue>(std::move(settings), server);
  dialogue_->OnConnecting(Moment(context));
  BeginJob(context);
  connecting_ = true;
  connect_sequence_ = NextSequence();
  postern::Connect connect{.op = Op(connect_sequence_), .patience = from.timeouts.connect};
  if (unix_socket) {
    connect.to = std::get<SocketHop>(hop_).path;
  } else {
    connect.to = Endpoint{attempt_->address.address, attempt_->site.port};
  }
  context.out.Put(std::move(connect));
}

Job Courier::MakeJob() const {
  const Cargo& cargo = *load_->cargo;
  const queue::Envelope& envelope = cargo.envelope;
  Job job{.null_sender = envelope.null_sender,
          .sender = envelope.sender,
          .envelope_id = envelope.envelope_id,
          .ret = ReturnOf(envelope.ret),
          .body = BodyKindOf(envelope.body),
          .smtputf8 = envelope.smtputf8,
          .utf8_headers = envelope.smtputf8 && cargo.utf8_headers,
          .size_bytes = cargo.crlf_bytes,
          .plaintext_fallback = MayFallBackToPlaintext(policy_, load_->waited_long_enough, has_login_),
          .keep_open = load_->keep_open,
          .nexthop = destination_.nexthop};
  for (const uint32_t recipient : left_) {
    const queue::QueuedRecipient& queued = envelope.recipients[recipient];
    job.recipients.push_back({.address = queued.address,
                              .original = queued.original,
                              .original_recipient = queued.original_recipient,
                              .notify = queued.notify});
  }
  return job;
}

void Courier::BeginJob(Context& context) {
  job_recipients_ = left_;
  open_ = left_.size();
  deferred_.clear();
  job_began_ = job_sent_ = any_untried_ = any_plaintext_retry_ = false;
  message_sent_bytes_ = undrained_bytes_ = 0;
  wanted_bytes_ = 0;
  read_sequence_ = 0;
  dialogue_->Deliver(MakeJob(), Moment(context), &actions_);
}

// ---- events --------------------------------------------------------------------------------------------------------

void Courier::OnEvent(const Event& event, Context& context) {
  if (const auto* answer = std::get_if<Answer>(&event)) {
    const auto asked = questions_.extract(answer->op.tag - first_tag_);
    const auto* reply = std::get_if<DnsReply>(&answer->reply);
    if (asked.empty() || reply == nullptr) return;
    if (tlsa_ && tlsa_->question() == asked.mapped()) {
      tlsa_->Answer(*reply);
      if (tlsa_->question()) return Ask(*tlsa_->question(), context);
      ChoosePolicy(context);
    } else if (walk_) {
      walk_->Answer(asked.mapped(), *reply);
    }
    return Advance(context);
  }
  if (const auto* done = std::get_if<ConnectDone>(&event)) {
    if (!connecting_ || done->op.tag != first_tag_ + connect_sequence_) {
      if (done->status.ok()) context.out.Put(Close{.conn = done->conn, .kind = CloseKind::kNow});
      return;
    }
    connecting_ = false;
    if (done->status.ok()) {
      conn_ = done->conn;
      dialogue_->OnConnected(Moment(context), &actions_);
    } else {
      dialogue_->OnConnectFailed(Message(done->status), &actions_);
    }
  } else if (const auto* received = std::get_if<Received>(&event)) {
    if (dialogue_ == nullptr) return;
    dialogue_->OnBytes(received->bytes, Moment(context), &actions_);
  } else if (const auto* tls = std::get_if<TlsReady>(&event)) {
    if (dialogue_ == nullptr) return;
    tls_pending_ = false;
    const TlsVerdict verdict = JudgeCertificate(policy_, tls->certificate.get());
    if (attempt_) LogTls(tls->facts, verdict, context);
    dialogue_->OnTlsReady(verdict, Moment(context), &actions_);
  } else if (std::holds_alternative<PeerClosed>(event)) {
    conn_.reset();
    if (dialogue_ == nullptr) return;
    if (std::exchange(tls_pending_, false)) {
      dialogue_->OnTlsFailed(&actions_);
    } else {
      dialogue_->OnClosed(&actions_);
    }
  } else if (std::holds_alternative<Drained>(event)) {
    awaiting_drain_ = false;
    undrained_bytes_ = 0;
    GiveMessageBytes(context);
  } else if (const auto* timer = std::get_if<TimerFired>(&event)) {
    if (timer->op.tag != first_tag_ + kTimer || dialogue_ == nullptr) return;
    armed_.reset();
    const auto deadline = dialogue_->deadline();
    if (deadline && *deadline <= context.now.mono && !connecting_) dialogue_->OnDeadline(Moment(context), &actions_);
  } else if (const auto* read = std::get_if<ReadDone>(&event)) {
    // A piece for a job that has ended meanwhile is of no use.
    if (read_sequence_ == 0 || read->op.tag != first_tag_ + read_sequence_) return;
    read_sequence_ = 0;
    const uint64_t left = load_->cargo->message_bytes - message_sent_bytes_;
    const size_t wanted = std::exchange(wanted_bytes_, 0);
    if (!read->status.ok() || read->bytes.size() < std::min<uint64_t>(left, wanted)) {
      dialogue_->OnMessageFailed(&actions_);
    } else {
      message_sent_bytes_ += read->bytes.size();
      undrained_bytes_ += read->bytes.size();
      dialogue_->OnMessageBytes(read->bytes, message_sent_bytes_ == load_->cargo->message_bytes, Moment(context),
                                &actions_);
    }
  }
  Perform(context);
}

// As with smtp_tls_loglevel = 1: whoever reads the log sees how mail left.
void Courier::LogTls(const TlsFacts& facts, const TlsVerdict& verdict, Context& context) const {
  std::string to = std::get_if<SocketHop>(&hop_) != nullptr
                       ? std::get<SocketHop>(hop_).path
                       : attempt_->address.host + "[" + attempt_->address.address.ToString() +
                             "]:" + std::to_string(attempt_->site.port);
  context.out.Log(
      {.severity = Severity::kInfo,
       .tag = lmtp() ? "postfix/lmtp" : "postfix/smtp",
       .pid = log_pid_,
       .text = std::string(verdict.summary) + " TLS connection established to " + EscapeForLog(to) + ": " +
               facts.protocol + " with cipher " + facts.cipher + " (" + std::to_string(facts.secret_bits) + "/" +
               std::to_string(facts.algorithm_bits) + " bits)" + (facts.details.empty() ? "" : " " + facts.details),
       .fields = {{"event.action", "tls.done"}, {"tls.version", facts.protocol}, {"tls.cipher", facts.cipher}}});
}

// Actions may bring more of them: a piece of the message that lies ready.
void Courier::Perform(Context& context) {
  for (size_t i = 0; i < actions_.size(); ++i) {
    ClientAction action = std::move(actions_[i]);
    if (auto* send = std::get_if<SendBytes>(&action)) {
      if (conn_) context.out.Put(Send{.conn = *conn_, .bytes = Chain(std::move(send->bytes)), .secret = send->secret});
    } else if (auto* tls = std::get_if<BeginTls>(&action)) {
      auto wish = std::make_shared<ClientTls>();
      wish->server_name = tls->server_name;
      wish->versions = policy_.versions.allowed;
      wish->cipher_grade = policy_.cipher_grade;
      wish->exclude_ciphers = policy_.exclude_ciphers;
      wish->fingerprint_digest = client().tls.fingerprint_digest;
      wish->ca_file = client().tls.ca_file;
      wish->ca_path = client().tls.ca_path;
      wish->trust_anchor_files = policy_.trust_anchor_files;
      wish->certificate_file = client().tls.certificate_file;
      wish->key_file = client().tls.key_file;
      wish->wants_chain = policy_.level == TlsPolicy::Level::kDane || policy_.level == TlsPolicy::Level::kDaneOnly;
      tls_pending_ = true;
      if (conn_) context.out.Put(StartTls{.conn = *conn_, .client = std::move(wish)});
    } else if (const auto* close = std::get_if<CloseConnection>(&action)) {
      DropConnection(context, close->at_once ? CloseKind::kNow : CloseKind::kAfterDrain);
    } else if (const auto* need = std::get_if<NeedMessageBytes>(&action)) {
      wanted_bytes_ = need->bytes_max;
      GiveMessageBytes(context);
    } else if (auto* done = std::get_if<RecipientDone>(&action)) {
      OnRecipientDone(std::move(*done));
    } else if (const auto* note = std::get_if<ClientNote>(&action)) {
      Log(context, note->warning ? Severity::kWarning : Severity::kInfo,
          (note->warning ? "warning: " : "") + EscapeForLog(note->text));
    }
  }
  actions_.clear();
  if (load_ && !job_recipients_.empty() && open_ == 0) AfterJob(context);
  ArmTimer(context);
}

// With what joins it to the records of the message that is carried, if any.
void Courier::Log(Context& context, Severity severity, std::string text) {
  LogEvent event{
      .severity = severity, .tag = lmtp() ? "postfix/lmtp" : "postfix/smtp", .pid = log_pid_, .text = std::move(text)};
  if (load_) {
    event.trace_id = load_->cargo->envelope.trace_id;
    event.fields = {{"email.local_id", load_->cargo->envelope.id}};
  }
  context.out.Log(std::move(event));
}

void Courier::GiveMessageBytes(Context& context) {
  if (wanted_bytes_ == 0 || awaiting_drain_ || read_sequence_ != 0 || !load_) return;
  if (undrained_bytes_ >= kUndrainedBytesMax && conn_) {
    awaiting_drain_ = true;
    context.out.Put(AwaitDrain{.conn = *conn_});
    return;
  }
  const Cargo& cargo = *load_->cargo;
  if (cargo.bytes == nullptr) return ReadPiece(context);
  const std::string_view message = std::string_view(*cargo.bytes).substr(cargo.message_at_bytes, cargo.message_bytes);
  const std::string_view piece = message.substr(message_sent_bytes_, std::exchange(wanted_bytes_, 0));
  message_sent_bytes_ += piece.size();
  undrained_bytes_ += piece.size();
  dialogue_->OnMessageBytes(piece, message_sent_bytes_ == message.size(), Moment(context), &actions_);
}

void Courier::ReadPiece(Context& context) {
  const Cargo& cargo = *load_->cargo;
  read_sequence_ = NextSequence();
  context.out.Put(Read{.op = Op(read_sequence_),
                       .path = cargo.path,
                       .offset_bytes = cargo.message_at_bytes + message_sent_bytes_,
                       .length_bytes = std::min<uint64_t>(wanted_bytes_, cargo.message_bytes - message_sent_bytes_)});
}

void Courier::OnRecipientDone(RecipientDone done) {
  const uint32_t recipient = job_recipients_[done.recipient];
  --open_;
  job_began_ |= done.began.has_value();
  any_answered_ |= done.began.has_value() && done.code != 0;
  any_untried_ |= done.fate == Fate::kUntried;
  any_plaintext_retry_ |= done.retry_in_plaintext;
  if (done.fate == Fate::kSent || done.fate == Fate::kFailed) {
    job_sent_ |= done.fate == Fate::kSent;
    any_sent_ |= job_sent_;
    Settle(recipient, std::move(done));
  } else {
    deferred_.emplace_back(recipient, std::move(done));
  }
}

void Courier::Settle(uint32_t recipient, RecipientDone done) {
  std::erase(left_, recipient);
  carried_.push_back({recipient, std::move(done)});
}

// All recipients of the job have an answer: who is left goes to another host, or nowhere today.
void Courier::AfterJob(Context& context) {
  job_recipients_.clear();
  read_sequence_ = 0;
  wanted_bytes_ = 0;
  if (left_.empty()) {
    if (dialogue_ != nullptr && !dialogue_->ready() && !conn_) dialogue_.reset();
    return Finish();
  }
  const bool untried = any_untried_;
  const RecipientDone last = deferred_.front().second;
  last_reason_ = {last.status, last.text};
  const bool final_now = attempt_ && (job_began_ ? attempt_->final_in_transaction : attempt_->final_before_transaction);
  // What a kept connection's host puts off waits for the next try: who else there is was not asked this time. So does
  // what its TLS broke: the walk that knows the address to go back to is over.
  if (!untried && (!walk_ || (final_now && !any_plaintext_retry_))) {
    for (auto& [recipient, done] : std::exchange(deferred_, {})) Settle(recipient, std::move(done));
    if (conn_ && dialogue_ != nullptr && !dialogue_->ready()) Retire(context);
    return Finish();
  }
  std::move(carried_.begin(), carried_.end(), std::back_inserter(settled_));
  carried_.clear();
  // A connection that is still open is of no more use for these recipients.
  if (conn_) Retire(context);
  dialogue_.reset();
  if (conn_) DropConnection(context, CloseKind::kAfterDrain);
  if (untried) {
    // The kept connection was dead: the same way anew, which begins at the first host again.
    if (reused_ && std::holds_alternative<NetworkHop>(hop_)) walk_.emplace(std::get<NetworkHop>(hop_), config_);
    if (!walk_) attempt_.reset();
  } else if (any_plaintext_retry_) {
    walk_->RetryInPlaintext();
  } else if (job_began_) {
    walk_->OnSession(last.status, last.text);
  } else if (last.relay == "none" || last.relay.empty()) {
    walk_->OnUnreachable(last.status, last.text);
  } else {
    walk_->OnRefused(last.status, last.text);
  }
  reused_ = false;
  Advance(context);
}

void Courier::SettleRest(std::string status, std::string text, bool blames_host) {
  for (const uint32_t recipient : std::exchange(left_, {})) {
    carried_.push_back(
        {recipient,
         {.fate = Fate::kDeferred, .blames_host = blames_host, .status = status, .relay = "none", .text = text}});
  }
}

void Courier::Finish() {
  std::move(carried_.begin(), carried_.end(), std::back_inserter(settled_));
  carried_.clear();
  Result result{.load = *std::exchange(load_, std::nullopt), .carried = std::exchange(settled_, {}), .began = began_};
  const bool unreachable = !any_sent_ && !any_answered_ && !result.carried.empty() &&
                           std::all_of(result.carried.begin(), result.carried.end(), [](const Carried& each) {
                             return each.done.fate == Fate::kDeferred && each.done.blames_host;
                           });
  if (unreachable) {
    result.verdict = queue::Verdict::kUnreachable;
    result.reason = {result.carried.front().done.status, result.carried.front().done.text};
  } else if (!any_sent_) {
    result.verdict = queue::Verdict::kRecipients;
  }
  job_recipients_.clear();
  attempt_.reset();
  questions_.clear();
  walk_.reset();
  tlsa_.reset();
  result_ = std::move(result);
}

void Courier::Retire(Context& context) {
  if (dialogue_ == nullptr) return;
  dialogue_->Quit(&actions_);
  for (ClientAction& action : std::exchange(actions_, {})) {
    if (auto* send = std::get_if<SendBytes>(&action)) {
      if (conn_) context.out.Put(Send{.conn = *conn_, .bytes = Chain(std::move(send->bytes)), .secret = send->secret});
    } else if (std::holds_alternative<CloseConnection>(action)) {
      DropConnection(context, CloseKind::kAfterDrain);
    }
  }
}

void Courier::DropConnection(Context& context, CloseKind kind) {
  if (conn_) context.out.Put(Close{.conn = *conn_, .kind = kind});
  conn_.reset();
  tls_pending_ = awaiting_drain_ = false;
}

// Deadlines mostly move on: the timer is only set where it would be too late.
void Courier::ArmTimer(Context& context) {
  const auto deadline = dialogue_ != nullptr && conn_ ? dialogue_->deadline() : std::nullopt;
  if (!deadline) return;
  if (armed_ && *armed_ <= *deadline) return;
  armed_ = deadline;
  context.out.Put(SetTimer{.op = Op(kTimer), .at = *deadline});
}

}  // namespace postern::outbound
